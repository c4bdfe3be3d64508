"""The eight layers: each looks at one leg of a call and says allow, deny, silent or not applicable, with its evidence.

All of them are always asked, even when one has already denied: an explanation must be able to say what else would have
blocked the call. How the verdicts are joined is not decided here (`combine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import GrantTrace, Layer, LayerTrace, Source, StatementTrace, Verdict
from kmssim.evaluator.grants import GrantedPath, granted_paths, issued_by_account_of, may_retire
from kmssim.evaluator.match import Request, trace_statement
from kmssim.evaluator.operations import OPERATIONS, CrossAccount
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.policy import Effect, Policy, Statement
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.world import World


@dataclass(frozen=True, eq=False, repr=False)
class Asked:
    """Everything that a layer may look at."""

    world: World
    call: Call
    caller: Caller
    leg: Leg
    request: Request
    questions: OpenQuestions

    @property
    def same_account(self) -> bool:
        """Whether the caller is of the key's account; a service that calls for itself counts as such (DA-28)."""
        return self.caller.is_service or self.caller.account == self.leg.owner


def _trace(asked: Asked, policies: Iterable[Policy]) -> list[StatementTrace]:
    return [
        trace_statement(policy, statement, asked.request, asked.questions)
        for policy in policies
        for statement in policy.statements
    ]


def _verdict(statements: Iterable[StatementTrace]) -> Verdict:
    effects = {statement.effect for statement in statements if statement.applies}
    if Effect.DENY.value in effects:
        return Verdict.DENY
    return Verdict.ALLOW if Effect.ALLOW.value in effects else Verdict.SILENT


def _judge(asked: Asked, layer: Layer, policies: Iterable[Policy], rules: tuple[str, ...]) -> LayerTrace:
    """A layer that is a union of policies: any Deny denies, any Allow allows (DA-36)."""
    statements = tuple(_trace(asked, policies))
    verdict = _verdict(statements)
    return LayerTrace(layer, verdict, f"policies_{verdict.value}", statements, rules=rules)


def _absent(layer: Layer, reason: str, *rules: str) -> LayerTrace:
    return LayerTrace(layer, Verdict.NOT_APPLICABLE, reason, rules=rules)


def judge_rcp(asked: Asked) -> LayerTrace:
    """Resource control policies of the organization that owns the resource; they can only deny (OR-2 to OR-4)."""
    world, leg = asked.world, asked.leg
    organization = world.organization
    if organization is None or not world.in_organization(leg.owner):
        return _absent(Layer.RCP, "no_organization", "OR-2")
    if leg.owner == organization.management_account:
        return _absent(Layer.RCP, "management_account", "OR-3")
    if asked.caller.service_linked:
        return _absent(Layer.RCP, "service_linked_role", "OR-3", "DA-33")
    if leg.key is not None and leg.key.manager == "AWS":
        return _absent(Layer.RCP, "aws_managed_key", "OR-3", "MK-3")
    if leg.source is Source.GRANT:
        return _absent(Layer.RCP, "retire_grant", "OR-3")
    if leg.resource == "*" and asked.questions.other_reading("UN-15"):
        return _absent(Layer.RCP, "no_resource", "OR-6")
    account = world.accounts.get(leg.owner)
    levels = [unit.rcps for unit in organization.units_above((account.unit if account else None) or "root")]
    policies = [policy for level in [*levels, account.rcps if account else ()] for policy in level]
    statements = tuple(_trace(asked, policies))
    denied = _verdict(statements) is Verdict.DENY
    verdict = Verdict.DENY if denied else Verdict.ALLOW
    return LayerTrace(Layer.RCP, verdict, f"policies_{verdict.value}", statements, rules=("OR-2", "OR-4"))


