"""Who can, and what can a principal: direct answers are those of `decide`, and each path ends in an allowed decision."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from xml.dom import minidom

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import kmssim, refused

from kmssim.access import Answers, Question, actions_on, callers_of, carries_context, key_named
from kmssim.circumstances import contexts_of, policies_of, vias_in
from kmssim.errors import InputError
from kmssim.reach import arming
from kmssim.reach.asking import action_named, only_scenario, principal_named
from kmssim.reach.direct import Circumstances, accesses, who_can_directly
from kmssim.reach.everywhere import who_can_everywhere
from kmssim.reach.iam import ask_iam
from kmssim.reach.paths import Limits
from kmssim.reach.picture import draw, names_of
from kmssim.reach.report import found_json, what_can_text, who_can_text
from kmssim.reach.search import what_can, who_can
from kmssim.reach.wording import HOPS, RISKS, told
from kmssim.rules import all_rules
from kmssim.scenario import load_scenario, parse_scenario

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(
    path for path in (ROOT / "tests/cases").rglob("*.json") if not path.name.startswith("refused-policies")
) + sorted(ROOT.glob("labs/*/scenario.json"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))

A, B = "111122223333", "444455556666"
DEV = f"arn:aws:sts::{A}:assumed-role/dev/session"
ROLE = f"arn:aws:iam::{A}:role/"


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, principal=None, condition=None, resource="*", effect="Allow"):
    found = {"Effect": effect, "Action": actions, "Resource": resource}
    if principal is not None:
        found["Principal"] = principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}
    if condition is not None:
        found["Condition"] = condition
    return found


def trust(principal, condition=None, actions="sts:AssumeRole"):
    found = allow(actions, principal, condition)
    del found["Resource"]
    return policy(found)


def holder(*statements, **more):
    return {"policies": {"p": policy(*statements)} if statements else {}, **more}


def world_of(key=None, users=None, groups=None, keys=None, **roles):
    """One account, its roles as named arguments, and one key `k`, with the default key policy unless it says more."""
    account = {"roles": roles, "users": users or {}, "groups": groups or {}, "keys": keys or {"k": key or {}}}
    return parse_scenario({"accounts": {A: account}}).world


def trusting(*statements):
    return {"policy": policy(*statements)}


def search(world, action="kms:Decrypt", key="k", **limits):
    return who_can(world, action, key_named(world, key), Limits(**limits))


def codes_of(found, principal=DEV):
    return [[hop.code for hop in way.hops] for way in found.ways if way.principal.arn == principal]


APP_MAY = trusting(allow("kms:Decrypt", ROLE + "app"))
ELSEWHERE = trust(ROLE + "other")
DEV_MAY = {"other": {}, "app": {"trust": ELSEWHERE}}


def dev_on_key(actions, condition=None):
    return trusting(allow(actions, ROLE + "dev", condition))


MULTI = {"id": "mrk-" + "1" * 32, "multi_region": "PRIMARY"}
BY_TAG = {"StringEquals": {"aws:ResourceTag/zone": "open"}}
BY_OWN_TAG = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}
BY_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/open"}}
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
ANYBODY = "arn:aws:sts::000000000000:assumed-role/anybody/session"


def related(*actions):
    keys = {
        "k": {**MULTI, "multi_region": "REPLICA", "region": "eu-west-1", **dev_on_key(list(actions))},
        "first": {**MULTI, **dev_on_key(list(actions))},
    }
    return {"keys": keys, "dev": holder(allow("kms:CreateKey"))}


EXTERNAL = {"origin": "EXTERNAL", "state": "PendingImport"}
LAMBDA, EC2 = ({"Service": f"{name}.amazonaws.com"} for name in ("lambda", "ec2"))

ESCALATIONS = {
    "assume_role": (
        {"key": APP_MAY, "dev": {}, "app": {"trust": trust(ROLE + "dev")}, "other": {}},
        {"key": APP_MAY, "dev": {}, "app": {"trust": ELSEWHERE}, "other": {}},
    ),
    "assume_session": (
        {
            "key": trusting(allow("kms:Decrypt", f"arn:aws:sts::{A}:assumed-role/app/deploy")),
            "dev": {},
            "app": {"trust": trust(ROLE + "dev")},
        },
        {
            "key": trusting(allow("kms:Decrypt", f"arn:aws:sts::{A}:assumed-role/app/deploy")),
            "dev": {},
            "app": {"trust": trust(ROLE + "dev", {"StringEquals": {"sts:RoleSessionName": "batch"}})},
        },
    ),
    "assume_tagged": (
        {
            "key": trusting(allow("kms:Decrypt", ROLE + "app", BY_OWN_TAG)),
            "dev": {},
            "app": {"trust": trust(ROLE + "dev", actions=["sts:AssumeRole", "sts:TagSession"])},
        },
        {
            "key": trusting(allow("kms:Decrypt", ROLE + "app", BY_OWN_TAG)),
            "dev": {},
            "app": {"trust": trust(ROLE + "dev")},
        },
    ),
    "pass_role": (
        {"key": APP_MAY, "dev": holder(allow(["iam:PassRole", "lambda:*"])), "app": {"trust": trust(LAMBDA)}},
        {"key": APP_MAY, "dev": holder(allow(["iam:PassRole", "lambda:*"])), "app": {"trust": trust(EC2)}},
    ),
    "open_role": (
        {"key": APP_MAY, "dev": holder(allow("iam:UpdateAssumeRolePolicy")), **DEV_MAY},
        {"key": APP_MAY, "dev": holder(allow("iam:UpdateAssumeRolePolicy", resource=ROLE + "nobody")), **DEV_MAY},
    ),
    "make_role_anew": (
        {
            "key": trusting(allow("kms:Decrypt", "*", {"ArnEquals": {"aws:PrincipalArn": ROLE + "app"}})),
            "dev": holder(allow(["iam:DeleteRole", "iam:CreateRole"])),
            **DEV_MAY,
        },
        {"key": APP_MAY, "dev": holder(allow(["iam:DeleteRole", "iam:CreateRole"])), **DEV_MAY},
    ),
    "take_credentials": (
        {
            "key": trusting(allow("kms:Decrypt", f"arn:aws:iam::{A}:user/ana")),
            "users": {"ana": {}},
            "dev": holder(allow("iam:CreateAccessKey")),
        },
        {
            "key": trusting(allow("kms:Decrypt", f"arn:aws:iam::{A}:user/ana")),
            "users": {"ana": {}},
            "dev": holder(allow("iam:CreateAccessKey", resource=f"arn:aws:iam::{A}:user/bob")),
        },
    ),
    "edit_policy": (
        {"dev": holder(allow("iam:PutRolePolicy"))},
        {"dev": holder(allow("iam:PutRolePolicy", resource=ROLE + "other")), "other": {}},
    ),
    "arm": (
        {
            "dev": holder(allow("iam:PutRolePolicy", resource=ROLE + "app")),
            "app": {"trust": trust(ROLE + "dev")},
        },
        {
            "dev": holder(allow("iam:PutRolePolicy", resource=ROLE + "app")),
            "app": {"trust": trust(ROLE + "dev"), "boundary": policy(allow("s3:*"))},
        },
    ),
    "add_to_group": (
        {
            "users": {"ana": {}},
            "groups": {"admins": holder(allow("kms:*"))},
            "dev": holder(allow(["iam:AddUserToGroup", "iam:CreateAccessKey"])),
        },
        {
            "users": {"ana": {}},
            "groups": {"admins": holder(allow("kms:*"))},
            "dev": holder(allow("iam:AddUserToGroup")),
        },
    ),
    "free_of_boundary": (
        {
            "dev": holder(allow("iam:DeleteRolePermissionsBoundary")),
            "app": holder(allow("kms:*"), trust=trust(ROLE + "dev"), boundary=policy(allow("s3:*"))),
        },
        {
            "dev": holder(allow("iam:DeleteRolePermissionsBoundary")),
            "app": holder(allow("s3:*"), trust=trust(ROLE + "dev"), boundary=policy(allow("s3:*"))),
        },
    ),
    "tag_other": (
        {
            "dev": holder(allow("iam:TagRole", resource=ROLE + "app")),
            "app": holder(allow("kms:Decrypt", condition=BY_OWN_TAG), trust=trust(ROLE + "dev")),
        },
        {
            "dev": holder(allow("iam:TagRole", resource=ROLE + "dev")),
            "app": holder(allow("kms:Decrypt", condition=BY_OWN_TAG), trust=trust(ROLE + "dev")),
        },
    ),
    "drop_boundary": (
        {
            "dev": holder(allow(["kms:Decrypt", "iam:DeleteRolePermissionsBoundary"]), boundary=policy(allow("iam:*"))),
        },
        {
            "dev": holder(allow(["kms:Decrypt", "iam:DeleteRolePermissionsBoundary"]), boundary=policy(allow("s3:*"))),
        },
    ),
    "tag_self": (
        {"dev": holder(allow("kms:Decrypt", condition=BY_OWN_TAG), allow("iam:TagRole"))},
        {"dev": holder(allow("kms:Decrypt", condition=BY_OWN_TAG), allow("iam:TagUser"))},
    ),
    "tag_key": (
        {"dev": holder(allow("kms:Decrypt", condition=BY_TAG), allow("kms:TagResource"))},
        {
            "dev": holder(
                allow("kms:Decrypt", condition=BY_TAG),
                allow("kms:TagResource", condition={"StringEquals": {"aws:RequestTag/zone": "closed"}}),
            )
        },
    ),
    "untag_key": (
        {
            "key": {"tags": {"zone": "open"}},
            "dev": holder(
                allow(["kms:Decrypt", "kms:UntagResource"]), allow("kms:Decrypt", None, BY_TAG, effect="Deny")
            ),
        },
        {
            "key": {"tags": {"zone": "open"}},
            "dev": holder(allow(["kms:Decrypt"]), allow("kms:Decrypt", None, BY_TAG, effect="Deny")),
        },
    ),
    "name_key": (
        {"dev": holder(allow("kms:Decrypt", condition=BY_ALIAS), allow("kms:CreateAlias"))},
        {"dev": holder(allow("kms:Decrypt", condition=BY_ALIAS))},
    ),
    "move_primary": (related("kms:UpdatePrimaryRegion", "kms:ReplicateKey"), related("kms:ReplicateKey")),
    "grant": (
        {"key": dev_on_key("kms:CreateGrant"), "dev": {}},
        {"key": dev_on_key("kms:CreateGrant", {"Bool": {"kms:GrantIsForAWSResource": "true"}}), "dev": {}},
    ),
    "grant_by_wildcard": (
        {"key": dev_on_key(["kms:Create*", "kms:Describe*"]), "dev": {}},
        {"key": dev_on_key(["kms:CreateAlias", "kms:Describe*"]), "dev": {}},
    ),
    "put_policy": (
        {"key": dev_on_key("kms:PutKeyPolicy"), "dev": {}},
        {"key": dev_on_key("kms:GetKeyPolicy"), "dev": {}},
    ),
    "reencrypt": (
        {"dev": holder(allow("kms:ReEncrypt*"))},
        {"dev": holder(allow("kms:ReEncrypt*", condition={"Bool": {"kms:ReEncryptOnSameKey": "true"}}))},
    ),
    "replicate": (
        {"key": {**MULTI, **dev_on_key("kms:ReplicateKey")}, "dev": holder(allow("kms:CreateKey"))},
        {
            "key": {**MULTI, **dev_on_key("kms:ReplicateKey", {"StringEquals": {"kms:ReplicaRegion": "us-east-1"}})},
            "dev": holder(allow("kms:CreateKey")),
        },
    ),
    "import_material": (
        {"key": {**EXTERNAL, **dev_on_key(["kms:GetParametersForImport", "kms:ImportKeyMaterial"])}, "dev": {}},
        {"key": {**EXTERNAL, **dev_on_key(["kms:ImportKeyMaterial"])}, "dev": {}},
    ),
}


@pytest.mark.parametrize("code", ESCALATIONS)
def test_each_kind_of_path_is_found_where_it_is_open_and_not_where_its_counter_control_stands(code):
    opened, closed = ESCALATIONS[code]
    assert any(code in path for path in codes_of(search(world_of(**opened))))
    assert not any(code in path for path in codes_of(search(world_of(**closed))))


@pytest.mark.parametrize(
    ("resource", "found"), [("group/admins", True), ("group/readers", False)], ids=["open", "closed"]
)
def test_a_user_joins_a_group_that_gives_more(resource, found):
    joining = holder(allow("iam:AddUserToGroup", resource=f"arn:aws:iam::{A}:{resource}"))
    world = world_of(users={"ana": joining}, groups={"admins": holder(allow("kms:*"))})
    assert (["join_group"] in codes_of(search(world), f"arn:aws:iam::{A}:user/ana")) is found


@pytest.mark.parametrize("condition", [VIA_S3, {**VIA_S3, "StringEqualsIfExists": {"kms:CallerAccount": A}}])
def test_a_stranger_is_found_where_a_statement_for_everybody_has_a_weak_condition(condition):
    found = search(world_of(trusting(allow("kms:Decrypt", "*", condition))))
    open_to_all = "StringEqualsIfExists" not in condition
    assert (["allow_oneself"] in codes_of(found, ANYBODY)) is open_to_all


def test_a_stranger_who_may_change_the_key_makes_itself_a_user_of_it():
    found = search(world_of(trusting(allow("kms:CreateGrant", "*"))))
    assert ["allow_oneself", "grant"] in codes_of(found, ANYBODY)


def test_a_service_that_calls_for_itself_takes_no_detours():
    world = world_of(trusting(allow("kms:CreateGrant", {"Service": "logs.us-east-1.amazonaws.com"})))
    assert codes_of(search(world), "logs.us-east-1.amazonaws.com") == []


def test_every_hop_has_words_that_rest_on_rules_and_a_test_that_walks_it():
    walked = {*ESCALATIONS, "join_group", "allow_oneself"}
    assert walked == set(HOPS)
    rules = {rule for words in HOPS.values() for rule in words.rules} | set(RISKS.values())
    assert rules <= set(all_rules())
    told_of = {rule for rule in rules if rule.startswith("PE-")} | {"PE-13", "PE-18"}
    assert told_of == {f"PE-{number}" for number in range(1, 21)}


# -- a policy for somebody else, whom one then becomes

APP_OF_DEV = {"trust": trust(ROLE + "dev")}
BY_IAM_OF_APP = {"ArnEquals": {"aws:PrincipalArn": ROLE + "app"}}
USER = f"arn:aws:iam::{A}:user/"


def may_arm(*actions, whom=ROLE + "app", **more):
    return holder(allow(list(actions), resource=whom), **more)


ARMED = {
    "attached": ({"dev": may_arm("iam:AttachRolePolicy"), "app": APP_OF_DEV}, ["arm", "assume_role"]),
    "by a new version": (
        {
            "dev": may_arm("iam:CreatePolicyVersion", whom=f"arn:aws:iam::{A}:policy/of-app"),
            "app": {"policies": {"of-app": policy(allow("s3:*"))}, **APP_OF_DEV},
        },
        ["arm", "assume_role"],
    ),
    "passed": (
        {
            "dev": holder(allow("iam:PutRolePolicy", resource=ROLE + "app"), allow(["iam:PassRole", "lambda:*"])),
            "app": {"trust": trust(LAMBDA)},
        },
        ["arm", "pass_role"],
    ),
    "opened": (
        {"dev": may_arm("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"), **DEV_MAY},
        ["arm", "open_role", "assume_role"],
    ),
    "made anew": (
        {
            "key": trusting(allow("kms:*", f"arn:aws:iam::{A}:root", BY_IAM_OF_APP)),
            "dev": may_arm("iam:DeleteRole", "iam:CreateRole", "iam:PutRolePolicy"),
            **DEV_MAY,
        },
        ["make_role_anew", "arm", "assume_role"],
    ),
    "a user": (
        {"users": {"ana": {}}, "dev": may_arm("iam:PutUserPolicy", "iam:CreateAccessKey", whom=USER + "ana")},
        ["arm", "take_credentials"],
    ),
    "a user of a group": (
        {
            "users": {"ana": {"groups": ["readers"]}},
            "groups": {"readers": {}},
            "dev": holder(
                allow("iam:AttachGroupPolicy", resource=f"arn:aws:iam::{A}:group/readers"),
                allow("iam:UpdateLoginProfile", resource=USER + "ana"),
            ),
        },
        ["arm", "take_credentials"],
    ),
    "whose session one has": (
        {"dev": {}, "app": may_arm("iam:PutRolePolicy", whom=ROLE + "dev", **APP_OF_DEV)},
        ["assume_role", "arm"],
    ),
    "and then another": (
        {
            "key": APP_MAY,
            "dev": may_arm("iam:PutRolePolicy", whom=ROLE + "other"),
            "other": {"trust": trust(ROLE + "dev")},
            "app": {"trust": trust(f"arn:aws:iam::{A}:root")},
        },
        ["arm", "assume_role", "assume_role"],
    ),
    "freed of its boundary before": (
        {
            "dev": may_arm("iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary"),
            "app": {**APP_OF_DEV, "boundary": policy(allow("s3:*"))},
        },
        ["free_of_boundary", "arm", "assume_role"],
    ),
    "freed of its boundary and tagged": (
        {
            "dev": may_arm("iam:TagRole", "iam:DeleteRolePermissionsBoundary"),
            "app": holder(allow("kms:Decrypt", condition=BY_OWN_TAG), boundary=policy(allow("s3:*")), **APP_OF_DEV),
        },
        ["free_of_boundary", "tag_other", "assume_role"],
    ),
}


@pytest.mark.parametrize("how", ARMED)
def test_who_may_write_a_policy_for_somebody_whom_it_can_become_has_what_that_one_then_has(how):
    made, path = ARMED[how]
    assert path in codes_of(search(world_of(**made)))


NOT_ARMED = {
    "a boundary that stays": {
        "dev": may_arm("iam:PutRolePolicy", "iam:TagRole"),
        "app": {**APP_OF_DEV, "boundary": policy(allow("s3:*"))},
    },
    "another role": {"dev": may_arm("iam:PutRolePolicy", whom=ROLE + "other"), "app": APP_OF_DEV, "other": {}},
    "not to be assumed": {"dev": may_arm("iam:PutRolePolicy"), **DEV_MAY},
    "not to be passed": {"dev": may_arm("iam:PutRolePolicy", "iam:PassRole"), "app": {"trust": trust(LAMBDA)}},
    "a key that does not trust the account": {
        "key": trusting(allow("kms:*", ROLE + "nobody")),
        "dev": may_arm("iam:PutRolePolicy"),
        "app": APP_OF_DEV,
    },
    "a Deny of its own": {
        "dev": may_arm("iam:PutRolePolicy"),
        "app": holder(allow("*", effect="Deny"), **APP_OF_DEV),
    },
    "a service-linked role": {
        "dev": may_arm("iam:PutRolePolicy", whom=ROLE + "aws-service-role/*"),
        "app": {**APP_OF_DEV, "path": "/aws-service-role/s3.amazonaws.com/"},
    },
    "a user without credentials": {
        "users": {"ana": {}},
        "dev": may_arm("iam:PutUserPolicy", whom=USER + "ana"),
    },
    "a policy that is another's": {
        "dev": may_arm("iam:CreatePolicyVersion", whom=f"arn:aws:iam::{A}:policy/q"),
        "app": holder(allow("s3:*"), **APP_OF_DEV),
    },
    "no session of the armed": {
        "dev": {},
        "app": may_arm("iam:PutRolePolicy", whom=ROLE + "other", **APP_OF_DEV),
        "other": {},
    },
}


@pytest.mark.parametrize("why", NOT_ARMED)
def test_a_policy_for_somebody_else_is_no_path_where_it_leads_to_nothing(why):
    assert codes_of(search(world_of(**NOT_ARMED[why]))) == []


def test_a_policy_for_somebody_else_does_not_help_against_an_scp():
    account = {
        "roles": {"dev": may_arm("iam:PutRolePolicy"), "app": APP_OF_DEV},
        "keys": {"k": {}},
        "unit": "root",
    }
    organization = {"id": "o-a1b2c3d4e5", "units": {"root": {}}}
    for scps, found in (([], True), ([policy(allow("*")), policy(allow("kms:Decrypt", effect="Deny"))], False)):
        data = {"organization": organization, "accounts": {A: account | ({"scps": scps} if scps else {})}}
        assert (["arm", "assume_role"] in codes_of(search(parse_scenario(data).world))) is found


def test_a_role_that_another_accounts_key_names_is_armed_even_by_who_has_everything():
    keys = {"k": trusting(allow("kms:Decrypt", ROLE + "app"))}
    roles = {"dev": holder(allow("*")), "app": APP_OF_DEV, "other": APP_OF_DEV}
    world = parse_scenario({"accounts": {A: {"roles": roles}, B: {"keys": keys}}}).world
    found = search(world)
    assert codes_of(found) == [["arm", "assume_role"]]
    assert [way.hops[0].target for way in found.ways] == [ROLE + "app"]


@pytest.mark.parametrize(
    "trusted", [trust(ROLE + "app"), trust(f"arn:aws:iam::{A}:root", BY_IAM_OF_APP)], ids=["named", "by its ARN"]
)
def test_a_role_that_another_accounts_role_trusts_is_armed_even_by_who_has_everything(trusted):
    other = {
        "roles": {"far": {"trust": trusted}},
        "keys": {"k": trusting(allow("kms:*", f"arn:aws:iam::{B}:role/far"))},
    }
    roles = {"dev": holder(allow("*")), "app": APP_OF_DEV, "other": APP_OF_DEV}
    found = search(parse_scenario({"accounts": {A: {"roles": roles}, B: other}}).world)
    assert codes_of(found) == [["arm", "assume_role", "assume_role"]]


def test_a_policy_for_somebody_else_is_not_told_where_the_same_is_had_without_it():
    itself = world_of(dev=holder(allow("iam:PutRolePolicy")), app=APP_OF_DEV)
    assert codes_of(search(itself)) == [["edit_policy"]]
    at_once = world_of(APP_MAY, dev=may_arm("iam:PutRolePolicy"), app=APP_OF_DEV)
    assert codes_of(search(at_once)) == [["assume_role"]]
    by_itself = world_of(dev=may_arm("iam:PutRolePolicy"), app=holder(allow("*"), **APP_OF_DEV))
    assert codes_of(search(by_itself)) == [["assume_role"]]


@pytest.mark.parametrize("tells_apart", ["aws:username", "aws:userid", "aws:PrincipalType"])
def test_who_has_everything_arms_others_where_a_policy_tells_persons_apart(tells_apart):
    asked = {"StringLike": {tells_apart: "ana*"}}
    key = trusting(allow("kms:*", f"arn:aws:iam::{A}:root", asked))
    found = search(world_of(key, users={"ana": {}}, dev=holder(allow("*"))))
    armed = any("arm" in path for path in codes_of(found))
    assert armed is (tells_apart == "aws:username")


def test_of_a_role_that_was_armed_the_policy_stays_when_it_is_opened():
    found = search(world_of(dev=may_arm("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"), **DEV_MAY))
    (way,) = [way for way in found.ways if way.principal.arn == DEV]
    armed, opened, assumed = way.hops
    assert (armed.target, opened.target, assumed.then.name) == (ROLE + "app", ROLE + "app", "app")
    assert way.access.layers == ("key_policy", "identity")
    assert told(armed) == f"{A}:role/dev writes an IAM policy for {A}:role/app that allows everything"


def test_no_path_is_longer_than_asked_for():
    world = world_of(dev=may_arm("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"), **DEV_MAY)
    assert [codes_of(search(world, hops=most)) for most in (1, 2)] == [[], []]
    assert codes_of(what_can(world, principal_named("dev", world), limits=Limits(hops=2))) == []


NAMES = ("dev", "app", "other")
TRUSTED = st.sampled_from([ELSEWHERE, *(trust(ROLE + name) for name in NAMES), trust(f"arn:aws:iam::{A}:root")])
MAY = st.sampled_from(["iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole", "iam:CreateAccessKey", "*"])
ON = st.sampled_from(["*", ROLE + "app", ROLE + "other", USER + "ana"])
HELD = st.lists(st.builds(allow, MAY, resource=ON), max_size=2)
BOUND = st.sampled_from([None, None, policy(allow("iam:*")), policy(allow("*"))])
TO_APP = policy(allow("kms:Decrypt", f"arn:aws:iam::{A}:root", BY_IAM_OF_APP))
KEY_POLICIES = st.sampled_from([None, policy(allow("kms:Decrypt", ROLE + "other")), TO_APP])


@st.composite
def worlds(draw):
    def holding(**more):
        bound = draw(BOUND)
        return holder(*draw(HELD), **more, **({"boundary": bound} if bound else {}))

    roles = {name: holding(trust=draw(TRUSTED)) for name in NAMES}
    stated = draw(KEY_POLICIES)
    return world_of({"policy": stated} if stated else {}, users={"ana": holding()}, **roles)


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_nobody_is_missed_for_the_policies_for_others_that_are_left_out(world):
    few = {way.principal for way in search(world).ways}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arming, "_stands_for_others", lambda *_: False)
        assert {way.principal for way in search(world).ways} == few


@pytest.mark.parametrize("how", ["attached", "a user", "and then another"])
def test_an_armed_path_ends_in_what_decide_says_of_a_world_with_that_policy(how):
    made, path = ARMED[how]
    world = world_of(**made)
    (way,) = [way for way in search(world).ways if [hop.code for hop in way.hops] == path]
    name = way.hops[0].target.rpartition("/")[2]
    changed = copy.deepcopy(made)
    holders = changed["users"] if name in changed.get("users", {}) else changed
    holders[name]["policies"] = {**holders[name].get("policies", {}), "new": policy(allow("*"))}
    then = world_of(**changed)
    assert Answers(then).allows(way.access.question)
    assert path[1:] in codes_of(search(then))


def test_a_chain_of_roles_is_followed_shortest_first_and_never_in_circles():
    chain = {
        "dev": {"trust": trust([ROLE + "two", ROLE + "app"])},
        "one": {"trust": trust([ROLE + "dev", ROLE + "two"])},
        "two": {"trust": trust(ROLE + "one")},
        "app": {"trust": trust([ROLE + "two", ROLE + "one"])},
    }
    found = search(world_of(APP_MAY, **chain))
    assert codes_of(found) == [["assume_role", "assume_role"]]
    targets = [hop.target for way in found.ways if way.principal.arn == DEV for hop in way.hops]
    assert targets == [ROLE + "one", ROLE + "app"]
    assert codes_of(search(world_of(APP_MAY, **chain), hops=1)) == []


@pytest.mark.parametrize(
    ("condition", "detail"),
    [
        ({"StringEquals": {"sts:ExternalId": "e-1"}}, ("external id", "e-1")),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, ("MFA", "yes")),
        ({"StringLike": {"sts:RoleSessionName": "ci-*"}}, ("session name", "ci-any")),
    ],
)
def test_what_a_trust_policy_asks_for_is_brought_along_and_told(condition, detail):
    world = world_of(APP_MAY, dev={}, app={"trust": trust(ROLE + "dev", condition)})
    (way,) = [way for way in search(world).ways if way.hops]
    assert detail in way.hops[0].details
    if detail[0] != "session name":
        assert f"({detail[0]} {detail[1]})" in told(way.hops[0])


def test_a_grant_has_the_constraint_that_a_condition_asks_for_and_then_helps_with_that_context_only():
    asked = {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}
    found = search(world_of(dev_on_key("kms:CreateGrant", asked), dev={}))
    (way,) = found.ways
    assert ("EncryptionContextSubset", "kmssim=any") in way.hops[0].details
    assert way.access.question.encryption_context == (("kmssim", "any"),)


def test_a_grant_for_somebody_else_only_is_no_path():
    asked = {"StringEquals": {"kms:GranteePrincipal": ROLE + "app"}}
    assert codes_of(search(world_of(dev_on_key("kms:CreateGrant", asked), dev={}, app={}))) == []


def test_no_path_is_told_that_a_deny_closes_in_the_end():
    denied = allow("kms:Decrypt", effect="Deny")
    world = world_of(dev_on_key("kms:PutKeyPolicy"), dev=holder(denied))
    assert codes_of(search(world)) == []


def test_what_could_be_done_at_once_is_not_told_again_after_a_detour():
    world = world_of(
        trusting(
            allow(["kms:PutKeyPolicy", "kms:TagResource"], ROLE + "dev"), allow("kms:Encrypt", ROLE + "dev", BY_TAG)
        ),
        dev={},
    )
    assert codes_of(search(world)) == [["put_policy"]]


def test_permissions_of_iam_are_decided_by_the_callers_side_and_by_no_rcp():
    data = {
        "organization": {
            "id": "o-a1b2c3d4e5",
            "units": {"root": {"rcps": [policy(allow("iam:*", "*", effect="Deny"))]}},
        },
        "accounts": {A: {"roles": {"dev": holder(allow("iam:PassRole", resource=ROLE + "app"))}}},
    }
    world = parse_scenario(data).world
    dev = principal_named("dev", world)
    assert ask_iam(world, dev, "iam:PassRole", ROLE + "app").allowed
    assert not ask_iam(world, dev, "iam:PassRole", ROLE + "other").allowed
    assert not ask_iam(world, dev, "iam:PassRole", f"arn:aws:iam::{B}:role/app").allowed
    data["accounts"][A]["scps"] = [policy(allow("iam:Get*"))]
    bound = parse_scenario(data).world
    refused = ask_iam(bound, dev, "iam:PassRole", ROLE + "app")
    assert (refused.allowed, refused.layers) == (False, ("scp",))


def test_a_search_that_is_cut_off_says_from_which_length_on():
    world = world_of(APP_MAY, dev={}, app={"trust": trust(ROLE + "dev")})
    found = search(world, situations=2)
    assert found.cut_off_at == 0
    assert "Cut off: not all paths of 0 hops and more were looked at." in who_can_text(
        found, "kms:Decrypt", key_named(world, "k"), "here"
    )
    assert search(world).cut_off_at is None


# -- the case files: direct answers are those of `decide`, and paths hold what they tell


def wish_on(key):
    """The operation that a key is for."""
    known = actions_on(key)
    return next(
        action
        for action in ("kms:Decrypt", "kms:Sign", "kms:GenerateMac", "kms:Decapsulate", *known)
        if action in known
    )


def every_question(principal, action, key, world, more_vias=()):
    contexts = contexts_of(key, world) if carries_context(action, key) else (None,)
    tokens = (None, *(grant.id for grant in key.grants if grant.pending))
    vias = {*vias_in(policies_of(world), key), f"s3.{key.region}.amazonaws.com", *more_vias}
    for context, via, token in product(contexts, (None, *vias), tokens):
        yield Question(principal, action, key.arn, context, via, token)


@each_file
def test_direct_access_is_what_decide_answers_of_every_caller(path):
    world = load_scenario(path).world
    answers = Answers(world)
    for key in world.keys_by_arn.values():
        for action in (wish_on(key), "kms:CreateGrant"):
            told_of = who_can_directly(world, action, [key])
            assert all(answers.allows(access.question) for access in told_of)
            named = {access.question.principal for access in told_of}
            plain = {
                one.question.principal
                for one in told_of
                if one.question == Question(one.question.principal, action, key.arn)
            }
            callers = callers_of(world)
            assert plain == {one for one in callers if answers.allows(Question(one, action, key.arn))}
            by_alias = {one.question.principal for one in told_of if one.question.alias}
            vias = {one.question.via for one in told_of if one.question.via}
            for caller in set(callers) - by_alias:
                allowed = any(map(answers.allows, every_question(caller, action, key, world, vias)))
                assert (caller in named) is allowed, (caller.arn, action, key.arn)


@each_file
def test_who_can_holds_on_every_case_file(path):
    world = load_scenario(path).world
    for key in world.keys_by_arn.values():
        action = wish_on(key)
        found = who_can(world, action, key)
        assert found.cut_off_at is None
        assert [len(way.hops) for way in found.ways] == sorted(len(way.hops) for way in found.ways)
        for way in found.ways:
            assert_that_hops_meet(way)
        text = who_can_text(found, action, key, "here")
        assert all(len(line) <= 80 or " " not in line.strip() for line in text.splitlines())
        json.dumps(found_json(found, key, action))
        read_svg(draw(found.ways, names_of(world), "t"))


def read_svg(text):
    return minidom.parseString(text)  # noqa: S318 - we drew it ourselves


def assert_that_hops_meet(way):
    assert all(check.done for hop in way.hops for check in hop.checks)
    assert len(way.hops) <= Limits().hops
    stops = [way.principal, *(hop.then for hop in way.hops)]
    assert [hop.principal for hop in way.hops] == stops[:-1]
    assert way.access.question.principal == stops[-1]
    assert way.access.layers


@each_file
def test_what_can_agrees_with_decide_on_every_case_file(path):
    world = load_scenario(path).world
    answers = Answers(world)
    callers = callers_of(world)
    for caller in callers[:: max(1, len(callers) // 2)]:
        found = what_can(world, caller)
        for way in found.ways:
            assert_that_hops_meet(way)
        for key in world.keys_by_arn.values():
            direct = {way.action for way in found.ways if way.key == key.arn and not way.hops}
            asked = {action for action in actions_on(key) if action != "kms:RetireGrant"}
            allowed = {action for action in asked if answers.allows(Question(caller, action, key.arn))}
            assert allowed <= direct
            assert all(answers.allows(way.access.question) for way in found.ways if not way.hops)
        what_can_text(found, caller, world, "here")
        read_svg(draw(found.ways, names_of(world), "t"))


def written_into(data, way, key_of):
    """The scenario as the way's only hop has made it; None for hops that are not written so easily."""
    hop, changed = way.hops[0], copy.deepcopy(data)
    key = changed["accounts"][key_of.account]["keys"][key_of.label]
    details = dict(hop.details)
    if hop.code == "put_policy":
        key["policy"] = policy(allow("kms:*", details["principal"]))
    elif hop.code in {"grant", "grant_by_wildcard"}:
        constraints = {
            name: dict(pair.split("=") for pair in value.split(", "))
            for name, value in hop.details
            if name.startswith("Encryption")
        }
        grant = {"GranteePrincipal": details["grantee"], "Operations": details["operations"].split(", ")}
        key["grants"] = [*key.get("grants", []), grant | ({"Constraints": constraints} if constraints else {})]
    elif hop.code == "tag_key":
        key["tags"] = key.get("tags", {}) | {name[4:]: value for name, value in hop.details}
    elif hop.code == "edit_policy" and hop.principal.account in data["accounts"]:
        kind = "users" if hop.principal.kind.value == "User" else "roles"
        of = changed["accounts"][hop.principal.account][kind][hop.principal.name]
        of["policies"] = {**of.get("policies", {}), "new": policy(allow("*"))}
    else:
        return None
    return changed


