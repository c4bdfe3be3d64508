"""Changes → rows that a person reads: the operations of one caller on one key that changed alike, together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from kmssim.circumstances import PLAIN, Circumstance
from kmssim.diff.changes import Change, ChangeKind, Comparison
from kmssim.diff.keys import KeyPair
from kmssim.diff.when import when
from kmssim.evaluator.decision import PathKind
from kmssim.evaluator.request import Principal

_FAMILIES = ("kms:GenerateDataKey", "kms:ReEncrypt", "kms:Get", "kms:List")
"""The starts that policies put before a star."""
_FEW = 3
"""So many operations may be missing for the rest to be told as all but these."""


@dataclass(frozen=True)
class Manner:
    """How the answers to one caller about an operation on one key changed.

    `when`: under which circumstances, in words; empty: under all that were asked about.
    """

    kind: ChangeKind
    principal: Principal
    pair: KeyPair
    when: tuple[str, ...]
    ways_before: frozenset[PathKind] = frozenset()
    ways_now: frozenset[PathKind] = frozenset()


@dataclass(frozen=True)
class Row:
    """The operations that changed in the same manner."""

    manner: Manner
    operations: tuple[str, ...]


def rows_of(comparison: Comparison) -> tuple[Row, ...]:
    """The changes in rows: gained before lost before rerouted, else in the order in which they were found."""
    alike: dict[Manner, list[str]] = {}
    for kind in ChangeKind:
        for manner, action in _manners(comparison, kind):
            alike.setdefault(manner, []).append(action)
    return tuple(Row(manner, tuple(actions)) for manner, actions in alike.items())


def _manners(comparison: Comparison, kind: ChangeKind) -> Iterator[tuple[Manner, str]]:
    """Each operation of each caller whose answers changed, with the manner."""
    together: dict[Change, list[Circumstance]] = {}
    for change in comparison.of(kind):
        together.setdefault(replace(change, circumstances=PLAIN), []).append(change.circumstances)
    for change, found in together.items():
        told = when(found, change.asked, change.pair)
        manner = Manner(kind, change.principal, change.pair, told, change.ways_before, change.ways_now)
        yield manner, change.action


def shortened(operations: Collection[str], known: Collection[str]) -> str:
    """The operations in the fewest words: `kms:*`, `kms:* but kms:Decrypt`, a star for a whole family of `known`."""
    missing = [operation for operation in known if operation not in operations]
    if not missing and len(known) > 1:
        return "kms:*"
    if len(missing) <= _FEW < len(operations):
        return f"kms:* but {', '.join(missing)}"
    left = list(operations)
    for start in _FAMILIES:
        family = [operation for operation in known if operation.startswith(start)]
        if len(family) > 1 and set(family) <= set(left):
            at = left.index(family[0])
            left = [operation for operation in left if operation not in family]
            left.insert(at, f"{start}*")
    return ", ".join(left)
