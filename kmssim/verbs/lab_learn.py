"""`kmssim lab start|list|next|goto|skip|show|status`: the way through the labs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmssim.verbs.options import print_json, say, with_json

if TYPE_CHECKING:
    from kmssim.labs.folder import Lab
    from kmssim.labs.workspace import Workspace


@click.command
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@with_json
def start(folder: Path | None, *, as_json: bool) -> None:
    """Write the labs into FOLDER (kmssim-labs), and show the first task.

    Labs that are there already stay as they are; new ones are added.
    """
    from kmssim.labs.showing import status_line, task_json, task_text
    from kmssim.labs.workspace import DEFAULT_NAME, find_workspace_here
    from kmssim.labs.workspace import start as start_in

    workspace, added = start_in(folder or find_workspace_here() or Path(DEFAULT_NAME))
    lab = workspace.find()
    workspace.go_to(lab)
    text = f"{len(added)} labs written to {workspace.folder}. {status_line(workspace.standings())}.\n\n"
    text += task_text(workspace, lab)
    if Path.cwd().resolve() != workspace.folder.resolve():
        text += f"\nFirst: cd {workspace.folder}\n"
    written = {"folder": str(workspace.folder), "written": [str(each) for each in added]}
    say({**written, "task": task_json(workspace, lab)}, text, as_json=as_json)


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
@with_json
def next_lab(*, as_json: bool) -> None:
    """Go on to the next open lab, and show its task."""
    from kmssim.labs.showing import status_line
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.next()
    if lab is None:
        say(None, f"No lab is open: {status_line(workspace.standings())}.", as_json=as_json)
        return
    workspace.go_to(lab)
    _show(workspace, lab, as_json=as_json)


def _show(workspace: Workspace, lab: Lab, *, as_json: bool) -> None:
    """The task; and the way there, for who stands in another lab's folder, where every verb means that lab."""
    from kmssim.labs.showing import task_json, task_text

    text = task_text(workspace, lab)
    here, there = Path.cwd().resolve(), workspace.copy_of(lab).resolve()
    if here.is_relative_to(workspace.folder.resolve()) and here != workspace.folder.resolve():
        text += "" if here.is_relative_to(there) else f"\nFirst: cd {there}\n"
    say(task_json(workspace, lab), text, as_json=as_json)


@click.command
@click.argument("name", metavar="LAB")
@with_json
def goto(name: str, *, as_json: bool) -> None:
    """Go to LAB, whichever it is, and show its task."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    workspace.go_to(lab)
    _show(workspace, lab, as_json=as_json)


@click.command
@click.argument("name", metavar="LAB", required=False)
@with_json
def skip(name: str | None, *, as_json: bool) -> None:
    """Leave LAB (the current one) out. Skipped is not done, and you can come back."""
    from kmssim.errors import InputError
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    if not workspace.read().may_skip:
        raise InputError("these labs were packed without skipping", hint="ask whoever gave them to you")
    lab = workspace.find(name)
    workspace.note(lab, skipped=True)
    following = workspace.next()
    text = f"{lab.id} is skipped. Come back with: kmssim lab goto {lab.id[:2]}\n"
    text += f"next: kmssim lab next   ({following.id})" if following else "No other lab is open."
    say({"skipped": lab.id, "next": following.id if following else None}, text, as_json=as_json)


@click.command
@click.argument("name", metavar="LAB", required=False)
@with_json
def show(name: str | None, *, as_json: bool) -> None:
    """The task of LAB (the current one), its files and checks."""
    from kmssim.labs.showing import task_json, task_text
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    say(task_json(workspace, lab), task_text(workspace, lab), as_json=as_json)


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
