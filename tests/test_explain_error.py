"""AWS's error sentences read back: every form, every wrapping, cut anywhere; and the same call asked of a world."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmssim.errors import InputError
from kmssim.evaluator.decision import Decision, Layer
from kmssim.evaluator.pdp import Authorizer
from kmssim.explain_error.form import POLICY_TYPES, Form
from kmssim.explain_error.in_world import Fit, NotAsked, ask_world
from kmssim.explain_error.reading import WORDS, caller_of, read_into_words
from kmssim.explain_error.rebuilt import Stated, read_stated
from kmssim.explain_error.report import reading_json, reading_text
from kmssim.explain_error.sentence import read_sentence
from kmssim.rules import all_rules
from kmssim.scenario import load_scenario, parse_scenario

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted(
    path for path in (ROOT / "tests" / "cases").rglob("*.json") if not path.name.startswith("refused-policies")
)
ACCOUNT = "111122223333"
WORKER = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/batch"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
START = f"User: {WORKER} is not authorized to perform: kms:Decrypt on resource: {KEY} "
NO_KEY_POLICY = f"{START}because no resource-based policy allows the kms:Decrypt action"
MASKED = (
    f"User: {WORKER} is not authorized to perform: kms:Decrypt on this resource because the resource does not exist in "
    "this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
)
CIPHERTEXT = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)


def said(message: str):
    """Everything that a sentence says of a denial."""
    sentence = read_sentence(message)
    return sentence.user, sentence.action, sentence.resource, sentence.form, sentence.layer, sentence.explicit


def told(form, layer, *, explicit):
    return WORKER, "kms:Decrypt", KEY, form, layer, explicit


# ---- AWS's forms -----------------------------------------------------------------------------------------------------


MISSING = [
    ("resource-based policy", Form.NO_RESOURCE_POLICY, Layer.KEY_POLICY),
    ("identity-based policy", Form.NO_IDENTITY_POLICY, Layer.IDENTITY),
    ("session policy", Form.NO_SESSION_POLICY, Layer.SESSION),
    ("permissions boundary", Form.NO_BOUNDARY, Layer.BOUNDARY),
    ("service control policy", Form.NO_SCP, Layer.SCP),
    ("VPC endpoint policy", Form.NO_VPC_ENDPOINT_POLICY, Layer.VPC_ENDPOINT),
]
DENYING = [
    ("a resource-based policy", Form.RESOURCE_POLICY_DENIES, Layer.KEY_POLICY),
    ("an identity-based policy", Form.IDENTITY_POLICY_DENIES, Layer.IDENTITY),
    ("a session policy", Form.SESSION_POLICY_DENIES, Layer.SESSION),
    ("a permissions boundary", Form.BOUNDARY_DENIES, Layer.BOUNDARY),
    ("a service control policy", Form.SCP_DENIES, Layer.SCP),
    ("a resource control policy", Form.RCP_DENIES, Layer.RCP),
    ("a VPC endpoint policy", Form.VPC_ENDPOINT_POLICY_DENIES, Layer.VPC_ENDPOINT),
]
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/HighRiskDeny"


@pytest.mark.parametrize(("kind", "form", "layer"), MISSING)
def test_a_missing_allow_is_read_with_its_policy_type(kind, form, layer):
    assert said(f"{START}because no {kind} allows the kms:Decrypt action") == told(form, layer, explicit=False)


@pytest.mark.parametrize(("kind", "form", "layer"), DENYING)
def test_an_explicit_deny_is_read_with_its_policy_type_and_the_arn_of_the_policy(kind, form, layer):
    message = f"{START}with an explicit deny in {kind}"
    assert said(message) == told(form, layer, explicit=True)
    assert read_sentence(message).policy_arn is None
    assert said(f"{message}: {POLICY}") == told(form, layer, explicit=True)
    assert read_sentence(f"{message}: {POLICY}").policy_arn == POLICY


def test_the_older_form_of_a_deny_names_no_policy_type():
    for message in (f"{START}with an explicit deny", f"{START}with an explicit deny."):
        assert said(message) == told(Form.SOMETHING_DENIES, None, explicit=True)
        assert not read_sentence(message).is_cut


def test_the_masked_form_names_no_resource():
    assert said(MASKED) == (WORKER, "kms:Decrypt", None, Form.MASKED, Layer.KEY_POLICY, False)


def test_what_aws_appends_does_not_disturb():
    tail = " For more information, see https://console.aws.amazon.com/iam/x. Authorization ID: 5a5f8f0c-1f4e-4b6e-9c1d-0f6d"
    sentence = read_sentence(NO_KEY_POLICY + "." + tail)
    assert said(NO_KEY_POLICY + "." + tail) == said(NO_KEY_POLICY)
    assert sentence.authorization_id == "5a5f8f0c-1f4e-4b6e-9c1d-0f6d"
    assert not sentence.is_cut


def test_a_service_that_calls_for_itself_is_a_caller():
    message = NO_KEY_POLICY.replace(WORKER, "sns.amazonaws.com")
    caller = caller_of(read_sentence(message))
    assert (caller.kind.value, caller.name) == ("Service", "sns.amazonaws.com")


@pytest.mark.parametrize(
    ("code", "message", "form"),
    [
        ("AccessDeniedException", CIPHERTEXT, Form.CIPHERTEXT),
        ("AccessDeniedException", "Access to KMS is not allowed", Form.SECRETS_MANAGER),
        ("AccessDeniedException", "", Form.ACCESS_DENIED),
        ("NotFoundException", f"Key '{KEY}' does not exist", Form.NO_KEY),
        ("NotFoundException", "Invalid keyId 'orders'", Form.NO_KEY_ID),
        ("NotFoundException", "Invalid arn us-west-2", Form.OTHER_REGION),
        ("NotFoundException", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/x is not found.", Form.NO_ALIAS),
        ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.", Form.DRY_RUN),
        ("DisabledException", f"{KEY} is disabled.", Form.DISABLED),
        ("KMS.DisabledException", f"{KEY} is disabled.", Form.DISABLED),
        ("KMSInvalidStateException", f"{KEY} is pending deletion.", Form.PENDING_DELETION),
        ("KMSInvalidStateException", f"{KEY} is pending import.", Form.PENDING_IMPORT),
        ("KMSInvalidStateException", f"{KEY} is unavailable.", Form.UNAVAILABLE),
        ("KMSInvalidStateException", f"{KEY} is creating.", Form.INVALID_STATE),
        ("InvalidCiphertextException", "", Form.INVALID_CIPHERTEXT),
        ("KMSInvalidSignatureException", "", Form.INVALID_SIGNATURE),
        ("KMSInvalidMacException", "", Form.INVALID_SIGNATURE),
        ("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.", Form.INCORRECT_KEY),
        ("InvalidKeyUsageException", f"{KEY} key usage is SIGN_VERIFY which is not valid for Encrypt.", Form.INVALID_KEY_USAGE),
        ("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.", Form.INVALID_PRINCIPALS),
        ("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.", Form.LOCK_OUT),
        ("UnsupportedOperationException", f"{KEY} origin is AWS_KMS which is not valid for this operation.", Form.UNSUPPORTED),
        ("LimitExceededException", "The on-demand rotations limit has been reached", Form.LIMIT),
        ("KMSInternalException", "", Form.OTHER),
    ],
)  # fmt: skip
def test_the_other_errors_are_told_apart(code, message, form):
    assert read_sentence(f"An error occurred ({code}) when calling the Decrypt operation: {message}").form is form
    assert read_sentence(f"{code}: {message}").form is form
    event = {"eventName": "Decrypt", "errorCode": code, "errorMessage": message or None}
    assert read_sentence(json.dumps(event)).form is form


# ---- what is printed around it ---------------------------------------------------------------------------------------


WRAPPED = {
    "boto3": "botocore.errorfactory.AccessDeniedException: An error occurred (AccessDeniedException) when calling the Decrypt operation: {}",
    "boto3 after retries": "An error occurred (AccessDeniedException) when calling the Decrypt operation (reached max retries: 4): {}",
    "the AWS CLI": "\nAn error occurred (AccessDeniedException) when calling the Decrypt operation: {}\n",
    "Java 1": "com.amazonaws.services.kms.model.AWSKMSException: {} (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; Request ID: 1f-2; Proxy: null)",
    "Java 2": "software.amazon.awssdk.services.kms.model.KmsException: {} (Service: Kms, Status Code: 400, Request ID: 1f-2)",
    "Go 1": "AccessDeniedException: {}\n\tstatus code: 400, request id: 1f-2",
    "Go 2": "operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: 1f-2, api error AccessDeniedException: {}",
    "JavaScript": "AccessDeniedException: {}\n    at throwDefaultError (/app/x.js:1:2)",
    "Rust": 'unhandled error (AccessDeniedException): Error {{ code: "AccessDeniedException", message: "{}", aws_request_id: "1f-2" }}',
    "the wire": '{{"__type":"AccessDeniedException","Message":"{}"}}',
    "S3's XML": "<Error><Code>AccessDenied</Code><Message>{}</Message><RequestId>1</RequestId></Error>",
    "CloudTrail's line": '"eventName": "Decrypt", "errorCode": "AccessDenied", "errorMessage": "{}", "requestID": "1f-2"',
    "quotes": "'{}'",
    "a log that wrapped": "ERROR {}",
}


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize(
    "message",
    [NO_KEY_POLICY, MASKED, f"{START}with an explicit deny in a service control policy: {POLICY}", f"{START}with an explicit deny"],
)  # fmt: skip
def test_a_wrapped_sentence_is_read_as_the_bare_one(wrapping, message):
    wrapped = WRAPPED[wrapping].format(message)
    assert said(wrapped) == said(message)
    assert read_sentence(wrapped).policy_arn == read_sentence(message).policy_arn
    assert read_sentence(wrapped.replace(" because", "\n   because")).layer == read_sentence(message).layer
    if wrapping not in {"Java 2", "quotes", "a log that wrapped"}:
        assert read_sentence(wrapped).code in {"AccessDeniedException", "AccessDenied"}


def test_a_cloudtrail_event_tells_the_encryption_context_and_the_service_as_well():
    event = {
        "eventName": "Decrypt",
        "errorCode": "AccessDenied",
        "errorMessage": NO_KEY_POLICY,
        "requestParameters": {"encryptionContext": {"tenant": "a"}},
        "userIdentity": {"invokedBy": "s3.us-east-1.amazonaws.com"},
    }
    sentence = read_sentence(json.dumps(event))
    assert said(json.dumps(event)) == said(NO_KEY_POLICY)
    assert (sentence.encryption_context, sentence.via) == ({"tenant": "a"}, "s3.us-east-1.amazonaws.com")
    assert (sentence.code, sentence.operation) == ("AccessDenied", "Decrypt")


# ---- cut off ---------------------------------------------------------------------------------------------------------


EVERY_REASON = [
    *(f"because no {kind} allows the kms:Decrypt action" for kind in POLICY_TYPES if kind != "resource control policy"),
    *(f"with an explicit deny in {'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in POLICY_TYPES),
]


@pytest.mark.parametrize("reason", EVERY_REASON)
def test_a_sentence_that_is_cut_says_less_and_nothing_else(reason):
    whole = START + reason
    full = read_sentence(whole)
    for length in range(len(START) - 1, len(whole)):
        for mark in ("", "...", "…"):
            sentence = read_sentence(whole[:length] + mark)
            assert (sentence.user, sentence.action, sentence.resource) == (full.user, full.action, full.resource)
            assert sentence.layer in {None, full.layer}, whole[:length]
            assert sentence.explicit in {None, full.explicit}, whole[:length]
            assert sentence.form in {full.form, Form.REASON_MISSING, Form.SOMETHING_DENIES}


def test_a_resource_that_is_cut_is_no_resource():
    sentence = read_sentence(START[:-10])
    assert (sentence.action, sentence.resource, sentence.form) == ("kms:Decrypt", None, Form.REASON_MISSING)
    assert sentence.is_cut


def test_the_policy_type_is_known_as_soon_as_no_other_fits():
    assert read_sentence(f"{START}because no id").layer is Layer.IDENTITY
    assert read_sentence(f"{START}because no s").layer is None
    assert read_sentence(f"{START}because no se").layer is None
    assert read_sentence(f"{START}because no ses").layer is Layer.SESSION
    assert read_sentence(f"{START}with an explicit deny in a").explicit is True


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "{}", "User: x", "Error", '{"errorMessage": 3}', "AccessDeniedExceptional"]
)
def test_what_is_no_error_of_aws_is_refused_and_told_what_is_expected(text):
    with pytest.raises(InputError, match="expected is what AWS said"):
        read_sentence(text)


# ---- the words -------------------------------------------------------------------------------------------------------


def test_every_form_has_words_and_every_rule_in_them_is_in_the_rule_book():
    known = set(all_rules())
    assert set(WORDS) == set(Form)
    for words in WORDS.values():
        assert words.causes
        assert {*words.rules, *(rule for cause in words.causes for rule in cause.rules)} <= known


def in_words(form: Form) -> str:
    """Meaning and where to look, of a sentence of this form: golden text."""
    messages = {
        words: reason
        for reason, words in ((f"because no {kind} allows the kms:Decrypt action", form) for kind, form, _ in MISSING)
    }
    messages |= {form: f"with an explicit deny in {kind}" for kind, form, _ in DENYING}
    messages |= {Form.SOMETHING_DENIES: "with an explicit deny", Form.REASON_MISSING: ""}
    reading = read_into_words(read_sentence(START + messages[form] if form in messages else MASKED))
    return f"{reading.meaning} | {reading.opens}"


GOLDEN = {
    Form.NO_RESOURCE_POLICY: "neither the key policy nor a grant opens the key to worker role of account 111122223333 for kms:Decrypt; what IAM allows has nothing to attach to | the key policy, in account 111122223333: KMS console, Customer managed keys, the key, tab Key policy",
    Form.NO_IDENTITY_POLICY: f"the key policy leaves the decision to IAM in account 111122223333, and no IAM policy of worker role of account 111122223333 allows kms:Decrypt on {KEY} | the policies of worker role, in account 111122223333: IAM console, Permissions",
    Form.NO_SESSION_POLICY: "the session policy must allow kms:Decrypt beside the other policies, and does not | what was passed when the session of worker role was made: the Policy and PolicyArns of sts:AssumeRole, or the permission set behind the role",
    Form.NO_BOUNDARY: "the permissions boundary must allow kms:Decrypt beside the other policies, and does not | the permissions boundary of worker role, in account 111122223333: IAM console, Permissions boundary",
    Form.NO_SCP: "a service control policy at every level, from the root to the account, must allow kms:Decrypt beside the other policies, and does not | the service control policies over account 111122223333: AWS Organizations console of the management account, the account and every unit above it, tab Policies",
    Form.NO_VPC_ENDPOINT_POLICY: "the policy of the VPC endpoint must allow kms:Decrypt beside the other policies, and does not | the policy of the VPC endpoint for KMS through which the call went: VPC console, Endpoints, tab Policy",
    Form.RESOURCE_POLICY_DENIES: "a Deny statement in the key policy forbids kms:Decrypt to worker role of account 111122223333 | the key policy, in account 111122223333: KMS console, Customer managed keys, the key, tab Key policy",
    Form.IDENTITY_POLICY_DENIES: "a Deny statement in an IAM policy of worker role forbids kms:Decrypt to worker role of account 111122223333 | the policies of worker role, in account 111122223333: IAM console, Permissions",
    Form.RCP_DENIES: "a Deny statement in a resource control policy forbids kms:Decrypt to worker role of account 111122223333 | the resource control policies over account 111122223333, which has the resource: AWS Organizations console of its management account",
    Form.SOMETHING_DENIES: "a Deny statement forbids kms:Decrypt to worker role of account 111122223333; the sentence does not say of which policy | the key policy, the policies of worker role, its boundary, and the organization's policies: look for Deny",
    Form.REASON_MISSING: "worker role of account 111122223333 may not do kms:Decrypt; the reason is cut off, or AWS gave none | the whole message in CloudTrail first; then the key policy, then the policies of worker role",
    Form.MASKED: "the key belongs to another account, or does not exist; AWS does not say which. If it exists, its key policy does not let worker role of account 111122223333 do kms:Decrypt, or denies it | the key policy, in the account that has the key: whoever administers it there must look",
}


@pytest.mark.parametrize("form", GOLDEN)
def test_how_a_denial_is_told(form):
    assert in_words(form) == GOLDEN[form]


def causes_of(message: str) -> list[str]:
    return [cause.text for cause in read_into_words(read_sentence(message)).causes]


def test_a_cause_is_named_only_where_it_can_be_one():
    star = "because no identity-based policy allows the kms:ListKeys action"
    listing = f"User: {WORKER} is not authorized to perform: kms:ListKeys on resource: * {star}"
    assert any("only Resource * allows it" in cause for cause in causes_of(listing))
    assert not any("only Resource *" in cause for cause in causes_of(f"{START}because no identity-based policy allows"))
    assert not any("never work across accounts" in cause for cause in causes_of(MASKED))
    assert any("never work across accounts" in cause for cause in causes_of(MASKED.replace("Decrypt", "TagResource")))


@pytest.mark.parametrize(
    ("arn", "command"),
    [
        (POLICY, f"aws iam get-policy --policy-arn {POLICY}"),
        (
            "arn:aws:organizations::999900001111:policy/o-a1b2c3d4e5/service_control_policy/p-1",
            "aws organizations describe-policy --policy-id p-1",
        ),
    ],
)
def test_a_policy_that_is_named_is_the_one_to_open(arn, command):
    reading = read_into_words(read_sentence(f"{START}with an explicit deny in a service control policy: {arn}"))
    assert reading.command == command
    assert reading.opens.startswith("the policy that the sentence names")
    assert arn in reading_text(reading, None, None)


# ---- every message that the evaluator makes --------------------------------------------------------------------------


def decisions_of(path: Path) -> list[Decision]:
    scenario = load_scenario(path)
    authorizer = Authorizer(scenario.world)
    return [authorizer.decide(request.call) for request in scenario.requests]


_NAMED = {Layer.GRANT: Layer.KEY_POLICY}


def expected_of(decision: Decision):
    """Caller, action, resource, layer, explicitness of a denial, taken from the decision and not from its message."""
    denied = [trace for trace in decision.permissions if not trace.ruling.allowed]
    first = next(iter([*(trace for trace in denied if trace.ruling.explicit), *denied]))
    blamed = next(layer for layer in Layer if layer in first.ruling.layers)
    return decision.call.principal.arn, first.action, first.resource, _NAMED.get(blamed, blamed), first.ruling.explicit


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_error_of_the_evaluator_is_read_back(path):
    for decision in decisions_of(path):
        if decision.failure is None:
            continue
        code, message = decision.failure.code, decision.failure.message
        sentence = read_sentence(
            f"An error occurred ({code}) when calling the {decision.call.name} operation: {message}"
        )
        assert (sentence.code, sentence.operation) == (code, decision.call.name)
        assert sentence.message == message
        if "is not authorized to perform" not in message:
            assert sentence.form not in {Form.OTHER, Form.REASON_MISSING}
            assert sentence.action is None
            continue
        assert not sentence.is_cut
        if sentence.form is Form.MASKED:
            assert (sentence.user, sentence.resource) == (decision.call.principal.arn, None)
            continue
        user, action, resource, layer, explicit = expected_of(decision)
        if decision.failure.rule == "XA-12":
            layer = Layer.KEY_POLICY  # Secrets Manager blames the secret's own policy
        assert (sentence.user, sentence.action, sentence.resource) == (user, action, resource)
        assert (sentence.layer, sentence.explicit) == (layer, explicit)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_reading_can_be_shown_with_and_without_a_world(path):
    world = load_scenario(path).world
    for decision in decisions_of(path):
        if decision.failure is None:
            continue
        reading = read_into_words(read_sentence(f"{decision.failure.code}: {decision.failure.message}"))
        answer = ask_world(reading.sentence, world)
        for asked in (None, answer):
            text = reading_text(reading, "this", asked)
            assert "{" not in text.replace('{"AWS"', "").replace("${", "") or "wants" in text
            data = reading_json(reading, "this", asked)
            assert json.loads(json.dumps(data)) == data


def test_the_world_of_a_case_mostly_gives_the_reason_of_its_own_sentences():
    """A sentence says neither encryption context nor session policy nor endpoint, so not all of them can fit."""
    fits = []
    for path in CASES:
        world = load_scenario(path).world
        for decision in decisions_of(path):
            if not decision.allowed and decision.failure and "is not authorized" in decision.failure.message:
                answer = ask_world(read_sentence(decision.failure.message), world)
                fits.append(answer.fit if not isinstance(answer, NotAsked) else None)
    assert fits.count(Fit.SAME) / len(fits) > 0.8


# ---- a world is asked ------------------------------------------------------------------------------------------------


def world_with(*statements, grants=(), **role):
    key = {"id": KEY[-36:], "policy": {"Version": "2012-10-17", "Statement": list(statements)}, "grants": list(grants)}
    accounts = {ACCOUNT: {"roles": {"worker": role}, "keys": {"orders": key}}, "444455556666": {"roles": {"guest": {}}}}
    return parse_scenario({"accounts": accounts}).world


def may(*actions, who="root", **more):
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:{who}"}
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*", **more}


def ask(message, world, **stated):
    return ask_world(read_sentence(message), world, Stated(**stated))


def test_a_world_that_denies_for_the_same_reason_names_the_statement():
    answer = ask(NO_KEY_POLICY, world_with(may("kms:Describe*", Sid="ReadOnly")))
    assert answer.fit is Fit.SAME
    assert "kms:Describe*" in answer.because
    (statement,) = answer.statements
    assert (statement.layer, statement.sid) == (Layer.KEY_POLICY, "ReadOnly")
    assert statement.where.endswith("policy.Statement[0]")


def test_a_world_that_denies_for_another_reason_says_so():
    answer = ask(NO_KEY_POLICY, world_with(may("kms:*")))
    assert answer.fit is Fit.OTHER_REASON
    assert "no IAM policy of the role allows kms:Decrypt" in answer.because


CONTEXT = {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}


def test_a_world_that_would_allow_says_what_may_be_missing():
    answer = ask(
        NO_KEY_POLICY,
        world_with(may("kms:*", who="role/worker", Condition=CONTEXT)),
        encryption_context={"tenant": "a"},
    )
    assert answer.fit is Fit.ALLOWED
    assert "kms:encryptioncontext:tenant" in answer.missing[0].lower()
    assert "with encryption context tenant=a, directly" in answer.missing[0]
    assert "kmssim diff" in answer.missing[1]


@pytest.mark.parametrize(
    ("reason", "missing"),
    [
        ("with an explicit deny in a service control policy", "no organization"),
        ("because no VPC endpoint policy allows the kms:Decrypt action", "no VPC endpoint"),
        ("because no session policy allows the kms:Decrypt action", "session policy"),
        ("because no permissions boundary allows the kms:Decrypt action", "no permissions boundary"),
    ],
)
def test_a_layer_that_the_world_does_not_have_is_named_as_missing(reason, missing):
    answer = ask(START + reason, world_with(may("kms:*", who="role/worker")))
    assert answer.fit is Fit.ALLOWED
    assert missing in answer.missing[0]


def test_the_encryption_context_of_the_call_is_what_the_caller_states():
    world = world_with(may("kms:*", who="role/worker", Condition=CONTEXT))
    assert ask(NO_KEY_POLICY, world).fit is Fit.SAME
    assert ask(NO_KEY_POLICY, world, encryption_context={"tenant": "b"}).fit is Fit.SAME
    assert ask(NO_KEY_POLICY, world, encryption_context={"tenant": "a"}).fit is Fit.ALLOWED


def test_a_masked_sentence_is_asked_of_the_keys_of_other_accounts():
    guest = MASKED.replace(WORKER, "arn:aws:sts::444455556666:assumed-role/guest/x")
    answer = ask(guest, world_with(may("kms:*")))
    assert (answer.fit, answer.resource) == (Fit.SAME, KEY)
    own = ask(MASKED, world_with(may("kms:*")))
    assert isinstance(own, NotAsked)
    assert "none of another account" in own.why


def test_what_the_world_does_not_know_is_not_asked():
    elsewhere = NO_KEY_POLICY.replace("us-east-1", "eu-west-1")
    assert "this world has no key" in ask(elsewhere, world_with(may("kms:*"))).why
    assert "names no caller" in ask(CIPHERTEXT, world_with(may("kms:*"))).why
    assert (
        "no operation of KMS" in ask(NO_KEY_POLICY.replace("kms:Decrypt", "kms:Nothing"), world_with(may("kms:*"))).why
    )


def test_what_a_person_states_is_checked():
    world = world_with(may("kms:*"))
    assert read_stated(world, "orders", ["a=b=c"], None) == Stated(world.keys_by_arn[KEY], {"a": "b=c"})
    with pytest.raises(InputError, match="NAME=VALUE"):
        read_stated(world, None, ["a"], None)
    with pytest.raises(InputError, match="no key is named `other`"):
        read_stated(world, "other", [], None)


# ---- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def world_file(tmp_path):
    """A world in a file: the key of the sentences, which its administrator may describe and nobody else may use."""
    policy = {"Version": "2012-10-17", "Statement": [may("kms:DescribeKey", who="role/key-admin")]}
    account = {"roles": {"worker": {}, "key-admin": {}}, "keys": {"orders": {"id": KEY[-36:], "policy": policy}}}
    path = tmp_path / "world.json"
    path.write_text(json.dumps({"accounts": {ACCOUNT: account}}))
    return str(path)


def explain_error(*arguments: str, stdin: str | None = None):
    return subprocess.run(
        [sys.executable, "-m", "kmssim", "explain-error", *arguments], cwd=ROOT, input=stdin,
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_sentence_comes_as_an_argument_or_from_standard_input():
    given, piped = explain_error(NO_KEY_POLICY), explain_error("-", stdin=NO_KEY_POLICY)
    assert (given.returncode, given.stderr) == (0, "")
    assert given.stdout == piped.stdout
    assert "aws kms get-key-policy --key-id" in given.stdout
    assert given.stdout.startswith("Neither the key policy nor a grant opens the key")


def test_the_exit_code_tells_whether_the_world_ends_the_same(world_file):
    same = json.loads(explain_error(NO_KEY_POLICY, "--world", world_file, "--json").stdout)
    assert (same["world"]["fit"], same["layer"], same["explicit"]) == ("same", "key_policy", False)
    assert explain_error(NO_KEY_POLICY, "--world", world_file).returncode == 0
    other = explain_error(
        NO_KEY_POLICY.replace("worker", "key-admin").replace("Decrypt", "DescribeKey"), "--world", world_file
    )
    assert other.returncode == 1
    assert "This world would allow the call" in other.stdout
    assert explain_error(CIPHERTEXT, "--world", world_file).returncode == 1


def test_what_is_no_sentence_ends_with_2():
    ran = explain_error("hello")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("kmssim: no error of AWS: `hello` (expected is what AWS said")
