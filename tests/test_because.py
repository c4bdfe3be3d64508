"""The causal sentences, one for each reason code of the table, and what holds of every sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from kmssim import because as telling
from kmssim.because import because
from kmssim.condition_words import asked_and_found, held, spelled
from kmssim.evaluator.conditions import OPERATORS
from kmssim.evaluator.decision import Mismatch
from kmssim.evaluator.pdp import Authorizer, decide
from kmssim.explain import deciding_permission, explain
from kmssim.scenario import load_scenario, parse_scenario
from kmssim.wording import CLAUSES

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted(
    path for path in (ROOT / "tests" / "cases").rglob("*.json") if not path.name.startswith("refused-policies")
)


class Told(NamedTuple):
    code: str
    file: str
    name: str
    sentence: str


GOLDEN = [
    Told(
        "allowed_iam",
        "tests/cases/by_rule/operations-2.json",
        "ListKeys: the administrator",
        "no key policy is asked for kms:ListKeys, and IAM allows it",
    ),
    Told(
        "allowed_service",
        "tests/cases/by_rule/services-2.json",
        "an object stored under S3's own key at the caller's wish",
        "s3:PutObject itself needs no key, and IAM allows it",
    ),
    Told(
        "allowed_direct",
        "tests/cases/by_rule/combinations.json",
        "service-linked role, star, boundary silent",
        "the key policy trusts the role directly, which is enough in the key's own account",
    ),
    Told(
        "allowed_service_itself",
        "tests/cases/by_rule/combinations-2.json",
        "a service that sends no source",
        "the key policy names the service, and a service that calls for itself needs no more",
    ),
    Told(
        "allowed_root",
        "tests/cases/by_rule/condition-keys.json",
        "the root user",
        "the key policy trusts the account, and so its root user",
    ),
    Told(
        "allowed_delegation",
        "tests/cases/by_rule/operations-2.json",
        "Sign: the administrator",
        "the key policy hands the account over to IAM, and an IAM policy of the role allows kms:Sign",
    ),
    Told(
        "allowed_across_direct",
        "tests/cases/by_rule/combinations-2.json",
        "an outsider decrypts in the management account",
        "the key policy trusts the role of account 550000000900 itself, and an IAM policy over there allows kms:Decrypt as well",
    ),
    Told(
        "allowed_across_account",
        "tests/cases/cross-account-operations.json",
        "Sign with a foreign key",
        "the key policy trusts account 444455556666, and an IAM policy of the role over there allows kms:Sign",
    ),
    Told(
        "allowed_grant",
        "tests/cases/more-grants-conditional-denies.json",
        "the Deny is satisfied by the context",
        "the grant app gives kms:Decrypt to the role",
    ),
    Told(
        "allowed_retire",
        "tests/cases/by_rule/combinations-2-contexts.json",
        "retiring an Equals grant under a Deny on Subset",
        "the grant lets the role retire it",
    ),
    Told(
        "allowed_retire_by_account",
        "tests/cases/by_rule/cross-account-2.json",
        "the issuing account is not the key's",
        "the grant was issued by the role's account, and an IAM policy of the role allows kms:RetireGrant",
    ),
    Told(
        "denied",
        "tests/cases/by_rule/cross-account-2.json",
        "a Deny in a resource share",
        "the key policy denies kms:Decrypt explicitly, and an explicit deny beats every allow",
    ),
    Told(
        "key_not_across",
        "tests/cases/by_rule/cross-account-2.json",
        "a resource share cannot carry TagResource",
        "kms:TagResource does not work on a key of another account, so what its key policy allows is idle",
    ),
    Told(
        "key_condition",
        "tests/cases/services.json",
        "ViaService on a service principal's statement",
        "the key policy would trust the service, but asks for kms:ViaService to be like *, and in this call it is absent",
    ),
    Told(
        "key_action_direct",
        "tests/cases/policy-grammar.json",
        "De* does not reach DisableKey",
        "the key policy trusts the role for kms:De* only, and no IAM policy can stand in for that",
    ),
    Told(
        "key_action_account",
        "tests/cases/by_rule/policies-2.json",
        "a role of the other partition",
        "the key policy hands only kms:DescribeKey over to the account, and no IAM policy can stand in for that",
    ),
    Told(
        "no_such_action",
        "tests/cases/policy-grammar.json",
        "there is no action called ReEncrypt",
        "kms:ReEncryptFrom on key/559f10be-7fc7-563d-a84b-20a8799ba168 is missing: the key policy trusts the role for kms:ReEncrypt and kms:DescribeKey only (kms:ReEncrypt is no action; needed are kms:ReEncryptFrom and kms:ReEncryptTo), and no IAM policy can stand in for that",
    ),
    Told(
        "key_action_excluded",
        "tests/cases/policy-grammar.json",
        "NotAction does not allow what it lists",
        "the key policy's statement for the role leaves kms:ScheduleKeyDeletion out, and no IAM policy can stand in for that",
    ),
    Told(
        "key_resource",
        "tests/cases/by_rule/policies.json",
        "a key policy that names another key",
        "the key policy's statement for the role does not name this key as its resource, and no IAM policy can stand in for that",
    ),
    Told(
        "key_nobody",
        "tests/cases/by_rule/grants.json",
        "somebody without CreateGrant makes the same mistake",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that",
    ),
    Told(
        "key_nobody_abroad",
        "tests/cases/cross-account.json",
        "only the caller's side allows",
        "the key policy trusts neither app role nor account 444455556666, and across accounts both sides must allow",
    ),
    Told(
        "key_nobody_root",
        "tests/cases/escalation.json",
        "the root user and a key that does not trust the account",
        "the key policy trusts neither the account nor its root user, and no IAM policy can stand in for that",
    ),
    Told(
        "key_nobody_service",
        "tests/cases/principals.json",
        "another service",
        "the key policy does not name the service sns.amazonaws.com",
    ),
    Told(
        "so_idle",
        "tests/cases/same-account-key-policy.json",
        "an action beyond the delegation",
        "the key policy hands only kms:Describe* over to the account, so the IAM Allow has nothing to attach to",
    ),
    Told(
        "so_no_substitute",
        "tests/cases/policy-grammar.json",
        "De* does not reach DisableKey",
        "the key policy trusts the role for kms:De* only, and no IAM policy can stand in for that",
    ),
    Told(
        "so_both_sides",
        "tests/cases/cross-account.json",
        "only the caller's side allows",
        "the key policy trusts neither app role nor account 444455556666, and across accounts both sides must allow",
    ),
    Told(
        "so_nothing",
        "tests/cases/principals.json",
        "another service",
        "the key policy does not name the service sns.amazonaws.com",
    ),
    Told(
        "grant_unfit",
        "tests/cases/by_rule/grants.json",
        "decapsulation is another operation",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant kem does not help, since it lists Encapsulate, not Decapsulate",
    ),
    Told(
        "gap_Operations",
        "tests/cases/by_rule/grants.json",
        "decapsulation is another operation",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant kem does not help, since it lists Encapsulate, not Decapsulate",
    ),
    Told(
        "gap_GranteePrincipal",
        "tests/cases/grants-matching.json",
        "another session of that role decrypts",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant to-nightly does not help, since it is to arn:aws:sts::111122223333:assumed-role/batch/nightly",
    ),
    Told(
        "gap_GrantTokens",
        "tests/cases/grants-matching.json",
        "a fresh grant is not consistent yet",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant to-newcomer does not help, since it is not yet consistent, and the call does not carry its token",
    ),
    Told(
        "gap_SourceArn",
        "tests/cases/grants-constraints.json",
        "the service grantee calls for another source",
        "the key policy does not name the service rds.amazonaws.com; the grant svc does not help, since it is for calls for arn:aws:rds:us-east-1:444455556666:cluster:main, and this call is for arn:aws:rds:us-east-1:444455556666:cluster:other",
    ),
    Told(
        "gap_SourceArn_absent",
        "tests/cases/grants-constraints.json",
        "a role grantee under a SourceArn constraint calls directly",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant job-src does not help, since it is for calls for arn:aws:rds:us-east-1:444455556666:cluster:main, and this call carries no aws:SourceArn",
    ),
    Told(
        "gap_EncryptionContextEquals",
        "tests/cases/grants-constraints.json",
        "one pair too few for Equals",
        "the key policy neither names the role nor hands the account over to IAM, and no IAM policy can stand in for that; the grant exact-pay does not help, since it asks for exactly the encryption context {app: pay, tenant: blue}, and the call has {tenant: blue}",
    ),
    Told(
        "gap_EncryptionContextSubset",
        "tests/cases/by_rule/cross-account-2.json",
        "a constraint unmet across accounts",
        "the key policy trusts neither denied role nor account 666677778888, and across accounts both sides must allow; the grant to-spy does not help, since it asks for {case: 7} in the encryption context, and the call has {case: 8}",
    ),
    Told(
        "gap_Constraints",
        "tests/cases/by_rule/grants.json",
        "a service drops the source",
        "the key policy does not name the service backup.eu-central-1.amazonaws.com; the grant for-backup does not help, since a grant made by it must keep its constraints (SourceArn arn:aws:backup:eu-central-1:210987654321:backup-vault:ledger), and the new one has none",
    ),
    Told(
        "iam_only",
        "tests/cases/by_rule/operations-2.json",
        "ListKeys: a role without policies",
        "only IAM can allow kms:ListKeys here, and no IAM policy of the role allows kms:ListKeys",
    ),
    Told(
        "iam_service",
        "tests/cases/by_rule/services-2.json",
        "a bucket without a policy for the other account",
        "the caller needs s3:GetObject of its own first, and no IAM policy of the role allows s3:GetObject",
    ),
    Told(
        "iam_delegated",
        "tests/cases/by_rule/operations-2.json",
        "Sign: a role without policies",
        "the key policy leaves the decision to IAM, and no IAM policy of the role allows kms:Sign",
    ),
    Told(
        "iam_across",
        "tests/cases/by_rule/cross-account-2.json",
        "a resource share and no IAM policy",
        "across accounts the caller's own IAM policy must allow as well, and no IAM policy of the role allows kms:Decrypt",
    ),
    Told(
        "iam_both",
        "tests/cases/cross-account.json",
        "neither side allows",
        "the key policy trusts neither silent role nor account 444455556666, and across accounts both sides must allow; and no IAM policy of the role allows kms:Decrypt",
    ),
    Told(
        "iam_none",
        "tests/cases/by_rule/operations-2.json",
        "ListKeys: a role without policies",
        "only IAM can allow kms:ListKeys here, and no IAM policy of the role allows kms:ListKeys",
    ),
    Told(
        "iam_condition",
        "tests/cases/by_rule/policies.json",
        "no base 64 at all",
        "the key policy leaves the decision to IAM, and the IAM policy of the role that allows kms:Encrypt asks for x:blob to be QUJD, and in this call it is ?!",
    ),
    Told(
        "iam_resource",
        "tests/cases/by_rule/policies.json",
        "a variable that brings a whole ARN",
        "the key policy leaves the decision to IAM, and the IAM policy of the role allows kms:Encrypt on ${aws:PrincipalTag/arn}, not on arn:aws:kms:eu-west-1:222233334444:key/00000001-0000-4000-8000-0000000000aa",
    ),
    Told(
        "iam_alias",
        "tests/cases/policy-resources.json",
        "an alias ARN in Resource does not open the key",
        "the key policy leaves the decision to IAM, and the IAM policy of the role allows kms:Decrypt on arn:aws:kms:us-east-1:111122223333:alias/orders; an alias ARN never stands for its key",
    ),
    Told(
        "iam_star",
        "tests/cases/policy-resources.json",
        "ListKeys has no resource to name",
        "only IAM can allow kms:ListKeys here, and the IAM policy of the role allows kms:ListKeys on arn:aws:kms:*:111122223333:key/*, and kms:ListKeys takes no resource but *",
    ),
    Told(
        "filter_none",
        "tests/cases/by_rule/grants.json",
        "a session of the grantee user, session policy silent",
        "the session policy does not allow kms:Decrypt, and what it does not allow no other policy can give",
    ),
    Told(
        "filter_condition",
        "tests/cases/vpc-endpoints.json",
        "a principal that the endpoint does not allow",
        "the VPC endpoint policy allows kms:Decrypt, but asks for aws:PrincipalArn to be like arn:aws:iam::111122223333:role/app, and in this call it is arn:aws:iam::111122223333:role/other; what it does not allow no other policy can give",
    ),
    Told(
        "filter_resource",
        "tests/cases/vpc-endpoints.json",
        "another key than the endpoint allows",
        "the VPC endpoint policy allows kms:Decrypt on arn:aws:kms:us-east-1:111122223333:key/18dd4371-3b06-5a13-859f-5ec48c50e74e, not on arn:aws:kms:us-east-1:111122223333:key/2479ff25-c562-5f1c-8212-d5851ada20fe, and what it does not allow no other policy can give",
    ),
    Told(
        "filter_federated",
        "tests/cases/by_rule/same-account.json",
        "a delegated federated user without a session policy",
        "a federated user without a session policy has nothing through IAM",
    ),
    Told(
        "may_not_retire",
        "tests/cases/by_rule/cross-account-2.json",
        "the key's account did not issue the grant",
        "only the grant's retiring principal, its grantee where the grant lists RetireGrant, or the account that issued it may retire a grant",
    ),
    Told(
        "no_authorization",
        "tests/cases/by_rule/operations-2.json",
        "RetireGrant that names nothing",
        "the call is refused for what it says, before any policy is looked at",
    ),
]


class Noting(dict):
    """The table, which notes the codes that are looked up."""

    def __init__(self, table):
        super().__init__(table)
        self.codes = set()

    def __getitem__(self, code):
        self.codes.add(code)
        return super().__getitem__(code)


@pytest.mark.parametrize("told", [pytest.param(told, id=told.code) for told in GOLDEN])
def test_how_each_reason_is_told(told, monkeypatch):
    noting = Noting(CLAUSES)
    monkeypatch.setattr(telling, "CLAUSES", noting)
    scenario = load_scenario(ROOT / told.file)
    assert explain(decide(scenario.world, scenario.request(told.name).call)).because == told.sentence
    assert told.code in noting.codes


def test_every_reason_code_has_its_golden_sentence():
    assert {told.code for told in GOLDEN} == set(CLAUSES) - {"gap"}


def test_a_grant_that_fails_by_an_element_without_words_of_its_own_is_told_too():
    mismatch = Mismatch("RetiringPrincipal", "nobody", "somebody", "GR-60")
    assert telling._gap(mismatch) == "its RetiringPrincipal wants nobody and the call has somebody"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_no_sentence_of_the_cases_is_a_dump(path):
    """No operator names, no braces of a template, no doubled words, no sentence without a cause."""
    scenario = load_scenario(path)
    authorizer = Authorizer(scenario.world)
    for request in scenario.requests:
        decision = authorizer.decide(request.call)
        sentence = because(decision, deciding_permission(decision))
        assert sentence
        assert not sentence.endswith((".", ", ", "; "))
        assert not re.search(
            r"\b(?:String|Arn|Numeric|Date|Null|Bool|IpAddress)\w*:? aws:|ForA(?:ny|ll)Value", sentence
        ), sentence
        assert not re.search(r"\{(?:action|caller|wanted|found|asked|account|named)\}|  |\bthe the\b| ,", sentence), (
            sentence
        )


# ---- conditions in words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ("StringEquals kms:CallerAccount: 1", "kms:CallerAccount is absent", ("kms:CallerAccount to be 1", "it is absent")),
        ("StringEquals k:a: 1, 2", "k:a = 3", ("k:a to be 1 or 2", "it is 3")),
        ("StringLike k:a: a, b, c, d", "k:a = x", ("k:a to be like one of 4 values (a, b, c, ...)", "it is x")),
        ("StringNotEqualsIfExists k:a: 1", "k:a = 1", ("k:a not to be 1, where it is there,", "it is 1")),
        ("Null k:a: true", "k:a = 1", ("k:a to be absent", "it is 1")),
        ("Null k:a: false", "k:a is absent", ("k:a to be there", "it is absent")),
        ("ForAnyValue:StringEquals k:a: 1", "k:a = [2, 3]", ("a value of k:a to be 1", "it is 2, 3")),
        ("ForAllValues:StringLike k:a: 1*", "k:a = [2]", ("every value of k:a to be like 1*", "it is 2")),
        ("StringEquals a:T/t: ${aws:PrincipalTag/t, 'x'}", "a:T/t = y", ("a:T/t to be ${aws:PrincipalTag/t, 'x'}", "it is y")),
        ("StringEquals k:a: 1", "two tags differ in case only", ("k:a to be 1", "two tags differ in case only")),
        ("StringEquals k:a: it", "k:a = absent", ('k:a to be "it"', 'it is "absent"')),
        ("DateLessThan aws:CurrentTime: 2026", "aws:CurrentTime = 2027", ("aws:CurrentTime to be before 2026", "it is 2027")),
    ],
)  # fmt: skip
def test_an_unmet_condition_is_told_in_words(wanted, found, told):
    assert asked_and_found(Mismatch("Condition", wanted, found, "CO-2")) == told


def test_every_operator_has_a_verb():
    for name in OPERATORS:
        asked, _ = asked_and_found(Mismatch("Condition", f"{name} k:a: 1", "k:a = 2", "CO-2"))
        assert "to fit" not in asked, name


def test_condition_keys_are_spelled_as_aws_does_and_the_rest_of_a_name_stays():
    assert spelled("aws:principalorgid") == "aws:PrincipalOrgID"
    assert spelled("kms:encryptioncontext:tenant") == "kms:EncryptionContext:tenant"
    assert spelled("aws:resourcetag/Team") == "aws:ResourceTag/Team"
    assert spelled("x:blob") == "x:blob"
    assert held(("aws:sourceip", "aws:tagkeys", "aws:sourceip"), {"aws:tagkeys": ("a", "b")}) == [
        "aws:SourceIp is absent",
        "aws:TagKeys is a, b",
    ]


# ---- what the conditions had -----------------------------------------------------------------------------------------

ACCOUNT = "111122223333"


def told_of(*statements):
    worker = f"arn:aws:iam::{ACCOUNT}:role/worker"
    key = {"policy": {"Version": "2012-10-17", "Statement": list(statements)}}
    request = {"name": "one", "principal": worker, "operation": "kms:Decrypt", "parameters": {"KeyId": "alias/orders"}}
    account = {"roles": {"worker": {}}, "keys": {"orders": {**key, "aliases": ["alias/orders"]}}}
    scenario = parse_scenario({"accounts": {ACCOUNT: account}, "requests": [request]})
    return explain(decide(scenario.world, scenario.requests[0].call)).because


def statement(effect, **more):
    return {"Effect": effect, "Principal": "*", "Action": "kms:*", "Resource": "*", **more}


SECURE = {"Bool": {"aws:SecureTransport": "true"}}


def test_an_allow_tells_which_condition_key_had_which_value():
    assert told_of(statement("Allow", Condition=SECURE)) == (
        "the key policy trusts the role directly, as aws:SecureTransport is true, which is enough in the key's own account"
    )


def test_an_allow_for_a_session_does_not_say_that_the_role_is_trusted():
    """DA-22: other sessions of the role are not meant."""
    by_session = statement("Allow", Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"})
    by_role = statement("Allow", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/worker"})
    assert told_of(by_session).startswith("the key policy trusts the role's session session directly,")
    assert told_of(by_session, by_role).startswith("the key policy trusts the role directly,")


def test_where_one_allow_needs_no_condition_none_is_told():
    assert "as aws:" not in told_of(statement("Allow", Condition=SECURE), statement("Allow"))


def test_a_deny_tells_the_condition_keys_that_made_it_apply():
    deny = statement("Deny", Sid="Home", Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})
    assert told_of(statement("Allow"), deny) == (
        'the key policy (statement "Home") denies kms:Decrypt explicitly, since aws:SourceVpce is absent, and an '
        "explicit deny beats every allow"
    )


def test_what_a_key_policy_gives_in_place_is_told_by_whom_it_is_given_to():
    to_account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    to_role = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/worker"}
    handed_over = statement("Allow", Principal=to_account, Action="kms:Describe*")
    trusting = statement("Allow", Principal=to_role, Action=["kms:Encrypt", "kms:Sign"])
    assert told_of(handed_over).startswith("the key policy hands only kms:Describe* over to the account")
    assert told_of(handed_over, trusting).startswith("the key policy trusts the role for kms:Encrypt and kms:Sign only")
