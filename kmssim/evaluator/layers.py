"""The eight layers: each looks at one leg of a call and says allow, deny, silent or not applicable, with its evidence.

All of them are always asked, even when one has already denied: an explanation must be able to say what else would have
blocked the call. How the verdicts are joined is not decided here (`combine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from itertools import chain
from typing import NamedTuple

from kmssim.evaluator.asked import Asked
from kmssim.evaluator.decision import LAYERS, GrantTrace, Layer, LayerTrace, Source, StatementTrace, Verdict
from kmssim.evaluator.grants import (
    GrantedPath,
    granted_paths,
    issued_by_account_of,
    retiring_mismatch,
    retiring_paths,
)
from kmssim.evaluator.match import any_applies, applies
from kmssim.evaluator.operations import OPERATIONS, CrossAccount
from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.request import PrincipalKind
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.views import traces_of, view_of
from kmssim.evaluator.world import World


def _examine(asked: Asked, policies: Iterable[Policy]) -> tuple[Verdict, tuple[StatementTrace, ...]]:
    """What a union of policies says: any Deny denies, any Allow allows (DA-36); with evidence where it is wanted."""
    if not asked.traced:
        return _plain_verdict(asked, policies), ()
    told = [traces_of(policy, asked.request, asked.questions) for policy in policies]
    statements = told[0] if len(told) == 1 else tuple(chain.from_iterable(told))
    return _verdict(statements), statements


def _plain_verdict(asked: Asked, policies: Iterable[Policy]) -> Verdict:
    """The verdict alone: the first Deny that applies ends it, and after the first Allow only Denies are looked at."""
    request, questions = asked.request, asked.questions
    verdict = Verdict.SILENT
    for policy in policies:
        view = view_of(policy, request.caller, request.action, request.resource)
        if view.denies or any_applies(view.open_denies, request, policy.kind, questions):
            return Verdict.DENY
        if verdict is Verdict.SILENT and (
            view.allows or any_applies(view.open_allows, request, policy.kind, questions)
        ):
            verdict = Verdict.ALLOW
    return verdict


def _verdict(statements: Iterable[StatementTrace]) -> Verdict:
    effects = {statement.effect for statement in statements if statement.mismatch is None}
    if "Deny" in effects:
        return Verdict.DENY
    return Verdict.ALLOW if "Allow" in effects else Verdict.SILENT


def _strongest(verdicts: Collection[Verdict]) -> Verdict:
    """Of several unions of policies as one: a Deny, else an Allow."""
    if Verdict.DENY in verdicts:
        return Verdict.DENY
    return Verdict.ALLOW if Verdict.ALLOW in verdicts else Verdict.SILENT


def _weakest(verdicts: Collection[Verdict]) -> Verdict:
    """Of several unions that must all allow: a Deny, else one that is silent."""
    if Verdict.DENY in verdicts:
        return Verdict.DENY
    return Verdict.SILENT if Verdict.SILENT in verdicts else Verdict.ALLOW


def _judge(asked: Asked, layer: Layer, policies: Iterable[Policy]) -> LayerTrace:
    """A layer that is a union of policies."""
    return _found(layer, *_examine(asked, policies))


def _found(layer: Layer, verdict: Verdict, statements: tuple[StatementTrace, ...]) -> LayerTrace:
    if not statements:
        return _BARE[layer, verdict]
    return LayerTrace(layer, verdict, _REASONS[verdict], statements, rules=_RULES[layer])


_RULES: Mapping[Layer, tuple[str, ...]] = {
    Layer.RCP: ("OR-2", "OR-4"),
    Layer.SCP: ("OR-1",),
    Layer.VPC_ENDPOINT: ("OR-7",),
    Layer.KEY_POLICY: ("KP-1",),
    Layer.IDENTITY: ("DA-36",),
    Layer.BOUNDARY: ("DA-30",),
    Layer.SESSION: ("DA-30",),
}
_REASONS = {verdict: f"policies_{verdict.value}" for verdict in Verdict}
_BARE = {
    (layer, verdict): LayerTrace(layer, verdict, _REASONS[verdict], rules=rules)
    for layer, rules in _RULES.items()
    for verdict in Verdict
}
"""Layers without evidence: what holds nothing of the request exists once."""


@cache
def _without_evidence(layer: Layer, verdict: Verdict, reason: str, *rules: str) -> LayerTrace:
    return LayerTrace(layer, verdict, reason, rules=rules)


def _absent(layer: Layer, reason: str, *rules: str) -> LayerTrace:
    return _without_evidence(layer, Verdict.NOT_APPLICABLE, reason, *rules)


_NO_ENDPOINT = _absent(Layer.VPC_ENDPOINT, "no_endpoint", "OR-7")
_NO_SESSION_POLICY = _absent(Layer.SESSION, "no_session_policy", "DA-31")
_NO_GRANT = LayerTrace(Layer.GRANT, Verdict.SILENT, "no_grant", rules=("GR-20",))


def judge_rcp(asked: Asked) -> LayerTrace:
    """Resource control policies of the organization that owns the resource; they can only deny (OR-2 to OR-4)."""
    world, leg = asked.world, asked.leg
    policies = world.rcps_over.get(leg.owner)
    if policies is None:
        return _absent(Layer.RCP, *_outside(world, leg.owner, "OR-2", "OR-3"))
    if asked.caller.service_linked:
        return _absent(Layer.RCP, "service_linked_role", "OR-3", "DA-33")
    if leg.key is not None and leg.key.manager == "AWS":
        return _absent(Layer.RCP, "aws_managed_key", "OR-3", "MK-3")
    if leg.source is Source.GRANT:
        return _absent(Layer.RCP, "retire_grant", "OR-3")
    if leg.resource == "*" and asked.questions.other_reading("UN-15"):
        return _absent(Layer.RCP, "no_resource", "OR-6")
    verdict, statements = _examine(asked, policies)
    verdict = Verdict.DENY if verdict is Verdict.DENY else Verdict.ALLOW  # RCPFullAWSAccess is always there (OR-4)
    return _found(Layer.RCP, verdict, statements)


def judge_scp(asked: Asked) -> LayerTrace:
    """Service control policies of the caller's organization: every level must allow, any may deny (OR-1)."""
    world, caller = asked.world, asked.caller
    if caller.is_service:
        return _absent(Layer.SCP, "service_principal", "DA-35")
    above = world.scps_over.get(caller.account)
    if above is None:
        return _absent(Layer.SCP, *_outside(world, caller.account, "OR-1", "OR-1"))
    if caller.service_linked:
        return _absent(Layer.SCP, "service_linked_role", "DA-33")
    levels = [_examine(asked, level) for level in above]
    verdict = _weakest([verdict for verdict, _ in levels])
    statements = tuple([found for _, statements in levels for found in statements]) if asked.traced else ()
    return _found(Layer.SCP, verdict, statements)


