"""What was ruled before: two questions of which every open statement says the same end the same.

A view (`views`) tells which statements of a policy are settled by caller, action and resource. What is left hangs on
the condition keys. So a question is known by caller, action and resource, and by which of the open statements apply;
asked again with condition keys that come to the same, it has the facts and the ruling that it had. Its evidence tells
more of an open statement than whether it applies: which condition is not met, and by what. Where that is the same, too,
the evidence is what it was. And where the keys that open statements look at have the values that they had, nothing is
compared again. This is where many decisions in one world get their speed, and all that is here is that argument:
layers, facts and the rule are asked once for each such question, and tests hold what is recalled against what is asked
anew.

Where grants have a say nothing is recalled: they look at the call itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.decision import Authority, Facts, LayerTrace, Mismatch, Ruling, Source
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import Asked, judge_all
from kmssim.evaluator.match import Request, applies, mismatch
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.statements import Policy, PolicyKind, Statement
from kmssim.evaluator.views import view_of

_MOST_KEPT = 20_000
"""How many questions a world remembers before it starts afresh."""
_MOST_TOLD = 10_000
"""For how many it remembers the evidence."""
_MOST_VALUES = 50_000
"""For how many combinations of values, of all questions together."""

_Values = tuple[object, ...]
_GRANT = Source.GRANT


class _Line(NamedTuple):
    """A condition that looks at one value alone: its key, what satisfies it, and whether it holds without any value."""

    key: str
    is_satisfied_by: Callable[[str], bool]
    holds_when_absent: bool


class _Open(NamedTuple):
    """A statement that caller, action and resource leave open. `lines`, when nothing else has to be asked of it."""

    statement: Statement
    kind: PolicyKind
    lines: tuple[_Line, ...] | None


_Unmet = tuple[int, str | None]
"""The place of a line that is not met, and the value that did not meet it."""
_Outcome = Mismatch | _Unmet | None
"""What keeps an open statement from applying, None: nothing does."""


class Told(NamedTuple):
    """A question's facts, the ruling on them, and what each layer says with its evidence."""

    facts: Facts
    ruling: Ruling
    layers: tuple[LayerTrace, ...]


class Found(NamedTuple):
    """A question's facts, the ruling on them, and the open questions that were met on the way."""

    facts: Facts
    ruling: Ruling
    met: frozenset[str] = frozenset()


@dataclass(eq=False, repr=False)
class _Question:
    """A question without its condition keys, and what was found by the answers of its open statements.

    `keys`: the condition keys that the open statements look at; where there are none, a request derives none.
    `by_values`, `told_by_values`: what was found, and told, by the values of these.
    """

    caller: Caller  # kept alive, since the question is known by its identity
    open: tuple[_Open, ...]
    keys: tuple[str, ...]
    found: dict[tuple[bool, ...], Found] = field(default_factory=dict)
    by_values: dict[_Values, Found] = field(default_factory=dict)
    told_by_values: dict[_Values, Told] = field(default_factory=dict)


K = TypeVar("K")
V = TypeVar("V")


