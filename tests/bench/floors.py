"""The floors: by how much a figure may get worse before the benchmark fails. `floors.toml` states them.

Floors are about ratios, each measured in one run, with room of half again to twice as much for what else the machine
does. `most` is for times, which must not rise above it; `least` for being ahead of a peer, which must not fall below it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Result

FILE = Path(__file__).parent / "floors.toml"
_KINDS = ("most", "least")


class FloorsError(Exception):
    """The file of floors does not say what it should; the message says where."""


@dataclass(frozen=True)
class Floor:
    """The ratio of one figure that is still good enough."""

    part: str
    figure: str
    kind: str
    ratio: float

    def holds(self, ratio: float) -> bool:
        """Whether a measured ratio is good enough."""
        return ratio <= self.ratio if self.kind == "most" else ratio >= self.ratio

    @property
    def shown(self) -> str:
        """The floor in words."""
        return f"at {self.kind} {self.ratio:g}"


def read_floors(text: str) -> tuple[Floor, ...]:
    """Read the floors.

    Raises:
        FloorsError: the text is no TOML, or a floor in it has no `most` and no `least`.

    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FloorsError(f"floors: {error}") from None
    return tuple(_floor(part, name, each) for part, figures in content.items() for name, each in figures.items())


def _floor(part: str, name: str, each: object) -> Floor:
    if not isinstance(each, Mapping) or len(each) != 1 or not set(each) <= set(_KINDS):
        raise FloorsError(f"floors: [{part}] `{name}` needs `most` or `least`, for example {{ most = 20 }}")
    kind, ratio = next(iter(each.items()))
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        raise FloorsError(f"floors: [{part}] `{name}`: `{ratio}` is no number")
    return Floor(part, name, kind, float(ratio))


def broken(floors: tuple[Floor, ...], part: str, result: Result, *, short: bool = False) -> Iterator[str]:
    """The floors of a part that do not hold, in words: the figure, its floor, its value.

    A floor whose figure nobody measured is broken too, or a figure could leave its floor by changing its name; but not
    where the part says why, nor in the short form, which measures less.
    """
    for floor in floors:
        if floor.part != part:
            continue
        found = result.figures.get(floor.figure)
        if found is not None and not floor.holds(found["ratio"]):
            yield f"{part}: `{floor.figure}` is {found['ratio']:g} x, its floor is {floor.shown}"
        elif found is None and not short and not any(floor.figure.startswith(name) for name in result.unmeasured):
            yield f"{part}: `{floor.figure}` was not measured, its floor is {floor.shown}"
