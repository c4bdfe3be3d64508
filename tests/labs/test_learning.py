"""The learner's way: start, check, hints, reset, and progress that survives and tells the truth."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from lab_samples import NAMES, change

from kmssim.errors import InputError
from kmssim.labs.progress_file import Progress, Record, Standing, read_progress, write_progress
from kmssim.labs.workspace import find_workspace

pytestmark = pytest.mark.usefixtures("started")

FIX, PREDICT, WRITE = NAMES["fix"], NAMES["predict"], NAMES["write"]


def solve(shipped, folder, lab=FIX):
    shutil.copytree(shipped / lab / "solution", folder / lab / "exercise", dirs_exist_ok=True)


def standing(run, lab):
    return next(each["standing"] for each in json.loads(run("list", "--json").output) if each["id"] == lab)


def test_starting_again_keeps_answers_and_adds_what_is_new(run, started):
    (started / FIX / "exercise" / "key-policy.json").write_text("mine")
    shutil.rmtree(started / WRITE)
    assert "1 labs written" in run("start").output
    assert (started / FIX / "exercise" / "key-policy.json").read_text() == "mine"


def test_without_a_verb_the_task_is_shown_and_before_the_start_the_help(run, monkeypatch):
    assert FIX in run().output
    monkeypatch.chdir("/")
    assert "kmssim lab start" in run().output


def test_checking_explains_and_ends_with_one_until_it_is_solved(run, started, shipped):
    ended = run("check")
    assert ended.exit_code == 1
    assert "check workload_decrypts: fail" in ended.output
    assert "kmssim lab hint" in ended.output
    solve(shipped, started)
    ended = run("check")
    assert ended.exit_code == 0
    assert f"{FIX} is done (0 hints, 1 minute)" in ended.output
    assert f"next: kmssim lab next   ({PREDICT})" in ended.output
    assert standing(run, FIX) == "done"


def test_a_lab_named_by_its_folder_is_checked_with_the_checks_as_shipped(run, started):
    assert find_workspace().find(WRITE).checks.is_file()
    assert find_workspace().find(f"{WRITE}/").checks.is_file()
    ended = run("check", WRITE)
    assert "is_read: fail" in ended.output
    change(started / FIX / "exercise" / "key-policy.json", lambda data: data["Statement"][0].update(Action="kms:List*"))
    assert "check nobody_else: fail" in run("check", FIX).output, "the matrix is held against the exercise as shipped"


def test_nothing_moves_on_by_itself(run, started, shipped):
    solve(shipped, started)
    run("check")
    assert find_workspace().find().id == FIX
    assert PREDICT in run("next").output
    assert find_workspace().find().id == PREDICT


@pytest.mark.parametrize(
    ("text", "code"),
    [('{"Version": ', 5), ('{"Version": "2012-10-17", "Statement": []}', 1)],
    ids=["no JSON", "refused"],
)
def test_a_file_that_cannot_be_read_has_its_own_exit_code(run, started, text, code):
    (started / FIX / "exercise" / "key-policy.json").write_text(text)
    assert run("check").exit_code == code


def test_a_broken_lab_is_our_fault_and_ends_with_three(run, shipped):
    change(shipped / FIX / "scenario.json", lambda data: data["requests"][0].update(principal="nobody"))
    ended = run("check")
    assert ended.exit_code == 3
    assert "our fault" in ended.output


def test_an_endless_loop_ends_with_124(run, started, shipped):
    change(shipped / WRITE / "metadata.json", lambda data: data.update(limits={"seconds": 1}))
    (started / WRITE / "exercise" / "orders.py").write_text(
        "def read_order(kms, blob):\n    while True:\n        pass\n"
    )
    assert run("check", "53").exit_code == 124


def test_a_machine_that_cannot_write_ends_with_four(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    ended = run("goto", "52")
    assert ended.exit_code == 4
    assert "this machine" in ended.output


def test_a_changed_answer_is_stale_and_only_such_labs_are_checked_again(run, started, shipped):
    for lab in (FIX, PREDICT, WRITE):
        solve(shipped, started, lab)
    assert run("check", "--all").exit_code == 0
    assert "nothing is open" in run("check", "--all").output
    change(started / FIX / "exercise" / "key-policy.json", lambda data: data["Statement"].pop())
    assert standing(run, FIX) == "stale"
    ended = run("check", "--all")
    assert (ended.exit_code, PREDICT in ended.output) == (1, False)


def test_a_lab_whose_checks_have_changed_is_stale(run, started, shipped):
    solve(shipped, started)
    run("check")
    change(shipped / FIX / "metadata.json", lambda data: data.update(version=2))
    assert standing(run, FIX) == "stale"


def test_skipped_is_not_done(run):
    run("skip")
    assert standing(run, FIX) == "skipped"
    assert run("status").output.rstrip().endswith(f"0 of 3 labs done, 2 open, 1 skipped. Current: {FIX}.")
    assert PREDICT in run("next").output


def test_a_teacher_may_forbid_to_skip(run, started):
    write_progress(started, Progress(may_skip=False))
    with pytest.raises(InputError, match="packed without skipping"):
        run("skip")


def test_next_waits_for_what_a_lab_builds_on(run, shipped):
    change(shipped / PREDICT / "metadata.json", lambda data: data.update(prerequisites=[FIX]))
    change(shipped / FIX / "metadata.json", lambda data: data.update(prerequisites=[WRITE]))
    assert WRITE in run("next").output
    assert PREDICT in run("goto", "52").output, "nothing is locked"


def test_hints_come_one_by_one_and_are_counted(run, started):
    assert [run("hint").output.splitlines()[0] for _ in range(4)] == [
        "hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3",
    ]  # fmt: skip
    assert read_progress(started).of(FIX).hints == 3
    assert "That was the last hint" in run("hint").output
    assert "That was the last hint" not in run("hint", "--level", "3").output
    assert run("hint", "--level", "1").output.startswith("hint 1")


def test_the_last_hint_shows_the_way_with_a_hole(run):
    said = run("hint", "--level", "3").output
    assert "(your part)" in said
    assert '+      "Sid": "UseWorkload"' in said
    assert "arn:aws:iam::111122223333:role/workload" not in said


def test_a_reset_keeps_what_was_there(run, started, shipped):
    solve(shipped, started)
    run("check")
    said = run("reset").output
    kept = next((started / FIX).glob("exercise-*"))
    assert str(kept) in said
    assert (kept / "key-policy.json").read_text() == (shipped / FIX / "solution" / "key-policy.json").read_text()
    assert standing(run, FIX) == "open"
    run("reset", "--all")
    assert len(list((started / FIX).glob("exercise-*"))) == 2


def test_the_solution_is_shown_after_the_lab_or_to_who_gives_up(run, started, shipped):
    with pytest.raises(InputError, match="not done"):
        run("solution")
    assert "UseWorkload" in run("solution", "--give-up").output
    assert read_progress(started).of(FIX).gave_up
    assert "solution seen before" in run("list").output
    solve(shipped, started)
    run("check")
    assert "UseWorkload" in run("solution").output


def test_the_difference_is_against_the_start_and_after_it_against_the_solution(run, started, shipped):
    assert "Nothing has changed" in run("diff").output
    change(started / FIX / "exercise" / "key-policy.json", lambda data: data["Statement"][0].update(Sid="Changed"))
    assert '+      "Sid": "Changed"' in run("diff").output
    solve(shipped, started)
    run("check")
    assert "to the letter" in run("diff").output


def test_one_check_by_itself_says_nothing_about_the_whole_lab(run):
    ended = run("check", "--only", "intern_is_refused")
    assert ended.exit_code == 0
    assert "is done" not in ended.output
    assert standing(run, FIX) == "open"


def test_a_check_as_json_is_for_programs(run):
    data = json.loads(run("check", "--json").output)
    assert (data["lab"], data["solved"], data["checks"][0]["outcome"]) == (FIX, False, "fail")


def test_predictions_are_asked_answered_and_kept(run):
    run("goto", "52")
    ended = run("predict", typed="deny\nkey_policy\ndeny\nkey_policy\n")
    assert ended.exit_code == 1
    assert "question 1 of 2" in ended.output
    assert "Not quite: you said decision DENY, it is ALLOW. Because " in ended.output
    assert "Right." in ended.output
    again = run("predict", typed="allow\nkey_policy\n")
    assert (again.exit_code, "question 1 of 1" in again.output) == (0, True)
    assert run("check").exit_code == 0


def test_in_other_labs_predicting_is_practice(run, started):
    before = (started / FIX / "exercise" / "key-policy.json").read_text()
    ended = run("predict", typed="deny\nkey_policy\ndeny\nkey_policy\n")
    assert ended.exit_code == 0
    assert (started / FIX / "exercise" / "key-policy.json").read_text() == before


def test_explain_takes_a_request_or_a_check(run):
    for name in ("the workload decrypts an order", "workload_decrypts"):
        said = run("explain", name).output
        assert "KMS key policy: workload role not trusted" in said
        assert "Final decision: DENY" in said


def test_compare_lays_the_answers_side_by_side(run):
    ended = run("compare")
    assert ended.exit_code == 0
    assert "2 requests: 2 of 2 agree with the sandbox" in ended.output


def test_watching_checks_at_once_and_says_what_it_watches(run):
    said = run("watch", "--once").output
    assert "check workload_decrypts: fail" in said
    assert "watching key-policy.json" in said


def test_the_doctor_finds_this_machine_fit(run):
    ended = run("doctor")
    assert ended.exit_code == 0, ended.output
    assert "WRONG" not in ended.output


def test_files_are_opened_in_the_editor_of_the_user(run, monkeypatch):
    monkeypatch.setenv("VISUAL", f"{sys.executable} -c 'import sys; sys.exit(len(sys.argv))'")
    assert run("open").exit_code == 2


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 1, "labs": {"51_fix_it": {"hints": -1}}}', '{"format": 1, "x": 2}']
)
def test_a_broken_progress_file_is_told_by_its_path(run, started, text):
    (started / "kmssim-labs.json").write_text(text)
    with pytest.raises(InputError, match=r"kmssim-labs\.json"):
        run("status")


def test_progress_survives_a_round_trip(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    progress = Progress("51_fix_it", {"51_fix_it": Record("ab", 1, 2, begun=10, finished=130)}, may_skip=False, seed=7)
    write_progress(kept, progress)
    assert read_progress(kept) == progress
    assert progress.of("51_fix_it").minutes == 2
    assert [file.name for file in kept.iterdir()] == ["kmssim-labs.json"]


def test_a_record_stands_by_its_hash_and_its_version():
    done = Record("ab", 1)
    assert [done.standing("ab", 1), done.standing("cd", 1), done.standing("ab", 2)] == [
        Standing.DONE, Standing.STALE, Standing.STALE,
    ]  # fmt: skip


def test_texts_of_another_language_are_shown_and_what_is_missing_stays(run, shipped, monkeypatch):
    assert "missing" in run("text", "de", str(shipped / FIX)).output
    run("text", "de", str(shipped / FIX), "--write")
    change(shipped / FIX / "text" / "de.json", lambda data: data.update({"claims.workload_decrypts": "Er liest."}))
    assert "complete" in run("text", "de", str(shipped / FIX)).output
    monkeypatch.setenv("KMSSIM_LANG", "de")
    said = run("show").output
    assert "workload_decrypts: Er liest." in said
    assert "The intern does not decrypt an order." in said


def test_plain_pytest_works_in_a_learners_folder(started, shipped):
    command = [sys.executable, "-c", RUN_PYTEST.format(shipped=str(shipped)), "-q", "-p", "no:cacheprovider", FIX]
    ran = subprocess.run(command, cwd=started, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in ran.stdout, ran.stdout + ran.stderr
    command[-1] = WRITE
    assert "1 failed" in subprocess.run(command, cwd=started, capture_output=True, text=True, check=False).stdout
    assert "answer: DENY. expected ALLOW." in ran.stdout
    assert "Traceback" not in ran.stdout


RUN_PYTEST = """
import pathlib, sys, pytest
from kmssim.labs import folder
folder._INSTALLED = pathlib.Path({shipped!r})
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("editor", ["no-such-editor", "'", ""])
def test_an_editor_that_cannot_be_started_is_the_machines_with_the_files_named(run, started, monkeypatch, editor):
    monkeypatch.setenv("VISUAL", editor or "/")
    ended = run("open", "51")
    assert ended.exit_code == 4
    assert "cannot start the editor" in ended.output
    assert str(started / FIX / "exercise" / "key-policy.json") in ended.output