@each_file
def test_what_a_hop_changes_is_allowed_by_decide_when_it_is_written_into_the_scenario(path):
    scenario = load_scenario(path)
    data = {name: part for name, part in json.loads(path.read_text()).items() if name != "requests"}
    for key in scenario.world.keys_by_arn.values():
        for way in who_can(scenario.world, wish_on(key), key, Limits(hops=1)).ways:
            changed = written_into(data, way, scenario.world.keys_by_arn[way.key]) if way.hops else None
            if changed is not None:
                world = parse_scenario(changed, folder=path.parent).world
                question = way.access.question
                assert Answers(world).allows(question), (way.hops[0].code, question)


# -- what people write, and what they read


def escalations():
    return load_scenario(ROOT / "tests/cases/escalation.json")


def test_an_operation_is_known_in_any_spelling():
    key = key_named(escalations().world, "console")
    assert {action_named(text, key) for text in ("decrypt", "Decrypt", "kms:Decrypt", "KMS:DECRYPT")} == {"kms:Decrypt"}
    assert action_named("generate-data-key", key) == "kms:GenerateDataKey"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decript", "did you mean `Decrypt`"),
        ("reencrypt", "ReEncryptFrom or ReEncryptTo"),
        ("kms:ListKeys", "not asked of a key"),
        ("sign", "cannot be asked of this key"),
    ],
)
def test_an_operation_that_cannot_be_asked_is_refused_with_a_way_on(text, said):
    with pytest.raises(InputError, match=said):
        action_named(text, key_named(escalations().world, "console"))


