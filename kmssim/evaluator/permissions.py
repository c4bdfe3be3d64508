"""Which permissions a KMS call needs, each on which resource: the call's *legs* (rule book section 9, column 3 of 8.2).

The operation table says it in general (`operations`); here the names in it become this world's keys and aliases. A
call whose key cannot be found has no legs: it ends before authorization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kmssim.evaluator.decision import Source
from kmssim.evaluator.keys import (
    Absence,
    FoundKey,
    MissingKey,
    find_ciphertext_key,
    find_key,
    home_account,
    home_arn,
    related_key,
)
from kmssim.evaluator.operations import OPERATIONS, On, Operation, Permission
from kmssim.evaluator.policy import Policy
from kmssim.evaluator.request import Call
from kmssim.evaluator.unlocked import cached_property
from kmssim.evaluator.world import Grant, Key, World


@dataclass(frozen=True)
class Leg:
    """One permission of a call. `resource` is an ARN, or "*"; `owner` the account whose RCPs apply (OR-2, OR-6).

    `alias`: the alias by which the call named the key. `same_key`: for ReEncrypt, whether source and destination are
    one key, and `partner` its other leg. `grant`: the grant that RetireGrant is about. `replica_of`: the primary of
    which CreateKey makes a replica.
    `resource_policy`: that of a bucket or secret, for the service's own permission. `on`: see the operation table.
    """

    action: str
    resource: str
    source: Source
    region: str
    owner: str
    key: Key | None = None
    alias: str | None = None
    encryption_context: Mapping[str, str] | None = None
    constraint_type: str | None = None
    same_key: bool | None = None
    partner: Leg | None = None
    grant: Grant | None = None
    replica_of: Key | None = None
    resource_policy: Policy | None = None
    is_alias: bool = False
    on: On = On.KEY

    @cached_property
    def name(self) -> str:
        """The action without its service, e.g. `ReEncryptFrom`."""
        return self.action.partition(":")[2]


@dataclass(frozen=True)
class MissingGrant:
    """RetireGrant names no grant of this world; `by_token` tells how it was named."""

    by_token: bool
    reference: str


Missing = MissingKey | MissingGrant


def legs_of(world: World, call: Call) -> tuple[Leg, ...] | Missing:
    """The permissions that a KMS call needs, or what could not be found."""
    operation = OPERATIONS[call.name]
    legs: list[Leg] = []
    for permission in operation.permissions:
        if permission.when and not call.parameters.get(permission.when):
            continue
        if permission.region_parameter and permission.on is On.KEY and not _is_primary(legs):
            continue
        leg = _leg(world, call, operation, permission)
        if isinstance(leg, MissingKey):
            return replace(leg, action=permission.action)
        if isinstance(leg, MissingGrant):
            return leg
        legs.append(leg)
    return _marked_as_same_key(call, legs)


def _is_primary(legs: list[Leg]) -> bool:
    """TP-4: only a primary has a replica to hand over to; of any other key UpdatePrimaryRegion fails later (EM-33)."""
    return all(leg.key is not None and leg.key.multi_region == "PRIMARY" for leg in legs)


def _leg(world: World, call: Call, operation: Operation, permission: Permission) -> Leg | Missing:
    if permission.on is On.NOTHING:
        return _resourceless_leg(world, call, permission)
    if permission.on is On.NEW_KEY:
        arn = home_arn(call, _region(call, permission), "key/new")
        primary = _primary(world, call)
        return Leg(permission.action, str(arn), Source.IDENTITY, arn.region, arn.account, replica_of=primary)
    if permission.on is On.ALIAS:
        return _alias_leg(call, permission)
    if permission.on is On.GRANT:
        return _retiring_leg(world, call, permission)
    found = _key_of(world, call, operation, permission)
    return found if isinstance(found, MissingKey) else _key_leg(call, permission, found)


def _region(call: Call, permission: Permission) -> str:
    stated = call.parameters.get(permission.region_parameter) if permission.region_parameter else None
    return stated if isinstance(stated, str) else call.region


def _resourceless_leg(world: World, call: Call, permission: Permission) -> Leg:
    region, primary = _region(call, permission), _primary(world, call)
    return Leg(permission.action, "*", Source.IDENTITY, region, home_account(call), replica_of=primary)


def _primary(world: World, call: Call) -> Key | None:
    """The key of which the call makes a replica."""
    found = _find(world, call, "KeyId", alias_allowed=False) if call.name == "ReplicateKey" else None
    return found.key if isinstance(found, FoundKey) else None


def _alias_leg(call: Call, permission: Permission) -> Leg:
    """DA-38: an alias has no resource policy, so IAM alone decides on it."""
    name = str(call.parameters.get("AliasName", ""))
    arn = home_arn(call, call.region, name)
    return Leg(permission.action, str(arn), Source.IDENTITY, call.region, arn.account, is_alias=True)


def _key_of(world: World, call: Call, operation: Operation, permission: Permission) -> FoundKey | MissingKey:
    if permission.on is On.ALIAS_TARGET:
        name = str(call.parameters.get("AliasName", ""))
        return find_key(world, call, name, call.region, alias_allowed=True)
    found = _find(world, call, permission.parameter or "KeyId", alias_allowed=operation.alias_allowed)
    if isinstance(found, MissingKey) or not permission.region_parameter:
        return found
    region = _region(call, permission)
    other = related_key(world, found.key, region)
    arn = replace(found.key, region=region).arn
    return FoundKey(other) if other else MissingKey(Absence.NO_KEY, arn, arn)


def _find(world: World, call: Call, parameter: str, *, alias_allowed: bool) -> FoundKey | MissingKey:
    reference = call.parameters.get(parameter)
    if reference is None and parameter in {"KeyId", "SourceKeyId"}:
        return find_ciphertext_key(world, call)
    return find_key(world, call, str(reference or ""), call.region, alias_allowed=alias_allowed)


def _key_leg(call: Call, permission: Permission, found: FoundKey) -> Leg:
    key = found.key
    pairs, kind = None, None
    if call.name == "CreateGrant":
        pairs, kind = _constrained_context(call.parameters.get("Constraints"))
    return Leg(
        permission.action,
        key.arn,
        Source.KEY,
        key.region,
        key.account,
        key,
        found.alias,
        pairs if call.name == "CreateGrant" else _claimed_context(call, permission),
        kind,
        on=permission.on,
    )


def _claimed_context(call: Call, permission: Permission) -> Mapping[str, str] | None:
    """The encryption context that the call claims on this leg (EC-9, EC-10)."""
    context = call.parameters.get(permission.context_parameter or "")
    return {str(name): str(value) for name, value in context.items()} if isinstance(context, Mapping) else None


def _constrained_context(constraints: object) -> tuple[Mapping[str, str] | None, str | None]:
    """A grant's constraint on the encryption context, and its type (GR-72, CK-10)."""
    for kind in ("EncryptionContextEquals", "EncryptionContextSubset"):
        pairs = constraints.get(kind) if isinstance(constraints, Mapping) else None
        if isinstance(pairs, Mapping):
            return {str(name): str(value) for name, value in pairs.items()}, kind
    return None, None


