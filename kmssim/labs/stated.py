"""The expectations that a lab's scenario states, held against the evaluator and against the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from kmssim.labs.folder import Lab


@dataclass(frozen=True)
class Finding:
    """What is wrong with a lab: which request, and what of it."""

    request: str
    text: str


def check_prediction(lab: Lab) -> list[Finding]:
    """Hold each request's stated expectation against the evaluator; empty where all hold."""
    from kmssim.authority import find_authority  # noqa: PLC0415 - listing labs needs no evaluator
    from kmssim.evaluator.pdp import decide  # noqa: PLC0415
    from kmssim.expectations import unmet_expectations  # noqa: PLC0415

    scenario = lab.read_scenario()
    findings = []
    for request in scenario.requests:
        if request.expect is None:
            findings.append(Finding(request.name, "the request states no expectation"))
            continue
        unmet = unmet_expectations(request.expect, decide(scenario.world, request.call, find_authority()))
        findings += [Finding(request.name, text) for text in unmet]
    return findings


def check_simulation(lab: Lab) -> list[Finding]:
    """Make each request for real and hold the answer against the prediction; empty where they agree."""
    from kmssim.compare import compare_scenario  # noqa: PLC0415 - only this needs the runtime

    return [
        Finding(row.name, f"predicted {row.predicted}, the sandbox answered {row.sandbox}")
        for row in compare_scenario(lab.read_scenario()).rows
        if not row.agrees
    ]
