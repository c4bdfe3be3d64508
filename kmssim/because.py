"""The causal sentence: why the answer is what it is, said once and without a dump.

One clause for each layer that decided; the clause of a missing trust says how close the key policy came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kmssim.evaluator.decision import (
    Decision,
    GrantTrace,
    Layer,
    LayerTrace,
    PermissionTrace,
    Source,
    StatementTrace,
    Verdict,
)
from kmssim.wording import IN_A_SENTENCE, NO_KEY_FOUND, kind_of, listed, who


def because(decision: Decision, permission: PermissionTrace | None) -> str:
    """The causal sentence of a decision, without a final stop; `permission` is the one to explain."""
    if permission is None:
        rule = decision.failure.rule if decision.failure else ""
        return NO_KEY_FOUND.get(rule, "the call never reached authorization")
    if permission.ruling.allowed:
        return _why_all_allowed(decision)
    if permission.ruling.explicit:
        return _why_denied_explicitly(permission)
    clauses = [_CLAUSES[layer](decision, permission) for layer in Layer if layer in permission.ruling.layers]
    return _of_several(decision, permission) + "; and ".join(clauses)


def _of_several(decision: Decision, permission: PermissionTrace) -> str:
    """Name the permission when the call needs more than one."""
    if len(decision.permissions) == 1:
        return ""
    return f"{permission.action} on {permission.resource} is missing: "


def _why_denied_explicitly(permission: PermissionTrace) -> str:
    denials = [
        f"{IN_A_SENTENCE[trace.layer]}{_sid(statement)}"
        for trace in permission.layers
        for statement in trace.statements
        if statement.applies and statement.effect == "Deny"
    ]
    verb = "denies" if len(denials) == 1 else "deny"
    return f"{listed(denials)} {verb} {permission.action} explicitly, and an explicit deny beats every allow"


def _sid(statement: StatementTrace) -> str:
    return f' (statement "{statement.sid}")' if statement.sid else ""


def _why_all_allowed(decision: Decision) -> str:
    """One sentence for each permission that the call needs."""
    if len(decision.permissions) == 1:
        return _why_allowed(decision, decision.permissions[0])
    return "; ".join(
        f"{trace.action} on {trace.resource}: {_why_allowed(decision, trace)}" for trace in decision.permissions
    )


def _why_allowed(decision: Decision, permission: PermissionTrace) -> str:
    facts, layers = permission.facts, permission.ruling.layers
    caller = kind_of(decision.call.principal)
    ways: list[str] = []
    if facts.source is Source.IDENTITY:
        return f"no key policy is asked for {permission.action}, and IAM allows it"
    if facts.source is Source.GRANT:
        return f"the grant lets {caller} retire it"
    if Layer.KEY_POLICY in layers and facts.direct is not None and facts.same_account:
        ways.append(f"the key policy trusts {caller} directly, which is enough in the key's own account")
    if Layer.IDENTITY in layers and Layer.KEY_POLICY in layers:
        trust = "hands the account over to IAM" if facts.same_account else "trusts the caller's account or the caller"
        ways.append(f"the key policy {trust}, and an IAM policy of {caller} allows {permission.action}")
    if Layer.GRANT in layers:
        names = [grant.name or grant.grant for grant in permission.layer(Layer.GRANT).grants if grant.mismatch is None]
        ways.append(f"the grant {listed(names)} gives {permission.action} to {caller}{_within(permission)}")
    return "; also, ".join(ways)


def _within(permission: PermissionTrace) -> str:
    constrained = any(grant.constrained and grant.mismatch is None for grant in permission.layer(Layer.GRANT).grants)
    return ", and the encryption context fits its constraint" if constrained else ""


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


def _key_policy_clause(decision: Decision, permission: PermissionTrace) -> str:
    trace = permission.layer(Layer.KEY_POLICY)
    if trace.reason == "not_across_accounts":
        return f"{permission.action} does not work on a key of another account, so what its key policy allows is idle"
    return (
        _missing_trust(decision, permission, near_misses(trace)) + _consequence(permission) + _unfit_grants(permission)
    )


def _missing_trust(decision: Decision, permission: PermissionTrace, near: list[StatementTrace]) -> str:
    caller = kind_of(decision.call.principal)
    unmet = [
        statement.mismatch for statement in near if statement.mismatch and statement.mismatch.element == "Condition"
    ]
    if unmet:
        return f"the key policy would trust {caller}, but asks for {unmet[0].wanted}, and in this call {unmet[0].found}"
    other = [statement.mismatch for statement in near if statement.mismatch and statement.mismatch.element == "Action"]
    if other:
        return f"the key policy trusts {caller} or its account for {other[0].wanted} only"
    if near:
        return f"the key policy's statement for {caller} does not name this key as its resource"
    if not permission.facts.same_account:
        principal = decision.call.principal
        return f"the key policy trusts neither {who(principal)} nor account {principal.account}"
    return f"the key policy neither names {caller} nor hands the account over to IAM"


def _consequence(permission: PermissionTrace) -> str:
    if not permission.facts.same_account:
        return ", and across accounts both sides must allow"
    if permission.facts.verdicts[Layer.IDENTITY] is Verdict.ALLOW:
        return ", so the IAM Allow has nothing to attach to"
    return ", and no IAM policy can stand in for that"


def _unfit_grants(permission: PermissionTrace) -> str:
    unfit = near_grants(permission.layer(Layer.GRANT))
    if not unfit or unfit[0].mismatch is None:
        return ""
    first, mismatch = unfit[0], unfit[0].mismatch
    name = first.name or first.grant
    gap = f"its {mismatch.element} wants {mismatch.wanted} and the call has {mismatch.found}"
    return f"; the grant {name} does not help, since {gap}"


def _identity_clause(decision: Decision, permission: PermissionTrace) -> str:
    trace, caller = permission.layer(Layer.IDENTITY), kind_of(decision.call.principal)
    if permission.facts.source is Source.IDENTITY:
        start = f"only IAM can allow {permission.action} here"
    elif permission.facts.same_account:
        start = "the key policy leaves the decision to IAM"
    else:
        start = "across accounts the caller's own IAM policy must allow as well"
    unmet = [s.mismatch for s in near_misses(trace) if s.mismatch and s.mismatch.element in {"Condition", "Resource"}]
    if unmet:
        return (
            f"{start}, and the IAM policy of {caller} asks for {unmet[0].wanted}, where this call has {unmet[0].found}"
        )
    return f"{start}, and no IAM policy of {caller} allows {permission.action}"


def _filter_clause(layer: Layer, what: str) -> Callable[[Decision, PermissionTrace], str]:
    def clause(_decision: Decision, permission: PermissionTrace) -> str:
        reason = permission.layer(layer).reason
        if reason == "federated_without_policy":
            return "a federated user without a session policy has nothing through IAM"
        return f"{what} does not allow {permission.action}, and what it does not allow no other policy can give"

    return clause


def _grant_clause(_decision: Decision, _permission: PermissionTrace) -> str:
    return (
        "only the grant's retiring principal, its grantee where the grant lists RetireGrant, or the account that "
        "issued it may retire a grant"
    )


_CLAUSES: Mapping[Layer, Callable[[Decision, PermissionTrace], str]] = {
    Layer.RCP: _filter_clause(Layer.RCP, "a resource control policy"),
    Layer.SCP: _filter_clause(Layer.SCP, "the service control policy at some level of the organization"),
    Layer.VPC_ENDPOINT: _filter_clause(Layer.VPC_ENDPOINT, "the VPC endpoint policy"),
    Layer.KEY_POLICY: _key_policy_clause,
    Layer.GRANT: _grant_clause,
    Layer.IDENTITY: _identity_clause,
    Layer.BOUNDARY: _filter_clause(Layer.BOUNDARY, "the permissions boundary"),
    Layer.SESSION: _filter_clause(Layer.SESSION, "the session policy"),
}
