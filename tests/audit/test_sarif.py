"""SARIF 2.1.0, held to its own schema (see SARIF-SCHEMA.md)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from audit_worlds import FILES, HERE, WORLDS

from kmssim.audit.run import Outcome, audit_subject, put_off, subject_of
from kmssim.audit.sarif import report_sarif
from kmssim.audit.wording import WORDING
from kmssim.scenario import load_scenario, parse_scenario

SCHEMA = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def outcome(tmp_path: Path, name: str, suppressions: object = None) -> Outcome:
    for file, content in {**FILES, "scenario.json": WORLDS[name]}.items():
        (tmp_path / file).write_text(json.dumps(content, indent=2))
    if suppressions is not None:
        (tmp_path / "kmssim-audit.json").write_text(json.dumps(suppressions))
    report = audit_subject(subject_of(load_scenario(tmp_path / "scenario.json")))
    return put_off([report], None, date(2026, 6, 1))


def test_the_schema_is_one_and_refuses_what_is_no_sarif():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert not VALIDATOR.is_valid({"version": "2.1.0"})
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"tool": {"driver": {}}}]})


@pytest.mark.parametrize("name", WORLDS)
def test_every_finding_is_valid_sarif(name, tmp_path):
    sarif = report_sarif(outcome(tmp_path, name))
    VALIDATOR.validate(sarif)
    assert name in {result["ruleId"] for result in sarif["runs"][0]["results"]}


def test_a_result_names_rule_level_file_and_line(tmp_path):
    run = report_sarif(outcome(tmp_path, "public-access"))["runs"][0]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "public-access"
    assert result["level"] == "error"
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == (tmp_path / "scenario.json").as_uri()
    assert location["physicalLocation"]["region"]["startLine"] > 1
    path = f"accounts.{HERE}.keys.orders.policy.Statement[1]"
    assert location["logicalLocations"] == [{"fullyQualifiedName": path, "kind": "member"}]


def test_a_world_without_a_file_has_logical_places_only():
    report = audit_subject(subject_of(parse_scenario(WORLDS["public-access"])))
    sarif = report_sarif(put_off([report], None, date(2026, 6, 1)))
    VALIDATOR.validate(sarif)
    assert "physicalLocation" not in sarif["runs"][0]["results"][0]["locations"][0]


def test_every_rule_has_a_level_and_a_score_and_says_why(tmp_path):
    rules = report_sarif(outcome(tmp_path, "public-access"))["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(WORDING)
    for rule in rules:
        words = WORDING[rule["id"]]
        assert words.because in rule["fullDescription"]["text"]
        assert float(rule["properties"]["security-severity"]) > 0


def test_what_is_suppressed_is_there_and_marked(tmp_path):
    off = {"finding": "public-access", "where": "*", "reason": "a demonstration", "expires": "2026-12-31"}
    sarif = report_sarif(outcome(tmp_path, "public-access", {"suppressions": [off]}))
    VALIDATOR.validate(sarif)
    (result,) = sarif["runs"][0]["results"]
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "a demonstration (until 2026-12-31)"}
    ]


def test_a_fingerprint_outlives_a_move_of_the_lines(tmp_path):
    before = report_sarif(outcome(tmp_path, "public-access"))["runs"][0]["results"][0]
    (tmp_path / "scenario.json").write_text(json.dumps(WORLDS["public-access"]))
    report = audit_subject(subject_of(load_scenario(tmp_path / "scenario.json")))
    after = report_sarif(put_off([report], None, date(2026, 6, 1)))["runs"][0]["results"][0]
    assert before["partialFingerprints"] == after["partialFingerprints"]
    assert before["locations"] != after["locations"]
