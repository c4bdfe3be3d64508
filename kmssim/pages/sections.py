"""The sections of a lab's page, one function each, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kmssim.evaluator.decision import Layer
from kmssim.labs.folder import FILES
from kmssim.markup import Markup, breakable, coded, element, joined
from kmssim.pages.drawing import also_told, causal_sentence, evidence, layer_lines, layer_table
from kmssim.pages.lesson import Lesson, content
from kmssim.pages.model import example_path, flow_words, pictures
from kmssim.pages.parts import answer, facts, folded, listed, section, table, word
from kmssim.pages.task import TYPES, checks
from kmssim.rules import Source, all_rules, rule
from kmssim.wording import LAYER_NAMES

Json = Mapping[str, Any]


def page_header(lesson: Lesson) -> Markup:
    """Where the page belongs, its title, and its standing in the curriculum."""
    known = lesson.metadata
    return element(
        "header",
        element(
            "p", element("a", "← Back to Labs", href="../index.html"), f" L{known.level} {known.status}", class_="back"
        ),
        element("p", f"{known.cloud} · {known.domain} · {known.topic}", class_="kicker"),
        element("h1", known.title),
        element("p", coded(known.summary), class_="lead"),
        facts([("Status", known.status), ("Cloud", known.cloud), ("Domain", known.domain), ("Track", known.track)]),
    )


def overview(lesson: Lesson) -> Markup:
    """What the lab is about, and what the reader can say afterwards."""
    known = lesson.metadata
    return section(
        "overview",
        "Overview",
        element("p", coded(known.overview)),
        element("p", element("b", "Objective: "), coded(known.objective)),
        element("p", element("b", "Kind: "), f"{TYPES[known.type]}."),
        element("p", element("b", "Takes: "), f"about {known.minutes} minutes."),
        element("p", element("b", "Words: "), ", ".join(known.concepts)),
        listed([f"L{known.level} {known.status}", *known.tags], "tags"),
    )


def deep_dives(lesson: Lesson) -> Markup:
    """Questions that unfold into answers."""
    texts = content()["deep_dives"]
    dives = [texts[name] for name in lesson.metadata.deep_dives]
    words = "Expand these concepts when studying KMS key policies or explaining data-protection access decisions."
    return section(
        "concepts",
        "Concept Deep Dives",
        element("p", words),
        *(
            folded(dive["question"], element("p", coded(dive["answer"]), f" ({', '.join(dive['rules'])})"))
            for dive in dives
        ),
    )


def visual_model(lesson: Lesson, all_lessons: Sequence[Lesson]) -> Markup:
    """The path of the example's decision, and the pictures."""
    rule_text = content()["learning_rule"]
    return section(
        "model",
        "Visual KMS Authorization Model",
        element("p", "KMS access is easiest to understand as a cryptographic decision path."),
        flow_words(),
        answer(example_path(lesson), hidden=lesson.asks_example),
        *pictures(lesson, all_lessons),
        element("p", element("b", "Learning rule: "), rule_text, class_="note"),
    )


def example_scenario(lesson: Lesson) -> Markup:
    """The story, the layer lines, why, and the statements that mattered."""
    example = lesson.example
    rows = [
        (found["layer"], element("code", found["where"]), found["sid"] or "none", found["text"])
        for found in example["statements"]
    ]
    columns = ("Layer", "Where", "Sid", "What it did")
    return section(
        "example",
        "Example Scenario",
        element("p", coded(lesson.metadata.example.text)),
        answer(
            layer_lines(example),
            causal_sentence(example),
            *also_told(example),
            table("Statements that mattered, in scenario.json", columns, rows) if rows else "",
            hidden=lesson.asks_example,
        ),
        _whole_evidence(example, "answer" if lesson.asks_example else None),
    )


def _whole_evidence(example: Json, class_: str | None) -> Markup:
    """Every statement with what matched and what did not, to unfold."""
    shown = joined(evidence(permission) for permission in example["permissions"])
    return (
        folded("Every statement, with what matched and what did not", element("div", shown), class_=class_)
        if shown
        else shown
    )


