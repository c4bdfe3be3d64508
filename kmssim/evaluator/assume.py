"""May this caller assume this role, and as whom does it go on: `assume(world, call)`, a pure function.

A role's trust policy is to `sts:AssumeRole` what a key policy is to KMS: it trusts a caller directly, or it hands an
account over to IAM. So the verdicts go through the combining rule of KMS (`combine`), with the trust policy in the
place of the key policy: in one account whoever is named needs no identity policy, an account that is named delegates
to its IAM, and across accounts both sides must allow (XA-1). A role without a stated trust policy trusts its own
account. Session tags need `sts:TagSession` as well, and a source identity `sts:SetSourceIdentity`, those that come
along a chain of roles too.

Only the final session counts afterwards (DA-32): its role, its boundary, its session policy, and the transitive tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from kmssim.evaluator.asked import Asked, ask
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.context import derive_global_keys, named_keys, stated
from kmssim.evaluator.decision import (
    Authority,
    Evidence,
    Facts,
    Failure,
    Layer,
    LayerTrace,
    PermissionTrace,
    Source,
    StatementTrace,
    Verdict,
)
from kmssim.evaluator.layers import judge_boundary, judge_identity, judge_rcp, judge_scp, judge_session
from kmssim.evaluator.match import trace_statement
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions, in_order
from kmssim.evaluator.request import Arn, Call, Principal, PrincipalKind, Session, parse_arn
from kmssim.evaluator.statements import Effect, Policy, Statement
from kmssim.evaluator.trust import DELEGATION, direct_limits, trust_role
from kmssim.evaluator.world import Role, World

ASSUME, TAG, SET_SOURCE_IDENTITY = "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"
TRUST_POLICY = "trust_policy"
"""Whom to blame where the role does not trust the caller, beside the values of `Layer`."""

_LONGEST_CHAINED = 3600
_TOO_LONG = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
_NO_ROOT = "Roles may not be assumed by root accounts."


@dataclass(frozen=True)
class Assumption:
    """The answer to one `sts:AssumeRole`.

    `blamed`: who refuses, `trust_policy` or values of `Layer`; empty where it is nobody's policy. `permissions`: a
    trace for each action that the call needs; the trust policy stands in them where the key policy stands for KMS.
    `principal` is the session that the caller becomes, without session policies; None when refused. Of its tags those
    in `transitive` pass on.
    """

    call: Call
    failure: Failure | None
    blamed: frozenset[str] = frozenset()
    explicit: bool = False
    permissions: tuple[PermissionTrace, ...] = ()
    principal: Principal | None = None
    transitive: frozenset[str] = frozenset()
    uncertain: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the caller becomes the role."""
        return self.failure is None


def assume(
    world: World, call: Call, transitive: frozenset[str] = frozenset(), authority: Authority = PYTHON
) -> Assumption:
    """Decide a call of `sts:AssumeRole`, its parameters as boto3 takes them.

    `transitive` are the caller's session tags that pass on. Where another reading of an open question would end in
    another answer, `uncertain` names the question.
    """
    questions = OpenQuestions()
    answer = _Assuming(world, call, transitive, authority, questions).answer()
    rests_on = tuple(
        question
        for question in in_order(questions.met)
        if _Assuming(world, call, transitive, authority, OpenQuestions(frozenset({question}))).answer().allowed
        is not answer.allowed
    )
    return replace(answer, uncertain=rests_on)


