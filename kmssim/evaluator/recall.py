"""What was ruled before: two questions of which every open statement says the same end the same.

A view (`views`) tells which statements of a policy are settled by caller, action and resource. What is left hangs on
the condition keys. So a question is known by caller, action and resource, and by which of the open statements apply;
asked again with condition keys that come to the same, it has the facts and the ruling that it had. This is where many
decisions in one world get their speed, and all that is here is that argument: layers, facts and the rule are asked once
for each such question, and tests hold what is recalled against what is asked anew.

Where grants have a say nothing is recalled: they look at the call itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.decision import Authority, Facts, Ruling, Source
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import Asked, judge_all
from kmssim.evaluator.match import applies
from kmssim.evaluator.statements import Policy, PolicyKind, Statement
from kmssim.evaluator.views import view_of

_MOST_KEPT = 20_000
"""How many questions a world remembers before it starts afresh."""

_Line = tuple[str, Callable[[str], bool]]
"""A condition key, and whether a value of it satisfies the condition."""


class _Open(NamedTuple):
    """A statement that caller, action and resource leave open. `lines`, when nothing else has to be asked of it."""

    statement: Statement
    kind: PolicyKind
    lines: tuple[_Line, ...] | None


class _Found(NamedTuple):
    facts: Facts
    ruling: Ruling
    met: frozenset[str]


@dataclass(eq=False, repr=False)
class _Question:
    """A question without its condition keys, and what was found by the answers of its open statements."""

    caller: Caller  # kept alive, since the question is known by its identity
    open: tuple[_Open, ...]
    found: dict[tuple[bool, ...], _Found] = field(default_factory=dict)


class Recall:
    """Rules on questions in one world by one authority, and remembers."""

    def __init__(self, authority: Authority) -> None:
        """Nothing was asked yet."""
        self.rule = authority.rule
        self._authority = authority
        self._questions: dict[Hashable, _Question] = {}

    def elsewhere(self) -> Recall:
        """The same authority in another world, of which nothing is remembered."""
        return Recall(self._authority)

    def find(self, asked: Asked) -> tuple[Facts, Ruling]:
        """The facts of a question, and the ruling on them. Raises AuthorityError when the authority does not rule."""
        leg = asked.leg
        if leg.source is Source.GRANT or (leg.key is not None and leg.key.grants):
            return self._ask(asked)
        question = self._question_of(asked)
        answers = _answers(question.open, asked)
        found = question.found.get(answers)
        if found is None:
            before = frozenset(asked.questions.met)
            facts, ruling = self._ask(asked)
            found = question.found[answers] = _Found(facts, ruling, frozenset(asked.questions.met) - before)
        asked.questions.met |= found.met
        return found.facts, found.ruling

    def _ask(self, asked: Asked) -> tuple[Facts, Ruling]:
        facts = gather_facts(asked, *judge_all(asked))
        return facts, self.rule(facts)

    def _question_of(self, asked: Asked) -> _Question:
        call, leg = asked.call, asked.leg
        alike = (
            id(asked.caller), leg.action, leg.resource, leg.source, call.operation, not call.via,
            call.network.vpc_endpoint, asked.questions.others,
        )  # fmt: skip
        found = self._questions.get(alike)
        if found is None:
            if len(self._questions) >= _MOST_KEPT:
                self._questions.clear()
            found = self._questions[alike] = _Question(asked.caller, tuple(_open_statements(asked)))
        return found


def _answers(statements: tuple[_Open, ...], asked: Asked) -> tuple[bool, ...]:
    """Which of the open statements apply."""
    request, questions = asked.request, asked.questions
    answers = []
    for statement, kind, lines in statements:
        met = None if lines is None else _are_met(lines, request.context)
        answers.append(applies(statement, request, kind, questions) if met is None else met)
    return tuple(answers)


def _are_met(lines: tuple[_Line, ...], context: Context) -> bool | None:
    """Whether all lines are; None where a value is absent, or more than a text: then more is to be asked."""
    for key, is_satisfied_by in lines:
        value = context.get(key)
        if not isinstance(value, str):
            return None
        if not is_satisfied_by(value):
            return False
    return True


def _open_statements(asked: Asked) -> Iterator[_Open]:
    request = asked.request
    for policy in _policies(asked):
        view = view_of(policy, request.caller, request.action, request.resource)
        for statement in (*view.open_denies, *view.open_allows):
            yield _Open(statement, policy.kind, _lines_of(statement, policy.kind))


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
        if satisfied is None or (by_key_policy and condition.is_for_iam_only):
            return None
        lines.append((condition.key, satisfied))
    return tuple(lines)


def _policies(asked: Asked) -> Iterator[Policy]:
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
