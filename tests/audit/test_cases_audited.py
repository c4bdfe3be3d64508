"""Every case file is audited; every witness is replayed by `decide`, from the scenario that `--witness` writes."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from kmssim.audit.report import report_json, report_text
from kmssim.audit.run import Report, audit_subject, put_off, subject_of
from kmssim.audit.sarif import report_sarif
from kmssim.audit.witnesses import scenario_of_witnesses
from kmssim.evaluator.decision import Decision
from kmssim.evaluator.pdp import decide
from kmssim.scenario import load_scenario, parse_scenario

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = [path for path in sorted((ROOT / "tests" / "cases").rglob("*.json")) if "refused-policies" not in path.name]


each_file = pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")


@cache
def audited(path: Path) -> Report:
    return audit_subject(subject_of(load_scenario(path)))


def answer(decision: Decision):
    return (
        decision.word,
        frozenset(layer.value for layer in decision.layers),
        decision.failure.code if decision.failure else None,
        decision.uncertain,
    )


@each_file
def test_each_witness_is_decided_by_decide_as_the_audit_says(path):
    report = audited(path)
    assert len({finding.name for finding in report.findings}) == len(report.findings)
    for finding in report.findings:
        assert finding.witnesses, finding.name
        scenario = parse_scenario(scenario_of_witnesses([report], finding.name))
        assert len(scenario.requests) == len(finding.witnesses)
        for request in scenario.requests:
            expect = request.expect
            assert expect is not None
            stated = (expect.decision, expect.layers, expect.error, expect.uncertain)
            assert answer(decide(scenario.world, request.call)) == stated, request.name


@each_file
def test_a_trace_shows_what_a_witness_points_at(path):
    for finding in audited(path).findings:
        for witness in finding.witnesses:
            if witness.shown is not None:
                assert applied(witness) is witness.shown.applies, finding.name


def applied(witness) -> bool:
    shown = witness.shown
    layers = [layer for permission in witness.decision.permissions for layer in permission.layers]
    if shown.grant:
        return any(one.grant == shown.grant and one.mismatch is None for layer in layers for one in layer.grants)
    named = (shown.policy, shown.statement)
    return any((one.policy, one.path) == named and one.applies for layer in layers for one in layer.statements)


@each_file
def test_each_finding_stands_on_a_line_of_its_file(path):
    for finding in audited(path).findings:
        assert finding.where.file is not None
        file = Path(finding.where.file)  # the scenario, or a policy file that it names
        assert file == path or path.parent in file.parents
        assert finding.where.line is not None
        assert 1 <= finding.where.line <= len(file.read_text().splitlines())


@each_file
def test_a_report_of_every_form_can_be_printed(path):
    outcome = put_off([audited(path)], None, date(2026, 6, 1))
    assert json.loads(json.dumps(report_json(outcome, "high")))["totals"]
    assert json.loads(json.dumps(report_sarif(outcome)))["version"] == "2.1.0"
    text = report_text(outcome, "high", color=False)
    for line in text.splitlines():
        is_long_word = line.startswith("    at ") or len(line.split()) == 1
        assert len(line) <= 80 or is_long_word or line == str(path), "longer than a terminal only where one word is"


def test_the_case_files_show_most_findings_by_themselves():
    found = {finding.id for path in CASES for finding in audited(path).findings}
    assert len(found) >= 38
