"""Code checks: a learner's code runs apart, and whatever it does is told with the right word and harms nothing."""

from __future__ import annotations

import os
import time

import pytest
from lab_samples import NAMES, change, sample, write_code

from kmssim.labs import apart
from kmssim.labs.checking import check_answer
from kmssim.labs.folder import Lab
from kmssim.labs.outcomes import ExitCode, Outcome
from kmssim.labs.variants import exercise_of, solution_of


def checked(tmp_path, code, kind="write", **limits):
    lab = sample(tmp_path, kind)
    change(lab.metadata, lambda data: data.update(limits={"seconds": 20, "memory_mb": 256} | limits))
    if kind == "write":
        write_code(lab, code)
    else:
        (lab.exercise / "attack.py").write_text(code, encoding="utf-8")
    return check_answer(exercise_of(lab))


def only(report):
    assert len(report.results) == 1
    return report.results[0]


@pytest.mark.parametrize("kind", ["write", "attack"])
def test_right_code_passes(tmp_path, kind):
    assert check_answer(solution_of(sample(tmp_path, kind))).solved


def test_an_endless_loop_ends_with_its_time_and_names_its_check(tmp_path):
    begun = time.monotonic()
    report = checked(
        tmp_path, "def read_order(kms, blob):\n    print('round')\n    while True:\n        pass\n", seconds=1
    )
    assert only(report).outcome is Outcome.TIME_LIMIT
    assert report.first_failed.check.id == "is_read"
    assert report.exit_code is ExitCode.TIME_LIMIT
    assert time.monotonic() - begun < 60


def test_the_checks_after_an_endless_loop_go_on(tmp_path):
    lab = sample(tmp_path, "write")
    change(lab.metadata, lambda data: data.update(limits={"seconds": 2}))
    change(lab.metadata, lambda data: data["checks"].append({**data["checks"][0], "id": "again", "function": "fine"}))
    with lab.checks.open("a", encoding="utf-8") as file:
        file.write("\n\ndef fine(lab):\n    pass\n")
    write_code(lab, "def read_order(kms, blob):\n    while True:\n        pass\n")
    assert [each.outcome for each in check_answer(exercise_of(lab)).results] == [Outcome.TIME_LIMIT, Outcome.PASSED]


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_code_that_ends_the_process_does_not_pass(tmp_path, ending):
    report = checked(tmp_path, f"import os\n\n\ndef read_order(kms, blob):\n    {ending}\n")
    assert only(report).outcome is Outcome.FAILED
    assert "ended the whole process" in only(report).said


@pytest.mark.parametrize("ending", ["sys.exit(0)", "raise KeyboardInterrupt", "raise SystemExit"])
def test_code_that_asks_to_end_does_not_pass(tmp_path, ending):
    report = checked(tmp_path, f"import sys\n\n\ndef read_order(kms, blob):\n    {ending}\n")
    assert only(report).outcome is Outcome.FAILED
    assert only(report).spot.line == 5


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no memory limit on this system")  # noqa: PTH110
def test_a_memory_hog_ends_with_a_sentence(tmp_path):
    code = "def read_order(kms, blob):\n    kept = []\n    while True:\n        kept.append(bytearray(16_000_000))\n"
    report = checked(tmp_path, code, memory_mb=128)
    assert only(report).outcome is Outcome.FAILED
    assert "more memory" in only(report).said


def test_an_exception_in_the_learners_code_is_the_learners_with_its_line(tmp_path):
    report = checked(tmp_path, "def read_order(kms, blob):\n    print('so far')\n    return {}['plaintext']\n")
    result = only(report)
    assert result.outcome is Outcome.FAILED
    assert result.said == "your code ends with KeyError: 'plaintext'"
    assert (result.spot.path, result.spot.line) == ("orders.py", 3)
    assert result.printed == "so far\n"


def test_an_exception_in_the_check_is_ours(tmp_path):
    lab = sample(tmp_path, "write")
    lab.checks.write_text("def order_is_read(lab):\n    raise ValueError('oh')\n", encoding="utf-8")
    report = check_answer(solution_of(lab))
    assert only(report).outcome is Outcome.BROKEN
    assert report.exit_code is ExitCode.BROKEN
    assert "checks.py" in only(report).printed


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "orders.py has no `read_order`."),
        ("def read_order():\n    pass\n", "the check could not call your function"),
        ("def read_order(kms, blob):\n    return b''\n", "The order does not come back."),
    ],
    ids=["nothing", "other arguments", "wrong"],
)
def test_code_that_does_not_do_it_fails_with_a_sentence(tmp_path, code, said):
    assert only(checked(tmp_path, code)).said.startswith(said)


