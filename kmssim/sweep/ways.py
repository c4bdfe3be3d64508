"""By which way each pair is allowed, and on which open questions that rests: what `decide` says, for many at once.

Which path is open follows from what all layers say, so keys that they speak alike of share the answer, as in `sweep`.
An open question may also hide in a condition that came out the same for several keys; where one was met the pair is
decided by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from kmssim.access import HALVES, call_for
from kmssim.evaluator.asked import Asked
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.questions import OpenQuestions, in_order
from kmssim.evaluator.request import Principal
from kmssim.sweep.coverage import numbers_of
from kmssim.sweep.sweep import Look, Sweep


class Way(NamedTuple):
    """How somebody is allowed: the open paths (see `combine`), and the open questions without which it would not be."""

    path: str
    uncertain: str


class Ways:
    """The ways of many callers over the keys of a sweep."""

    def __init__(self, sweep: Sweep) -> None:
        """`sweep` says who is allowed."""
        self._sweep = sweep
        self._of_groups: dict[Hashable, Way] = {}
        self._known: dict[Hashable, tuple[tuple[int, Way], ...]] = {}

    def of(self, principal: Principal) -> Sequence[tuple[int, Way]]:
        """The numbers of the keys on which the caller may do the action, in order, and how."""
        look = self._sweep.look_at(principal)
        allowed = self._sweep.allowed(look)
        if not allowed:
            return ()
        alone = allowed & (look.alone | look.doubted)
        together = self._together(look, allowed & ~alone)
        if not alone:
            return together
        by_themselves = [(number, self._way(principal, number)) for number in numbers_of(alone)]
        return sorted([*together, *by_themselves])

    def _together(self, look: Look, among: int) -> tuple[tuple[int, Way], ...]:
        if look.said is None or not among:
            return ()
        alike = look.said, among
        found = self._known.get(alike)
        if found is None:
            found = self._known[alike] = tuple(sorted(self._by_group(look, among)))
        return found

    def _by_group(self, look: Look, among: int) -> Iterable[tuple[int, Way]]:
        assert look.said is not None  # noqa: S101 - asked for above
        for alike, bits in self._sweep.groups(look.said, among):
            found = self._of_groups.get(alike)
            if found is None:
                found = self._of_groups[alike] = self._way(look.principal, next(numbers_of(bits)))
            for number in numbers_of(bits):
                yield number, found

    def _way(self, principal: Principal, number: int) -> Way:
        question = self._sweep.question(principal, self._sweep.keys[number])
        asked = self._sweep.authorizer.requests(call_for(question, self._sweep.world))
        whole = question.action not in HALVES
        return way_of(self._sweep.authorizer, [one for one in asked if whole or one.leg.action == question.action])


def way_of(authorizer: Authorizer, asked: Sequence[Asked]) -> Way:
    """The way of one call that is allowed, whose permissions are these."""
    rulings = [authorizer.rule(one) for one in asked]
    paths = dict.fromkeys(kind.value for ruling in rulings for kind in ruling.paths)
    met = set[str]().union(*(one.questions.met for one in asked))
    rests_on = [question for question in in_order(met) if not _allowed_otherwise(authorizer, asked, question)]
    return Way(" ".join(paths), " ".join(rests_on))


def _allowed_otherwise(authorizer: Authorizer, asked: Iterable[Asked], question: str) -> bool:
    """Whether it would be allowed by the other reading of an open question as well."""
    questions = OpenQuestions(frozenset({question}))
    return all(authorizer.rule(one._replace(questions=questions)).allowed for one in asked)