def _keep(kept: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember one thing more, after everything was forgotten if there are too many."""
    if len(kept) >= most:
        kept.clear()
    kept[key] = value


class Recall:
    """Rules on questions in one world by one authority, and remembers."""

    def __init__(self, authority: Authority) -> None:
        """Nothing was asked yet."""
        self.authority = authority
        self._questions: dict[Hashable, _Question] = {}
        self._told: dict[tuple[_Question, tuple[_Outcome, ...]], Told] = {}
        self._values_kept = 0

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes without what is remembered: callers are known by their identity."""
        return Recall, (self.authority,)

    def elsewhere(self) -> Recall:
        """The same authority in another world, of which nothing is remembered."""
        return Recall(self.authority)

    def find(self, asked: Asked) -> Found:
        """What is found of a question. Raises AuthorityError when the authority does not rule."""
        question = self._question_of(asked)
        if question is None:
            return Found(*self._ask(asked))
        values = tuple(map(asked.request.context.get, question.keys)) if question.keys else ()
        found = question.by_values.get(values)
        if found is None:
            found = self._find_by_answers(question, asked)
            self._remember(question.by_values, values, found)
        if found.met:
            asked.questions.met |= found.met
        return found

    def _find_by_answers(self, question: _Question, asked: Asked) -> Found:
        questions = OpenQuestions(asked.questions.others)
        answers = _answers(question.open, asked.request, questions)
        found = question.found.get(answers)
        if found is None:
            facts, ruling = self._ask(asked._replace(questions=questions))
            found = question.found[answers] = Found(facts, ruling, frozenset(questions.met))
        return found if questions.met <= found.met else found._replace(met=found.met | questions.met)

    def _remember(self, by_values: dict[_Values, V], values: _Values, found: V) -> None:
        """For the next time that the values are these; what is forgotten is forgotten of all questions."""
        if self._values_kept >= _MOST_VALUES:
            self._questions.clear()
            self._told.clear()
            self._values_kept = 0
        by_values[values] = found
        self._values_kept += 1

    def _ask(self, asked: Asked) -> tuple[Facts, Ruling]:
        facts = gather_facts(asked, *judge_all(asked))
        return facts, self.authority.rule(facts)

    def tell(self, asked: Asked) -> Told:
        """A question ruled on with everything that the layers look at written down. Raises as `find` does."""
        question = self._question_of(asked)
        if question is None:
            return self._tell(asked)
        values = tuple(map(asked.request.context.get, question.keys)) if question.keys else ()
        found = question.told_by_values.get(values)
        if found is None:
            found = self._tell_by_outcomes(question, asked)
            self._remember(question.told_by_values, values, found)
        return found

    def _tell_by_outcomes(self, question: _Question, asked: Asked) -> Told:
        alike = question, _outcomes(question.open, asked)
        found = self._told.get(alike)
        if found is None:
            found = self._tell(asked)
            _keep(self._told, alike, found, _MOST_TOLD)
        return found

    def _tell(self, asked: Asked) -> Told:
        traces, paths = judge_all(asked._replace(traced=True))
        facts = gather_facts(asked, traces, paths)
        return Told(facts, self.authority.rule(facts), tuple(traces.values()))

    def _question_of(self, asked: Asked) -> _Question | None:
        """What is known of the question so far; None where grants have a say."""
        _, call, caller, leg, _, questions, _ = asked
        key, source = leg.key, leg.source
        if source is _GRANT or (key is not None and key.grants):
            return None
        alike = (id(caller), leg.action, leg.resource, source, call.way, questions.others)
        found = self._questions.get(alike)
        if found is None:
            statements = tuple(_open_statements(asked))
            found = _Question(caller, statements, _keys_of(statements))
            _keep(self._questions, alike, found, _MOST_KEPT)
        return found


def _answers(statements: tuple[_Open, ...], request: Request, questions: OpenQuestions) -> tuple[bool, ...]:
    """Which of the open statements apply."""
    answers = []
    for statement, kind, lines in statements:
        unmet = _unmet_line(lines, request.context)
        answers.append(applies(statement, request, kind, questions) if unmet is _NOT_PLAIN else unmet is None)
    return tuple(answers)


def _outcomes(statements: tuple[_Open, ...], asked: Asked) -> tuple[_Outcome, ...]:
    """What keeps each of the open statements from applying: all that a trace tells of it follows from that."""
    request = asked.request
    outcomes: list[_Outcome] = []
    for statement, kind, lines in statements:
        unmet = _unmet_line(lines, request.context)
        outcomes.append(mismatch(statement, request, kind, asked.questions) if unmet is _NOT_PLAIN else unmet)
    return tuple(outcomes)


_NOT_PLAIN: _Unmet = (-1, None)


def _unmet_line(lines: tuple[_Line, ...] | None, context: Context) -> _Unmet | None:
    """The first line that is not met; `_NOT_PLAIN` where there is more to be asked, as of a value that is no text."""
    if lines is None:
        return _NOT_PLAIN
    for at, (key, is_satisfied_by, holds_when_absent) in enumerate(lines):
        value = context.get(key)
        if value is not None and not isinstance(value, str):
            return _NOT_PLAIN
        if not (holds_when_absent if value is None else is_satisfied_by(value)):
            return at, value
    return None


def _open_statements(asked: Asked) -> Iterator[_Open]:
    request = asked.request
    for policy in policies_of(asked):
        view = view_of(policy, request.caller, request.action, request.resource)
        for statement in (*view.open_denies, *view.open_allows):
            yield _Open(statement, policy.kind, _lines_of(statement, policy.kind))


def _keys_of(statements: tuple[_Open, ...]) -> tuple[str, ...]:
    """All condition keys that may have a say on whether the statements apply: also those that variables stand for."""
    found: dict[str, None] = {}
    for statement, _, _ in statements:
        for condition in statement.conditions:
            found.update(dict.fromkeys((condition.key, *condition.variables)))
        if statement.resource is not None:
            found.update(dict.fromkeys(statement.resource.variables))
    return tuple(found)


def _lines_of(statement: Statement, kind: PolicyKind) -> tuple[_Line, ...] | None:
    """The conditions, where they are all that is open, and each looks at one value alone (CK-42 looks at more)."""
    element, principal = statement.resource, statement.principal
    by_key_policy = kind is PolicyKind.KEY_POLICY
    plain = element is not None and (element.is_anything or (element.patterns is not None and not by_key_policy))
    if not plain or (principal is not None and principal.negated):
        return None
    lines: list[_Line] = []
    for condition in statement.conditions:
        satisfied = condition.is_satisfied_by
        if satisfied is None or condition.is_contradicted or (by_key_policy and condition.is_for_iam_only):
            return None
        lines.append(_Line(condition.key, satisfied, condition.holds_when_absent))
    return tuple(lines)


def policies_of(asked: Asked) -> Iterator[Policy]:
    """Every policy that one of the layers may look at."""
    world, caller, leg = asked.world, asked.caller, asked.leg
    yield from world.rcps_over.get(leg.owner, ())
    for level in world.scps_over.get(caller.account, ()):
        yield from level
    endpoint = world.vpc_endpoints.get(asked.call.network.vpc_endpoint or "")
    on_resource = (leg.key.policy, leg.key.ram_policy) if leg.key is not None else (leg.resource_policy,)
    others = (caller.boundary, endpoint.policy if endpoint else None, *on_resource)
    yield from (policy for policy in others if policy is not None)
    yield from caller.policies
    yield from caller.principal.session.policies
