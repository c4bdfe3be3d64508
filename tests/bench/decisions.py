"""Times decisions on the common workload, in this process; the least time of several runs, piece by piece.

A ruling and a trace are of a request whose condition keys are derived; a decision is of the call as boto3 makes it. The
ratio is to a loop of plain Python in the same run, which is what to compare: machines differ.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial

from bench.figures import Result, figure
from bench.workload import calls, world

from kmssim.evaluator.decision import Evidence
from kmssim.evaluator.layers import Asked
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call

COUNT, RUNS, BEFORE = 2000, 9, 5
SHORT_COUNT, SHORT_RUNS = 500, 5
PIECE = 100
CALIBRATION = "plain Python loop (calibration)"


def calibrate(_item) -> int:
    """About half a microsecond of attribute-free Python."""
    total = 0
    for number in range(20):
        total += number
    return total


def microseconds(act: Callable, items: Sequence, runs: int = RUNS) -> float:
    """Processor time of an item: of each piece the least over several runs, for what is above it is other people's.

    A piece is long enough for the clock, and short enough to come through between two of the collector's and others'.
    """
    pieces = [items[start : start + PIECE] for start in range(0, len(items), PIECE)]
    best = [float("inf")] * len(pieces)
    for _ in range(runs):
        for number, piece in enumerate(pieces):
            start = time.process_time()
            for item in piece:
                act(item)
            best[number] = min(best[number], time.process_time() - start)
    return sum(best) / len(items) * 1e6


def evidence_of(authorizer: Authorizer, call: Call) -> list[Evidence]:
    """A decision with all of its evidence gathered."""
    return [found.evidence for found in authorizer.decide(call).permissions]


def requests_of(authorizer: Authorizer, asked_calls: Sequence[Call]) -> list[Asked]:
    """The questions of the calls, their condition keys derived, which waits until somebody looks at them."""
    requests = [request for call in asked_calls for request in authorizer.requests(call)]
    return [asked for asked in requests if asked.request.context]


def trace_of(authorizer: Authorizer, asked: Asked) -> Evidence:
    """A ruling with all of its evidence gathered."""
    return authorizer.trace(asked).evidence


def first_time(act: Callable[[Authorizer, Asked], object], asked_calls: Sequence[Call], runs: int) -> float:
    """Microseconds in a world that was never asked anything: nothing is compiled, nothing remembered."""
    best = float("inf")
    for _ in range(runs):
        authorizer = Authorizer(world())
        requests = requests_of(authorizer, asked_calls)
        best = min(best, microseconds(partial(act, authorizer), requests, runs=1))
    return best


def other_calls(act: Callable[[Authorizer, Asked], object], runs: int) -> float:
    """Microseconds of calls of another seed, in a world that was asked 10,000: policies are compiled for what is asked."""
    authorizer, best = Authorizer(world()), float("inf")
    for seed in range(BEFORE):
        for asked in requests_of(authorizer, calls(COUNT, seed=seed)):
            act(authorizer, asked)
    for run in range(runs):
        requests = requests_of(authorizer, calls(COUNT, seed=BEFORE + run))
        best = min(best, microseconds(partial(act, authorizer), requests, runs=1))
    return best


def measure() -> Result:
    """All calls of the workload."""
    return _measure(COUNT, RUNS)


def measure_short() -> Result:
    """A part of the calls, more often in less time."""
    return _measure(SHORT_COUNT, SHORT_RUNS)


def _measure(count: int, runs: int) -> Result:
    authorizer, asked_calls = Authorizer(world()), calls(count)
    requests = requests_of(authorizer, asked_calls)
    gc.collect()
    gc.freeze()  # the workload is not what the collector is to look through
    acts = {
        "ruling, without evidence": (authorizer.rule, requests),
        "ruling, with the full trace": (partial(trace_of, authorizer), requests),
        "call to requests: keys found, condition keys derived": (
            lambda call: requests_of(authorizer, [call]),
            asked_calls,
        ),
        "call to decision, without evidence": (authorizer.decide, asked_calls),
        "call to decision, with the full trace": (lambda call: evidence_of(authorizer, call), asked_calls),
    }
    before = microseconds(calibrate, asked_calls, runs)
    found = {name: microseconds(act, items, runs) for name, (act, items) in acts.items()}
    all_calls = calls(COUNT)  # in both forms: how much the calls have in common depends on how many they are
    found["ruling, without evidence, each call for the first time"] = first_time(Authorizer.rule, all_calls, runs)
    found["ruling, with the full trace, each call for the first time"] = first_time(trace_of, all_calls, runs)
    found["ruling, without evidence, other calls than before"] = other_calls(Authorizer.rule, runs)
    found["ruling, with the full trace, other calls than before"] = other_calls(trace_of, runs)
    idle = min(before, microseconds(calibrate, asked_calls, runs))
    gc.unfreeze()
    return Result({name: figure("microseconds", each, idle) for name, each in {CALIBRATION: idle, **found}.items()})
