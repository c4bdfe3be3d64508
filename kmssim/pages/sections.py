"""The sections of a lab's page, one function each, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kmssim.evaluator.decision import Layer, Verdict
from kmssim.labs.folder import FILES
from kmssim.pages.lesson import Answer, Lesson, content
from kmssim.pages.markup import Markup, coded, element, joined
from kmssim.pages.model import SAYS, decision_path, flow_words, pictures
from kmssim.rules import Source, all_rules, rule
from kmssim.wording import LAYER_NAMES, NOT_APPLICABLE, who


def section(name: str, title: str, *children: str) -> Markup:
    """A section with its heading, reachable as `#name`."""
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table whose first column names the row; on a narrow page each row becomes a block (roles keep it a table)."""
    head = element("tr", *(element("th", column, scope="col", role="columnheader") for column in columns), role="row")
    body = [_table_row(columns, row) for row in rows]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", head, role="rowgroup"),
            element("tbody", *body, role="rowgroup"),
            role="table",
        ),
        class_="wide",
    )


def _table_row(columns: Sequence[str], row: Sequence[str]) -> Markup:
    first = element("th", row[0], scope="row", role="rowheader")
    rest = [
        element("td", cell, role="cell", data_column=column) for column, cell in zip(columns[1:], row[1:], strict=True)
    ]
    return element("tr", first, *rest, role="row")


def _listed(items: Iterable[str], class_: str | None = None) -> Markup:
    return element("ul", *(element("li", item) for item in items), class_=class_)


def page_header(lesson: Lesson) -> Markup:
    """Where the page belongs, its title, and its standing in the curriculum."""
    known = lesson.metadata
    facts = {"Status": known.status, "Cloud": known.cloud, "Domain": known.domain, "Track": known.track}
    return element(
        "header",
        element(
            "p", element("a", "← Back to Labs", href="../index.html"), f" L{known.level} {known.status}", class_="back"
        ),
        element("p", f"{known.cloud} · {known.domain} · {known.topic}", class_="kicker"),
        element("h1", known.title),
        element("p", known.summary, class_="lead"),
        element("dl", *(_fact(name, value) for name, value in facts.items()), class_="facts"),
    )


def _fact(name: str, value: str) -> Markup:
    return element("div", element("dt", name), element("dd", value))


def overview(lesson: Lesson) -> Markup:
    """What the lab is about, and what the reader can say afterwards."""
    known = lesson.metadata
    return section(
        "overview",
        "Overview",
        element("p", known.overview),
        element("p", element("b", "Objective: "), known.objective),
        element(
            "p",
            element("b", "Takes: "),
            f"about {known.minutes} minutes. ",
            element("b", "Words: "),
            ", ".join(known.concepts),
        ),
        _listed([f"L{known.level} {known.status}", *known.tags], "tags"),
    )


def deep_dives(lesson: Lesson) -> Markup:
    """Questions that unfold into answers."""
    texts = content()["deep_dives"]
    folded = [
        element("details", element("summary", texts[name]["question"]), element("p", texts[name]["answer"]))
        for name in lesson.metadata.deep_dives
    ]
    words = "Expand these concepts when studying KMS key policies or explaining data-protection access decisions."
    return section("concepts", "Concept Deep Dives", element("p", words), *folded)


def visual_model(lesson: Lesson, all_lessons: Sequence[Lesson]) -> Markup:
    """The path of the example's decision, and the pictures."""
    rule_text = content()["learning_rule"]
    return section(
        "model",
        "Visual KMS Authorization Model",
        element("p", "KMS access is easiest to understand as a cryptographic decision path."),
        flow_words(),
        decision_path(lesson),
        *pictures(lesson, all_lessons),
        element("p", element("b", "Learning rule: "), rule_text, class_="note"),
    )


def example_scenario(lesson: Lesson) -> Markup:
    """The story, the layer lines, why, and the statements that mattered."""
    example = lesson.example
    return section(
        "example",
        "Example Scenario",
        element("p", lesson.metadata.example.text),
        layer_lines(example),
        *_told(example),
        _statements(example),
    )


def layer_lines(answer: Answer) -> Markup:
    """One line for each layer, and the final decision."""
    return _listed([_line(name, text, answer) for name, text in answer.explanation.lines], "lines")


def _line(name: str, text: str, answer: Answer) -> Markup:
    word = answer.decision.word
    return joined([element("b", f"{name}:"), " ", element("span", text, class_=word) if text == word else text])


