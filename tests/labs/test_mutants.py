"""Mutants of policies: which there are, that their texts are stable, and that none is a mutant in name only."""

from __future__ import annotations

import json

import pytest

from kmssim.evaluator.policy import PolicyKind
from kmssim.labs.mutants import OPERATORS, mutants_of

ROLE = "arn:aws:iam::111122223333:role/app"
ALLOW = {"Sid": "Use", "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*"}
IAM = {"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:us-east-1:111122223333:key/*"}


def texts(statement, kind=PolicyKind.KEY_POLICY, *others):
    document = {"Version": "2012-10-17", "Statement": [statement, *others]}
    return [mutant.text.partition(": ")[2] for mutant in mutants_of("p.json", document, kind)]


def with_condition(operator, key, values):
    return {**ALLOW, "Condition": {operator: {key: values}}}


def test_the_mutants_of_one_statement_are_these():
    other = {**ALLOW, "Sid": "Other", "Action": "kms:*"}
    assert [text for text in texts(ALLOW, PolicyKind.KEY_POLICY, other) if text.startswith('"Use"')] == [
        '"Use": drop_statement',
        '"Use": flip_effect to Deny',
        '"Use": widen_action to kms:*',
        f'"Use": widen_principal {ROLE} to arn:aws:iam::111122223333:root',
        '"Use": add_foreign_account 999988887777',
    ]


@pytest.mark.parametrize(
    ("statement", "kind", "text"),
    [
        ({**ALLOW, "Effect": "Deny"}, PolicyKind.KEY_POLICY, '"Use": flip_effect to Allow'),
        (
            {**ALLOW, "Principal": {"AWS": "111122223333"}},
            PolicyKind.KEY_POLICY,
            '"Use": widen_principal 111122223333 to *',
        ),
        (
            {**ALLOW, "Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/app/x"}},
            PolicyKind.KEY_POLICY,
            f'"Use": session_to_role arn:aws:sts::111122223333:assumed-role/app/x to {ROLE}',
        ),
        (IAM, PolicyKind.IDENTITY, "Statement[0]: widen_resource to *"),
        (
            with_condition("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com"),
            PolicyKind.KEY_POLICY,
            '"Use": drop_condition StringEquals kms:ViaService',
        ),
        (
            with_condition("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com"),
            PolicyKind.KEY_POLICY,
            '"Use": if_exists on StringEquals kms:ViaService',
        ),
        (
            with_condition("StringLike", "kms:ViaService", "s3.*"),
            PolicyKind.KEY_POLICY,
            '"Use": string_like StringLike to StringEquals on kms:ViaService',
        ),
        (
            with_condition("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com"),
            PolicyKind.KEY_POLICY,
            '"Use": for_all_values on StringEquals kms:ViaService',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operator_makes_its_mutant(statement, kind, text):
    assert text in texts(statement, kind)


def test_a_deny_is_dropped_under_its_own_name():
    found = texts({**ALLOW, "Effect": "Deny"}, PolicyKind.KEY_POLICY, ALLOW)
    assert '"Use": drop_deny' in found


def test_a_policy_that_aws_would_refuse_is_no_mutant():
    assert not any(text.endswith("drop_statement") for text in texts(ALLOW))
    context = with_condition("StringEquals", "kms:EncryptionContext:tenant", "a")
    assert not any("for_all_values" in text for text in texts(context))


def test_an_equal_comparison_by_another_name_is_no_mutant():
    assert not any("string_like" in text for text in texts(with_condition("StringEquals", "kms:ViaService", "s3")))


def test_every_document_is_another_one():
    document = {"Version": "2012-10-17", "Statement": [ALLOW, {**ALLOW, "Sid": "Two"}]}
    found = [
        json.dumps(mutant.document, sort_keys=True) for mutant in mutants_of("p.json", document, PolicyKind.KEY_POLICY)
    ]
    assert len(set(found)) == len(found)
    assert json.dumps(document, sort_keys=True) not in found


def test_mutants_do_not_touch_the_document_and_come_in_the_same_order():
    document = {
        "Version": "2012-10-17",
        "Statement": [with_condition("StringLike", "kms:ViaService", ["s3.*", "ec2.*"])],
    }
    before = json.dumps(document)
    first = mutants_of("p.json", document, PolicyKind.KEY_POLICY)
    assert mutants_of("p.json", document, PolicyKind.KEY_POLICY) == first
    assert json.dumps(document) == before


def test_every_operator_is_named_after_what_it_does():
    assert list(OPERATORS) == [
        "drop_statement", "drop_deny", "flip_effect", "widen_action", "widen_principal", "add_foreign_account",
        "session_to_role", "widen_resource", "drop_condition", "if_exists", "string_like", "for_all_values",
    ]  # fmt: skip
