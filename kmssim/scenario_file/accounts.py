"""The accounts of a scenario: users, groups, roles, keys, buckets and secrets, each made from its part of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.request import partition_of
from kmssim.evaluator.world import Account, Bucket, Group, Key, Organization, Role, Secret, User
from kmssim.scenario_file.keys import read_key
from kmssim.scenario_file.models import (
    AccountDocument,
    BucketDocument,
    GroupDocument,
    KeyDocument,
    RoleDocument,
    SecretDocument,
    UserDocument,
)
from kmssim.scenario_file.places import Place, Problems
from kmssim.scenario_file.policies import Reference, read_policies, read_policy

_Document = TypeVar("_Document")
_Thing = TypeVar("_Thing")

ROOT = "root"
"""The organization's root, which holds every account that names no unit."""

_ALWAYS_THERE = "RCPFullAWSAccess"  # attached everywhere, cannot be detached, and changes no answer (OR-4)


def read_each(
    documents: Mapping[str, _Document],
    read: Callable[[str, _Document, Place], _Thing],
    place: Place,
    problems: Problems,
) -> dict[str, _Thing]:
    """Read every named document; what cannot be read is noted among the problems and left out."""
    things: dict[str, _Thing] = {}
    for name, document in documents.items():
        with problems.noted():
            things[name] = read(name, document, place.at(name))
    return things


def read_scps(references: Sequence[Reference], place: Place) -> tuple[Policy, ...]:
    """The SCPs attached at one spot: exactly those that are listed."""
    return tuple(read_policy(each, PolicyKind.SCP, place.at(index)) for index, each in enumerate(references))


def read_rcps(references: Sequence[Reference], place: Place) -> tuple[Policy, ...]:
    """The RCPs attached at one spot beside `RCPFullAWSAccess`, which may be listed, too."""
    return tuple(
        read_policy(each, PolicyKind.RCP, place.at(index))
        for index, each in enumerate(references)
        if each != _ALWAYS_THERE
    )


def read_optional(reference: Reference | None, kind: PolicyKind, place: Place) -> Policy | None:
    """A policy where one is stated."""
    return None if reference is None else read_policy(reference, kind, place)


@dataclass(frozen=True)
class AccountReader:
    """Reads one account; `region` is that of everything which states none."""

    id: str
    document: AccountDocument
    region: str
    organization: Organization | None
    place: Place
    problems: Problems

    def read(self) -> Account:
        """Make the account; mistakes are noted in `problems`, and what they are in is left out."""
        unit, scps, rcps = self._guardrails()
        given = self.document
        return Account(
            id=self.id,
            unit=unit,
            scps=scps,
            rcps=rcps,
            users=read_each(given.users, self._user, self.place.at("users"), self.problems),
            groups=read_each(given.groups, self._group, self.place.at("groups"), self.problems),
            roles=read_each(given.roles, self._role, self.place.at("roles"), self.problems),
            keys=self._keys(),
            buckets=read_each(given.buckets, self._bucket, self.place.at("buckets"), self.problems),
            secrets=read_each(given.secrets, self._secret, self.place.at("secrets"), self.problems),
        )

    def _guardrails(self) -> tuple[str | None, tuple[Policy, ...], tuple[Policy, ...]]:
        with self.problems.noted():
            unit = self._unit()
            if unit is not None:
                scps = read_scps(self.document.scps, self.place.at("scps"))
                return unit, scps, read_rcps(self.document.rcps, self.place.at("rcps"))
        return None, (), ()

    def _unit(self) -> str | None:
        stated = self.document.unit
        if self.organization is None or (stated is None and self.document.states("unit")):
            for field in ("unit", "scps", "rcps"):
                if self.document.states(field) and getattr(self.document, field):
                    hint = "state an `organization`" if self.organization is None else "leave out `unit`, or name one"
                    raise self.place.at(field).refusal(f"`{field}` on an account that is in no organization", hint)
            return None
        if stated is not None and stated not in self.organization.units:
            raise self.place.at("unit").unknown(f"no unit `{stated}`", stated, self.organization.units)
        return stated or ROOT

    def _arn(self, resource: str) -> str:
        return f"arn:{partition_of(self.region)}:iam::{self.id}:{resource}"

    def _user(self, name: str, given: UserDocument, place: Place) -> User:
        for index, group in enumerate(given.groups):
            if group not in self.document.groups:
                where = place.at("groups", index)
                raise where.unknown(f"no group `{group}` in account {self.id}", group, self.document.groups)
        return User(
            arn=self._arn(f"user{given.path}{name}"),
            name=name,
            policies=read_policies(given.policies, PolicyKind.IDENTITY, place.at("policies")),
            groups=tuple(given.groups),
            boundary=read_optional(given.boundary, PolicyKind.BOUNDARY, place.at("boundary")),
            tags=given.tags,
        )

    def _group(self, name: str, given: GroupDocument, place: Place) -> Group:
        return Group(name, read_policies(given.policies, PolicyKind.IDENTITY, place.at("policies")))

    def _role(self, name: str, given: RoleDocument, place: Place) -> Role:
        return Role(
            arn=self._arn(f"role{given.path}{name}"),
            name=name,
            trust=read_optional(given.trust, PolicyKind.TRUST, place.at("trust")),
            policies=read_policies(given.policies, PolicyKind.IDENTITY, place.at("policies")),
            boundary=read_optional(given.boundary, PolicyKind.BOUNDARY, place.at("boundary")),
            tags=given.tags,
        )

    def _keys(self) -> tuple[Key, ...]:
        """The keys; within a Region neither an id nor an alias stands for two of them."""
        taken: set[tuple[str, str]] = set()

        def read(label: str, given: KeyDocument, place: Place) -> Key:
            key = read_key(label, given, self.id, self.region, place)
            for name, spot in _names(key, place):
                if (key.region, name) in taken:
                    raise spot.refusal(f"another key of account {self.id} in {key.region} has `{name}`")
                taken.add((key.region, name))
            return key

        return tuple(read_each(self.document.keys, read, self.place.at("keys"), self.problems).values())

    def _bucket(self, name: str, given: BucketDocument, place: Place) -> Bucket:
        policy = read_optional(given.policy, PolicyKind.BUCKET, place.at("policy"))
        return Bucket(name, self.id, given.region or self.region, given.key, given.bucket_key, policy)

    def _secret(self, name: str, given: SecretDocument, place: Place) -> Secret:
        policy = read_optional(given.policy, PolicyKind.SECRET, place.at("policy"))
        return Secret(name, self.id, given.region or self.region, given.key, policy)


def _names(key: Key, place: Place) -> Iterator[tuple[str, Place]]:
    yield key.id, place.at("id")
    yield from ((alias, place.at("aliases", index)) for index, alias in enumerate(key.aliases))
