"""A decision as the data that a page draws: words and verdicts only, nothing that a page would have to work out.

A page embeds this data and is a function of it, so a changed page shows a changed story and never another verdict's
source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmssim.evaluator.decision import (
    Decision,
    GrantTrace,
    Layer,
    LayerTrace,
    Mismatch,
    PermissionTrace,
    StatementTrace,
    Verdict,
)
from kmssim.evaluator.match import ELEMENTS
from kmssim.explain import explain
from kmssim.rules import rule
from kmssim.wording import LAYER_NAMES, NOT_APPLICABLE, who

Json = dict[str, Any]

READING_ORDER = (
    Layer.IDENTITY,
    Layer.KEY_POLICY,
    Layer.GRANT,
    Layer.BOUNDARY,
    Layer.SESSION,
    Layer.SCP,
    Layer.RCP,
    Layer.VPC_ENDPOINT,
)
"""From the caller's and the key's own side outwards, as the lines of an explanation have them."""

_ENOUGH_OF_A_DIGEST = 12
_NAMES_NOBODY = frozenset({Layer.IDENTITY, Layer.SCP, Layer.BOUNDARY, Layer.SESSION})
"""Policies of these layers are attached to the caller or above it, and have no Principal (PG-3)."""


def decision_data(
    name: str, decision: Decision, file: str | None = None, drawn: Collection[Layer] | None = None
) -> Json:
    """Everything that a page shows of one decision. `drawn`: the layers on its path; None: all that apply.

    `name` "": the call itself is the name.
    """
    explanation = explain(decision)
    caller, operation = decision.call.principal, decision.call.operation
    failure = decision.failure
    return {
        "name": name or f"{who(caller)} calls {operation}",
        "file": file,
        "caller": caller.arn,
        "who": who(caller),
        "operation": operation,
        "decision": decision.word,
        "kind": decision.kind,
        "decided_by": _names(decision.layers),
        "error": failure.code if failure else None,
        "message": failure.message if failure else None,
        "because": explanation.because,
        "also": explanation.also or None,
        "failed": explanation.failed or None,
        "uncertain": list(decision.uncertain),
        "lines": [{"name": label, "text": text} for label, text in explanation.lines],
        "rules": [{"id": rule_id, "text": rule(rule_id).text} for rule_id in explanation.rules],
        "permissions": [_permission(decision, trace, drawn) for trace in decision.permissions],
    }


def ruled_by(decision: Decision) -> Json:
    """Who joined the layers, for a page that is about one ruling."""
    ruler = decision.ruled_by
    return {
        "authority": ruler.authority,
        "engine": ruler.engine or None,
        "policy": (ruler.policy_digest or "")[:12] or None,
    }


def picked(data: Json, *names: str) -> Json:
    """Only these parts: a page embeds what it draws and nothing else."""
    return {name: data[name] for name in names}


def _names(layers: Collection[Layer]) -> list[str]:
    return [LAYER_NAMES[layer] for layer in READING_ORDER if layer in layers]


def mattering_statements(decision: Decision) -> list[Json]:
    """The statements that decided, or that came closest."""
    return [
        {"layer": LAYER_NAMES[found.layer], "where": found.where or "AWS default", "sid": found.sid, "text": found.text}
        for found in dict.fromkeys(explain(decision).statements)
    ]


def _permission(decision: Decision, permission: PermissionTrace, drawn: Collection[Layer] | None) -> Json:
    ruling = permission.ruling
    alone = replace(
        decision,
        permissions=(permission,),
        allowed=ruling.allowed,
        explicit=ruling.explicit,
        layers=ruling.layers,
        failure=None,
    )
    explained = explain(alone)
    words = dict(explained.lines)
    return {
        "action": permission.action,
        "resource": permission.resource,
        "decision": alone.word,
        "because": explained.because if len(decision.permissions) > 1 else None,
        "layers": [_layer(permission.layer(layer), words, ruling.layers, drawn) for layer in READING_ORDER],
        "context": [
            [key, value if isinstance(value, str) else ", ".join(value)]
            for key, value in sorted(permission.context.items())
        ],
    }


def _layer(
    trace: LayerTrace, words: Mapping[str, str], decided: Collection[Layer], drawn: Collection[Layer] | None
) -> Json:
    name, applies = LAYER_NAMES[trace.layer], trace.verdict is not Verdict.NOT_APPLICABLE
    return {
        "name": name,
        "verdict": trace.verdict.value,
        "text": words.get(name) or NOT_APPLICABLE.get(trace.reason, ""),
        "decides": trace.layer in decided,
        "on_path": applies if drawn is None else trace.layer in drawn,
        "rules": list(trace.rules),
        "statements": list(_statements(trace)),
        "grants": [_grant(grant) for grant in trace.grants],
    }


def _statements(trace: LayerTrace) -> Iterator[Json]:
    """Each statement once; a policy that stands at several levels says the same at each."""
    for statement, times in Counter(trace.statements).items():
        found = statement.mismatch
        matched, unasked = _elements(statement, trace.layer)
        yield {
            "effect": statement.effect,
            "where": ".".join(part for part in (statement.policy, statement.path) if part),
            "sid": statement.sid,
            "times": times,
            "applies": statement.applies,
            "matched": matched,
            "mismatch": _mismatch(found),
            "unasked": unasked,
        }


def _elements(statement: StatementTrace, layer: Layer) -> tuple[list[str], list[str]]:
    """What matched before the first element that did not, and what was therefore not looked at.

    Elements are looked at in the order of `evaluator.match`.
    """
    has_condition = statement.condition_keys or (statement.mismatch and statement.mismatch.element == "Condition")
    missing = {"Principal"} if layer in _NAMES_NOBODY else set()
    missing |= set() if has_condition else {"Condition"}
    elements = [element for element in ELEMENTS if element not in missing]
    if statement.mismatch is None:
        return elements, []
    failed = statement.mismatch.element.removeprefix("Not")
    at = elements.index(failed) if failed in elements else 0
    return elements[:at], elements[at + 1 :]


def _grant(grant: GrantTrace) -> Json:
    return {"name": grant.name or grant.grant, "grantee": grant.grantee, "mismatch": _mismatch(grant.mismatch)}


def _mismatch(found: Mismatch | None) -> Json | None:
    return found._asdict() if found else None
