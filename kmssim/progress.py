"""A progress bar on standard error, on a terminal only; elsewhere nothing is drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[], None]


def _nothing() -> None:
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
        yield lambda: bar.advance(task)
