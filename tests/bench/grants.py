"""Times the index of a key with 50,000 grants (GR-6), in this process: `python -m tests.bench grants`.

For each kind of grant: the index built, a look-up of the last grant, and a grant that comes or goes, which makes a new
index. The ratio is to the same loop of plain Python as that of the decisions.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from decisions import calibrate, microseconds

from kmssim.evaluator.grant_index import Constraints, Grant, GrantIndex, index_after

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
COUNT, CHANGES, LOOKUPS, BUILDS = 50_000, 500, 2000, 5


def _grant(number: int, to: str = ROLE, service: str | None = None, **constraints) -> Grant:
    return Grant(
        f"{number:064x}",
        f"grant-{number}",
        ("Decrypt", "GenerateDataKey"),
        ACCOUNT,
        grantee=None if service else to,
        grantee_service=service,
        constraints=Constraints(**constraints),
    )


def _context(number: int) -> dict[str, str]:
    return {"app": "shop", "tenant": str(number)}


KINDS: dict[str, Callable[[int], Grant]] = {
    "to as many roles": lambda n: _grant(n, f"arn:aws:iam::{ACCOUNT}:role/r{n}"),
    "to as many users": lambda n: _grant(n, f"arn:aws:iam::{ACCOUNT}:user/u{n}"),
    "to sessions of one role": lambda n: _grant(n, f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s{n}"),
    "to one role, unconstrained": _grant,
    "to one role, EncryptionContextEquals": lambda n: _grant(n, encryption_context_equals=_context(n)),
    "to one role, EncryptionContextSubset": lambda n: _grant(n, encryption_context_subset=_context(n)),
    "to a service, each for its source": lambda n: _grant(
        n, service="logs.amazonaws.com", source_arn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g{n}"
    ),
}


def _built(grants: tuple[Grant, ...]) -> float:
    """The least processor time of several builds: they are long enough for others to come in between."""
    best = float("inf")
    for _ in range(BUILDS):
        start = time.process_time()
        GrantIndex().changed(added=grants)
        best = min(best, time.process_time() - start)
    return best * 1e6


def _times(make: Callable[[int], Grant]) -> Iterator[tuple[str, float]]:
    grants = tuple(make(number) for number in range(COUNT))
    later = [make(number) for number in range(COUNT, COUNT + CHANGES)]
    gc.collect()
    gc.freeze()  # the workload is not what the collector is to look through
    yield "index built", _built(grants)
    index, last = GrantIndex().changed(added=grants), grants[-1]
    gc.collect()
    gc.freeze()
    asked = ("Decrypt", last.holder, last.constraints.source_arn, _context(COUNT - 1))
    assert last in index.that_can_fit(*asked) or last.constraints == Constraints()
    yield "look-up", microseconds(lambda _: index.that_can_fit(*asked), range(LOOKUPS))
    yield "look-up by grant token", microseconds(lambda _: index.find(last.id), range(LOOKUPS))
    yield "a grant comes", microseconds(index.with_grant, later)
    yield "a grant goes", microseconds(lambda grant: index.without(grant.id), grants[:: COUNT // CHANGES])
    after = (*grants[: COUNT // 2], *grants[COUNT // 2 + 1 :], later[0])
    yield "index after a key was read again", microseconds(lambda _: index_after(index, grants, after), range(1))
    gc.unfreeze()


def _bytes(make: Callable[[int], Grant]) -> float:
    grants = tuple(make(number) for number in range(COUNT))
    tracemalloc.start()
    index = GrantIndex().changed(added=grants)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(index)


def measure() -> dict[str, dict[str, float]]:
    idle = microseconds(calibrate, range(LOOKUPS))
    figures = {"plain Python loop (calibration)": _figure(idle, idle)}
    for kind, make in KINDS.items():
        figures |= {f"{kind}: {what}": _figure(found, idle) for what, found in _times(make)}
        print(f"{_bytes(make) * COUNT / 1e6:9.1f} MB (tracemalloc) for the index {kind}", file=sys.stderr)
    return figures


def _figure(found: float, idle: float) -> dict[str, float]:
    return {"microseconds": round(found, 1), "ratio": round(found / idle, 1)}
