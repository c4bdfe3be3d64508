"""One part of a large sweep: everything that anybody may do on the keys of one account."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kmssim.access import actions_on
from kmssim.authority import find_authority
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Principal
from kmssim.sweep.rows import Row, Writer, begin
from kmssim.sweep.source import Source
from kmssim.sweep.sweep import Asking, Sweep
from kmssim.sweep.ways import Ways


class Count(NamedTuple):
    """How many pairs of a caller and a key are allowed, and in how many of them these are of different accounts."""

    allowed: int = 0
    across: int = 0

    def plus(self, other: Count) -> Count:
        """Both together."""
        return Count(self.allowed + other.allowed, self.across + other.across)


@dataclass(frozen=True)
class Part:
    """What was found on the keys of an account. `counts` are by action; `content` is the part's file, if one is wanted.

    `peak`: the most memory, in MiB, that the process which found it has held.
    """

    account: str
    counts: Mapping[str, Count]
    content: bytes
    peak: int


@dataclass(frozen=True)
class Job:
    """A large sweep, as every worker gets it once. `format` None: only counts are wanted."""

    source: Source
    actions: tuple[str, ...]
    format: str | None
    authority: str | None = None

    @cached_property
    def _ruler(self) -> Authority:
        return find_authority(self.authority)

    def find(self, account: str) -> Part:
        """Sweep the keys of an account."""
        counts = dict.fromkeys(self.actions, Count())
        file = begin(self.format) if self.format is not None else None
        for world, there, callers in self.source.blocks(account):
            for action in self.actions:
                keys = [key for key in there if action in actions_on(key)]
                sweep = Sweep(world, Asking(action), keys, self._ruler)
                found = _counted(sweep, callers) if file is None else _written(account, sweep, callers, file)
                for caller, allowed in found:
                    counts[action] = counts[action].plus(Count(allowed, allowed if caller.account != account else 0))
        return Part(account, counts, b"" if file is None else file.content(), peak_memory())


def _counted(sweep: Sweep, callers: Sequence[Principal]) -> Iterator[tuple[Principal, int]]:
    """On how many keys each caller is allowed."""
    for caller in callers:
        yield caller, sweep.bits_of(caller).bit_count()


def _written(account: str, sweep: Sweep, callers: Sequence[Principal], file: Writer) -> Iterator[tuple[Principal, int]]:
    """The same, and a row for each of them."""
    ways = Ways(sweep)
    for caller in callers:
        found = ways.of(caller)
        for number, way in found:
            file.add(Row(account, sweep.keys[number].arn, caller.account, caller.arn, sweep.asking.action, *way))
        yield caller, len(found)


def peak_memory() -> int:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)
