"""Every lab is complete, true, and tested in its own folder; labs are found by the names that people use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kmssim.errors import InputError
from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.labs import FILES, Lab, check_prediction, find_lab, find_labs, find_scenario, find_scenarios
from kmssim.rules import all_rules

ROOT = Path(__file__).resolve().parent.parent
LABS = find_labs(ROOT / "labs")
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)


def test_the_four_pictures_of_the_first_page_are_labs():
    assert [lab.id for lab in LABS] == [
        "01_key_policy_must_trust",
        "02_key_policy_trusts",
        "03_grant_with_context",
        "04_scp_denies",
    ]


@each_lab
def test_a_lab_has_its_files_and_no_others(lab):
    found = {path.name for path in lab.folder.iterdir() if path.name != "__pycache__"}
    assert found == set(FILES)


@each_lab
def test_a_lab_says_about_itself_what_it_must(lab):
    metadata = lab.read_metadata()
    assert (metadata.id, metadata.cloud, metadata.domain) == (lab.id, "AWS", "Security")
    assert metadata.title
    assert metadata.objective


@each_lab
def test_every_request_of_a_lab_gives_its_reason_and_its_rules(lab):
    for request in lab.read_scenario().requests:
        assert request.why, request.name
        assert request.rules, request.name
        assert set(request.rules) <= set(all_rules()), request.name


@each_lab
def test_what_a_lab_builds_on_are_labs(lab):
    assert set(lab.read_metadata().prerequisites) <= {other.id for other in LABS}


@each_lab
def test_the_architecture_shows_the_lines_of_the_first_request(lab):
    scenario = lab.read_scenario()
    lines = [f"{name}: {text}" for name, text in explain(decide(scenario.world, scenario.requests[0].call)).lines]
    assert "\n".join(["```", *lines, "```"]) in (lab.folder / "architecture.md").read_text(encoding="utf-8")


@each_lab
def test_a_lab_is_true(lab):
    assert check_prediction(lab) == []


def test_a_wrong_lab_is_found_out(tmp_path):
    scenario = json.loads(LABS[0].scenario.read_text())
    scenario["requests"][0]["expect"] = {"decision": "ALLOW", "layers": ["grant"], "error": None}
    (tmp_path / "scenario.json").write_text(json.dumps(scenario))
    findings = check_prediction(Lab(tmp_path))
    assert {finding.request for finding in findings} == {scenario["requests"][0]["name"]}
    assert len(findings) == 3


def test_a_lab_runs_under_plain_pytest_in_its_folder():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "labs/01_key_policy_must_trust"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


@pytest.mark.parametrize("name", ["03_grant_with_context", "3", "03", str(ROOT / "labs" / "03_grant_with_context")])
def test_a_lab_is_found_by_id_number_or_folder(name):
    assert find_lab(name, ROOT / "labs").id == "03_grant_with_context"
    assert find_scenario(name).name == "scenario.json"


def test_an_unknown_lab_is_refused_with_near_names():
    with pytest.raises(InputError, match="03_grant_with_context"):
        find_lab("grant_with_contxt", ROOT / "labs")


def test_all_labs_are_meant_when_none_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert len(find_scenarios()) == len(LABS)


@pytest.mark.parametrize("content", ["{", "[]", '{"id": 1}', '{"id": "01_key_policy_must_trust", "unknown": 1}'])
def test_broken_metadata_is_an_input_error_with_its_file(tmp_path, content):
    (tmp_path / "metadata.json").write_text(content)
    with pytest.raises(InputError, match=r"metadata\.json"):
        Lab(tmp_path).read_metadata()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"minutes": "ten"}, "$.minutes"),
        ({"title": " "}, "$.title"),
        ({"type": "guess"}, "$.type"),
        ({"layers": ["key_policy", "luck"]}, "$.layers[1]"),
        ({"rules": ["KP-1", "KP-999"]}, "$.rules[1]"),
        ({"sources": ["NOBODY"]}, "$.sources[0]"),
        ({"example": {"request": "the workload decrypts an order"}}, "$.example.text"),
        ({"id": "02_key_policy_trusts"}, "$.id"),
        ({"colour": "red"}, "$.colour"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_in_metadata_is_named_by_its_json_path(tmp_path, change, path):
    folder = tmp_path / LABS[0].id
    folder.mkdir()
    metadata = json.loads(LABS[0].metadata.read_text(encoding="utf-8"))
    (folder / "metadata.json").write_text(json.dumps(metadata | change))
    with pytest.raises(InputError) as refused:
        Lab(folder).read_metadata()
    assert f"metadata.json: {path}: " in str(refused.value)


def test_a_missing_field_of_metadata_is_named(tmp_path):
    metadata = json.loads(LABS[0].metadata.read_text(encoding="utf-8"))
    del metadata["objective"]
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match=r"\$\.objective: is missing"):
        Lab(tmp_path).read_metadata()
