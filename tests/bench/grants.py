"""Times the index of a key with 50,000 grants (GR-6), in this process.

For each kind of grant: the index built, a look-up of the last grant, and a grant that comes or goes, which makes a new
index. The ratio is to the same loop of plain Python as that of the decisions; what is said of building is for one grant.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator

from bench.decisions import CALIBRATION, calibrate, microseconds
from bench.figures import Result, figure

from kmssim.evaluator.grant_index import Constraints, Grant, GrantIndex, index_after

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
COUNT, SHORT_COUNT, CHANGES, LOOKUPS, BUILDS = 50_000, 5_000, 500, 2000, 3


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
SHORT_KINDS = ("to as many roles", "to one role, EncryptionContextSubset")


def _built(grants: tuple[Grant, ...]) -> float:
    """The least processor time of several builds: they are long enough for others to come in between."""
    best = float("inf")
    for _ in range(BUILDS):
        start = time.process_time()
        GrantIndex().changed(added=grants)
        best = min(best, time.process_time() - start)
    return best / len(grants) * 1e6


def _times(make: Callable[[int], Grant], count: int) -> Iterator[tuple[str, float]]:
    grants = tuple(make(number) for number in range(count))
    later = [make(number) for number in range(count, count + CHANGES)]
    gc.collect()
    gc.freeze()  # the workload is not what the collector is to look through
    yield "index built, for each grant", _built(grants)
    index, last = GrantIndex().changed(added=grants), grants[-1]
    gc.collect()
    gc.freeze()
    asked = ("Decrypt", last.holder, last.constraints.source_arn, _context(count - 1))
    assert last in index.that_can_fit(*asked) or last.constraints == Constraints()
    yield "look-up", microseconds(lambda _: index.that_can_fit(*asked), range(LOOKUPS))
    yield "look-up by grant token", microseconds(lambda _: index.find(last.id), range(LOOKUPS))
    yield "a grant comes", microseconds(index.with_grant, later)
    yield "a grant goes", microseconds(lambda grant: index.without(grant.id), grants[:: count // CHANGES])
    after = (*grants[: count // 2], *grants[count // 2 + 1 :], later[0])
    yield "index after a key was read again", microseconds(lambda _: index_after(index, grants, after), range(1))
    gc.unfreeze()


def _megabytes(make: Callable[[int], Grant]) -> float:
    grants = tuple(make(number) for number in range(COUNT))
    tracemalloc.start()
    index = GrantIndex().changed(added=grants)  # kept until its size is read
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == COUNT
    return size / 1e6


def measure() -> Result:
    """Every kind of constraint, and the memory of its index."""
    sizes = {kind: _megabytes(make) for kind, make in KINDS.items()}
    notes = tuple(f"memory of the index {kind}: {size:.0f} MB for {COUNT:,} grants" for kind, size in sizes.items())
    return Result(_measure(tuple(KINDS), COUNT), notes)


def measure_short() -> Result:
    """Fewer grants of two kinds: what is measured does not depend on their number, save the last line of each."""
    return Result(_measure(SHORT_KINDS, SHORT_COUNT))


def _measure(kinds: tuple[str, ...], count: int) -> dict[str, dict[str, float]]:
    found: dict[str, float] = {}
    idle = microseconds(calibrate, range(LOOKUPS))
    for kind in kinds:
        found |= {f"{kind}: {what}": each for what, each in _times(KINDS[kind], count)}
        idle = min(idle, microseconds(calibrate, range(LOOKUPS)))
    return {name: figure("microseconds", each, idle) for name, each in {CALIBRATION: idle, **found}.items()}
