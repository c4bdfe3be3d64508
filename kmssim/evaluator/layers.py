"""The eight layers: each looks at one leg of a call and says allow, deny, silent or not applicable, with its evidence.

All of them are always asked, even when one has already denied: an explanation must be able to say what else would have
blocked the call. How the verdicts are joined is not decided here (`combine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import LAYERS, GrantTrace, Layer, LayerTrace, Source, StatementTrace, Verdict
from kmssim.evaluator.grants import (
    GrantedPath,
    granted_paths,
    issued_by_account_of,
    retiring_mismatch,
    retiring_paths,
)
from kmssim.evaluator.match import Request, applies, trace_statement
from kmssim.evaluator.operations import OPERATIONS, CrossAccount
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.policy import Effect, Policy, Statement
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.world import World


@dataclass(frozen=True, eq=False, repr=False)
class Asked:
    """Everything that a layer may look at. `traced`: whether the evidence is to be written down."""

    world: World
    call: Call
    caller: Caller
    leg: Leg
    request: Request
    questions: OpenQuestions
    traced: bool = True

    @property
    def same_account(self) -> bool:
        """Whether the caller is of the key's account; a service that calls for itself counts as such (DA-28)."""
        return self.caller.is_service or self.caller.account == self.leg.owner


class Examined(NamedTuple):
    """What a union of policies says: any Deny denies, any Allow allows (DA-36). Without evidence no `statements`."""

    verdict: Verdict
    statements: tuple[StatementTrace, ...] = ()


def _examine(asked: Asked, policies: Iterable[Policy]) -> Examined:
    if not asked.traced:
        return Examined(_plain_verdict(asked, policies))
    statements = tuple(
        trace_statement(policy, statement, asked.request, asked.questions)
        for policy in policies
        for statement in policy.statements
    )
    return Examined(_verdict(statements), statements)


def _plain_verdict(asked: Asked, policies: Iterable[Policy]) -> Verdict:
    """The verdict alone: of statements that do not cover the action nothing is asked, and the first Deny ends it."""
    verdict = Verdict.SILENT
    for policy in policies:
        for statement in policy.naming(asked.request.action):
            denies = statement.effect is Effect.DENY
            if (denies or verdict is Verdict.SILENT) and applies(
                statement, asked.request, policy.kind, asked.questions
            ):
                if denies:
                    return Verdict.DENY
                verdict = Verdict.ALLOW
    return verdict


def _verdict(statements: Iterable[StatementTrace]) -> Verdict:
    effects = {statement.effect for statement in statements if statement.mismatch is None}
    if Effect.DENY.value in effects:
        return Verdict.DENY
    return Verdict.ALLOW if Effect.ALLOW.value in effects else Verdict.SILENT


def _strongest(verdicts: Collection[Verdict]) -> Verdict:
    """Of several unions of policies as one: a Deny, else an Allow."""
    return next((found for found in (Verdict.DENY, Verdict.ALLOW) if found in verdicts), Verdict.SILENT)


def _judge(asked: Asked, layer: Layer, policies: Iterable[Policy], rules: tuple[str, ...]) -> LayerTrace:
    """A layer that is a union of policies."""
    verdict, statements = _examine(asked, policies)
    return _found(layer, verdict, statements, rules)


def _found(
    layer: Layer, verdict: Verdict, statements: tuple[StatementTrace, ...], rules: tuple[str, ...]
) -> LayerTrace:
    if not statements:
        return _without_evidence(layer, verdict, f"policies_{verdict.value}", *rules)
    return LayerTrace(layer, verdict, f"policies_{verdict.value}", statements, rules=rules)


@cache
def _without_evidence(layer: Layer, verdict: Verdict, reason: str, *rules: str) -> LayerTrace:
    """A trace that holds nothing of the request: each exists once."""
    return LayerTrace(layer, verdict, reason, rules=rules)


def _absent(layer: Layer, reason: str, *rules: str) -> LayerTrace:
    return _without_evidence(layer, Verdict.NOT_APPLICABLE, reason, *rules)


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
    verdict, statements = _examine(asked, world.rcps_over(leg.owner))
    verdict = Verdict.DENY if verdict is Verdict.DENY else Verdict.ALLOW  # RCPFullAWSAccess is always there (OR-4)
    return _found(Layer.RCP, verdict, statements, ("OR-2", "OR-4"))


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
    levels = [_examine(asked, level) for level in world.scps_over(caller.account)]
    verdicts = {level.verdict for level in levels}
    verdict = next(found for found in (Verdict.DENY, Verdict.SILENT, Verdict.ALLOW) if found in verdicts)
    statements = tuple(statement for level in levels for statement in level.statements)
    return _found(Layer.SCP, verdict, statements, ("OR-1",))


def judge_vpc_endpoint(asked: Asked) -> LayerTrace:
    """The policy of the endpoint through which the call came (OR-7)."""
    call = asked.call
    endpoint = asked.world.vpc_endpoints.get(call.network.vpc_endpoint or "")
    if endpoint is None:
        return _absent(Layer.VPC_ENDPOINT, "no_endpoint", "OR-7")
    if call.via and not asked.questions.other_reading("UN-29"):
        return _absent(Layer.VPC_ENDPOINT, "forwarded", "OR-7", "SV-1")
    if endpoint.policy is None:
        return _without_evidence(Layer.VPC_ENDPOINT, Verdict.ALLOW, "default_policy", "OR-7")
    return _judge(asked, Layer.VPC_ENDPOINT, [endpoint.policy], ("OR-7",))


