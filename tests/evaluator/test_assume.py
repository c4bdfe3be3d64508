"""Who may assume which role, by which side's policies, and as whom the caller goes on (DA-32, PE-4, PE-5, XA-1)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from building import (
    ACCOUNT,
    ANA,
    EVERYTHING,
    GUEST,
    GUEST_SESSION,
    OTHER,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    deny,
    document,
    key,
    organization,
    policy,
    with_account,
    world,
)

from kmssim.evaluator.assume import Assumption, assume
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, Layer, PathKind, Reason, Ruling
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import Effect, PolicyKind, parse_policy
from kmssim.evaluator.request import Call, Principal, PrincipalKind, Session, service_principal
from kmssim.evaluator.world import Account, Group, Organization, Role, Unit, User, World

TARGET = f"arn:aws:iam::{ACCOUNT}:role/app/target"
AS_TARGET = f"arn:aws:sts::{ACCOUNT}:assumed-role/target/batch"
ALL_STS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
MAY = (allow("sts:AssumeRole", on=TARGET),)
MAY_ALL = (allow(ALL_STS, on=TARGET),)


def trusting(*statements):
    """A trust policy; its statements name no resource."""
    bodies = [{name: part for name, part in body.items() if name != "Resource"} for body in statements]
    return parse_policy(document(*bodies), PolicyKind.TRUST)


def trusts(principal, action="sts:AssumeRole", **parts):
    return trusting(allow(action, to=principal, **parts))


def with_target(a_world, trust=None, **members):
    here = a_world.accounts[ACCOUNT]
    target = Role(TARGET, "target", trust, **members)
    return with_account(a_world, ACCOUNT, roles={**here.roles, "target": target})


def asks(by=WORKER_SESSION, *, passing=frozenset(), role=TARGET, authority=PYTHON, of, **parameters) -> Assumption:
    sent = {"RoleArn": role, "RoleSessionName": "batch"} | parameters
    context = sent.pop("context", {})
    principal = by if isinstance(by, Principal) else caller(by)
    return assume(of, Call(principal, "sts:AssumeRole", "us-east-1", sent, context=context), passing, authority)


def blamed(answer):
    """Nobody when allowed."""
    return None if answer.allowed else tuple(sorted(answer.blamed))


def tags(**pairs):
    return [{"Key": name, "Value": value} for name, value in pairs.items()]


# --- which side must allow

ALLOWED = None
TRUST, IDENTITY = ("trust_policy",), ("identity",)
SIDES = {
    # trust policy, caller, its identity statements → allowed, or who is to blame
    "a user that is named needs no identity policy": (trusts(ANA), ANA, (), ALLOWED),
    "PE-4: a role that is named needs no identity policy": (trusts(WORKER), WORKER_SESSION, (), ALLOWED),
    "PE-5: a session that is named needs no identity policy": (trusts(WORKER_SESSION), WORKER_SESSION, (), ALLOWED),
    "another session name is somebody else": (trusts(WORKER_SESSION + "2"), WORKER_SESSION, MAY, TRUST),
    "anybody of the account, under a star": (trusts("*"), ANA, (), ALLOWED),
    "an account that is named delegates to IAM": (trusts(ROOT), WORKER_SESSION, MAY, ALLOWED),
    "… by its number too": (trusts(ACCOUNT), ANA, MAY, ALLOWED),
    "… and IAM must allow": (trusts(ROOT), WORKER_SESSION, (), IDENTITY),
    "… this role": (trusts(ROOT), ANA, (allow("sts:AssumeRole", on=TARGET + "2"),), IDENTITY),
    "… this action": (trusts(ROOT), ANA, (allow("sts:TagSession"),), IDENTITY),
    "without a stated trust policy it is the same": (None, WORKER_SESSION, MAY, ALLOWED),
    "… IAM decides": (None, WORKER_SESSION, (), IDENTITY),
    "who is not named is not trusted, whatever IAM says": (trusts(ANA), WORKER_SESSION, EVERYTHING, TRUST),
    "another action is no trust": (trusts(ANA, "sts:TagSession"), ANA, MAY, TRUST),
    "no statement, no trust": (trusting(), ANA, MAY, TRUST),
    "DA-1: a Deny in the trust policy beats every Allow": (
        trusting(allow("sts:*", to="*"), deny("sts:AssumeRole", to=ANA)), ANA, MAY, TRUST,
    ),
    "DA-1: so does one in the identity policy": (trusts(ANA), ANA, (deny("sts:AssumeRole"),), IDENTITY),
    "a Deny for others does not matter": (
        trusting(allow("sts:AssumeRole", to=ANA), deny("sts:AssumeRole", to=WORKER)), ANA, (), ALLOWED,
    ),
    "XA-1: across accounts both sides allow": (trusts(OTHER), GUEST_SESSION, MAY, ALLOWED),
    "XA-1: … the account's IAM must": (trusts(OTHER), GUEST_SESSION, (), IDENTITY),
    "XA-2: … also for a role that is named": (trusts(GUEST), GUEST_SESSION, (), IDENTITY),
    "XA-2: … which suffices with it": (trusts(GUEST), GUEST_SESSION, MAY, ALLOWED),
    "XA-1: … and the trust policy must": (trusts(ROOT), GUEST_SESSION, MAY, TRUST),
    "XA-1: a role that states no trust trusts no other account": (None, GUEST_SESSION, MAY, TRUST),
    "XA-1: both sides silent": (None, GUEST_SESSION, (), ("identity", "trust_policy")),
}  # fmt: skip


@pytest.mark.parametrize("name", SIDES)
def test_the_trust_policy_and_iam_decide_together(name):
    trust, by, statements, expected = SIDES[name]
    answer = asks(by, of=with_target(world(mine=statements, theirs=statements), trust))
    assert blamed(answer) == expected
    assert (answer.failure is None) == answer.allowed == (answer.principal is not None)


def test_a_group_delegates_to_its_members():
    a_world = with_target(world(), trusts(ROOT))
    groups = {"team": Group("team", (policy("identity", *MAY),))}
    a_world = with_account(a_world, ACCOUNT, groups=groups, users={"ana": User(ANA, "ana", groups=("team",))})
    assert asks(ANA, of=a_world).allowed


def test_a_role_assumes_itself_only_when_it_is_trusted():
    a_world = with_target(world(), trusts(ANA), policies=(policy("identity", *MAY),))
    assert blamed(asks(AS_TARGET, of=a_world)) == TRUST
    assert asks(AS_TARGET, of=with_target(world(), trusts(TARGET))).allowed


# --- limits: boundary, session policy, guardrails

OTHERS = (allow("kms:*"),)


@pytest.mark.parametrize(
    ("trust", "by", "boundary", "session", "expected"),
    [
        (trusts(ANA), ANA, OTHERS, None, ALLOWED),  # DA-20: a boundary limits no direct trust of a user
        (trusts(WORKER), WORKER_SESSION, OTHERS, None, ("boundary",)),  # DA-21
        (trusts(WORKER), WORKER_SESSION, None, OTHERS, ("session",)),  # DA-21
        (trusts(WORKER_SESSION), WORKER_SESSION, OTHERS, OTHERS, ALLOWED),  # DA-22
        (trusts(ROOT), ANA, OTHERS, None, ("boundary",)),  # DA-27
        (trusts(ROOT), WORKER_SESSION, MAY, OTHERS, ("session",)),
        (trusts(ROOT), WORKER_SESSION, MAY, MAY, ALLOWED),
        (trusts(WORKER_SESSION), WORKER_SESSION, (deny("sts:*"), *EVERYTHING), None, ("boundary",)),  # DA-30
        (trusts(WORKER_SESSION), WORKER_SESSION, None, (deny("sts:*"), *EVERYTHING), ("session",)),
        (trusts(OTHER), GUEST_SESSION, OTHERS, None, ("boundary",)),  # XA-2
        (trusts(GUEST_SESSION), GUEST_SESSION, None, OTHERS, ("session",)),
    ],
)  # fmt: skip
def test_boundary_and_session_policy_limit_as_they_do_for_a_key(trust, by, boundary, session, expected):
    a_world = with_target(world(mine=MAY, theirs=MAY, boundary=boundary), trust)
    assert blamed(asks(caller(by, session=session), of=a_world)) == expected


GUARDED = {
    "an SCP must allow": ({"scps": (allow("kms:*"),)}, ANA, ("scp",)),
    "an SCP may deny": ({"scps": (*EVERYTHING, deny("sts:AssumeRole"))}, ANA, ("scp",)),
    "an SCP that allows": ({}, ANA, ALLOWED),
    "XA-4: SCPs of the role's account bind no foreign caller": ({"scps": (allow("kms:*"),)}, GUEST_SESSION, ALLOWED),
    "XA-4: RCPs of the role's account do": ({"rcps": (deny("sts:AssumeRole", to="*"),)}, GUEST_SESSION, ("rcp",)),
    "an RCP about other actions": ({"rcps": (deny("kms:*", to="*"),)}, ANA, ALLOWED),
}


@pytest.mark.parametrize("name", GUARDED)
def test_guardrails_bind_the_side_that_they_belong_to(name):
    guardrails, by, expected = GUARDED[name]
    trust = trusting(allow("sts:AssumeRole", to=[ANA, OTHER]))
    a_world = with_target(world(theirs=MAY, organization=organization(**guardrails)), trust)
    a_world = with_account(a_world, ACCOUNT, scps=(policy("scp", *EVERYTHING),))
    assert blamed(asks(by, of=a_world)) == expected


def test_scps_of_the_callers_account_follow_it_into_other_accounts():
    units = {"root": Unit("root", None, (policy("scp", allow("kms:*")),))}
    a_world = with_target(world(theirs=MAY), trusts(OTHER))
    a_world = replace(a_world, organization=Organization("o-example", None, units))
    assert blamed(asks(GUEST_SESSION, of=with_account(a_world, OTHER, unit="root"))) == ("scp",)


# --- conditions

CONDITIONS = {
    # condition of the trust policy, parameters of the call (or the caller's session) → allowed
    "sts:ExternalId": ({"StringEquals": {"sts:ExternalId": "a-secret"}}, {"ExternalId": "a-secret"}, True),
    "another sts:ExternalId": ({"StringEquals": {"sts:ExternalId": "a-secret"}}, {"ExternalId": "guess"}, False),
    "no sts:ExternalId": ({"StringEquals": {"sts:ExternalId": "a-secret"}}, {}, False),
    "PE-5: sts:RoleSessionName": ({"StringLike": {"sts:RoleSessionName": "b*"}}, {}, True),
    "PE-5: another sts:RoleSessionName": ({"StringLike": {"sts:RoleSessionName": "x*"}}, {}, False),
    "sts:RoleSessionName after the user": (
        {"StringLike": {"sts:RoleSessionName": "${aws:username}"}}, {"RoleSessionName": "ana"}, True,
    ),
    "sts:SourceIdentity": ({"StringEquals": {"sts:SourceIdentity": "ana"}}, {"SourceIdentity": "ana"}, True),
    "no sts:SourceIdentity": ({"StringEquals": {"sts:SourceIdentity": "ana"}}, {}, False),
    "MFA in the call": (
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"SerialNumber": "mfa/ana", "TokenCode": "123456"}, True,
    ),
    "MFA a short while ago": (
        {"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}, {"SerialNumber": "mfa/ana", "TokenCode": "123456"}, True,
    ),
    "no MFA": ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {}, False),
    "MFA half": ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"SerialNumber": "mfa/ana"}, False),
    "MFA before, in the session": (
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"by": caller(ANA, mfa=True)}, True,
    ),
    "the caller's tag": ({"StringEquals": {"aws:PrincipalTag/team": "shop"}}, {}, True),
    "another tag of the caller": ({"StringEquals": {"aws:PrincipalTag/team": "bank"}}, {}, False),
    "tags of caller and role compared": (
        {"StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team}"}}, {}, True,
    ),
    "the role's tag": ({"StringEquals": {"iam:ResourceTag/team": "shop"}}, {}, True),
    "aws:PrincipalArn": ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/ana"}}, {}, True),
    "another aws:PrincipalArn": ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, {}, False),
    "a tag in the call": ({"StringEquals": {"aws:RequestTag/team": "shop"}}, {"Tags": tags(team="shop")}, True),
    "another tag in the call": ({"StringEquals": {"aws:RequestTag/team": "shop"}}, {"Tags": tags(team="x")}, False),
    "tag keys": (
        {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]}}, {"Tags": tags(team="x", cost="1")}, True,
    ),
    "too many tag keys": ({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}, {"Tags": tags(a="b")}, False),
    "transitive tag keys": (
        {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "team"}},
        {"Tags": tags(team="x"), "TransitiveTagKeys": ["team"]},
        True,
    ),
    "no transitive tag keys": ({"Null": {"sts:TransitiveTagKeys": "true"}}, {"Tags": tags(team="x")}, True),
    "the account of the role": ({"StringEquals": {"aws:ResourceAccount": ACCOUNT}}, {}, True),
    "a condition key that the call states": (
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"context": {"aws:sourceip": "192.0.2.7"}}, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_of_a_trust_policy_look_at_the_call(name):
    condition, parameters, expected = CONDITIONS[name]
    a_world = with_account(world(), ACCOUNT, users={"ana": User(ANA, "ana", tags={"team": "shop"})})
    a_world = with_target(a_world, trusts(ANA, ALL_STS, when=condition), tags={"team": "shop"})
    parameters = {"by": ANA} | parameters
    assert asks(of=a_world, **parameters).allowed is expected


def test_names_that_differ_only_in_case_and_doubtful_values_are_shown_plainly():
    service = service_principal("lambda.amazonaws.com")
    a_world = with_target(world(), trusts({"Service": "lambda.amazonaws.com"}, ALL_STS))
    [first, *_] = asks(service, of=a_world, Tags=tags(Team="a", team="b")).permissions
    assert first.context["aws:requesttag/team"] == ("a", "b")
    assert "aws:principalaccount" not in first.context  # UN-30: by default it has none


# --- further actions


FURTHER = [
    # actions of trust and identity policy, parameters → the action that is missing
    (ALL_STS, ["sts:AssumeRole"], {}, None),
    (["sts:AssumeRole"], ALL_STS, {"Tags": tags(team="shop")}, "sts:TagSession"),
    (ALL_STS, ["sts:AssumeRole"], {"Tags": tags(team="shop")}, "sts:TagSession"),
    (ALL_STS, ALL_STS, {"Tags": tags(team="shop")}, None),
    (["sts:AssumeRole"], ALL_STS, {"SourceIdentity": "ana"}, "sts:SetSourceIdentity"),
    (ALL_STS, ["sts:AssumeRole"], {"SourceIdentity": "ana"}, "sts:SetSourceIdentity"),
    (ALL_STS, ALL_STS, {"SourceIdentity": "ana"}, None),
    (["sts:TagSession"], ALL_STS, {"Tags": tags(team="shop")}, "sts:AssumeRole"),
]


@pytest.mark.parametrize(("trusted", "allowed", "parameters", "missing"), FURTHER)
def test_session_tags_and_a_source_identity_need_actions_of_their_own(trusted, allowed, parameters, missing):
    a_world = with_target(world(mine=(allow(allowed, on=TARGET),)), trusts(ROOT, trusted))
    answer = asks(of=a_world, **parameters)
    assert answer.allowed is (missing is None)
    if missing:
        sentence = f"User: {WORKER_SESSION} is not authorized to perform: {missing} on resource: {TARGET}"
        assert (answer.failure.code, answer.failure.message, answer.failure.status) == ("AccessDenied", sentence, 403)


def test_an_explicit_deny_is_named_before_what_is_missing():
    a_world = with_target(world(mine=(*MAY, deny("sts:SetSourceIdentity"))), trusts(ROOT))
    answer = asks(of=a_world, Tags=tags(team="shop"), SourceIdentity="ana")
    assert (blamed(answer), answer.explicit) == (IDENTITY, True)
    assert "sts:SetSourceIdentity" in answer.failure.message


# --- chains


def test_transitive_tags_and_the_source_identity_pass_on_and_need_their_actions_again():
    by = caller(tags={"team": "shop", "cost": "1"}, source_identity="ana")
    a_world = with_target(world(mine=MAY_ALL), trusts(ROOT, ALL_STS))
    answer = asks(by, passing=frozenset({"team"}), of=a_world, Tags=tags(env="test"), TransitiveTagKeys=["env"])
    session = Session(tags={"team": "shop", "env": "test"}, source_identity="ana")
    assert answer.principal == Principal(PrincipalKind.ROLE_SESSION, AS_TARGET, ACCOUNT, "target", "batch", session)
    assert answer.transitive == {"team", "env"}
    assert [trace.action for trace in answer.permissions] == ALL_STS
    plain = with_target(world(mine=MAY_ALL), trusts(ROOT))
    assert "sts:TagSession" in asks(by, passing=frozenset({"team"}), of=plain).failure.message
    assert "sts:SetSourceIdentity" in asks(by, of=plain).failure.message


def test_a_source_identity_cannot_change_along_a_chain():
    by = caller(source_identity="ana")
    a_world = with_target(world(mine=MAY_ALL), trusts(ROOT, ALL_STS))
    assert asks(by, of=a_world, SourceIdentity="ana").principal.session.source_identity == "ana"
    answer = asks(by, of=a_world, SourceIdentity="bea")
    assert (answer.failure.code, answer.principal, blamed(answer)) == ("AccessDenied", None, ())
    assert "sts:SetSourceIdentity" in answer.failure.message


@pytest.mark.parametrize(
    ("by", "seconds", "code"),
    [
        (WORKER_SESSION, 3600, None),
        (WORKER_SESSION, 3601, "ValidationError"),
        (WORKER_SESSION, "43200", "ValidationError"),
        (ANA, 43200, None),
    ],
)
def test_a_chained_session_lasts_an_hour_at_most(by, seconds, code):
    answer = asks(by, of=with_target(world(mine=MAY), trusts(ROOT)), DurationSeconds=seconds)
    assert (answer.failure.code if answer.failure else None) == code


def test_only_the_final_sessions_policies_count_after_a_chain():  # DA-32, PE-4
    """The first role's session policy and boundary do not follow; the key's answer is the target's."""
    a_world = world(key(allow("kms:Decrypt", to=TARGET)), boundary=(allow("sts:*"),))
    a_world = with_target(a_world, trusts(WORKER))
    first = caller(session=(allow("sts:AssumeRole"),))
    then = asks(first, of=a_world).principal
    assert decide(a_world, call(principal=first)).word == "DENY"
    assert decide(a_world, call(principal=then)).word == "ALLOW"