def judge_scp(asked: Asked) -> LayerTrace:
    """Service control policies of the caller's organization: every level must allow, any may deny (OR-1)."""
    world, caller = asked.world, asked.caller
    organization = world.organization
    if caller.is_service:
        return _absent(Layer.SCP, "service_principal", "DA-35")
    if organization is None or not world.in_organization(caller.account):
        return _absent(Layer.SCP, "no_organization", "OR-1")
    if caller.account == organization.management_account:
        return _absent(Layer.SCP, "management_account", "OR-1")
    if caller.service_linked:
        return _absent(Layer.SCP, "service_linked_role", "DA-33")
    account = world.accounts[caller.account]
    levels = [unit.scps for unit in organization.units_above(account.unit or "root")] + [account.scps]
    traces = [_trace(asked, level) for level in levels]
    verdicts = {_verdict(statements) for statements in traces}
    verdict = next(found for found in (Verdict.DENY, Verdict.SILENT, Verdict.ALLOW) if found in verdicts)
    statements = tuple(statement for level in traces for statement in level)
    return LayerTrace(Layer.SCP, verdict, f"policies_{verdict.value}", statements, rules=("OR-1",))


def judge_vpc_endpoint(asked: Asked) -> LayerTrace:
    """The policy of the endpoint through which the call came (OR-7)."""
    call = asked.call
    endpoint = asked.world.vpc_endpoints.get(call.network.vpc_endpoint or "")
    if endpoint is None:
        return _absent(Layer.VPC_ENDPOINT, "no_endpoint", "OR-7")
    if call.via and not asked.questions.other_reading("UN-29"):
        return _absent(Layer.VPC_ENDPOINT, "forwarded", "OR-7", "SV-1")
    if endpoint.policy is None:
        return LayerTrace(Layer.VPC_ENDPOINT, Verdict.ALLOW, "default_policy", rules=("OR-7",))
    return _judge(asked, Layer.VPC_ENDPOINT, [endpoint.policy], ("OR-7",))


def judge_key_policy(asked: Asked) -> LayerTrace:
    """The key policy: its Denies, and whom its Allows trust, directly or through IAM (KP-1 to KP-5)."""
    key = asked.leg.key
    if key is None or asked.leg.source is not Source.KEY:
        return _absent(Layer.KEY_POLICY, "no_key", "DA-39")
    policies = [key.policy]
    if key.ram_policy is not None and not asked.questions.other_reading("UN-16"):
        policies.append(key.ram_policy)  # KP-9
    statements = tuple(
        _with_role(asked, statement, trace_statement(policy, statement, asked.request, asked.questions))
        for policy in policies
        for statement in policy.statements
    )
    verdict = _verdict(statements)
    if verdict is Verdict.ALLOW and _ends_at_the_account(asked):
        return LayerTrace(Layer.KEY_POLICY, Verdict.SILENT, "not_across_accounts", statements, rules=("XA-8", "XA-9"))
    return LayerTrace(Layer.KEY_POLICY, verdict, f"policies_{verdict.value}", statements, rules=("KP-1",))


def _with_role(asked: Asked, statement: Statement, trace: StatementTrace) -> StatementTrace:
    if not trace.applies or statement.effect is Effect.DENY:
        return trace
    role, rule = trust_role(statement, asked.caller)
    return replace(trace, role=role, rule=rule)


def _ends_at_the_account(asked: Asked) -> bool:
    """XA-8: a permission that does not work across accounts is idle in the hands of a foreign caller."""
    operation = OPERATIONS.get(asked.call.name)
    if asked.same_account or operation is None or operation.cross_account is CrossAccount.YES:
        return False
    return not asked.questions.other_reading("UN-31")


def judge_grant(asked: Asked) -> tuple[LayerTrace, list[GrantedPath]]:
    """The grants on the key, or for RetireGrant the grant itself (GR-20, GR-60)."""
    if asked.leg.source is Source.GRANT:
        return _judge_retiring(asked)
    if asked.leg.source is not Source.KEY:
        return _absent(Layer.GRANT, "no_key", "GR-23"), []
    source_arn = asked.request.context.get("aws:sourcearn")
    paths, traces = granted_paths(
        asked.call, asked.caller, asked.leg, source_arn if isinstance(source_arn, str) else None, asked.questions
    )
    verdict = Verdict.ALLOW if paths else Verdict.SILENT
    reason = "granted" if paths else ("grants_do_not_fit" if traces else "no_grant")
    return LayerTrace(Layer.GRANT, verdict, reason, grants=tuple(traces), rules=("GR-20",)), paths


