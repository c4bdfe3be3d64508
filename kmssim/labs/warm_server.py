"""`python -m kmssim.labs.warm_server FOLDER`: a warm process that forks one child for each task of a lab's checks.

It reads tasks from standard input and writes answers to standard output, a JSON list a line each. A task runs a code
check, or makes a lab's requests in the sandbox; it works in a folder of its own in FOLDER. moto and boto3 are loaded
once, and what they do only once is done before a child needs it. Whatever the child does, the server lives: it kills
the child's whole process group when its time is over, and says how the child ended.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_MOST_PRINTED = 4000
_A_LOT = 1 << 16
_WARM_WORLD = Path(__file__).with_name("warm_world.json")

_seconds_of: dict[tuple[str, str], float] = {}
"""How long each task took the last time."""

_Work = Callable[[dict[str, Any]], dict[str, Any]]


def serve() -> None:
    """Answer lists of tasks, a list a line, until standard input ends."""
    does = _load()
    is_warm = False
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer_all(json.loads(line), does)) + "\n")
        sys.stdout.flush()
        if not is_warm:  # now that nobody waits: a single check would have waited longer for this than it gains
            _warm_up()
            is_warm = True


def _load() -> Mapping[str, _Work]:
    """Load what every task needs. What a task may say that it `does`, and the function that does it."""
    from kmssim.labs.code_child import run_code  # noqa: PLC0415 - after the process is known to serve
    from kmssim.labs.simulating import make_requests  # noqa: PLC0415
    from kmssim.sandbox.sandbox import Sandbox  # noqa: PLC0415
    from kmssim.starting_world import starting_world  # noqa: PLC0415

    with Sandbox(starting_world()):
        pass  # moto's backends load when they are first used
    _freeze()
    return {"code": run_code, "simulate": make_requests, "nothing": _do_nothing}


def _do_nothing(task: dict[str, Any]) -> dict[str, Any]:
    """For whoever wants to know whether tasks are done at all."""
    del task
    return {"outcome": "pass", "said": ""}


def _warm_up() -> None:
    """Make calls to every service once: the models are read then, and the engine that rules is started."""
    from kmssim.sandbox.bench import Bench  # noqa: PLC0415 - loaded already
    from kmssim.scenario import load_scenario  # noqa: PLC0415

    scenario = load_scenario(_WARM_WORLD)
    with Bench(scenario.world) as bench:
        for request in scenario.requests:
            bench.observe_sandbox(request.call)
    _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # a child that looks at everything for garbage would copy every page


@dataclass
class _Child:
    """A child at work. `scratch`: the folder that it works in; `said`: what it wrote; `over`: its time is over.

    `token`: what an answer must bear. Code that writes into whatever is open does not know it.
    """

    at: int
    pid: int
    reading: int
    printed: BinaryIO
    deadline: float
    scratch: str
    token: str
    begun: float
    said: bytes = b""
    over: bool = False


def answer_all(tasks: Sequence[dict[str, Any]], does: Mapping[str, _Work]) -> list[dict[str, Any]]:
    """Run tasks, as many at a time as there are processors, and give their answers in their order.

    What took longest the last time begins first: a long task that begins last is waited for by a single processor.
    """
    answers: list[dict[str, Any]] = [{} for _ in tasks]
    waiting = sorted(enumerate(tasks), key=lambda each: -_seconds_of.get(_name(each[1]), 0.0))
    working: list[_Child] = []
    while waiting or working:
        while waiting and len(working) < (os.cpu_count() or 1):
            at, task = waiting.pop(0)
            working.append(_start(at, task, does[task["does"]]))
        for child in _ended(working):
            working.remove(child)
            answers[child.at] = _end(child)
            _seconds_of[_name(tasks[child.at])] = time.monotonic() - child.begun
    return answers


def _name(task: Mapping[str, Any]) -> tuple[str, str]:
    """What a task is known by when it comes again with another answer."""
    return task["does"], task.get("function") or task.get("scenario", "")


def _folder() -> str:
    """Where tasks have their folders: as we were told."""
    return sys.argv[1]


def _start(at: int, task: dict[str, Any], work: _Work) -> _Child:
    printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child has ended
    scratch = tempfile.mkdtemp(dir=_folder())
    reading, writing = os.pipe()
    token = secrets.token_hex(16)
    pid = os.fork()
    if not pid:
        os.close(reading)
        _be_the_child(
            lambda: {**work({**task, "scratch": scratch}), "token": token}, scratch, writing, printed.fileno()
        )
    os.close(writing)
    begun = time.monotonic()
    return _Child(at, pid, reading, printed, begun + task["seconds"], scratch, token, begun)


def _ended(working: Sequence[_Child]) -> list[_Child]:
    """Wait until a child has said all it has to say, or its time is over."""
    now = time.monotonic()
    soonest = max(0.0, min(child.deadline for child in working) - now)
    ready = select.select([child.reading for child in working], [], [], soonest)[0]
    ended = []
    for child in working:
        if child.reading in ready:
            part = os.read(child.reading, _A_LOT)
            child.said += part
            if not part or _is_whole(child.said):
                ended.append(child)
        elif time.monotonic() >= child.deadline:
            child.over = True
            ended.append(child)
    return ended


def _is_whole(said: bytes) -> bool:
    """Whether this is an answer already: what a child leaves behind may hold the pipe open."""
    if not said.endswith(b"}"):
        return False
    try:
        json.loads(said)
    except ValueError:
        return False
    return True


def _end(child: _Child) -> dict[str, Any]:
    """End the child with all that it started, and read how it ended."""
    os.close(child.reading)
    _kill(child.pid)
    _, status = os.waitpid(child.pid, 0)
    child.printed.seek(0)
    answer = _read(child, status)
    answer["printed"] = child.printed.read(_MOST_PRINTED).decode("utf-8", "replace")
    child.printed.close()
    shutil.rmtree(child.scratch, ignore_errors=True)
    return answer


def _be_the_child(work: Callable[[], dict[str, Any]], scratch: str, writing: int, printed: int) -> None:
    """Never returns."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, printed), (2, printed)):
        os.dup2(source, target)
    status = 1
    try:
        tempfile.tempdir = scratch
        answer = json.dumps(work()).encode()
        sys.stdout.flush()
        sys.stderr.flush()
        while answer:
            answer = answer[os.write(writing, answer) :]
        status = 0
    finally:
        os._exit(status)


def _kill(child: int) -> None:
    """The whole group; it may have ended by itself, and macOS then refuses."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _read(child: _Child, status: int) -> dict[str, Any]:
    if child.over:
        return {"outcome": "time limit", "said": ""}
    if _is_whole(child.said):
        answer: dict[str, Any] = json.loads(child.said)
        if answer.pop("token", None) == child.token:
            return answer
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        return {"outcome": "fail", "said": f"your code was ended by signal {os.WTERMSIG(status)}."}
    return {"outcome": "fail", "said": "your code ended the whole process before the check was done."}


if __name__ == "__main__":
    serve()
    shutil.rmtree(_folder(), ignore_errors=True)  # whoever started us may have ended without a word
    os._exit(0)  # what is loaded has nothing to put away, and says odd things on the way out
