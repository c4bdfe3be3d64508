"""The visual authorization model: the example's decision as a path, and the pictures that the labs make real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kmssim.markup import Markup, element, joined
from kmssim.pages.drawing import decision_path
from kmssim.pages.lesson import Lesson, content
from kmssim.pages.parts import word
from kmssim.pages.svg import Box, Told, draw


def example_path(lesson: Lesson) -> Markup:
    """The example: principal → IAM policy → key policy → the layers that the lab is about → decision."""
    return joined(
        decision_path(lesson.example, permission, f"decision-path-{number}")
        for number, permission in enumerate(lesson.example["permissions"], start=1)
    )


def pictures(lesson: Lesson, all_lessons: Sequence[Lesson]) -> list[Markup]:
    """The shared pictures, each with the lab that makes it real and what is decided there."""
    shown_by = {other.lab.id: other for other in all_lessons}
    return [
        _picture(f"picture-{number}", picture, shown_by.get(picture["lab"]), lesson)
        for number, picture in enumerate(content()["pictures"], start=1)
    ]


def _picture(name: str, picture: Mapping[str, Any], shown_by: Lesson | None, here: Lesson) -> Markup:
    is_told = shown_by is not None and not shown_by.asks_example
    colour = {"ALLOW": "allow", "DENY": "deny"}[shown_by.example["decision"]] if shown_by and is_told else "plain"
    outcome = Box(**picture["outcome"], verdict=colour, decides=True)
    boxes = [Box(**picture["first"]), Box(**picture["second"]), outcome]
    title = f"{boxes[0].title} and {boxes[1].title}: {outcome.title}"
    told = "; ".join(f"{box.title}: {box.text}" for box in boxes)
    drawing = draw(boxes, "+>", Told(name, title, f"{told}."))
    return element("figure", drawing, _shown_by(shown_by, here) if shown_by else "")


def _shown_by(lesson: Lesson, here: Lesson) -> Markup:
    number = lesson.lab.id[:2]
    lab = "This lab" if lesson is here else element("a", f"Lab {number}", href=f"../{lesson.lab.id}/index.html")
    example = lesson.example
    if lesson.asks_example:
        return element("figcaption", lab, f" asks about it: {example['name']}.")
    ending = [word(example["decision"]), f", {example['error']}" if example["error"] else ""]
    return element("figcaption", lab, f" shows it: {example['name']}. ", *ending)


def flow_words() -> Markup:
    """What each station of the path stands for, whatever the example."""
    flow = content()["flow"]
    stations = (("Principal", "principal"), ("IAM Policy", "identity"), ("KMS Key Policy", "key_policy"))
    items = [(title, flow[key]) for title, key in (*stations, ("KMS Decision", "decision"))]
    return element("ol", *(element("li", element("b", title), f": {text}") for title, text in items))
