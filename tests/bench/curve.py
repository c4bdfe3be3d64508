"""Sweeps from 10² to 10⁸ pairs, time and memory, drawn beside this file: `python -m tests.bench curve`.

Each size in a process of its own, so that the memory is its own. One by one: the time of single decisions, from a
sample of them, as far as anybody would wait for it.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import log10
from pathlib import Path
from typing import NamedTuple

from bench.crowd import crowd
from bench.decisions import calibrate, microseconds

from kmssim.access import Answers, Question, callers_of
from kmssim.markup import Markup, element, joined
from kmssim.reach.everywhere import who_can_everywhere

SIZES = ((20, 5), (200, 50), (2000, 500), (20_000, 5000))
ACTION, SAMPLE = "kms:Decrypt", 300
PICTURE = Path(__file__).with_name("sweep-curve.svg")


class Point(NamedTuple):
    """One size: pairs, seconds of processor time for all and one by one, MiB of the process with the world and after."""

    pairs: int
    seconds: float
    one_by_one: float
    world: int
    peak: int


def _point(principals: int, keys: int) -> Point:
    world = crowd(principals, keys)
    before = _memory()
    start = time.process_time()
    who_can_everywhere(world, ACTION)
    seconds, peak = time.process_time() - start, _memory()
    callers, arns, answers = callers_of(world), tuple(world.keys_by_arn), Answers(world)
    start = time.process_time()
    for n in range(SAMPLE):
        answers.allows(Question(callers[n * 7 % len(callers)], ACTION, arns[n * 11 % len(arns)]))
    each = (time.process_time() - start) / SAMPLE
    pairs = len(callers) * len(arns)
    return Point(pairs, seconds, each * pairs, before, peak)


def _memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure() -> dict[str, dict[str, float]]:
    """The figures, and the picture."""
    idle = microseconds(calibrate, range(2000)) / 1e3
    points = []
    for size in SIZES:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            points.append(apart.submit(_point, *size).result())
    PICTURE.write_text(picture(points), encoding="utf-8")
    return {
        f"{point.pairs:,} pairs ({point.peak} MiB, {point.world} of them the world)": {
            "milliseconds": round(point.seconds * 1e3, 1),
            "ratio": round(point.seconds * 1e3 / idle, 1),
        }
        for point in points
    }


# ---- the picture -----------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 300, 220, 60, 40, 90
_SERIES = {
    "one by one": "#b45309",
    "all at once": "#1d4ed8",
    "process": "#1d4ed8",
    "world alone": "#6b7280",
}


def picture(points: list[Point]) -> str:
    """Two panels, both axes logarithmic: seconds, and MiB."""
    times = {"one by one": [p.one_by_one for p in points], "all at once": [p.seconds for p in points]}
    sizes = {"process": [p.peak for p in points], "world alone": [p.world for p in points]}
    pairs = [point.pairs for point in points]
    panels = [_panel(0, "seconds", pairs, times), _panel(_WIDTH + _GAP, "MiB", pairs, sizes)]
    width, height = 2 * _WIDTH + _GAP + _LEFT + 30, _HEIGHT + _TOP + 60
    title = element("title", "Time and memory of a sweep by the number of pairs of a principal and a key")
    ground = element("rect", width=width, height=height, fill="#ffffff")
    return str(
        element(
            "svg", title, ground, *panels, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}",
            role="img", font_family="sans-serif", font_size=12,
        )
    )  # fmt: skip


def _panel(right: int, unit: str, pairs: list[int], series: dict[str, list[float]]) -> Markup:
    values = [value for each in series.values() for value in each]
    low, high = int(log10(min(values)) // 1), int(log10(max(values)) // 1) + 1
    first, last = 2, 8.1

    def x(pair: float) -> float:
        return round(_LEFT + right + (log10(pair) - first) / (last - first) * _WIDTH, 1)

    def y(value: float) -> float:
        return round(_TOP + (high - log10(value)) / (high - low) * _HEIGHT, 1)

    marks = [element("text", unit, x=_LEFT + right, y=_TOP - 22, font_weight="bold")]
    for power in range(low, high + 1):
        marks.append(_line([(x(10**first), y(10**power)), (x(10**last), y(10**power))], "#e5e7eb"))
        label = f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"
        marks.append(element("text", label, x=_LEFT + right - 6, y=y(10**power) + 4, text_anchor="end"))
    below = _TOP + _HEIGHT + 18
    marks += [element("text", f"10^{power}", x=x(10**power), y=below, text_anchor="middle") for power in (2, 4, 6, 8)]
    marks.append(element("text", "pairs", x=x(10**5), y=_TOP + _HEIGHT + 38, text_anchor="middle"))
    for number, (name, found) in enumerate(series.items()):
        marks.append(_line([(x(pair), y(value)) for pair, value in zip(pairs, found, strict=True)], _SERIES[name], 2))
        marks.append(element("text", name, x=_LEFT + right + 8 + 130 * number, y=_TOP - 6, fill=_SERIES[name]))
    return element("g", joined(marks))


def _line(points: list[tuple[float, float]], color: str, width: int = 1) -> Markup:
    path = " ".join(f"{across},{down}" for across, down in points)
    return element("polyline", points=path, fill="none", stroke=color, stroke_width=width)
