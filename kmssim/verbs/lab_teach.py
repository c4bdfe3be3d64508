"""`kmssim lab pack|grade|report`: for classes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kmssim.verbs.options import FINE, print_json, say, with_json

_labs = click.option("--labs", "names", metavar="LAB,LAB…", help="These labs only, by id or number.")
_seed = click.option("--seed", type=click.IntRange(0), help="Other names, account numbers and key ids, by this number.")


@click.command
@_labs
@_seed
@click.option("--no-skip", is_flag=True, help="Labs cannot be skipped.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="class.zip", show_default=True)
@with_json
def pack(names: str | None, seed: int | None, out: Path, *, no_skip: bool, as_json: bool) -> None:
    """One zip for a class: exercises and scenarios, no solutions and no checks."""
    from kmssim.labs.packing import pack as pack_labs
    from kmssim.labs.progress_file import Progress

    progress = Progress(may_skip=not no_skip, seed=seed, keeping=_keeping(seed))
    packed = pack_labs(_shipped(seed), _split(names), out, progress)
    text = f"{out}: {len(packed)} labs{f', seed {seed}' if seed is not None else ''}.\n"
    text += "Hand it out. Each learner unzips it and hands in the folder, zipped, under the learner's name."
    say({"file": str(out), "labs": [str(each) for each in packed], "seed": seed}, text, as_json=as_json)


@click.command
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_labs
@_seed
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a CSV file.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit XML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the grades as JSON.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
def grade(  # noqa: PLR0913 - an argument for each option
    folder: Path,
    names: str | None,
    seed: int | None,
    csv_file: Path | None,
    junit_file: Path | None,
    processes: int,
    *,
    as_json: bool,
) -> None:
    """Grade the zips in FOLDER. `--seed`: as it was packed."""
    from kmssim.labs.grading import grade_class, grades_csv, grades_json, grades_junit, grades_text
    from kmssim.labs.packing import hand_ins
    from kmssim.progress import showing_progress

    with showing_progress(len(hand_ins(folder)), "grading") as advance:
        graded = grade_class(folder, _shipped(seed), _split(names), seed=seed, processes=processes, told=advance)
    for file, write in ((csv_file, grades_csv), (junit_file, grades_junit)):
        if file is not None:
            file.write_text(write(graded), encoding="utf-8")
    if as_json:
        print_json(grades_json(graded))
    else:
        click.echo(grades_text(graded), nl=False)
    sys.exit(FINE)


@click.command
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_json
def report(file: Path, *, as_json: bool) -> None:
    """Which checks and which beliefs trip most, from what `grade --json` wrote."""
    from kmssim.labs.grading import missed_lines, read_grades

    graded = read_grades(file)
    solved = sum(each.state == "solved" for each in graded.grades)
    people, missed = len({each.who for each in graded.grades}), missed_lines(graded)
    text = "\n".join([f"{solved} of {len(graded.grades)} labs solved by {people} people", *missed])
    say({"labs": len(graded.grades), "solved": solved, "people": people, "missed": missed}, text, as_json=as_json)


def _shipped(seed: int | None) -> Path:
    from kmssim.labs.folder import shipped_folder
    from kmssim.labs.seeds import seeded_labs

    return shipped_folder() if seed is None else seeded_labs(shipped_folder(), seed)


def _keeping(seed: int | None) -> tuple[str, ...] | None:
    from kmssim.labs.folder import shipped_folder
    from kmssim.labs.seeds import keeping_names

    return None if seed is None else tuple(sorted(keeping_names(shipped_folder(), seed)))


def _split(names: str | None) -> Sequence[str]:
    return [name.strip() for name in names.split(",") if name.strip()] if names else []


COMMANDS = {"pack": pack, "grade": grade, "report": report}
