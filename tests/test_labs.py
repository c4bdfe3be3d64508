"""Every lab keeps its promises, and labs are found by the names that people use.

That the exercise fails, the solution passes and wrong answers trip their checks is tested in each lab's own folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kmssim.errors import InputError
from kmssim.labs.checking import check_answer
from kmssim.labs.folder import FILES, Lab, find_lab, find_labs, find_scenario, shipped_folder
from kmssim.labs.seeds import seed_lab
from kmssim.labs.variants import solution_of
from kmssim.labs.verify import verify
from kmssim.rules import all_rules

ROOT = Path(__file__).resolve().parent.parent
LABS = find_labs(ROOT / "labs")
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)


@each_lab
def test_a_lab_keeps_its_promises(lab):
    broken = [f"{each.topic}: {each.said}" for each in verify(lab, answers=False) if not each.holds]
    assert broken == []


@each_lab
def test_a_solution_passes_with_other_names_and_numbers(lab, tmp_path):
    """In labs in which names mean more, with other numbers only."""
    for keeps_names in (False, True):
        seed_lab(lab, tmp_path / str(keeps_names) / lab.id, 7, keeps_names=keeps_names)
        report = check_answer(solution_of(Lab(tmp_path / str(keeps_names) / lab.id)), simulated=False)
        if report.solved:
            break
    assert report.solved, [(each.check.id, each.said) for each in report.results if not each.counts_as_passed]


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
def test_what_a_lab_builds_on_are_labs_before_it(lab):
    before = {other.id for other in LABS if other.number < lab.number}
    assert set(lab.read_metadata().prerequisites) <= before


@each_lab
def test_every_lab_has_the_same_few_lines_of_tests(lab):
    first = (LABS[0].folder / "test_lab.py").read_text(encoding="utf-8")
    assert (lab.folder / "test_lab.py").read_text(encoding="utf-8") == first


def test_a_lab_runs_under_plain_pytest_in_its_folder():
    lab = LABS[0]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"labs/{lab.id}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert f"{2 + len(lab.read_metadata().wrong)} passed" in ran.stdout


def test_the_labs_of_a_checkout_are_those_that_it_ships():
    assert shipped_folder() == ROOT / "labs"


SOME = LABS[2]


@pytest.mark.parametrize("name", [SOME.id, str(ROOT / "labs" / SOME.id)])
def test_a_lab_is_found_by_id_or_folder(name):
    assert find_lab(name, ROOT / "labs").id == SOME.id
    assert find_scenario(name).name == "scenario.json"


@pytest.mark.parametrize("name", ["1", "01"])
def test_a_lab_is_found_by_its_number(name):
    assert find_lab(name, ROOT / "labs").number == 1


def test_an_unknown_lab_is_refused_with_near_names():
    with pytest.raises(InputError, match=SOME.id):
        find_lab(SOME.id[3:-2], ROOT / "labs")


def test_all_labs_are_meant_when_none_is_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert len(find_labs()) == len(LABS)


def test_labs_are_found_from_inside_their_folder(monkeypatch):
    monkeypatch.chdir(LABS[0].folder)
    assert [lab.id for lab in find_labs()] == [lab.id for lab in LABS]


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


def test_the_guide_names_every_file_of_a_lab():
    guide = (ROOT / "labs" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in guide for name in (*FILES, "checks.py", "exercise/", "solution/", "wrong/"))
