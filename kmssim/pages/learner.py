"""The pages in a learner's folder: those of the labs as shipped, and the list with the learner's own progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kmssim.labs.progress_file import Standing
from kmssim.labs.workspace import Workspace
from kmssim.pages.build import lab_page
from kmssim.pages.curriculum import index_page
from kmssim.pages.lesson import prepare


def learner_pages(workspace: Workspace) -> dict[Path, str]:
    """The text of each page by its path. Raises InputError for a broken progress file or a broken lab.

    A lab's page tells of the documents as shipped, whatever the learner has made of them: else it would give the
    answers to what was edited.
    """
    lessons = [prepare(lab) for lab in workspace.labs()]
    pages = {workspace.copy_of(lesson.lab) / "index.html": lab_page(lesson, lessons) for lesson in lessons}
    return pages | {index_of(workspace): index_page(lessons, progress_data(workspace))}


def index_of(workspace: Workspace) -> Path:
    """Where the list of the labs is."""
    return workspace.folder / "index.html"


def progress_data(workspace: Workspace) -> dict[str, Any]:
    """Where the learner stands, as the list draws it: `done`, `next`, and for each of `labs` what is known of it."""
    standings, current, following = workspace.standings(), workspace.read().current, workspace.next()
    return {
        "done": sum(each.standing is Standing.DONE for each in standings),
        "next": following.id if following else None,
        "labs": {
            each.lab.id: {
                "standing": each.standing.value,
                "hints": each.record.hints,
                "minutes": each.record.minutes,
                "gave_up": each.record.gave_up,
                "current": each.lab.id == current,
            }
            for each in standings
        },
    }