def _outside(world: World, account: str, rule: str, rule_of_management: str) -> tuple[str, str]:
    """Why the organization's policies do not bind an account, and the rule."""
    organization = world.organization
    if organization is not None and account == organization.management_account:
        return "management_account", rule_of_management
    return "no_organization", rule


def judge_vpc_endpoint(asked: Asked) -> LayerTrace:
    """The policy of the endpoint through which the call came (OR-7)."""
    call = asked.call
    endpoint = asked.world.vpc_endpoints.get(call.network.vpc_endpoint or "")
    if endpoint is None:
        return _NO_ENDPOINT
    if call.via and not asked.questions.other_reading("UN-29"):
        return _absent(Layer.VPC_ENDPOINT, "forwarded", "OR-7", "SV-1")
    if endpoint.policy is None:
        return _without_evidence(Layer.VPC_ENDPOINT, Verdict.ALLOW, "default_policy", "OR-7")
    return _judge(asked, Layer.VPC_ENDPOINT, [endpoint.policy])


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
    found = _as_one(own, shared) if shared else own
    if found.verdict is Verdict.ALLOW and ends_here and not _crosses_nevertheless(asked, shared):
        reason, rules = "not_across_accounts", ("XA-8", "XA-9")
        return LayerTrace(Layer.KEY_POLICY, Verdict.SILENT, reason, found.statements, rules=rules)
    return _trace_of(*found)


class Trusting(NamedTuple):
    """What one key policy says, and what its Allows make of the caller."""

    verdict: Verdict
    statements: tuple[StatementTrace, ...]
    trust: frozenset[tuple[str, str]]


def _as_one(own: Trusting, shared: Trusting) -> Trusting:
    """Two key policies count as one (KP-9)."""
    verdict = _strongest([own.verdict, shared.verdict])
    return Trusting(verdict, own.statements + shared.statements, own.trust | shared.trust)


