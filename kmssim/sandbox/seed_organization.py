"""The organization: units, accounts and the guardrails attached to them.

moto gives random ids to organizations and accounts; both are chosen here. Units are found again by their name.
"""

from __future__ import annotations

import json
from typing import Any

from kmssim.errors import InputError
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Organization, Unit, World
from kmssim.sandbox.memory import Clients, LoosePolicies, Memory
from kmssim.sandbox.repairs import account_made_as, forget_earlier_organizations, organization_made_as

FULL_SCP = "p-FullAWSAccess"
FULL_RCP = "p-RCPFullAWSAccess"
POLICY_TYPES = {PolicyKind.SCP: "SERVICE_CONTROL_POLICY", PolicyKind.RCP: "RESOURCE_CONTROL_POLICY"}
_STAND_IN = "000000000000"
_ACCESS_ROLE = "OrganizationAccountAccessRole"


def seed_organization(world: World, clients: Clients, memory: Memory) -> None:
    """Make the organization of `world`, if it has one.

    Raises InputError when the management account is declared outside the organization that it manages.
    """
    forget_earlier_organizations()
    for account in world.accounts.values():
        if account.unit is None or world.organization is None:
            memory.loose_policies[account.id] = LoosePolicies(account.scps, account.rcps)
    if world.organization is None:
        return
    management = world.organization.management_account or _STAND_IN
    memory.organization_account = management
    memory.stand_in_management = world.organization.management_account is None
    client = clients("organizations", management, world.region)
    with organization_made_as(world.organization.id):
        client.create_organization(FeatureSet="ALL")
    unit_ids = _make_units(world.organization, client)
    for account in world.accounts.values():
        _make_member(account, management, unit_ids, client)
        if account.unit is not None and account.id != management:
            _remove_access_role(clients("iam", account.id, world.region))


def _make_units(organization: Organization, client: Any) -> dict[str, str]:  # noqa: ANN401 (a boto3 client)
    """The units, parents first; returns the id of each by its name."""
    root = client.list_roots()["Roots"][0]["Id"]
    unit_ids: dict[str, str] = {}
    for name in organization.units:
        for unit in organization.units_above(name):
            if unit.name in unit_ids:
                continue
            unit_ids[unit.name] = root if unit.parent is None else _make_unit(unit, unit_ids[unit.parent], client)
            _attach(unit_ids[unit.name], unit.scps, unit.rcps, client)
    return unit_ids


def _make_unit(unit: Unit, parent: str, client: Any) -> str:  # noqa: ANN401 (a boto3 client)
    made = client.create_organizational_unit(ParentId=parent, Name=unit.name)
    return str(made["OrganizationalUnit"]["Id"])


def _make_member(account: Account, management: str, unit_ids: dict[str, str], client: Any) -> None:  # noqa: ANN401 (a boto3 client)
    if account.unit is None:
        if account.id == management:
            what = "the management account stands in its own organization; give it a unit"
            raise InputError(what, path=f"accounts.{account.id}.unit")
        return
    if account.id != management:
        with account_made_as(account.id):
            client.create_account(AccountName=account.id, Email=f"{account.id}@example.com")
    if account.unit != "root":
        client.move_account(
            AccountId=account.id, SourceParentId=unit_ids["root"], DestinationParentId=unit_ids[account.unit]
        )
    _attach(account.id, account.scps, account.rcps, client)


def _remove_access_role(iam: Any) -> None:  # noqa: ANN401 (a boto3 client)
    """CreateAccount leaves a role for the management account; a world has the roles that it declares.

    moto makes it in the commercial partition only.
    """
    roles = {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}
    if _ACCESS_ROLE not in roles:
        return
    for policy in iam.list_role_policies(RoleName=_ACCESS_ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=_ACCESS_ROLE, PolicyName=policy)
    for policy in iam.list_attached_role_policies(RoleName=_ACCESS_ROLE)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=_ACCESS_ROLE, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=_ACCESS_ROLE)


def _attach(target: str, scps: tuple[Policy, ...], rcps: tuple[Policy, ...], client: Any) -> None:  # noqa: ANN401 (a boto3 client)
    """Exactly these policies, in this order; RCPFullAWSAccess stays, as it does in AWS (OR-4)."""
    client.detach_policy(PolicyId=FULL_SCP, TargetId=target)
    full = parse_policy(client.describe_policy(PolicyId=FULL_SCP)["Policy"]["Content"], PolicyKind.SCP)
    attached: set[str] = set()
    for number, policy in enumerate((*scps, *rcps)):
        by_aws = policy == full and FULL_SCP not in attached
        policy_id = FULL_SCP if by_aws else _make_policy(f"{target}-{number}", policy, client)
        client.attach_policy(PolicyId=policy_id, TargetId=target)
        attached.add(policy_id)


def _make_policy(name: str, policy: Policy, client: Any) -> str:  # noqa: ANN401 (a boto3 client)
    text = json.dumps(policy.document)
    made = client.create_policy(Name=name, Description=policy.source, Type=POLICY_TYPES[policy.kind], Content=text)
    return str(made["Policy"]["PolicySummary"]["Id"])
