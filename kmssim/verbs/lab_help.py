"""`kmssim lab hint|diff|reset|solution|doctor|open`: when it does not go on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import print_json, say, with_json

if TYPE_CHECKING:
    from pathlib import Path

    from kmssim.labs.folder import Lab
    from kmssim.labs.workspace import Workspace


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--level", type=click.IntRange(1, 3), help="This hint, and not the next one.")
@with_json
def hint(name: str | None, level: int | None, *, as_json: bool) -> None:
    """The next of three hints: the rule, the element, the way with a hole."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    text = next_hint(workspace, lab, level)
    say({"lab": lab.id, "seen": workspace.read().of(lab.id).hints, "text": text}, text, as_json=as_json)


_NO_MORE = "\nThat was the last hint, once more. `kmssim lab solution --give-up` shows the whole way."


def next_hint(workspace: Workspace, lab: Lab, level: int | None) -> str:
    """The text of a hint; how many were asked for is noted in the learner's own file."""
    from kmssim.labs.showing import hint_text

    answer = workspace.answer(lab)
    seen = workspace.read().of(lab.id).hints
    last = len(answer.metadata.hints)
    wanted = level or min(seen + 1, last)
    workspace.note(lab, hints=max(seen, wanted))
    return hint_text(answer, wanted) + (_NO_MORE if level is None and seen >= last else "")


@click.command
@click.argument("name", metavar="LAB", required=False)
@with_json
def diff(name: str | None, *, as_json: bool) -> None:
    """Your answer against the exercise as shipped; once the lab is done, against the solution."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    text = diff_text(workspace, lab)
    say({"lab": lab.id, "text": text}, text, as_json=as_json)


def diff_text(workspace: Workspace, lab: Lab) -> str:
    """What differs, or that nothing does."""
    from kmssim.labs.progress_file import Standing
    from kmssim.labs.showing import differences
    from kmssim.labs.variants import exercise_of, solution_of

    answer = workspace.answer(lab)
    is_done = workspace.read().of(lab.id).standing(answer.digest, answer.metadata.version) is Standing.DONE
    if is_done:
        return (
            differences(answer, solution_of(lab), ("yours", "solution"))
            or "Your answer is the solution, to the letter."
        )
    return (
        differences(exercise_of(lab), answer, ("shipped", "yours")) or "Nothing has changed since the lab was written."
    )


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--all", "every", is_flag=True, help="Every lab.")
@with_json
def reset(name: str | None, *, every: bool, as_json: bool) -> None:
    """Put LAB (the current one) back as shipped. What was there is kept in a dated copy beside it."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    kept = {lab.id: workspace.reset(lab) for lab in (workspace.labs() if every else [workspace.find(name)])}
    lines = [f"{lab_id} is as shipped again; what was there is in {copy}." for lab_id, copy in kept.items()]
    say({lab_id: str(copy) for lab_id, copy in kept.items()}, "\n".join(lines), as_json=as_json)


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--give-up", is_flag=True, help="Show it although the lab is not done; that is noted.")
@with_json
def solution(name: str | None, *, give_up: bool, as_json: bool) -> None:
    """The solution of LAB (the current one), once it is done."""
    from kmssim.errors import InputError
    from kmssim.labs.progress_file import Standing
    from kmssim.labs.showing import solution_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    answer = workspace.answer(lab)
    is_done = workspace.read().of(lab.id).standing(answer.digest, answer.metadata.version) is Standing.DONE
    if not is_done and not give_up:
        raise InputError(f"{lab.id} is not done", hint="`kmssim lab hint` helps; --give-up shows it all the same")
    if not is_done:
        workspace.note(lab, gave_up=True)
    text = solution_text(lab)
    say({"lab": lab.id, "text": text}, text, as_json=as_json)


@click.command
@with_json
def doctor(*, as_json: bool) -> None:
    """Look whether this machine is fit for the labs."""
    from kmssim.labs.doctor import examine
    from kmssim.labs.outcomes import ExitCode
    from kmssim.labs.workspace import find_workspace_near

    folder = find_workspace_near()
    found = list(examine(folder))
    lines = [f"{'ok   ' if each.fine else 'WRONG'} {each.name}: {each.said}" for each in found]
    data = [{"name": each.name, "fine": each.fine, "said": each.said} for each in found]
    say(data, "\n".join(lines), as_json=as_json)
    sys.exit(0 if all(each.fine for each in found) else ExitCode.MACHINE.value)


@click.command(name="open")
@click.argument("name", metavar="LAB", required=False)
@click.option("--page", is_flag=True, help="The page with the picture, in a browser.")
@click.option("--list", "listed", is_flag=True, help="The page of all labs with your progress, in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON, and open nothing.")
def open_lab(name: str | None, *, page: bool, listed: bool, as_json: bool) -> None:
    """Open the files of LAB (the current one) in your editor: $VISUAL, $EDITOR, or what the system takes."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    answer = workspace.answer(lab)
    files = [str(answer.file(edit.path)) for edit in answer.metadata.edit]
    if page or listed:
        files = [str(_made_anew(workspace, None if listed else lab))]
    if as_json:
        print_json(files)
        return
    editor = None if page or listed else os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if editor:
        sys.exit(_edited_by(editor, files))
    for file in files:
        click.echo(file)
        click.launch(file)


def _edited_by(editor: str, files: list[str]) -> int:
    """The editor's exit code. Raises SetupError for one that cannot be started."""
    from kmssim.errors import SetupError

    try:
        return subprocess.run([*shlex.split(editor), *files], check=False).returncode  # noqa: S603 - the user's own
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SetupError(f"cannot start the editor `{editor}`: {why}; set VISUAL, or open {' '.join(files)}") from None


def _made_anew(workspace: Workspace, lab: Lab | None) -> Path:
    """The page of a lab; None: that of all labs. From either the other can be reached, so both are made."""
    from kmssim.pages.build import write_pages
    from kmssim.pages.learner import index_of, learner_pages

    write_pages(learner_pages(workspace))
    return index_of(workspace) if lab is None else workspace.copy_of(lab) / "index.html"


COMMANDS = {"hint": hint, "diff": diff, "reset": reset, "solution": solution, "doctor": doctor, "open": open_lab}