def contrasts(lesson: Lesson) -> Markup:
    """The requests of the scenario side by side, each with its own lines to unfold; none that is to be predicted."""
    words = "Decided on the policies as the lab ships them."
    if lesson.asked:
        count = len(lesson.asked)
        words += f" The lab asks you to predict {count} call{'s' if count > 1 else ''}, left out here."
    columns = ("Request", "Principal", "Call", "Decision", "Decided by", "The caller sees")
    told = lesson.others if lesson.asks_example else (lesson.example, *lesson.others)
    rows = [_contrast(data) for data in told]
    return section(
        "contrasts",
        "The Same World, Other Requests",
        element("p", coded(lesson.scenario.description or lesson.scenario.title)),
        element("p", words),
        table("The requests of the scenario, as predicted", columns, rows) if rows else "",
        *map(_unfolded, lesson.others),
    )


def _unfolded(data: Json) -> Markup:
    return folded(data["name"], layer_lines(data), causal_sentence(data))


def _contrast(data: Json) -> tuple[str, ...]:
    decided_by = ", ".join(data["decided_by"]) or "no layer"
    call, seen = breakable(data["operation"]), breakable(data["error"] or "success")
    is_open = ", an open question" if data["uncertain"] else ""
    decision = element("span", word(data["decision"]), is_open)
    return data["name"], data["who"], call, decision, decided_by, seen


def authorization_layers(lesson: Lesson) -> Markup:
    """All eight layers with what each said about the example, and what the lab checks."""
    texts = content()["layers"]
    about = {LAYER_NAMES[layer]: texts[layer.value] for layer in Layer}
    words = "This lab connects cryptographic access control to the broader L2 authorization model."
    tables = [layer_table(permission, about) for permission in lesson.example["permissions"]]
    return section(
        "layers",
        "Authorization Layers",
        element("p", words),
        answer(*tables, hidden=lesson.asks_example),
        *checks(lesson.metadata),
    )


def rules_behind(lesson: Lesson) -> Markup:
    """The wrong beliefs and the rules of the rule book, with AWS's pages by title and address."""
    known = lesson.metadata
    beliefs = [coded(rule(rule_id).text) for rule_id in known.misconceptions]
    rows = [(found.id, found.status, coded(found.text)) for found in map(rule, known.rules)]
    sources = _sources()
    pages = [joined([sources[key].title, ", ", element("code", sources[key].url)]) for key in known.sources]
    believed = [element("h3", "What people believe"), listed(beliefs)] if beliefs else []
    return section(
        "rules",
        "Rules Behind It",
        *believed,
        table("The rules of the rule book", ("Rule", "How sure", "What it says"), rows, "named"),
        _fidelity(lesson),
        element("h3", "Sources"),
        listed(pages),
    )


def _fidelity(lesson: Lesson) -> Markup:
    found = lesson.metadata.fidelity
    rests = {"documented": "AWS's documentation", "observed": "what AWS was seen to do"}
    words = f"The answers of this lab rest on {rests.get(found.status, 'a question that AWS leaves open')}."
    return element("p", words, coded(f" {found.note}") if found.note else "")


def _sources() -> Mapping[str, Source]:
    return {source.key: source for found in all_rules().values() for source in found.sources}


def bridge(lesson: Lesson) -> Markup:
    """What the lab leads on to: for every lab, and for this one."""
    shared, own = content()["bridge"], lesson.metadata.bridge
    texts = [own] if own.startswith(shared) else [shared, own]
    return section("bridge", "Bridge to Principal LABs", *(element("p", coded(text)) for text in texts))


def governance() -> Markup:
    """Who may do what in this project, and what no lab does."""
    texts = content()["governance"]
    return section(
        "governance",
        "Governance Boundary",
        element("p", "This lab is read-only and deterministic."),
        listed((f"{role} = {may}" for role, may in texts["roles"]), "lines"),
        listed(texts["does_not"]),
    )


def artifacts(lesson: Lesson) -> Markup:
    """The lab's files."""
    edited = [f"exercise/{edit.path}" for edit in lesson.metadata.edit]
    names = [*FILES, *(name for name in edited if (lesson.lab.folder / name).is_file())]
    return section("artifacts", "Source Artifacts", listed(element("a", name, href=name) for name in names))
