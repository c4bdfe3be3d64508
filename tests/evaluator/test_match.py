"""One statement against one request: which element keeps it from applying, and how that is told."""

from __future__ import annotations

import pytest
from building import ACCOUNT, ANA, KEY_ARN, KEY_ID, ROOT, WORKER, WORKER_SESSION, allow, caller, deny, document, world

from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.conditions import Ambiguous, Doubtful
from kmssim.evaluator.decision import Mismatch
from kmssim.evaluator.match import Request, mismatch, trace_statement
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.questions import OpenQuestions

CALLER = find_caller(world(), caller())


def found(
    body,
    kind="identity",
    *,
    action="kms:Decrypt",
    resource=KEY_ARN,
    context=None,
    by=CALLER,
    others=(),
    version="2012-10-17",
):
    (statement,) = parse_policy(document(body, version=version), PolicyKind(kind)).statements
    questions = OpenQuestions(frozenset(others))
    return mismatch(statement, Request(by, action, resource, lambda: context or {}), PolicyKind(kind), questions)


def element(*args, **parts):
    unmet = found(*args, **parts)
    return unmet and (unmet.element, unmet.rule)


@pytest.mark.parametrize(
    ("written", "action", "applies"),
    [
        ("kms:Decrypt", "kms:Decrypt", True),
        ("KMS:decrypt", "kms:Decrypt", True),
        ("kms:De*", "kms:DeriveSharedSecret", True),
        ("kms:Enc*", "kms:Encapsulate", True),
        ("kms:?ecrypt", "kms:Decrypt", True),
        ("*", "kms:Decrypt", True),
        ("kms:Encrypt", "kms:Decrypt", False),
        ("kms:ReEncrypt", "kms:ReEncryptFrom", False),
        ("kms:ReEncrypt*", "kms:ReEncryptTo", True),
        (["s3:*", "kms:Decrypt"], "kms:Decrypt", True),
        ("kms:Decrypt*", "s3:Decrypt", False),
        ("k*:Decrypt", "kms:Decrypt", True),
    ],
)
def test_actions(written, action, applies):
    """PG-10 to PG-12."""
    assert element(allow(written), action=action) == (None if applies else ("Action", "PG-10"))
    negated = {"Effect": "Allow", "NotAction": written, "Resource": "*"}
    assert element(negated, action=action) == (("NotAction", "PG-13") if applies else None)


def test_actions_take_no_variables():
    """CO-40."""
    body = allow("kms:${aws:username}")
    assert element(body, action="kms:Decrypt", context={"aws:username": "decrypt"}) == ("Action", "PG-10")


@pytest.mark.parametrize(
    ("written", "resource", "unmet"),
    [
        ("*", KEY_ARN, None),
        (KEY_ARN, KEY_ARN, None),
        (f"arn:aws:kms:*:{ACCOUNT}:key/*", KEY_ARN, None),
        ("*", "*", None),
        (f"arn:aws:kms:*:{ACCOUNT}:key/*", "*", ("Resource", "PG-24")),
        ("alias/orders", KEY_ARN, ("Resource", "PG-26")),
        (f"arn:aws:kms:*:{ACCOUNT}:${{x:kind}}/*", KEY_ARN, None),
        (f"arn:aws:kms:*:{ACCOUNT}:${{aws:PrincipalTag/none}}/*", KEY_ARN, ("Resource", "PG-26")),
        (f"arn:aws:kms:*:{ACCOUNT}:key/${{x:list}}", KEY_ARN, ("Resource", "PG-26")),
        ("arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*", KEY_ARN, ("Resource", "PG-26")),
        ("${x:arn}", KEY_ARN, ("Resource", "PG-26")),
    ],
)
def test_resources(written, resource, unmet):
    """PG-22, PG-24, PG-26, PG-29, CO-41."""
    context = {"aws:principalaccount": ACCOUNT, "x:list": (KEY_ID,), "x:arn": KEY_ARN, "x:kind": "key"}
    assert element(allow(on=written), resource=resource, context=context) == unmet


def test_not_resource_with_an_unresolved_variable_does_not_apply():
    """CO-45."""
    body = {"Effect": "Deny", "Action": "*", "NotResource": ["arn:aws:s3:::${a:b}", "arn:aws:s3:::x"]}
    assert element(body) == ("NotResource", "CO-45")
    assert element(body, context={"a:b": "y"}) is None
    assert element(body, context={"a:b": "*"}) is None
    assert element(body | {"NotResource": KEY_ARN}) == ("NotResource", "PG-26")
    assert element(body | {"NotResource": "arn:aws:${a:b}:::x"}, context={"a:b": "y"}) == ("NotResource", "CO-45")


def test_a_key_policy_statement_without_action_or_resource_never_applies():
    """PG-4."""
    assert element({"Effect": "Deny", "Principal": "*", "Resource": "*"}, "key_policy") == ("Action", "PG-4")
    assert element({"Effect": "Deny", "Principal": "*", "Action": "*"}, "key_policy") == ("Resource", "PG-4")


def test_a_key_policy_that_names_a_resource_is_an_open_question():
    """PG-21."""
    body = allow(to="*", on=KEY_ARN)
    assert found(body, "key_policy") is None
    assert element(body, "key_policy", others=["UN-12"]) == ("Resource", "UN-12")
    assert element(allow(to="*"), "key_policy", others=["UN-12"]) is None
    assert element(allow(to="*", on="arn:aws:s3:::b"), "key_policy") == ("Resource", "PG-21")
    assert element(allow(to="*", on=["*", KEY_ARN]), "key_policy", others=["UN-12"]) is None
    turned = {"Effect": "Deny", "Principal": "*", "Action": "*", "NotResource": KEY_ARN}
    assert element(turned, "key_policy") == ("NotResource", "PG-21")
    assert element(turned, "key_policy", others=["UN-12"]) is None
    assert element(turned | {"NotResource": "arn:aws:s3:::b"}, "key_policy", others=["UN-12"]) == (
        "NotResource",
        "UN-12",
    )
    assert element(turned | {"NotResource": "*"}, "key_policy", others=["UN-12"]) == ("NotResource", "PG-21")


