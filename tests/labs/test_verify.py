"""A lab is held to what it promises: whatever is missing, stray, weak or untrue in it is found and named."""

from __future__ import annotations

import json

import jsonschema
import pytest
from lab_samples import change, sample, topics

from kmssim.errors import InputError
from kmssim.labs.folder import Lab
from kmssim.labs.metadata import metadata_schema, read_metadata
from kmssim.labs.verify import main, mutate, verify


@pytest.mark.parametrize("kind", ["fix", "predict", "write", "attack"])
def test_a_new_lab_of_every_type_keeps_its_promises(tmp_path, kind):
    assert topics(verify(sample(tmp_path, kind))) == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("notes.txt", "notes.txt is a stray file"),
        ("exercise/other.json", "exercise/other.json is not in `edit`"),
        ("solution/other.json", "solution/other.json is not in `edit`"),
        ("wrong/everybody/other.json", "wrong/everybody/other.json is not in `edit`"),
        ("wrong/third/key-policy.json", "wrong/third is not in `wrong`"),
    ],
)
def test_a_stray_file_is_named(tmp_path, name, said):
    lab = sample(tmp_path)
    (lab.folder / name).parent.mkdir(exist_ok=True)
    (lab.folder / name).write_text("{}", encoding="utf-8")
    assert topics(verify(lab, simulated=False, mutated=False)) == {"files": said}


@pytest.mark.parametrize("name", ["architecture.md", "index.html", "test_lab.py"])
def test_a_missing_file_is_named(tmp_path, name):
    lab = sample(tmp_path)
    (lab.folder / name).unlink()
    assert topics(verify(lab, simulated=False, mutated=False)) == {"files": f"{name} is missing"}


def test_a_folder_with_nothing_but_broken_metadata_is_told_and_raises_nothing(tmp_path):
    lab = Lab(tmp_path / "61_begun")
    lab.folder.mkdir()
    lab.metadata.write_text("{", encoding="utf-8")
    found = topics(verify(lab))
    assert "not JSON" in found["metadata"]
    assert "scenario.json is missing" in found["files"]


def test_a_lab_whose_solution_is_missing_is_told(tmp_path):
    lab = sample(tmp_path)
    (lab.solution / "key-policy.json").unlink()
    found = topics(verify(lab, simulated=False))
    assert found["files"] == "solution/key-policy.json is missing"
    assert "no such file" in found["solution"]


def test_an_exercise_that_passes_as_shipped_is_refused(tmp_path):
    lab = sample(tmp_path)
    text = (lab.solution / "key-policy.json").read_text()
    (lab.exercise / "key-policy.json").write_text(text)
    assert "passes as shipped" in topics(verify(lab, simulated=False))["exercise"]


def test_a_solution_that_fails_is_told_with_its_check(tmp_path):
    lab = sample(tmp_path)
    (lab.solution / "key-policy.json").write_text((lab.exercise / "key-policy.json").read_text())
    assert topics(verify(lab, simulated=False))["solution"].startswith("fails in workload_decrypts: expected ALLOW")


def test_a_wrong_answer_that_passes_is_told(tmp_path):
    lab = sample(tmp_path)
    (lab.folder / "wrong" / "everybody" / "key-policy.json").write_text((lab.solution / "key-policy.json").read_text())
    assert topics(verify(lab, simulated=False, mutated=False)) == {
        "wrong answers": "wrong/everybody passes, it must fail in intern_is_refused"
    }


def test_a_wrong_answer_that_trips_another_check_first_is_told(tmp_path):
    lab = sample(tmp_path)
    change(lab.metadata, lambda data: data["wrong"][0].update(trips="nobody_else"))
    assert topics(verify(lab, simulated=False, mutated=False)) == {
        "wrong answers": "wrong/everybody fails first in intern_is_refused, not in nobody_else"
    }


def test_a_wrong_answer_that_aws_refuses_trips_the_first_check(tmp_path):
    lab = sample(tmp_path)
    change(lab.folder / "wrong/everybody/key-policy.json", lambda data: data["Statement"][1].update(Effect="allow"))
    change(lab.metadata, lambda data: data["wrong"][0].update(trips="workload_decrypts"))
    assert topics(verify(lab, simulated=False, mutated=False)) == {}


def test_a_mutant_that_no_check_catches_is_named(tmp_path):
    lab = sample(tmp_path)
    change(lab.metadata, lambda data: data["checks"][2].update(may_change=[{}]))
    said = topics(verify(lab, simulated=False))["mutants"]
    assert 'key-policy.json: "UseWorkload": widen_action to kms:*' in said
    assert "drop_statement" not in said.replace('"UseAdmin": drop_statement', "")


