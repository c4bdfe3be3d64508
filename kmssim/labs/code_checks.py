"""Code and path checks from this side: hand the task to the warm process, and read how it ended."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kmssim.errors import SetupError
from kmssim.labs.outcomes import Outcome, Result, Spot
from kmssim.labs.promises import Check
from kmssim.labs.variants import Variant, exercise_of

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent.parent

_server: subprocess.Popen[str] | None = None


def warm_up() -> None:
    """Start the warm process, if none runs; it loads while others go on. Raises SetupError where it cannot start."""
    global _server  # noqa: PLW0603 - one for this process
    if _server is not None and _server.poll() is None:
        return
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_PACKAGE_ROOT), *([known] if known else [])])}
    try:
        _server = subprocess.Popen(
            [sys.executable, "-P", "-m", "kmssim.labs.code_server"],  # -P: no module of the learner's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C ends it through its input, when nobody needs it any more
        )
    except OSError as error:
        raise SetupError(f"cannot start a process for the code of labs: {error}") from None
    atexit.register(stop)


def stop() -> None:
    """End the warm process."""
    global _server  # noqa: PLW0603
    if _server is not None:
        if _server.stdin:
            _server.stdin.close()
        _server.kill()
        _server.wait()
        if _server.stdout:
            _server.stdout.close()
        _server = None


def run_code(checks: Sequence[Check], variant: Variant) -> tuple[Result, ...]:
    """Run code and path checks on an answer, each in a process of its own, as many at a time as there are processors.

    Raises SetupError where this machine cannot.
    """
    if not variant.lab.checks.is_file():
        return tuple(
            Result(check, Outcome.BROKEN, f"{variant.lab.id} has no checks.py for its check {check.id}")
            for check in checks
        )
    answers = _ask([_task(check, variant) for check in checks])
    return tuple(_result(check, variant, answer) for check, answer in zip(checks, answers, strict=True))


def _result(check: Check, variant: Variant, answer: dict[str, Any]) -> Result:
    outcome = Outcome(answer["outcome"])
    said = answer["said"]
    if outcome is Outcome.TIME_LIMIT:
        said = f"no end within {variant.metadata.limits.seconds} seconds: is there an endless loop?"
    spot = _spot(answer.get("spot"), variant)
    return Result(check, outcome, said, spot=spot, printed=answer.get("trace") or answer.get("printed", ""))


def _task(check: Check, variant: Variant) -> dict[str, Any]:
    exercise = exercise_of(variant.lab)
    here = variant if check.world == "answer" else exercise
    return {
        "checks": str(variant.lab.checks.resolve()),
        "function": check.function,
        "files": [str(variant.file(edit.path).resolve()) for edit in variant.only("code")],
        "scenario": str(variant.lab.scenario.resolve()),
        "moved": _moved(here),
        "shipped": _moved(exercise),
        "folder": str(variant.folder.resolve()),
        "seconds": variant.metadata.limits.seconds,
        "memory_mb": variant.metadata.limits.memory_mb,
    }


def _moved(variant: Variant) -> dict[str, str]:
    return {f"exercise/{edit.path}": str(variant.file(edit.path).resolve()) for edit in variant.metadata.edit}


def _spot(found: list[Any] | None, variant: Variant) -> Spot | None:
    if found is None:
        return None
    names = {str(variant.file(edit.path).resolve()): edit.path for edit in variant.metadata.edit}
    return Spot(names.get(found[0], found[0]), found[1], found[2])


def _ask(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The server's answers; a server that has died is started anew, once."""
    for _ in range(2):
        warm_up()
        assert _server is not None and _server.stdin and _server.stdout  # noqa: PT018, S101 - just started
        try:
            _server.stdin.write(json.dumps(tasks) + "\n")
            _server.stdin.flush()
            line = _server.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            answers: list[dict[str, Any]] = json.loads(line)
            return answers
        stop()
    raise SetupError("the process for the code of labs ends at once; `kmssim lab doctor` says more")
