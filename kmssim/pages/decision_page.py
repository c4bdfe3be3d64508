"""The page of one decision: a function of the data that is embedded in it, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmssim.markup import Markup, data_element, element, joined
from kmssim.pages import drawing
from kmssim.pages.parts import contents, facts, main_part, section, sentence, table, whole_page, word

Json = Mapping[str, Any]

DATA = "decision"
"""The id of the block that holds the data."""

_SEEN_BY = (
    ("predicted", "Predicted by the evaluator"),
    ("sandbox", "Simulated in the sandbox"),
    ("moto", "moto alone"),
    ("moto_iam", "moto with its own IAM switch"),
)


def decision_page(data: Json) -> str:
    """Draw it. `data`: as `decision_data` makes it, with `comparison`, `ruled_by` and `back` beside it or None."""
    sections = list(_sections(data))
    names = [(name, words) for name, words, _ in sections]
    return whole_page(
        f"{data['decision']}: {data['name']} · kmssim",
        sentence(data["because"]),
        "Made by kmssim from decision data. The page holds no rule: it draws the data that is embedded in it.",
        _header(data),
        contents(names),
        main_part(*(content for _, _, content in sections)),
        data_element(DATA, data),
    )


def _header(data: Json) -> Markup:
    back = [element("p", element("a", "← Back", href=data["back"]), class_="back")] if data.get("back") else []
    seen = data["error"] or "success"
    kind = [("Kind", f"{data['kind']} deny")] if data["kind"] else []
    return element(
        "header",
        *back,
        element("p", "AWS KMS · Authorization decision", class_="kicker"),
        element("h1", data["name"]),
        element("p", word(data["decision"]), f", because {data['because']}.", class_="lead"),
        facts(
            [
                ("Decision", word(data["decision"])),
                *kind,
                ("Decided by", ", ".join(data["decided_by"]) or "no layer"),
                ("The caller sees", element("code", seen)),
            ]
        ),
        element("p", element("code", data["caller"]), " calls ", element("code", data["operation"]), class_="quiet"),
    )


def _sections(data: Json) -> Iterator[tuple[str, str, Markup]]:
    yield _section("why", "Why", drawing.layer_lines(data), *drawing.also_told(data))
    if not data["permissions"]:
        yield _section("path", "Path", element("p", "No layer was asked: the call never reached authorization."))
    for number, permission in enumerate(data["permissions"], start=1):
        yield _permission(permission, data, number)
    if data.get("comparison"):
        yield _section("comparison", "Beside moto", *_comparison(data["comparison"]))
    if data["rules"]:
        yield _section("rules", "Rules", drawing.rules_table(data))
    yield _section("source", "Source", element("p", _source(data)))


def _section(name: str, title: str, *children: str) -> tuple[str, str, Markup]:
    return name, title, section(name, title, *children)


def _permission(permission: Json, data: Json, number: int) -> tuple[str, str, Markup]:
    several = len(data["permissions"]) > 1
    title = f"Path of {permission['action']}" if several else "Path"
    here = element("p", element("code", permission["action"]), " on ", element("code", permission["resource"]))
    why = permission["because"]
    verdict = element("p", word(permission["decision"]), f", because {why}.") if why else ""
    held = permission["context"]
    context = element(
        "details",
        element("summary", f"What the call is held against: {len(held)} condition keys"),
        table(
            "Condition keys",
            ("Key", "Value"),
            [tuple(element("code", text) for text in one) for one in held],
        ),
    )
    shown = drawing.evidence(permission)
    return _section(
        f"path-{number}" if several else "path",
        title,
        here,
        verdict,
        drawing.decision_path(data, permission, f"path-drawing-{number}"),
        drawing.layer_table(permission),
        element("h3", "Statements and grants"),
        shown or element("p", "There is none that speaks about this call."),
        context if held else "",
    )


def _comparison(row: Json) -> list[Markup]:
    was_authorized = bool(row["predicted"]["layers"]) or row["predicted"]["decision"] != "DENY"
    rows = [
        (words, _decision_of(row[key]) if was_authorized else "not reached", row[key]["error"] or "success")
        for key, words in _SEEN_BY
    ]
    agrees = {
        True: "The prediction and the sandbox agree.",
        False: "The prediction and the sandbox differ: one of them is wrong.",
    }.get(row["agrees"], "No client can make this call, so there is nothing to compare.")
    why = row["moto_differs_because"]
    return [
        table("One call, answered four times", ("Who", "Authorization", "The caller sees"), rows),
        element("p", agrees),
        element("p", f"Why moto alone ends otherwise: {why}." if why else "moto alone ends as predicted."),
    ]


def _decision_of(answer: Json) -> str:
    return word(answer["decision"]) if answer["decision"] else "no call"


def _source(data: Json) -> Markup:
    ruler = data.get("ruled_by")
    parts: list[str] = [joined(["Read from ", element("code", data["file"]), ". "])] if data["file"] else []
    if ruler:
        engine = f" ({ruler['engine']})" if ruler["engine"] else ""
        policy = f", policy {ruler['policy']}" if ruler["policy"] else ""
        parts.append(f"The layers were joined by the decision authority: {ruler['authority']}{engine}{policy}.")
    return joined(parts or ["A simulated decision; no AWS account was asked."])
