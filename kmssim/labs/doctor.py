"""Is this machine fit for labs: the version of Python, the packages, the sandbox, the folder, the watching of files."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kmssim.errors import KmssimError
from kmssim.labs.folder import find_labs, shipped_folder
from kmssim.labs.progress_file import FILE, read_progress

_PACKAGES = ("boto3", "moto", "pydantic", "pytest", "click", "cryptography")
_OLDEST = (3, 11)
_SLOW = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fine` False: labs will not work until it is put right."""

    name: str
    fine: bool
    said: str


def examine(folder: Path | None) -> Iterator[Finding]:
    """Look at everything, the quick things first. `folder`: the learner's, None where there is none yet."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info[:2] >= _OLDEST, version)
    for name in _PACKAGES:
        yield _package(name)
    yield _tried("labs", _labs)
    if folder is None:
        yield Finding("folder", fine=True, said="no labs started yet: kmssim lab start")
    else:
        yield _tried("folder", lambda: _writable(folder))
        yield _tried("progress", lambda: _progress(folder))
    yield _tried("watching", lambda: _watched(folder or Path.cwd()))
    yield Finding("text", fine=True, said=f"{sys.stdout.encoding or 'unknown'}{_plainly()}")
    yield _tried("sandbox", _sandbox)
    yield _tried("code", _code)


def _package(name: str) -> Finding:
    try:
        return Finding(name, fine=True, said=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, fine=False, said="not installed: pip install kmssim brings it")


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, fine=True, said=look())
    except (KmssimError, OSError) as error:
        return Finding(name, fine=False, said=str(error))


def _labs() -> str:
    return f"{len(find_labs(shipped_folder()))} in {shipped_folder()}"


def _writable(folder: Path) -> str:
    with tempfile.NamedTemporaryFile(dir=folder):
        return f"{folder} can be written"


def _progress(folder: Path) -> str:
    begun = sum(record.begun is not None for record in read_progress(folder).labs.values())
    return f"{FILE} can be read; {begun} labs begun"


def _watched(folder: Path) -> str:
    """Whether a save shows: the time of a file changes when it is written twice in a row."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".kmssim-") as scratch:
        file = Path(scratch, "saved")
        file.write_text("1", encoding="utf-8")
        before = file.stat().st_mtime_ns
        for _ in range(20):
            time.sleep(0.01)
            file.write_text("2", encoding="utf-8")
            if file.stat().st_mtime_ns != before:
                return "a save is seen within a tenth of a second"
    return "this file system tells time in seconds: a second save within one may be missed; press c to check"


def _plainly() -> str:
    return "" if sys.stdout.isatty() else ", no terminal: texts are plain"


def _sandbox() -> str:
    from kmssim.sandbox.sandbox import Sandbox  # noqa: PLC0415 - the machine may lack what it needs
    from kmssim.starting_world import starting_world  # noqa: PLC0415

    begun = time.perf_counter()
    with Sandbox(starting_world()):
        taken = time.perf_counter() - begun
    slow = ", slowly" if taken > _SLOW else ""
    return f"starts in {taken:.1f} s{slow}; ruled by {os.environ.get('KMSSIM_AUTHORITY', 'rego')}"


def _code() -> str:
    from kmssim.labs import apart  # noqa: PLC0415 - as above

    nothing = {"does": "nothing", "seconds": 10}
    begun = time.perf_counter()
    apart.hand_in([nothing]).answers()
    apart.stop()
    return f"a process of its own runs it, ready after {time.perf_counter() - begun:.1f} s"
