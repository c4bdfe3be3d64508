"""`kmssim lab new|verify|mutate|render|schema|text|time`: for those who write labs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

from kmssim.verbs.options import FINDING, FINE, print_json, say, with_json

_MOST_NAMED = 6
_MOST_TIMES = 20


@click.command
@click.argument("lab_id", metavar="ID")
@click.option(
    "--type", "kind", type=click.Choice(["predict", "fix", "write", "attack"]), default="fix", show_default=True
)
@click.option("--in", "folder", type=click.Path(path_type=Path, file_okay=False), help="Instead of `labs` here.")
@with_json
def new(lab_id: str, kind: str, folder: Path | None, *, as_json: bool) -> None:
    """Write the folder of a new lab, ID such as 25_some_words, complete in form."""
    from kmssim.labs.new import write_new_lab

    target = write_new_lab(folder or Path("labs"), lab_id, kind)
    text = f"{target} is written. Now: its sentences, its scenario, and `kmssim lab verify {target}`."
    say({"folder": str(target)}, text, as_json=as_json)


@click.command
@click.argument("names", metavar="LAB...", nargs=-1)
@click.option("--no-mutants", is_flag=True, help="Leave out the mutants, which take the longest.")
@click.option("--no-page", is_flag=True, help="Do not look whether the page is fresh.")
@click.option("--processes", type=click.IntRange(1, 64), help="As many labs at a time; by default a processor each.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def verify(names: Sequence[str], *, no_mutants: bool, no_page: bool, processes: int | None, as_json: bool) -> None:
    """Hold labs (all of them) to what they promise: exercise, solution, wrong answers, mutants, page."""
    from kmssim.labs.folder import find_lab, find_labs
    from kmssim.labs.verify import verified_text, verify_all
    from kmssim.progress import showing_progress

    labs = [find_lab(name) for name in names] or list(find_labs())
    with showing_progress(len(labs), "verifying") as advance:
        checked = verify_all(labs, mutated=not no_mutants, processes=processes or os.cpu_count() or 1, told=advance)
    pages = [[] if no_page else [_page_of(lab)] for lab in labs]
    found = {lab.id: [*each, *page] for lab, each, page in zip(labs, checked, pages, strict=True)}
    if not as_json:
        for lab in labs:
            click.echo(verified_text(lab, found[lab.id]))
    if as_json:
        print_json({name: [vars(each) for each in checked] for name, checked in found.items()})
    sys.exit(FINE if all(each.holds for checked in found.values() for each in checked) else FINDING)


def _page_of(lab: Any) -> Any:  # noqa: ANN401 - a lab, a finding
    from kmssim.errors import InputError
    from kmssim.labs.verify import Verified

    folder = lab.folder.resolve()
    try:
        text = _pages_of(folder.parent)[folder / "index.html"]
    except InputError as error:
        return Verified("page", holds=False, said=f"cannot be made: {error}")
    is_fresh = lab.page.is_file() and lab.page.read_text(encoding="utf-8") == text
    return Verified("page", is_fresh, "fresh" if is_fresh else "stale: kmssim lab render")


@cache
def _pages_of(folder: Path) -> dict[Path, str]:
    """The pages of a folder of labs: they show one another, so they are made together."""
    from kmssim.labs.folder import find_labs
    from kmssim.pages.build import build_pages

    return build_pages(find_labs(folder))


@click.command
@click.argument("name", metavar="LAB")
@click.option("--json", "as_json", is_flag=True, help="Print the mutants as JSON.")
def mutate(name: str, *, as_json: bool) -> None:
    """Every mutant of a lab's solution, and the check that catches it."""
    from kmssim.labs.folder import find_lab
    from kmssim.labs.verify import mutate as all_mutants

    found = all_mutants(find_lab(name))
    if as_json:
        print_json([{"mutant": each.mutant.text, "caught_by": each.caught_by} for each in found])
    else:
        for each in found:
            click.echo(f"{each.caught_by or 'LIVES':<24} {each.mutant.text}")
        if not found:
            click.echo("The lab has no policy to edit, so there is nothing to mutate.")
    sys.exit(FINE if all(each.caught_by for each in found) else FINDING)


@click.command
@click.option("--check", "only_check", is_flag=True, help="Only say which pages are stale.")
@with_json
def render(*, only_check: bool, as_json: bool) -> None:
    """Make the pages of all labs anew."""
    from kmssim.pages.__main__ import make_pages

    sys.exit(make_pages(None, only_check=only_check, as_json=as_json))


@click.command
@click.option("--json", "as_json", is_flag=True, help="A schema is JSON anyway.")
def schema(*, as_json: bool) -> None:
    """Print the JSON Schema of a lab's metadata.json."""
    del as_json
    from kmssim.labs.metadata import metadata_schema

    print_json(metadata_schema())


@click.command
@click.argument("language", metavar="LANG")
@click.argument("names", metavar="LAB...", nargs=-1)
@click.option("--write", is_flag=True, help="Write text/LANG.json with the English texts that are missing.")
@with_json
def text(language: str, names: Sequence[str], *, write: bool, as_json: bool) -> None:
    """What is not translated into LANG (two letters) yet."""
    from kmssim.labs.folder import find_lab, find_labs
    from kmssim.labs.texts import untranslated, write_missing

    lines, found = [], {}
    for lab in [find_lab(name) for name in names] or find_labs():
        missing = found[lab.id] = list(untranslated(lab, language))
        shown = ", ".join([*missing[:_MOST_NAMED], *(["…"] if len(missing) > _MOST_NAMED else [])])
        lines.append(f"{lab.id}: " + (f"{len(missing)} missing ({shown})" if missing else "complete"))
        if write and missing:
            lines.append(f"  written: {write_missing(lab, language)}")
    say(found, "\n".join(lines), as_json=as_json)


@click.command
@click.argument("names", metavar="LAB...", nargs=-1)
@with_json
def time(names: Sequence[str], *, as_json: bool) -> None:
    """Which checks take the longest, with the solution's documents."""
    from kmssim.labs.checking import check_answer
    from kmssim.labs.folder import find_lab, find_labs
    from kmssim.labs.variants import solution_of

    taken = []
    for lab in [find_lab(name) for name in names] or find_labs():
        if lab.solution.is_dir():
            report = check_answer(solution_of(lab))
            taken.append((report.seconds, lab.id, "all checks, with the sandbox"))
            taken += [(each.seconds, lab.id, each.check.id) for each in report.results]
    longest = sorted(taken, reverse=True)[:_MOST_TIMES]
    lines = [f"{seconds:7.3f} s  {lab_id}  {what}" for seconds, lab_id, what in longest]
    data = [{"seconds": seconds, "lab": lab_id, "what": what} for seconds, lab_id, what in longest]
    say(data, "\n".join(lines), as_json=as_json)


COMMANDS = {
    "new": new,
    "verify": verify,
    "mutate": mutate,
    "render": render,
    "schema": schema,
    "text": text,
    "time": time,
}
