"""What `kmssim lab …` says to people it says to programs, too: one JSON document, the same exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kmssim.errors import InputError
from kmssim.verbs.lab import lab


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("learner") / "labs"
    ran = CliRunner().invoke(lab, ["start", str(made), "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["folder"], len(found["written"])) == (str(made), 24)
    assert found["task"]["id"] == "01_key_policy_must_trust"
    return made


@pytest.mark.parametrize(
    ("arguments", "exit_code", "member"),
    [
        (["next"], 0, "task"),
        (["goto", "03"], 0, "checks"),
        (["show", "02"], 0, "edit"),
        (["skip", "05"], 0, "skipped"),
        (["hint", "01"], 0, "text"),
        (["diff", "01"], 0, "text"),
        (["predict", "16"], 0, None),
        (["explain", "the workload decrypts an order", "--lab", "01"], 0, "decision"),
        (["reset", "02"], 0, "02_what_root_says"),
        (["solution", "01", "--give-up"], 0, "text"),
        (["open", "01"], 0, None),
        (["doctor"], 0, None),
        (["text", "de", "03"], 0, "03_only_the_application"),
        (["schema"], 0, "properties"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_an_answer_is_one_json_document(folder, monkeypatch, arguments, exit_code, member):
    monkeypatch.chdir(folder)
    ran = CliRunner().invoke(lab, [*arguments, "--json"])
    assert ran.exit_code == exit_code, ran.output
    found = json.loads(ran.stdout)
    assert found
    assert member is None or member in found


def test_who_stands_in_another_labs_folder_is_told_the_way(folder, monkeypatch):
    monkeypatch.chdir(folder / "01_key_policy_must_trust" / "exercise")
    ran = CliRunner().invoke(lab, ["goto", "02"])
    assert ran.output.endswith(f"First: cd {folder.resolve() / '02_what_root_says'}\n")
    monkeypatch.chdir(folder)
    assert "First: cd" not in CliRunner().invoke(lab, ["goto", "02"]).output


def test_predictions_that_nobody_answers_end_with_a_hint(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=r"answers\.json"):
        CliRunner().invoke(lab, ["predict", "16"], input="", catch_exceptions=False)


def test_an_editor_that_wrote_the_same_policy_otherwise_made_no_difference(folder, monkeypatch):
    monkeypatch.chdir(folder)
    file = folder / "03_only_the_application" / "exercise" / "key-policy.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert "Nothing has changed" in CliRunner().invoke(lab, ["diff", "03"]).output
