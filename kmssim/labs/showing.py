"""What a learner asks to see of a lab: the task, the hints, the differences, where things stand."""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.labs.progress_file import Standing
from kmssim.labs.variants import Variant, solution_of
from kmssim.labs.workspace import Standings, Workspace

_WIDTH = 100
_HOLE = "…  (your part)"


def task_text(workspace: Workspace, lab: Lab) -> str:
    """The task of a lab, the files to edit, and what to do next."""
    answer = workspace.answer(lab)
    metadata = answer.metadata
    lines = [
        f"{lab.id}  {metadata.title}",
        f"level {metadata.level} · about {metadata.minutes} minutes · {metadata.type}",
        "",
    ]
    for paragraph in (metadata.story, metadata.task):
        lines += [*textwrap.wrap(paragraph, _WIDTH), ""]
    lines += [f"  {_shown(answer.file(edit.path))}   {edit.about}" for edit in metadata.edit]
    lines += ["", "What is checked:", *(f"  {check.id}: {check.claim}" for check in metadata.checks), ""]
    page = workspace.copy_of(lab) / "index.html"
    if page.is_file():
        lines.append(f"The picture: {_shown(page)}")
    first = "kmssim lab predict" if any(check.kind == "prediction" for check in metadata.checks) else "kmssim lab watch"
    lines.append(f"Now: {first}   ·   kmssim lab check   ·   kmssim lab hint")
    return "\n".join(lines) + "\n"


def task_json(workspace: Workspace, lab: Lab) -> dict[str, Any]:
    """The same as data."""
    answer = workspace.answer(lab)
    metadata = answer.metadata
    return {
        "id": lab.id,
        "title": metadata.title,
        "part": metadata.part,
        "type": metadata.type,
        "level": metadata.level,
        "minutes": metadata.minutes,
        "story": metadata.story,
        "task": metadata.task,
        "edit": [{"file": str(answer.file(edit.path)), "about": edit.about} for edit in metadata.edit],
        "checks": [{"id": check.id, "kind": check.kind, "claim": check.claim} for check in metadata.checks],
    }


def _shown(path: Path) -> str:
    """A path as short as it can be clicked."""
    here = Path.cwd().resolve()
    path = path.resolve()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def list_text(standings: Sequence[Standings], current: str | None) -> str:
    """All labs, each with where the learner stands; words carry it, not colour."""
    lines: list[str] = []
    part = ""
    for each in standings:
        if each.metadata.part != part:
            part = each.metadata.part
            lines += ["", part] if lines else [part]
        here = ">" if each.lab.id == current else " "
        also = _also(each)
        lines.append(
            f"{here} {each.standing.value:<8} {each.lab.id:<32} {each.metadata.type:<8} level {each.metadata.level}"
            f"  {each.metadata.minutes:>3} min{also}"
        )
    return "\n".join([*lines, "", status_line(standings)]) + "\n"


def _also(each: Standings) -> str:
    return "  solution seen before" if each.record.gave_up else ""


def status_line(standings: Sequence[Standings]) -> str:
    """How many labs are done, and the other standings that there are."""
    counts = {standing: sum(each.standing is standing for each in standings) for standing in Standing}
    parts = [f"{counts[Standing.DONE]} of {len(standings)} labs done"]
    parts += [
        f"{count} {standing.value}" for standing, count in counts.items() if count and standing is not Standing.DONE
    ]
    return ", ".join(parts)


def done_text(workspace: Workspace, lab: Lab, metadata: Metadata) -> str:
    """What is said when all checks pass. Nothing moves on by itself."""
    record = workspace.read().of(lab.id)
    facts = [f"{record.hints} hint{'' if record.hints == 1 else 's'}"]
    facts += [f"{record.minutes} minute{'' if record.minutes == 1 else 's'}"] if record.minutes else []
    lines = [f"All {len(metadata.checks)} checks pass. {lab.id} is done ({', '.join(facts)})."]
    lines += textwrap.wrap(f"What you can now say: {metadata.learned}", _WIDTH)
    following = workspace.next()
    next_step = f"next: kmssim lab next   ({following.id})" if following else "That was the last open lab."
    lines.append(f"{next_step}   ·   compare with the solution: kmssim lab diff")
    return "\n".join(lines) + "\n"


def differences(old: Variant, new: Variant, names: tuple[str, str]) -> str:
    """A unified diff of all edited files; "" where they are the same."""
    return "\n".join(_differences(old, new, names))


def _differences(
    old: Variant, new: Variant, names: tuple[str, str], without: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What differs in the files of an answer, but for the kinds `without`."""
    for edit in new.metadata.edit:
        if edit.kind in without:
            continue
        yield from difflib.unified_diff(
            _lines_of(old.file(edit.path)),
            _lines_of(new.file(edit.path)),
            f"{names[0]}/{edit.path}",
            f"{names[1]}/{edit.path}",
            lineterm="",
        )


def _lines_of(file: Path) -> list[str]:
    """The lines of a file; JSON in one form, so that what an editor did to it is no difference."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".json":
        with suppress(ValueError):  # shown as it is
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text.splitlines()


def diff_with_hole(answer: Variant) -> str:
    """The way from an answer to the solution, with the line that says the most left out of each change.

    Answers to predictions are no part of the way: they would be given away whole.
    """
    lines = list(_differences(answer, solution_of(answer.lab), ("exercise", "solution"), frozenset({"answers"})))
    return "\n".join(_with_holes(lines))


def _with_holes(lines: Sequence[str]) -> Iterator[str]:
    added: list[str] = []
    for line in (*lines, ""):
        if line.startswith("+") and not line.startswith("+++"):
            added.append(line)
            continue
        if added:
            longest = max(added, key=len)
            at = added.index(longest)
            indent = longest[1:][: len(longest[1:]) - len(longest[1:].lstrip())]
            yield from (*added[:at], f"+{indent}{_HOLE}", *added[at + 1 :])
            added = []
        if line:
            yield line


def hint_text(answer: Variant, level: int) -> str:
    """One hint; the last shows a part of the way."""
    hint = answer.metadata.hints[level - 1]
    lines = [f"hint {level} of {len(answer.metadata.hints)}", *textwrap.wrap(hint.text, _WIDTH)]
    if hint.show:
        lines += ["", diff_with_hole(answer)]
    return "\n".join(lines) + "\n"


def solution_text(lab: Lab) -> str:
    """The files of the solution."""
    solution = solution_of(lab)
    parts = []
    for edit in solution.metadata.edit:
        parts += [f"--- {edit.path}", solution.file(edit.path).read_text(encoding="utf-8").rstrip(), ""]
    return "\n".join(parts)
