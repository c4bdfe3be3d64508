"""The declared world: organization, accounts, principals, keys, grants. Frozen data, no behaviour but look-ups.

Both sides of a comparison are worlds: the one that a scenario declares, and the one that is read back from a runtime.
Where a name or a source is only for people it does not take part in equality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.grant_index import Constraints, Grant, GrantIndex, index_after
from kmssim.evaluator.policy import Policy
from kmssim.evaluator.unlocked import cached_property

__all__ = [
    "Account",
    "Bucket",
    "Constraints",
    "Grant",
    "Group",
    "Key",
    "Organization",
    "Role",
    "Secret",
    "Unit",
    "User",
    "VpcEndpoint",
    "World",
    "alias_arn",
]


@dataclass(frozen=True)
class Unit:
    """An organizational unit, or the root. `scps` and `rcps` are the policies attached right there."""

    name: str
    parent: str | None
    scps: tuple[Policy, ...]
    rcps: tuple[Policy, ...] = ()


@dataclass(frozen=True)
class Organization:
    """An AWS organization; SCPs and RCPs do not bind its management account (OR-1, OR-3)."""

    id: str
    management_account: str | None
    units: Mapping[str, Unit]

    def units_above(self, unit: str) -> Iterator[Unit]:
        """The units from the root down to `unit`, both included."""
        here = self.units[unit]
        if here.parent is not None:
            yield from self.units_above(here.parent)
        yield here


@dataclass(frozen=True)
class Group:
    """An IAM group: its policies join those of its members (DA-36)."""

    name: str
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True)
class User:
    """An IAM user; `groups` are names of groups in the same account."""

    arn: str
    name: str
    policies: tuple[Policy, ...] = ()
    groups: tuple[str, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """An IAM role; `trust` None: its own account may assume it."""

    arn: str
    name: str
    trust: Policy | None = None
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def service_linked(self) -> bool:
        """Whether an AWS service made this role for itself (DA-33)."""
        return ":role/aws-service-role/" in self.arn


@dataclass(frozen=True)
class Key:
    """A KMS key with everything that an authorization decision or its outcome looks at.

    `label` is the scenario's name for it. `multi_region` is None, `PRIMARY` or `REPLICA`. `ram_policy` is the second
    key policy that a resource share added (PG-50). `pending_material`: imported material waits for on-demand rotation
    (EM-38); only a runtime knows.
    """

    id: str
    region: str
    account: str
    policy: Policy
    partition: str = "aws"
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    manager: str = "CUSTOMER"
    state: str = "Enabled"
    multi_region: str | None = None
    ram_policy: Policy | None = None
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    pending_material: bool = False
    label: str = field(default="", compare=False)

    @cached_property
    def arn(self) -> str:
        """The key ARN."""
        return f"arn:{self.partition}:kms:{self.region}:{self.account}:key/{self.id}"

    @cached_property
    def grant_index(self) -> GrantIndex:
        """The grants by what a request asks for (GR-6)."""
        return GrantIndex().changed(added=self.grants)

    def index_from(self, before: Key) -> None:
        """Take over the index of this key as it was before, if it had been made: by what came and went since.

        It is the same index that `grant_index` would make; only the time that it takes differs.
        """
        if "grant_index" in vars(before):
            vars(self)["grant_index"] = index_after(before.grant_index, before.grants, self.grants)

    @property
    def symmetric_encryption(self) -> bool:
        """Whether this is a symmetric encryption key, the only kind with encryption context (EC-5)."""
        return self.spec == "SYMMETRIC_DEFAULT"


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket encrypted under `key` (any key id form, looked up in the caller's account: DS-6)."""

    name: str
    account: str
    region: str
    key: str | None
    bucket_key: bool = False
    policy: Policy | None = None


@dataclass(frozen=True)
class Secret:
    """A secret in Secrets Manager encrypted under `key`."""

    name: str
    account: str
    region: str
    key: str | None
    policy: Policy | None = None


