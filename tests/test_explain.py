"""Explanations: golden text for typical decisions, and what holds of every explanation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from kmssim.evaluator.decision import Layer
from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.render import decision_text
from kmssim.rules import all_rules
from kmssim.scenario import load_scenario, parse_scenario

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted(path for path in (ROOT / "tests" / "cases").glob("*.json") if path.name != "refused-policies.json")


def decision_of(file, name):
    scenario = load_scenario(ROOT / file)
    return decide(scenario.world, scenario.request(name).call)


def lines_of(explanation):
    return [f"{name}: {text}" for name, text in explanation.lines]


def test_the_first_lab_in_five_lines_and_one_sentence():
    decision = decision_of("labs/01_key_policy_must_trust/scenario.json", "the workload decrypts an order")
    explanation = explain(decision)
    assert lines_of(explanation) == [
        "IAM policy: kms:Decrypt allowed",
        "KMS key policy: workload role not trusted",
        "Grant: none",
        "Encryption context: not applicable",
        "Final decision: DENY",
    ]
    assert explanation.because == (
        "the key policy neither names the role nor hands the account over to IAM, "
        "so the IAM Allow has nothing to attach to"
    )
    assert (explanation.also, explanation.failed) == ("", "")
    assert explanation.rules == ("KP-1", "EM-2")


@dataclass(frozen=True)
class Told:
    file: str
    name: str
    lines: list[str]
    because: str
    rules: str
    failed: str = ""


GOLDEN = [
    Told(
        "labs/12_access_without_the_policy/scenario.json",
        "the backup decrypts an order of the backup",
        [
            "IAM policy: kms:Decrypt not allowed, the backup role has no policy",
            "KMS key policy: backup role not trusted",
            "Grant: backup-of-orders allows kms:Decrypt",
            "Encryption context: purpose=backup, day=2026-01-01, matches",
            "Final decision: ALLOW",
        ],
        because="the grant backup-of-orders gives kms:Decrypt to the role, and the encryption context fits "
        "its constraint",
        rules="GR-20",
    ),
    Told(
        "labs/12_access_without_the_policy/scenario.json",
        "the backup decrypts an order of the export",
        [
            "IAM policy: kms:Decrypt not allowed, the backup role has no policy",
            "KMS key policy: backup role not trusted",
            "Grant: backup-of-orders (EncryptionContextSubset) does not fit",
            "Encryption context: purpose=nightly-export, day=2026-01-01, does not match",
            "Final decision: DENY",
        ],
        because="the key policy neither names the role nor hands the account over to IAM, and no IAM policy "
        "can stand in for that; the grant backup-of-orders does not help, since it asks for {purpose: backup} "
        "in the encryption context, and the call has {day: 2026-01-01, purpose: nightly-export}",
        rules="KP-1 EM-2",
    ),
    Told(
        "labs/12_access_without_the_policy/scenario.json",
        "the backup claims its own purpose for an order of the export",
        [
            "IAM policy: kms:Decrypt not allowed, the backup role has no policy",
            "KMS key policy: backup role not trusted",
            "Grant: backup-of-orders allows kms:Decrypt",
            "Encryption context: purpose=backup, day=2026-01-01, matches",
            "Final decision: ALLOW",
        ],
        because="the grant backup-of-orders gives kms:Decrypt to the role, and the encryption context fits "
        "its constraint",
        failed="authorized, and still the call ends with InvalidCiphertextException",
        rules="GR-20 EC-2",
    ),
    Told(
        "labs/19_perimeter/scenario.json",
        "an experiment in the sandbox unit decrypts an order",
        [
            "IAM policy: kms:Decrypt allowed",
            "KMS key policy: account 333344445555 trusted, IAM decides",
            "Grant: none",
            "Encryption context: not applicable",
            "Service control policy: kms:Decrypt denied explicitly",
            "Resource control policy: kms:Decrypt not denied",
            "Final decision: DENY",
        ],
        because='a service control policy (statement "NobodyDecryptsInTheSandbox") denies kms:Decrypt '
        "explicitly, and an explicit deny beats every allow",
        rules="DA-1 OR-1 EM-8",
    ),
    Told(
        "labs/01_key_policy_must_trust/scenario.json",
        "the key administrator describes the key",
        [
            "IAM policy: kms:DescribeKey not allowed, the key-admin role has no policy",
            "KMS key policy: key-admin role trusted",
            "Grant: none",
            "Encryption context: not applicable",
            "Final decision: ALLOW",
        ],
        because="the key policy trusts the role directly, which is enough in the key's own account",
        rules="KP-1 DA-21",
    ),
    Told(
        "labs/17_the_chosen_session_name/scenario.json",
        "a session of deploy named prod decrypts the settings",
        [
            "IAM policy: kms:Decrypt not allowed",
            "KMS key policy: session prod of the deploy role trusted",
            "Grant: none",
            "Encryption context: settings=production, not asked for",
            "Permissions boundary: kms:Decrypt not allowed",
            "Final decision: ALLOW",
        ],
        because="the key policy trusts the role's session prod directly, which is enough in the key's own account",
        rules="KP-1 DA-22",
    ),
    Told(
        "tests/cases/cross-account.json",
        "neither side allows",
        [
            "IAM policy: kms:Decrypt not allowed, the silent role has no policy",
            "KMS key policy: silent role not trusted",
            "Grant: none",
            "Encryption context: not applicable",
            "Final decision: DENY",
        ],
        because="the key policy trusts neither silent role nor account 444455556666, and across accounts "
        "both sides must allow; and no IAM policy of the role allows kms:Decrypt",
        rules="KP-1 DA-36 EM-11",
    ),
    Told(
        "tests/cases/grants-denies.json",
        "key policy and identity policy both deny",
        [
            "IAM policy: kms:Decrypt denied explicitly",
            "KMS key policy: kms:Decrypt denied explicitly",
            "Grant: to-two-denied allows kms:Decrypt",
            "Encryption context: not applicable",
            "Service control policy: kms:Decrypt allowed",
            "Resource control policy: kms:Decrypt not denied",
            "Final decision: DENY",
        ],
        because="the key policy and an IAM policy of the caller deny kms:Decrypt explicitly, and an explicit "
        "deny beats every allow",
        rules="DA-1 KP-1 DA-36 EM-8",
    ),
    Told(
        "tests/cases/grants-lifecycle.json",
        "IAM and key policy allow RetireGrant to a stranger",
        [
            "IAM policy: kms:RetireGrant allowed",
            "KMS key policy: not applicable, no key takes part",
            "Grant: g-app does not let this caller retire it",
            "Encryption context: not applicable",
            "Final decision: DENY",
        ],
        because="only the grant's retiring principal, its grantee where the grant lists RetireGrant, or the "
        "account that issued it may retire a grant",
        rules="GR-60 EM-11",
    ),
    Told(
        "tests/cases/same-account-key-policy.json",
        "three agreeing sources",
        [
            "IAM policy: kms:Encrypt allowed",
            "KMS key policy: account trusted, IAM decides",
            "Grant: for-ana allows kms:Encrypt",
            "Encryption context: not applicable",
            "Final decision: ALLOW",
        ],
        because="the key policy hands the account over to IAM, and an IAM policy of the user allows "
        "kms:Encrypt; also, the grant for-ana gives kms:Encrypt to the user",
        rules="KP-1 DA-27 GR-20 DA-36",
    ),
    Told(
        "tests/cases/key-states.json",
        "decrypting with a key pending deletion",
        [
            "IAM policy: kms:Decrypt allowed",
            "KMS key policy: account trusted, IAM decides",
            "Grant: none",
            "Encryption context: not applicable",
            "Final decision: ALLOW",
        ],
        because="the key policy hands the account over to IAM, and an IAM policy of the role allows kms:Decrypt",
        failed="authorized, and still the call ends with KMSInvalidStateException: "
        "arn:aws:kms:us-east-1:111122223333:key/4c9e7b21-d0a6-4835-8f1b-a5e3d7c91402 is pending "
        "deletion.",
        rules="KP-1 DA-27 DA-36 ST-3 UN-22",
    ),
    Told(
        "tests/cases/more-several-permissions.json",
        "one leg denied, the other missing",
        [
            (
                "Permissions needed: kms:ReEncryptFrom on key/6f0b0072-52d1-4c8e-a7f3-90be41d2c072 and "
                "kms:ReEncryptTo on key/6f0b0073-52d1-4c8e-a7f3-90be41d2c073"
            ),
            "Looked at here: kms:ReEncryptFrom on key/6f0b0072-52d1-4c8e-a7f3-90be41d2c072",
            "IAM policy: kms:ReEncryptFrom denied explicitly",
            "KMS key policy: account trusted, IAM decides",
            "Grant: none",
            "Encryption context: not applicable",
            "Service control policy: kms:ReEncryptFrom allowed",
            "Resource control policy: kms:ReEncryptFrom not denied",
            "Final decision: DENY",
        ],
        because="an IAM policy of the caller denies kms:ReEncryptFrom explicitly, and an explicit deny beats "
        "every allow",
        rules="DA-1 DA-36 EM-8",
    ),
    Told(
        "tests/cases/more-missing-keys.json",
        "a key id that nobody has",
        [
            "Final decision: DENY",
        ],
        because="there is no such key in the caller's account and Region, so there is nothing to authorize",
        rules="EM-20",
    ),
    Told(
        "tests/cases/cross-account-operations.json",
        "TagResource has no effect across accounts",
        [
            "IAM policy: kms:TagResource allowed",
            "KMS key policy: no effect, kms:TagResource does not work across accounts",
            "Grant: none",
            "Encryption context: not applicable",
            "Final decision: DENY",
        ],
        because="kms:TagResource does not work on a key of another account, so what its key policy allows is idle",
        rules="XA-8 XA-9 DA-27 EM-11 UN-31",
    ),
    Told(
        "tests/cases/same-account-limits.json",
        "identity and boundary are both silent",
        [
            "IAM policy: kms:Decrypt not allowed",
            "KMS key policy: account trusted, IAM decides",
            "Grant: none",
            "Encryption context: not applicable",
            "Permissions boundary: kms:Decrypt not allowed",
            "Final decision: DENY",
        ],
        because="the key policy leaves the decision to IAM, and no IAM policy of the role allows "
        "kms:Decrypt; and the permissions boundary does not allow kms:Decrypt, and what it does not "
        "allow no other policy can give",
        rules="DA-36 DA-30 EM-3",
    ),
    Told(
        "tests/cases/organization-scp.json",
        "identity and SCP are both silent",
        [
            "IAM policy: kms:Encrypt not allowed, the user ben has no policy",
            "KMS key policy: account trusted, IAM decides",
            "Grant: none",
            "Encryption context: not applicable",
            "Service control policy: kms:Encrypt not allowed",
            "Resource control policy: kms:Encrypt not denied",
            "Final decision: DENY",
        ],
        because="the service control policy at some level of the organization does not allow kms:Encrypt, "
        "and what it does not allow no other policy can give; and the key policy leaves the decision "
        "to IAM, and no IAM policy of the user allows kms:Encrypt",
        rules="OR-1 DA-36 EM-6",
    ),
    Told(
        "tests/cases/condition-keys-admin.json",
        "CreateKey with every parameter left out",
        [
            "IAM policy: kms:CreateKey allowed",
            "KMS key policy: not applicable, no key takes part",
            "Grant: not applicable",
            "Encryption context: not applicable",
            "Final decision: ALLOW",
        ],
        because="no key policy is asked for kms:CreateKey, and IAM allows it",
        rules="DA-36",
    ),
    Told(
        "tests/cases/more-grants-limits.json",
        "a role grantee under a silent session policy",
        [
            "IAM policy: kms:Decrypt not allowed, the app role has no policy",
            "KMS key policy: app role not trusted",
            "Grant: role allows kms:Decrypt",
            "Encryption context: not applicable",
            "Session policy: kms:Decrypt not allowed",
            "Final decision: DENY",
        ],
        because="the session policy does not allow kms:Decrypt, and what it does not allow no other policy can give",
        rules="DA-30 EM-4 UN-1",
    ),
]


@pytest.mark.parametrize("told", [pytest.param(told, id=told.name) for told in GOLDEN])
def test_how_a_typical_decision_is_told(told):
    explanation = explain(decision_of(told.file, told.name))
    assert lines_of(explanation) == told.lines
    assert explanation.because == told.because
    assert explanation.failed == told.failed
    assert " ".join(explanation.rules) == told.rules


# ---- what else would have blocked, and the statements that mattered --------------------------------------------------

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def asked(key_policy, *identity, operation="kms:Decrypt", **role):
    """One role, one key, one request."""
    document = {"Version": "2012-10-17", "Statement": list(identity)}
    account = {
        "roles": {"worker": {"policies": {"own": document} if identity else {}, **role}},
        "keys": {"orders": {"id": KEY[-36:], "policy": {"Version": "2012-10-17", "Statement": key_policy}}},
    }
    request = {
        "name": "one",
        "principal": f"arn:aws:iam::{ACCOUNT}:role/worker",
        "operation": operation,
        "parameters": {"KeyId": KEY},
    }
    scenario = parse_scenario({"accounts": {ACCOUNT: account}, "requests": [request]})
    return decide(scenario.world, scenario.requests[0].call)


def may(effect="Allow", action="kms:*", **more):
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


DELEGATES = may(Principal={"AWS": ACCOUNT})
NAMES_NOBODY = may(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"})


def test_beside_an_explicit_deny_a_missing_trust_would_still_block():
    decision = asked([NAMES_NOBODY], may("Deny"), may())
    assert decision.layers == {Layer.IDENTITY}
    assert explain(decision).also == "even then the key policy would block it"


def test_beside_an_explicit_deny_an_empty_boundary_would_still_block():
    decision = asked([DELEGATES], may("Deny"), may(), boundary={"Version": "2012-10-17", "Statement": []})
    assert explain(decision).also == "even then the permissions boundary would block it"


def test_where_all_is_blamed_nothing_else_would_block():
    assert explain(asked([DELEGATES])).also == ""
    assert explain(asked([NAMES_NOBODY], may())).also == ""
    assert explain(asked([DELEGATES], may())).also == ""


@pytest.mark.parametrize(
    ("statement", "line", "because"),
    [
        (
            may(action="kms:Encrypt", Principal={"AWS": ACCOUNT}),
            "worker role not trusted for this action",
            "the key policy hands only kms:Encrypt over to the account, so the IAM Allow has nothing to attach to",
        ),
        (
            may(Principal={"AWS": ACCOUNT}, Condition={"Bool": {"aws:SecureTransport": "false"}}),
            "worker role not trusted, a condition is not met",
            (
                "the key policy would trust the role, but asks for aws:SecureTransport to be false, "
                "and in this call it is true"
            ),
        ),
        (
            may(
                Principal={"AWS": ACCOUNT}, Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
            ),
            "worker role not trusted, a condition is not met",
            (
                "the key policy would trust the role, but asks for kms:ViaService to be s3.us-east-1.amazonaws.com, "
                "and in this call it is absent"
            ),
        ),
        (
            may(Principal={"AWS": ACCOUNT}) | {"Resource": "arn:aws:dynamodb:us-east-1:111122223333:table/t"},
            "worker role not trusted for this action",
            "the key policy's statement for the role does not name this key as its resource",
        ),
    ],
)
def test_how_close_the_key_policy_came(statement, line, because):
    explanation = explain(asked([statement], may()))
    assert dict(explanation.lines)["KMS key policy"] == line
    assert explanation.because.startswith(because)


def test_the_identity_policy_came_close_too():
    elsewhere = may() | {"Resource": KEY.replace("us-east-1", "eu-west-1")}
    because = explain(asked([DELEGATES], elsewhere)).because
    assert because == (
        "the key policy leaves the decision to IAM, and the IAM policy of the role allows kms:Decrypt on "
        f"{elsewhere['Resource']}, not on {KEY}"
    )


def test_the_statements_that_mattered_say_where_they_stand_and_why_they_do_not_apply():
    (statement,) = explain(asked([NAMES_NOBODY | {"Sid": "Admin"}], may("Deny"))).statements
    assert (statement.layer, statement.text) == (Layer.IDENTITY, "denies")
    (statement,) = explain(asked([NAMES_NOBODY | {"Sid": "Admin"}])).statements
    assert (statement.layer, statement.sid, statement.rule) == (Layer.KEY_POLICY, "Admin", "PG-32")
    assert statement.where == f"accounts.{ACCOUNT}.keys.orders.policy.Statement[0]"
    assert statement.text == (
        f"does not apply: Principal wants arn:aws:iam::{ACCOUNT}:role/admin; "
        f"found arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"
    )


def test_a_delegate_who_may_retire_is_not_told_that_the_grant_does_not_let_him():
    """GR-60: the line on the grant and the causal sentence must not contradict each other."""
    decision = decision_of(
        "tests/cases/grants-lifecycle.json", "a role of the account that made the grant, with the IAM permission"
    )
    assert decision.allowed
    assert "does not let" not in dict(explain(decision).lines)["Grant"]


# ---- every case ------------------------------------------------------------------------------------------------------

LEAK = re.compile(
    r"\bNone\b|\bTrue\b|\bFalse\b|\{\}|\(\)|\[\]|<[A-Za-z]+[ .:]|\w+\(\w+=|frozenset|Layer\.|Verdict\.|Source\.|Limits\.|\{'|\['"
)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in CASES])
def test_every_case_is_told_in_words_and_by_rules_of_the_book(path):
    scenario = load_scenario(path)
    book = all_rules()
    for request in scenario.requests:
        decision = decide(scenario.world, request.call)
        explanation = explain(decision)
        told = "\n".join([*lines_of(explanation), explanation.because, explanation.also, explanation.failed])
        assert explanation.lines[-1] == ("Final decision", decision.word)
        assert explanation.because, request.name
        assert not explanation.because.endswith("."), request.name
        assert not LEAK.search(told), f"{request.name}: {LEAK.search(told)} in\n{told}"
        assert "  " not in told, request.name
        assert not told.startswith(("; ", ", ")), request.name
        assert set(explanation.rules) <= set(book), request.name
        assert explanation.rules, request.name
        assert not LEAK.search(decision_text(request.name, decision, None).replace(request.name, "")), request.name


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in CASES])
def test_every_rule_in_the_trace_of_every_case_is_in_the_book(path):
    scenario = load_scenario(path)
    book = set(all_rules())
    for request in scenario.requests:
        for permission in decide(scenario.world, request.call).permissions:
            for layer in permission.layers:
                assert set(layer.rules) <= book
                assert {statement.rule for statement in layer.statements if statement.rule} <= book
                unmet = [trace.mismatch for trace in (*layer.statements, *layer.grants) if trace.mismatch]
                assert {mismatch.rule for mismatch in unmet} <= book
