"""Open questions: rules that AWS leaves uncertain (UN-… in the rule book), and whether an answer rests on one.

Each open question has a default reading, and another one that the documentation would bear as well. Where the evaluator
comes by such a question it asks `other_reading`, which notes that it came by. The answer *rests* on the question when
the other reading would end in another answer: `pdp` finds out by deciding again with that reading.
"""

from __future__ import annotations

from collections.abc import Iterable


def in_order(questions: Iterable[str]) -> list[str]:
    """Ids by their numbers: UN-2 before UN-10."""
    return sorted(questions, key=lambda question: int(question.partition("-")[2]))


class OpenQuestions:
    """The questions that one evaluation came by. `others` are those to be read the other way in this evaluation."""

    def __init__(self, others: frozenset[str] = frozenset()) -> None:
        """Start with no question met."""
        self.others = others
        self.met: set[str] = set()

    def other_reading(self, question: str) -> bool:
        """Note that the evaluation came by `question` (an `UN-` id); whether to take its other reading."""
        self.met.add(question)
        return question in self.others