@dataclass(frozen=True, eq=False, repr=False)
class _Assuming:
    """One reading of one call."""

    world: World
    call: Call
    transitive: frozenset[str]
    authority: Authority
    questions: OpenQuestions

    def answer(self) -> Assumption:
        caller = find_caller(self.world, self.call.principal)
        if caller.is_root:
            return Assumption(self.call, Failure("AccessDenied", _NO_ROOT, "DA-34", 403))
        arn = parse_arn(self._text("RoleArn"))
        role = self._role(arn, caller)
        if arn is None or role is None or caller.kind is PrincipalKind.FEDERATED_USER:
            blamed = frozenset({TRUST_POLICY} if role is None else ())
            return Assumption(self.call, self._denied(ASSUME), blamed)
        traces = tuple(self._permission(action, caller, role, arn) for action in self._actions())
        return self._join(traces, role, arn)

    def _text(self, name: str) -> str:
        return str(self.call.parameters.get(name) or "")

    def _role(self, arn: Arn | None, caller: Caller) -> Role | None:
        """The role of exactly this ARN; none of another partition (PG-48)."""
        account = self.world.accounts.get(arn.account) if arn else None
        if arn is None or account is None or caller.partition not in {"", arn.partition}:
            return None
        role = account.roles.get(arn.resource.rpartition("/")[2])
        return role if role is not None and role.arn == str(arn) else None

    def _actions(self) -> Iterator[str]:
        yield ASSUME
        if self._passed_tags() or self._inherited_tags():
            yield TAG
        if self._source_identity():
            yield SET_SOURCE_IDENTITY

    def _passed_tags(self) -> dict[str, str]:
        passed = self.call.parameters.get("Tags")
        records = passed if isinstance(passed, list | tuple) else ()
        return {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in records}

    def _inherited_tags(self) -> dict[str, str]:
        """DA-32: the caller's transitive session tags pass on."""
        return {key: value for key, value in self.call.principal.session.tags.items() if key in self.transitive}

    def _transitive_keys(self) -> tuple[str, ...]:
        named = self.call.parameters.get("TransitiveTagKeys")
        return tuple(str(key) for key in named) if isinstance(named, list | tuple) else ()

    def _source_identity(self) -> str | None:
        """The one that the caller has passes on along a chain."""
        return self.call.principal.session.source_identity or self._text("SourceIdentity") or None

    def _has_mfa(self) -> bool:
        return bool(self._text("SerialNumber") and self._text("TokenCode"))

    def _permission(self, action: str, caller: Caller, role: Role, arn: Arn) -> PermissionTrace:
        """The layers' verdicts on one action, and the ruling on them."""
        leg = Leg(action, role.arn, Source.KEY, self.call.region, arn.account)
        derive = partial(self._context, caller, role, arn.account)
        asked = ask(self.world, self.call, caller, leg, derive, self.questions)._replace(traced=True)
        traces = _judge(asked, role)
        facts = _gather(asked, traces)
        evidence = Evidence(tuple(traces.values()), asked.request.context)
        return PermissionTrace(action, role.arn, None, facts, self.authority.rule(facts), lambda: evidence)

    def _context(self, caller: Caller, role: Role, account: str) -> Context:
        """The condition keys of STS beside the global ones; what the call states outright wins."""
        passed = self._passed_tags()
        keys = derive_global_keys(self.world, self.call, caller, self.call.region, account, role.tags)
        keys |= named_keys("iam:resourcetag/", role.tags.items())
        keys |= named_keys("aws:requesttag/", passed.items())
        keys["sts:rolesessionname"] = self._text("RoleSessionName")
        if passed:
            keys["aws:tagkeys"] = tuple(passed)
        if self._transitive_keys():
            keys["sts:transitivetagkeys"] = self._transitive_keys()
        keys |= {key: self._text(name) for key, name in _PASSED.items() if self._text(name)}
        if self._has_mfa():
            keys |= {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "0"}
        said = {key: stated(self.call, key) for key in self.call.context}
        return keys | {key: value for key, value in said.items() if value is not None}

    def _join(self, traces: tuple[PermissionTrace, ...], role: Role, arn: Arn) -> Assumption:
        """All actions must be allowed; explicit denials are named before missing permissions."""
        denied = [trace for trace in traces if not trace.ruling.allowed]
        explicit = [trace for trace in denied if trace.ruling.explicit]
        blamed = frozenset(_word(layer) for trace in explicit or denied for layer in trace.ruling.layers)
        answer = Assumption(self.call, None, blamed, bool(explicit), traces)
        if denied:
            return replace(answer, failure=self._denied((explicit or denied)[0].action))
        has, asks = self.call.principal.session.source_identity, self._text("SourceIdentity")
        if has and asks and asks != has:  # a source identity cannot change along a chain
            return replace(answer, failure=self._denied(SET_SOURCE_IDENTITY))
        chained = self.call.principal.kind is PrincipalKind.ROLE_SESSION
        if chained and int(self._text("DurationSeconds") or 0) > _LONGEST_CHAINED:
            return replace(answer, failure=Failure("ValidationError", _TOO_LONG, "DA-32"))
        passing_on = frozenset(self._transitive_keys()) | self._inherited_tags().keys()
        return replace(answer, principal=self._session_of(role, arn), transitive=passing_on)

    def _session_of(self, role: Role, arn: Arn) -> Principal:
        name = self._text("RoleSessionName")
        shown = arn._replace(service="sts", resource=f"assumed-role/{role.name}/{name}")
        session = Session(
            tags={**self._inherited_tags(), **self._passed_tags()},
            mfa=self._has_mfa(),
            source_identity=self._source_identity(),
        )
        return Principal(PrincipalKind.ROLE_SESSION, str(shown), arn.account, role.name, name, session)

    def _denied(self, action: str) -> Failure:
        """STS names no policy in its sentence."""
        sentence = f"User: {self.call.principal.arn} is not authorized to perform: {action} on resource: "
        return Failure("AccessDenied", sentence + self._text("RoleArn"), "EM-1", 403)