def _told(answer: Answer) -> list[Markup]:
    """The causal sentence, what else would have blocked it, and what the caller sees."""
    explanation, failure = answer.explanation, answer.decision.failure
    sentences = [f"Because {explanation.because}.", _sentence(explanation.also), _sentence(explanation.failed)]
    told = [element("p", sentence) for sentence in sentences if sentence]
    if failure and not answer.decision.allowed:
        told.append(element("p", "The caller sees ", element("code", f"{failure.code}: {failure.message}")))
    return told


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _statements(answer: Answer) -> Markup:
    rows = [
        (LAYER_NAMES[found.layer], element("code", found.where or "AWS default"), found.sid or "", found.text)
        for found in answer.explanation.statements
    ]
    if not rows:
        return joined([])
    return table("Statements that mattered, in scenario.json", ("Layer", "Where", "Sid", "What it did"), rows)


def contrasts(lesson: Lesson) -> Markup:
    """All requests of the scenario side by side, each with its own lines to unfold."""
    rows = [_contrast(answer) for answer in lesson.answers]
    columns = ("Request", "Principal", "Call", "Decision", "Decided by", "The caller sees")
    unfolded = [
        element(
            "details",
            element("summary", answer.request.name),
            element("p", _sentence(answer.request.why or "")),
            layer_lines(answer),
        )
        for answer in lesson.answers
        if answer is not lesson.example
    ]
    return section(
        "contrasts",
        "The Same World, Other Requests",
        element("p", lesson.scenario.description or lesson.scenario.title),
        table("Every request of the scenario, as predicted", columns, rows),
        *unfolded,
    )


def _contrast(answer: Answer) -> tuple[str, ...]:
    decision = answer.decision
    return (
        answer.request.name,
        who(decision.call.principal),
        decision.call.operation,
        element("span", decision.word, class_=decision.word),
        ", ".join(LAYER_NAMES[layer] for layer in Layer if layer in decision.layers),
        decision.failure.code if decision.failure else "success",
    )


def authorization_layers(lesson: Lesson) -> Markup:
    """All eight layers with what each said about the example."""
    words = "This lab connects cryptographic access control to the broader L2 authorization model."
    permission = lesson.example.permission
    lines, texts = dict(lesson.example.explanation.lines), content()["layers"]
    rows = []
    for layer in Layer if permission else ():
        trace = permission.layer(layer) if permission else None
        if trace is None:
            continue
        reason = (
            NOT_APPLICABLE.get(trace.reason, "")
            if trace.verdict is Verdict.NOT_APPLICABLE
            else lines.get(LAYER_NAMES[layer], "")
        )
        decided = "yes" if layer in lesson.example.decision.layers else "no"
        rows.append((LAYER_NAMES[layer], texts[layer.value], SAYS[trace.verdict], reason, decided))
    columns = ("Layer", "What it is", "Here it", "In words", "Decided")
    return section(
        "layers", "Authorization Layers", element("p", words), table("The layers about the example", columns, rows)
    )


def rules_behind(lesson: Lesson) -> Markup:
    """The wrong beliefs and the rules of the rule book, with AWS's pages by title and address."""
    known = lesson.metadata
    beliefs = [coded(rule(rule_id).text) for rule_id in known.misconceptions]
    rows = [(found.id, found.status, coded(found.text)) for found in map(rule, known.rules)]
    sources = _sources()
    pages = [joined([sources[key].title, ", ", element("code", sources[key].url)]) for key in known.sources]
    return section(
        "rules",
        "Rules Behind It",
        element("p", "What people believe, and the rules of the rule book that say otherwise."),
        _listed(beliefs),
        table("Rules", ("Rule", "How sure", "What it says"), rows),
        element("h3", "Sources"),
        _listed(pages),
    )


def _sources() -> Mapping[str, Source]:
    return {source.key: source for found in all_rules().values() for source in found.sources}


def bridge(lesson: Lesson) -> Markup:
    """What the lab leads on to."""
    return section("bridge", "Bridge to Principal LABs", element("p", lesson.metadata.bridge))


def governance() -> Markup:
    """Who may do what in this project, and what no lab does."""
    texts = content()["governance"]
    return section(
        "governance",
        "Governance Boundary",
        element("p", "This lab is read-only and deterministic."),
        _listed((f"{role} = {may}" for role, may in texts["roles"]), "lines"),
        _listed(texts["does_not"]),
    )


def artifacts() -> Markup:
    """The lab's files."""
    return section("artifacts", "Source Artifacts", _listed(element("a", name, href=name) for name in FILES))
