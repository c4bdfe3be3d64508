"""The causal sentence: why the answer is what it is, said once and without a dump.

One clause for each layer that decided; the clause of a missing trust says how close the key policy came. What is said
is decided here; the words stand in `wording`, by reason code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kmssim.condition_words import asked_and_found, held
from kmssim.evaluator.decision import (
    Decision,
    GrantTrace,
    Layer,
    LayerTrace,
    Mismatch,
    PermissionTrace,
    Source,
    StatementTrace,
    Verdict,
)
from kmssim.evaluator.request import PrincipalKind
from kmssim.wording import CLAUSES, FILTERS, IN_A_SENTENCE, NO_KEY_FOUND, kind_of, listed, short, who

_MOST_SHOWN = 4
"""So many actions or conditions are told; of more, the number."""


def because(decision: Decision, permission: PermissionTrace | None) -> str:
    """The causal sentence of a decision, without a final stop; `permission` is the one to explain."""
    if permission is None:
        rule = decision.failure.rule if decision.failure else ""
        return NO_KEY_FOUND.get(rule) or CLAUSES["no_authorization"]
    if permission.ruling.allowed:
        return _why_all_allowed(decision)
    if permission.ruling.explicit:
        return _why_denied_explicitly(permission)
    clauses = [_CLAUSE_OF[layer](decision, permission) for layer in Layer if layer in permission.ruling.layers]
    return _of_several(decision, permission) + "; and ".join(clauses)


def _of_several(decision: Decision, permission: PermissionTrace) -> str:
    """Name the permission when the call needs more than one."""
    if len(decision.permissions) == 1:
        return ""
    return f"{_named(permission)} is missing: "


def _named(permission: PermissionTrace) -> str:
    return permission.action if permission.resource == "*" else f"{permission.action} on {short(permission.resource)}"


# ---- an explicit deny ------------------------------------------------------------------------------------------------


def _why_denied_explicitly(permission: PermissionTrace) -> str:
    denials = [
        (trace.layer, statement)
        for trace in permission.layers
        for statement in trace.statements
        if statement.applies and statement.effect == "Deny"
    ]
    deniers = list(dict.fromkeys(_denier(layer, statement) for layer, statement in denials))
    keys = tuple(key for _, statement in denials for key in statement.condition_keys)
    verb = "denies" if len(deniers) == 1 else "deny"
    since = _told(held(keys, permission.context), ", since ")
    return _clause("denied", permission, deniers=listed(deniers), verb=verb, since=since)


def _denier(layer: Layer, statement: StatementTrace) -> str:
    policy = _of_resource(statement) or IN_A_SENTENCE[layer]
    return f'{policy} (statement "{statement.sid}")' if statement.sid else policy


def _told(conditions: list[str], start: str) -> str:
    return start + listed(conditions[:_MOST_SHOWN]) if conditions else ""


# ---- an allow --------------------------------------------------------------------------------------------------------


def _why_all_allowed(decision: Decision) -> str:
    """One sentence for each permission that the call needs; of those that are allowed alike, one."""
    if len(decision.permissions) == 1:
        return _why_allowed(decision, decision.permissions[0], decision.permissions[0].action)
    alike: dict[str, list[str]] = {}
    for trace in decision.permissions:
        reason = _why_allowed(decision, trace, "it")
        alike.setdefault(reason, []).append(_named(trace))
    return "; ".join(f"{listed(list(dict.fromkeys(permissions)))}: {why}" for why, permissions in alike.items())


def _why_allowed(decision: Decision, permission: PermissionTrace, action: str) -> str:
    """`action` is what the sentence calls it."""
    return "; also, ".join(
        _clause(code, permission, decision, **more, action=action) for code, more in _open_ways(decision, permission)
    )


def _open_ways(decision: Decision, permission: PermissionTrace) -> Iterable[tuple[str, Mapping[str, str]]]:
    """The code of each way in which the permission is given, and what its clause needs."""
    facts, layers = permission.facts, permission.ruling.layers
    if facts.source is Source.IDENTITY:
        own = permission.action.startswith("kms:")
        yield ("allowed_iam", {}) if own else ("allowed_service", {"givers": _givers(permission)})
        return
    if facts.source is Source.GRANT:
        yield ("allowed_retire_by_account" if Layer.IDENTITY in layers else "allowed_retire"), {}
        return
    if Layer.KEY_POLICY in layers and facts.direct is not None and facts.same_account:
        code = _DIRECTLY.get(decision.call.principal.kind, "allowed_direct")
        yield code, {"as_held": _as_held(permission, Layer.KEY_POLICY), "trusted": _trusted(decision, permission)}
    if Layer.IDENTITY in layers and Layer.KEY_POLICY in layers:
        across = "allowed_across_direct" if facts.direct is not None else "allowed_across_account"
        conditions = _as_held(permission, Layer.KEY_POLICY, Layer.IDENTITY)
        code = "allowed_delegation" if facts.same_account else across
        yield code, {"as_held": conditions, "trusted": _trusted(decision, permission)}
    if Layer.GRANT in layers:
        helping = [grant for grant in permission.layer(Layer.GRANT).grants if grant.mismatch is None]
        fits = any(grant.constrained for grant in helping)
        fitting = ", and the encryption context fits its constraint" if fits else ""
        names = [grant.name or grant.grant for grant in helping]
        grants = f"the grant {names[0]} gives" if len(names) == 1 else f"the grants {listed(names)} give"
        yield "allowed_grant", {"grants": grants, "fitting": fitting}


def _trusted(decision: Decision, permission: PermissionTrace) -> str:
    principal = decision.call.principal
    known = kind_of(principal)
    return f"{known}'s session {principal.session_name}" if names_the_session(permission) else known


def names_the_session(permission: PermissionTrace) -> bool:
    """Whether the key policy trusts by the session's own ARN, which means no other session of the role (DA-22)."""
    allows = [one for one in permission.layer(Layer.KEY_POLICY).statements if one.applies and one.effect == "Allow"]
    direct = [one for one in allows if one.role == "direct"]
    return bool(direct) and all(one.rule == "DA-22" for one in direct)