_PASSED = {"sts:externalid": "ExternalId", "sts:sourceidentity": "SourceIdentity"}
_NO_ENDPOINT = LayerTrace(Layer.VPC_ENDPOINT, Verdict.NOT_APPLICABLE, "no_endpoint", rules=("OR-7",))
_NO_GRANT = LayerTrace(Layer.GRANT, Verdict.SILENT, "no_grant", rules=("GR-20",))


def _judge(asked: Asked, role: Role) -> dict[Layer, LayerTrace]:
    """Ask every layer, in AWS's order; the endpoints of a world are those of KMS, and roles have no grants."""
    own = asked._replace(leg=replace(asked.leg, owner=asked.caller.account))  # the caller's side of two accounts
    return {
        Layer.RCP: judge_rcp(asked),
        Layer.SCP: judge_scp(asked),
        Layer.VPC_ENDPOINT: _NO_ENDPOINT,
        Layer.KEY_POLICY: _judge_trust(asked, role),
        Layer.GRANT: _NO_GRANT,
        Layer.IDENTITY: judge_identity(own),
        Layer.BOUNDARY: judge_boundary(asked),
        Layer.SESSION: judge_session(asked),
    }


def _judge_trust(asked: Asked, role: Role) -> LayerTrace:
    """The trust policy: its Denies, and whom its Allows trust, directly or through IAM."""
    if role.trust is None:
        if asked.caller.account != asked.leg.owner:
            return LayerTrace(Layer.KEY_POLICY, Verdict.SILENT, "own_account_only", rules=("XA-1",))
        trust = frozenset({(DELEGATION, "DA-27")})
        return LayerTrace(Layer.KEY_POLICY, Verdict.ALLOW, "own_account", rules=("DA-27",), trust=trust)
    found = tuple(_trace_trust(asked, role.trust, statement) for statement in role.trust.statements)
    trust = frozenset((trace.role, trace.rule) for trace in found if trace.role and trace.rule)
    denied = any(trace.applies and trace.effect == Effect.DENY.value for trace in found)
    verdict = Verdict.DENY if denied else Verdict.ALLOW if trust else Verdict.SILENT
    return LayerTrace(Layer.KEY_POLICY, verdict, f"policies_{verdict.value}", found, rules=("KP-1",), trust=trust)


def _trace_trust(asked: Asked, policy: Policy, statement: Statement) -> StatementTrace:
    trace = trace_statement(policy, statement, asked.request, asked.questions)
    if not trace.applies or statement.effect is Effect.DENY:
        return trace
    role, rule = trust_role(statement, asked.caller)
    return trace._replace(role=role, rule=rule)


def _gather(asked: Asked, traces: Mapping[Layer, LayerTrace]) -> Facts:
    """Summarize one action for the combining rule."""
    trust = traces[Layer.KEY_POLICY]
    verdicts = {layer: trace.verdict for layer, trace in traces.items()}
    if trust.verdict is not Verdict.ALLOW:
        return Facts(verdicts, Source.KEY, asked.same_account)
    rules = frozenset(rule for role, rule in trust.trust if role != DELEGATION)
    direct = direct_limits(rules, traces[Layer.BOUNDARY], traces[Layer.SESSION], asked.questions)
    delegated = any(role == DELEGATION for role, _ in trust.trust)
    return Facts(verdicts, Source.KEY, asked.same_account, direct, delegated)


def _word(layer: Layer) -> str:
    return TRUST_POLICY if layer is Layer.KEY_POLICY else layer.value
