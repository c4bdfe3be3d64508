"""Policy documents: what is read, what is refused, with which code and at which path."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from building import ACCOUNT, KEY_ARN, ROOT, WORKER, allow, deny, document
from hypothesis import example, given
from hypothesis import strategies as st

from kmssim.errors import InputError, PolicyError
from kmssim.evaluator import policy
from kmssim.evaluator.policy import Effect, PolicyKind, default_key_policy, parse_policy

KMS, IAM = "MalformedPolicyDocumentException", "MalformedPolicyDocument"
KINDS = [kind.value for kind in PolicyKind]
WITH_PRINCIPAL = {"key_policy", "rcp", "vpc_endpoint", "trust", "bucket", "secret"}


def parsed(body, kind="identity"):
    return parse_policy(body, PolicyKind(kind))


def refusal(body, kind="identity"):
    with pytest.raises(PolicyError) as caught:
        parsed(body, kind)
    return caught.value


def statement_of(kind):
    body = deny("kms:Decrypt") if kind == "rcp" else allow("kms:Decrypt")
    if kind in WITH_PRINCIPAL:
        body["Principal"] = "*"
    if kind == "trust":
        del body["Resource"]
    return body


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_a_plain_document_as_text_and_as_data(kind):
    body = document(statement_of(kind))
    policy = parsed(body, kind)
    assert policy == parsed(json.dumps(body), kind)
    assert (policy.kind.value, policy.document, len(policy.statements)) == (kind, body, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("member", ["Resource", "NotResource"])
def test_only_trust_policies_name_no_resource(kind, member):
    body = statement_of(kind) | {"Resource": "*"}
    body[member] = body.pop("Resource")
    if kind == "trust":
        assert refusal(document(body), kind).path == f"Statement[0].{member}"
    else:
        assert parsed(document(body), kind).statements[0].resource.negated is (member == "NotResource")


@pytest.mark.parametrize("kind", KINDS)
def test_which_kinds_name_principals(kind):
    """PG-3."""
    body = statement_of(kind)
    if kind in WITH_PRINCIPAL:
        del body["Principal"]
        rule = {"key_policy": "PG-4", "rcp": "OR-4"}.get(kind, "PG-3")
        assert (refusal(document(body), kind).rule, refusal(document(body), kind).path) == (rule, "Statement[0]")
    else:
        body["Principal"] = "*"
        assert refusal(document(body), kind).path == "Statement[0].Principal"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("key_policy", KMS), ("scp", KMS), ("rcp", KMS), ("secret", KMS), ("identity", IAM), ("boundary", IAM), ("session", IAM),
     ("trust", IAM), ("vpc_endpoint", "InvalidPolicyDocument"), ("bucket", "MalformedPolicy")],
)  # fmt: skip
def test_the_code_is_that_of_the_service_behind_the_kind(kind, code):
    assert refusal({"Version": "2020-01-01", "Statement": []}, kind).code == code


GOOD = allow("kms:Decrypt")


@pytest.mark.parametrize(
    ("body", "path", "rule"),
    [
        ("", "", "PG-2"),
        ("{", "", "PG-2"),
        ("[]", "", "PG-2"),
        ("null", "", "PG-2"),
        ('{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}', "Version", "PG-6"),
        ('{"Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}]}', "Statement[0].Effect", "PG-6"),
        ("[" * 100_000, "", "PG-2"),
        ('{"Statement": ' + "[" * 90 + "]" * 90 + "}", "Statement" + "[0]" * 64, "PG-2"),
        ({}, "Statement", "PG-2"),
        ({"Statement": None}, "Statement", "PG-2"),
        ({"Statement": [GOOD], "statement": []}, "statement", "PG-7"),
        ({"Statement": [GOOD], "Version": "2012-10-18"}, "Version", "PG-1"),
        ({"Statement": [GOOD], "Version": None}, "Version", "PG-1"),
        ({"Statement": [GOOD], "Version": ["2012-10-17"]}, "Version", "PG-1"),
        ({"Statement": ["a"]}, "Statement[0]", "PG-2"),
        ({"Statement": "a"}, "Statement", "PG-2"),
        (document(GOOD, {**GOOD, "Foo": 1}), "Statement[1].Foo", "PG-7"),
        (document({**GOOD, "effect": "Allow"}), "Statement[0].effect", "PG-7"),
        (document({**GOOD, "Effect": "allow"}), "Statement[0].Effect", "PG-5"),
        (document({**GOOD, "Effect": ["Allow"]}), "Statement[0].Effect", "PG-5"),
        (document({**GOOD, "Effect": {"a": 1}}), "Statement[0].Effect", "PG-5"),
        (document({"Action": "*", "Resource": "*"}), "Statement[0].Effect", "PG-5"),
        (document({**GOOD, "Sid": "with space"}), "Statement[0].Sid", "PG-9"),
        (document({**GOOD, "Sid": 1}), "Statement[0].Sid", "PG-9"),
        (document({**GOOD, "Sid": "line\n"}), "Statement[0].Sid", "PG-9"),
        (document({**GOOD, "NotAction": "*"}), "Statement[0].NotAction", "PG-3"),
        (document({**GOOD, "NotResource": "*"}), "Statement[0].NotResource", "PG-3"),
        (document({"Effect": "Allow", "Resource": "*"}), "Statement[0]", "PG-3"),
        (document({"Effect": "Allow", "Action": "*"}), "Statement[0]", "PG-3"),
        (document({**GOOD, "Action": []}), "Statement[0].Action", "PG-2"),
        (document({**GOOD, "Action": [1]}), "Statement[0].Action", "PG-2"),
        (document({**GOOD, "Action": ""}), "Statement[0].Action", "PG-2"),
        (document({**GOOD, "Action": None}), "Statement[0].Action", "PG-2"),
        (document({**GOOD, "Action": "Decrypt"}), "Statement[0].Action", "PG-10"),
        (document({**GOOD, "Action": "kms:"}), "Statement[0].Action", "PG-10"),
        (document({**GOOD, "Action": ["kms:*", ":x"]}), "Statement[0].Action", "PG-10"),
        (document({**GOOD, "Resource": {"a": "b"}}), "Statement[0].Resource", "PG-2"),
        (document({**GOOD, "Condition": []}), "Statement[0].Condition", "CO-1"),
        (document({**GOOD, "Condition": {"Bool": "x"}}), "Statement[0].Condition.Bool", "CO-1"),
        (document({**GOOD, "Condition": {"Boole": {"a:b": "x"}}}), "Statement[0].Condition.Boole.a:b", "CO-48"),
        (document({**GOOD, "Condition": {"NullIfExists": {"a:b": "x"}}}), "Statement[0].Condition.NullIfExists.a:b", "CO-5"),
        (document({**GOOD, "Condition": {"Boole": {}}}), "Statement[0].Condition.Boole", "CO-48"),
        ('{"Statement": [], "Id": NaN}', "", "PG-2"),
        ('{"Statement": [], "Id": 1e400}', "Id", "PG-2"),
        ({"Statement": [], "Id": 10**400}, "Id", "PG-2"),
        ({"Statement": [], "Id": ["a"]}, "Id", "PG-2"),
        ({"Statement": [], "Id": b"a"}, "Id", "PG-2"),
        ({"Statement": [], 1: "a"}, "", "PG-2"),
        (document({**GOOD, "Sid": None}), "Statement[0].Sid", "PG-9"),
        (document({**GOOD, "Condition": {"NumericLessThan": {"a:b": float("inf")}}}), "Statement[0].Condition.NumericLessThan.a:b", "PG-2"),
        (document({**GOOD, "NotPrincipal": "*"}), "Statement[0].NotPrincipal", "PG-46"),
        (document({**GOOD, "Condition": {"Bool": {"a:b": None}}}), "Statement[0].Condition.Bool.a:b", "PG-2"),
        (document({**GOOD, "Condition": {"Bool": {"a:b": [["x"]]}}}), "Statement[0].Condition.Bool.a:b", "PG-2"),
        (document({**GOOD, "Resource": "→"}), "Statement[0].Resource", "PG-9"),
        (document({**GOOD, "Resource": ["*", "\x00"]}), "Statement[0].Resource[1]", "PG-9"),
        (document({**GOOD, "Condition": {"Bool": {"→": "x"}}}), "Statement[0].Condition.Bool", "PG-9"),
        ({"Statement": GOOD, "Id": "→"}, "Id", "PG-9"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value, default=repr)[:60],
)  # fmt: skip
def test_what_is_refused_and_where(body, path, rule):
    refused = refusal(body)
    assert (refused.path, refused.rule, refused.code) == (path, rule, IAM)
    assert f"{IAM}, rule {rule}" in str(refused)
    assert isinstance(refused, InputError)


@pytest.mark.parametrize(
    ("principal", "path", "rule", "code"),
    [
        ("", "Principal", "PG-4", KMS),
        ([], "Principal", "PG-4", KMS),
        ({}, "Principal", "PG-4", KMS),
        (None, "Principal", "PG-4", KMS),
        ({"AWS": []}, "Principal", "PG-4", KMS),
        ({"AWS": 111122223333}, "Principal", "PG-2", KMS),
        ({"AWS": [None]}, "Principal", "PG-2", KMS),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}, "Principal", "PG-41", KMS),
        ({"AWS": "arn:aws:iam::*:root"}, "Principal", "PG-41", KMS),
        ({"AWS": "worker"}, "Principal", "EM-30", KMS),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:group/staff"}, "Principal", "PG-39", "InvalidArnException"),
        ({"CanonicalUser": "a"}, "Principal", "PG-37", KMS),
        ({"Service": "*"}, "Principal", "PG-41", KMS),
        ({"Service": ""}, "Principal", "PG-41", KMS),
        ({"Federated": "a?"}, "Principal", "PG-41", KMS),
        ({"Service": "logs"}, "Principal", "EM-30", KMS),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"}, "Principal", "CO-40", KMS),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/a b"}, "Principal", "EM-30", KMS),
        ({"AWS": f"arn:awsome:iam::{ACCOUNT}:root"}, "Principal", "EM-30", KMS),
    ],
)
def test_principals_that_a_key_policy_refuses(principal, path, rule, code):
    body = allow() | {"Principal": principal}
    refused = refusal(document(body), "key_policy")
    assert (refused.path, refused.rule, refused.code) == (f"Statement[0].{path}", rule, code)


def test_a_group_is_malformed_elsewhere_and_an_invalid_arn_only_for_kms():
    body = allow("sts:AssumeRole") | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:group/staff"}}
    del body["Resource"]
    assert (refusal(document(body), "trust").rule, refusal(document(body), "trust").code) == ("PG-39", IAM)


def test_not_principal_goes_with_deny_only_and_never_beside_principal():
    """PG-46."""
    denying = deny() | {"NotPrincipal": {"AWS": ROOT}}
    assert parsed(document(denying), "key_policy").statements[0].principal.negated
    assert refusal(document(denying | {"Effect": "Allow"}), "key_policy").rule == "PG-46"
    assert refusal(document(denying | {"Principal": "*"}), "key_policy").rule == "PG-4"


def test_a_key_policy_accepts_statements_without_action_or_resource_and_sids_with_spaces():
    """PG-4, PG-9."""
    body = {"Sid": "with space", "Effect": "Allow", "Principal": "*"}
    (statement,) = parsed(document(body), "key_policy").statements
    assert (statement.action, statement.resource, statement.sid) == (None, None, "with space")


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_key_policy_needs_a_statement(kind):
    """PG-2."""
    if kind == "key_policy":
        assert refusal(document(), kind).path == "Statement"
    else:
        assert parsed(document(), kind).statements == ()


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"Effect": "Allow"}, "Statement[0].Effect"),
        ({"Principal": {"AWS": "*"}}, "Statement[0].Principal"),
        ({"Principal": {"AWS": ROOT}}, "Statement[0].Principal"),
        ({"Action": "*"}, "Statement[0].Action"),
        ({"Action": ["kms:*", "*"]}, "Statement[0].Action"),
        ({"NotAction": "kms:Decrypt"}, "Statement[0].NotAction"),
        ({"Action": "*:Decrypt"}, "Statement[0].Action"),
        ({"NotPrincipal": {"AWS": ROOT}}, "Statement[0].NotPrincipal"),
    ],
)
def test_what_an_rcp_may_not_hold(changed, path):
    """OR-4."""
    body = statement_of("rcp") | changed
    if "NotAction" in changed:
        del body["Action"]
    refused = refusal(document(body), "rcp")
    assert (refused.path, refused.rule) == (path, "OR-4")


@pytest.mark.parametrize("member", ["Resource", "NotResource"])
def test_an_rcp_writes_arns_in_full(member):
    """PG-27."""
    body = statement_of("rcp")
    del body["Resource"]
    assert parsed(document(body | {member: ["*", KEY_ARN, "arn:aws:kms:*:*:key/*"]}), "rcp")
    refused = refusal(document(body | {member: ["*", "arn:aws:kms:*"]}), "rcp")
    assert (refused.path, refused.rule) == (f"Statement[0].{member}", "PG-27")


def test_what_is_undocumented_for_kms_can_be_read_leniently():
    """UN-25."""
    body = allow(to="*") | {"Note": "a"}
    assert parse_policy(document(body), PolicyKind.KEY_POLICY, lenient=True).statements[0].effect is Effect.ALLOW
    turned = {"Effect": "Allow", "NotPrincipal": {"AWS": ROOT}, "Action": "*", "Resource": "*"}
    assert parse_policy(document(turned), PolicyKind.KEY_POLICY, lenient=True).statements[0].principal.negated
    twice = '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Principal": "*"}}'
    assert parse_policy(twice, PolicyKind.KEY_POLICY, lenient=True).statements[0].effect is Effect.ALLOW
    with pytest.raises(PolicyError):
        parse_policy({"Statement": []}, PolicyKind.KEY_POLICY, lenient=True)


@pytest.mark.parametrize("key", ["kms:EncryptionContext:tenant", "aws:RequestTag/team", "KMS:encryptioncontext:x"])
def test_kms_refuses_for_all_values_where_a_missing_key_would_match(key):
    """PG-49."""
    risky = allow(to="*", when={"ForAllValues:StringEquals": {key: "a"}})
    assert refusal(document(risky), "key_policy").code == "OverlyPermissiveCondition"
    assert parsed(document(allow(when=risky["Condition"])), "identity")
    assert parsed(document(allow(to="*", when={"ForAnyValue:StringEquals": {key: "a"}})), "key_policy")


@pytest.mark.parametrize(
    ("kind", "most"),
    [("key_policy", 32768), ("identity", 10240), ("boundary", 6144), ("session", 2048), ("scp", 10240), ("rcp", 5120)],
)
def test_sizes(kind, most):
    """PG-8. A key policy is measured in bytes."""
    iam = kind in {"identity", "boundary"}
    code = {"key_policy": "LimitExceededException", "session": "ValidationError"}.get(
        kind, "LimitExceeded" if iam else "ConstraintViolationException"
    )
    body = document(statement_of(kind))
    room = most - len(json.dumps(body, separators=(",", ":"))) - len(',"Id":""')
    assert parsed(body | {"Id": "x" * room}, kind)
    refused = refusal(body | {"Id": "x" * (room + 1)}, kind)
    assert (refused.code, refused.rule) == (code, "PG-8")
    spacious, accented = json.dumps(body | {"Id": "x" * room}, indent=8), body | {"Id": "é" * (room // 2 + 1)}
    assert parsed(spacious, kind)
    assert refusal(accented, kind).rule == "PG-8" if kind == "key_policy" else parsed(accented, kind)


def test_single_values_stand_for_lists():
    """PG-2."""
    one = parsed({"Version": "2012-10-17", "Statement": allow("kms:Decrypt", when={"Bool": {"a:b": True}})})
    many = parsed(document(allow(["kms:Decrypt"], on=["*"], when={"Bool": {"a:b": ["true"]}})))
    assert one.statements[0].path == "Statement"
    assert many.statements[0].path == "Statement[0]"
    for element in ("action", "resource", "conditions", "principal", "effect"):
        assert getattr(one.statements[0], element) == getattr(many.statements[0], element)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (1, "1"), (1.5, "1.5"), ("True", "True")]
)
def test_condition_values_may_be_booleans_and_numbers(value, text):
    (statement,) = parsed(document(allow(when={"StringEquals": {"a:b": value}}))).statements
    assert statement.conditions[0].values == (text,)


def test_without_a_version_it_is_the_old_one_and_variables_are_text():
    """PG-1."""
    body = {"Statement": [allow(on="${aws:username}", when={"StringEquals": {"a:b": "${c:d}"}})]}
    old = parsed(body)
    new = parsed(body | {"Version": "2012-10-17"})
    assert old.version == "2008-10-17"
    assert old.statements[0].resource.templates == (("${aws:username}",),)
    assert new.statements[0].resource.templates != old.statements[0].resource.templates
    assert new.statements[0].conditions[0].templates != old.statements[0].conditions[0].templates


def test_the_default_key_policy_hands_the_account_over_to_iam():
    """KP-6."""
    policy = default_key_policy(ACCOUNT, source="here")
    (statement,) = policy.statements
    assert (statement.effect, statement.sid, policy.source) == (Effect.ALLOW, "Enable IAM User Permissions", "here")
    assert statement.principal.entries[0].text == ACCOUNT
    assert default_key_policy(ACCOUNT, "aws-cn").document["Statement"][0]["Principal"] == {
        "AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"
    }


def test_any_mapping_is_a_document():
    body = document(GOOD)
    frozen = MappingProxyType({**body, "Statement": [MappingProxyType(GOOD)]})
    assert parsed(frozen) == parsed(body)


def test_where_a_policy_stands_takes_no_part_in_equality():
    body = document(GOOD)
    assert parse_policy(body, PolicyKind.IDENTITY, "here") == parse_policy(body, PolicyKind.IDENTITY, "there")


# ---- any JSON at all -------------------------------------------------------------------------------------------------

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["*", "kms:*", "Allow", "Deny", ROOT, WORKER, KEY_ARN, "2012-10-17", "${a}", "true"])
)  # fmt: skip
MEMBERS = st.sampled_from([
    "Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
    "Condition", "AWS", "Service", "Federated", "StringEquals", "ForAllValues:StringLike", "NullIfExists", "aws:PrincipalArn",
])  # fmt: skip
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | st.text(max_size=3), inner, max_size=4),
)
LIKELY_STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]) | LEAVES},
    optional={"Action": ANY_JSON, "Resource": ANY_JSON, "Principal": ANY_JSON, "Condition": ANY_JSON, "Sid": LEAVES,
              "NotPrincipal": ANY_JSON, "NotAction": ANY_JSON, "NotResource": ANY_JSON},
)  # fmt: skip
DOCUMENTS = ANY_JSON | st.fixed_dictionaries(
    {"Statement": st.lists(LIKELY_STATEMENTS, max_size=2) | LIKELY_STATEMENTS},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]) | LEAVES, "Id": LEAVES},
)


def outcome(body, kind):
    """The policy, or the refusal; anything else that happens is an error of ours."""
    try:
        return parse_policy(body, kind)
    except PolicyError as refused:
        assert isinstance(refused.path, str)
        assert refused.rule
        assert refused.code
        assert str(refused)
        return refused


@given(DOCUMENTS, st.sampled_from(PolicyKind))
@example([], PolicyKind.IDENTITY)
@example("\ud800", PolicyKind.IDENTITY)
@example({"Id": "\ud800", "Statement": []}, PolicyKind.IDENTITY)
@example({"Version": float("nan"), "Statement": []}, PolicyKind.IDENTITY)
@example({"Id": 10**400, "Statement": []}, PolicyKind.IDENTITY)
@example({"Statement": [], "Id": [[[[[]]]]]}, PolicyKind.IDENTITY)
def test_any_json_at_all_is_read_or_refused_with_a_path(body, kind):
    read = outcome(body, kind)
    if not isinstance(read, PolicyError):
        again = parse_policy(json.dumps(read.document), kind)
        assert again == read


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")), st.sampled_from(PolicyKind))
def test_any_text_at_all_is_read_or_refused(text, kind):
    outcome(text, kind)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"Id": 10**5000, "Statement": []}, id="a number of 5,001 digits"),
        pytest.param(
            {"Statement": allow(when={"NumericEquals": {"a:b": 10**5000}})}, id="a condition value of as many"
        ),
        pytest.param({"Id": b"bytes", "Statement": []}, id="bytes"),
        pytest.param({"Statement": [{1: 2}]}, id="a member name that is a number"),
        pytest.param({"Statement": allow(when={1: {"a:b": "x"}})}, id="an operator that is a number"),
        pytest.param({"Statement": allow(when={"Bool": {1: "x"}})}, id="a condition key that is a number"),
        pytest.param(
            {"Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Sid": {"a", "b"}}}, id="a set"
        ),
        pytest.param({"Statement": ({"Effect": "Allow"},)}, id="a tuple"),
        pytest.param({("a", 1): 2}, id="a tuple as member name"),
    ],
)
@pytest.mark.parametrize("kind", [PolicyKind.IDENTITY, PolicyKind.KEY_POLICY])
def test_what_python_can_hold_and_json_cannot_is_refused_too(body, kind):
    """A key policy arrives as data in a call's `Policy`; it must not take `decide` down."""
    assert isinstance(outcome(body, kind), PolicyError)


