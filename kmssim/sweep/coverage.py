"""For one action: which keys a statement applies to for a caller, as the bits of an integer, bit n for key n.

A statement looks at a few condition keys only. Callers who have the same values of those are alike to it, and so are
keys; so it is asked (`match.applies`) once for each kind of caller and kind of key, on one of each.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Condition, Context
from kmssim.evaluator.match import Request, applies, meets_conditions
from kmssim.evaluator.patterns import Pattern, Variable, matches_resource
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.statements import Effect, PolicyKind, Statement

_OF_CALLERS = (
    "aws:principal", "aws:userid", "aws:username", "aws:multifactor", "aws:tokenissuetime", "aws:sourceidentity",
    "kms:calleraccount",
)  # fmt: skip


def is_of_callers(key: str) -> bool:
    """Whether a condition key's value is the caller's, of a caller who is no service; all others are the key's."""
    return key.startswith(_OF_CALLERS)


@dataclass(frozen=True, eq=False)
class Asker:
    """A caller, and the condition keys that are its own."""

    caller: Caller
    context: Context


@dataclass(frozen=True, eq=False)
class Subject:
    """A key of the sweep: its ARN, and the condition keys that are its own or the call's."""

    arn: str
    context: Context


class _Conditions(NamedTuple):
    """The condition keys that a statement's conditions look at: those of callers, and those of keys."""

    of_callers: tuple[str, ...]
    of_keys: tuple[str, ...]

    @classmethod
    def of(cls, conditions: Sequence[Condition]) -> _Conditions:
        keys = sorted({key for condition in conditions for key in (condition.key, *condition.variables)})
        theirs = tuple(filter(is_of_callers, keys))
        return cls(theirs, tuple(key for key in keys if key not in theirs))


class _Found(NamedTuple):
    """The keys that a statement applies to, and those on which it came by an open question in either case."""

    applying: int
    doubted: int


def _is_plain(statement: Statement, kind: PolicyKind) -> bool:
    """Whether its resource is a set of patterns, alike for every caller, on which no open question hangs (UN-12)."""
    element = statement.resource
    if element is None or element.is_anything:
        return True
    return kind is not PolicyKind.KEY_POLICY and element.patterns is not None


def _variables_of(statement: Statement) -> tuple[str, ...]:
    templates = statement.resource.templates if statement.resource else ()
    return tuple(token.key for template in templates for token in template if isinstance(token, Variable))


class Coverage:
    """The keys that statements apply to, for one action."""

    def __init__(self, action: str, subjects: Sequence[Subject]) -> None:
        """Nothing is asked before a statement comes along."""
        self.action = action
        self.subjects = subjects
        self.everything = (1 << len(subjects)) - 1
        self.doubted = 0
        """The keys on which a statement that was asked came by an open question, since somebody set this to 0."""
        self._by_arn = {subject.arn: 1 << number for number, subject in enumerate(subjects)}
        self._found: dict[Hashable, _Found] = {}
        self._named: dict[Pattern, int] = {}
        self._kinds: dict[tuple[str, ...], list[int]] = {}
        self._conditions: dict[int, _Conditions] = {}
        self._worded: dict[tuple[Condition, ...], _Conditions] = {}

    def of(self, statement: Statement, kind: PolicyKind, asker: Asker, among: int | None = None) -> int:
        """The keys that the statement, which covers the action, applies to; of `among` where only those matter.

        A statement that names principals must mean this caller.
        """
        if not _is_plain(statement, kind):
            return self._one_by_one(statement, kind, asker, self.everything if among is None else among)
        reached = self._by_resource(statement)
        if among is not None:
            reached &= among
        if not reached or not statement.conditions:
            return reached
        applying, doubted = self._meeting(statement, kind, asker)
        self.doubted |= reached & doubted
        return reached & applying

    def _meeting(self, statement: Statement, kind: PolicyKind, asker: Asker) -> _Found:
        """The keys for which the statement's conditions are met; the same conditions may stand in many statements."""
        conditions = self._conditions_of(statement)
        theirs = tuple([asker.context.get(key) for key in conditions.of_callers])
        alike = (id(conditions), statement.effect is Effect.DENY, kind is PolicyKind.KEY_POLICY, theirs)
        found = self._found.get(alike)
        if found is None:
            applying = doubted = 0
            for bits in self._kinds_of(conditions.of_keys):
                questions = OpenQuestions()
                request = self._request(asker, self.subjects[next(numbers_of(bits))])
                applying |= bits if meets_conditions(statement, request, kind, questions) else 0
                doubted |= bits if questions.met else 0
            found = self._found[alike] = _Found(applying, doubted)
        return found

    def _one_by_one(self, statement: Statement, kind: PolicyKind, asker: Asker, among: int) -> int:
        """The keys to which the statement applies, each of them asked: its resource is more than some patterns."""
        keys = self._conditions_of(statement).of_callers + _variables_of(statement)
        alike = (id(statement), among, tuple([asker.context.get(key) for key in keys]))
        found = self._found.get(alike)
        if found is None:
            applying = doubted = 0
            for number in numbers_of(among):
                questions = OpenQuestions()
                request = self._request(asker, self.subjects[number])
                applying |= 1 << number if applies(statement, request, kind, questions) else 0
                doubted |= 1 << number if questions.met else 0
            found = self._found[alike] = _Found(applying, doubted)
        self.doubted |= found.doubted
        return found.applying

    def _request(self, asker: Asker, subject: Subject) -> Request:
        context = {**subject.context, **asker.context}
        return Request(asker.caller, self.action, subject.arn, lambda: context)

    def _by_resource(self, statement: Statement) -> int:
        """The keys that a plain resource names."""
        element = statement.resource
        if element is None:
            return 0  # PG-4
        if element.is_anything:
            return self.everything
        named = 0
        for pattern in element.patterns or ():
            named |= self._named_by(pattern)
        return self.everything & ~named if element.negated else named

    def _named_by(self, pattern: Pattern) -> int:
        if len(pattern) == 1 and isinstance(pattern[0], str):
            return self._by_arn.get(pattern[0], 0)
        found = self._named.get(pattern)
        if found is None:
            found = sum(bit for arn, bit in self._by_arn.items() if matches_resource(pattern, arn))
            self._named[pattern] = found
        return found

    def _conditions_of(self, statement: Statement) -> _Conditions:
        found = self._conditions.get(id(statement))
        if found is None:
            known = self._worded.get(statement.conditions)
            found = known or _Conditions.of(statement.conditions)
            self._worded[statement.conditions] = self._conditions[id(statement)] = found
        return found

    def _kinds_of(self, keys: tuple[str, ...]) -> list[int]:
        """The kinds of key that these condition keys tell apart."""
        found = self._kinds.get(keys)
        if found is None:
            kinds: dict[Hashable, int] = {}
            for number, subject in enumerate(self.subjects):
                alike = tuple([subject.context.get(key) for key in keys])
                kinds[alike] = kinds.get(alike, 0) | 1 << number
            found = self._kinds[keys] = list(kinds.values())
        return found


def numbers_of(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set, from the lowest."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
