"""The page that lists the labs: the curriculum part by part, and how progress is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from kmssim.markup import Markup, coded, data_element, element, joined
from kmssim.pages.lesson import Lesson, content
from kmssim.pages.parts import contents, facts, listed, main_part, section, table, whole_page, word

_COLUMNS = ("Lab", "Kind", "Level", "Minutes", "Objective", "Its example")
_TWO_HOURS = 120
_MARKS = {"open": "○", "done": "✓", "stale": "↻", "skipped": "»"}

Json = Mapping[str, Any]


def index_page(lessons: Sequence[Lesson], progress: Json | None = None) -> str:
    """The labs in their order, in the parts that they name.

    `progress`: where a learner stands, as `progress_data` tells it; None: the page is nobody's own.
    """
    stands: Mapping[str, Json] = progress["labs"] if progress else {}
    parts = [(name, list(found)) for name, found in groupby(lessons, key=lambda lesson: lesson.metadata.part)]
    named = [(f"part-{letter}", f"Part {letter.upper()}: {name}") for letter, (name, _) in _lettered(parts)]
    minutes = sum(lesson.metadata.minutes for lesson in lessons)
    return whole_page(
        "kmssim labs",
        "The labs of kmssim: who may use a KMS key, and why.",
        "Made from each lab's metadata.json and scenario.json by kmssim pages build.",
        element(
            "header",
            element("p", "AWS · Security · Cryptographic Authorization", class_="kicker"),
            element("h1", "Labs"),
            element("p", "Who may use a KMS key, and why.", class_="lead"),
            facts([("Labs", str(len(lessons))), ("Parts", str(len(parts))), ("Takes", _hours(minutes))]),
        ),
        contents([*named, ("progress", "Progress")]),
        main_part(
            _yours(progress) if progress else _start(),
            *(_part(key, title, found, stands) for (key, title), (_, found) in zip(named, parts, strict=True)),
            _legend(),
        ),
        data_element("examples", [_example(lesson) for lesson in lessons]),
        *([data_element("standing", progress)] if progress else []),
    )


def _lettered(parts: Sequence[tuple[str, list[Lesson]]]) -> list[tuple[str, tuple[str, list[Lesson]]]]:
    return [(chr(ord("a") + at), part) for at, part in enumerate(parts)]


def _hours(minutes: int) -> str:
    """Small sums in minutes, to the next five; large ones in hours."""
    return f"about {-(-minutes // 5) * 5} minutes" if minutes <= _TWO_HOURS else f"about {round(minutes / 60)} hours"


def _start() -> Markup:
    return element(
        "p",
        "Nothing is locked: take them in any order. ",
        element("code", "kmssim lab start"),
        " writes a copy of your own, ",
        element("code", "kmssim lab watch"),
        " checks on every save. No AWS account is needed and none is ever contacted.",
        class_="note",
    )


def _yours(progress: Json) -> Markup:
    """How far the learner is, and what is next."""
    done, total = progress["done"], len(progress["labs"])
    bar = element("progress", f"{done} of {total}", max=total, value=done, aria_label="Labs that are done")
    following = progress["next"]
    onward = (
        joined(["Next: ", element("a", following, href=f"{following}/index.html"), "."])
        if following
        else "Nothing is open any more."
    )
    return element(
        "div",
        element("p", bar, " ", element("b", f"{done} of {total} labs are done."), " ", onward),
        element(
            "p", "As it was when this page was made: ", element("code", "kmssim lab open --list"), " makes it anew."
        ),
        class_="note",
    )


def _example(lesson: Lesson) -> dict[str, str | None]:
    """How it ends is told only where the learner is not to predict it."""
    told = None if lesson.asks_example else lesson.example["decision"]
    return {"lab": lesson.lab.id, "name": lesson.example["name"], "decision": told}


def _part(key: str, title: str, lessons: Sequence[Lesson], stands: Mapping[str, Json]) -> Markup:
    minutes = sum(lesson.metadata.minutes for lesson in lessons)
    count = f"{len(lessons)} lab{'s' if len(lessons) != 1 else ''}, {_hours(minutes)}"
    if stands:
        count += f", {sum(stands[lesson.lab.id]['standing'] == 'done' for lesson in lessons)} done"
    rows = [_row(lesson, stands.get(lesson.lab.id)) for lesson in lessons]
    return section(key, title, table(count, _COLUMNS, rows, "curriculum"))


def _row(lesson: Lesson, stands: Json | None) -> tuple[str, ...]:
    known, example = lesson.metadata, _example(lesson)
    link = element("a", f"{lesson.lab.id[:2]} {known.title}", href=f"{lesson.lab.id}/index.html")
    return (
        joined([link, _standing(stands)]) if stands else link,
        known.type,
        f"L{known.level}",
        str(known.minutes),
        coded(known.objective),
        joined([f"{example['name']}: ", word(example["decision"] or "yours to predict")]),
    )


def _standing(stands: Json) -> Markup:
    """Where the learner stands with a lab: a mark and a word, and what the progress file knows beside it."""
    said = [f"{_MARKS[stands['standing']]} {stands['standing']}"]
    said += [
        f"{stands[name]} {name[:-1] if stands[name] == 1 else name}" for name in ("hints", "minutes") if stands[name]
    ]
    said += ["solution seen before"] if stands["gave_up"] else []
    said += ["current"] if stands["current"] else []
    return element("span", ", ".join(said), class_=f"standing {stands['standing']}")


def _legend() -> Markup:
    states = [joined([element("b", f"{_MARKS[name]} {name}"), f": {text}"]) for name, text in content()["progress"]]
    return section(
        "progress",
        "Progress",
        element("p", "Your progress lies in your own folder; ", element("code", "kmssim lab list"), " shows it."),
        listed(states, "legend"),
    )
