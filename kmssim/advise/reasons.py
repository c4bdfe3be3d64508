"""Why there is nothing to propose, by the state in which the search came to its end."""

from __future__ import annotations

from kmssim.advise.proposal import NoFix
from kmssim.evaluator.decision import Decision, Layer, PermissionTrace
from kmssim.evaluator.operations import OPERATIONS, CrossAccount
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.world import World


def why_none(world: World, call: Call, decision: Decision) -> NoFix:
    """The reason for a call that no edit opens; `decision` is the one that could not be helped."""
    failure = decision.failure
    if decision.allowed:
        return NoFix.FAILS_OTHERWISE
    if not decision.permissions:
        invalid = failure is not None and failure.code == "ValidationException"
        return NoFix.INVALID_PARAMETER if invalid else NoFix.NOTHING_THERE
    denied = [trace for trace in decision.permissions if not trace.ruling.allowed]
    if any(_stays_at_home(call, trace) for trace in denied):
        return NoFix.NOT_ACROSS_ACCOUNTS
    keys = [key for trace in denied if (key := world.keys_by_arn.get(trace.key or ""))]
    if any(key.manager == "AWS" for key in keys):
        return NoFix.AWS_MANAGED_KEY
    if any(_denied_by_share(trace) for trace in denied):
        return NoFix.FIXED_PERMISSIONS
    if not denied:
        return NoFix.NOTHING_THERE  # a service's call about a key that is not there
    return NoFix.NONE_FOUND


def _stays_at_home(call: Call, trace: PermissionTrace) -> bool:
    """XA-8: the operation works on keys of the caller's own account only."""
    row = OPERATIONS.get(call.name) if call.service == "kms" else None
    foreign = trace.key is not None and not trace.facts.same_account
    return foreign and row is not None and row.cross_account is not CrossAccount.YES


def _denied_by_share(trace: PermissionTrace) -> bool:
    statements = trace.layer(Layer.KEY_POLICY).statements
    return any(one.applies and one.effect == "Deny" and one.policy.endswith("ram_policy") for one in statements)


def why_not_closed(call: Call) -> NoFix:
    """The reason for a call that no edit closes."""
    bound = call.principal.kind in {PrincipalKind.ROOT, PrincipalKind.SERVICE}
    return NoFix.FIXED_PERMISSIONS if bound else NoFix.NONE_FOUND