@dataclass(frozen=True)
class VpcEndpoint:
    """An interface endpoint for KMS and its policy; None: the default, which allows everything (OR-7)."""

    id: str
    account: str
    vpc: str
    policy: Policy | None = None


@dataclass(frozen=True)
class Account:
    """An AWS account. `unit` None: it is in no organization. Keys are by their label in this world."""

    id: str
    unit: str | None = None
    scps: tuple[Policy, ...] = ()
    rcps: tuple[Policy, ...] = ()
    users: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Everything that a decision may depend on, beside the call itself."""

    accounts: Mapping[str, Account]
    region: str = "us-east-1"
    organization: Organization | None = None
    vpc_endpoints: Mapping[str, VpcEndpoint] = field(default_factory=dict)

    @cached_property
    def keys_by_arn(self) -> Mapping[str, Key]:
        """Every key of every account by its ARN."""
        return {key.arn: key for account in self.accounts.values() for key in account.keys}

    @cached_property
    def keys_by_alias_arn(self) -> Mapping[str, Key]:
        """Every key by the ARN of each of its aliases."""
        return {alias_arn(key, alias): key for key in self.keys_by_arn.values() for alias in key.aliases}

    @cached_property
    def _keys_with_grants(self) -> tuple[Key, ...]:
        return tuple(key for key in self.keys_by_arn.values() if key.grants)

    def key_of_grant(self, grant_id: str) -> Key | None:
        """The key that the grant of this id is on: each key's own index is asked, which outlives a change elsewhere."""
        return next((key for key in self._keys_with_grants if key.grant_index.find(grant_id)), None)

    @cached_property
    def buckets(self) -> Mapping[str, Bucket]:
        """Every bucket by name: bucket names are global."""
        return {name: bucket for account in self.accounts.values() for name, bucket in account.buckets.items()}

    @cached_property
    def _units_over(self) -> dict[str, tuple[Unit, ...]]:
        return {}

    def units_over(self, account: str) -> tuple[Unit, ...]:
        """The units of this world's organization from the root down to an account; "root" for one not declared."""
        found = self._units_over.get(account)
        if found is None:
            declared = self.accounts.get(account)
            unit = (declared.unit if declared else None) or "root"
            found = tuple(self.organization.units_above(unit)) if self.organization else ()
            self._units_over[account] = found
        return found

    @cached_property
    def paths(self) -> Mapping[str, str]:
        """Where each account of this world's organization stands in it: `o-…/root/unit/` (CK-62)."""
        organization = self.organization
        if organization is None:
            return {}
        names = {*self.accounts, organization.management_account or ""}
        inside = filter(self.in_organization, names)
        return {name: f"{organization.id}/{'/'.join(unit.name for unit in self.units_over(name))}/" for name in inside}

    @cached_property
    def scps_over(self) -> Mapping[str, tuple[tuple[Policy, ...], ...]]:
        """The SCPs level by level, by the account that they bind: not the management account (OR-1)."""
        return {name: (*(unit.scps for unit in self.units_over(name)), account.scps) for name, account in self._bound()}

    @cached_property
    def rcps_over(self) -> Mapping[str, tuple[Policy, ...]]:
        """All RCPs, by the account whose resources they bind: not the management account's (OR-2, OR-3)."""
        return {
            name: (*(policy for unit in self.units_over(name) for policy in unit.rcps), *account.rcps)
            for name, account in self._bound()
        }

    def _bound(self) -> Iterator[tuple[str, Account]]:
        management = self.organization.management_account if self.organization else None
        for name, account in self.accounts.items():
            if self.in_organization(name) and name != management:
                yield name, account

    def in_organization(self, account: str) -> bool:
        """Whether the account is declared and in this world's organization (CK-62, CK-72)."""
        if self.organization is None:
            return False
        found = self.accounts.get(account)
        return account == self.organization.management_account or (found is not None and found.unit is not None)


def alias_arn(key: Key, alias: str) -> str:
    """The ARN of an alias (`alias/…`) that stands beside `key`."""
    return f"arn:{key.partition}:kms:{key.region}:{key.account}:{alias}"
