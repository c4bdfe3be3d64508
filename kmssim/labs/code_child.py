"""One code check, from the first import of the learner's file to the sentence that it ends with.

This runs in a process that is forked for the check and ends with it. Whose fault an exception is follows from its
frames: one that went through a file of the answer is the learner's, any other is ours.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from kmssim.errors import InputError, NetworkEscapeError, SetupError
from kmssim.labs.given import CodeUnreadableError, FailedError, Given, import_file
from kmssim.labs.limits import LARGEST_FILE_MB, limited
from kmssim.sandbox.isolation import guard
from kmssim.sandbox.sandbox import Sandbox
from kmssim.scenario import load_scenario

_LONGEST_SAID = 2000
_Answer = dict[str, Any]


def run_code(task: dict[str, Any]) -> _Answer:
    """Run the check function of a task. The answer has `outcome`, `said`, `spot` and what its kind of end needs.

    A task: `checks` (the file with the functions), `function`, `files` (the learner's code), `scenario`, `moved`,
    `shipped` (the same for the shipped documents), `folder`, `scratch` (to work in), `memory_mb`.
    """
    sys.dont_write_bytecode = True
    files = tuple(Path(file) for file in task["files"])
    sys.path[:0] = sorted({str(file.parent) for file in files})
    os.chdir(task["scratch"])
    try:
        with guard(), limited(task["memory_mb"], task["seconds"]):
            _check(task, files)
    except BaseException as error:  # noqa: BLE001 - whatever ends a check is told, SystemExit too
        return _told(error, files)
    return {"outcome": "pass", "said": ""}


def _check(task: dict[str, Any], files: tuple[Path, ...]) -> None:
    def read(moved: dict[str, str]) -> Any:  # noqa: ANN401 - a scenario
        return load_scenario(task["scenario"], {name: Path(path) for name, path in moved.items()})

    scenario = read(task["moved"])
    checks = import_file(Path(task["checks"]), "kmssim_lab_checks")
    with ExitStack() as opened:
        sandbox = Sandbox(scenario.world)
        given = Given(
            Path(task["folder"]), files, scenario, lambda: read(task["shipped"]), lambda: opened.enter_context(sandbox)
        )
        getattr(checks, task["function"])(given)


def _told(error: BaseException, files: tuple[Path, ...]) -> _Answer:
    """Whose fault it is, in one sentence."""
    if isinstance(error, CodeUnreadableError):
        return _unreadable(error, files)
    if isinstance(error, SetupError) and not isinstance(error, NetworkEscapeError):
        return {"outcome": "machine", "said": str(error)}
    failure = _failure(error, files)
    if failure is not None:
        return {"outcome": "fail", "said": failure, "spot": _in_answer(error.__traceback__, files)}
    if isinstance(error, InputError):
        return {"outcome": "lab broken", "said": str(error)}
    return {"outcome": "lab broken", "said": _short(error), "trace": "".join(traceback.format_exception(error))}


def _failure(error: BaseException, files: tuple[Path, ...]) -> str | None:
    """What the learner's code did wrong; None where the exception is none of its business."""
    if isinstance(error, FailedError):
        return str(error)
    if isinstance(error, MemoryError):
        return "the code takes more memory than the limit of this check."
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"the code prints, or writes into a file, more than {LARGEST_FILE_MB} megabytes."
    if _in_answer(error.__traceback__, files) is not None:
        return f"your code ends with {_short(error)}"
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    if isinstance(error, TypeError) and _is_call_of_answer(error, files):
        return f"the check could not call your function: {error}"
    return None


def _unreadable(error: CodeUnreadableError, files: tuple[Path, ...]) -> _Answer:
    if error.file not in files:
        return {"outcome": "lab broken", "said": f"{error.file.name}: {error.cause}"}
    if isinstance(error.cause, SyntaxError):
        spot = [str(error.file), error.cause.lineno or 1, error.cause.offset or 1]
        return {"outcome": "cannot be read", "said": f"not Python: {error.cause.msg}", "spot": spot}
    return {"outcome": "cannot be read", "said": f"no such file: {error.file.name}"}


def _in_answer(trace: TracebackType | None, files: tuple[Path, ...]) -> list[Any] | None:
    """The last line of the learner's own on the way to an exception."""
    names = {str(file) for file in files}
    lines = [frame for frame in traceback.extract_tb(trace) if frame.filename in names]
    if not lines:
        return None
    return [lines[-1].filename, lines[-1].lineno or 1, (lines[-1].colno or 0) + 1]


def _is_call_of_answer(error: TypeError, files: tuple[Path, ...]) -> bool:
    """Whether a function of the answer was called with arguments that it does not take: the name is in its code."""
    name = str(error).partition("(")[0].rpartition(".")[2]
    return name.isidentifier() and any(f"def {name}(" in file.read_text(encoding="utf-8") for file in files)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return f"{kind}: {text[:_LONGEST_SAID]}" if text else kind
