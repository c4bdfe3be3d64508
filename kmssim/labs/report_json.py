"""A report as data for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kmssim.diff.changes import ChangeKind
from kmssim.labs.beliefs import find_belief
from kmssim.labs.lesson import Lesson, grouped_changes
from kmssim.labs.outcomes import Report, Result, Spot
from kmssim.labs.slips import find_slips
from kmssim.render import decision_json

Json = dict[str, Any]


def report_json(report: Report) -> Json:
    """Everything that a check found; each failed check with its decision, its changes and the places in the files."""
    belief = find_belief(report)
    return {
        "lab": report.variant.lab.id,
        "solved": report.solved,
        "exit_code": report.exit_code.value,
        "passed": report.passed,
        "checks": [_result_json(report, each) for each in report.results],
        "unreadable": report.unreadable or None,
        "refused_by_aws": report.refused,
        "spot": _spot_json(report.spot),
        "belief": {"text": belief.belief, "misconception": belief.misconception} if belief else None,
        "slips": [{**(_spot_json(each.spot) or {}), "remark": each.remark} for each in find_slips(report)],
        "seconds": round(report.seconds, 3),
    }


def _result_json(report: Report, result: Result) -> Json:
    data: Json = {
        "id": result.check.id,
        "kind": result.check.kind,
        "claim": result.check.claim,
        "outcome": result.outcome.value,
        "said": result.said or None,
        "seconds": round(result.seconds, 3),
    }
    if result.counts_as_passed:
        return data
    lesson = Lesson(report, result)
    if result.decision is not None and (result.guess is None or None not in result.guess.given.values()):
        data["decision"] = decision_json(result.check.request, result.decision, brief=True)
    data["changes"] = [
        {"change": kind.value, **asdict(group)}
        for kind in (ChangeKind.GAINED, ChangeKind.LOST)
        for group in grouped_changes(change for change in result.changes if change.kind is kind)
    ]
    data["places"] = [{**(_spot_json(each.spot) or {}), "remark": each.remark} for each in lesson.places]
    if result.decision is not None or result.guess is None:
        data["rules"] = [name for name, _ in lesson.rules]
    return data


def _spot_json(spot: Spot | None) -> Json | None:
    return None if spot is None else {"path": spot.path, "line": spot.line, "column": spot.column}
