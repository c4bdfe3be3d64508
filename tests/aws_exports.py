"""What the AWS CLI would write of a world: the sandbox asked through boto3, each answer in a file of its own.

The sandbox's authority allows everything here, so that whoever may ask, each answer comes as KMS would give it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from kmssim.evaluator.decision import Authority, Reason, RuledBy, Ruling
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.seed_identities import _own_account_trust
from kmssim.scenario_file.policies import managed_policy

ANYTHING = Authority(RuledBy("everything is allowed"), lambda _facts: Ruling(Reason.ALLOWED, frozenset()))

STAND_IN = "000000000000"
"""Who manages the organization of a world that does not say."""

Files = dict[str, dict]
"""Answers by file name; `/` in a name makes a folder."""


@contextmanager
def answering(world: World) -> Iterator[Callable[..., object]]:
    """`client(service, account, region)`: clients that may ask anything."""
    with Sandbox(world, ANYTHING) as sandbox:
        partition = "aws-cn" if world.region.startswith("cn-") else "aws"

        def client(service: str, account: str, region: str = world.region):
            if service == "organizations":  # nobody decides on its calls; the account may be an undeclared one
                return sandbox.reader(service, account, region)
            return sandbox.client(service, f"arn:{partition}:iam::{account}:root", region)

        yield client


def exports_of(world: World, client: Callable[..., object]) -> Files:
    """Every answer that tells of the world, as `aws … --output json` prints it."""
    files: Files = {}
    for account in world.accounts:
        files |= _identities(client("iam", account), account)
        for region in dict.fromkeys(key.region for key in world.accounts[account].keys):
            files |= _keys(client("kms", account, region), f"{account}/{region}")
    if world.organization is not None:
        files |= _organization(world, client)
    return {name: plain(answer) for name, answer in files.items()}


def _identities(iam, account: str) -> Files:
    """IAM's one call that tells all; AWS shows the boundary of a user there, too, which moto leaves to GetUser."""
    pages = list(iam.get_paginator("get_account_authorization_details").paginate())
    for user in (user for page in pages for user in page["UserDetailList"]):
        bound = iam.get_user(UserName=user["UserName"])["User"].get("PermissionsBoundary")
        user.update({"PermissionsBoundary": bound} if bound else {})
    return {f"{account}/details-{number}.json": page for number, page in enumerate(pages)}


def _keys(kms, folder: str) -> Files:
    files: Files = {f"{folder}/list-keys.json": kms.list_keys(), f"{folder}/list-aliases.json": kms.list_aliases()}
    for listed in files[f"{folder}/list-keys.json"]["Keys"]:
        key = listed["KeyId"]
        here = f"{folder}/{key}"
        files[f"{here}/describe-key.json"] = kms.describe_key(KeyId=key)
        files[f"{here}/get-key-policy.json"] = kms.get_key_policy(KeyId=key, PolicyName="default")
        files[f"{here}/list-resource-tags.json"] = kms.list_resource_tags(KeyId=key)
        page, number = kms.list_grants(KeyId=key, Limit=2), 0
        files[f"{here}/list-grants-0.json"] = page
        while page.get("Truncated"):
            page, number = kms.list_grants(KeyId=key, Limit=2, Marker=page["NextMarker"]), number + 1
            files[f"{here}/list-grants-{number}.json"] = page
    return files


def _organization(world: World, client: Callable[..., object]) -> Files:
    management = world.organization.management_account or STAND_IN
    asked = client("organizations", management)
    files: Files = {"describe-organization.json": asked.describe_organization(), "list-roots.json": asked.list_roots()}
    files["list-accounts.json"] = asked.list_accounts()
    root = files["list-roots.json"]["Roots"][0]["Id"]
    targets, waiting = [root], [root]
    while waiting:
        parent = waiting.pop()
        answer = asked.list_organizational_units_for_parent(ParentId=parent)
        files[f"list-organizational-units-for-parent.{parent}.json"] = answer
        waiting += [unit["Id"] for unit in answer["OrganizationalUnits"]]
    targets += [
        unit["Id"] for name, answer in files.items() if "units" in name for unit in answer["OrganizationalUnits"]
    ]
    for account in files["list-accounts.json"]["Accounts"]:
        targets.append(account["Id"])
        files[f"list-parents.{account['Id']}.json"] = asked.list_parents(ChildId=account["Id"])
    for target in targets:
        for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
            answer = asked.list_policies_for_target(TargetId=target, Filter=kind)
            files[f"list-policies-for-target.{target}.{kind}.json"] = answer
            for policy in answer["Policies"]:
                files[f"describe-policy.{policy['Id']}.json"] = asked.describe_policy(PolicyId=policy["Id"])
    return files


def plain(value):
    """An answer as the CLI prints it: without what is botocore's, times as text."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def write_files(files: Files, folder: Path) -> Path:
    """Write the answers below a folder."""
    for name, answer in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(answer))
    return folder


def as_exported(world: World) -> World:
    """The world without what no answer of AWS's tells: buckets, secrets, endpoints, pending grants, shared policies."""
    accounts = {name: _account_as_exported(account) for name, account in world.accounts.items()}
    organization = world.organization
    if organization is not None:  # every organization has a management account, and lists it
        management = organization.management_account or STAND_IN
        organization = replace(organization, management_account=management)
        accounts.setdefault(management, Account(management, "root", (managed_policy("FullAWSAccess", PolicyKind.SCP),)))
    return replace(world, accounts=accounts, organization=organization, vpc_endpoints={})


def _account_as_exported(account: Account) -> Account:
    outside = {"scps": (), "rcps": ()} if account.unit is None else {}
    return replace(
        account,
        users={name: replace(user, groups=tuple(sorted(user.groups))) for name, user in account.users.items()},
        roles={
            name: replace(role, trust=role.trust or own_account_trust(role)) for name, role in account.roles.items()
        },
        keys=tuple(_key_as_exported(key) for key in sorted(account.keys, key=lambda key: key.arn)),
        buckets={},
        secrets={},
        **outside,
    )


def _key_as_exported(key: Key) -> Key:
    grants = tuple(replace(grant, pending=False) for grant in sorted(key.grants, key=lambda grant: grant.id))
    return replace(key, grants=grants, ram_policy=None, aliases=tuple(sorted(key.aliases)))


def own_account_trust(role: Role) -> Policy:
    """What the sandbox writes for a role of which a world states no trust policy."""
    return parse_policy(_own_account_trust(role.arn), PolicyKind.TRUST)
