"""Groups, users and roles of one account, from IAM's one call that returns them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.world import Group, Role, User
from kmssim.sandbox.memory import Memory
from kmssim.sandbox.read_policy import read_policy
from kmssim.sandbox.seed_identities import OWN_ACCOUNT_SID

Details = Mapping[str, Any]
"""One entry of GetAccountAuthorizationDetails."""


@dataclass(frozen=True)
class Identities:
    """The identities of one account by name."""

    users: Mapping[str, User]
    groups: Mapping[str, Group]
    roles: Mapping[str, Role]


def read_identities(account: str, iam: Any, memory: Memory) -> Identities:  # noqa: ANN401 (a boto3 client)
    """Read the account's groups, users and roles; inline and attached policies are one union."""
    pages = list(iam.get_paginator("get_account_authorization_details").paginate())
    reader = _Reader(account, iam, memory)
    reader.learn_managed(_all(pages, "Policies"))
    return Identities(
        users={entry["UserName"]: reader.user(entry) for entry in _all(pages, "UserDetailList")},
        groups={entry["GroupName"]: reader.group(entry) for entry in _all(pages, "GroupDetailList")},
        roles={entry["RoleName"]: reader.role(entry) for entry in _all(pages, "RoleDetailList")},
    )


def _all(pages: list[Details], member: str) -> Iterator[Details]:
    return (entry for page in pages for entry in page.get(member, ()))


@dataclass
class _Reader:
    """Turns the entries of one account into our data; `managed` holds the documents of managed policies by ARN."""

    account: str
    iam: Any
    memory: Memory
    managed: dict[str, Any] = field(default_factory=dict)

    def learn_managed(self, policies: Iterator[Details]) -> None:
        for policy in policies:
            for version in policy["PolicyVersionList"]:
                if version["IsDefaultVersion"]:
                    self.managed[policy["Arn"]] = version["Document"]

    def user(self, entry: Details) -> User:
        name = entry["UserName"]
        source = f"accounts.{self.account}.users.{name}"
        joined = self.memory.group_order.get((self.account, name), ())
        groups = sorted(entry["GroupList"], key=lambda group: joined.index(group) if group in joined else len(joined))
        boundary = _boundary_of(entry) or self.memory.user_boundaries.get((self.account, name))
        return User(
            arn=entry["Arn"],
            name=name,
            policies=tuple(self.policies(entry, "UserPolicyList", source)),
            groups=tuple(groups),
            boundary=self.boundary(boundary, source),
            tags=_tags(entry),
        )

    def group(self, entry: Details) -> Group:
        name = entry["GroupName"]
        return Group(name, tuple(self.policies(entry, "GroupPolicyList", f"accounts.{self.account}.groups.{name}")))

    def role(self, entry: Details) -> Role:
        name = entry["RoleName"]
        source = f"accounts.{self.account}.roles.{name}"
        trust = read_policy(entry["AssumeRolePolicyDocument"], PolicyKind.TRUST, f"{source}.trust")
        return Role(
            arn=entry["Arn"],
            name=name,
            trust=None if [statement.sid for statement in trust.statements] == [OWN_ACCOUNT_SID] else trust,
            policies=tuple(self.policies(entry, "RolePolicyList", source)),
            boundary=self.boundary(_boundary_of(entry), source),
            tags=_tags(entry),
        )

    def policies(self, entry: Details, inline: str, source: str) -> Iterator[Policy]:
        for policy in entry.get(inline, ()):
            where = f"{source}.policies.{policy['PolicyName']}"
            yield read_policy(policy["PolicyDocument"], PolicyKind.IDENTITY, where)
        for attached in entry.get("AttachedManagedPolicies", ()):
            where = f"{source}.policies.{attached['PolicyName']}"
            yield read_policy(self.document(attached["PolicyArn"]), PolicyKind.IDENTITY, where)

    def boundary(self, arn: str | None, source: str) -> Policy | None:
        return read_policy(self.document(arn), PolicyKind.BOUNDARY, f"{source}.boundary") if arn else None

    def document(self, arn: str) -> Any:  # noqa: ANN401 (parsed JSON)
        """The document of a managed policy; those of AWS itself are not among the account's own."""
        if arn not in self.managed:
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            answer = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)
            self.managed[arn] = answer["PolicyVersion"]["Document"]
        return self.managed[arn]


def _boundary_of(entry: Details) -> str | None:
    boundary: str | None = entry.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return boundary


def _tags(entry: Details) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())}
