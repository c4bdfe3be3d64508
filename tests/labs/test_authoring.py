"""The author's verbs: a new lab, what it promises, its mutants, its schema, its slowest checks."""

from __future__ import annotations

import json

import pytest
from lab_samples import NAMES, change

from kmssim.errors import InputError

FIX = NAMES["fix"]


@pytest.mark.parametrize("kind", ["fix", "predict", "write", "attack"])
def test_a_new_lab_is_written_and_holds(run, tmp_path, kind):
    said = run("new", "61_new_one", "--type", kind, "--in", str(tmp_path / "mine")).output
    assert "61_new_one is written" in said
    (tmp_path / "mine" / "61_new_one" / "index.html").touch()
    ended = run("verify", str(tmp_path / "mine" / "61_new_one"), "--no-page")
    assert ended.exit_code == 0, ended.output


@pytest.mark.parametrize("lab_id", ["new", "1_x", "61_New"])
def test_a_lab_has_an_id_of_two_digits_and_words(run, lab_id):
    with pytest.raises(InputError, match="two digits"):
        run("new", lab_id)


def test_a_lab_that_is_there_is_not_overwritten(run, shipped):
    with pytest.raises(InputError, match="is there already"):
        run("new", FIX, "--in", str(shipped))


def test_verifying_says_each_promise_and_ends_with_one_when_one_is_broken(run, shipped):
    ended = run("verify", str(shipped / FIX), "--no-page", "--json")
    assert ended.exit_code == 0
    assert [each["topic"] for each in json.loads(ended.output)[FIX]] == [
        "files", "metadata", "exercise", "solution", "wrong answers", "mutants",
    ]  # fmt: skip
    (shipped / FIX / "notes.txt").touch()
    ended = run("verify", str(shipped / FIX), "--no-page", "--no-mutants")
    assert (ended.exit_code, "WRONG files          notes.txt" in ended.output) == (1, True)


def test_a_page_that_was_not_made_is_stale(run, shipped):
    assert "stale: kmssim lab render" in run("verify", str(shipped / FIX), "--no-mutants").output


def test_mutants_are_listed_with_what_catches_them(run, shipped):
    ended = run("mutate", str(shipped / FIX))
    assert ended.exit_code == 0
    assert 'nobody_else              key-policy.json: "UseWorkload": widen_action to kms:*' in ended.output
    change(shipped / FIX / "metadata.json", lambda data: data["checks"][2].update(may_change=[{}]))
    ended = run("mutate", str(shipped / FIX))
    assert (ended.exit_code, "LIVES" in ended.output) == (1, True)
    assert {"mutant", "caught_by"} == set(json.loads(run("mutate", str(shipped / FIX), "--json").output)[0])


def test_the_schema_is_one_for_editors(run):
    schema = json.loads(run("schema").output)
    assert schema["properties"]["type"]["enum"] == ["predict", "fix", "write", "attack"]


def test_the_slowest_checks_come_first(run, shipped):
    lines = run("time", str(shipped / FIX)).output.splitlines()
    taken = [float(line.split()[0]) for line in lines]
    assert taken == sorted(taken, reverse=True)
    assert len(lines) == 4


def test_every_verb_has_help(run):
    from kmssim.verbs.lab import _MODULE_OF  # noqa: PLC0415 - the table that the group is made of

    for verb in _MODULE_OF:
        ended = run(verb, "--help")
        assert (ended.exit_code, "Usage:" in ended.output) == (0, True), verb
