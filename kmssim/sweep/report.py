"""The counts of a large sweep, as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kmssim.sweep.large import Summary

_MOST_SHOWN = 5


def summary_text(summary: Summary, folder: Path | None) -> str:
    """A table of actions, the accounts that let most others in, and where the rows are."""
    return "\n".join(_lines(summary, folder)) + "\n"


def _lines(summary: Summary, folder: Path | None) -> Iterator[str]:
    size = summary.size
    yield (
        f"{size.accounts:,} accounts with keys, {size.callers:,} callers, {size.keys:,} keys: "
        f"{summary.pairs:,} questions"
    )
    yield ""
    width = max(len(action) for action in summary.actions)
    yield f"{'action':<{width}}  {'allowed':>13}  {'across accounts':>15}"
    for action in summary.actions:
        count = summary.total(action)
        yield f"{action:<{width}}  {count.allowed:>13,}  {count.across:>15,}"
    yield from _most_open(summary)
    yield ""
    if summary.resumed:
        yield f"{summary.resumed:,} accounts were done before."
    if folder is not None:
        yield f"Rows by account: {folder / 'rows'}; counts: {folder / 'summary.json'}."
    if summary.peak:
        yield f"The most memory of a worker: {summary.peak:,} MiB; of this process: {summary.peak_here:,} MiB."


def _most_open(summary: Summary) -> Iterator[str]:
    across = {account: sum(count.across for count in counts.values()) for account, counts in summary.by_account.items()}
    first = sorted((account for account in across if across[account]), key=lambda one: (-across[one], one))
    if first:
        yield ""
        yield "Most open to other accounts:"
    for account in first[:_MOST_SHOWN]:
        yield f"  {account}  {across[account]:,}"
