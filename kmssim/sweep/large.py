"""A large sweep from beginning to end: what is left to do, who does it, and what is kept in a folder.

The folder holds `sweep.json`, which says what is swept; for each account that is done `rows/ACCOUNT.FORMAT` and then
`done/ACCOUNT.json` with its counts; and at the end `summary.json`. Each file appears whole or not at all, so a sweep
that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from kmssim import __version__
from kmssim.errors import InputError, SetupError
from kmssim.sweep.engines import Engine
from kmssim.sweep.parts import Count, Job, Part, peak_memory
from kmssim.sweep.rows import Row
from kmssim.sweep.source import Size


@dataclass
class Summary:
    """What a sweep found. `resumed` accounts were done before.

    `peak` and `peak_here`: the most memory of a worker, and of the process that hands out the work, in MiB.
    """

    actions: tuple[str, ...]
    size: Size
    by_account: dict[str, Mapping[str, Count]] = field(default_factory=dict)
    resumed: int = 0
    peak: int = 0
    peak_here: int = 0

    @property
    def pairs(self) -> int:
        """How many questions were answered: every caller, every key, every action."""
        return self.size.callers * self.size.keys * len(self.actions)

    def total(self, action: str) -> Count:
        """What is allowed of one action."""
        found = Count()
        for counts in self.by_account.values():
            found = found.plus(counts[action])
        return found

    def as_json(self) -> dict[str, Any]:
        """The counts, the same whoever found them."""
        return {
            **self.size._asdict(),
            "pairs": self.pairs,
            "by_action": {action: self.total(action)._asdict() for action in self.actions},
            "by_account": {
                account: {action: count._asdict() for action, count in self.by_account[account].items()}
                for account in sorted(self.by_account)
            },
        }


def sweep_all(job: Job, engine: Engine, folder: Path | None, advance: Callable[[int], None]) -> Summary:
    """Find every part that is not done yet. `advance` is told how many accounts came to be done.

    Raises:
        InputError: the folder holds another sweep.
        SetupError: the folder cannot be written, or the engine fails; what is done is kept.

    """
    summary = Summary(job.actions, job.source.size)
    with Kept(folder, job).begun() if folder is not None else nullcontext() as kept:
        if kept is not None:
            summary.by_account.update(kept.done())
            summary.resumed = len(summary.by_account)
            advance(summary.resumed)
        left = [account for account in job.source.accounts if account not in summary.by_account]
        for part in engine.run(job, left):
            if kept is not None:
                kept.keep(part)
            summary.by_account[part.account] = part.counts
            summary.peak = max(summary.peak, part.peak)
            advance(1)
        if kept is not None:
            kept.end(summary)
    summary.peak_here = peak_memory()
    return summary


class Kept:
    """A sweep in its folder."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Nothing is read or written yet."""
        self._folder = folder
        self._job = job

    @contextmanager
    def begun(self) -> Iterator[Kept]:
        """Make the folder, or see that it is this sweep's; meanwhile nobody else may write into it."""
        stated = {
            "kmssim": __version__,
            **self._job.source.stated,
            "actions": list(self._job.actions),
            "format": self._job.format,
            "columns": list(Row._fields),
        }
        path = self._folder / "sweep.json"
        if not path.exists():
            self._make_folder()
            _write(path, _text(stated))
        elif _read(path) != stated:
            raise InputError(
                "this folder holds another sweep", file=str(path), hint="choose another --out, or empty this one"
            )
        with path.open("rb") as file:
            try:
                flock(file, LOCK_EX | LOCK_NB)  # until the file is closed, or its process gone
            except BlockingIOError:
                raise SetupError(f"another process is sweeping into {self._folder}; wait for it, or end it") from None
            for name in ("rows", "done"):
                (self._folder / name).mkdir(exist_ok=True)
            yield self

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            is_empty = not any(self._folder.iterdir())
        except OSError as error:
            raise SetupError(f"cannot write {self._folder}: {error.strerror or error}") from None
        if not is_empty:
            raise InputError("this folder is not empty", file=str(self._folder), hint="choose another --out")

    def done(self) -> Iterator[tuple[str, Mapping[str, Count]]]:
        """The accounts that are done, with their counts."""
        for path in sorted((self._folder / "done").glob("*.json")):
            counts = _read(path)
            yield path.stem, {action: Count(**counts[action]) for action in self._job.actions}

    def keep(self, part: Part) -> None:
        """Write a part: its rows first, since its counts say that it is done."""
        if self._job.format is not None:
            _write(self._folder / "rows" / f"{part.account}.{self._job.format}", part.content)
        counts = {action: count._asdict() for action, count in part.counts.items()}
        _write(self._folder / "done" / f"{part.account}.json", _text(counts))

    def end(self, summary: Summary) -> None:
        """Write what was found in all."""
        _write(self._folder / "summary.json", _text(summary.as_json()))


def _text(data: object) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()


def _read(path: Path) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path)) from None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole: under another name first."""
    begun = path.with_name(f".{path.name}.begun")
    try:
        with begun.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror or error}") from None