def _trace_of(
    verdict: Verdict, statements: tuple[StatementTrace, ...], trust: frozenset[tuple[str, str]]
) -> LayerTrace:
    if not statements:
        return _bare_trust(verdict, trust)
    return _bare_trust(verdict, trust)._replace(statements=statements)


@cache
def _bare_trust(verdict: Verdict, trust: frozenset[tuple[str, str]]) -> LayerTrace:
    return _BARE[Layer.KEY_POLICY, verdict]._replace(trust=trust)


def _examine_trust(asked: Asked, policy: Policy) -> Trusting:
    """All Allows count, not the first alone: each may trust the caller in another way."""
    if not asked.traced:
        request, questions = asked.request, asked.questions
        view = view_of(policy, request.caller, request.action, request.resource)
        if view.denies or any_applies(view.open_denies, request, policy.kind, questions):
            return _DENYING
        further = [found for found in view.open_allows if applies(found, request, policy.kind, questions)]
        trust = view.trust.union([trust_role(found, asked.caller) for found in further]) if further else view.trust
        return Trusting(Verdict.ALLOW, (), trust) if trust else _NOT_TRUSTING
    statements = traces_of(policy, asked.request, asked.questions)
    trust = frozenset((found.role, found.rule) for found in statements if found.role and found.rule)
    return Trusting(_verdict(statements), statements, trust)


_DENYING = Trusting(Verdict.DENY, (), frozenset())
_NOT_TRUSTING = Trusting(Verdict.SILENT, (), frozenset())


def _ends_at_the_account(asked: Asked) -> bool:
    """XA-8: a permission that does not work across accounts is idle in the hands of a foreign caller."""
    if asked.same_account:
        return False
    operation = OPERATIONS.get(asked.call.name)
    return operation is not None and operation.cross_account is not CrossAccount.YES


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
        return _NO_GRANT, []
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
    return _judge(asked, Layer.IDENTITY, caller.policies)


def _judge_with_resource_policy(asked: Asked) -> LayerTrace:
    """A bucket's or secret's own policy beside the caller's: either suffices in one account, across accounts both."""
    own = _judge_own(asked)
    resource_policy = asked.leg.resource_policy
    if asked.same_account and resource_policy is None:
        return own
    theirs = _judge(asked, Layer.IDENTITY, [resource_policy] if resource_policy else [])
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
    return _judge(asked, Layer.BOUNDARY, [asked.caller.boundary])


def judge_session(asked: Asked) -> LayerTrace:
    """The session policy; a federated user without one has nothing through IAM (DA-31)."""
    policies = asked.caller.principal.session.policies
    if not policies:
        if asked.caller.kind is PrincipalKind.FEDERATED_USER:
            return _without_evidence(Layer.SESSION, Verdict.SILENT, "federated_without_policy", "DA-31")
        return _NO_SESSION_POLICY
    return _judge(asked, Layer.SESSION, policies)


JUDGES: Mapping[Layer, Callable[[Asked], LayerTrace]] = {
    Layer.RCP: judge_rcp,
    Layer.SCP: judge_scp,
    Layer.VPC_ENDPOINT: judge_vpc_endpoint,
    Layer.KEY_POLICY: judge_key_policy,
    Layer.IDENTITY: judge_identity,
    Layer.BOUNDARY: judge_boundary,
    Layer.SESSION: judge_session,
}
"""Who speaks for each layer that looks at policies."""
LAYER_OF: Mapping[PolicyKind, Layer] = {
    PolicyKind.RCP: Layer.RCP,
    PolicyKind.SCP: Layer.SCP,
    PolicyKind.VPC_ENDPOINT: Layer.VPC_ENDPOINT,
    PolicyKind.KEY_POLICY: Layer.KEY_POLICY,
    PolicyKind.IDENTITY: Layer.IDENTITY,
    PolicyKind.BUCKET: Layer.IDENTITY,
    PolicyKind.SECRET: Layer.IDENTITY,
    PolicyKind.BOUNDARY: Layer.BOUNDARY,
    PolicyKind.SESSION: Layer.SESSION,
}
"""The one layer that looks at a kind of policy."""


def judge_all(asked: Asked) -> tuple[dict[Layer, LayerTrace], list[GrantedPath]]:
    """Ask every layer, in AWS's order, and return the grants that help beside the traces."""
    grant, paths = judge_grant(asked)
    return {layer: grant if layer is Layer.GRANT else JUDGES[layer](asked) for layer in LAYERS}, paths
