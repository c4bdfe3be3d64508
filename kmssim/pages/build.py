"""The pages of the labs as whole documents: static, self-contained, without a script, the same on every build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kmssim.errors import SetupError
from kmssim.labs.folder import Lab
from kmssim.markup import data_element
from kmssim.pages import sections
from kmssim.pages.curriculum import index_page
from kmssim.pages.lesson import Lesson, prepare
from kmssim.pages.parts import contents, main_part, whole_page
from kmssim.pages.task import task

_CONTENTS = (
    ("overview", "Overview"),
    ("task", "Task"),
    ("concepts", "Concepts"),
    ("model", "Visual model"),
    ("example", "Example"),
    ("contrasts", "Other requests"),
    ("layers", "Layers"),
    ("rules", "Rules"),
    ("bridge", "Bridge"),
    ("governance", "Governance"),
    ("artifacts", "Artifacts"),
)


def build_pages(labs: Iterable[Lab]) -> dict[Path, str]:
    """The text of every lab's page, and of the page that lists them, by path. Raises InputError for a broken lab."""
    return pages_of([prepare(lab) for lab in labs])


def pages_of(lessons: Sequence[Lesson]) -> dict[Path, str]:
    """The same of labs that have been read."""
    pages = {lesson.lab.page: lab_page(lesson, lessons) for lesson in lessons}
    folders = {lesson.lab.folder.parent for lesson in lessons}
    return pages | {folder / "index.html": index_page(lessons) for folder in folders}


def stale_pages(pages: Mapping[Path, str]) -> dict[Path, str]:
    """Those pages whose file is missing or says something else."""
    return {path: text for path, text in pages.items() if not path.is_file() or path.read_bytes() != text.encode()}


def lab_page(lesson: Lesson, all_lessons: Sequence[Lesson]) -> str:
    """One lab's page; the other lessons show the pictures that this lab does not."""
    return whole_page(
        f"{lesson.metadata.title} · kmssim lab {lesson.lab.id[:2]}",
        lesson.metadata.summary,
        "Made from metadata.json and scenario.json by kmssim pages build.",
        sections.page_header(lesson),
        contents(_CONTENTS),
        main_part(
            sections.overview(lesson),
            task(lesson),
            sections.deep_dives(lesson),
            sections.visual_model(lesson, all_lessons),
            sections.example_scenario(lesson),
            sections.contrasts(lesson),
            sections.authorization_layers(lesson),
            sections.rules_behind(lesson),
            sections.bridge(lesson),
            sections.governance(),
            sections.artifacts(lesson),
        ),
        data_element("decisions", lesson.data),
    )


def write_pages(pages: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write the pages that changed; their paths. Raises SetupError where one cannot be written."""
    stale = stale_pages(pages)
    for path, text in stale.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SetupError(f"cannot write {path}: {error.strerror or error}") from None
    return tuple(stale)
