"""A decision drawn as boxes in a row: inline SVG, coloured by the page's style sheet, and readable without any colour.

Each drawing is made twice, across for a wide page and down for a narrow one; the style sheet shows one of them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from kmssim.pages.markup import Markup, element, joined

_WIDTH, _GAP, _MARGIN = 178, 28, 2
_LINE, _TOP, _BOTTOM = 18, 24, 10
_LETTERS = 23
_LETTERS_IN_A_TITLE = 20

MARKS = {"allow": "✓", "deny": "✕", "silent": "○"}


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


def draw(boxes: Sequence[Box], joints: str, name: str, described: str) -> Markup:
    """Draw boxes joined by `joints`, one letter a joint: `+` or `>`. `name` is unique in the page."""
    return joined([_drawing(boxes, joints, name, described, across=across) for across in (True, False)])


def _drawing(boxes: Sequence[Box], joints: str, name: str, described: str, *, across: bool) -> Markup:
    lines = [_lines(box) for box in boxes]
    tallest = max(map(len, lines))
    heights = [_TOP + _LINE * (tallest if across else len(found)) + _BOTTOM - _LINE // 2 for found in lines]
    drawn: list[Markup] = []
    x = y = _MARGIN
    for at, box in enumerate(boxes):
        drawn.append(_box(box, lines[at], x, y, heights[at]))
        if across:
            x += _WIDTH + _GAP
        else:
            y += heights[at] + _GAP
        if at < len(boxes) - 1:
            middle = (x - _GAP // 2, y + heights[at] // 2) if across else (x + _WIDTH // 2, y - _GAP // 2)
            drawn.append(_joint(joints[at], *middle, across=across))
    width = (x - _GAP if across else x + _WIDTH) + _MARGIN
    height = (y + heights[0] if across else y - _GAP) + _MARGIN
    label = f"{name}-{'across' if across else 'down'}"
    return element(
        "svg",
        element("title", described, id=label),
        *drawn,
        class_=f"drawing {'across' if across else 'down'}",
        role="img",
        aria_labelledby=label,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )


def _lines(box: Box) -> list[tuple[str, str]]:
    """The lines of a box as (class, text)."""
    titles = textwrap.wrap(box.title, _LETTERS_IN_A_TITLE)
    says = [f"{MARKS.get(box.verdict, '')} {box.says}".strip()] if box.says else []
    return [
        *(("name", line) for line in titles),
        *(("says", line) for line in says),
        *(("text", line) for line in textwrap.wrap(box.text, _LETTERS)),
    ]


def _box(box: Box, lines: Sequence[tuple[str, str]], x: int, y: int, height: int) -> Markup:
    frame = element("rect", x=x, y=y, width=_WIDTH, height=height, rx=6)
    texts = [
        element("text", text, class_=kind, x=x + 10, y=y + _TOP + _LINE * at) for at, (kind, text) in enumerate(lines)
    ]
    return element("g", frame, *texts, class_=f"box {box.verdict}{' decides' if box.decides else ''}")


def _joint(joint: str, x: int, y: int, *, across: bool) -> Markup:
    plus, right, down = "M-6 0H6M0 -6V6", "M-11 0H11M5 -5L11 0L5 5", "M0 -11V11M-5 5L0 11L5 5"
    path = plus if joint == "+" else right if across else down
    return element("path", class_="joint", d=path, transform=f"translate({x} {y})")
