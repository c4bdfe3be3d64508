"""Checks on an answer: every kind passes and fails, and whose fault a failure is has its own word and exit code."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from lab_samples import NAMES, change, sample

from kmssim.compare import Predicted
from kmssim.errors import InputError, SetupError
from kmssim.labs import apart, checking, simulating
from kmssim.labs.checking import check_answer
from kmssim.labs.folder import Lab
from kmssim.labs.outcomes import ExitCode, Outcome
from kmssim.labs.variants import answer_in, exercise_of, solution_of, wrong_answers


def outcomes(report):
    return {each.check.id: each.outcome for each in report.results}


def learner(tmp_path, lab, **files):
    """An answer in a folder of the learner's: the solution but for some files."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for edit in lab.read_metadata().edit:
        text = (lab.solution / edit.path).read_text(encoding="utf-8")
        (folder / edit.path).write_text(
            files.get(edit.path.partition(".")[0].replace("-", "_"), text), encoding="utf-8"
        )
    return answer_in(folder, lab)


@pytest.mark.parametrize("simulated", [False, True])
def test_a_solution_passes_every_check(tmp_path, simulated):
    report = check_answer(solution_of(sample(tmp_path)), simulated=simulated)
    assert report.solved
    assert set(outcomes(report).values()) == {Outcome.PASSED}
    assert report.exit_code is ExitCode.SOLVED


def test_an_exercise_fails_and_the_other_checks_are_looked_at_all_the_same(tmp_path):
    report = check_answer(exercise_of(sample(tmp_path)))
    assert outcomes(report) == {
        "workload_decrypts": Outcome.FAILED,
        "intern_is_refused": Outcome.PASSED,
        "nobody_else": Outcome.PASSED,
    }
    assert report.exit_code is ExitCode.NOT_SOLVED
    assert report.first_failed.said == "expected ALLOW, decided DENY"


def test_what_changed_beyond_the_task_is_listed_by_who_gained_it(tmp_path):
    wide = wrong_answers(sample(tmp_path))[1]
    report = check_answer(wide, simulated=False)
    changes = report.first_failed.changes
    assert {change.principal.name for change in changes} == {"workload"}
    assert "kms:CreateGrant" in {change.action for change in changes}
    assert report.first_failed.said.startswith("the change lets in ")


@pytest.mark.parametrize(
    ("permitted", "covered"),
    [
        ({"principal": "workload"}, True),
        ({"principal": "role/work*"}, True),
        ({"principal": "arn:aws:iam::111122223333:role/workload"}, True),
        ({"principal": "111122223333:role/workload", "action": "kms:*", "key": "orders"}, True),
        ({"principal": "workload", "change": "lost"}, False),
        ({"principal": "intern"}, False),
        ({"principal": "workload", "key": "other"}, False),
        ({"principal": "workload", "context": {"tenant": "a"}}, False),
        ({"principal": "workload", "via": "s3.*"}, False),
    ],
    ids=str,
)
def test_a_task_says_what_may_change_by_globs(tmp_path, permitted, covered):
    lab = sample(tmp_path)
    change(lab.metadata, lambda data: data["checks"][2].update(may_change=[permitted]))
    assert check_answer(solution_of(lab), simulated=False).solved is covered


@pytest.fixture
def in_this_process(monkeypatch):
    """The sandbox is asked right here, where a test can change what it answers."""

    def hand_in(tasks):
        return SimpleNamespace(tasks=tasks, answers=lambda: [simulating.make_requests(task) for task in tasks])

    monkeypatch.setattr(apart, "hand_in", hand_in)
    monkeypatch.setattr(simulating, "limited", lambda *_: nullcontext())


