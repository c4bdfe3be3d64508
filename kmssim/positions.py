"""Where a JSON path stands in the text that a person wrote: line and column, as an editor counts them.

Python's reader does not tell. This walk is for text that is JSON already; what is not, says its place in the message.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmssim.errors import InputError

Steps = tuple[str | int, ...]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)')
_SAID = re.compile(r"line (\d+), column (\d+)")


@dataclass(frozen=True)
class Place:
    """A value in a text: where its member name begins (the value, in a list), and where the value begins and ends.

    Offsets count characters from 0.
    """

    name: int
    begin: int
    end: int


class Positions:
    """All places of a JSON text by their steps, such as `("Statement", 0, "Effect")`."""

    def __init__(self, text: str) -> None:
        """`text` is JSON; an incomplete one has the places up to where it breaks off."""
        self.text = text.removeprefix("\ufeff")
        self.places: dict[Steps, Place] = {}
        self._lines = [0, *(found.end() for found in re.finditer("\n", self.text))]
        self._tokens = [(found[1], found.start(1)) for found in _TOKEN.finditer(self.text)]
        self._at = 0
        try:
            self._value((), None)
        except (IndexError, RecursionError):  # it breaks off, or is nested deeper than any policy
            return

    def of(self, steps: Sequence[str | int]) -> Place | None:
        """The place of a value."""
        return self.places.get(tuple(steps))

    def nearest(self, path: str) -> Place | None:
        """The place of a JSON path as messages write it, or of the innermost part of it that there is.

        Member names may hold dots and colons, so of several readings the one that leads furthest counts.
        """
        best: Steps = ()
        for steps in self.places:
            if len(steps) > len(best) and path_begins_with(path, steps):
                best = steps
        return self.places.get(best)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _value(self, steps: Steps, name: int | None) -> None:
        mark, begin = self._tokens[self._at]
        self._at += 1
        self.places[steps] = Place(begin if name is None else name, begin, begin + len(mark))
        if mark == "{":
            self._members(steps)
        elif mark == "[":
            self._items(steps)
        last, at = self._tokens[self._at - 1]
        self.places[steps] = Place(begin if name is None else name, begin, at + len(last))

    def _members(self, steps: Steps) -> None:
        while self._tokens[self._at][0] != "}":
            name, offset = self._tokens[self._at]
            self._at += 2  # the name and its colon
            self._value((*steps, _text_of(name)), offset)
            self._comma()
        self._at += 1

    def _items(self, steps: Steps) -> None:
        index = 0
        while self._tokens[self._at][0] != "]":
            self._value((*steps, index), None)
            index += 1
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        if self._tokens[self._at][0] == ",":
            self._at += 1


def _text_of(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token


def path_begins_with(path: str, steps: Steps) -> bool:
    """Whether a path as messages write it leads through these steps."""
    rest = path
    for step in steps:
        for written in _written(step):
            if rest.startswith(written) and (len(rest) == len(written) or rest[len(written)] in ".["):
                rest = rest[len(written) :]
                break
        else:
            return False
    return True


def _written(step: str | int) -> Iterator[str]:
    if isinstance(step, int):
        yield f"[{step}]"
        return
    yield f".{step}"
    yield step
    yield f"[{json.dumps(step, ensure_ascii=False)}]"


def position_in_text(file: Path, error: InputError) -> tuple[int, int]:
    """Line and column of a mistake in a file: as its message says, else by its JSON path; the first when neither."""
    said = _SAID.search(error.what)
    if said:
        return int(said[1]), int(said[2])
    try:
        positions = Positions(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return 1, 1
    place = positions.nearest(error.path)
    return positions.line_and_column(place.name) if place else (1, 1)