def test_a_mutant_may_live_when_the_lab_says_why(tmp_path):
    lab = sample(tmp_path)
    change(lab.metadata, lambda data: data["checks"][2].update(may_change=[{}]))
    alive = [each.mutant.text for each in mutate(lab) if each.caught_by is None]
    survivors = [{"mutant": text, "why": "nobody is asked"} for text in alive]
    change(lab.metadata, lambda data: data.update(mutants={"survivors": survivors}))
    assert "mutants" not in topics(verify(lab, simulated=False))


def test_a_listed_survivor_that_is_caught_is_told(tmp_path):
    lab = sample(tmp_path)
    survivors = [{"mutant": "key-policy.json: gone", "why": "old"}]
    change(lab.metadata, lambda data: data.update(mutants={"survivors": survivors}))
    assert topics(verify(lab, simulated=False))["mutants"].endswith("not made: key-policy.json: gone")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda data: data["checks"][0].update(request="other"),
            "check workload_decrypts: the scenario has no request",
        ),
        (lambda data: data["example"].update(request="other"), "example: the scenario has no request `other`"),
    ],
    ids=["check", "example"],
)
def test_a_name_that_leads_nowhere_is_told(tmp_path, edit, said):
    lab = sample(tmp_path)
    change(lab.metadata, edit)
    assert topics(verify(lab, simulated=False, mutated=False))["metadata"].startswith(said)


def test_an_expectation_in_the_scenario_is_refused(tmp_path):
    lab = sample(tmp_path)
    change(lab.scenario, lambda data: data["requests"][0].update(expect={"decision": "ALLOW"}))
    assert "has an `expect`" in topics(verify(lab, simulated=False, mutated=False))["metadata"]


def test_shipped_predictions_hold_nulls_for_what_is_asked(tmp_path):
    lab = sample(tmp_path, "predict")
    change(lab.exercise / "answers.json", lambda data: data["intern_decrypts"].pop("layer"))
    assert topics(verify(lab, simulated=False))["metadata"].startswith("exercise/answers.json must be ")


BREAKING = [
    (lambda data: data.pop("task"), "$.task: is missing"),
    (lambda data: data.update(colour="red"), "$.colour: unknown field"),
    (lambda data: data.update(type="guess"), "$.type: `guess` is not known"),
    (lambda data: data["checks"].pop(2), "$.checks: a lab of type fix has positive, negative and collateral checks"),
    (lambda data: data["checks"][1].update(id="workload_decrypts"), "$.checks[1].id: `workload_decrypts` stands here"),
    (lambda data: data["checks"][0].update(expect="DENY"), "$.checks[0].expect: a positive check expects ALLOW"),
    (lambda data: data["checks"][0].update(function="f"), "$.checks[0].function: unknown field"),
    (lambda data: data["checks"][0].update(layers=["luck"]), "$.checks[0].layers[0]: `luck` is not known"),
    (lambda data: data["wrong"].pop(), "$.wrong: must have at least 2"),
    (lambda data: data["wrong"][0].update(trips="other"), "$.wrong[0].trips: no check `other`"),
    (lambda data: data["wrong"][0].update(misconception=f"MC-{999}"), "$.wrong[0].misconception: the rule book has no"),
    (lambda data: data["hints"].pop(), "$.hints: must be three hints"),
    (lambda data: data["edit"][0].update(path="../x.json"), "$.edit[0].path: `../x.json` is not a path"),
    (lambda data: data["edit"].clear(), "$.edit: must have at least 1"),
    (
        lambda data: data["checks"].append({"id": "a", "kind": "code", "claim": "b", "function": "c"}),
        "$.edit: code and path checks need an edit of kind code",
    ),
    (
        lambda data: data["checks"].append({"id": "a", "kind": "absence", "claim": "b"}),
        "$.checks[3]: an absence is that of a `request` or of a `reach`",
    ),
    (lambda data: data.update(limits={"seconds": 0}), "$.limits.seconds: must be a whole number from 1 up"),
]


@pytest.mark.parametrize(("edit", "said"), BREAKING, ids=[said for _, said in BREAKING])
def test_a_mistake_in_metadata_is_named_by_its_json_path(tmp_path, edit, said):
    lab = sample(tmp_path)
    change(lab.metadata, edit)
    with pytest.raises(InputError) as refused:
        read_metadata(lab.metadata)
    assert f"metadata.json: {said}" in str(refused.value)


@pytest.mark.parametrize("kind", ["fix", "predict", "write", "attack"])
def test_the_schema_takes_what_the_reader_takes(tmp_path, kind):
    document = json.loads(sample(tmp_path, kind).metadata.read_text())
    jsonschema.Draft202012Validator(metadata_schema()).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"colour": "red"}, metadata_schema())


def test_verifying_ends_with_one_when_a_promise_is_broken(tmp_path, capsys):
    lab = sample(tmp_path, "predict")
    assert main([str(lab.folder)]) == 0
    (lab.folder / "stray").touch()
    assert main([str(lab.folder)]) == 1
    assert "WRONG files          stray is a stray file" in capsys.readouterr().out
    assert main(["no_such_lab"]) == 2
