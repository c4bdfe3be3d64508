"""Predict, then run: the questions of a lab, asked one by one, answered before anything is shown.

In a lab with predictions the answers go into the learner's file. Elsewhere every request of a check can be predicted
for practice, and nothing is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kmssim.explain import explain
from kmssim.labs.asking import NOTHING, hold_guess, read_guesses
from kmssim.labs.lesson import request_text
from kmssim.labs.outcomes import Result
from kmssim.labs.promises import LAYER_WORDS, Check
from kmssim.labs.variants import Variant, exercise_of
from kmssim.scenario import Scenario

_ASKED = {
    "decision": "allow or deny?",
    "layer": f"which layer decides? ({', '.join(LAYER_WORDS)})",
    "error": "which error does the caller see? (its name, or none)",
}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "decision": {"allow": "ALLOW", "deny": "DENY"},
    "layer": {word: word for word in (*LAYER_WORDS, NOTHING)},
}


@dataclass(frozen=True)
class Question:
    """One question: the check behind it, what is said before, and what is asked."""

    check: Check
    text: str
    parts: Mapping[str, str]


def known_word(part: str, word: str) -> str | None:
    """An answer as the file has it; None for a word that is no answer to this part, which is to be asked again."""
    said = word.strip()
    known = _WORDS.get(part)
    return said if known is None else known.get(said.lower().replace(" ", "_"))


class Questions:
    """The questions of one answer."""

    def __init__(self, answer: Variant) -> None:
        """Raises InputError for a file of answers, or a lab, that cannot be read."""
        self._answer = answer
        self._files = [answer.file(edit.path) for edit in answer.only("answers")]
        self._given = {name: dict(said) for file in self._files for name, said in read_guesses(file).items()}
        self._scenarios = {"answer": answer.read_scenario()}
        self.open = tuple(self._question(check) for check in self._checks() if not self._is_right(check))

    def _checks(self) -> list[Check]:
        checks = self._answer.metadata.checks
        predictions = [check for check in checks if check.kind == "prediction"]
        if predictions:
            return predictions
        asked = [check for check in checks if check.request and check.kind in {"positive", "negative", "absence"}]
        return [replace(check, kind="prediction", asks=("decision", "layer")) for check in asked]

    def _scenario(self, check: Check) -> Scenario:
        if check.world not in self._scenarios:
            self._scenarios[check.world] = exercise_of(self._answer.lab).read_scenario()
        return self._scenarios[check.world]

    def _question(self, check: Check) -> Question:
        scenario = self._scenario(check)
        call = scenario.request(check.request).call
        # the claim of a check that is no prediction says how it ends
        about = check.claim if check in self._answer.metadata.checks else check.request
        text = f"  {about}\n  {request_text(call, scenario.world)}"
        return Question(check, text, {part: _ASKED[part] for part in check.asks})

    def _is_right(self, check: Check) -> bool:
        return self._held(check, self._given.get(check.id, {})).counts_as_passed

    def _held(self, check: Check, given: Mapping[str, str | None]) -> Result:
        return hold_guess(check, self._scenario(check), given)

    def answer(self, question: Question, given: Mapping[str, str]) -> tuple[bool, str]:
        """Hold an answer against the truth, keep it where the lab has a file for it, and say how it was.

        `given` are words as `known_word` has them.
        """
        said: dict[str, str | None] = dict(given)
        result = self._held(question.check, said)
        if question.check in self._answer.metadata.checks:
            self._given[question.check.id] = said
            self._write()
        decision = result.decision
        why = f" Because {explain(decision).because}." if decision is not None else ""
        if result.counts_as_passed:
            return True, f"  Right.{why}"
        return False, f"  Not quite: {result.said}.{why}"

    def _write(self) -> None:
        for file in self._files:
            known = read_guesses(file)
            document = {name: self._given.get(name, said) for name, said in known.items()}
            document |= {name: said for name, said in self._given.items() if name not in document}
            file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
