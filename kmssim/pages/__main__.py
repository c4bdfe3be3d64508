"""`python -m kmssim.pages`: `kmssim pages build` for the labs here; with `--check`, change nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from kmssim.errors import KmssimError
from kmssim.labs.folder import find_labs
from kmssim.pages.build import pages_of, stale_pages, write_pages
from kmssim.pages.lesson import prepare_all


def make_pages(folder: Path | None, *, only_check: bool, as_json: bool = False) -> int:
    """Write the pages that changed, or only name them; 0 when all is well, 1 when a page is stale, 2 on a broken lab.

    A lab that cannot be read is told, and holds up no other. Raises InputError when there are no labs, SetupError when
    a page cannot be written.
    """
    lessons, problems = prepare_all(find_labs(folder))
    pages = pages_of(lessons)
    stale = stale_pages(pages) if only_check else write_pages(pages)
    click.echo(changed_text(stale, only_check=only_check, as_json=as_json), nl=False)
    for problem in problems:
        click.echo(f"kmssim: no page, the lab cannot be read: {problem}", err=True)
    return 2 if problems else 1 if only_check and stale else 0


def changed_text(paths: Iterable[Path], *, only_check: bool, as_json: bool) -> str:
    """Which pages were written, or are stale: a line each, or JSON."""
    word = "stale" if only_check else "written"
    if as_json:
        return json.dumps({word: [str(path) for path in paths]}, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"{word}: {path}\n" for path in paths)


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
