"""The parts of the benchmark, and how one is run: in a process of its own."""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench.figures import Result

PARTS = {
    "decisions": "one decision, bare and with its trace; ratio to a loop of plain Python",
    "grants": "the index of a key with 50,000 grants; ratio to a loop of plain Python",
    "load": "10,000 policy documents read and compiled, and one change; ratio to a loop of plain Python",
    "startup": "whole processes of the command; ratio to `python -c pass`",
    "sandbox": "boto3 calls in the sandbox; ratio to moto alone",
    "sweep": "who can do what in a crowd; ratio to a loop of plain Python",
    "curve": "sweeps from 10^2 to 10^8 pairs, and a picture; ratio to a loop of plain Python",
    "peers": "other programs on the same requests; ratio: how many times ahead of them we are",
    "labs": "a lab watched from a save to the last line, for minutes; ratio to `python -c pass`",
}
"""Each is a module beside this one: `measure()`, and `measure_short()` if it is in the short form."""

ONLY_WHEN_NAMED = ("curve", "labs")
"""These take minutes, or leave a file."""


def measured(part: str, *, short: bool) -> Result | None:
    """The figures of a part; None when it has no short form."""
    module = importlib.import_module(f"bench.{part}")
    measure = getattr(module, "measure_short", None) if short else module.measure
    found = measure() if measure else None
    return found if found is None or isinstance(found, Result) else Result(found)


def measured_apart(part: str, *, short: bool) -> Result | None:
    """The same in a new process: what one part imports and keeps must not weigh on the next."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        return apart.submit(measured, part, short=short).result()
