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

from kmssim.evaluator.asked import Asked
from kmssim.evaluator.decision import Evidence
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call

COUNT, RUNS, BEFORE, AFTER = 2000, 9, 5, 15
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
    pieces = _pieces(items)
    best = [float("inf")] * len(pieces)
    for _ in range(runs):
        for number, piece in enumerate(pieces):
            best[number] = min(best[number], _seconds(act, piece))
    return sum(best) / len(items) * 1e6


def _pieces(items: Sequence) -> list[Sequence]:
    return [items[start : start + PIECE] for start in range(0, len(items), PIECE)]


def _seconds(act: Callable, piece: Sequence) -> float:
    start = time.process_time()
    for item in piece:
        act(item)
    return time.process_time() - start


def evidence_of(authorizer: Authorizer, call: Call) -> list[Evidence]:
    """A decision with all of its evidence gathered."""
    return [found.evidence for found in authorizer.decide(call).permissions]


def requests_of(authorizer: Authorizer, asked_calls: Sequence[Call]) -> list[Asked]:
    """The questions of the calls, their condition keys derived, which waits until somebody looks at them."""
    requests = [request for call in asked_calls for request in authorizer.requests(call)]
    return [asked for asked in requests if asked.request.context]


def trace_of(authorizer: Authorizer, asked: Asked) -> Evidence:
    """A ruling with all of its evidence gathered; how condition keys are read is only said to who looks."""
    return authorizer.trace(asked).evidence


Act = Callable[[Authorizer, Asked], object]


def first_time(act: Act, asked_calls: Sequence[Call], runs: int) -> float:
    """Microseconds in a world that was never asked anything: nothing is compiled, nothing remembered."""
    return min(_once(act, Authorizer(world()), asked_calls) for _ in range(runs))


def other_calls(act: Act, count: int, *, unheard: bool = False) -> float:
    """Microseconds of calls of another seed, in a world that was asked five times as many or more.

    Policies are compiled for what is asked. Each call is asked once, so there are more runs, of other calls each.
    `unheard`: each has a value, of a condition key that its policies look at, which no call had before.
    """
    authorizer = Authorizer(world())
    for seed in range(BEFORE):
        for asked in requests_of(authorizer, calls(count, seed=seed)):
            act(authorizer, asked)
    return min(_once(act, authorizer, calls(count, seed=BEFORE + run, unheard=unheard)) for run in range(AFTER))


def _once(act: Act, authorizer: Authorizer, asked_calls: Sequence[Call]) -> float:
    """Microseconds of a request that is asked once, soon after it was made."""
    seconds = sum(_seconds(partial(act, authorizer), requests_of(authorizer, piece)) for piece in _pieces(asked_calls))
    return seconds / len(asked_calls) * 1e6


def measure() -> Result:
    """All calls of the workload."""
    return measure_calls(COUNT, RUNS)


def measure_short() -> Result:
    """A part of the calls, more often in less time."""
    return measure_calls(SHORT_COUNT, SHORT_RUNS)


def measure_calls(count: int, runs: int, once: int = COUNT) -> Result:
    """`count` calls, the same ones over and over; and `once`, the same number in both forms, that are asked once.

    How much of what these ask is shared depends on how many they are.
    """
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
    for name, act in {"ruling, without evidence": Authorizer.rule, "ruling, with the full trace": trace_of}.items():
        found[f"{name}, each call for the first time"] = first_time(act, calls(once), runs)
        found[f"{name}, other calls than before"] = other_calls(act, once)
        found[f"{name}, other calls with values that never came"] = other_calls(act, once, unheard=True)
    idle = min(before, microseconds(calibrate, asked_calls, runs))
    gc.unfreeze()
    return Result({name: figure("microseconds", each, idle) for name, each in {CALIBRATION: idle, **found}.items()})
