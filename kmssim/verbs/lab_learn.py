"""`kmssim lab start|list|next|goto|skip|show|status`: the way through the labs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kmssim.verbs.options import print_json


@click.command
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
def start(folder: Path | None) -> None:
    """Write the labs into FOLDER (kmssim-labs), and show the first task.

    Labs that are there already stay as they are; new ones are added.
    """
    from kmssim.labs.showing import status_line, task_text
    from kmssim.labs.workspace import DEFAULT_NAME, find_workspace_here
    from kmssim.labs.workspace import start as start_in

    workspace, added = start_in(folder or find_workspace_here() or Path(DEFAULT_NAME))
    click.echo(f"{len(added)} labs written to {workspace.folder}. {status_line(workspace.standings())}.\n")
    lab = workspace.find()
    workspace.go_to(lab)
    click.echo(task_text(workspace, lab), nl=False)
    if Path.cwd().resolve() != workspace.folder.resolve():
        click.echo(f"\nFirst: cd {workspace.folder}")


@click.command(name="list")
@click.option("--part", metavar="WORDS", help="Only this part of the curriculum.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_labs(part: str | None, *, as_json: bool) -> None:
    """All labs, with where you stand."""
    from kmssim.errors import InputError
    from kmssim.labs.showing import list_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    standings = workspace.standings()
    found = [each for each in standings if part is None or part.lower() in each.metadata.part.lower()]
    if not found:
        parts = ", ".join(dict.fromkeys(each.metadata.part for each in standings))
        raise InputError(f"no part has `{part}` in its name", hint=f"there are: {parts}")
    if as_json:
        print_json([_said(each) for each in found])
    else:
        click.echo(list_text(found, workspace.read().current), nl=False)


def _said(each: Any) -> dict[str, object]:  # noqa: ANN401 - labs are imported when a verb runs
    return {
        "id": each.lab.id,
        "title": each.metadata.title,
        "part": each.metadata.part,
        "type": each.metadata.type,
        "level": each.metadata.level,
        "minutes": each.metadata.minutes,
        "standing": each.standing.value,
        "hints": each.record.hints,
        "gave_up": each.record.gave_up,
        "minutes_taken": each.record.minutes,
    }


@click.command(name="next")
def next_lab() -> None:
    """Go on to the next open lab, and show its task."""
    from kmssim.labs.showing import status_line, task_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.next()
    if lab is None:
        click.echo(f"No lab is open: {status_line(workspace.standings())}.")
        return
    workspace.go_to(lab)
    click.echo(task_text(workspace, lab), nl=False)


@click.command
@click.argument("name", metavar="LAB")
def goto(name: str) -> None:
    """Go to LAB, whichever it is, and show its task."""
    from kmssim.labs.showing import task_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    workspace.go_to(lab)
    click.echo(task_text(workspace, lab), nl=False)


@click.command
@click.argument("name", metavar="LAB", required=False)
def skip(name: str | None) -> None:
    """Leave LAB (the current one) out. Skipped is not done, and you can come back."""
    from kmssim.errors import InputError
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    if not workspace.read().may_skip:
        raise InputError("these labs were packed without skipping", hint="ask whoever gave them to you")
    lab = workspace.find(name)
    workspace.note(lab, skipped=True)
    following = workspace.next()
    click.echo(f"{lab.id} is skipped. Come back with: kmssim lab goto {lab.id[:2]}")
    click.echo(f"next: kmssim lab next   ({following.id})" if following else "No other lab is open.")


@click.command
@click.argument("name", metavar="LAB", required=False)
def show(name: str | None) -> None:
    """The task of LAB (the current one), its files and checks."""
    from kmssim.labs.showing import task_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    click.echo(task_text(workspace, workspace.find(name)), nl=False)


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(*, as_json: bool) -> None:
    """How far you are."""
    from kmssim.labs.showing import status_line
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    standings = workspace.standings()
    current = workspace.find()
    if as_json:
        print_json(
            {"folder": str(workspace.folder), "current": current.id, "labs": [_said(each) for each in standings]}
        )
        return
    click.echo(f"{workspace.folder}: {status_line(standings)}. Current: {current.id}.")


COMMANDS = {
    "start": start,
    "list": list_labs,
    "next": next_lab,
    "goto": goto,
    "skip": skip,
    "show": show,
    "status": status,
}