# --- who cannot assume at all, and what is no role


def test_a_root_user_assumes_no_role():
    answer = asks(ROOT, of=with_target(world(), trusts(ROOT)))
    assert (answer.failure.message, answer.failure.status) == ("Roles may not be assumed by root accounts.", 403)


def test_a_federated_user_assumes_no_role():
    web = f"arn:aws:sts::{ACCOUNT}:federated-user/web"
    by = caller(web, session=EVERYTHING, federated_by=ANA)
    answer = asks(by, of=with_target(world(mine=EVERYTHING), trusts(web)))
    assert (answer.failure.code, blamed(answer)) == ("AccessDenied", ())


@pytest.mark.parametrize(
    "role",
    [
        f"arn:aws:iam::{ACCOUNT}:role/target",  # without its path it is another ARN
        f"arn:aws:iam::{ACCOUNT}:role/nobody",
        "arn:aws:iam::999988887777:role/app/target",
        f"arn:aws-cn:iam::{ACCOUNT}:role/app/target",
        "target",
        "",
    ],
)
def test_what_is_no_role_cannot_be_assumed_and_says_no_more(role):
    answer = asks(ANA, role=role, of=with_target(world(mine=EVERYTHING), trusts("*")))
    sentence = f"User: {ANA} is not authorized to perform: sts:AssumeRole on resource: {role}"
    assert (answer.failure.code, answer.failure.message, blamed(answer)) == ("AccessDenied", sentence, TRUST)


