"""`python -m kmssim.pages`: `kmssim pages build` for the labs here; with `--check`, change nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kmssim.errors import KmssimError
from kmssim.labs.folder import find_labs
from kmssim.pages.build import pages_of, stale_pages, write_pages
from kmssim.pages.lesson import prepare_all


def make_pages(folder: Path | None, *, only_check: bool) -> int:
    """Write the pages that changed, or only name them; 0 when all is well, 1 when a page is stale, 2 on a broken lab.

    A lab that cannot be read is told, and holds up no other. Raises InputError when there are no labs, SetupError when
    a page cannot be written.
    """
    lessons, problems = prepare_all(find_labs(folder))
    pages = pages_of(lessons)
    stale = stale_pages(pages) if only_check else write_pages(pages)
    for path in stale:
        click.echo(f"{'stale' if only_check else 'written'}: {path}")
    for problem in problems:
        click.echo(f"kmssim: no page, the lab cannot be read: {problem}", err=True)
    return 2 if problems else 1 if only_check and stale else 0


def main(arguments: Sequence[str]) -> int:
    """Make or check the pages of the labs here; the exit code."""
    if arguments not in ([], ["--check"]):
        click.echo("usage: python -m kmssim.pages [--check]", err=True)
        return 2
    try:
        return make_pages(None, only_check=bool(arguments))
    except KmssimError as error:
        click.echo(f"kmssim.pages: {error}", err=True)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
