"""Tasks for processes of their own: hand them to the warm server of this process, go on, and ask for the answers.

The server starts when it is first needed, and loads while this process goes on with what needs no runtime.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmssim.errors import SetupError

Task = dict[str, Any]
Answer = dict[str, Any]

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent.parent

_server: subprocess.Popen[str] | None = None
_scratch = ""
"""The folder in which its tasks have theirs; removed here, since the server may be ended at any time."""

_unanswered: HandedIn | None = None
"""What the server is working on; whoever hands in more before its end gets a new server."""


def warm_up() -> None:
    """Start the server, if none runs. Raises SetupError where it cannot start."""
    global _server, _scratch  # noqa: PLW0603 - one for this process
    if _server is not None and _server.poll() is None:
        return
    stop()
    _scratch = tempfile.mkdtemp(prefix="kmssim-lab-")
    try:
        _server = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-P", "-m", "kmssim.labs.warm_server", _scratch],  # -P: no module of the learner's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
            start_new_session=True,  # Ctrl-C ends it through its input, when nobody needs it any more
        )
    except OSError as error:
        raise SetupError(f"cannot start a process for the checks of labs: {error}") from None
    atexit.register(stop)


def environment() -> dict[str, str]:
    """That of a Python which finds this package, wherever it is started."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PACKAGE_ROOT), *([known] if known else [])])}


def stop() -> None:
    """End the server, and with it whatever it is working on."""
    global _server, _scratch, _unanswered  # noqa: PLW0603
    _unanswered = None
    if _server is not None:
        if _server.stdin:
            _server.stdin.close()
        _server.kill()
        _server.wait()
        if _server.stdout:
            _server.stdout.close()
        _server = None
    if _scratch:
        shutil.rmtree(_scratch, ignore_errors=True)
        _scratch = ""


@dataclass(frozen=True, eq=False)
class HandedIn:
    """Tasks that the server works on."""

    tasks: Sequence[Task]

    def answers(self) -> list[Answer]:
        """The answers in the order of the tasks, when all are there. Raises SetupError where this machine cannot."""
        global _unanswered  # noqa: PLW0603
        if not self.tasks:
            return []
        line = _read() if _unanswered is self else ""
        if not line:  # it died, or was ended: started anew, once
            stop()
            line = _read() if _write(self.tasks) else ""
        _unanswered = None
        if not line:
            return self._without_server()
        answers: list[Answer] = json.loads(line)
        return answers

    def _without_server(self) -> list[Answer]:
        """What is said of tasks at which the server died twice: killed, or unable to begin."""
        killed = _server is not None and _server.wait() < 0
        stop()
        if not killed or all(task["does"] != "code" for task in self.tasks):
            raise SetupError("the process for the checks of labs ends at once; `kmssim lab doctor` says more")
        ended = {"outcome": "fail", "said": "your code ended the process that runs the checks."}
        return [ended for _ in self.tasks]


def hand_in(tasks: Sequence[Task]) -> HandedIn:
    """Have the server begin. Raises SetupError where it cannot start."""
    global _unanswered  # noqa: PLW0603
    handed = HandedIn(tasks)
    if _unanswered is not None:
        stop()  # somebody was interrupted: its answers are nobody's any more
    if tasks and _write(tasks):
        _unanswered = handed
    return handed


def _write(tasks: Sequence[Task]) -> bool:
    warm_up()
    assert _server is not None and _server.stdin  # noqa: PT018, S101 - just started
    try:
        _server.stdin.write(json.dumps(tasks) + "\n")
        _server.stdin.flush()
    except BrokenPipeError:
        return False
    return True


def _read() -> str:
    if _server is None or _server.stdout is None:
        return ""
    return _server.stdout.readline()
