"""What a part of the benchmark has to say, and how it is written.

A figure is one measured number in its unit and its `ratio` to something that was measured in the same run: absolute
times depend on the machine and on who else uses it, ratios much less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Figure = Mapping[str, float]
"""`{unit: number, "ratio": number}`."""


class UnmeasurableError(Exception):
    """A part cannot be measured here; the message says why and what to do."""


_SECONDS_IN = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6}


@dataclass(frozen=True)
class Result:
    """What a part measured.

    `unmeasured` says why figures are not there, by how their names begin. `more` is data for `--json` alone. With
    `problems` the command fails as with a broken floor.
    """

    figures: Mapping[str, Figure]
    notes: tuple[str, ...] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        named = {"notes": list(self.notes), "unmeasured": dict(self.unmeasured)}
        return {"figures": {name: dict(each) for name, each in self.figures.items()}} | named | dict(self.more)


def figure(unit: str, found: float, against: float) -> dict[str, float]:
    """A number and its ratio, with the three digits that mean something."""
    return {unit: float(f"{found:.3g}"), "ratio": float(f"{found / against:.3g}")}


def unit_of(each: Figure) -> str:
    """The first name that is not the ratio's."""
    return next(name for name in each if name != "ratio")


def lines_of(result: Result) -> Iterator[str]:
    """The table of a part, its notes, and what is not in it."""
    for name, each in result.figures.items():
        unit = unit_of(each)
        rate = f"{1 / (each[unit] * _SECONDS_IN[unit]):,.0f}/s" if each[unit] and unit in _SECONDS_IN else ""
        yield f"{each[unit]:>12,g} {unit:<12} {each['ratio']:>12,g} x {rate:>13}  {name}"
    yield from (f"  {note}" for note in result.notes)
    yield from (f"  {name}: {why}" for name, why in result.unmeasured.items())
