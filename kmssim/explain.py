"""A decision → what a person wants to know of it: one line a layer, the causal sentence, what else would have blocked.

Aegis is bounded: everything here reads a finished decision. Nothing can change one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kmssim.because import because, names_the_session, near_grants, near_misses
from kmssim.evaluator.combine import combine
from kmssim.evaluator.decision import (
    Decision,
    Facts,
    Layer,
    LayerTrace,
    Limits,
    PermissionTrace,
    Source,
    StatementTrace,
    Verdict,
)
from kmssim.wording import IN_A_SENTENCE, LAYER_NAMES, NOT_APPLICABLE, listed, short, who


@dataclass(frozen=True)
class MatteringStatement:
    """A statement that decided, or that came closest: where it stands, and what it did or why it did not apply."""

    layer: Layer
    where: str
    sid: str | None
    text: str
    rule: str | None


@dataclass(frozen=True)
class Explanation:
    """Everything that is said of one decision.

    `lines` are (name, text) pairs in the order in which they are read; `also` says what would have blocked the call
    as well, "" when nothing; `failed` what an authorized call still ends with.
    """

    lines: tuple[tuple[str, str], ...]
    because: str
    also: str
    failed: str
    statements: tuple[MatteringStatement, ...]
    rules: tuple[str, ...]


def explain(decision: Decision) -> Explanation:
    """Explain a decision."""
    permission = deciding_permission(decision)
    lines = tuple(_lines(decision, permission)) if permission else ()
    statements = tuple(mattering(permission)) if permission else ()
    return Explanation(
        lines=(*lines, ("Final decision", decision.word)),
        because=because(decision, permission),
        also=_also(permission) if permission else "",
        failed=_failed(decision),
        statements=statements,
        rules=rules_of(decision),
    )


def deciding_permission(decision: Decision) -> PermissionTrace | None:
    """The permission to explain: the first explicit denial, else the first denial, else the first on a key."""
    denied = [trace for trace in decision.permissions if not trace.ruling.allowed]
    explicit = [trace for trace in denied if trace.ruling.explicit]
    on_a_key = [trace for trace in decision.permissions if trace.key]
    return next(iter([*explicit, *denied, *on_a_key, *decision.permissions]), None)


def _lines(decision: Decision, permission: PermissionTrace) -> Iterator[tuple[str, str]]:
    """One line for each layer: the four of every call, the others where they apply."""
    if len(decision.permissions) > 1:
        yield (
            "Permissions needed",
            listed([f"{trace.action} on {short(trace.resource)}" for trace in decision.permissions]),
        )
        yield "Looked at here", f"{permission.action} on {short(permission.resource)}"
    yield LAYER_NAMES[Layer.IDENTITY], _identity_line(decision, permission)
    yield LAYER_NAMES[Layer.KEY_POLICY], _key_policy_line(decision, permission)
    yield LAYER_NAMES[Layer.GRANT], _grant_line(permission)
    yield "Encryption context", _context_line(permission)
    for layer in (Layer.BOUNDARY, Layer.SESSION, Layer.SCP, Layer.RCP, Layer.VPC_ENDPOINT):
        trace = permission.layer(layer)
        if trace.verdict is not Verdict.NOT_APPLICABLE:
            yield LAYER_NAMES[layer], _plain_line(trace, permission.action)


def _plain_line(trace: LayerTrace, action: str) -> str:
    words = {
        Verdict.ALLOW: f"{action} allowed",
        Verdict.DENY: f"{action} denied explicitly",
        Verdict.SILENT: f"{action} not allowed",
        Verdict.NOT_APPLICABLE: "not applicable",
    }
    if trace.layer is Layer.RCP and trace.verdict is Verdict.ALLOW:
        return f"{action} not denied"
    return words[trace.verdict]


def _identity_line(decision: Decision, permission: PermissionTrace) -> str:
    trace = permission.layer(Layer.IDENTITY)
    if trace.reason == "root_user":
        return "not needed by the root user"
    if trace.verdict is Verdict.NOT_APPLICABLE:
        return "not applicable, a service calls for itself"
    if not trace.statements:
        return f"{permission.action} not allowed, the {who(decision.call.principal)} has no policy"
    return _plain_line(trace, permission.action)


def _key_policy_line(decision: Decision, permission: PermissionTrace) -> str:
    trace, caller = permission.layer(Layer.KEY_POLICY), who(decision.call.principal)
    if trace.verdict is Verdict.NOT_APPLICABLE:
        return f"not applicable, {NOT_APPLICABLE[trace.reason]}"
    if trace.verdict is Verdict.DENY:
        return f"{permission.action} denied explicitly"
    if trace.reason == "not_across_accounts":
        return f"no effect, {permission.action} does not work across accounts"
    if trace.verdict is Verdict.SILENT:
        return f"{caller} not trusted" + _narrow_trust(trace)
    if permission.facts.direct is not None:
        session = f"session {decision.call.principal.session_name} of the " if names_the_session(permission) else ""
        return f"{session}{caller} trusted"
    foreign = "" if permission.facts.same_account else f" {decision.call.principal.account}"
    return f"account{foreign} trusted, IAM decides"


def _narrow_trust(trace: LayerTrace) -> str:
    """How close the key policy came: it means the caller, but not this action or not under these conditions."""
    elements = {statement.mismatch.element for statement in near_misses(trace) if statement.mismatch}
    if "Condition" in elements:
        return ", a condition is not met"
    return " for this action" if elements else ""


def _grant_line(permission: PermissionTrace) -> str:
    trace = permission.layer(Layer.GRANT)
    names = [grant.name or grant.grant for grant in trace.grants if grant.mismatch is None]
    if trace.verdict is Verdict.ALLOW:
        return f"{listed(names)} allows {permission.action}"
    if trace.verdict is Verdict.NOT_APPLICABLE:
        return "not applicable"
    near = near_grants(trace)
    if not near and permission.facts.source is not Source.GRANT:
        return "none"
    if permission.facts.source is Source.GRANT and permission.facts.granted is not None:
        return (
            f"{trace.grants[0].name or trace.grants[0].grant} was issued by the caller's account, which may retire it"
        )
    if permission.facts.source is Source.GRANT:
        return f"{trace.grants[0].name or trace.grants[0].grant} does not let this caller retire it"
    unfit = [f"{grant.name or grant.grant} ({grant.mismatch.element})" for grant in near if grant.mismatch]
    return f"{listed(unfit)} {'does' if len(unfit) == 1 else 'do'} not fit"


def _context_line(permission: PermissionTrace) -> str:
    """What the call claims as encryption context, and whether somebody who means this caller looks at it."""
    prefix = "kms:encryptioncontext:"
    pairs = [
        f"{key.removeprefix(prefix)}={value}" for key, value in permission.context.items() if key.startswith(prefix)
    ]
    looked_at = list(_looks_at_context(permission))
    if not looked_at:
        return f"{', '.join(pairs)}, not asked for" if pairs else "not applicable"
    return f"{', '.join(pairs) or 'none given'}, {'matches' if any(looked_at) else 'does not match'}"


def _looks_at_context(permission: PermissionTrace) -> Iterator[bool]:
    """For each grant or statement that means this caller and looks at the encryption context: whether it is content."""
    for trace in permission.layers:
        for grant in trace.grants:
            if grant.constrained:
                yield grant.mismatch is None
        for statement in trace.statements:
            asks = any(key.startswith("kms:encryptioncontext") for key in statement.condition_keys)
            if asks and (statement.applies or (statement.mismatch and statement.mismatch.element == "Condition")):
                yield statement.applies is (statement.effect == "Allow")


def _also(permission: PermissionTrace) -> str:
    """What would still block the call if all that is blamed now allowed it."""
    if permission.ruling.allowed:
        return ""
    further = combine(_cured(permission.facts, permission.ruling.layers))
    if further.allowed:
        return ""
    return f"even then {listed([IN_A_SENTENCE[layer] for layer in Layer if layer in further.layers])} would block it"


def _cured(facts: Facts, layers: frozenset[Layer]) -> Facts:
    """The facts as they would be if the blamed layers allowed."""
    verdicts = {layer: Verdict.ALLOW if layer in layers else verdict for layer, verdict in facts.verdicts.items()}
    direct = Limits.NOTHING if Layer.KEY_POLICY in layers else facts.direct
    granted = Limits.NOTHING if Layer.GRANT in layers else facts.granted
    return replace(facts, verdicts=verdicts, direct=direct, granted=granted)


def _failed(decision: Decision) -> str:
    if not decision.allowed or decision.failure is None:
        return ""
    message = f": {decision.failure.message}" if decision.failure.message else ""
    return f"authorized, and still the call ends with {decision.failure.code}{message}"


def mattering(permission: PermissionTrace) -> Iterator[MatteringStatement]:
    """The statements that decided one permission; of a layer that is blamed and has none, those that came close."""
    for trace in permission.layers:
        for statement in _mattering_of(trace, permission):
            yield MatteringStatement(
                trace.layer,
                ".".join(part for part in (statement.policy, statement.path) if part),
                statement.sid,
                _what_it_did(statement),
                statement.mismatch.rule if statement.mismatch else statement.rule,
            )


def _mattering_of(trace: LayerTrace, permission: PermissionTrace) -> list[StatementTrace]:
    """Those that apply; of a blamed layer without any, those that do not."""
    applying = [statement for statement in trace.statements if statement.applies]
    denying = [statement for statement in applying if statement.effect == "Deny"]
    blamed = trace.layer in permission.ruling.layers and not permission.ruling.allowed
    return denying or applying or (list(trace.statements) if blamed else [])


def _what_it_did(statement: StatementTrace) -> str:
    if statement.mismatch is None:
        return {"Allow": "allows", "Deny": "denies"}[statement.effect]
    mismatch = statement.mismatch
    return f"does not apply: {mismatch.element} wants {mismatch.wanted}; found {mismatch.found}"


def _decided(statement: StatementTrace, permission: PermissionTrace) -> bool:
    return statement.applies and (statement.effect == "Deny") is permission.ruling.explicit


def rules_of(decision: Decision) -> tuple[str, ...]:
    """The rules that the decision rests on: of the layers that decided, of their statements, of the error."""
    found: list[str] = []
    permission = deciding_permission(decision)
    for trace in permission.layers if permission else ():
        if permission and trace.layer in permission.ruling.layers:
            found += trace.rules
            found += [
                statement.rule for statement in trace.statements if _decided(statement, permission) and statement.rule
            ]
    if decision.explicit:
        found.insert(0, "DA-1")
    if decision.failure:
        found.append(decision.failure.rule)
    return tuple(dict.fromkeys(found + list(decision.uncertain)))
