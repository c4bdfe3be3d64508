"""The policy decision point: `decide(world, call)`. Start reading here.

    call ── forward ──▶ KMS calls ── permissions ──▶ legs ── context ──▶ requests
         ── layers ──▶ verdicts ──▶ facts ── combine ──▶ ruling ── outcome ──▶ Decision

Each step is a module of that name. The decision says on which open questions it rests: whatever question the
evaluation came by is read the other way, and where that ends in another answer the answer rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from kmssim.evaluator.asked import Asked, ask
from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.context import derive_principal_keys, derive_request_keys
from kmssim.evaluator.context_kms import derive_kms_keys, request_tags, stated_keys
from kmssim.evaluator.decision import (
    Authority,
    Decision,
    Evidence,
    Facts,
    Failure,
    Layer,
    LayerTrace,
    PermissionTrace,
    Ruling,
    Source,
    Verdict,
)
from kmssim.evaluator.forward import Forwarded, forward, translate_failure
from kmssim.evaluator.keys import Absence, MissingKey
from kmssim.evaluator.layers import judge_identity
from kmssim.evaluator.messages import access_denied, grant_not_found, key_not_found
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.outcome import check_state, find_failure
from kmssim.evaluator.outcome_lists import check_listed_key
from kmssim.evaluator.permissions import Leg, MissingGrant, legs_of
from kmssim.evaluator.questions import OpenQuestions, in_order
from kmssim.evaluator.recall import Recall
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.secret_policy import is_blamed
from kmssim.evaluator.unlocked import cached_property
from kmssim.evaluator.validation import find_invalid_parameter
from kmssim.evaluator.world import World

_INVALID_ARN = "InvalidArnException"
_CALLERS_KEPT = 4096
_GUARDRAILS = (Layer.RCP, Layer.SCP, Layer.VPC_ENDPOINT)


def decide(world: World, call: Call, authority: Authority = PYTHON) -> Decision:
    """Decide one call: allowed or not, why, and what the caller sees.

    `authority` joins the layers; the default is the rule in Python. For a world and a call that were accepted it is
    the only thing that may raise: an AuthorityError, when it does not rule.
    """
    return Authorizer(world, authority).decide(call)


@dataclass(frozen=True, eq=False, repr=False)
class Authorizer:
    """Decides many calls in one world.

    `decide` answers a call as it was made. `requests` takes it apart: one question to the policies for each permission
    that it needs, with all condition keys derived. `rule` and `trace` answer such a question, bare or with evidence.
    """

    world: World
    authority: Authority = PYTHON

    def decide(self, call: Call) -> Decision:
        """Decide one call. Its evidence is gathered when it is looked at."""
        questions = OpenQuestions()
        decision = self._decide(call, questions)
        rests_on = tuple(
            question
            for question in in_order(questions.met)
            if _differs(self._decide(call, OpenQuestions(frozenset({question}))), decision)
        )
        return replace(decision, uncertain=rests_on) if rests_on else decision

    def _decide(self, call: Call, questions: OpenQuestions) -> Decision:
        evaluation = self._evaluation(call, questions)
        if call.service == "kms":
            return evaluation.decide_kms(call)
        return evaluation.decide_forwarded(forward(self.world, call))

    def _evaluation(self, call: Call, questions: OpenQuestions) -> _Evaluation:
        caller, own_keys = self._known(call.principal)
        return _Evaluation(self.world, caller, own_keys, self._recall, questions)

    def _known(self, principal: Principal) -> tuple[Caller, Context]:
        """Who calls, and the condition keys that it brings along, looked up once for all calls of a session."""
        found = self._callers.get(principal)
        if found is None:
            if len(self._callers) >= _CALLERS_KEPT:
                self._callers.clear()
            caller = find_caller(self.world, principal)
            found = self._callers[principal] = caller, derive_principal_keys(self.world, caller)
        return found

    @cached_property
    def _recall(self) -> Recall:
        return Recall(self.authority)

    @cached_property
    def _callers(self) -> dict[Principal, tuple[Caller, Context]]:
        return {}

    def requests(self, call: Call) -> tuple[Asked, ...]:
        """The questions of one KMS call; none for a call about a key or grant that is not there."""
        legs = legs_of(self.world, call)
        if isinstance(legs, MissingKey | MissingGrant):
            return ()
        evaluation = self._evaluation(call, OpenQuestions())
        return tuple(evaluation.ask(call, leg) for leg in legs)

    def rule(self, asked: Asked) -> Ruling:
        """The ruling on one question, without evidence."""
        return self._recall.find(asked).ruling

    def trace(self, asked: Asked) -> PermissionTrace:
        """The ruling on one question, with its evidence at hand."""
        facts, ruling, layers = self._recall.tell(asked)
        return _permission(asked, facts, ruling, partial(_evidence, asked, layers))


def _differs(other: Decision, decision: Decision) -> bool:
    code = decision.failure.code if decision.failure else None
    other_code = other.failure.code if other.failure else None
    return (other.allowed, other_code) != (decision.allowed, code)


def _permission(asked: Asked, facts: Facts, ruling: Ruling, gather: Callable[[], Evidence]) -> PermissionTrace:
    leg = asked.leg
    return PermissionTrace(leg.action, leg.resource, leg.key.arn if leg.key else None, facts, ruling, gather)


def _gather(asked: Asked, recall: Recall) -> Evidence:
    """Have all layers write down what they look at."""
    return _evidence(asked, recall.tell(asked).layers)


def _evidence(asked: Asked, layers: tuple[LayerTrace, ...]) -> Evidence:
    return Evidence(layers, asked.request.context)


class _Evaluation(NamedTuple):
    """One reading of one call."""

    world: World
    caller: Caller
    own_keys: Context
    recall: Recall
    questions: OpenQuestions

    def decide_forwarded(self, forwarded: Forwarded) -> Decision:
        """A service in front of KMS: its own permission first; where that is missing KMS is never asked (DS-80)."""
        own = self.permission(forwarded.call, forwarded.leg)
        if not own.ruling.allowed:
            return _with_failure(self.join(forwarded.call, [own], [forwarded.leg]), forwarded)
        decided = [own]
        for call in forwarded.kms_calls:
            decision = self.decide_kms(call)
            if decision.permissions and decision.failure and forwarded.cached and self.questions.other_reading("UN-24"):
                continue  # the service still holds what KMS once gave to this requester
            decided += decision.permissions
            if not decision.allowed:
                return _with_failure(replace(decision, permissions=tuple(decided)), forwarded)
            if decision.failure:
                layers = frozenset().union(*(trace.ruling.layers for trace in decided))
                whole = replace(decision, permissions=tuple(decided), layers=layers)
                return _with_failure(whole, forwarded)
        return self.join(forwarded.call, decided, [])

    def decide_kms(self, call: Call) -> Decision:
        """A call to KMS: find what it is about, authorize every leg, then see how it ends.

        A parameter that no call may have is refused before (CH-1). Whoever is authorized is so nevertheless; of anybody
        else it is not asked.
        """
        decision = self.decide_valid(call)
        refused = find_invalid_parameter(call)
        if refused is None:
            return decision
        return replace(decision, failure=refused) if decision.allowed else self.never_authorized(call, refused)

    def decide_valid(self, call: Call) -> Decision:
        """Steps 3 to 8 of the order of checks (section 14)."""
        legs = legs_of(self.world, call)
        if isinstance(legs, MissingKey | MissingGrant):
            return self.not_found(call, legs)
        decision = self.join(call, [self.permission(call, leg) for leg in legs], legs)
        at_hand = Authorized(self.world, call, self.caller, legs, self.questions, self.ask_again)
        if not decision.allowed:
            return self.state_before_authorization(decision, at_hand)
        failure = find_failure(at_hand)
        return decision if failure is None else replace(decision, failure=failure)

    def state_before_authorization(self, denied: Decision, at_hand: Authorized) -> Decision:
        """CH-3, CH-4: by the other reading of UN-11 a denied caller would be told first of what ails the key."""
        told = check_state(at_hand) or check_listed_key(at_hand)
        if told is None or not self.questions.other_reading("UN-11"):
            return denied
        return replace(denied, failure=told)

    def permission(self, call: Call, leg: Leg) -> PermissionTrace:
        """The answer to one permission."""
        asked = self.ask(call, leg)
        found = self.recall.find(asked)
        return _permission(asked, found.facts, found.ruling, partial(_gather, asked, self.recall))

    def ask(self, call: Call, leg: Leg) -> Asked:
        """The question to the policies for one permission, with its condition keys."""
        return ask(self.world, call, self.caller, leg, partial(self.context, call, leg), self.questions)

    def context(self, call: Call, leg: Leg) -> Context:
        """Derive the condition keys of one leg; what the call states outright wins."""
        to_be = dict(request_tags(call)) if leg.name in {"CreateKey", "TagResource"} else {}  # CK-73
        tags = leg.key.tags if leg.key else to_be
        derived = {**self.own_keys, **derive_request_keys(self.world, call, self.caller, leg.region, leg.owner, tags)}
        if leg.action.startswith("kms:"):
            derived.update(derive_kms_keys(call, self.caller, leg))
        derived.update(stated_keys(call, leg))
        return derived

    def join(self, call: Call, permissions: Sequence[PermissionTrace], legs: Sequence[Leg]) -> Decision:
        """A call is allowed when all of its permissions are; explicit denials are named before missing ones."""
        denied = [index for index, trace in enumerate(permissions) if not trace.ruling.allowed]
        explicit = [index for index in denied if permissions[index].ruling.explicit]
        blamed = explicit or denied
        deciding = [permissions[index] for index in blamed] or permissions
        layers: frozenset[Layer] = frozenset().union(*[trace.ruling.layers for trace in deciding])
        failure = self.denial(call, deciding[0], legs[blamed[0]], explicit=bool(explicit)) if blamed else None
        shown = self.recall.authority.shown
        return Decision(call, not denied, bool(explicit), layers, failure, tuple(permissions), ruled_by=shown)

    def denial(self, call: Call, trace: PermissionTrace, leg: Leg, *, explicit: bool) -> Failure:
        """What the caller is told of the first permission that is to blame."""
        by_resource = leg.action.startswith("secretsmanager:") and is_blamed(self.ask(call, leg))
        return access_denied(leg, self.caller, trace.ruling.layers, explicit=explicit, by_resource=by_resource)

    def not_found(self, call: Call, missing: MissingKey | MissingGrant) -> Decision:
        """A call about nothing never reaches authorization; whether its caller may know so is CH-3."""
        if isinstance(missing, MissingGrant):
            failure = grant_not_found(missing)
        else:
            failure = self.missing_key_failure(call, missing, missing.action or call.operation)
            if failure.code == _INVALID_ARN and _INVALID_ARN not in OPERATIONS[call.name].errors:
                failure = replace(failure, code="NotFoundException")  # as for ARNs of other Regions (EM-22)
        return self.never_authorized(call, failure)

    def never_authorized(self, call: Call, failure: Failure) -> Decision:
        """The end of a call before anybody asked whether it may be made."""
        shown = self.recall.authority.shown
        return Decision(call, False, False, frozenset(), failure, (), ruled_by=shown)  # noqa: FBT003

    def missing_key_failure(self, call: Call, missing: MissingKey, action: str) -> Failure:
        """NotFound for a caller whom IAM would allow the action on such a key, the masked denial for others (CH-3)."""
        told = key_not_found(missing, action, self.caller)
        if missing.absence is Absence.FOREIGN:
            other = replace(missing, absence=Absence.NO_KEY)
            return key_not_found(other, action, self.caller) if self.questions.other_reading("UN-11") else told
        if missing.absence is not Absence.NO_KEY or self.iam_allows(call, action, missing.arn):
            return told
        hidden = key_not_found(replace(missing, absence=Absence.FOREIGN), action, self.caller)
        return told if self.questions.other_reading("UN-11") else hidden

    def iam_allows(self, call: Call, action: str, arn: str) -> bool:
        """Whether the caller's identity policies allow an action on an ARN that leads to no key."""
        leg = Leg(action, arn, Source.IDENTITY, call.region, self.caller.account)
        return judge_identity(self.ask(call, leg)).verdict is Verdict.ALLOW

    def ask_again(self, world: World, call: Call, leg: Leg) -> PermissionTrace:
        """One permission in a changed `world`: the lock-out check's question (TP-7).

        It looks at the new key policy and at the caller's own policies, at no guardrail (TP-8).
        """
        recall = self.recall.elsewhere()
        trace = self._replace(world=world, recall=recall).permission(call, leg)
        verdicts = {**trace.facts.verdicts, **dict.fromkeys(_GUARDRAILS, Verdict.NOT_APPLICABLE)}
        facts = replace(trace.facts, verdicts=verdicts)
        return replace(trace, facts=facts, ruling=recall.authority.rule(facts))


def _with_failure(decision: Decision, forwarded: Forwarded) -> Decision:
    """What the service's caller sees of a KMS failure (DS-1 to DS-12)."""
    failure = translate_failure(forwarded, decision.failure) if decision.failure else None
    return replace(decision, call=forwarded.call, failure=failure)
