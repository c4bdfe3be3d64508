"""Under which circumstances an operation on a key is asked about: encryption context, service in between, grant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from kmssim.access import actions_on, carries_context
from kmssim.circumstances import RETIRING, Circumstance, Pairs, contexts_in, policies_over, vias_in
from kmssim.diff.keys import KeyPair
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.request import Principal
from kmssim.evaluator.statements import Policy
from kmssim.evaluator.world import Grant, Key, World


@dataclass(frozen=True, eq=False)
class Circumstantial:
    """What one caller is asked about a pair of keys: each operation that it takes in one of the worlds at least.

    Encryption contexts and services are those of which the key's grants speak, and the policies that have a say on
    this caller and this key.
    """

    pair: KeyPair
    caller: Principal
    old: World
    new: World
    _known: dict[str, tuple[Circumstance, ...]] = field(default_factory=dict)

    def of(self, action: str) -> tuple[Circumstance, ...]:
        """The circumstances in which this operation is asked about; the plain call comes first."""
        kind = action if self._pending or action == RETIRING else str(carries_context(action, self.pair.key))
        if kind not in self._known:
            self._known[kind] = tuple(dict.fromkeys(self._of(action)))
        return self._known[kind]

    def _of(self, action: str) -> Iterable[Circumstance]:
        if action == RETIRING:
            yield from (Circumstance(grant=grant.id) for grant in self._grants)
            return
        contexts = self._contexts if carries_context(action, self.pair.key) else (None,)
        for via in (None, *self._vias):
            yield from (Circumstance(context, via) for context in contexts)
        for grant in self._pending:
            if action.removeprefix("kms:") in grant.operations:
                yield from (Circumstance(context, grant=grant.id) for context in contexts)

    @cached_property
    def _sides(self) -> tuple[tuple[Key, World], ...]:
        return tuple((key, world) for key, world in ((self.pair.old, self.old), (self.pair.new, self.new)) if key)

    @cached_property
    def _grants(self) -> tuple[Grant, ...]:
        """Every grant of both sides once."""
        return tuple({grant.id: grant for key, _ in self._sides for grant in key.grants}.values())

    @cached_property
    def _pending(self) -> tuple[Grant, ...]:
        return tuple(grant for grant in self._grants if grant.pending)

    @cached_property
    def _contexts(self) -> tuple[Pairs | None, ...]:
        found = [contexts_in(self._policies(key, world), key) for key, world in self._sides]
        return tuple(dict.fromkeys(context for contexts in found for context in contexts))

    @cached_property
    def _vias(self) -> tuple[str, ...]:
        found = [vias_in(self._policies(key, world), key) for key, world in self._sides]
        return tuple(dict.fromkeys(via for vias in found for via in vias))

    def _policies(self, key: Key, world: World) -> Iterator[Policy]:
        """Those with a say on this side."""
        return policies_over(world, key, find_caller(world, self.caller))


def actions_of(pair: KeyPair) -> tuple[str, ...]:
    """Everything that can be asked of the key on one side at least."""
    return tuple(sorted({action for key in (pair.old, pair.new) if key for action in actions_on(key)}))