_DIRECTLY = {PrincipalKind.ROOT: "allowed_root", PrincipalKind.SERVICE: "allowed_service_itself"}


def _givers(permission: PermissionTrace) -> str:
    """Who allows what a service asks of its own caller: IAM, a bucket's policy, a secret's; and the verb."""
    allowing = [one for one in permission.layer(Layer.IDENTITY).statements if one.applies]
    givers = list(dict.fromkeys(_of_resource(one) or "IAM" for one in allowing)) or ["IAM"]
    return f"{listed(givers)} {'allows' if len(givers) == 1 else 'allow'}"


def _of_resource(statement: StatementTrace) -> str | None:
    """The policy of a bucket or a secret, which is judged together with the caller's own (DS-80)."""
    kinds = {"buckets": "the bucket's policy", "secrets": "the secret's policy"}
    return next((kinds[part] for part in statement.policy.split(".") if part in kinds), None)


def _as_held(permission: PermissionTrace, *layers: Layer) -> str:
    """Which condition keys had which value, of the Allows that apply; nothing where one asks for none."""
    found: list[str] = []
    for layer in layers:
        allows = [one for one in permission.layer(layer).statements if one.applies and one.effect == "Allow"]
        if all(one.condition_keys for one in allows):
            found += held(tuple(key for one in allows for key in one.condition_keys), permission.context)
    return _told(list(dict.fromkeys(found)), ", as ")


# ---- near misses -----------------------------------------------------------------------------------------------------


def near_misses(trace: LayerTrace) -> list[StatementTrace]:
    """Allow statements that mean the caller and still do not apply."""
    return [
        statement
        for statement in trace.statements
        if statement.effect == "Allow" and statement.mismatch and "Principal" not in statement.mismatch.element
    ]


def near_grants(trace: LayerTrace) -> list[GrantTrace]:
    """Grants that do not fit although they name the caller or its role; those to others of its account are no news."""
    return [
        grant
        for grant in trace.grants
        if grant.mismatch and (grant.mismatch.element, grant.mismatch.rule) != ("GranteePrincipal", "GR-20")
    ]


def _nearest(near: list[StatementTrace], *elements: str) -> Mismatch | None:
    """The first mismatch in one of these elements."""
    return next((one.mismatch for one in near if one.mismatch and one.mismatch.element in elements), None)


# ---- the key's side --------------------------------------------------------------------------------------------------


def _key_policy_clause(decision: Decision, permission: PermissionTrace) -> str:
    trace = permission.layer(Layer.KEY_POLICY)
    if trace.reason == "not_across_accounts":
        return _clause("key_not_across", permission)
    missing = _missing_trust(decision, permission, near_misses(trace))
    return missing + CLAUSES[_consequence(decision, permission)] + _unfit_grants(permission)


def _missing_trust(decision: Decision, permission: PermissionTrace, near: list[StatementTrace]) -> str:
    unmet = _nearest(near, "Condition")
    if unmet:
        asked, found = asked_and_found(unmet)
        return _clause("key_condition", permission, decision, asked=asked, found=found)
    if _nearest(near, "Action"):
        return _other_actions(decision, permission, near)
    if _nearest(near, "NotAction"):
        return _clause("key_action_excluded", permission, decision)
    return _clause("key_resource" if near else _nobody(decision, permission), permission, decision)


def _other_actions(decision: Decision, permission: PermissionTrace, near: list[StatementTrace]) -> str:
    """What the key policy gives in place of the action that is asked for; to the caller itself before its account."""
    elsewhere = [one for one in near if one.mismatch and one.mismatch.element == "Action"]
    directly = [one for one in elsewhere if one.role == "direct"]
    code = "key_action_direct" if directly or not permission.facts.same_account else "key_action_account"
    wanted = [one.mismatch.wanted for one in directly or elsewhere if one.mismatch]
    actions = list(dict.fromkeys(action for each in wanted for action in each.split(", ")))
    shown = actions[:_MOST_SHOWN]
    if len(actions) > len(shown):
        shown.append(f"{len(actions) - len(shown)} more")
    hint = CLAUSES["no_such_action"] if _MISTAKEN in (action.lower() for action in actions) else ""
    return _clause(code, permission, decision, actions=listed(shown)) + hint


