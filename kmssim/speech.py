"""What a server says while it serves: lines that hold up no call, whether or not somebody reads them.

A pipe that nobody empties takes some 64 kB and then blocks whoever writes to it. So a thread of its own writes the
lines, in their order. It writes past Python's buffer, whose lock could not be had at the end of the process.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

KEPT_LINES = 10_000
"""So many may wait for a reader; when there are more, the oldest are dropped."""

_PATIENCE = 1.0
"""Seconds in which a line must be read for the rest to be waited for, once there is nothing more to say."""


class Speech:
    """Say a line by calling it; open with `with`. At the end what waits is written as long as somebody reads it."""

    def __init__(self, write: Callable[[str], None], kept: int = KEPT_LINES) -> None:
        """`write` takes text, and may take its time over it; after an OSError of its there is nothing more to say."""
        self._write = write
        self._kept = kept
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._written = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._speak, name="kmssim speech", daemon=True)
        self.dropped = 0

    def __call__(self, line: str) -> None:
        """Say a line; never waits."""
        with self._changed:
            if self._is_over:
                return
            if len(self._waiting) >= self._kept:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(line)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        before = -1
        while self._thread.is_alive() and before != self._written:
            before = self._written
            self._thread.join(_PATIENCE)

    def _speak(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._write(f"{line}\n")
            except OSError:  # nobody reads any more
                with self._changed:
                    self._is_over = True
                    self._waiting.clear()
                return
            self._written += 1

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            return self._waiting.popleft() if self._waiting else None


def writer_to(stream: TextIO | None) -> Callable[[str], None]:
    """What writes text to a stream: straight to its file where it has one. None, a closed output: to nowhere."""
    if stream is None:
        return lambda _text: None
    stream.flush()
    try:
        number = stream.fileno()
    except OSError:  # a stream in memory
        return lambda text: _write_and_flush(stream, text)

    def write(text: str) -> None:
        left = text.encode(stream.encoding, "backslashreplace")
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:  # whoever gave us this file does not let us wait in it
                select.select([], [number], [])

    return write


def _write_and_flush(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
