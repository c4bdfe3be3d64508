"""A decision drawn as boxes in rows: inline SVG, coloured by the page's style sheet, and readable without any colour.

Each drawing is made twice, across for a wide page and down for a narrow one; the style sheet shows one of them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kmssim.markup import Markup, element, joined

_WIDTH, _GAP, _MARGIN, _BETWEEN_ROWS = 178, 28, 2, 34
_LINE, _TOP, _BOTTOM = 18, 24, 10
_LETTERS = 21
_LETTERS_IN_A_TITLE = 17
_MOST_IN_A_ROW = 5

MARKS = {"allow": "✓", "deny": "✕", "silent": "○"}
KNOWN_VERDICTS = frozenset({*MARKS, "not_applicable", "plain"})


@dataclass(frozen=True)
class Box:
    """A box: `verdict` colours it (`allow`, `deny`, `silent`, `plain`), `says` is the verdict in words.

    `decides` frames it thickly.
    """

    title: str
    text: str
    verdict: str = "plain"
    says: str = ""
    decides: bool = False


@dataclass(frozen=True)
class Told:
    """What a screen reader says of a drawing; `name` is unique in the page."""

    name: str
    title: str
    described: str


class _Placed(NamedTuple):
    lines: list[tuple[str, str]]
    x: int
    y: int
    height: int


def draw(boxes: Sequence[Box], joints: str, told: Told) -> Markup:
    """Draw boxes joined by `joints`, one letter a joint: `+` or `>`."""
    in_a_row = -(-len(boxes) // -(-len(boxes) // _MOST_IN_A_ROW))
    return joined(_drawing(boxes, joints, told, columns, way) for columns, way in ((in_a_row, "across"), (1, "down")))


def _drawing(boxes: Sequence[Box], joints: str, told: Told, columns: int, way: str) -> Markup:
    placed = list(_places(boxes, columns))
    drawn = [_box(box, place) for box, place in zip(boxes, placed, strict=True)]
    drawn += [_joint(joints[at], placed[at], placed[at + 1]) for at in range(len(boxes) - 1)]
    width = max(place.x for place in placed) + _WIDTH + _MARGIN
    height = max(place.y + place.height for place in placed) + _MARGIN
    label = f"{told.name}-{way}"
    return element(
        "svg",
        element("title", told.title, id=label),
        element("desc", told.described, id=f"{label}-words"),
        *drawn,
        class_=f"drawing {way}",
        role="img",
        aria_labelledby=label,
        aria_describedby=f"{label}-words",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )


def _places(boxes: Sequence[Box], columns: int) -> Iterator[_Placed]:
    """Row by row; the boxes of a row are as tall as its tallest."""
    lines = [_lines(box) for box in boxes]
    y = _MARGIN
    for start in range(0, len(lines), columns):
        row = lines[start : start + columns]
        height = _TOP + _LINE * max(map(len, row)) + _BOTTOM - _LINE // 2
        for column, words in enumerate(row):
            yield _Placed(words, _MARGIN + column * (_WIDTH + _GAP), y, height)
        y += height + (_BETWEEN_ROWS if columns > 1 else _GAP)


def _lines(box: Box) -> list[tuple[str, str]]:
    """The lines of a box as (class, text)."""
    says = [f"{MARKS.get(box.verdict, '')} {box.says}".strip()] if box.says else []
    return [
        *(("name", line) for line in textwrap.wrap(box.title, _LETTERS_IN_A_TITLE)),
        *(("says", line) for line in says),
        *(("text", line) for line in textwrap.wrap(box.text, _LETTERS)),
    ]


def _box(box: Box, place: _Placed) -> Markup:
    frame = element("rect", x=place.x, y=place.y, width=_WIDTH, height=place.height, rx=6)
    texts = [
        element("text", text, class_=kind, x=place.x + 10, y=place.y + _TOP + _LINE * at)
        for at, (kind, text) in enumerate(place.lines)
    ]
    colour = box.verdict if box.verdict in KNOWN_VERDICTS else "plain"
    return element("g", frame, *texts, class_=f"box {colour}{' decides' if box.decides else ''}")


def _joint(joint: str, before: _Placed, after: _Placed) -> Markup:
    if before.y == after.y:
        x, y = after.x - _GAP // 2, before.y + before.height // 2
        path = "M-6 0H6M0 -6V6" if joint == "+" else "M-11 0H11M5 -5L11 0L5 5"
    elif before.x == after.x:
        x, y = before.x + _WIDTH // 2, after.y - _GAP // 2
        path = "M-6 0H6M0 -6V6" if joint == "+" else "M0 -11V11M-5 5L0 11L5 5"
    else:  # from the end of a row to the start of the next
        x, y = after.x + _WIDTH // 2, after.y
        back = before.x - after.x
        path = f"M{back} -{_BETWEEN_ROWS - 4}V-{_BETWEEN_ROWS // 2}H0V-4M-5 -10L0 -4L5 -10"
    return element("path", class_="joint", d=path, transform=f"translate({x} {y})")