def judge_key_policy(asked: Asked) -> LayerTrace:
    """The key policy: its Denies, and whom its Allows trust, directly or through IAM (KP-1 to KP-5)."""
    key = asked.leg.key
    if key is None or asked.leg.source is not Source.KEY:
        return _absent(Layer.KEY_POLICY, "no_key", "DA-39")
    own = _examine_trust(asked, key.policy)
    shared = _examine_trust(asked, key.ram_policy) if key.ram_policy is not None else None
    ends_here = _ends_at_the_account(asked)
    if shared and not ends_here and asked.questions.other_reading("UN-16"):
        shared = None  # KP-9: by default the two policies count as one
    found = [own, shared] if shared else [own]
    verdict = _strongest([one.verdict for one in found])
    reason, rules = f"policies_{verdict.value}", tuple[str, ...](("KP-1",))
    if verdict is Verdict.ALLOW and ends_here and not _crosses_nevertheless(asked, shared):
        verdict, reason, rules = Verdict.SILENT, "not_across_accounts", ("XA-8", "XA-9")
    statements = tuple(statement for one in found for statement in one.statements)
    trust = frozenset[tuple[str, str]]().union(*(one.trust for one in found))
    return LayerTrace(Layer.KEY_POLICY, verdict, reason, statements, rules=rules, trust=trust)


class Trusting(NamedTuple):
    """What one key policy says, and what its Allows make of the caller."""

    verdict: Verdict
    statements: tuple[StatementTrace, ...]
    trust: frozenset[tuple[str, str]]


def _examine_trust(asked: Asked, policy: Policy) -> Trusting:
    """All Allows count, not the first alone: each may trust the caller in another way."""
    if not asked.traced:
        applying = [
            statement
            for statement in policy.naming(asked.request.action)
            if applies(statement, asked.request, policy.kind, asked.questions)
        ]
        roles = {trust_role(found, asked.caller) for found in applying if found.effect is Effect.ALLOW}
        verdict = Verdict.DENY if any(found.effect is Effect.DENY for found in applying) else Verdict.ALLOW
        return Trusting(verdict if applying else Verdict.SILENT, (), frozenset(roles))
    statements = tuple(
        _with_role(asked, statement, trace_statement(policy, statement, asked.request, asked.questions))
        for statement in policy.statements
    )
    trust = frozenset((found.role, found.rule) for found in statements if found.role and found.rule)
    return Trusting(_verdict(statements), statements, trust)


def _with_role(asked: Asked, statement: Statement, trace: StatementTrace) -> StatementTrace:
    if not trace.applies or statement.effect is Effect.DENY:
        return trace
    role, rule = trust_role(statement, asked.caller)
    return replace(trace, role=role, rule=rule)


def _ends_at_the_account(asked: Asked) -> bool:
    """XA-8: a permission that does not work across accounts is idle in the hands of a foreign caller."""
    operation = OPERATIONS.get(asked.call.name)
    return not (asked.same_account or operation is None or operation.cross_account is CrossAccount.YES)


def _crosses_nevertheless(asked: Asked, shared: Trusting | None) -> bool:
    """By other readings the call ends otherwise (UN-31), or a resource share carries the operation across (UN-16)."""
    by_share = shared is not None and shared.verdict is Verdict.ALLOW and asked.questions.other_reading("UN-16")
    return by_share or asked.questions.other_reading("UN-31")


def judge_grant(asked: Asked) -> tuple[LayerTrace, list[GrantedPath]]:
    """The grants on the key, or for RetireGrant the grant itself (GR-20, GR-60)."""
    if asked.leg.source is Source.GRANT:
        return _judge_retiring(asked)
    if asked.leg.source is not Source.KEY:
        return _absent(Layer.GRANT, "no_key", "GR-23"), []
    if asked.leg.key is None or not asked.leg.key.grants:
        return _without_evidence(Layer.GRANT, Verdict.SILENT, "no_grant", "GR-20"), []
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
    paths = retiring_paths(grant, asked.call, asked.caller, asked.questions)
    verdict = Verdict.ALLOW if paths else Verdict.SILENT
    reason = "may_retire" if paths else "may_not_retire"
    if not paths and issued_by_account_of(grant, asked.caller):
        reason = "issuing_account"
    found = retiring_mismatch(grant, asked.call, asked.caller) if reason == "may_not_retire" else None
    evidence = (GrantTrace(grant.id, grant.name, grant.holder, found),)
    return LayerTrace(Layer.GRANT, verdict, reason, grants=evidence, rules=("GR-60",)), paths


def judge_identity(asked: Asked) -> LayerTrace:
    """The caller's own policies: attached, inline, and those of its groups (DA-36)."""
    if not asked.leg.action.startswith("kms:"):
        return _judge_with_resource_policy(asked)
    return _judge_own(asked)


def _judge_own(asked: Asked) -> LayerTrace:
    caller = asked.caller
    if caller.is_service:
        return _absent(Layer.IDENTITY, "service_principal", "DA-35")
    if caller.is_root:
        return _without_evidence(Layer.IDENTITY, Verdict.ALLOW, "root_user", "DA-34", "KP-5")
    return _judge(asked, Layer.IDENTITY, caller.policies, ("DA-36",))


def _judge_with_resource_policy(asked: Asked) -> LayerTrace:
    """A bucket's or secret's own policy beside the caller's: either suffices in one account, across accounts both."""
    own = _judge_own(asked)
    resource_policy = asked.leg.resource_policy
    if asked.same_account and resource_policy is None:
        return own
    theirs = _judge(asked, Layer.IDENTITY, [resource_policy] if resource_policy else [], ("DS-80",))
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
            return _without_evidence(Layer.SESSION, Verdict.SILENT, "federated_without_policy", "DA-31")
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
    for layer in LAYERS:
        if layer is Layer.GRANT:
            traces[layer], paths = judge_grant(asked)
        else:
            traces[layer] = _PLAIN_JUDGES[layer](asked)
    return traces, paths