def _retiring_leg(world: World, call: Call, permission: Permission) -> Leg | Missing:
    """RetireGrant names its grant by token, or by key ARN and grant id (GR-60)."""
    token = call.grant_tokens[0] if call.grant_tokens else call.parameters.get("GrantToken")
    if token is not None:
        holder = world.key_of_grant(str(token))
        if holder is None:
            return MissingGrant(by_token=True, reference=str(token))
        key, named = holder, str(token)
    else:
        found = _find(world, call, "KeyId", alias_allowed=False)
        if isinstance(found, MissingKey):
            return found
        key, named = found.key, str(call.parameters.get("GrantId"))
    grant = key.grant_index.find(named)
    if grant is None:
        return MissingGrant(by_token=False, reference=named)
    equals, subset = grant.constraints.encryption_context_equals, grant.constraints.encryption_context_subset
    pairs = subset if equals is None else equals
    kind = "EncryptionContextEquals" if equals is not None else "EncryptionContextSubset"
    return Leg(
        permission.action, key.arn, Source.GRANT, key.region, key.account, key,
        encryption_context=pairs, constraint_type=None if pairs is None else kind, grant=grant,
    )  # fmt: skip


def _marked_as_same_key(call: Call, legs: list[Leg]) -> tuple[Leg, ...]:
    """CK-26, GR-15: both legs of a ReEncrypt know each other, and whether they are on one key."""
    if call.name != "ReEncrypt":
        return tuple(legs)
    same = len({leg.resource for leg in legs}) == 1
    return tuple(replace(leg, same_key=same, partner=other) for leg, other in zip(legs, reversed(legs), strict=True))
