"""What the learner is asked: story, task, files to edit, and the checks by their claims. No solution is given away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.markup import Markup, coded, element
from kmssim.pages.lesson import Lesson
from kmssim.pages.parts import section, table

TYPES: Mapping[str, str] = {
    "predict": "Predict: commit to a verdict and to the layer that decides",
    "fix": "Fix: edit real policy JSON",
    "write": "Write: boto3 code that runs against the sandbox only",
    "attack": "Attack: find the path, then close it",
}

_WALLS: Mapping[str, str] = {
    "positive": "must work",
    "negative": "must not work",
    "collateral": "nothing else changes",
    "prediction": "you predict",
    "code": "your code is run",
    "path": "your attack is run",
    "absence": "must be gone",
}


def task(lesson: Lesson) -> Markup:
    """The situation, what to do, and where."""
    known, lab = lesson.metadata, lesson.lab
    number = lab.id[:2]
    return section(
        "task",
        "Task",
        element("p", coded(known.story)),
        element("p", element("b", "Your task: "), coded(known.task)),
        table("What you edit", ("File", "What it is"), [_edit(lab, edit.path, edit.about) for edit in known.edit]),
        element(
            "p",
            "Begin with ",
            element("code", f"kmssim lab show {number}"),
            ", check with ",
            element("code", f"kmssim lab check {number}"),
            ", ask for one of three hints with ",
            element("code", f"kmssim lab hint {number}"),
            ".",
        ),
    )


def _edit(lab: Lab, path: str, about: str) -> tuple[str, str]:
    name = f"exercise/{path}"
    file = element("code", name)
    return (element("a", file, href=name) if (lab.folder / name).is_file() else file), coded(about)


def checks(metadata: Metadata) -> Iterator[Markup]:
    """The claims that an answer is held to, in their order."""
    rows = [(element("code", check.id), _WALLS[check.kind], coded(check.claim)) for check in metadata.checks]
    yield element("h3", "What is checked")
    yield element("p", "Each call is decided by the evaluator and made for real in the sandbox; both must agree.")
    yield table("The checks of this lab, in their order", ("Check", "Wall", "Claim"), rows, "named")
