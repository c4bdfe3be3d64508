"""What a search found, drawn: callers on the left, whom they become in the middle, keys on the right. Plain SVG.

Every arrow starts at a place of its own beside its words, so that no two lines of text meet. The same findings give
the same picture, and all text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from kmssim.access import caller_name
from kmssim.errors import InputError
from kmssim.evaluator.world import World
from kmssim.markup import Markup, element, style_element
from kmssim.reach.paths import Found, Way
from kmssim.reach.wording import circumstances, label

_BOX, _TEXT, _BEND, _LINE, _GAP, _MARGIN = 290, 320, 70, 18, 22, 16
_STRIDE = _BOX + _TEXT + _BEND
_LETTERS, _LETTERS_IN_A_BOX = 42, 36
_MOST_LISTED = 2
MOST_WAYS = 60
"""How many ways are drawn; the picture says how many are not."""

_STYLE = """
svg { color-scheme: light dark; font: 13px system-ui, sans-serif; --ink: #1f2328; --line: #6e7781; --box: #f6f8fa;
  --page: #ffffff; --key: #ddf4ff; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --line: #8b949e; --box: #161b22; --page: #0d1117;
  --key: #0c2d6b; } }
.page { fill: var(--page); }
.box { fill: var(--box); stroke: var(--line); }
.key { fill: var(--key); }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.5; }
.head { fill: var(--line); }
text { fill: var(--ink); }
.name { font-weight: 600; }
"""


@dataclass(frozen=True)
class Place:
    """A box: in which column, and what it says. `is_bend`: no box, but room for an arrow that goes further."""

    column: int
    name: str
    is_key: bool = False
    is_bend: bool = False


@dataclass
class _Box:
    """A box on its way into the picture: the arrows that leave it, each with its lines of text."""

    x: int
    y: int
    height: int
    arrows: dict[Place, list[str]] = field(default_factory=dict)


def write(file: Path, found: Found, world: World, title: str) -> None:
    """Draw into a file. Raises InputError when it cannot be written."""
    try:
        file.write_text(draw(found.ways, names_of(world), title), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write the picture: {error.strerror}", file=str(file)) from error


def names_of(world: World) -> dict[str, str]:
    """What each key is called, by its ARN: its label, where that is its own."""
    labels = [key.label for key in world.keys_by_arn.values()]
    return {
        key.arn: key.label if key.label and labels.count(key.label) == 1 else f"{key.account} {key.region} {key.id}"
        for key in world.keys_by_arn.values()
    }


def draw(ways: Sequence[Way], keys: Mapping[str, str], title: str) -> str:
    """An SVG document; `keys` are the names of keys by ARN, `title` says what is asked."""
    joined = _joined(ways)
    drawn = joined[:MOST_WAYS]
    last = max((len(_people(way)) for way, _ in drawn), default=1)
    arrows = _arrows(drawn, keys, last)
    boxes = _placed(arrows)
    height = max((box.y + box.height for box in boxes.values()), default=3 * _LINE) + _MARGIN + 2 * _LINE
    width = last * _STRIDE + _BOX + 2 * _MARGIN
    left_out = len(joined) - len(drawn)
    notes = [f"{left_out} more ways are not drawn."] if left_out else [] if ways else ["Nobody can."]
    return element(
        "svg",
        style_element(_STYLE),
        element("title", title),
        element("rect", class_="page", width=width, height=height),
        element("text", title, class_="name", x=_MARGIN, y=_MARGIN + _LINE),
        *(_arrow(line, boxes, place, target) for place, target, line in _ports(boxes)),
        *(_box(place, box) for place, box in boxes.items() if not place.is_bend),
        *(element("text", note, x=_MARGIN, y=height - _MARGIN) for note in notes),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )


def _joined(ways: Sequence[Way]) -> list[tuple[Way, str]]:
    """Ways of one caller to one key that differ in the action alone, as one; and its actions."""
    found: dict[Hashable, tuple[Way, list[str]]] = {}
    for way in ways:
        asked = way.access.question
        place = (way.principal, way.hops, way.key, asked.encryption_context, asked.via, asked.alias, asked.grant)
        found.setdefault(place, (way, []))[1].append(way.action.partition(":")[2])
    return [(way, _listed(dict.fromkeys(actions))) for way, actions in found.values()]


def _listed(actions: Collection[str]) -> str:
    return ", ".join(actions) if len(actions) <= _MOST_LISTED else f"{len(actions)} operations"


def _people(way: Way) -> list[str]:
    """Whom a way goes through: its caller, and everybody whom a hop makes of it."""
    people = [caller_name(way.principal)]
    for hop in way.hops:
        if caller_name(hop.then) != people[-1]:
            people.append(caller_name(hop.then))
    return people


def _arrows(ways: Sequence[tuple[Way, str]], keys: Mapping[str, str], last: int) -> dict[Place, dict[Place, list[str]]]:
    """From which box to which, and what is written there; ways that share an arrow share its line."""
    arrows: dict[Place, dict[Place, list[str]]] = {}
    for way, actions in ways:
        here, lines = Place(0, caller_name(way.principal)), list[str]()
        for hop in way.hops:
            lines.append(label(hop))
            if caller_name(hop.then) != here.name:
                there = Place(here.column + 1, caller_name(hop.then))
                _write(arrows, here, there, "; ".join(lines))
                here, lines = there, []
        key = Place(last, keys[way.key], is_key=True)
        lines.append(", ".join([actions, *circumstances(way.access)]))
        _write(arrows, here, key, "; ".join(lines))
    return arrows


def _write(arrows: dict[Place, dict[Place, list[str]]], here: Place, there: Place, text: str) -> None:
    """Write on the arrow between two boxes; one that passes columns has a bend in each of them."""
    bends = [Place(at, f"{here.name} to {there.name}", is_bend=True) for at in range(here.column + 1, there.column)]
    stops = [here, *bends, there]
    written = arrows.setdefault(here, {}).setdefault(stops[1], [])
    if text not in written:
        written.append(text)
    for before, after in pairwise(stops[1:]):
        arrows.setdefault(before, {}).setdefault(after, [])


def _placed(arrows: dict[Place, dict[Place, list[str]]]) -> dict[Place, _Box]:
    """Every box at its place: each column from the top, in the order in which its boxes are met."""
    places = dict.fromkeys(place for here, targets in arrows.items() for place in (here, *targets))
    bottom: dict[int, int] = {}
    boxes: dict[Place, _Box] = {}
    for place in places:
        own = {target: _folded(texts) for target, texts in arrows.get(place, {}).items()}
        height = (
            _LINE if place.is_bend else max(2 * _LINE, sum(len(lines) * _LINE + _GAP // 2 for lines in own.values()))
        )
        y = bottom.get(place.column, _MARGIN + 2 * _LINE)
        boxes[place] = _Box(_MARGIN + place.column * _STRIDE, y, height, own)
        bottom[place.column] = y + height + _GAP
    return boxes


def _folded(texts: Sequence[str]) -> list[str]:
    return [_cut(text, _LETTERS) for text in texts]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


@dataclass(frozen=True)
class _Line:
    """Where an arrow leaves its box, and what stands above it."""

    y: int
    texts: tuple[str, ...]


def _ports(boxes: dict[Place, _Box]) -> Iterator[tuple[Place, Place, _Line]]:
    for place, box in boxes.items():
        y = box.y + _LINE // 2 if place.is_bend else box.y
        for target, texts in box.arrows.items():
            y += len(texts) * _LINE
            yield place, target, _Line(y, tuple(texts))
            y += _GAP // 2


def _arrow(line: _Line, boxes: dict[Place, _Box], place: Place, target: Place) -> Markup:
    here, there = boxes[place], boxes[target]
    left, right, end = here.x + _BOX, there.x, there.y + min(there.height // 2, _LINE)
    straight, bend, short = left + _TEXT, _BEND // 2, 0 if target.is_bend else 8
    start = here.x if place.is_bend else left
    curve = f"M{start} {line.y}H{straight}C{straight + bend} {line.y} {right - bend} {end} {right - short} {end}"
    texts = [
        element("text", text, x=left + 8, y=line.y - 4 - (len(line.texts) - 1 - at) * _LINE)
        for at, text in enumerate(line.texts)
    ]
    tips = [] if target.is_bend else [f"M{right} {end}L{right - 10} {end - 5}V{end + 5}Z"]
    heads = [element("path", class_="head", d=tip) for tip in tips]
    return element("g", element("path", class_="arrow", d=curve), *heads, *texts)


def _box(place: Place, box: _Box) -> Markup:
    kind = "box key" if place.is_key else "box"
    frame = element("rect", class_=kind, x=box.x, y=box.y, width=_BOX, height=box.height, rx=6)
    name = element("text", _cut(place.name, _LETTERS_IN_A_BOX), x=box.x + 10, y=box.y + _LINE + 4)
    return element("g", element("title", place.name), frame, name)
