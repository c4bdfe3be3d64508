"""Under which circumstances a call could be answered in another way: what the policies and grants of a world ask for.

A question states an encryption context, a service in between, a grant, an alias. Which of them are worth asking about
is read here from the statements that may have a say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kmssim.access import Question
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.request import Principal
from kmssim.evaluator.statements import Policy
from kmssim.evaluator.world import Grant, Key, Role, User, World

Pairs = tuple[tuple[str, str], ...]
"""An encryption context, as sorted pairs."""

RETIRING = "kms:RetireGrant"
"""The action whose question names a grant as what it is about."""

_CONTEXT_PREFIX = "kms:encryptioncontext:"


@dataclass(frozen=True)
class Circumstance:
    """What a question states beside who, what and which key; the fields are those of `Question`.

    `grant` is the grant to retire, or one that is pending and whose token the call carries.
    """

    encryption_context: Pairs | None = None
    via: str | None = None
    grant: str | None = None
    alias: str | None = None

    def ask(self, principal: Principal, action: str, key: Key) -> Question:
        """The question whether somebody may do it under this circumstance."""
        return Question(principal, action, key.arn, self.encryption_context, self.via, self.grant, self.alias)

    @property
    def stated(self) -> int:
        """How much it states: nothing for a plain call."""
        parts = (self.encryption_context, self.via, self.grant, self.alias)
        return sum(part is not None for part in parts)

    def is_within(self, other: Circumstance) -> bool:
        """Whether the other one states all of this and perhaps more."""
        mine = (self.encryption_context, self.via, self.grant, self.alias)
        theirs = (other.encryption_context, other.via, other.grant, other.alias)
        return all(own is None or own == its for own, its in zip(mine, theirs, strict=True))


PLAIN = Circumstance()


def contexts_of(key: Key, world: World) -> tuple[Pairs | None, ...]:
    """The encryption contexts that could make a difference on a key: none, and those that policies and grants ask for.

    Of a pattern (`tenant-*`) its own text stands for what it matches.
    """
    return contexts_in((key.policy, *filter(None, (key.ram_policy,)), *policies_beside_keys(world)), key)


def contexts_in(policies: Iterable[Policy], key: Key) -> tuple[Pairs | None, ...]:
    """No encryption context, and those that these policies and the key's grants ask for."""
    found: list[Pairs] = []
    for grant in key.grants:
        found += contexts_bound_by(grant)
    for policy in policies:
        for statement in policy.statements:
            found += context_asked_by(statement.conditions)
    return (None, *dict.fromkeys(found))


def contexts_bound_by(grant: Grant) -> Iterator[Pairs]:
    """The encryption contexts in a grant's constraints."""
    constraints = grant.constraints
    for pairs in (constraints.encryption_context_equals, constraints.encryption_context_subset):
        if pairs:
            yield tuple(sorted(pairs.items()))


def context_asked_by(conditions: tuple[Condition, ...]) -> Iterator[Pairs]:
    """The context that a statement's conditions ask for together: the first value of each pair."""
    pairs = {
        condition.written_key[len(_CONTEXT_PREFIX) :]: condition.values[0].replace("*", "any").replace("?", "a")
        for condition in conditions
        if condition.key.startswith(_CONTEXT_PREFIX) and condition.values and "${" not in condition.values[0]
    }
    if pairs:
        yield tuple(sorted(pairs.items()))


def vias_in(policies: Iterable[Policy], key: Key) -> tuple[str, ...]:
    """The services that these policies ask `kms:ViaService` for, through which a call could make a difference.

    In a pattern (`s3.*.amazonaws.com`) the key's Region stands for the star.
    """
    statements = [statement for policy in policies for statement in policy.statements]
    return tuple(dict.fromkeys(via for one in statements for via in vias_asked_by(one.conditions, key)))


def vias_asked_by(conditions: tuple[Condition, ...], key: Key) -> Iterator[str]:
    """The services that a statement's conditions ask for."""
    for condition in conditions:
        if condition.key == "kms:viaservice":
            for value in condition.values:
                if "." in value and "${" not in value:
                    yield value.replace("*", key.region).replace("?", "a")


def policies_over(world: World, key: Key, caller: Caller) -> Iterator[Policy]:
    """Every policy that can have a say when this caller calls about this key."""
    yield from filter(None, (key.policy, key.ram_policy, caller.boundary))
    yield from (*caller.policies, *caller.principal.session.policies)
    for level in world.scps_over.get(caller.account, ()):
        yield from level
    yield from world.rcps_over.get(key.account, ())


def policies_of(world: World) -> Iterator[Policy]:
    """Every policy of the world that can have a say on its keys, those of keys first."""
    for key in world.keys_by_arn.values():
        yield from filter(None, (key.policy, key.ram_policy))
    yield from policies_beside_keys(world)


def policies_beside_keys(world: World) -> Iterator[Policy]:
    """Those that are no key policies."""
    for account in world.accounts.values():
        holders: tuple[User | Role, ...] = (*account.users.values(), *account.roles.values())
        for holder in holders:
            yield from holder.policies
            if holder.boundary is not None:
                yield holder.boundary
        for group in account.groups.values():
            yield from group.policies
        yield from (*account.scps, *account.rcps)
    for unit in world.organization.units.values() if world.organization else ():
        yield from (*unit.scps, *unit.rcps)
