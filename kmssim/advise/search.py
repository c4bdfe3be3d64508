"""The search for proposals: the cheapest edits first, each decided by the authority, and none more than is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from kmssim.advise.edits import InapplicableError, apply_edits, call_again, lessened, with_edit
from kmssim.advise.proposal import RANKS, CallAgain, Edit, Proposal
from kmssim.evaluator.decision import Authority, Decision, PermissionTrace
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

Ways = Callable[[World, Call, Decision], Iterable[tuple[Edit, ...]]]

_MOST_EDITS = 9
_MOST_STEPS = 60
_MOST_FOUND = 12
_PLAIN_FAILURES = frozenset({"DryRunOperationException"})
"""Errors by which AWS says that the call would have succeeded."""


@dataclass(frozen=True)
class State:
    """What some edits have made of the world and the call, and the decision on that."""

    edits: tuple[Edit, ...]
    world: World
    call: Call
    decision: Decision


def _by_cost(state: State) -> int:
    """Cheap edits first: where a few are enough."""
    return sum(3 + RANKS[edit.kind] for edit in state.edits)


def _by_depth(state: State) -> int:
    """One obstacle after the other: where there are many, and their combinations are too many to go through."""
    return -len(state.edits)


def works(decision: Decision) -> bool:
    """Whether the call is allowed and also succeeds."""
    return decision.allowed and (decision.failure is None or decision.failure.code in _PLAIN_FAILURES)


def is_denied(before: Decision, decision: Decision) -> bool:
    """Whether the call is denied by policies: not because what it is about has gone meanwhile."""
    return not decision.allowed and (bool(decision.permissions) or decision.failure == before.failure)


class Search:
    """Finds proposals for one request; `decides` is how often it may ask the authority."""

    def __init__(self, world: World, call: Call, authority: Authority, ways: Ways) -> None:
        """`ways` gives the options in a state; see `opening` and `closing`."""
        self._authority = authority
        self._ways = ways
        self._start = State((), world, call, decide(world, call, authority))
        self.furthest = self._start
        """the state with most edits from which no goal was reached: what it fails by is why there is none"""

    @property
    def before(self) -> Decision:
        """The decision as it is."""
        return self._start.decision

    def find(self, is_goal: Callable[[Decision], bool]) -> list[Proposal]:
        """Proposals whose decision is a goal, each without an edit that it could do without."""
        found: dict[str, Proposal] = {}
        for order in (_by_cost, _by_depth):
            for state in self._states(is_goal, order):
                proposal = self._pruned(state, is_goal)
                found.setdefault(_mark(proposal.edits), proposal)
                if len(found) == _MOST_FOUND:
                    break
            if found:
                break
        return list(found.values())

    def _states(self, is_goal: Callable[[Decision], bool], order: Callable[[State], int]) -> Iterator[State]:
        """The goals, in an order of the states."""
        numbers = count()
        self.furthest = self._start
        waiting = [(0, next(numbers), self._start)]
        seen: set[str] = set()
        steps = 0
        while waiting and steps < _MOST_STEPS:
            _, _, state = heappop(waiting)
            if is_goal(state.decision):
                yield state
                continue
            steps += 1
            if len(state.edits) > len(self.furthest.edits):
                self.furthest = state
            for child in self._children(state):
                mark = _mark(child.edits)
                if mark not in seen:
                    seen.add(mark)
                    heappush(waiting, (order(child), next(numbers), child))

    def _children(self, state: State) -> Iterator[State]:
        if len(state.edits) == _MOST_EDITS:
            return
        for option in self._ways(state.world, state.call, state.decision):
            for edit in option:
                child = self._after(with_edit(state.edits, edit))
                if child is not None and _progress(child.decision) != _progress(state.decision):
                    yield child
                    break

    def _after(self, edits: tuple[Edit, ...]) -> State | None:
        try:
            world, call = apply_edits(edits, self._start.world, self._start.call)
        except InapplicableError:
            return None
        return State(self._net(edits, call), world, call, decide(world, call, self._authority))

    def _net(self, edits: tuple[Edit, ...], call: Call) -> tuple[Edit, ...]:
        """The edits, with what the call has really become: a correction may have taken back another."""
        net = call_again(self._start.call, call)
        told = (net if isinstance(edit, CallAgain) else edit for edit in edits)
        return tuple(edit for edit in told if not isinstance(edit, CallAgain) or edit.members)

    def _pruned(self, state: State, is_goal: Callable[[Decision], bool]) -> Proposal:
        """Without the edits that the goal is reached without: the costly ones are tried first."""
        while (smaller := self._smaller(state, is_goal)) is not None:
            state = smaller
        return Proposal(state.edits, state.world, state.call, self.before, state.decision)

    def _smaller(self, state: State, is_goal: Callable[[Decision], bool]) -> State | None:
        """The state without one of its edits, or one of an edit's actions, when that is a goal, too."""
        for edits in _with_less(state.edits):
            smaller = self._after(edits)
            if smaller is not None and is_goal(smaller.decision):
                return smaller
        return None


def _with_less(edits: tuple[Edit, ...]) -> Iterator[tuple[Edit, ...]]:
    dear_first = sorted(edits, key=lambda each: -RANKS[each.kind])
    for edit in dear_first if len(edits) > 1 else ():
        yield tuple(each for each in edits if each is not edit)
    for edit in dear_first:
        for less in lessened(edit):
            yield tuple(less if each is edit else each for each in edits)


def _mark(edits: Iterable[Edit]) -> str:
    """What tells proposals apart: their edits, in any order."""
    return "\n".join(sorted(repr(edit) for edit in edits))


def _progress(decision: Decision) -> object:
    """What must change for an edit to have been of any use: a fact, a Deny, a failure, or what is asked for."""
    permissions = tuple(
        (trace.action, trace.resource, trace.facts, _denying(trace) if trace.ruling.explicit else 0, _nearness(trace))
        for trace in decision.permissions
    )
    failure = decision.failure
    return permissions, None if failure is None else (failure.code, failure.message)


def _denying(trace: PermissionTrace) -> int:
    """How many statements deny: of several one may go before the others."""
    return sum(one.applies and one.effect == "Deny" for layer in trace.layers for one in layer.statements)


def _nearness(trace: PermissionTrace) -> frozenset[str]:
    """Which statements and grants apply by now: of what is silent, or allows, as a whole a part may be gone."""
    statements = (f"{one.policy} {one.path}" for layer in trace.layers for one in layer.statements if one.applies)
    grants = (one.grant for layer in trace.layers for one in layer.grants if one.mismatch is None)
    return frozenset((*statements, *grants))