def test_a_trust_policy_looks_at_no_resource():
    body = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    assert found(body, "trust", action="sts:AssumeRole", resource="anything") is None


@pytest.mark.parametrize(
    ("principal", "rule"),
    [
        (ANA, "PG-31"),
        (WORKER + "2", "PG-32"),
        (WORKER_SESSION + "2", "PG-33"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/f", "PG-34"),
        ("444455556666", "PG-30"),
        ("AROA" + "X" * 17, "PG-40"),
        ({"Service": "s3.amazonaws.com"}, "PG-35"),
        ({"Federated": "x"}, "PG-38"),
    ],
)
def test_who_is_not_meant(principal, rule):
    unmet = found(allow(to=principal), "key_policy")
    written = principal if isinstance(principal, str) else next(iter(principal.values()))
    assert unmet == Mismatch("Principal", written, WORKER_SESSION, rule)


def test_of_several_that_are_not_meant_the_first_says_the_rule():
    unmet = found(allow(to=[ANA, WORKER + "2"]), "key_policy")
    assert unmet == Mismatch("Principal", f"{ANA}, {WORKER}2", WORKER_SESSION, "PG-31")


def test_who_is_exempt_from_a_not_principal():
    body = deny() | {"NotPrincipal": {"AWS": [ROOT, WORKER, WORKER_SESSION]}}
    assert element(body, "key_policy") == ("NotPrincipal", "PG-45")
    assert found(body, "key_policy", by=find_caller(world(), caller(ANA))) is None


@pytest.mark.parametrize(
    ("block", "context", "unmet"),
    [
        ({}, {}, None),
        ({"Bool": {"a:b": "true"}}, {}, ("Bool a:b: true", "a:b is absent", "CO-4")),
        ({"Bool": {"A:B": "true"}}, {"a:b": "false"}, ("Bool A:B: true", "A:B = false", "CO-2")),
        ({"StringEquals": {"a:b": "x"}}, {"a:b": ("x", "y")}, ("StringEquals a:b: x", "a:b = [x, y]", "CO-10")),
        ({"ForAllValues:StringEquals": {"a:b": ["x"]}}, {"a:b": ("x", "y")},
         ("ForAllValues:StringEquals a:b: x", "a:b = [x, y]", "CO-2")),
        ({"StringEquals": {"a:b": "x"}}, {"a:b": Ambiguous(("x", "y"))},
         ("StringEquals a:b: x", "two names that differ only in case", "CO-13")),
        ({"StringEquals": {"a:b": ["x", "y"]}}, {"a:b": Doubtful("UN-7", "z", "x")}, ("StringEquals a:b: x, y", "a:b = z", "CO-2")),
        ({"Bool": {"a:b": "true"}, "StringEquals": {"c:d": "x"}}, {"a:b": "true"}, ("StringEquals c:d: x", "c:d is absent", "CO-4")),
        ({"Bool": {"a:b": "true", "c:d": "true"}}, {"a:b": "true", "c:d": "true"}, None),
    ],
)  # fmt: skip
def test_conditions_are_anded_and_the_first_unmet_is_told(block, context, unmet):
    """CO-1, CO-48."""
    told = found(allow(when=block), context=context)
    assert told == (unmet and Mismatch("Condition", *unmet))


def test_an_ambiguous_key_trips_a_deny_and_helps_no_allow():
    """CO-13."""
    block, context = {"StringEquals": {"a:b": "x"}}, {"a:b": Ambiguous(("x", "y"))}
    assert found(deny(when=block), context=context) is None
    assert found(allow(when=block), context=context) is not None


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "kms:ResourceAliases"])
def test_keys_for_iam_policies_only_are_an_open_question_in_a_key_policy(key):
    """CK-42."""
    body = allow(to="*", when={"ForAnyValue:StringEquals": {key: "x"}})
    context = {key.lower(): "x"}
    assert found(body, "key_policy", context=context) is None
    assert element(body, "key_policy", context=context, others=["UN-13"]) == ("Condition", "CO-4")
    assert found({k: v for k, v in body.items() if k != "Principal"}, context=context, others=["UN-13"]) is None


def test_elements_are_looked_at_in_the_order_of_a_readers_questions():
    body = allow("kms:Encrypt", to=ANA, on="arn:aws:s3:::b", when={"Bool": {"a:b": "true"}})
    steps = []
    for cure in ({}, {"Principal": "*"}, {"Action": "*"}, {"Resource": "*"}, {"Condition": {}}):
        body = body | cure
        steps.append(found(body, "key_policy") and found(body, "key_policy").element)
    assert steps == ["Principal", "Action", "Resource", "Condition", None]


def test_the_trace_says_where_the_statement_stands_and_which_keys_it_looks_at():
    whole = parse_policy(document(allow(Sid="One", when={"Bool": {"A:b": "true"}})), PolicyKind.IDENTITY, "here")
    trace = trace_statement(
        whole, whole.statements[0], Request(CALLER, "kms:Decrypt", KEY_ARN, lambda: {"a:b": "true"}), OpenQuestions()
    )
    assert (trace.policy, trace.path, trace.sid, trace.effect) == ("here", "Statement[0]", "One", "Allow")
    assert (trace.applies, trace.condition_keys) == (True, ("a:b",))
