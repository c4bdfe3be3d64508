"""What is put off: by whom, why, and until when."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from audit_worlds import HERE, VENDOR, WORLDS

from kmssim.audit.run import Outcome, audit_subject, put_off, subject_of
from kmssim.audit.suppressions import read_suppressions
from kmssim.errors import InputError
from kmssim.scenario import load_scenario

DAY = date(2026, 6, 1)
AT = f"accounts.{HERE}.keys.orders.policy.Statement[1]"
FITTING = {
    "finding": "cross-organization",
    "where": "accounts.*.keys.orders.*",
    "reason": "the auditor's account, ticket 1234",
    "expires": "2026-12-31",
}


def outcome(tmp_path: Path, *suppressions, today: date = DAY, name: str = "kmssim-audit.json", given=None) -> Outcome:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps(WORLDS["cross-organization"]))
    (tmp_path / name).write_text(json.dumps({"suppressions": list(suppressions)}))
    return put_off([audit_subject(subject_of(load_scenario(scenario)))], given, today)


def ids(found: Outcome) -> list[str]:
    return [finding.id for finding in found.findings]


def test_a_finding_is_put_off_with_its_reason(tmp_path):
    found = outcome(tmp_path, FITTING)
    assert ids(found) == []
    (off,) = found.reports[0].suppressed
    assert off.finding.id == "cross-organization"
    assert off.by.reason == FITTING["reason"]
    assert not found.fails("low")


def test_a_file_that_is_named_stands_for_the_one_beside(tmp_path):
    other = outcome(tmp_path, {**FITTING, "where": AT}, name="mine.json", given=str(tmp_path / "mine.json"))
    assert ids(other) == []
    assert ids(outcome(tmp_path, name="nothing-here.json")) == ["cross-organization"]


def test_on_its_last_day_a_suppression_holds_and_on_the_next_the_finding_is_back_with_it(tmp_path):
    ends = {**FITTING, "expires": DAY.isoformat()}
    assert ids(outcome(tmp_path, ends)) == []
    late = outcome(tmp_path, ends, today=date(2026, 6, 2))
    assert ids(late) == ["cross-organization", "suppression-expired"]
    assert late.stale[0].where.path == "suppressions[0]"
    assert late.stale[0].where.line == 1
    assert late.fails("high")


@pytest.mark.parametrize(
    "changed",
    [{"finding": "public-access"}, {"where": "accounts.*.keys.other.*"}, {"where": AT[:-3]}, {"file": "*other.json"}],
    ids=str,
)
def test_a_suppression_that_fits_nothing_is_told_of_as_such(changed, tmp_path):
    found = outcome(tmp_path, {**FITTING, **changed})
    assert sorted(ids(found)) == ["cross-organization", "suppression-unused"]
    assert [finding.severity.value for finding in found.stale] == ["low"]


def test_a_suppression_used_in_one_of_several_files_is_used(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps(WORLDS["cross-organization"]))
    two.write_text(json.dumps(WORLDS["public-access"]))
    (tmp_path / "kmssim-audit.json").write_text(json.dumps({"suppressions": [FITTING]}))
    reports = [audit_subject(subject_of(load_scenario(path))) for path in (one, two)]
    assert ids(put_off(reports, None, DAY)) == ["public-access"]


def test_brackets_in_a_pattern_are_letters(tmp_path):
    assert ids(outcome(tmp_path, {**FITTING, "where": "*.Statement[1]"})) == []
    assert "cross-organization" in ids(outcome(tmp_path, {**FITTING, "where": "*.Statement[0-9]"}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "expected an object with a list `suppressions`"),
        ({"suppressions": [3]}, "$.suppressions[0]: expected an object"),
        ({"suppressions": [{**FITTING, "reason": " "}]}, "$.suppressions[0]: the field `reason` is missing"),
        ({"suppressions": [{k: v for k, v in FITTING.items() if k != "expires"}]}, "the field `expires` is missing"),
        ({"suppressions": [{**FITTING, "expires": "next year"}]}, "$.suppressions[0].expires: `next year` is no date"),
        ({"suppressions": [{**FITTING, "finding": "public-acces"}]}, "did you mean `public-access`"),
        ({"suppressions": [{**FITTING, "until": "x"}]}, "no field `until`"),
        ({"suppressions": [{**FITTING, "where": 3}]}, "$.suppressions[0].where: expected a string"),
    ],
    ids=str,
)
def test_a_broken_file_is_refused_with_its_path(content, said, tmp_path):
    path = tmp_path / "kmssim-audit.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_suppressions(path)
    assert said in str(caught.value)
    assert "kmssim-audit.json" in str(caught.value)
    assert VENDOR not in str(caught.value)
