"""IAM groups, users with their access keys, and roles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kmssim.evaluator.policy import Policy
from kmssim.evaluator.world import Account, Role, User
from kmssim.sandbox.memory import Memory
from kmssim.sandbox.repairs import policies_already_checked

OWN_ACCOUNT_SID = "OwnAccountMayAssumeThisRole"
"""Marks the trust policy of a role for which the world states none."""

_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


def seed_identities(account: Account, iam: Any, memory: Memory) -> dict[tuple[str, str], tuple[str, str]]:  # noqa: ANN401 (a boto3 client)
    """Make the account's groups, users and roles; returns an access key for each user by account and user name."""
    with policies_already_checked():
        for group in account.groups.values():
            iam.create_group(GroupName=group.name)
            for name, text in _named(group.policies):
                iam.put_group_policy(GroupName=group.name, PolicyName=name, PolicyDocument=text)
        for role in account.roles.values():
            _make_role(role, iam)
        return {(account.id, user.name): _make_user(account.id, user, iam, memory) for user in account.users.values()}


def _own_account_trust(role_arn: str) -> Mapping[str, object]:
    """The trust policy that lets the role's own account assume it."""
    root = role_arn.partition(":role/")[0] + ":root"
    statement = {
        "Sid": OWN_ACCOUNT_SID,
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _make_user(account: str, user: User, iam: Any, memory: Memory) -> tuple[str, str]:  # noqa: ANN401 (a boto3 client)
    boundary = _boundary("user", user.name, user.boundary, iam)
    iam.create_user(UserName=user.name, Path=_path(user.arn, user.name), Tags=_tags(user.tags), **boundary)
    if boundary:
        memory.user_boundaries[account, user.name] = boundary["PermissionsBoundary"]
    for name, text in _named(user.policies):
        iam.put_user_policy(UserName=user.name, PolicyName=name, PolicyDocument=text)
    for group in user.groups:
        iam.add_user_to_group(GroupName=group, UserName=user.name)
    memory.group_order[account, user.name] = user.groups
    made = iam.create_access_key(UserName=user.name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def _make_role(role: Role, iam: Any) -> None:  # noqa: ANN401 (a boto3 client)
    trust = role.trust.document if role.trust is not None else _own_account_trust(role.arn)
    iam.create_role(
        RoleName=role.name,
        Path=_path(role.arn, role.name),
        AssumeRolePolicyDocument=json.dumps(trust),
        Tags=_tags(role.tags),
        **_boundary("role", role.name, role.boundary, iam),
    )
    for name, text in _named(role.policies):
        iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=text)


def _boundary(kind: str, name: str, boundary: Policy | None, iam: Any) -> dict[str, str]:  # noqa: ANN401 (a boto3 client)
    """A boundary is a managed policy; returns the argument that sets it."""
    if boundary is None:
        return {}
    made = iam.create_policy(PolicyName=f"boundary-of-{kind}-{name}", PolicyDocument=json.dumps(boundary.document))
    return {"PermissionsBoundary": made["Policy"]["Arn"]}


def _named(policies: tuple[Policy, ...]) -> Iterator[tuple[str, str]]:
    """Each policy's name and text. The name is what follows `.policies.` in its source; else it gets a number."""
    taken: set[str] = set()
    for number, policy in enumerate(policies):
        name = policy.source.partition(".policies.")[2]
        if not _POLICY_NAME.fullmatch(name) or name in taken:
            name = f"policy-{number}"
        taken.add(name)
        yield name, json.dumps(policy.document)


def _path(arn: str, name: str) -> str:
    """`/team/` out of `arn:aws:iam::111122223333:role/team/worker`."""
    return "/" + arn.partition("/")[2].removesuffix(name)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
