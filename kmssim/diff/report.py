"""A comparison of two worlds → a table for people, and the same as data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from kmssim.access import caller_name
from kmssim.circumstances import Circumstance
from kmssim.diff.changes import ChangeKind, Comparison
from kmssim.diff.circumstances import actions_of
from kmssim.diff.keys import KeyPair
from kmssim.diff.rows import Manner, Row, rows_of, shortened
from kmssim.evaluator.decision import PathKind
from kmssim.wording import listed

Json = dict[str, Any]

_WIDTH = 80
_NARROWEST = 28
_COLORS = {ChangeKind.GAINED: "yellow", ChangeKind.LOST: "red", ChangeKind.REROUTED: "cyan"}

PATHS: Mapping[PathKind, str] = {
    PathKind.IAM: "IAM alone",
    PathKind.GRANT: "a grant",
    PathKind.DIRECT: "the key policy itself",
    PathKind.DELEGATION: "the key policy's delegation to IAM",
    PathKind.ACROSS: "key policy and IAM across accounts",
}


def comparison_json(old: str, new: str, comparison: Comparison) -> Json:
    """The comparison in the words that tools read: one entry for each question whose answer differs."""
    return {
        "old": old,
        "new": new,
        "keys": [_pair_json(pair) for pair in comparison.pairs],
        "changes": [
            {
                "change": change.kind.value,
                "principal": change.principal.arn,
                "key": change.pair.key.arn,
                "operation": change.action,
                **_circumstances_json(change.circumstances),
                "paths_before": sorted(way.value for way in change.ways_before),
                "paths_now": sorted(way.value for way in change.ways_now),
            }
            for change in comparison.changes
        ],
        "unstated_condition_keys": list(comparison.unstated),
        "totals": {
            "keys": len(comparison.pairs),
            "callers": len(comparison.callers),
            "asked": comparison.asked,
            **{kind.value: len(comparison.of(kind)) for kind in ChangeKind},
        },
    }


def _pair_json(pair: KeyPair) -> Json:
    return {
        "name": pair.name,
        "old": pair.old.arn if pair.old else None,
        "new": pair.new.arn if pair.new else None,
    }


def _circumstances_json(circumstances: Circumstance) -> Json:
    context = circumstances.encryption_context
    return {
        "encryption_context": dict(context) if context is not None else None,
        "via": circumstances.via,
        "grant": circumstances.grant,
    }


def comparison_text(old: str, new: str, comparison: Comparison, *, color: bool) -> str:
    """A row for each caller, key and manner of change, and the totals below; at most 80 columns where names permit."""
    lines = [f"{old} -> {new}", ""]
    rows = rows_of(comparison)
    if rows:
        lines += [*_table(comparison, rows, color=color), ""]
    lines += textwrap.wrap(_totals(comparison), _WIDTH)
    if comparison.unstated:
        keys = listed(list(comparison.unstated))
        lines += textwrap.wrap(f"Not asked for: what changed statements say about {keys}.", _WIDTH)
    return "\n".join(lines) + "\n"


def _table(comparison: Comparison, rows: tuple[Row, ...], *, color: bool) -> Iterator[str]:
    headings = ("change", "principal") if len(comparison.pairs) == 1 else ("change", "principal", "key")
    names = [_names(row.manner)[: len(headings)] for row in rows]
    widths = [max(len(cells[column]) for cells in (headings, *names)) for column in range(len(headings))]
    left = max(_NARROWEST, _WIDTH - sum(widths) - 2 * len(widths))
    yield _aligned(headings, widths) + "operations"
    yield "  ".join("-" * width for width in (*widths, left))
    for row, cells in zip(rows, names, strict=True):
        wrapped = textwrap.wrap(_operations(row), left, break_long_words=False, break_on_hyphens=False)
        for index, part in enumerate(wrapped):
            line = _aligned(cells if index == 0 else [""] * len(widths), widths) + part
            yield click.style(line, fg=_COLORS[row.manner.kind]) if color else line


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(text.ljust(width) + "  " for text, width in zip(texts, widths, strict=True))


def _names(manner: Manner) -> tuple[str, str, str]:
    return manner.kind.value, caller_name(manner.principal), manner.pair.name


def _operations(row: Row) -> str:
    """The operations, how many, under which circumstances, by which paths."""
    short = shortened(row.operations, actions_of(row.manner.pair))
    count = f" ({len(row.operations)})" if "*" in short else ""
    when = f"; only {' or '.join(row.manner.when)}" if row.manner.when else ""
    return short + count + when + _by(row.manner)


def _by(manner: Manner) -> str:
    if manner.kind is not ChangeKind.REROUTED:
        return ""
    return f"; was by {_ways(manner.ways_before)}, now by {_ways(manner.ways_now)}"


def _ways(ways: frozenset[PathKind]) -> str:
    return listed([text for way, text in PATHS.items() if way in ways])


def _totals(comparison: Comparison) -> str:
    counts = {kind: len(comparison.of(kind)) for kind in ChangeKind}
    same = "Nobody gains or loses access." if not counts[ChangeKind.GAINED] + counts[ChangeKind.LOST] else ""
    told = same or f"{counts[ChangeKind.GAINED]} gained, {counts[ChangeKind.LOST]} lost."
    if counts[ChangeKind.REROUTED]:
        told += f" {counts[ChangeKind.REROUTED]} still allowed, by other paths."
    keys, callers = len(comparison.pairs), len(comparison.callers)
    return f"{told} {_counted(keys, 'key')}, {_counted(callers, 'caller')}, {_counted(comparison.asked, 'question')}."


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