@pytest.mark.usefixtures("in_this_process")
def test_a_sandbox_that_answers_otherwise_is_our_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("kmssim.compare.predicted_by", lambda _: Predicted("ALLOW", (), "OtherException"))
    report = check_answer(solution_of(sample(tmp_path)))
    assert outcomes(report)["workload_decrypts"] is Outcome.BROKEN
    assert "the sandbox with ALLOW" in report.results[0].said
    assert outcomes(report)["nobody_else"] is Outcome.PASSED
    assert report.exit_code is ExitCode.BROKEN


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (SetupError("no moto"), Outcome.MACHINE, ExitCode.MACHINE),
        (InputError("no such session"), Outcome.BROKEN, ExitCode.BROKEN),
        (ValueError("oh"), Outcome.BROKEN, ExitCode.BROKEN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_sandbox_that_does_not_start_is_no_fault_of_the_answer(tmp_path, monkeypatch, error, outcome, code):
    def refuse(*_):
        raise error

    monkeypatch.setattr("kmssim.sandbox.bench.Bench.__enter__", refuse)
    report = check_answer(solution_of(sample(tmp_path)))
    assert report.results[0].outcome is outcome
    assert str(error) in report.results[0].said
    assert report.exit_code is code


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"outcome": "time limit", "said": ""}, "the sandbox did not answer within 10 seconds"),
        ({"outcome": "fail", "said": "the process ended."}, "the process ended."),
    ],
    ids=["time limit", "ended"],
)
def test_a_sandbox_that_ends_without_an_answer_is_the_machines_fault(tmp_path, monkeypatch, answer, said):
    monkeypatch.setattr(
        apart, "hand_in", lambda tasks: SimpleNamespace(tasks=tasks, answers=lambda: [answer for _ in tasks])
    )
    report = check_answer(solution_of(sample(tmp_path)))
    assert (report.results[0].outcome, report.results[0].said) == (Outcome.MACHINE, said)


def test_the_requests_of_a_lab_are_made_in_a_process_for_each_world(tmp_path):
    lab = sample(tmp_path)
    one, other, _ = lab.read_metadata().checks
    tasks = simulating.simulation_tasks([one, replace(other, world="shipped")], solution_of(lab))
    assert [list(task["requests"]) for task in tasks] == [[one.id], [other.id]]
    assert [task["moved"]["exercise/key-policy.json"].split("/")[-2] for task in tasks] == ["solution", "exercise"]


def test_whoever_was_interrupted_gets_nobody_elses_answers(tmp_path):
    lab = sample(tmp_path)
    checks = lab.read_metadata().checks
    apart.hand_in(simulating.simulation_tasks(checks, exercise_of(lab)))  # and then Ctrl-C
    assert check_answer(solution_of(lab)).solved


def test_a_server_that_has_died_is_started_anew(tmp_path):
    answer = solution_of(sample(tmp_path))
    assert check_answer(answer).solved
    apart._server.kill()
    apart._server.wait()
    assert check_answer(answer).solved


def test_a_server_that_dies_at_work_is_started_anew(tmp_path):
    tasks = simulating.simulation_tasks(
        sample(tmp_path).read_metadata().checks, solution_of(Lab(tmp_path / NAMES["fix"]))
    )
    handed = apart.hand_in(tasks)
    apart._server.kill()
    assert handed.answers() == [{"outcome": "pass", "said": "", "differs": {}, "printed": ""}]


def test_an_open_question_is_shown_and_not_graded(tmp_path, monkeypatch):
    decide = checking.ask.__globals__["decide"]
    monkeypatch.setitem(checking.ask.__globals__, "decide", lambda *given: replace(decide(*given), uncertain=("UN-2",)))
    report = check_answer(exercise_of(sample(tmp_path)), simulated=False)
    assert outcomes(report)["workload_decrypts"] is Outcome.OPEN_QUESTION
    assert "UN-2" in report.results[0].said
    assert report.solved


def test_a_file_that_is_no_json_is_told_with_line_and_column(tmp_path):
    lab = sample(tmp_path)
    report = check_answer(learner(tmp_path, lab, key_policy='{\n  "Version": "2012-10-17"\n  "Statement": []\n}'))
    assert report.exit_code is ExitCode.UNREADABLE
    assert (report.spot.path, report.spot.line, report.spot.column) == ("key-policy.json", 3, 3)
    assert report.unreadable.startswith("not JSON")


