"""Every question asked of both worlds: where the answers differ, access is gained or lost.

What cannot differ is not asked: a key and a caller that are the same on both sides, in the same surroundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from kmssim.access import Answers, Question, actions_on, callers_of
from kmssim.circumstances import RETIRING, Circumstance
from kmssim.diff.circumstances import Circumstantial, actions_of
from kmssim.diff.keys import KeyPair, pair_keys
from kmssim.diff.unstated import unstated_keys
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, PathKind
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Account, Key, World
from kmssim.progress import Advance


class ChangeKind(Enum):
    """What became of an answer. `REROUTED`: allowed in both worlds, and not by the same paths."""

    GAINED = "gained"
    LOST = "lost"
    REROUTED = "rerouted"


@dataclass(frozen=True)
class Change:
    """One question whose answer differs; `asked` are all circumstances in which the same was asked.

    `ways_before` and `ways_now` are stated of a rerouted one.
    """

    kind: ChangeKind
    principal: Principal
    pair: KeyPair
    action: str
    circumstances: Circumstance
    asked: tuple[Circumstance, ...]
    ways_before: frozenset[PathKind] = frozenset()
    ways_now: frozenset[PathKind] = frozenset()


@dataclass(frozen=True)
class Comparison:
    """Two worlds compared: what differs, in the order of keys, callers and operations, and how much was asked.

    `unstated`: condition keys that changed statements look at, and that no question states.
    """

    changes: tuple[Change, ...]
    pairs: tuple[KeyPair, ...]
    callers: tuple[Principal, ...]
    asked: int
    unstated: tuple[str, ...]

    def of(self, kind: ChangeKind) -> tuple[Change, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind is kind)

    def has(self, wanted: str) -> bool:
        """Whether anything `gained`, `lost` or `any` of the two; `never`: no."""
        if wanted == "any":
            return bool(self.of(ChangeKind.GAINED) or self.of(ChangeKind.LOST))
        return any(change.kind.value == wanted for change in self.changes)


@dataclass(frozen=True, eq=False)
class Worlds:
    """The old and the new world, and what they have to be asked."""

    old: World
    new: World
    authority: Authority = PYTHON

    @cached_property
    def callers(self) -> tuple[Principal, ...]:
        """The callers of both worlds."""
        return tuple(dict.fromkeys((*callers_of(self.new), *callers_of(self.old))))

    @cached_property
    def pairs(self) -> tuple[KeyPair, ...]:
        """The keys of both worlds."""
        return pair_keys(self.old, self.new)

    @property
    def steps(self) -> int:
        """How many steps `compare` advances."""
        return len(self.pairs) * len(self.callers)

    def compare(self, advance: Advance, *, with_paths: bool = False) -> Comparison:
        """Ask everything that can differ.

        `advance` is called once for each key and caller. `with_paths`: tell also what is allowed by other paths.
        """
        changes: list[Change] = []
        asked = 0
        for pair in self.pairs:
            questions = _Questions(self, pair, with_paths=with_paths)
            for caller in self.callers:
                if not self._is_untouched(pair, caller):
                    changes += questions.differing(caller)
                advance()
            asked += questions.asked
        return Comparison(tuple(changes), self.pairs, self.callers, asked, unstated_keys(self.old, self.new))

    def _is_untouched(self, pair: KeyPair, caller: Principal) -> bool:
        """Whether nothing that a decision on this key and caller looks at has changed."""
        return (
            self._has_same_surroundings
            and pair.old == pair.new
            and self._has_same_relatives(pair.key)
            and (caller.account in self.old.accounts) == (caller.account in self.new.accounts)
            and find_caller(self.old, caller) == find_caller(self.new, caller)
        )

    @cached_property
    def _has_same_surroundings(self) -> bool:
        def bare(world: World) -> tuple[object, ...]:
            accounts = {name: _without_inhabitants(account) for name, account in world.accounts.items()}
            return accounts, world.organization, world.vpc_endpoints, world.region

        return bare(self.old) == bare(self.new)

    def _has_same_relatives(self, key: Key) -> bool:
        """The keys that share a multi-Region key's id take part in its replication."""

        def related(world: World) -> list[Key]:
            return [other for other in world.keys_by_arn.values() if other.id == key.id]

        return key.multi_region is None or related(self.old) == related(self.new)


def _without_inhabitants(account: Account) -> Account:
    return replace(account, users={}, roles={}, groups={}, keys=(), buckets={}, secrets={})


class _Questions:
    """What is asked about one key, and its answers on both sides."""

    def __init__(self, worlds: Worlds, pair: KeyPair, *, with_paths: bool) -> None:
        self._worlds = worlds
        self._pair = pair
        self._with_paths = with_paths
        self._actions = actions_of(pair)
        self._before = _Side(worlds.old, pair.old, worlds.authority)
        self._now = _Side(worlds.new, pair.new, worlds.authority)
        self.asked = 0

    def differing(self, caller: Principal) -> Iterator[Change]:
        """The questions of one caller whose answers differ."""
        asks = Circumstantial(self._pair, caller, self._worlds.old, self._worlds.new)
        for action in self._actions:
            for circumstances in asks.of(action):
                self.asked += 1
                found = self._difference(caller, action, circumstances)
                if found is not None:
                    kind, before, now = found
                    yield Change(kind, caller, self._pair, action, circumstances, asks.of(action), before, now)

    def _difference(self, caller: Principal, action: str, circumstances: Circumstance) -> _Difference | None:
        before = self._before.allows(caller, action, circumstances)
        now = self._now.allows(caller, action, circumstances)
        if before != now:
            return ChangeKind.GAINED if now else ChangeKind.LOST, frozenset(), frozenset()
        if not now or not self._with_paths:
            return None
        ways_before = self._before.ways(caller, action, circumstances)
        ways_now = self._now.ways(caller, action, circumstances)
        return None if ways_before == ways_now else (ChangeKind.REROUTED, ways_before, ways_now)


_Difference = tuple[ChangeKind, frozenset[PathKind], frozenset[PathKind]]


class _Side:
    """One of the two worlds, asked about its key of a pair; where the key is not there, nothing is allowed."""

    def __init__(self, world: World, key: Key | None, authority: Authority) -> None:
        self._key = key
        self._answers = Answers(world, authority)
        self._actions = frozenset(actions_on(key)) if key else frozenset()
        self._grants = frozenset(grant.id for grant in key.grants) if key else frozenset()

    def allows(self, caller: Principal, action: str, circumstances: Circumstance) -> bool:
        question = self._question(caller, action, circumstances)
        return question is not None and self._answers.allows(question)

    def ways(self, caller: Principal, action: str, circumstances: Circumstance) -> frozenset[PathKind]:
        question = self._question(caller, action, circumstances)
        rulings = self._answers.rulings(question) if question else ()
        return frozenset(path for ruling in rulings for path in ruling.paths)

    def _question(self, caller: Principal, action: str, circumstances: Circumstance) -> Question | None:
        """None where the question makes no sense: no such key, operation or grant to retire on this side.

        The token of a grant that is not there is left out: the call is made without.
        """
        grant = circumstances.grant if circumstances.grant in self._grants else None
        if self._key is None or action not in self._actions or (action == RETIRING and grant is None):
            return None
        return replace(circumstances, grant=grant).ask(caller, action, self._key)
