"""A progress bar on standard error, on a terminal only; elsewhere nothing is drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Called after each step, or with how many were done."""

    def __call__(self, steps: int = 1) -> None:
        """Move the bar."""


def _nothing(steps: int = 1) -> None:
    """Nobody is watching."""


@contextmanager
def showing_progress(total: int, what: str) -> Iterator[Advance]:
    """Show how many of `total` steps are done; the block calls what it is given after each step."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _nothing
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps=1: bar.advance(task, steps)
