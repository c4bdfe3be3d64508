"""Classes: packing, seeds that make copied literals fail, and grading that one bad hand-in does not stop."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from xml.etree import ElementTree as ET

import pytest
from lab_samples import NAMES, change

from kmssim.errors import InputError
from kmssim.labs.checking import check_answer
from kmssim.labs.folder import Lab, find_labs
from kmssim.labs.packing import take_answers
from kmssim.labs.seeds import keeping_names, rename, seed_lab, seeded_labs
from kmssim.labs.variants import answer_in, solution_of
from kmssim.labs.verify import verify

FIX, WRITE = NAMES["fix"], NAMES["write"]


def hand_in(folder, who, files):
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{who}.zip", "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)


def test_a_seed_renames_accounts_keys_and_roles_and_the_lab_teaches_the_same(shipped, tmp_path):
    seed_lab(Lab(shipped / FIX), tmp_path / FIX, 7)
    lab = Lab(tmp_path / FIX)
    text = lab.scenario.read_text()
    assert "111122223333" not in text
    assert "1234abcd-12ab" not in text
    assert '"workload"' not in text
    assert all(each.holds for each in verify(lab, simulated=False))


def test_a_seed_is_the_same_on_every_run_and_another_for_another_number():
    text = "arn:aws:iam::111122223333:role/app key/1234abcd-12ab-34cd-56ef-1234567890ab o-a1b2c3d4e5"
    names = frozenset({"app"})
    assert rename(text, 7, names) == rename(text, 7, names)
    assert rename(text, 7, names) != rename(text, 8, names)
    assert "role/app-" in rename(text, 7, names)
    assert rename("000000000000 role/apple", 7, names) == "000000000000 role/apple"


def test_an_answer_with_copied_literals_fails_under_a_seed(shipped):
    lab = Lab(seeded_labs(shipped, 7) / FIX)
    assert check_answer(solution_of(lab), simulated=False).solved
    assert not check_answer(answer_in(shipped / FIX / "solution", lab), simulated=False).solved


def test_a_lab_whose_names_mean_more_keeps_them(shipped):
    def bind(data):
        data["Statement"][1]["Principal"] = "*"
        data["Statement"][1]["Condition"] = {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*/workload"}}

    change(shipped / FIX / "solution" / "key-policy.json", bind)
    assert keeping_names(shipped, 7) == {FIX}
    lab = Lab(seeded_labs(shipped, 7) / FIX)
    assert '"workload"' in lab.scenario.read_text()
    assert "111122223333" not in lab.scenario.read_text()
    assert check_answer(solution_of(lab), simulated=False).solved


def test_a_pack_holds_exercises_only_and_is_the_same_every_time(run, tmp_path):
    for name in ("one.zip", "two.zip"):
        assert "2 labs, seed 7" in run("pack", "--labs", "51,53", "--seed", "7", "--out", name, "--no-skip").output
    home = tmp_path / "home"
    assert (home / "one.zip").read_bytes() == (home / "two.zip").read_bytes()
    with zipfile.ZipFile(home / "one.zip") as zipped:
        names = zipped.namelist()
        progress = json.loads(zipped.read("kmssim-labs/kmssim-labs.json"))
    assert not [name for name in names if "solution" in name or "wrong" in name or "checks.py" in name]
    assert f"kmssim-labs/{FIX}/exercise/key-policy.json" in names
    assert (progress["seed"], progress["may_skip"], progress["keeping"]) == (7, False, [])


def test_a_packed_class_is_checked_in_its_own_names(run, tmp_path, shipped, monkeypatch):
    run("pack", "--seed", "7", "--out", "class.zip")
    with zipfile.ZipFile(tmp_path / "home" / "class.zip") as zipped:
        zipped.extractall(tmp_path / "learner")
    folder = tmp_path / "learner" / "kmssim-labs"
    monkeypatch.chdir(folder)
    assert run("check", "51").exit_code == 1
    solution = (seeded_labs(shipped, 7) / FIX / "solution" / "key-policy.json").read_text()
    (folder / FIX / "exercise" / "key-policy.json").write_text(solution)
    assert run("check", "51").exit_code == 0


def test_a_learner_of_a_class_waits_for_nobodys_solutions(run, tmp_path, monkeypatch):
    run("pack", "--seed", "7", "--out", "class.zip")
    with zipfile.ZipFile(tmp_path / "home" / "class.zip") as zipped:
        zipped.extractall(tmp_path / "learner")
    monkeypatch.chdir(tmp_path / "learner" / "kmssim-labs")
    monkeypatch.setattr("kmssim.labs.seeds.check_answer", lambda *_, **__: pytest.fail("a solution was run"))
    seeded_labs.cache_clear()
    keeping_names.cache_clear()
    assert FIX in run("list").output


@pytest.fixture
def graded(run, tmp_path, shipped):
    """A class of eight, graded once as JSON, CSV and JUnit."""
    labs = {lab.id: lab for lab in find_labs(seeded_labs(shipped, 7))}
    right = (labs[FIX].solution / "key-policy.json").read_text()
    star = (labs[FIX].folder / "wrong/everybody/key-policy.json").read_text()
    code = (labs[WRITE].solution / "orders.py").read_text()
    policy, orders = f"kmssim-labs/{FIX}/exercise/key-policy.json", f"kmssim-labs/{WRITE}/exercise/orders.py"
    folder = tmp_path / "handed-in"
    change_limits(shipped)
    hand_in(folder, "anna", {policy: right, orders: code})
    hand_in(folder, "ben", {policy: right, orders: "def read_order(kms, blob):\n    while True:\n        pass\n"})
    hand_in(folder, "copy", {policy: (shipped / FIX / "solution" / "key-policy.json").read_text(), orders: code})
    hand_in(folder, "eve", {policy: right.replace("{", "{,", 1), orders: "import os\n\nos._exit(0)\n"})
    hand_in(folder, "fred", {f"deep/er/{policy}": star})
    hand_in(folder, "hugo\n<b>", {policy: "[" * 100_000, orders: "x = " + "[" * 3000})
    hand_in(folder, "ines", {policy: right + " " * 2_000_000, orders: code})
    (folder / "gina.zip").write_text("no zip")
    said = run(
        "grade", str(folder), "--seed", "7", "--labs", "51,53", "--json", "--csv", "out.csv", "--junit", "out.xml"
    ).output
    return json.loads(said)


def change_limits(shipped):
    seeded = seeded_labs(shipped, 7)
    change(seeded / WRITE / "metadata.json", lambda data: data.update(limits={"seconds": 4}))


def test_a_class_is_graded_and_no_hand_in_stops_the_others(graded, tmp_path, run):
    states = {(each["who"], each["lab"]): each["state"] for each in graded["grades"]}
    assert states == {
        ("anna", FIX): "solved",
        ("anna", WRITE): "solved",
        ("ben", FIX): "solved",
        ("ben", WRITE): "time limit",
        ("copy", FIX): "not solved",
        ("copy", WRITE): "solved",
        ("eve", FIX): "cannot be read",
        ("eve", WRITE): "not solved",
        ("fred", FIX): "not solved",
        ("fred", WRITE): "missing",
        ("gina", FIX): "cannot be read",
        ("gina", WRITE): "cannot be read",
        ("hugo\\n<b>", FIX): "cannot be read",
        ("hugo\\n<b>", WRITE): "cannot be read",
        ("ines", FIX): "cannot be read",
        ("ines", WRITE): "solved",
    }
    by = {(each["who"], each["lab"]): each for each in graded["grades"]}
    assert by["fred", FIX]["belief"] == "A star is harmless."
    assert by["ines", FIX]["said"] == "key-policy.json is larger than a megabyte"
    assert by["hugo\\n<b>", FIX]["said"].startswith("key-policy.json:1:1: nested more than")
    assert by["eve", FIX]["said"].startswith("key-policy.json:1:2: not JSON")
    home = tmp_path / "home"
    rows = list(csv.DictReader(io.StringIO((home / "out.csv").read_text())))
    assert [(row["who"], row["state"]) for row in rows] == [(each["who"], each["state"]) for each in graded["grades"]]
    suites = ET.fromstring((home / "out.xml").read_text())  # noqa: S314 - our own
    assert [suite.get("failures") for suite in suites] == ["0", "1", "1", "2", "2", "2", "2", "1"]
    (home / "out.json").write_text(json.dumps(graded))
    said = run("report", "out.json").output
    assert "5 of 16 labs solved by 8 people" in said
    assert f"missed most: {WRITE} is_read" in said
    assert f'believed most: {FIX} "A star is harmless." (1)' in said


def test_a_hand_in_cannot_write_beside_its_place(shipped, tmp_path):
    hand_in(
        tmp_path / "in",
        "mallory",
        {f"../../{FIX}/exercise/key-policy.json": "{}", "../evil.txt": "x", f"{FIX}/checks.py": "x"},
    )
    target = tmp_path / "a" / "b"
    labs = [Lab(shipped / FIX)]
    assert take_answers(tmp_path / "in" / "mallory.zip", labs, target) == {FIX: ""}
    assert [str(file.relative_to(tmp_path / "a")) for file in (tmp_path / "a").rglob("*") if file.is_file()] == [
        f"b/{FIX}/key-policy.json"
    ]


def test_a_folder_without_hand_ins_is_refused(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no hand-ins"):
        run("grade", str(tmp_path / "empty"))


def test_a_report_takes_only_what_grade_wrote(run, tmp_path):
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(InputError, match="this is not what"):
        run("report", str(tmp_path / "other.json"))