@pytest.mark.parametrize(
    "text",
    [
        "keyadmin",
        "role/keyadmin",
        f"{A}:role/keyadmin",
        ROLE + "keyadmin",
        f"arn:aws:sts::{A}:assumed-role/keyadmin/session",
    ],
)
def test_a_principal_is_known_by_name_and_by_arn(text):
    assert principal_named(text, escalations().world).name == "keyadmin"


def test_a_session_that_no_policy_names_and_a_service_can_be_asked_about():
    world = escalations().world
    assert principal_named(f"arn:aws:sts::{A}:assumed-role/keyadmin/other", world).session_name == "other"
    assert principal_named("logs.us-east-1.amazonaws.com", world).name == "logs.us-east-1.amazonaws.com"
    assert principal_named("capped", world).session_name == "session"


@pytest.mark.parametrize(
    ("text", "said"), [("keyadmn", "keyadmin"), (f"arn:aws:iam::{A}:user/nobody", "nobody"), ("root", "take an ARN")]
)
def test_a_principal_that_is_not_there_or_not_one_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        principal_named(text, escalations().world)


def test_the_only_scenario_of_a_folder_is_meant_where_none_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no scenario here"):
        only_scenario(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    assert only_scenario(tmp_path).endswith("a.json")
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(InputError, match="2 JSON files"):
        only_scenario(tmp_path)
    (tmp_path / "scenario.json").write_text("{}")
    assert only_scenario(tmp_path).endswith("scenario.json")


WHO_CAN = """\
Who can kms:Decrypt on team
  arn:aws:kms:us-east-1:111122223333:key/8e1b4f70-c3d9-4a26-a7f5-0d9c6b2e1703
  Escalation paths and common misbeliefs

Directly:
  111122223333:root        by the key policy, which names its account
  111122223333:role/admin  by IAM, to which the key policy hands the account
                           over

By other paths:
  111122223333:role/rewrap
    1. it re-encrypts the ciphertext to a key of any account, where anybody
       decrypts it [PE-12, TP-1, XA-7]
         kms:ReEncrypt on the key: allowed by the key policy and IAM
       then kms:Decrypt on a key of any account is allowed to anybody by the key
       policy, which names its account
  111122223333:role/tagadmin
    1. it tags the key as a policy asks for (tag zone open) [PE-9, CK-42]
         kms:TagResource on the key: allowed by the key policy and IAM
       then kms:Decrypt is allowed to it by IAM, to which the key policy hands
       the account over

What would close them:
  PE-12  ask for kms:ReEncryptOnSameKey where kms:ReEncryptFrom is allowed, or
         for aws:ResourceAccount
  PE-9   limit aws:RequestTag and aws:TagKeys for kms:TagResource, or have tags
         administered by others

14 callers, 15 situations looked at; --help says what is not.
"""


def test_who_can_reads_as_it_always_did():
    read = escalations()
    key = key_named(read.world, "team")
    assert who_can_text(who_can(read.world, "kms:Decrypt", key), "kms:Decrypt", key, read.title) == WHO_CAN


def test_what_can_groups_operations_by_the_way_to_them_and_names_their_risks():
    read = escalations()
    caller = principal_named("keyadmin", read.world)
    lines = what_can_text(what_can(read.world, caller), caller, read.world, read.title).splitlines()
    start = lines.index("console")
    assert lines[start + 1 : start + 7] == [
        "  arn:aws:kms:us-east-1:111122223333:key/8e1b4f70-c3d9-4a26-a7f5-0d9c6b2e1702",
        "  - directly, by the key policy, which names it:",
        "      CreateGrant [PE-1], DescribeKey, PutKeyPolicy [PE-2], TagResource [PE-9],",
        "      UpdateKeyDescription",
        "  - it makes a grant for 8 operations to itself: an action with a wildcard, such",
        "    as kms:Create*, covers kms:CreateGrant [PE-3, PE-1, PG-12]",
    ]
    assert "  nothing" in lines[lines.index("attacker") :]


def test_circumstances_are_told_beside_the_way():
    tenant = {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}
    world = world_of(
        trusting(allow("kms:Decrypt", ROLE + "dev", tenant), allow("kms:Decrypt", ROLE + "app", VIA_S3)), dev={}, app={}
    )
    text = who_can_text(search(world), "kms:Decrypt", key_named(world, "k"), "here")
    told_of = " ".join(text.split())
    assert "role/dev by the key policy, which names it, with the encryption context tenant=a" in told_of
    assert "role/app by the key policy, which names it, through s3.us-east-1.amazonaws.com" in told_of


def test_an_alias_as_the_name_of_the_key_is_tried_where_a_policy_asks_for_it():
    asked = {"StringEquals": {"kms:RequestAlias": "alias/app"}}
    world = world_of({"aliases": ["alias/app"], **dev_on_key("kms:Decrypt", asked)}, dev={})
    (way,) = search(world).ways
    assert (way.hops, way.access.question.alias) == ((), "alias/app")


def test_of_several_contexts_only_those_that_suffice_are_told():
    either = [
        allow("kms:Decrypt", ROLE + "dev", {"StringEquals": {"kms:EncryptionContext:tenant": tenant}})
        for tenant in "ab"
    ]
    world = world_of(trusting(*either), dev={})
    key = key_named(world, "k")
    found = accesses(Answers(world), principal_named("dev", world), "kms:Decrypt", Circumstances(world, key))
    assert [access.question.encryption_context for access in found] == [(("tenant", "a"),), (("tenant", "b"),)]


def test_json_carries_each_hop_with_its_decisions_and_what_closes_it():
    read = escalations()
    key = key_named(read.world, "victim")
    data = json.loads(json.dumps(found_json(who_can(read.world, "kms:Decrypt", key), key, "kms:Decrypt")))
    assert data["key"] == key.arn
    (way,) = [way for way in data["ways"] if way["principal"].endswith("role/keyadmin/session")]
    (hop,) = way["hops"]
    assert (hop["code"], hop["rules"]) == ("put_policy", ["PE-2", "TP-7"])
    assert [(one["action"], one["allowed"], one["layers"]) for one in hop["decisions"]] == [
        ("kms:PutKeyPolicy", True, ["key_policy"])
    ]
    assert (way["proof"]["action"], way["proof"]["paths"]) == ("kms:Decrypt", ["direct"])
    assert hop["closed_by"]
    assert len(data["not_looked_at"]) > 3


def test_the_picture_is_the_same_each_time_and_no_name_can_become_an_element():
    world = world_of(keys={"<b>&k": APP_MAY}, app={"trust": trust(ROLE + "dev")}, dev={})
    key = next(iter(world.keys_by_arn.values()))
    drawn = [draw(who_can(world, "kms:Decrypt", key).ways, names_of(world), "<script>") for _ in range(2)]
    assert drawn[0] == drawn[1]
    tree = read_svg(drawn[0])
    texts = [node.firstChild.data for node in tree.getElementsByTagName("text")]
    assert {"<script>", "<b>&k", "assumes the role", f"{A}:role/dev"} <= set(texts)
    assert "http" not in drawn[0].replace("http://www.w3.org/2000/svg", "")


# -- the command line

CASE = "tests/cases/escalation.json"


def test_who_can_takes_an_operation_a_key_and_a_world():
    ran = kmssim("who-can", "decrypt", "team", "--in", CASE)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", WHO_CAN)
    assert kmssim("who-can", "kms:Decrypt", "team", "--in", CASE, "--hops", "0").stdout.count("role/tagadmin") == 0


def test_can_takes_a_principal_and_the_name_of_a_lab():
    ran = kmssim("can", "workload", "--in", "01_key_policy_must_trust", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["callers"] == 1


def test_without_a_named_world_the_only_scenario_of_the_folder_is_meant(tmp_path):
    (tmp_path / "world.json").write_text((ROOT / CASE).read_text())
    ran = kmssim("who-can", "decrypt", "team", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, WHO_CAN)


def test_a_picture_is_drawn_into_a_file_and_a_file_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "paths.svg"
    assert kmssim("can", "keyadmin", "--in", CASE, "--svg", str(file)).returncode == 0
    assert read_svg(file.read_text()).documentElement.tagName == "svg"
    assert "cannot write" in refused(
        kmssim("who-can", "decrypt", "team", "--in", CASE, "--svg", str(tmp_path / "no" / "x"))
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["who-can", "decrypt", "teem", "--in", CASE], "`team`"),
        (["who-can", "decript", "team", "--in", CASE], "`Decrypt`"),
        (["can", "keyadmn", "--in", CASE], "keyadmin"),
        (["can", "keyadmin", "--in", "no-such-lab"], "no-such-lab"),
    ],
)
def test_what_is_not_there_is_refused_with_one_message(arguments, said):
    assert said in refused(kmssim(*arguments))