def test_a_file_that_is_not_there_is_told(tmp_path):
    lab = sample(tmp_path)
    answer = learner(tmp_path, lab)
    answer.file("key-policy.json").unlink()
    report = check_answer(answer)
    assert report.exit_code is ExitCode.UNREADABLE
    assert "no such file" in report.unreadable


def test_a_policy_that_aws_refuses_is_a_wrong_answer_at_its_place(tmp_path):
    lab = sample(tmp_path)
    policy = json.loads((lab.solution / "key-policy.json").read_text())
    policy["Statement"][1]["Effect"] = "allow"
    report = check_answer(learner(tmp_path, lab, key_policy=json.dumps(policy, indent=2)))
    assert report.exit_code is ExitCode.NOT_SOLVED
    assert report.refused
    assert report.trips == "workload_decrypts"
    text = report.variant.file("key-policy.json").read_text().splitlines()
    assert '"Effect": "allow"' in text[report.spot.line - 1]


def test_a_broken_scenario_is_no_fault_of_the_answer(tmp_path):
    lab = sample(tmp_path)
    change(lab.scenario, lambda data: data["requests"][0].update(principal="nobody"))
    with pytest.raises(InputError, match=r"scenario\.json"):
        check_answer(solution_of(lab))


def test_one_check_can_be_run_by_itself(tmp_path):
    report = check_answer(exercise_of(sample(tmp_path)), only=["intern_is_refused"], simulated=False)
    assert list(outcomes(report)) == ["intern_is_refused"]
    with pytest.raises(InputError, match="it has: workload_decrypts"):
        check_answer(exercise_of(report.variant.lab), only=["other"])


def test_a_missing_file_of_a_wrong_answer_is_as_shipped(tmp_path):
    lab = sample(tmp_path)
    wrong = wrong_answers(lab)[0]
    wrong.file("key-policy.json").unlink()
    assert wrong.file("key-policy.json") == lab.exercise / "key-policy.json"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"decision": None, "layer": None}, "not answered yet: decision, layer"),
        ({}, "not answered yet: decision, layer"),
        ({"decision": "DENY", "layer": "key_policy"}, "you said decision DENY, it is ALLOW"),
        ({"decision": "ALLOW", "layer": "grant"}, "you said layer grant, it is key_policy"),
        ({"decision": "allow", "layer": "Key_Policy"}, ""),
    ],
    ids=str,
)
def test_both_parts_of_a_prediction_are_scored(tmp_path, given, said):
    lab = sample(tmp_path, "predict")
    answers = {"workload_decrypts": given, "intern_decrypts": {"decision": "DENY", "layer": "key_policy"}}
    report = check_answer(learner(tmp_path, lab, answers=json.dumps(answers)), simulated=False)
    assert report.results[0].said == said
    assert report.solved is (said == "")


def test_a_question_that_is_not_answered_keeps_its_secret(tmp_path):
    report = check_answer(exercise_of(sample(tmp_path, "predict")), simulated=False)
    assert report.results[0].decision is None


@pytest.mark.parametrize(
    "answers", ["[]", '{"workload_decrypts": 1}', '{"workload_decrypts": {"decision": true}}', "{"]
)
def test_answers_of_another_shape_are_told_as_unreadable(tmp_path, answers):
    lab = sample(tmp_path, "predict")
    report = check_answer(learner(tmp_path, lab, answers=answers))
    assert report.exit_code is ExitCode.UNREADABLE


@pytest.mark.parametrize(("paths", "outcome"), [(0, Outcome.FAILED), (1, Outcome.PASSED)])
def test_an_absence_counts_the_ways_that_are_open(tmp_path, paths, outcome):
    lab = sample(tmp_path)
    reach = {"principal": "arn:aws:iam::111122223333:role/workload", "action": "kms:Decrypt", "key": "orders"}
    check = {"id": "no_way", "kind": "absence", "claim": "No way.", "reach": reach | {"paths": paths}}
    change(lab.metadata, lambda data: data["checks"].append(check))
    report = check_answer(solution_of(lab), simulated=False)
    assert outcomes(report)["no_way"] is outcome
