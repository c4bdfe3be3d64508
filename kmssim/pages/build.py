"""Pages as whole documents: static, self-contained, without a script, and the same on every build."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from kmssim.labs.folder import Lab
from kmssim.pages import sections
from kmssim.pages.lesson import Lesson, prepare
from kmssim.pages.markup import Markup, document, element, style_element

_STYLE = Path(__file__).with_name("style.css")

_CONTENTS = {
    "overview": "Overview",
    "concepts": "Concepts",
    "model": "Visual model",
    "example": "Example",
    "contrasts": "Other requests",
    "layers": "Layers",
    "rules": "Rules",
    "bridge": "Bridge",
    "governance": "Governance",
    "artifacts": "Artifacts",
}


def build_pages(labs: Iterable[Lab]) -> dict[Path, str]:
    """The text of every lab's page, and of the page that lists them, by path. Raises InputError for a broken lab."""
    lessons = [prepare(lab) for lab in labs]
    pages = {lesson.lab.page: lab_page(lesson, lessons) for lesson in lessons}
    folders = {lesson.lab.folder.parent for lesson in lessons}
    return pages | {folder / "index.html": index_page(lessons) for folder in folders}


def stale_pages(pages: Mapping[Path, str]) -> dict[Path, str]:
    """Those pages whose file is missing or says something else."""
    return {path: text for path, text in pages.items() if not path.is_file() or path.read_bytes() != text.encode()}


def lab_page(lesson: Lesson, all_lessons: Sequence[Lesson]) -> str:
    """One lab's page; the other lessons show the pictures that this lab does not."""
    links = [element("li", element("a", words, href=f"#{name}")) for name, words in _CONTENTS.items()]
    main = element(
        "main",
        sections.overview(lesson),
        sections.deep_dives(lesson),
        sections.visual_model(lesson, all_lessons),
        sections.example_scenario(lesson),
        sections.contrasts(lesson),
        sections.authorization_layers(lesson),
        sections.rules_behind(lesson),
        sections.bridge(lesson),
        sections.governance(),
        sections.artifacts(),
        id="main",
    )
    return _whole_page(
        f"{lesson.metadata.title} · kmssim lab {lesson.lab.id[:2]}",
        lesson.metadata.summary,
        sections.page_header(lesson),
        element("nav", element("ul", *links), aria_label="On this page"),
        main,
    )


def index_page(lessons: Sequence[Lesson]) -> str:
    """The page that lists the labs."""
    rows = [
        (
            element("a", f"{lesson.lab.id[:2]} {lesson.metadata.title}", href=f"{lesson.lab.id}/index.html"),
            f"L{lesson.metadata.level} {lesson.metadata.status}",
            lesson.metadata.objective,
            element("span", lesson.example.decision.word, class_=lesson.example.decision.word),
        )
        for lesson in lessons
    ]
    columns = ("Lab", "Level", "Objective", "Its example")
    return _whole_page(
        "kmssim labs",
        "The labs of kmssim: who may use a KMS key, and why.",
        element("header", element("h1", "Labs"), element("p", "Who may use a KMS key, and why.", class_="lead")),
        element("main", sections.table("All labs, in their order", columns, rows), id="main"),
    )


def _whole_page(title: str, description: str, *landmarks: Markup) -> str:
    skip = element("a", "Skip to the content", href="#main", class_="skip")
    made = element("p", "Made from metadata.json and scenario.json by ", element("code", "python -m kmssim.pages"), ".")
    body = element("body", skip, *landmarks, element("footer", made))
    return document(element("html", _head(title, description), body, lang="en"))


def _head(title: str, description: str) -> Markup:
    """The policy lets nothing in but the page's own style sheet, named by its hash."""
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="description", content=description),
        element("title", title),
        style_element(css),
    )


@cache
def _css() -> str:
    return _STYLE.read_text(encoding="utf-8")
