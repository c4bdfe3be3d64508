"""Code and path checks from this side: the task that runs one in a process of its own, and how it ended."""

from __future__ import annotations

from typing import Any

from kmssim.labs.apart import Answer, Task
from kmssim.labs.outcomes import Outcome, Result, Spot
from kmssim.labs.promises import Check
from kmssim.labs.variants import Variant, exercise_of
from kmssim.strict_json import printable


def code_task(check: Check, variant: Variant) -> Task:
    """What `code_child.run_code` needs to run a check on an answer."""
    exercise = exercise_of(variant.lab)
    here = variant if check.world == "answer" else exercise
    return {
        "does": "code",
        "checks": str(variant.lab.checks.resolve()),
        "function": check.function,
        "files": [str(variant.file(edit.path).resolve()) for edit in variant.only("code")],
        "scenario": str(variant.lab.scenario.resolve()),
        "moved": here.moved,
        "shipped": exercise.moved,
        "folder": str(variant.folder.resolve()),
        "seconds": variant.metadata.limits.seconds,
        "memory_mb": variant.metadata.limits.memory_mb,
    }


def code_result(check: Check, variant: Variant, answer: Answer) -> Result:
    """How the check ended."""
    outcome = Outcome(answer["outcome"])
    said = printable(answer["said"])  # a learner's exception may say anything
    if outcome is Outcome.TIME_LIMIT:
        said = f"no end within {variant.metadata.limits.seconds} seconds: is there an endless loop?"
    spot = _spot(answer.get("spot"), variant)
    return Result(check, outcome, said, spot=spot, printed=answer.get("trace") or answer.get("printed", ""))


def _spot(found: list[Any] | None, variant: Variant) -> Spot | None:
    if found is None:
        return None
    names = {str(variant.file(edit.path).resolve()): edit.path for edit in variant.metadata.edit}
    return Spot(names.get(found[0], found[0]), found[1], found[2])
