"""Our figures beside those of other programs that decide the same requests, in one run, and whether all agree.

The ratio is how many times ahead of a peer we are: its least time by ours. Like is held against like (`COMPARED`).

Where an answer differs from ours the request is asked again as the peer reads it (`Reading`): when that gives the peer's
answer, the reading is why they differ. What no reading explains is counted as unexplained.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.decisions import (
    CALIBRATION,
    RUNS,
    calibrate,
    evidence_of,
    first_time,
    microseconds,
    other_calls,
    requests_of,
    trace_of,
)
from bench.figures import Result, UnmeasurableError, figure
from bench.other_programs import PEERS, Peer, ask, folder_of_peers
from bench.workload import calls, documents, world, world_of

from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

COUNT, PASSES = 2000, 5
UNEXPLAINED = "unexplained"

RULING = "ruling"
OTHERS = "ruling, other calls than before"
FIRST = "ruling, each for the first time"
TRACE = "ruling with the full trace"
OTHERS_TRACE = "ruling with the full trace, other calls than before"
FIRST_TRACE = "ruling with the full trace, each for the first time"
CALL = "call to decision"
CALL_TRACE = "call to decision with the full trace"
DOCUMENTS = "documents read, call to decision with the full trace"

COMPARED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("iam-simulate", "runSimulation"): (CALL, CALL_TRACE, DOCUMENTS),
    ("iam-simulate", "runSimulation, policies validated before"): (CALL_TRACE,),
    ("iam-simulate", "inner engine, policies loaded once"): (RULING, OTHERS, FIRST, TRACE, OTHERS_TRACE, FIRST_TRACE),
    ("cedarpy", "is_authorized"): (RULING, OTHERS, FIRST, CALL),
    ("cedarpy", "is_authorized_batch, a hundred at a time"): (RULING, OTHERS, FIRST, CALL),
    ("PMapper", "local check, everything given"): (RULING, OTHERS, FIRST, CALL),
}
"""Which of our ways a peer's way is held against. iam-simulate explains its answers and its public function derives
what it can from the request; Cedar names the deciding policies, PMapper answers yes or no, both with policies loaded.
None of them remembers what it was asked before, as we do. So there are three figures: of calls that were asked before;
of others than those that a world was asked, each once (`OTHERS`); and of a world that was never asked (`FIRST`)."""


def why_they_differ(peer: Peer, asked: Sequence[Call], ours: Sequence[bool], theirs: Sequence[bool]) -> Counter[str]:
    """The differing answers by the reading that explains them."""
    state, why = world(), Counter[str]()
    for call, our, their in zip(asked, ours, theirs, strict=True):
        if our == their:
            continue
        explained = (each.why for each in peer.readings if _allows(*each.of(state, call)) == their)
        why[next(explained, UNEXPLAINED)] += 1
    return why


def _allows(state: World, call: Call) -> bool:
    return Authorizer(state).decide(call).allowed


def _from_documents(given: dict[str, object], call: Call) -> None:
    """Everything anew for one call, as a program that is given documents with each request has to."""
    evidence_of(Authorizer(world_of(given, [call.principal.name])), call)


def _our_times(asked: Sequence[Call]) -> dict[str, float]:
    authorizer = Authorizer(world())
    requests = requests_of(authorizer, asked)
    gc.collect()
    gc.freeze()
    found = {
        CALIBRATION: microseconds(calibrate, asked),
        RULING: microseconds(authorizer.rule, requests),
        TRACE: microseconds(partial(trace_of, authorizer), requests),
        CALL: microseconds(authorizer.decide, asked),
        CALL_TRACE: microseconds(lambda call: evidence_of(authorizer, call), asked),
        DOCUMENTS: microseconds(partial(_from_documents, documents()), asked[:200]),
    }
    gc.unfreeze()
    found |= {OTHERS: other_calls(Authorizer.rule, len(asked)), OTHERS_TRACE: other_calls(trace_of, len(asked))}
    return found | {FIRST: first_time(Authorizer.rule, asked, RUNS), FIRST_TRACE: first_time(trace_of, asked, RUNS)}


def measure() -> Result:
    """Every peer that is installed."""
    return measure_peers(calls(COUNT), PASSES, folder_of_peers())


def measure_peers(asked: Sequence[Call], passes: int, peers: Path) -> Result:
    """Ask ourselves, then each peer, on the same calls."""
    times, authorizer = _our_times(asked), Authorizer(world())
    ours = [authorizer.decide(call).allowed for call in asked]
    figures = {name: figure("microseconds", each, times[CALIBRATION]) for name, each in times.items()}
    notes, unmeasured, problems, agreement = [], {}, [], {}
    for peer in PEERS:
        if not peer.is_in(peers):
            unmeasured[peer.name] = f"not installed; `python -m tests.bench peers --install` fetches it into {peers}"
            continue
        try:
            said = ask(peer, asked, passes, peers)
        except UnmeasurableError as error:
            unmeasured[peer.name] = str(error)
            problems.append(f"{peer.name} is there, but {error}")
            continue
        for way, found in said["ways"].items():
            name, why = f"{peer.name} {said['version']}, {way}", why_they_differ(peer, asked, ours, found["answers"])
            notes.append(_agreement(name, len(asked), why))
            problems += [f"{name}: {why[UNEXPLAINED]} answers differ from ours for no known reason"] * (
                UNEXPLAINED in why
            )
            agreement[f"{peer.name}, {way}"] = {"version": said["version"], "asked": len(asked), "differ": dict(why)}
            for our_way in COMPARED[peer.name, way]:
                ahead = figure("microseconds", found["microseconds"], times[our_way])
                figures[f"{peer.name}: {way} / our {our_way}"] = ahead
        notes += [f"{peer.name}: {peer.remark}"] if peer.remark else []
    return Result(figures, tuple(notes), unmeasured, {"agreement": agreement}, tuple(problems))


def _agreement(name: str, asked: int, why: Counter[str]) -> str:
    if not why:
        return f"{name}: all {asked:,} answers are ours"
    reasons = "; ".join(f"{count}: {reason}" for reason, count in why.most_common())
    return f"{name}: {asked - why.total():,} of {asked:,} answers are ours, the others differ: {reasons}"