def test_an_exercise_that_was_removed_comes_back_by_reset(run, started):
    shutil.rmtree(started / FIX / "exercise")
    assert FIX in run("list").output
    assert run("check", "51").exit_code == 5
    assert run("reset", "51").exit_code == 0
    assert run("check", "51").exit_code == 1


@pytest.mark.parametrize("verb", [["explain", "workload_decrypts", "--lab", "51"], ["compare", "51"]])
def test_a_file_that_cannot_be_read_has_the_same_exit_code_for_every_verb(run, started, verb):
    (started / FIX / "exercise" / "key-policy.json").write_text("{", encoding="utf-8")
    ended = run(*verb)
    assert ended.exit_code == 5
    assert "your file cannot be read" in ended.output


def test_a_part_that_is_not_there_is_told_with_those_that_are(run):
    with pytest.raises(InputError, match=r"no part has `zzz` in its name \(there are: "):
        run("list", "--part", "zzz")


def test_a_slip_of_the_fingers_is_no_prediction(run, started):
    ended = run("predict", "52", typed="x\nAllow\nkey policy\ndeny\nnobody\nKEY_POLICY\n")
    assert ended.output.count("none of the answers") == 2
    answers = json.loads((started / NAMES["predict"] / "exercise" / "answers.json").read_text())
    assert next(iter(answers.values())) == {"decision": "ALLOW", "layer": "key_policy"}


def test_a_broken_progress_file_is_found_by_the_doctor(run, started):
    (started / "kmssim-labs.json").write_text("{", encoding="utf-8")
    ended = run("doctor")
    assert ended.exit_code == 4
    assert "WRONG progress: " in ended.output


@pytest.mark.parametrize(("option", "page"), [("--list", "index.html"), ("--page", f"{FIX}/index.html")])
def test_a_page_is_made_before_it_is_opened(run, started, monkeypatch, option, page):
    opened = []
    monkeypatch.setattr("click.launch", opened.append)
    (started / page).write_text("old", encoding="utf-8")
    assert run("open", "51", option).exit_code == 0
    assert opened == [str(started / page)]
    assert (
        "51_fix_it" in (started / page).read_text(encoding="utf-8") or "kmssim lab 51" in (started / page).read_text()
    )