def test_code_that_is_no_python_cannot_be_read(tmp_path):
    report = checked(tmp_path, "def read_order(kms, blob)\n    return 1\n")
    result = only(report)
    assert result.outcome is Outcome.UNREADABLE
    assert (result.spot.line, result.spot.column) == (1, 26)
    assert report.exit_code is ExitCode.UNREADABLE


def test_code_that_is_not_there_cannot_be_read(tmp_path):
    lab = sample(tmp_path, "write")
    (lab.exercise / "orders.py").unlink()
    assert check_answer(exercise_of(lab)).exit_code is ExitCode.UNREADABLE


def test_nothing_leaves_the_machine_from_a_learners_code(tmp_path):
    code = "import socket\n\n\ndef read_order(kms, blob):\n    socket.create_connection(('192.0.2.1', 80))\n"
    assert "NetworkEscapeError" in only(checked(tmp_path, code)).said


def test_what_the_code_leaves_running_ends_with_the_check(tmp_path):
    mark = tmp_path / "alive"
    code = (
        "import subprocess, sys\n\n\ndef read_order(kms, blob):\n"
        f'    wait = "import time, pathlib; time.sleep(3); pathlib.Path({str(mark)!r}).touch()"\n'
        "    subprocess.Popen([sys.executable, '-c', wait])\n    return b''\n"
    )
    assert only(checked(tmp_path, code)).outcome is Outcome.FAILED
    time.sleep(4)
    assert not mark.exists()


def test_code_leaves_no_file_beside_the_answer(tmp_path):
    lab = sample(tmp_path, "write")
    check_answer(exercise_of(lab))
    assert [file.name for file in lab.exercise.iterdir()] == ["orders.py"]


def test_an_attack_is_the_attackers_and_its_calls_are_counted(tmp_path):
    code = (
        "def attack(client, ciphertext):\n    kms = client('kms')\n"
        "    for _ in range(4):\n        found = kms.decrypt(CiphertextBlob=ciphertext)\n    return found['Plaintext']\n"
    )
    result = only(checked(tmp_path, code, "attack"))
    assert result.said == "The attack needs more than 3 calls."


def test_an_attack_runs_in_the_world_as_shipped(tmp_path):
    lab = sample(tmp_path, "attack")
    assert lab.read_metadata().checks[0].world == "shipped"


def test_a_lab_without_its_check_functions_is_broken(tmp_path):
    lab = sample(tmp_path, "write")
    lab.checks.unlink()
    assert only(check_answer(solution_of(lab))).outcome is Outcome.BROKEN


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (b"x = 1\0\n", "not Python"),
        (b"x = '\xff'\n", "not Python"),
        (b"x = " + b"[" * 3000, "not Python"),
    ],
    ids=["a NUL", "no UTF-8", "nested too deep"],
)
def test_a_file_that_python_cannot_take_is_the_learners(tmp_path, code, said):
    lab = sample(tmp_path, "write")
    (lab.exercise / "orders.py").write_bytes(code)
    result = only(check_answer(exercise_of(lab)))
    assert result.outcome is Outcome.UNREADABLE
    assert result.said.startswith(said)


def test_code_that_prints_without_end_is_told_so(tmp_path):
    report = checked(tmp_path, "while True:\n    print('x' * 1_000_000)\n")
    assert only(report).outcome is Outcome.FAILED
    assert only(report).said == "the code prints, or writes into a file, more than 64 megabytes."


def test_code_that_writes_answers_of_its_own_does_not_pass(tmp_path):
    forged = 'for number in range(3, 60):\n    try:\n        os.write(number, b\'{"outcome": "pass", "said": ""}\')\n'
    report = checked(tmp_path, f"import os\n\n{forged}    except OSError:\n        pass\nos._exit(0)\n")
    assert only(report).outcome is Outcome.FAILED


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_code_that_ends_the_process_above_it_fails_and_the_next_is_checked(tmp_path, signal):
    code = f"import os, signal\n\n\ndef read_order(kms, blob):\n    os.kill(os.getppid(), signal.{signal})\n"
    result = only(checked(tmp_path, code))
    assert (result.outcome, result.said) == (Outcome.FAILED, "your code ended the process that runs the checks.")
    assert check_answer(solution_of(Lab(tmp_path / NAMES["write"]))).solved


def test_what_a_learners_exception_says_moves_no_cursor(tmp_path):
    report = checked(tmp_path, "raise ValueError('\\x1b]0;title\\x07')\n")
    assert only(report).said.isprintable()


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    apart.stop()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    checked(tmp_path, "import os\n\n\ndef read_order(kms, blob):\n    os.kill(os.getppid(), 9)\n")
    apart.stop()
    assert list(scratch.iterdir()) == []