def test_no_role_is_assumed_across_partitions():
    arn = f"arn:aws-cn:iam::{OTHER}:role/app/target"
    china = Account(OTHER, roles={"target": Role(arn, "target", trusts("*"))})
    a_world = World({**world(mine=EVERYTHING).accounts, OTHER: china})
    assert blamed(asks(ANA, role=arn, of=a_world)) == TRUST


@pytest.mark.parametrize(
    ("trusted", "when", "expected"),
    [
        ("lambda.amazonaws.com", None, ALLOWED),
        ("ec2.amazonaws.com", None, TRUST),
        ("lambda.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, ALLOWED),
        ("lambda.amazonaws.com", {"StringEquals": {"aws:SourceAccount": OTHER}}, TRUST),
    ],
)
def test_a_service_assumes_the_roles_that_trust_it(trusted, when, expected):  # DA-28, DA-35
    by = service_principal("lambda.amazonaws.com", source_account=ACCOUNT)
    a_world = with_target(world(organization=organization(scps=())), trusts({"Service": trusted}, when=when))
    assert blamed(asks(by, of=a_world)) == expected


# --- the answer as evidence


def test_each_statement_that_was_looked_at_is_in_the_trace():
    trust = trusting(allow("sts:AssumeRole", to=ROOT), allow("sts:AssumeRole", to=GUEST), deny("sts:*", to=GUEST))
    [trace] = asks(of=with_target(world(mine=MAY), trust)).permissions
    found = trace.layer(Layer.KEY_POLICY).statements
    assert [(one.role, one.mismatch.element if one.mismatch else None) for one in found] == [
        ("delegation", None),
        (None, "Principal"),
        (None, "Principal"),
    ]
    assert trace.layer(Layer.IDENTITY).statements[0].applies
    assert (trace.ruling.reason, trace.ruling.paths) == (Reason.ALLOWED, (PathKind.DELEGATION,))
    assert trace.context["sts:rolesessionname"] == "batch"


def test_an_open_question_on_which_the_answer_rests_is_named():
    """UN-28: whether a silent boundary limits what names the role."""
    a_world = with_target(world(boundary=OTHERS), trusts(WORKER))
    assert asks(of=a_world).uncertain == ("UN-28",)
    assert asks(of=with_target(world(), trusts(WORKER))).uncertain == ()


def test_another_authority_may_rule():
    nobody = Authority(PYTHON.shown, lambda _facts: Ruling(Reason.NO_PATH, frozenset({Layer.SCP})))
    assert blamed(asks(of=with_target(world(mine=MAY), trusts(ROOT)), authority=nobody)) == ("scp",)


# --- laws

STATEMENTS = [allow("sts:AssumeRole", to=who) for who in (ROOT, WORKER, GUEST, "*")] + [deny("sts:*", to=WORKER)]


@pytest.mark.parametrize("by", [WORKER_SESSION, GUEST_SESSION, ANA])
def test_adding_a_deny_never_allows_and_removing_one_never_denies(by):
    no = deny("sts:AssumeRole", to="*")
    for trusted, identity in product(([one] for one in STATEMENTS), ((), MAY, (*MAY, deny("sts:*")))):
        without = asks(by, of=with_target(world(mine=identity, theirs=identity), trusting(*trusted)))
        withal = asks(by, of=with_target(world(mine=identity, theirs=identity), trusting(*trusted, no)))
        assert not withal.allowed
        assert withal.explicit
        assert without.explicit is any(
            one.effect == Effect.DENY.value and one.applies
            for trace in without.permissions
            for layer in trace.layers
            for one in layer.statements
        )
