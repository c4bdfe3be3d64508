"""The visual authorization model: the example's decision as a path, and the pictures that the labs make real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kmssim.evaluator.decision import Layer, LayerTrace, Verdict
from kmssim.pages.lesson import Answer, Lesson, content
from kmssim.pages.markup import Markup, element
from kmssim.pages.svg import Box, draw
from kmssim.wording import LAYER_NAMES, who

SAYS: Mapping[Verdict, str] = {
    Verdict.ALLOW: "allows",
    Verdict.DENY: "denies",
    Verdict.SILENT: "does not allow",
    Verdict.NOT_APPLICABLE: "not applicable",
}
_ON_EVERY_PATH = (Layer.IDENTITY, Layer.KEY_POLICY)


def decision_path(lesson: Lesson) -> Markup:
    """The example: principal → IAM policy → key policy → the layers that the lab is about → decision."""
    boxes = list(_path_boxes(lesson))
    told = "; ".join(f"{box.title}: {box.text or box.says}" for box in boxes)
    drawing = draw(boxes, ">" * (len(boxes) - 1), "decision-path", f"The decision path of the example. {told}.")
    caption = "The example of this lab, drawn from its decision. A thick frame marks the layers that decided."
    return element("figure", drawing, element("figcaption", caption))


def _path_boxes(lesson: Lesson) -> Iterator[Box]:
    answer, flow = lesson.example, content()["flow"]
    call = answer.decision.call
    yield Box("Principal", f"{who(call.principal)} calls {call.operation}")
    lines = dict(answer.explanation.lines)
    for trace in _shown_layers(lesson):
        name = LAYER_NAMES[trace.layer]
        text = lines.get(name) or flow.get(trace.layer.value, "")
        decides = trace.layer in answer.decision.layers
        yield Box(name, text, trace.verdict.value, SAYS[trace.verdict], decides)
    yield Box("KMS Decision", _ending(answer), "allow" if answer.decision.allowed else "deny", decides=True)


def _ending(answer: Answer) -> str:
    failure = answer.decision.failure
    return f"{answer.decision.word}, {failure.code}" if failure else answer.decision.word


def _shown_layers(lesson: Lesson) -> list[LayerTrace]:
    """IAM and the key policy first, then the other layers that the lab is about or that decided."""
    permission = lesson.example.permission
    if permission is None:
        return []
    decided = lesson.example.decision.layers
    others = [
        layer
        for layer in Layer
        if layer not in _ON_EVERY_PATH and (layer.value in lesson.metadata.layers or layer in decided)
    ]
    return [permission.layer(layer) for layer in (*_ON_EVERY_PATH, *others)]


def pictures(lesson: Lesson, all_lessons: Sequence[Lesson]) -> list[Markup]:
    """The shared pictures, each with the lab that makes it real and what is decided there."""
    shown_by = {other.lab.id: other for other in all_lessons}
    return [
        _picture(f"picture-{number}", picture, shown_by[picture["lab"]], lesson)
        for number, picture in enumerate(content()["pictures"], start=1)
        if picture["lab"] in shown_by
    ]


def _picture(name: str, picture: Mapping[str, Any], shown_by: Lesson, here: Lesson) -> Markup:
    example = shown_by.example
    outcome = Box(**picture["outcome"], verdict="allow" if example.decision.allowed else "deny", decides=True)
    boxes = [Box(**picture["first"]), Box(**picture["second"]), outcome]
    told = f"{boxes[0].title} and {boxes[1].title}: {outcome.title}. {outcome.text}."
    if shown_by is here:
        lab: str = "This lab"
    else:
        lab = element("a", f"Lab {shown_by.lab.id[:2]}", href=f"../{shown_by.lab.id}/index.html")
    ending = element("b", _ending(example), class_=example.decision.word)
    caption = element("figcaption", lab, f" shows it: {example.request.name}. ", ending)
    return element("figure", draw(boxes, "+>", name, told), caption)


def flow_words() -> Markup:
    """What each station of the path stands for, whatever the example."""
    flow = content()["flow"]
    stations = (("Principal", "principal"), ("IAM Policy", "identity"), ("KMS Key Policy", "key_policy"))
    items = [(title, flow[key]) for title, key in (*stations, ("KMS Decision", "decision"))]
    return element("ol", *(element("li", element("b", title), f": {text}") for title, text in items))
