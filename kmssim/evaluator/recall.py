"""What was ruled before: two questions of which every open statement says the same end the same.

A view (`views`) tells which statements of a policy are settled by caller, action and resource. What is left hangs on
the condition keys. So a question is known by caller, action and resource, and by which of the open statements apply;
asked again with condition keys that come to the same, it has the facts and the ruling that it had. Its evidence tells
more of an open statement than whether it applies: which condition is not met, and by what. Only the layers to which
that is new are asked again for it. And where the keys that open statements look at have the values that they had,
nothing is compared again. This is where many decisions in one world get their speed, and all that is here is that
argument: layers, facts and the rule are asked once for each such question, and tests hold what is recalled against what
is asked anew. What is found of a question holds for every caller whom the policies treat alike (`alike`); what is told
names the caller.

Where grants have a say nothing is recalled: they look at the call itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeVar

from kmssim.evaluator.alike import Seen, told_apart_by, views_of
from kmssim.evaluator.asked import Asked
from kmssim.evaluator.decision import Authority, Facts, LayerTrace, Ruling, Source
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import JUDGES, LAYER_OF, judge_all
from kmssim.evaluator.open_statements import Outcome, answers_of, keys_of, open_statements, outcomes_of
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.values import Values, reader_of

_MOST_KEPT = 20_000
"""How many questions a world remembers before it starts afresh."""
_MOST_VALUES = 50_000
"""For how many combinations of values, of all questions together."""


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


class _Question:
    """What is known of a question, the same for all callers whom the policies treat alike (`alike`).

    `open`: its statements, by whose identity the question is known. `values_in`: of the condition keys that they look
    at; where there are none, a request derives none. `by_values`: what was found by these.
    """

    __slots__ = ("by_values", "open", "values_in")

    def __init__(self, seen: tuple[Seen, ...]) -> None:
        """Nothing was found of it yet."""
        self.open = open_statements(seen)
        self.values_in = reader_of(keys_of(self.open))
        self.by_values: dict[Values, Found] = {}


K = TypeVar("K")
V = TypeVar("V")


class Recall:
    """Rules on questions in one world by one authority, and remembers."""

    def __init__(self, authority: Authority) -> None:
        """Nothing was asked yet."""
        self.authority = authority
        self._of_callers: dict[Hashable, _Question] = {}
        self._questions: dict[Hashable, _Question] = {}
        self._by_answers: dict[tuple[_Question, tuple[bool, ...]], Found] = {}
        self._told_by_answers: dict[tuple[_Question, object, tuple[bool, ...]], tuple[tuple[Outcome, ...], Told]] = {}
        self._told_by_values: dict[tuple[_Question, object, Values], Told] = {}
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
        if question is _WITH_GRANTS:
            return Found(*self._ask(asked))
        values = question.values_in(asked.request)
        found = question.by_values.get(values)
        if found is None:
            found = self._find_by_answers(question, asked)
            self._remember(question.by_values, values, found)
        if found.met:
            asked.questions.met |= found.met
        return found

    def _find_by_answers(self, question: _Question, asked: Asked) -> Found:
        questions = OpenQuestions(asked.questions.others)
        answers = question, answers_of(question.open, asked.request, questions)
        found = self._by_answers.get(answers)
        if found is None:
            facts, ruling = self._ask(asked._replace(questions=questions))
            found = self._by_answers[answers] = Found(facts, ruling, frozenset(questions.met))
        return found if questions.met <= found.met else found._replace(met=found.met | questions.met)

    def _ask(self, asked: Asked) -> tuple[Facts, Ruling]:
        facts = gather_facts(asked, *judge_all(asked))
        return facts, self.authority.rule(facts)

    def tell(self, asked: Asked) -> Told:
        """A question ruled on with everything that the layers look at written down. Raises as `find` does."""
        question = self._question_of(asked)
        if question is _WITH_GRANTS:
            return self._tell(asked)
        values = question, asked.caller.itself, question.values_in(asked.request)
        found = self._told_by_values.get(values)
        if found is None:
            found = self._tell_by_answers(question, asked)
            self._remember(self._told_by_values, values, found)
        return found

    def _tell_by_answers(self, question: _Question, asked: Asked) -> Told:
        """Where the same statements applied before, only the layers are asked again that have other things to tell."""
        outcomes = outcomes_of(question.open, asked)
        alike = question, asked.caller.itself, tuple([outcome is None for outcome in outcomes])
        before = self._told_by_answers.get(alike)
        if before is None:
            told = self._tell(asked)
            self._told_by_answers[alike] = outcomes, told
            return told
        known, told = before
        pairs = zip(question.open, known, outcomes, strict=True)
        others = {LAYER_OF[statement.kind] for statement, was, now in pairs if was != now}
        traced = asked._replace(traced=True)
        return told._replace(
            layers=tuple([JUDGES[each.layer](traced) if each.layer in others else each for each in told.layers])
        )

    def _tell(self, asked: Asked) -> Told:
        traces, paths = judge_all(asked._replace(traced=True))
        facts = gather_facts(asked, traces, paths)
        return Told(facts, self.authority.rule(facts), tuple(traces.values()))

    def _remember(self, by_values: dict[K, V], values: K, found: V) -> None:
        """For the next time that the values are these; what is forgotten is forgotten of all questions."""
        if self._values_kept >= _MOST_VALUES:
            self._forget()
        by_values[values] = found
        self._values_kept += 1

    def _forget(self) -> None:
        self._of_callers.clear()
        self._questions.clear()
        self._by_answers.clear()
        self._told_by_answers.clear()
        self._told_by_values.clear()
        self._values_kept = 0

    def _question_of(self, asked: Asked) -> _Question:
        """What is known of the question so far."""
        others = asked.questions.others
        alike = (asked.known_by, others) if others else asked.known_by
        return self._of_callers.get(alike) or self._meet(asked, alike)

    def _meet(self, asked: Asked, alike: Hashable) -> _Question:
        """A caller's question for the first time: it may be the same as others'."""
        if len(self._of_callers) >= _MOST_KEPT:
            self._forget()
        question = self._of_callers[alike] = self._question_of_any(asked)
        return question

    def _question_of_any(self, asked: Asked) -> _Question:
        leg = asked.leg
        if leg.source is Source.GRANT or (leg.key is not None and leg.key.grants):
            return _WITH_GRANTS
        seen, (_, *of_any) = views_of(asked), asked.known_by
        told_apart = (*of_any, asked.questions.others, *told_apart_by(asked.caller, seen))
        question = self._questions.get(told_apart)
        if question is None:
            question = self._questions[told_apart] = _Question(seen)
        return question


_WITH_GRANTS = _Question(())
"""Any question in which grants have a say: they look at the call itself."""
