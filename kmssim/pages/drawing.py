"""Decision data → the path from the principal through the layers to allow or deny, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmssim.markup import Markup, coded, element, joined
from kmssim.pages.parts import listed, sentence, table, word
from kmssim.pages.svg import Box, Told, draw

Json = Mapping[str, Any]

SAYS: Mapping[str, str] = {
    "allow": "allows",
    "deny": "denies",
    "silent": "does not allow",
    "not_applicable": "not applicable",
}


def decision_path(data: Json, permission: Json, name: str) -> Markup:
    """The picture of one permission of a call; `name` is unique in the page."""
    boxes = list(_boxes(data, permission))
    told = "; ".join(f"{box.title}: {', '.join(filter(None, (box.says, box.text)))}" for box in boxes)
    title = f"The path of {permission['action']}: {permission['decision']}"
    drawing = draw(boxes, ">" * (len(boxes) - 1), Told(name, title, f"{told}."))
    return element("figure", drawing, element("figcaption", _caption(permission)))


def _caption(permission: Json) -> str:
    caption = "Drawn from the decision. A thick frame marks the layers that decided."
    left_out = [layer["name"] for layer in permission["layers"] if not layer["on_path"]]
    return f"{caption} Not on this path: {', '.join(left_out)}." if left_out else caption


def _boxes(data: Json, permission: Json) -> Iterator[Box]:
    yield Box("Principal", f"{data['who']} calls {permission['action']}")
    for layer in permission["layers"]:
        if layer["on_path"]:
            says = SAYS.get(layer["verdict"], layer["verdict"])
            yield Box(layer["name"], layer["text"], layer["verdict"], says, layer["decides"])
    colour = {"ALLOW": "allow", "DENY": "deny"}.get(permission["decision"], "plain")
    yield Box("KMS Decision", permission["decision"], colour, decides=True)


def layer_lines(data: Json) -> Markup:
    """One line for each layer, and the final decision."""
    lines = [joined([element("b", f"{line['name']}:"), " ", word(line["text"])]) for line in data["lines"]]
    return listed(lines, "lines")


def causal_sentence(data: Json) -> Markup:
    """Why the call ends as it does."""
    return element("p", f"Because {data['because']}.")


def also_told(data: Json) -> list[Markup]:
    """What else would have blocked it, what the caller sees, and what AWS leaves open."""
    paragraphs = [element("p", text) for text in (sentence(data["also"]), sentence(data["failed"])) if text]
    if data["error"] and data["decision"] == "DENY":
        seen = ": ".join(text for text in (data["error"], data["message"]) if text)
        paragraphs.append(element("p", "The caller sees ", element("code", seen)))
    if data["uncertain"]:
        open_questions = ", ".join(data["uncertain"])
        paragraphs.append(
            element("p", element("b", "Open question: "), f"AWS leaves {open_questions} open.", class_="note")
        )
    return paragraphs


def layer_table(permission: Json, about: Mapping[str, str] | None = None) -> Markup:
    """All layers with what each said; `about` tells what a layer is, by its name."""
    columns = ["Layer", "Says", "In words", "Decided", "Rules"]
    if about is not None:
        columns.insert(1, "What it is")
    rows = [_layer_row(layer, about) for layer in permission["layers"]]
    return table(f"The eight layers about {permission['action']} on {permission['resource']}", columns, rows)


def _layer_row(layer: Json, about: Mapping[str, str] | None) -> list[str]:
    verdict = element("span", SAYS.get(layer["verdict"], layer["verdict"]), class_=f"says {layer['verdict']}")
    told_here = [verdict, layer["text"], "yes" if layer["decides"] else "no", ", ".join(layer["rules"])]
    return [layer["name"], *([about.get(layer["name"], "")] if about is not None else []), *told_here]


def evidence(permission: Json) -> Markup:
    """Each statement and grant, with what matched and what did not, layer by layer."""
    return joined(
        joined([element("h4", layer["name"]), *map(_statement, layer["statements"]), *map(_grant, layer["grants"])])
        for layer in permission["layers"]
        if layer["statements"] or layer["grants"]
    )


def _statement(found: Json) -> Markup:
    sid = f" “{found['sid']}”" if found["sid"] else ""
    times = f", which stands at {found['times']} levels" if found["times"] != 1 else ""
    title = [element("b", f"{found['effect']}{sid}"), " ", element("code", found["where"]), times]
    looked_at = [
        *(element("li", f"{name} matches", class_="matched") for name in found["matched"]),
        *([_mismatch(found["mismatch"])] if found["mismatch"] else []),
        *(element("li", f"{name} was not looked at", class_="unasked") for name in found["unasked"]),
    ]
    return _evidence(title, applies=found["applies"], effect=found["effect"], looked_at=looked_at)


def _grant(found: Json) -> Markup:
    title = [element("b", f"Grant {found['name']}"), " to ", element("code", found["grantee"])]
    if found["mismatch"]:
        return _evidence(title, applies=False, effect="Allow", looked_at=[_mismatch(found["mismatch"])])
    return _evidence(title, applies=True, effect="Allow", looked_at=[])


def _evidence(title: list[str], *, applies: bool, effect: str, looked_at: list[Markup]) -> Markup:
    outcome = "applies" if applies else "does not apply"
    colour = {"Allow": "allow", "Deny": "deny"}.get(effect, "plain") if applies else "idle"
    heading = element("p", *title, ": ", element("span", outcome, class_="outcome"))
    return element("div", heading, element("ul", *looked_at) if looked_at else "", class_=f"evidence {colour}")


def _mismatch(found: Json) -> Markup:
    return element(
        "li",
        element("b", f"{found['element']} does not match"),
        ": wants ",
        element("code", found["wanted"]),
        "; found ",
        element("code", found["found"]),
        f" ({found['rule']})",
        class_="unmatched",
    )


def rules_table(data: Json) -> Markup:
    """The rules that the decision rests on."""
    rows = [(rule["id"], coded(rule["text"])) for rule in data["rules"]]
    return table("The rules that the decision rests on", ("Rule", "What it says"), rows, "named")
