"""Slips of the pen in a learner's policies: actions and condition keys that do not exist, which AWS takes all the same.

No check fails by them alone, so a failure would tell of its consequence and not of the slip.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kmssim.audit.conditions import find_unknown_keys
from kmssim.audit.dead import find_unknown_actions
from kmssim.audit.finding import Finding
from kmssim.audit.scene import Scene
from kmssim.evaluator.world import World
from kmssim.labs.lesson import Quoted, lines_around
from kmssim.labs.outcomes import Outcome, Report, Spot
from kmssim.labs.variants import Variant, exercise_of


def find_slips(report: Report) -> tuple[Quoted, ...]:
    """Where they stand, and what was meant, when a check failed; those of the exercise as shipped belong to the lab."""
    failed, variant = report.first_failed, report.variant
    if failed is None or failed.outcome is not Outcome.FAILED or report.world is None:
        return ()
    shipped = {finding.technical for finding in _unknown(exercise_of(variant.lab).read_scenario().world)}
    return tuple(
        quoted
        for finding in _unknown(report.world)
        if finding.technical not in shipped
        for quoted in _quoted(variant, finding)
    )


def _unknown(world: World) -> Iterator[Finding]:
    scene = Scene(world)
    yield from find_unknown_actions(scene)
    yield from find_unknown_keys(scene)


def _quoted(variant: Variant, finding: Finding) -> Iterator[Quoted]:
    """The line with the word, in the file to edit in which it stands."""
    word = finding.technical.split("`")[1]
    for edit in variant.metadata.edit:
        file = variant.file(edit.path)
        if Path(edit.path).suffix == ".json" and file.is_file():
            before, found, _ = file.read_text(encoding="utf-8", errors="replace").partition(json.dumps(word))
            if found:
                line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
                for quoted in lines_around(variant, Spot(edit.path, line, column)):
                    yield replace(quoted, remark=finding.technical)
                return
