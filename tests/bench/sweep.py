"""Times sweeps over a crowd, in this process: `python -m tests.bench sweep`. Each answer is that of `decide`.

The ratio is to a loop of plain Python in the same run.
"""

from __future__ import annotations

import gc
import time

from bench.crowd import crowd
from bench.decisions import calibrate, microseconds

from kmssim.access import Answers, Question, callers_of
from kmssim.evaluator.world import World
from kmssim.reach.everywhere import who_can_everywhere

SIZES = ((20, 5), (100, 100), (2000, 200), (10_000, 400))
ACTION, RUNS, SAMPLE = "kms:Decrypt", 3, 500


def _sweep(world: World) -> float:
    """Milliseconds of processor time: the least of several runs."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        who_can_everywhere(world, ACTION)
        best = min(best, time.process_time() - start)
    return best * 1e3


def _one_by_one(world: World) -> float:
    """Milliseconds that all pairs would take one by one, from a sample of them."""
    callers, keys = callers_of(world), tuple(world.keys_by_arn)
    pairs = [(callers[n * 7 % len(callers)], keys[n * 11 % len(keys)]) for n in range(SAMPLE)]
    answers = Answers(world)
    start = time.process_time()
    for caller, key in pairs:
        answers.allows(Question(caller, ACTION, key))
    return (time.process_time() - start) / SAMPLE * len(callers) * len(keys) * 1e3


def measure() -> dict[str, dict[str, float]]:
    idle = microseconds(calibrate, range(2000)) / 1e3
    found: dict[str, float] = {}
    for principals, keys in SIZES:
        world = crowd(principals, keys)
        gc.collect()
        gc.freeze()
        size = f"{principals:,} roles x {keys:,} keys"
        found[f"sweep, {size}"] = _sweep(world)
        found[f"one by one, {size}"] = _one_by_one(world)
        gc.unfreeze()
    return {name: {"milliseconds": round(each, 1), "ratio": round(each / idle, 1)} for name, each in found.items()}