def _judge_retiring(asked: Asked) -> tuple[LayerTrace, list[GrantedPath]]:
    grant = asked.leg.grant
    assert grant is not None  # noqa: S101 - a leg whose source is a grant has one
    path = may_retire(grant, asked.call, asked.caller)
    evidence = (GrantTrace(grant.id, grant.name, grant.holder, None),)
    verdict = Verdict.ALLOW if path else Verdict.SILENT
    reason = "may_retire" if path else "may_not_retire"
    if path is None and issued_by_account_of(grant, asked.caller):
        reason = "issuing_account"
    return LayerTrace(Layer.GRANT, verdict, reason, grants=evidence, rules=("GR-60",)), [path] if path else []


def judge_identity(asked: Asked) -> LayerTrace:
    """The caller's own policies: attached, inline, and those of its groups (DA-36)."""
    caller = asked.caller
    if caller.is_service:
        return _absent(Layer.IDENTITY, "service_principal", "DA-35")
    if caller.is_root:
        return LayerTrace(Layer.IDENTITY, Verdict.ALLOW, "root_user", rules=("DA-34", "KP-5"))
    if asked.leg.resource_policy is not None:
        return _judge_with_resource_policy(asked, asked.leg.resource_policy)
    return _judge(asked, Layer.IDENTITY, caller.policies, ("DA-36",))


def _judge_with_resource_policy(asked: Asked, resource_policy: Policy) -> LayerTrace:
    """A bucket's or secret's own policy beside the caller's: either suffices in one account, across accounts both."""
    own = _judge(asked, Layer.IDENTITY, asked.caller.policies, ("DA-36",))
    theirs = _judge(asked, Layer.IDENTITY, [resource_policy], ("DS-80",))
    verdicts = {own.verdict, theirs.verdict}
    if Verdict.DENY in verdicts:
        verdict = Verdict.DENY
    elif Verdict.ALLOW in verdicts and (asked.same_account or verdicts == {Verdict.ALLOW}):
        verdict = Verdict.ALLOW
    else:
        verdict = Verdict.SILENT
    statements = own.statements + theirs.statements
    return LayerTrace(Layer.IDENTITY, verdict, f"policies_{verdict.value}", statements, rules=("DA-36", "DS-80"))


def judge_boundary(asked: Asked) -> LayerTrace:
    """The caller's permissions boundary (DA-30)."""
    if asked.caller.boundary is None:
        return _absent(Layer.BOUNDARY, "no_boundary", "DA-30")
    return _judge(asked, Layer.BOUNDARY, [asked.caller.boundary], ("DA-30",))


def judge_session(asked: Asked) -> LayerTrace:
    """The session policy; a federated user without one has nothing through IAM (DA-31)."""
    policies = asked.caller.principal.session.policies
    if not policies:
        if asked.caller.kind is PrincipalKind.FEDERATED_USER:
            return LayerTrace(Layer.SESSION, Verdict.SILENT, "federated_without_policy", rules=("DA-31",))
        return _absent(Layer.SESSION, "no_session_policy", "DA-31")
    return _judge(asked, Layer.SESSION, policies, ("DA-30",))


_PLAIN_JUDGES: Mapping[Layer, Callable[[Asked], LayerTrace]] = {
    Layer.RCP: judge_rcp,
    Layer.SCP: judge_scp,
    Layer.VPC_ENDPOINT: judge_vpc_endpoint,
    Layer.KEY_POLICY: judge_key_policy,
    Layer.IDENTITY: judge_identity,
    Layer.BOUNDARY: judge_boundary,
    Layer.SESSION: judge_session,
}


def judge_all(asked: Asked) -> tuple[dict[Layer, LayerTrace], list[GrantedPath]]:
    """Ask every layer, in AWS's order, and return the grants that help beside the traces."""
    traces: dict[Layer, LayerTrace] = {}
    paths: list[GrantedPath] = []
    for layer in Layer:
        if layer is Layer.GRANT:
            traces[layer], paths = judge_grant(asked)
        else:
            traces[layer] = _PLAIN_JUDGES[layer](asked)
    return traces, paths