def test_help_says_what_is_not_looked_at_and_needs_no_runtime():
    code = "import sys; from kmssim.cli import main\ntry: main(['who-can', 'decrypt', 'team', '--in', sys.argv[1]])\nfinally: print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / CASE)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "kmssim.reach.search" in ran.stdout.split()
    assert not {"moto", "boto3", "botocore"} & set(ran.stdout.split())
    assert "Not looked at:" in kmssim("who-can", "--help").stdout


@pytest.mark.parametrize("path", FILES[::3], ids=lambda path: path.stem)
def test_who_can_everywhere_is_what_decide_says_of_a_plain_call(path):
    world = load_scenario(path).world
    answers, action = Answers(world), "kms:DescribeKey"
    for able in who_can_everywhere(world, action):
        wanted = [who for who in callers_of(world) if answers.allows(Question(who, action, able.key.arn))]
        assert list(able.callers) == wanted


def test_without_a_key_everybody_is_told_on_each_key():
    ended = kmssim("who-can", "describe-key", "--in", "01_key_policy_must_trust")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == "Who can kms:DescribeKey, by a plain call and at once"
    assert "    111122223333:role/key-admin" in ended.stdout
    told = json.loads(kmssim("who-can", "describe-key", "--in", "01_key_policy_must_trust", "--json").stdout)
    assert "arn:aws:sts::111122223333:assumed-role/key-admin/session" in told["keys"][0]["callers"]
    assert "no key of this world takes kms:Sign" in refused(
        kmssim("who-can", "sign", "--in", "01_key_policy_must_trust")
    )


def hops_of(ways):
    return [(way.action, way.key, [(hop.code, hop.then) for hop in way.hops]) for way in ways]


@each_file
def test_asked_for_some_actions_what_can_finds_the_ways_that_it_finds_among_all(path):
    """By the same hops; what a grant lets do on the way may be less."""
    world = load_scenario(path).world
    callers = callers_of(world)
    for caller in callers[:: max(1, len(callers) // 2)]:
        found = what_can(world, caller).ways
        for action in ("kms:Decrypt", "kms:PutKeyPolicy"):
            wanted = hops_of(way for way in found if way.action == action)
            assert hops_of(what_can(world, caller, actions=[action]).ways) == wanted, (caller.arn, action)
