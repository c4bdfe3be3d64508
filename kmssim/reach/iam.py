"""May this caller do this outside KMS: the decisions on what IAM alone rules, such as `iam:PassRole`.

The layers on the caller's side decide: its identity policies, its boundary, its session policy, the SCPs above it. No
resource-based policy has a say, and no RCP: these services support none (OR-2). Another account's users and roles
are out of reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from kmssim.evaluator.asked import ask
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.context import derive_global_keys, named_keys
from kmssim.evaluator.decision import Authority, Layer, Ruling, Source, Verdict
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import judge_all
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions, in_order
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_arn
from kmssim.evaluator.statements import Effect
from kmssim.evaluator.world import Role, User, World
from kmssim.reach.direct import words_of
from kmssim.reach.paths import Check

NOTHING: Mapping[str, str | tuple[str, ...]] = MappingProxyType({})


def ask_iam(
    world: World,
    principal: Principal,
    action: str,
    resource: str,
    stated: Mapping[str, str | tuple[str, ...]] = NOTHING,
    authority: Authority = PYTHON,
) -> Check:
    """Decide one action on an ARN. `stated` are the condition keys that the service adds, names in lower case."""
    caller = find_caller(world, principal)
    arn = parse_arn(resource)
    owner = arn.account if arn and arn.account else principal.account
    if caller.is_service or owner != principal.account:
        return Check(principal, action, resource, allowed=False)
    call = Call(principal, action, arn.region if arn and arn.region else world.region, context=stated)
    leg = Leg(action, resource, Source.IDENTITY, call.region, owner)
    derive = partial(_context, world, call, caller, resource)

    def rule(questions: OpenQuestions) -> Ruling:
        asked = ask(world, call, caller, leg, derive, questions)
        traces, paths = judge_all(asked)
        facts = gather_facts(asked, traces, paths)
        return authority.rule(replace(facts, verdicts={**facts.verdicts, Layer.RCP: Verdict.NOT_APPLICABLE}))

    questions = OpenQuestions()
    ruling = rule(questions)
    rests_on = [
        one for one in in_order(questions.met) if rule(OpenQuestions(frozenset({one}))).allowed != ruling.allowed
    ]
    return Check(principal, action, resource, ruling.allowed, words_of(ruling.layers), uncertain=tuple(rests_on))


def _context(world: World, call: Call, caller: Caller, resource: str) -> Context:
    holder = _holder_of(world, resource)
    tags = holder.tags if holder is not None else {}
    keys = derive_global_keys(world, call, caller, call.region, caller.account, tags)
    return {**keys, **named_keys("iam:resourcetag/", tags.items()), **call.context}


def _holder_of(world: World, resource: str) -> User | Role | None:
    """The user or role that an ARN stands for."""
    arn = parse_arn(resource)
    account = world.accounts.get(arn.account) if arn and arn.service == "iam" else None
    if arn is None or account is None:
        return None
    kind, _, rest = arn.resource.partition("/")
    name = rest.rpartition("/")[2]
    return account.users.get(name) if kind == "user" else account.roles.get(name) if kind == "role" else None


def might(caller: Caller, actions: Iterable[str]) -> bool:
    """Whether it is worth asking: some policy of the caller's allows one of the actions on something."""
    if caller.is_service:
        return False
    return caller.is_root or any(
        statement.effect is Effect.ALLOW and any(statement.covers(action) for action in actions)
        for policy in caller.policies
        for statement in policy.statements
    )


def is_declared(world: World, principal: Principal) -> bool:
    """Whether the world declares the user or role behind a caller, and so knows its policies."""
    account = world.accounts.get(principal.account)
    if account is None:
        return False
    if principal.kind is PrincipalKind.USER:
        return principal.name in account.users
    return principal.kind is PrincipalKind.ROLE_SESSION and principal.name in account.roles
