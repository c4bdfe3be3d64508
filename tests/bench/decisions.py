"""Times decisions on the common workload, in this process: `python -m tests.bench decisions`.

A ruling and a trace are of a request whose condition keys are derived; a decision is of the call as boto3 makes it. The
ratio is to a loop of plain Python in the same run, which is what to compare: machines differ.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from workload import calls, world

from kmssim.evaluator.decision import Evidence
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call

COUNT, RUNS = 2000, 9


def calibrate(_item) -> int:
    """About a microsecond of attribute-free Python."""
    total = 0
    for number in range(20):
        total += number
    return total


def microseconds(act: Callable, items: Sequence) -> float:
    """The least time of an item over several runs: what is above it is other people's."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        for item in items:
            act(item)
        best = min(best, time.perf_counter() - start)
    return best / len(items) * 1e6


def _evidence(authorizer: Authorizer, call: Call) -> list[Evidence]:
    return [found.evidence for found in authorizer.decide(call).permissions]


def measure() -> dict[str, dict[str, float]]:
    authorizer, asked_calls = Authorizer(world()), calls(COUNT)
    requests = [request for call in asked_calls for request in authorizer.requests(call)]
    gc.collect()
    gc.freeze()  # the workload is not what the collector is to look through
    acts = {
        "plain Python loop (calibration)": (calibrate, asked_calls),
        "ruling, without evidence": (authorizer.rule, requests),
        "ruling, with the full trace": (lambda asked: authorizer.trace(asked).evidence, requests),
        "call to requests: keys found, condition keys derived": (authorizer.requests, asked_calls),
        "call to decision, without evidence": (authorizer.decide, asked_calls),
        "call to decision, with the full trace": (lambda call: _evidence(authorizer, call), asked_calls),
    }
    found = {name: microseconds(act, items) for name, (act, items) in acts.items()}
    idle = found["plain Python loop (calibration)"]
    return {name: {"microseconds": round(each, 1), "ratio": round(each / idle, 1)} for name, each in found.items()}
