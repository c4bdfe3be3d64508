"""Watch an answer and check it on every save, in a process that stays warm.

Files are looked at some thirty times a second, which every file system can do: notifications get lost on network drives
and in containers. A key asks for a hint, the differences and so on; nothing moves on by itself.
"""

from __future__ import annotations

import gc
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmssim.labs.variants import Variant

PAUSE = 0.03
_WRITING = 0.01
_QUIT = "q"
_Stamp = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Watch:
    """What is watched, and what is done: `check` on a save, one of `keys` when it is pressed.

    `answer` is asked after each key, since it may have gone on to another lab. `manual`: check on Enter alone.
    """

    answer: Callable[[], Variant]
    check: Callable[[], None]
    keys: Mapping[str, Callable[[], None]]
    manual: bool = False
    pause: float = PAUSE

    def run(self, rounds: int | None = None) -> None:
        """Watch until `q`, the end of input or Ctrl-C; `rounds` looks at the most."""
        answer = self.answer()
        seen = stamp_of(answer)
        with _single_keys() as read_key:
            self.check()
            gc.collect()
            gc.freeze()  # what is loaded by now stays; looking through it would take longer than many a check
            while rounds is None or rounds > 0:
                rounds = None if rounds is None else rounds - 1
                key = read_key(self.pause)
                if key == _QUIT:
                    return
                if key in self.keys:
                    self.keys[key]()
                    answer = self.answer()
                now = _settled(answer, seen)
                changed, seen = now != seen, now  # before the check: a save while it runs is seen in the next round
                if (changed and not self.manual) or key in {"\r", "\n", "c"}:
                    self.check()


def stamp_of(variant: Variant) -> _Stamp:
    """Size and time of every edited file; None where one is not there."""
    return tuple(_stamp(variant.file(edit.path)) for edit in variant.metadata.edit)


def _settled(answer: Variant, seen: _Stamp) -> _Stamp:
    """The stamp, once nobody is writing any more: an editor empties a file before it fills it, or saves several."""
    now = stamp_of(answer)
    while now != seen:
        time.sleep(_WRITING)
        seen, now = now, stamp_of(answer)
    return now


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
        tty.setcbreak(number, termios.TCSADRAIN)  # what was typed ahead counts
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
