"""Decision data → JSON and plain text. No rule is held here: what is not in the data is not shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kmssim.authority.exchange import write_facts
from kmssim.evaluator.decision import (
    Decision,
    GrantTrace,
    Layer,
    LayerTrace,
    Mismatch,
    PermissionTrace,
    StatementTrace,
)
from kmssim.explain import Explanation, explain

if TYPE_CHECKING:
    from kmssim.rules import Rule

Json = dict[str, Any]

_WIDTH = 118


def decision_json(name: str, decision: Decision, *, brief: bool = False) -> Json:
    """One request's answer in the words that tools read; `brief` leaves the trace out."""
    explanation = explain(decision)
    data: Json = {
        "name": name,
        "decision": decision.word,
        "kind": decision.kind,
        "layers": layer_words(decision.layers),
        "error": decision.failure.code if decision.failure else None,
        "message": decision.failure.message if decision.failure else None,
        "uncertain": list(decision.uncertain),
        "authority": decision.authority,
        "engine": decision.ruled_by.engine or None,
        "policy_digest": decision.ruled_by.policy_digest,
        "rules": list(explanation.rules),
        "because": explanation.because,
    }
    if not brief:
        data["trace"] = trace_json(decision, explanation)
    return data


def layer_words(layers: frozenset[Layer]) -> list[str]:
    """Layers by their words, in AWS's order."""
    return [layer.value for layer in Layer if layer in layers]


def trace_json(decision: Decision, explanation: Explanation) -> Json:
    """The whole trace: what was said of it in words, and each permission down to the element that did not match."""
    return {
        "lines": [{"name": name, "text": text} for name, text in explanation.lines],
        "also": explanation.also or None,
        "failed": explanation.failed or None,
        "permissions": [_permission_json(permission) for permission in decision.permissions],
    }


def _permission_json(permission: PermissionTrace) -> Json:
    return {
        "action": permission.action,
        "resource": permission.resource,
        "key": permission.key,
        "allowed": permission.ruling.allowed,
        "explicit": permission.ruling.explicit,
        "reason": permission.ruling.reason.value,
        "decided_by": layer_words(permission.ruling.layers),
        "paths": [path.value for path in permission.ruling.paths],
        "layers": [_layer_json(trace) for trace in permission.layers],
        "facts": write_facts(permission.facts),
        "context": {key: _plain(value) for key, value in sorted(permission.context.items())},
    }


def _plain(value: str | tuple[str, ...]) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


def _layer_json(trace: LayerTrace) -> Json:
    return {
        "layer": trace.layer.value,
        "verdict": trace.verdict.value,
        "reason": trace.reason,
        "rules": list(trace.rules),
        "statements": [_statement_json(statement) for statement in trace.statements],
        "grants": [_grant_json(grant) for grant in trace.grants],
    }


def _statement_json(statement: StatementTrace) -> Json:
    return {
        "policy": statement.policy,
        "path": statement.path,
        "sid": statement.sid,
        "effect": statement.effect,
        "applies": statement.applies,
        "role": statement.role,
        "rule": statement.rule,
        "mismatch": _mismatch_json(statement.mismatch),
    }


def _grant_json(grant: GrantTrace) -> Json:
    return {
        "grant": grant.grant,
        "name": grant.name,
        "grantee": grant.grantee,
        "applies": grant.mismatch is None,
        "mismatch": _mismatch_json(grant.mismatch),
    }


def _mismatch_json(mismatch: Mismatch | None) -> Mapping[str, str] | None:
    if mismatch is None:
        return None
    return {"element": mismatch.element, "wanted": mismatch.wanted, "found": mismatch.found, "rule": mismatch.rule}


def decision_text(name: str, decision: Decision, file: str | None, *, trace: bool = False) -> str:
    """One request's answer for a person: the layers, the causal sentence, the statements, the rules."""
    return "\n".join(_decision_lines(name, decision, explain(decision), file, trace=trace)) + "\n"


def _decision_lines(
    name: str, decision: Decision, explanation: Explanation, file: str | None, *, trace: bool
) -> Iterator[str]:
    call = decision.call
    yield name
    yield f"{call.principal.arn} calls {call.operation}"
    yield ""
    for label, text in explanation.lines:
        yield f"{label}: {text}"
    yield ""
    yield f"Because {explanation.because}."
    if explanation.also:
        yield f"{explanation.also[0].upper()}{explanation.also[1:]}."
    if explanation.failed:
        yield f"{explanation.failed[0].upper()}{explanation.failed[1:]}"
    if not decision.allowed and decision.failure:
        yield f"The caller sees {decision.failure.code}: {decision.failure.message}"
    if explanation.statements:
        yield ""
        yield f"Statements that mattered{f', in {file}' if file else ''}:"
        for statement in explanation.statements:
            sid = f' "{statement.sid}"' if statement.sid else ""
            rule = f"  [{statement.rule}]" if statement.rule else ""
            yield f"  {statement.layer.value}  {statement.where or 'AWS default'}{sid} {statement.text}{rule}"
    yield ""
    yield f"Rules: {', '.join(explanation.rules)}"
    if decision.uncertain:
        yield f"Uncertain: rests on {', '.join(decision.uncertain)}, which AWS leaves open"
    digest = decision.ruled_by.policy_digest
    yield f"Authority: {decision.authority}" + (f", policy {digest[:12]}" if digest else "")
    if trace:
        yield ""
        yield from _trace_lines(decision)


def _trace_lines(decision: Decision) -> Iterator[str]:
    """The trace as a tree."""
    for permission in decision.permissions:
        yield f"{permission.action} on {permission.resource}"
        for layer in permission.layers:
            yield f"├─ {layer.layer.value}: {layer.verdict.value} ({layer.reason})"
            for statement in layer.statements:
                where = f"{statement.policy}.{statement.path}"
                yield f"│  ├─ {statement.effect} {where}{_mismatch_text(statement.mismatch)}"
            for grant in layer.grants:
                yield f"│  ├─ grant {grant.name or grant.grant}{_mismatch_text(grant.mismatch)}"
        word = "allowed" if permission.ruling.allowed else "denied"
        ruling, engine = permission.ruling, decision.ruled_by.engine or "this Python"
        paths = f", paths: {', '.join(path.value for path in ruling.paths)}" if ruling.paths else ""
        yield f"└─ {word} by {', '.join(layer_words(ruling.layers))} ({ruling.reason.value}{paths}; ruled by {engine})"


def _mismatch_text(mismatch: Mismatch | None) -> str:
    if mismatch is None:
        return ": applies"
    return f": {mismatch.element} wants {mismatch.wanted}; found {mismatch.found} [{mismatch.rule}]"


def rule_text(rule: Rule) -> str:
    """A rule for a person."""
    from textwrap import wrap  # noqa: PLC0415 - decisions are not wrapped

    parts = [f"{rule.id} [{rule.status}]", *wrap(rule.text, _WIDTH)]
    if rule.example:
        parts += ["", *wrap(f"Example: {rule.example}", _WIDTH)]
    if rule.sources:
        parts += ["", "Sources:", *(f"  {source.title}: {source.url}" for source in rule.sources)]
    return "\n".join(parts) + "\n"
