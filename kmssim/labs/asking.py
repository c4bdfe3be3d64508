"""Checks that ask about one request: decided by the evaluator, or guessed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kmssim.errors import InputError
from kmssim.evaluator.decision import Decision
from kmssim.evaluator.pdp import decide
from kmssim.expectations import unmet_expectations
from kmssim.labs.outcomes import Guess, Outcome, Result
from kmssim.labs.promises import Check
from kmssim.scenario import Expectation, Scenario
from kmssim.strict_json import read_json

NOTHING = "none"
"""How an answer says that no layer decided, or that there is no error."""


def ask(check: Check, scenario: Scenario) -> Result:
    """Decide the request of a check and hold the decision against what the check expects."""
    decision = decide(scenario.world, scenario.request(check.request).call)
    if decision.uncertain:
        return Result(check, Outcome.OPEN_QUESTION, _open_question(decision), decision)
    expected = Expectation(
        check.expect, None if check.layers is None else frozenset(check.layers), check.error, check.has_error
    )
    unmet = unmet_expectations(expected, decision)
    return Result(check, Outcome.FAILED if unmet else Outcome.PASSED, "; ".join(unmet), decision)


def _open_question(decision: Decision) -> str:
    return f"AWS leaves the answer open ({', '.join(decision.uncertain)}), so it is not graded"


def read_guesses(file: Path) -> Mapping[str, Mapping[str, str | None]]:
    """The learner's predictions: for each check the decision, layer or error, null where nothing is said yet.

    Raises InputError, with the JSON path, for what is no such file.
    """
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError("answers are an object with a member for each question", file=str(file))
    for name, guess in content.items():
        if not isinstance(guess, dict):
            raise InputError('an answer is an object such as {"decision": "DENY"}', path=name, file=str(file))
        for part, said in guess.items():
            if said is not None and not isinstance(said, str):
                raise InputError("write a word in quotation marks, or null", path=f"{name}.{part}", file=str(file))
    return content


def truth_of(check: Check, scenario: Scenario) -> tuple[Decision, dict[str, tuple[str, ...]]]:
    """The decision behind a prediction, and for each part that is asked the answers that count."""
    decision = decide(scenario.world, scenario.request(check.request).call)
    layers = tuple(sorted(layer.value for layer in decision.layers))
    known = {
        "decision": (decision.word,),
        "layer": layers or (NOTHING,),
        "error": (decision.failure.code if decision.failure else NOTHING,),
    }
    return decision, {part: known[part] for part in check.asks}


def hold_guess(check: Check, scenario: Scenario, given: Mapping[str, str | None]) -> Result:
    """Hold a prediction against the truth, which is computed here and stored nowhere."""
    decision, truth = truth_of(check, scenario)
    said = {part: given.get(part) for part in check.asks}
    right = tuple(part for part, answers in truth.items() if _is_right(said[part], answers))
    guess = Guess(said, truth, right)
    if decision.uncertain:
        return Result(check, Outcome.OPEN_QUESTION, _open_question(decision), decision, guess=guess)
    if len(right) == len(truth):
        return Result(check, Outcome.PASSED, "", decision, guess=guess)
    missing = [part for part, word in said.items() if word is None]
    if missing:
        return Result(check, Outcome.FAILED, f"not answered yet: {', '.join(missing)}", guess=guess)
    wrong = [part for part in truth if part not in right]
    told = "; ".join(f"you said {part} {said[part]}, it is {' or '.join(truth[part])}" for part in wrong)
    return Result(check, Outcome.FAILED, told, decision, guess=guess)


def _is_right(said: str | None, answers: tuple[str, ...]) -> bool:
    return said is not None and said.strip().lower() in {answer.lower() for answer in answers}
