"""What each layer says of which keys, for one caller: the verdicts of `layers`, for all keys at once.

A mask is a number whose bit n says something of key n. `layers` says how a verdict comes about for one key; here the
same statements are asked of many. What a mask means to a decision is not decided here: `sweep` asks `decide`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kmssim.evaluator.caller import is_exempt
from kmssim.evaluator.principals import PrincipalName
from kmssim.evaluator.statements import Effect, Policy, PolicyKind, Statement
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.world import Key
from kmssim.sweep.coverage import Asker, Coverage


class Union(NamedTuple):
    """A union of policies: the keys for which one of its statements allows, and denies (DA-36)."""

    allows: int
    denies: int


class Trust(NamedTuple):
    """What the key policies say of a caller: whom they deny, and by which rule they trust it (`trust_role`)."""

    denies: int
    trusts: tuple[tuple[tuple[str, str], int], ...]


class _Named(NamedTuple):
    """A statement that stands, word for word, in the policies of these keys."""

    statement: Statement
    keys: int


@dataclass(eq=False)
class Unions:
    """Verdicts of unions of policies that are the caller's or its organization's."""

    coverage: Coverage
    _covering: dict[int, tuple[Statement, ...]] = field(default_factory=dict)

    def of(self, policies: Iterable[Policy], asker: Asker) -> Union:
        """What a union of policies says to this caller, key by key."""
        allows = denies = 0
        for policy in policies:
            for statement in self._covering_of(policy):
                if not _means(statement, asker):
                    continue
                found = self.coverage.of(statement, policy.kind, asker)
                if statement.effect is Effect.DENY:
                    denies |= found
                else:
                    allows |= found
        return Union(allows, denies)

    def of_levels(self, levels: Sequence[tuple[Policy, ...]], asker: Asker) -> Union:
        """What several unions say that must all allow (OR-1)."""
        found = [self.of(level, asker) for level in levels]
        allows, denies = self.coverage.everything, 0
        for level in found:
            allows &= level.allows
            denies |= level.denies
        return Union(allows, denies)

    def _covering_of(self, policy: Policy) -> tuple[Statement, ...]:
        found = self._covering.get(id(policy))
        if found is None:
            action = self.coverage.action
            found = tuple(statement for statement in policy.statements if statement.covers(action))
            self._covering[id(policy)] = found
        return found


def _means(statement: Statement, asker: Asker) -> bool:
    element = statement.principal
    if element is None:
        return True
    if element.negated:
        return not is_exempt(element.entries, asker.caller)
    return not element.names.isdisjoint(asker.caller.names)


class KeyPolicies:
    """The statements of all key policies that cover the action, by the names of those whom they mean.

    Most key policies hold the same words: a statement that stands in many is looked at once.
    """

    def __init__(self, keys: Sequence[Key], coverage: Coverage) -> None:
        """Read every policy once."""
        self._coverage = coverage
        self._by_name: dict[PrincipalName, list[_Named]] = {}
        self._negated: list[_Named] = []
        for statement, bits in _gathered(keys, coverage.action).values():
            if statement.principal is None:
                continue
            if statement.principal.negated:
                self._negated.append(_Named(statement, bits))
                continue
            for name in statement.principal.names:
                self._by_name.setdefault(name, []).append(_Named(statement, bits))

    def of(self, asker: Asker) -> Trust:
        """What the key policies say to this caller."""
        denies, trusts = 0, dict[tuple[str, str], int]()
        for statement, keys in self._meaning(asker):
            found = self._coverage.of(statement, PolicyKind.KEY_POLICY, asker, keys)
            if not found:
                continue
            if statement.effect is Effect.DENY:
                denies |= found
            else:
                role = trust_role(statement, asker.caller)
                trusts[role] = trusts.get(role, 0) | found
        return Trust(denies, tuple(sorted(trusts.items())))

    def _meaning(self, asker: Asker) -> Iterable[_Named]:
        found = {id(named.statement): named for name in asker.caller.names for named in self._by_name.get(name, ())}
        yield from found.values()
        yield from (named for named in self._negated if _means(named.statement, asker))


def _gathered(keys: Sequence[Key], action: str) -> dict[Hashable, tuple[Statement, int]]:
    found: dict[Hashable, tuple[Statement, int]] = {}
    seen: dict[int, list[Hashable]] = {}
    for number, key in enumerate(keys):
        if id(key.policy) not in seen:
            seen[id(key.policy)] = [_words_of(one) for one in key.policy.statements if one.covers(action)]
            for one in key.policy.statements:
                if one.covers(action):
                    found.setdefault(_words_of(one), (one, 0))
        for words in seen[id(key.policy)]:
            first, bits = found[words]
            found[words] = first, bits | 1 << number
    return found


def _words_of(statement: Statement) -> Hashable:
    """A statement without its place and name."""
    return statement.effect, statement.action, statement.resource, statement.principal, statement.conditions


def keys_by_holder(keys: Sequence[Key]) -> dict[str, int]:
    """The keys on which somebody holds a grant, by the text that names the holder (GR-21)."""
    found: dict[str, int] = {}
    for number, key in enumerate(keys):
        for text in {grant.holder for grant in key.grants}:
            found[text] = found.get(text, 0) | 1 << number
    return found


def keys_by_account(keys: Sequence[Key]) -> dict[str, int]:
    """The keys of each account."""
    found: dict[str, int] = {}
    for number, key in enumerate(keys):
        found[key.account] = found.get(key.account, 0) | 1 << number
    return found
