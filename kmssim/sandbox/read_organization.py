"""The organization as moto holds it: units by name, accounts in their units, the policies attached to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.world import Organization, Unit
from kmssim.sandbox.backends import is_untouched
from kmssim.sandbox.memory import Clients, LoosePolicies, Memory
from kmssim.sandbox.read_policy import read_policy
from kmssim.sandbox.seed_organization import FULL_RCP, POLICY_TYPES

_ROOT = "root"
_NO_ORGANIZATION = "AWSOrganizationsNotInUseException"


@dataclass(frozen=True)
class Membership:
    """Where an account stands: its unit (None: in no organization) and the policies attached to it."""

    unit: str | None
    scps: tuple[Policy, ...]
    rcps: tuple[Policy, ...]


def read_organization(
    clients: Clients, memory: Memory, accounts: Sequence[str], region: str
) -> tuple[Organization | None, Mapping[str, Membership]]:
    """The organization that one of `accounts` is in (None: none), and where each of them stands."""
    loose = {account: _outside(memory.loose_policies.get(account, LoosePolicies())) for account in accounts}
    through = [memory.organization_account] if memory.organization_account else []
    described = _first_organization(clients, [*through, *accounts], region)
    if described is None:
        return None, loose
    reader = _Reader(clients("organizations", described["MasterAccountId"], region))
    units = reader.units()
    inside = reader.members([account for account in accounts if account in reader.accounts()])
    management = None if memory.stand_in_management else described["MasterAccountId"]
    return Organization(described["Id"], management, units), {**loose, **inside}


def _outside(policies: LoosePolicies) -> Membership:
    return Membership(None, policies.scps, policies.rcps)


def _first_organization(clients: Clients, accounts: Sequence[str], region: str) -> Mapping[str, str] | None:
    for account in () if is_untouched("organizations") else accounts:
        try:
            return clients("organizations", account, region).describe_organization()["Organization"]  # type: ignore[no-any-return]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NO_ORGANIZATION:
                raise
    return None


class _Reader:
    """Reads one organization as its management account; unit ids become names on the way."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 (a boto3 client)
        self.client = client
        self.names: dict[str, str] = {}

    def units(self) -> dict[str, Unit]:
        root = self.client.list_roots()["Roots"][0]["Id"]
        return {unit.name: unit for unit in self.units_from(root, _ROOT, None)}

    def units_from(self, unit_id: str, name: str, parent: str | None) -> Iterator[Unit]:
        self.names[unit_id] = name
        yield Unit(name, parent, *self.policies_of(unit_id, f"organization.units.{name}"))
        for page in self.pages("list_organizational_units_for_parent", ParentId=unit_id):
            for child in page["OrganizationalUnits"]:
                # Names are unique beside each other only: the second of a name goes by its id.
                taken = child["Name"] in self.names.values()
                yield from self.units_from(child["Id"], child["Id"] if taken else child["Name"], name)

    def accounts(self) -> set[str]:
        return {account["Id"] for page in self.pages("list_accounts") for account in page["Accounts"]}

    def members(self, accounts: Sequence[str]) -> dict[str, Membership]:
        found = {}
        for account in accounts:
            parent = self.client.list_parents(ChildId=account)["Parents"][0]["Id"]
            found[account] = Membership(self.names[parent], *self.policies_of(account, f"accounts.{account}"))
        return found

    def policies_of(self, target: str, source: str) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        """The SCPs and the RCPs attached right there; RCPFullAWSAccess, always there, is left out (OR-4)."""
        return (
            tuple(self.attached(target, PolicyKind.SCP, f"{source}.scps")),
            tuple(self.attached(target, PolicyKind.RCP, f"{source}.rcps")),
        )

    def attached(self, target: str, kind: PolicyKind, source: str) -> Iterator[Policy]:
        pages = self.pages("list_policies_for_target", TargetId=target, Filter=POLICY_TYPES[kind])
        ids = [policy["Id"] for page in pages for policy in page["Policies"] if policy["Id"] != FULL_RCP]
        for number, policy_id in enumerate(ids):
            content = self.client.describe_policy(PolicyId=policy_id)["Policy"]["Content"]
            yield read_policy(content, kind, f"{source}[{number}]")

    def pages(self, operation: str, **arguments: str) -> Iterator[Mapping[str, Any]]:
        yield from self.client.get_paginator(operation).paginate(**arguments)