def test_the_same_words_elsewhere_are_the_same_statements_and_keep_a_document_of_their_own():
    body = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
    first, second = (
        parse_policy(json.loads(json.dumps(body)), PolicyKind.IDENTITY, where) for where in ("here", "there")
    )
    assert first.statements is second.statements
    assert (first.source, second.source) == ("here", "there")
    first.document["Statement"].clear()
    again = parse_policy(json.dumps(body), PolicyKind.IDENTITY)
    assert again.document == second.document == body
    assert parse_policy(body, PolicyKind.SCP).statements is not first.statements


def test_words_that_were_accepted_for_one_kind_are_still_refused_for_another():
    body = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
    parse_policy(body, PolicyKind.IDENTITY)
    for _ in range(2):
        with pytest.raises(PolicyError):
            parse_policy(body, PolicyKind.KEY_POLICY)


def test_documents_are_forgotten_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(policy, "_MOST_KEPT", 3)
    monkeypatch.setattr(policy, "_READ", {})
    for number in range(8):
        statement = {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": f"arn:aws:kms:us-east-1:111122223333:key/{number}",
        }
        parse_policy({"Version": "2012-10-17", "Statement": statement}, PolicyKind.IDENTITY)
        assert len(policy._READ) <= 3


@pytest.mark.parametrize(
    "other", [{"Action": ("kms:Decrypt",)}, {"Action": ["kms:Decrypt"], "Condition": {"StringEquals": {1: "x"}}}]
)
def test_what_is_no_json_is_refused_though_its_like_was_read(other):
    statement = {"Effect": "Allow", "Resource": "*", "Action": ["kms:Decrypt"]}
    parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.IDENTITY)
    by_name = {"Condition": {"StringEquals": {"1": "x"}}}
    parse_policy({"Version": "2012-10-17", "Statement": [{**statement, **by_name}]}, PolicyKind.IDENTITY)
    with pytest.raises(PolicyError):
        parse_policy({"Version": "2012-10-17", "Statement": [{**statement, **other}]}, PolicyKind.IDENTITY)
