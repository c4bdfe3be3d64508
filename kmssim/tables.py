"""Comparisons → tables for people, and the same as data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from kmssim.compare import Comparison, Row, Totals
from kmssim.sandbox.observed import Observed

Json = dict[str, Any]

_WIDTH = 118


def comparisons_json(comparisons: Sequence[Comparison], totals: Totals) -> Json:
    """The comparison in the words that tools read."""
    return {
        "scenarios": [
            {"file": comparison.file, "title": comparison.title, "rows": [_row_json(row) for row in comparison.rows]}
            for comparison in comparisons
        ],
        "totals": {
            "requests": totals.requests,
            "made": totals.made,
            "agree": totals.agree,
            "expected": totals.expected,
            "as_expected": totals.as_expected,
        },
    }


def _row_json(row: Row) -> Json:
    return {
        "name": row.name,
        "principal": row.principal,
        "operation": row.operation,
        "predicted": {
            "decision": row.predicted.decision,
            "layers": list(row.predicted.layers),
            "error": row.predicted.error,
        },
        "sandbox": _observed_json(row.sandbox),
        "moto": _observed_json(row.moto),
        "moto_iam": _observed_json(row.moto_iam),
        "agrees": row.agrees,
        "as_expected": row.as_expected,
        "moto_differs_because": row.moto_differs_because,
        "uncertain": list(row.uncertain),
    }


def _observed_json(observed: Observed) -> Json:
    return {"decision": observed.decision, "error": observed.error, "message": observed.message}


_HEADINGS = ("principal", "call", "predicted", "decided by", "moto", "moto + IAM", "sandbox", "agree")


def comparisons_text(comparisons: Sequence[Comparison], totals: Totals, *, color: bool) -> str:
    """One table for each scenario, one row for each request, the totals below."""
    lines: list[str] = []
    for comparison in comparisons:
        lines += [*_scenario_lines(comparison, color=color), ""]
    lines.append(_totals_line(totals))
    return "\n".join(lines) + "\n"


def _scenario_lines(comparison: Comparison, *, color: bool) -> Iterator[str]:
    yield comparison.title + (f"  ({comparison.file})" if comparison.file else "")
    cells = [_HEADINGS, *(_cells(row) for row in comparison.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
    yield _aligned(_HEADINGS, widths)
    yield "  ".join("-" * width for width in widths)
    for row, texts in zip(comparison.rows, cells[1:], strict=True):
        line = _aligned(texts, widths)
        yield click.style(line, fg="red") if color and _is_wrong(row) else line
        yield from _remarks(row)


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _is_wrong(row: Row) -> bool:
    return row.agrees is False or row.as_expected is False


def _cells(row: Row) -> tuple[str, ...]:
    agree = {True: "yes", False: "NO", None: "-"}[row.agrees]
    return (
        row.principal.split(":", 4)[-1] if row.principal.startswith("arn:") else row.principal,
        row.operation,
        _word(row.predicted.decision, row.predicted.error),
        ", ".join(row.predicted.layers) or "-",
        _word(row.moto.decision, row.moto.error),
        _word(row.moto_iam.decision, row.moto_iam.error),
        _word(row.sandbox.decision, row.sandbox.error),
        agree,
    )


_DENIALS = {None, "AccessDeniedException", "AccessDenied", "403"}


def _word(decision: str | None, error: str | None) -> str:
    """`DENY`, `ALLOW`, or the error that an authorized call ended with."""
    if decision is None:
        return "-"
    return decision if error in _DENIALS else f"{decision}, {error.removesuffix('Exception')}" if error else decision


def _remarks(row: Row) -> Iterator[str]:
    """What a reader must know beside the row: why, what moto does not know, what went wrong."""
    notes = [f"{row.name}: {row.because}"]
    if row.moto_differs_because:
        notes.append(f"moto alone differs: {row.moto_differs_because}")
    if row.uncertain:
        notes.append(f"uncertain: rests on {', '.join(row.uncertain)}, which AWS leaves open")
    if row.sandbox.decision is None and row.sandbox.message:
        notes.append(f"not made: {row.sandbox.message}")
    if row.agrees is False:
        notes.append(f"THE SANDBOX ANSWERED OTHERWISE: {row.sandbox.message}")
    if row.as_expected is False:
        notes.append("NOT AS THE SCENARIO EXPECTS")
    for note in notes:
        yield from textwrap.wrap(
            note, _WIDTH, initial_indent="    ", subsequent_indent="      ", break_long_words=False
        )


def _totals_line(totals: Totals) -> str:
    line = f"{totals.requests} requests: {totals.agree} of {totals.made} agree with the sandbox"
    if totals.expected:
        line += f", {totals.as_expected} of {totals.expected} are as the scenarios expect"
    return line
