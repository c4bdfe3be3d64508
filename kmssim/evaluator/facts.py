"""From the layers' traces to `Facts`: the finite summary that the combining rule looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from kmssim.evaluator.asked import Asked
from kmssim.evaluator.decision import Facts, Layer, LayerTrace, Limits, Source, Verdict
from kmssim.evaluator.grants import GrantedPath, is_held_to_its_grant
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.trust import DELEGATION, direct_limits


def gather_facts(asked: Asked, traces: Mapping[Layer, LayerTrace], paths: Sequence[GrantedPath]) -> Facts:
    """Summarize one leg: the verdicts, how the key policy trusts the caller, and what the best grant gives."""
    verdicts = {layer: trace.verdict for layer, trace in traces.items()}
    direct, delegated = _trust(asked, traces)
    granted, to_account = _best_grant(asked, traces, paths) if paths else (None, False)
    if (direct is not None or delegated) and _only_by_its_grant(asked, traces):
        direct, delegated = None, False
        verdicts[Layer.KEY_POLICY] = Verdict.SILENT
    if asked.leg.source is Source.GRANT and (granted is None or to_account):
        delegate = (to_account or traces[Layer.GRANT].reason == "issuing_account") and _lets_through(traces)
        granted, to_account = (Limits.NOTHING, not asked.caller.is_root) if delegate else (None, False)
        verdicts[Layer.GRANT] = Verdict.ALLOW if delegate else Verdict.SILENT
    return Facts(verdicts, asked.leg.source, asked.same_account, direct, delegated, granted, to_account)


def _only_by_its_grant(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> bool:
    """UN-20: by the other reading a grant's limit on CreateGrant holds, whatever a policy allows beside it."""
    narrowed = asked.leg.name == "CreateGrant" and is_held_to_its_grant(traces[Layer.GRANT].grants)
    return narrowed and asked.questions.other_reading("UN-20")


def _trust(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> tuple[Limits | None, bool]:
    key_policy = traces[Layer.KEY_POLICY]
    if key_policy.verdict is not Verdict.ALLOW:
        return None, False
    rules, delegated = _kinds_of_trust(key_policy.trust)
    if not rules:
        return None, delegated
    return direct_limits(rules, traces[Layer.BOUNDARY], traces[Layer.SESSION], asked.questions), delegated


@cache
def _kinds_of_trust(trust: frozenset[tuple[str, str]]) -> tuple[frozenset[str], bool]:
    """The rules by which the caller is trusted directly, and whether the account is handed over to IAM."""
    rules = frozenset(rule for role, rule in trust if role != DELEGATION)
    return rules, any(role == DELEGATION for role, _ in trust)


def _best_grant(
    asked: Asked, traces: Mapping[Layer, LayerTrace], paths: Sequence[GrantedPath]
) -> tuple[Limits | None, bool]:
    """The limits of the most open grant, and whether only grants to the whole account help."""
    if _needs_iam_as_well(asked, traces):
        return None, False
    order = list(Limits)
    to_account, best = min((path.to_account, order.index(path.limits)) for path in paths)
    return (order[best] if to_account else _grant_limits(order[best], traces, asked.questions)), to_account


def _needs_iam_as_well(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> bool:
    """GR-40: whether a foreign grantee also needs its own IAM policy; by default it does not."""
    retiring = asked.leg.source is Source.GRANT  # GR-60 asks for nothing beside the grant
    if asked.same_account or retiring or asked.caller.service_linked:
        return False
    if traces[Layer.IDENTITY].verdict is Verdict.ALLOW:
        return False
    return asked.questions.other_reading("UN-2")


def _grant_limits(limits: Limits, traces: Mapping[Layer, LayerTrace], questions: OpenQuestions) -> Limits:
    """GR-33: a grant is limited like a key-policy statement of the same ARN form; whether so is open."""
    silent = any(traces[layer].verdict is Verdict.SILENT for layer in (Layer.BOUNDARY, Layer.SESSION))
    if not silent or not questions.other_reading("UN-1"):
        return limits
    return Limits.NOTHING if limits is not Limits.NOTHING else Limits.BOUNDARY_AND_SESSION


def _lets_through(traces: Mapping[Layer, LayerTrace]) -> bool:
    """GR-60: an account retires a grant by its root user directly, by others as far as its IAM allows."""
    passing = {Verdict.ALLOW, Verdict.NOT_APPLICABLE}
    limits = (traces[Layer.BOUNDARY].verdict, traces[Layer.SESSION].verdict)
    return traces[Layer.IDENTITY].verdict is Verdict.ALLOW and all(verdict in passing for verdict in limits)
