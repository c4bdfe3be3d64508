"""Which wrong answer a learner's answer is: the same documents, or the same first failure with the same outcome."""

from __future__ import annotations

import ast
import json
from collections.abc import Hashable
from pathlib import Path

from kmssim.errors import InputError
from kmssim.labs.checking import check_answer
from kmssim.labs.outcomes import Report, Result
from kmssim.labs.promises import Wrong
from kmssim.labs.variants import Variant, exercise_of, wrong_answers
from kmssim.strict_json import read_json


def find_belief(report: Report) -> Wrong | None:
    """The wrong answer that fails as this one does; None when none does, or the exercise itself does.

    What needs a process of its own is compared by its text alone: a learner does not wait for other people's code.
    """
    variant = report.variant
    if report.trips is None or _same_files(variant, exercise_of(variant.lab)):
        return None
    candidates = list(zip(variant.metadata.wrong, wrong_answers(variant.lab), strict=True))
    for wrong, answer in candidates:
        if _same_files(variant, answer):
            return wrong
    failed = report.first_failed
    if failed is None or failed.check.kind in {"code", "path"}:
        return None
    signature = _signature(failed)
    if signature == _signature_of(exercise_of(variant.lab), failed):
        return None  # nothing was understood or misunderstood yet
    matching = [wrong for wrong, answer in candidates if _signature_of(answer, failed) == signature]
    return matching[0] if len(matching) == 1 else None


def _signature_of(answer: Variant, failed: Result) -> Hashable:
    report = check_answer(answer, simulated=False, with_code=False, to_the_end=False)
    other = report.first_failed
    return _signature(other) if other is not None and other.check.id == failed.check.id else None


def _signature(result: Result) -> Hashable:
    """How a check failed, apart from the place where it is written."""
    decision, guess = result.decision, result.guess
    failure = None if decision is None else decision.failure
    return (
        result.check.id,
        None if decision is None else (decision.word, decision.layers, failure.code if failure else None),
        tuple(guess.given.items()) if guess else None,
        frozenset(
            (each.kind, each.principal, each.action, each.pair.name, each.circumstances) for each in result.changes
        ),
    )


def _same_files(one: Variant, other: Variant) -> bool:
    return all(_content(one.file(edit.path)) == _content(other.file(edit.path)) for edit in one.metadata.edit)


def _content(file: Path) -> object:
    """What a file says, apart from its layout; of what cannot be read, its bytes."""
    try:
        if file.suffix == ".py":
            return ast.dump(ast.parse(file.read_text(encoding="utf-8")))
        return json.dumps(read_json(file), sort_keys=True)
    except (InputError, SyntaxError, ValueError, OSError):
        return file.read_bytes() if file.is_file() else None
