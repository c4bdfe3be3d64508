"""Maps and lists that change by copying a small part of themselves, made of the standard library's.

What was there before a change stays as it is, whoever holds it, and shares with what comes after all that did not
change. So a frozen value may hold 50,000 things, and the next value, with one thing more or less, costs microseconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_SMALL, _WIDTH = 128, 64
_COLUMN = _WIDTH - 1
"""The bits of a hash that say which row, and which part of it."""


class PersistentMap(Generic[K, V]):
    """A map in parts by the hashes of its keys: rows of parts, or a single part while it is small."""

    __slots__ = ("_rows",)

    def __init__(self, rows: tuple[tuple[dict[K, V], ...], ...] = (({},),)) -> None:
        """An empty map; with `rows` a map of these, which nobody changes any more."""
        self._rows = rows

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as its entries: in another process hashes, and so the parts, are other ones."""
        return _with_entries, ({key: value for row in self._rows for part in row for key, value in part.items()},)

    def get(self, key: K) -> V | None:
        """The value, None where there is none."""
        rows = self._rows
        if len(rows) == 1:
            return rows[0][0].get(key)
        place = hash(key) >> 32  # the lowest bits are those by which each dict goes itself
        return rows[place & _COLUMN][place >> 8 & _COLUMN].get(key)

    def updated(self, changes: Mapping[K, V | None]) -> PersistentMap[K, V]:
        """A map with these values beside and in place of its own; those that are None or empty are taken out."""
        rows = self._rows
        if len(rows) == 1 and len(rows[0][0]) + len(changes) > _SMALL:
            changes, rows = {**rows[0][0], **changes}, (({},) * _WIDTH,) * _WIDTH
        width = len(rows) - 1
        fresh: dict[int, list[dict[K, V]]] = {}
        for key, value in changes.items():
            place = hash(key) >> 32
            number, column = place & width, place >> 8 & width
            if number not in fresh:
                fresh[number] = list(rows[number])
            part = fresh[number][column]
            if part is rows[number][column]:
                part = fresh[number][column] = part.copy()
            if value:
                part[key] = value
            else:
                part.pop(key, None)
        after = list(rows)
        for number, row in fresh.items():
            after[number] = tuple(row)
        return PersistentMap(tuple(after))


def _with_entries(entries: dict[K, V]) -> PersistentMap[K, V]:
    return PersistentMap[K, V]().updated(entries)


Numbered = tuple[int, V]
"""A thing, and before it its number in the order of all things; no two have the same."""

_Block = tuple[Numbered[V], ...]
Run = tuple[tuple[_Block[V], ...], _Block[V]]
"""Numbered things in order: full blocks, or nearly, and the last few things. There is no empty run, but None."""

_BLOCK = 256


def alone(one: Numbered[V]) -> Run[V]:
    """A run of one thing."""
    return (), (one,)


def extended(run: Run[V] | None, single: Run[V]) -> Run[V]:
    """The run with a later thing, given as a run, at its end."""
    if run is None:
        return single
    blocks, last = run
    return ((*blocks, last), single[1]) if len(last) == _BLOCK else (blocks, last + single[1])


def reduced(run: Run[V] | None, single: Run[V]) -> Run[V] | None:
    """The run without one of its things, given as a run."""
    assert run is not None  # noqa: S101 - what is taken out is there
    (blocks, last), one = run, single[1][0]
    if last and last[0][0] <= one[0]:
        last = _without(last, one)
        return (blocks, last) if blocks or last else None
    at = bisect_right(blocks, one[0], key=_first_number) - 1
    start = max(at - 1, 0)
    near = _joined(*blocks[start:at], _without(blocks[at], one), *blocks[at + 1 : at + 2])
    blocks = (*blocks[:start], *near, *blocks[at + 2 :])
    return (blocks, last) if blocks or last else None


def _joined(*blocks: _Block[V]) -> list[_Block[V]]:
    """Neighbours that have become small in one: so a run does not fall to pieces."""
    joined: list[_Block[V]] = []
    for block in blocks:
        if joined and len(joined[-1]) + len(block) <= _BLOCK // 2:
            joined[-1] += block
        elif block:
            joined.append(block)
    return joined


def _without(block: _Block[V], one: Numbered[V]) -> _Block[V]:
    at = bisect_left(block, one[0], key=_number)
    return block[:at] + block[at + 1 :]


def _number(one: Numbered[V]) -> int:
    return one[0]


def _first_number(block: _Block[V]) -> int:
    return block[0][0]


def things_of(run: Run[V] | None) -> Iterator[Numbered[V]]:
    """All things of a run, in order."""
    return chain(chain.from_iterable(run[0]), run[1]) if run else iter(())


def first_of(run: Run[V], count: int) -> Iterable[Numbered[V]]:
    """The first few things of a run."""
    blocks, last = run
    return islice(things_of(run), count) if blocks else last[:count]
