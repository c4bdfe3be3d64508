"""Watch an answer and check it on every save, in a process that stays warm.

Files are looked at ten times a second, which every file system can do: notifications get lost on network drives and in
containers. A key asks for a hint, the differences and so on; nothing moves on by itself.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmssim.labs.variants import Variant

_PAUSE = 0.1
_QUIT = "q"
_Stamp = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Watch:
    """What is watched, and what is done: `check` on a save, one of `keys` when it is pressed.

    `answer` is asked each time, since a key may have gone on to another lab. `manual`: check on Enter alone.
    """

    answer: Callable[[], Variant]
    check: Callable[[], None]
    keys: Mapping[str, Callable[[], None]]
    manual: bool = False
    pause: float = _PAUSE

    def run(self, rounds: int | None = None) -> None:
        """Watch until `q`, the end of input or Ctrl-C; `rounds` looks at the most."""
        seen = stamp_of(self.answer())
        self.check()
        with _single_keys() as read_key:
            while rounds is None or rounds > 0:
                rounds = None if rounds is None else rounds - 1
                key = read_key(self.pause)
                if key == _QUIT:
                    return
                if key in self.keys:
                    self.keys[key]()
                now = stamp_of(self.answer())
                changed, seen = now != seen, now  # before the check: a save while it runs is seen in the next round
                if (changed and not self.manual) or key in {"\r", "\n", "c"}:
                    self.check()


def stamp_of(variant: Variant) -> _Stamp:
    """Size and time of every edited file; None where one is not there."""
    return tuple(_stamp(variant.file(edit.path)) for edit in variant.metadata.edit)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@contextmanager
def _single_keys() -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed, on a terminal; elsewhere only waiting."""
    if not sys.stdin.isatty():
        yield _wait
        return
    import termios  # noqa: PLC0415 - on terminals only
    import tty  # noqa: PLC0415

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield _read_key
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _read_key(seconds: float) -> str:
    ready = select.select([sys.stdin], [], [], seconds)[0]
    if not ready:
        return ""
    return os.read(sys.stdin.fileno(), 1).decode("utf-8", "ignore") or _QUIT
