"""From the layers' traces to `Facts`: the finite summary that the combining rule looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kmssim.evaluator.decision import Facts, Layer, LayerTrace, Limits, Source, Verdict
from kmssim.evaluator.grants import GrantedPath
from kmssim.evaluator.layers import Asked
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.trust import DELEGATION, direct_limits


def gather_facts(asked: Asked, traces: Mapping[Layer, LayerTrace], paths: Sequence[GrantedPath]) -> Facts:
    """Summarize one leg: the verdicts, how the key policy trusts the caller, and what the best grant gives."""
    verdicts = {layer: trace.verdict for layer, trace in traces.items()}
    direct, delegated = _trust(asked, traces)
    granted, to_account = _best_grant(asked, traces, paths)
    if asked.leg.source is Source.GRANT and granted is None and _may_retire_as_delegate(traces):
        granted, to_account = Limits.NOTHING, not asked.caller.is_root
        verdicts[Layer.GRANT] = Verdict.ALLOW
    return Facts(verdicts, asked.leg.source, asked.same_account, direct, delegated, granted, to_account)


def _trust(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> tuple[Limits | None, bool]:
    key_policy = traces[Layer.KEY_POLICY]
    if key_policy.verdict is not Verdict.ALLOW:
        return None, False
    roles = [(statement.role, statement.rule) for statement in key_policy.statements if statement.role]
    rules = {rule for role, rule in roles if role != DELEGATION and rule}
    direct = direct_limits(rules, traces[Layer.BOUNDARY], traces[Layer.SESSION], asked.questions)
    return direct, any(role == DELEGATION for role, _ in roles)


def _best_grant(
    asked: Asked, traces: Mapping[Layer, LayerTrace], paths: Sequence[GrantedPath]
) -> tuple[Limits | None, bool]:
    """The limits of the most open grant, and whether only grants to the whole account help."""
    usable = [path for path in paths if not _needs_iam_as_well(asked, traces)]
    if not usable:
        return None, False
    limits = [(path.to_account, _grant_limits(path, traces, asked.questions)) for path in usable]
    to_account, best = min(limits, key=lambda entry: (entry[0], list(Limits).index(entry[1])))
    return best, to_account


def _needs_iam_as_well(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> bool:
    """GR-40: whether a foreign grantee also needs its own IAM policy; by default it does not."""
    retiring = asked.leg.source is Source.GRANT  # GR-60 asks for nothing beside the grant
    if asked.same_account or retiring or asked.caller.service_linked:
        return False
    if traces[Layer.IDENTITY].verdict is Verdict.ALLOW:
        return False
    return asked.questions.other_reading("UN-2")


def _grant_limits(path: GrantedPath, traces: Mapping[Layer, LayerTrace], questions: OpenQuestions) -> Limits:
    """GR-33: a grant is limited like a key-policy statement of the same ARN form; whether so is open."""
    silent = any(traces[layer].verdict is Verdict.SILENT for layer in (Layer.BOUNDARY, Layer.SESSION))
    if path.to_account or not silent or not questions.other_reading("UN-1"):
        return path.limits
    return Limits.NOTHING if path.limits is not Limits.NOTHING else Limits.BOUNDARY_AND_SESSION


def _may_retire_as_delegate(traces: Mapping[Layer, LayerTrace]) -> bool:
    """GR-60: the account that issued a grant may retire it, its root user directly, others as far as its IAM allows."""
    if traces[Layer.GRANT].reason != "issuing_account":
        return False
    passing = {Verdict.ALLOW, Verdict.NOT_APPLICABLE}
    limits = (traces[Layer.BOUNDARY].verdict, traces[Layer.SESSION].verdict)
    return traces[Layer.IDENTITY].verdict is Verdict.ALLOW and all(verdict in passing for verdict in limits)