_MISTAKEN = "kms:reencrypt"  # PG-11


def _nobody(decision: Decision, permission: PermissionTrace) -> str:
    kind = decision.call.principal.kind
    if kind is PrincipalKind.SERVICE:
        return "key_nobody_service"
    if not permission.facts.same_account:
        return "key_nobody_abroad"
    return "key_nobody_root" if kind is PrincipalKind.ROOT else "key_nobody"


def _consequence(decision: Decision, permission: PermissionTrace) -> str:
    if decision.call.principal.kind is PrincipalKind.SERVICE:
        return "so_nothing"
    if not permission.facts.same_account:
        return "so_both_sides"
    by_iam = permission.layer(Layer.IDENTITY)
    if by_iam.verdict is Verdict.ALLOW and by_iam.reason != "root_user":
        return "so_idle"
    return "so_no_substitute"


def _unfit_grants(permission: PermissionTrace) -> str:
    unfit = near_grants(permission.layer(Layer.GRANT))
    if not unfit or unfit[0].mismatch is None:
        return ""
    return _clause("grant_unfit", permission, grant=unfit[0].name or unfit[0].grant, gap=_gap(unfit[0].mismatch))


def _gap(mismatch: Mismatch) -> str:
    absent = "_absent" if mismatch.element == "SourceArn" and mismatch.found.endswith(" is absent") else ""
    code = f"gap_{mismatch.element}{absent}"
    return CLAUSES[code if code in CLAUSES else "gap"].format(
        element=mismatch.element, wanted=mismatch.wanted, found=mismatch.found
    )


# ---- the caller's side, and the filters ------------------------------------------------------------------------------


def _identity_clause(decision: Decision, permission: PermissionTrace) -> str:
    return CLAUSES[_start(permission)].format(action=permission.action) + _iam_gap(decision, permission)


def _start(permission: PermissionTrace) -> str:
    if permission.facts.source is Source.IDENTITY:
        return "iam_only" if permission.action.startswith("kms:") else "iam_service"
    if permission.facts.same_account:
        return "iam_delegated"
    return "iam_both" if Layer.KEY_POLICY in permission.ruling.layers else "iam_across"


def _iam_gap(decision: Decision, permission: PermissionTrace) -> str:
    near = near_misses(permission.layer(Layer.IDENTITY))
    unmet, elsewhere = _nearest(near, "Condition"), _nearest(near, "Resource", "NotResource")
    if unmet:
        asked, found = asked_and_found(unmet)
        return _clause("iam_condition", permission, decision, asked=asked, found=found)
    if elsewhere is None:
        return _clause("iam_none", permission, decision)
    code = "iam_resource"
    if elsewhere.found == "*":
        code = "iam_star"
    elif ":alias/" in elsewhere.wanted and permission.key == elsewhere.found:
        code = "iam_alias"
    but = "everything but " if elsewhere.element == "NotResource" else ""
    return _clause(code, permission, decision, wanted=but + elsewhere.wanted, found=elsewhere.found)


def _filter_clause(layer: Layer) -> Callable[[Decision, PermissionTrace], str]:
    def clause(decision: Decision, permission: PermissionTrace) -> str:
        trace = permission.layer(layer)
        if trace.reason == "federated_without_policy":
            return _clause("filter_federated", permission)
        near = near_misses(trace)
        unmet, elsewhere = _nearest(near, "Condition"), _nearest(near, "Resource")
        if unmet:
            asked, found = asked_and_found(unmet)
            return _clause("filter_condition", permission, decision, filter=FILTERS[layer], asked=asked, found=found)
        code = "filter_resource" if elsewhere else "filter_none"
        wanted, found = (elsewhere.wanted, elsewhere.found) if elsewhere else ("", "")
        return _clause(code, permission, decision, filter=FILTERS[layer], wanted=wanted, found=found)

    return clause


def _grant_clause(_decision: Decision, permission: PermissionTrace) -> str:
    return _clause("may_not_retire", permission)


def _clause(code: str, permission: PermissionTrace, decision: Decision | None = None, **more: str) -> str:
    """A clause of the table, filled."""
    principal = None if decision is None else decision.call.principal
    caller = {"caller": kind_of(principal), "named": who(principal), "account": principal.account} if principal else {}
    return CLAUSES[code].format(**{"action": permission.action, **caller, **more})


_CLAUSE_OF: Mapping[Layer, Callable[[Decision, PermissionTrace], str]] = {
    **{layer: _filter_clause(layer) for layer in FILTERS},
    Layer.KEY_POLICY: _key_policy_clause,
    Layer.GRANT: _grant_clause,
    Layer.IDENTITY: _identity_clause,
}
