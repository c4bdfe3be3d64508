"""An audit's findings as a page for whoever answers for the keys: a function of the data that is embedded in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kmssim.markup import Markup, data_element, element, joined
from kmssim.pages.parts import contents, listed, main_part, section, sentence, table, whole_page, word

Json = Mapping[str, Any]

DATA = "audit"
"""The id of the block that holds the data."""


def audit_page(data: Json) -> str:
    """Draw it. `data`: what `kmssim audit --json` prints."""
    sections = list(_sections(data))
    count = sum(data["totals"].values())
    return whole_page(
        "KMS key audit · kmssim",
        f"{_counted(count, 'finding')} about who may use which key.",
        "Made by kmssim from the data of kmssim audit --json, which is embedded in it. Each finding has a witness: "
        "a call whose decision shows it, and that kmssim decide replays.",
        element(
            "header",
            element("p", "AWS KMS · Who may use which key", class_="kicker"),
            element("h1", "Audit of key access"),
            element("p", _verdict(data, count), class_="lead"),
            _totals(data["totals"]),
        ),
        contents((name, words) for name, words, _ in sections),
        main_part(*(content for _, _, content in sections)),
        data_element(DATA, data),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count or 'No'} {noun}{'' if count == 1 else 's'}"


def _verdict(data: Json, count: int) -> str:
    if not count:
        return "Nothing was found."
    threshold = data["fail_on"]
    if threshold == "never":
        return f"{_counted(count, 'finding')}."
    outcome = "At least one is" if data["failed"] else "None is"
    least = "critical" if threshold == "critical" else f"{threshold} or worse"
    return f"{_counted(count, 'finding')}. {outcome} {least}, the mark that this audit was held to."


def _totals(totals: Json) -> Markup:
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", str(count)), class_=f"severity {name}" if count else None)
            for name, count in totals.items()
        ),
        class_="facts totals",
    )


def _sections(data: Json) -> Iterator[tuple[str, str, Markup]]:
    for number, report in enumerate(data["files"], start=1):
        name = f"file-{number}"
        yield name, report["title"], section(name, report["title"], *_report(report, data["totals"]))
    if data["suppressions"]:
        title = "About the suppressions"
        yield "suppressions", title, section("suppressions", title, *map(_finding, data["suppressions"]))


def _report(report: Json, severities: Json) -> Iterator[Markup]:
    if report["file"]:
        yield element("p", element("code", report["file"]), class_="quiet")
    if not report["findings"]:
        yield element("p", "Nothing was found here.", class_="note")
    for severity in severities:
        found = [finding for finding in report["findings"] if finding["severity"] == severity]
        if found:
            heading = element("h3", f"{severity.capitalize()} ({len(found)})")
            yield element("div", heading, *map(_finding, found), class_="findings")
    if report["suppressed"]:
        yield element("h3", f"Put off ({len(report['suppressed'])})")
        yield listed(map(_put_off, report["suppressed"]))
    yield table("AWS Security Hub's controls for KMS", ("Control", "Result"), report["controls"].items())


def _put_off(finding: Json) -> Markup:
    by = finding["suppressed"]
    return joined([element("b", finding["title"]), f", until {by['expires']}: {by['reason']}"])


def _finding(finding: Json) -> Markup:
    place = element("code", finding["path"] or "the whole document")
    line = f", line {finding['line']}" if finding["line"] else ""
    witnesses: Sequence[Json] = finding["witnesses"]
    rows = [
        _row("Where", place, line),
        *([_row("Key", element("code", finding["key"]))] if finding["key"] else []),
        _row("What to do", finding["fix"]),
        *([_row("Witness", *_witness(witnesses[0]))] if witnesses else []),
    ]
    return element(
        "article",
        element("h4", _severity(finding["severity"]), " ", finding["title"]),
        element("p", finding["executive"]),
        element("dl", *rows, class_="rows"),
        element("details", element("summary", "For whoever mends it"), *_details(finding)),
        class_="finding",
    )


def _severity(severity: str) -> Markup:
    return element("span", severity, class_=f"severity {severity}")


def _row(name: str, *value: str) -> Markup:
    return element("div", element("dt", name), element("dd", *value))


def _details(finding: Json) -> Iterator[Markup]:
    yield element("p", sentence(finding["technical"]))
    yield element("p", "Finding: ", element("code", finding["id"]))
    rules = [*finding["rules"], *finding["controls"]]
    if rules:
        yield element("p", f"Rules: {', '.join(rules)}")
    if len(finding["witnesses"]) > 1:
        yield element("p", "Further witnesses:")
        yield listed(joined(_witness(witness)) for witness in finding["witnesses"][1:])


def _witness(witness: Json) -> list[str]:
    request = witness["request"]
    principal = request["principal"]
    caller = principal if isinstance(principal, str) else principal["service"]
    via = f" by way of {request['via']}" if request.get("via") else ""
    applies = ", and it does not apply" if witness["applies"] is False else ""
    return [
        element("code", caller),
        " calls ",
        element("code", request["operation"]),
        f"{via}: ",
        word(witness["decision"]),
        f" ({witness['says']}{applies})",
    ]
