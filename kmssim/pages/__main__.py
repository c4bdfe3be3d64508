"""`python -m kmssim.pages`: make the pages of all labs anew; with `--check`, say which are stale and change nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from kmssim.errors import KmssimError
from kmssim.labs.folder import find_labs
from kmssim.pages.build import build_pages, stale_pages


def main(arguments: Sequence[str]) -> int:
    """Write the pages that changed, or check them; 0 when all is well, 1 when a page is stale, 2 on bad input."""
    if arguments not in ([], ["--check"]):
        click.echo("usage: python -m kmssim.pages [--check]", err=True)
        return 2
    try:
        stale = stale_pages(build_pages(find_labs()))
    except KmssimError as error:
        click.echo(f"kmssim.pages: {error}", err=True)
        return 2
    for path, text in stale.items():
        click.echo(f"{'stale' if arguments else 'written'}: {path}")
        if not arguments:
            path.write_text(text, encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
