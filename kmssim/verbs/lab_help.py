"""`kmssim lab hint|diff|reset|solution|doctor|open`: when it does not go on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from kmssim.labs.folder import Lab
    from kmssim.labs.workspace import Workspace


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--level", type=click.IntRange(1, 3), help="This hint, and not the next one.")
def hint(name: str | None, level: int | None) -> None:
    """The next of three hints: the rule, the element, the way with a hole."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    click.echo(next_hint(workspace, workspace.find(name), level), nl=False)


def next_hint(workspace: Workspace, lab: Lab, level: int | None) -> str:
    """The text of a hint; how many were asked for is noted in the learner's own file."""
    from kmssim.labs.showing import hint_text

    answer = workspace.answer(lab)
    seen = workspace.read().of(lab.id).hints
    wanted = level or min(seen + 1, len(answer.metadata.hints))
    workspace.note(lab, hints=max(seen, wanted))
    return hint_text(answer, wanted)


@click.command
@click.argument("name", metavar="LAB", required=False)
def diff(name: str | None) -> None:
    """Your answer against the exercise as shipped; once the lab is done, against the solution."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    click.echo(diff_text(workspace, workspace.find(name)))


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
def reset(name: str | None, *, every: bool) -> None:
    """Put LAB (the current one) back as shipped. What was there is kept in a dated copy beside it."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    for lab in workspace.labs() if every else [workspace.find(name)]:
        click.echo(f"{lab.id} is as shipped again; what was there is in {workspace.reset(lab)}.")


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--give-up", is_flag=True, help="Show it although the lab is not done; that is noted.")
def solution(name: str | None, *, give_up: bool) -> None:
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
    click.echo(solution_text(lab), nl=False)


@click.command
def doctor() -> None:
    """Look whether this machine is fit for the labs."""
    from kmssim.labs.doctor import examine
    from kmssim.labs.outcomes import ExitCode
    from kmssim.labs.workspace import find_workspace_near

    folder = find_workspace_near()
    fine = True
    for finding in examine(folder):
        fine = fine and finding.fine
        click.echo(f"{'ok   ' if finding.fine else 'WRONG'} {finding.name}: {finding.said}")
    sys.exit(0 if fine else ExitCode.MACHINE.value)


@click.command(name="open")
@click.argument("name", metavar="LAB", required=False)
@click.option("--page", is_flag=True, help="The page with the picture, in a browser.")
@click.option("--list", "listed", is_flag=True, help="The page of all labs with your progress, in a browser.")
def open_lab(name: str | None, *, page: bool, listed: bool) -> None:
    """Open the files of LAB (the current one) in your editor: $VISUAL, $EDITOR, or what the system takes."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    answer = workspace.answer(lab)
    files = [str(answer.file(edit.path)) for edit in answer.metadata.edit]
    if page or listed:
        files = [str(_made_anew(workspace, None if listed else lab))]
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
