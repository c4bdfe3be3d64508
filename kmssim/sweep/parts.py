"""One part of a large sweep: everything that anybody may do on the keys of one account."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kmssim.access import actions_on
from kmssim.authority import find_authority
from kmssim.evaluator.decision import Authority
from kmssim.sweep.coverage import numbers_of
from kmssim.sweep.rows import Row, written
from kmssim.sweep.source import Source
from kmssim.sweep.sweep import Asking, Sweep


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
        rows: list[Row] = []
        for row in self._rows(account):
            counts[row.action] = counts[row.action].plus(Count(1, int(row.key_account != row.caller_account)))
            if self.format:
                rows.append(row)
        return Part(account, counts, written(rows, self.format) if self.format else b"", peak_memory())

    def _rows(self, account: str) -> Iterator[Row]:
        for world, there, callers in self.source.blocks(account):
            for action in self.actions:
                keys = [key for key in there if action in actions_on(key)]
                sweep = Sweep(world, Asking(action), keys, self._ruler)
                for caller in callers:
                    for number in numbers_of(sweep.bits_of(caller)):
                        yield Row(account, keys[number].arn, caller.account, caller.arn, action)


def peak_memory() -> int:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)
