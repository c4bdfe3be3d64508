"""Secrets Manager in front of KMS: real boto3 calls need the secret's permission and then the key's (DS-10 to DS-12)."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from kmssim.errors import AuthorityError
from kmssim.evaluator.decision import Authority, RuledBy
from kmssim.evaluator.forward import secret_arn, version_of_secret
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Key, Role, Secret, World
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
DATA, OFF, OTHER = (f"1234abcd-12ab-34cd-56ef-12345678900{n}" for n in range(1, 4))
VIA = f"secretsmanager.{REGION}.amazonaws.com"
NO_ACCESS = ("AccessDeniedException", "Access to KMS is not allowed", 400)
TOKEN = "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"
VALIDATION = "RequestToValidateKeyAccess"
BOTH = ["GenerateDataKey", "Decrypt"]


def role_arn(name: str, account: str = HERE) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{name}/job"


def document(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, **more: object) -> dict:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def role(name: str, *statements: dict, account: str = HERE) -> Role:
    trusted = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    policies = (parse_policy(document(*statements), PolicyKind.IDENTITY),)
    trust = parse_policy(document(trusted), PolicyKind.TRUST)
    return Role(f"arn:aws:iam::{account}:role/{name}", name, trust=trust, policies=policies)


def through(service: str) -> dict:
    return {"Condition": {"StringEquals": {"kms:ViaService": service}}}


def of_version(version: str) -> dict:
    return {"Condition": {"StringEquals": {"kms:EncryptionContext:SecretVersionId": version}}}


def world() -> World:
    secrets = allow("secretsmanager:*")
    roles = {
        "both": role("both", secrets, allow("kms:*")),
        "through": role("through", secrets, allow("kms:Decrypt", "kms:GenerateDataKey", **through(VIA))),
        "secrets": role("secrets", secrets),
        "kms": role("kms", allow("kms:*")),
        "half": role("half", secrets, allow("kms:GenerateDataKey")),
        "reader": role("reader", secrets, allow("kms:Decrypt")),
        "versioned": role("versioned", secrets, allow("kms:*", **of_version(TOKEN))),
        "one": role("one", allow("secretsmanager:GetSecretValue"), allow("kms:*")),
    }
    share = allow("secretsmanager:GetSecretValue", Principal={"AWS": f"arn:aws:iam::{THERE}:root"})
    shared = parse_policy(document(share), PolicyKind.SECRET)
    stored = (
        Secret("db", HERE, REGION, "alias/data"),
        Secret("web", HERE, REGION, None),
        Secret("off", HERE, REGION, OFF),
        Secret("lent", HERE, REGION, DATA, policy=shared),
        Secret("default", HERE, REGION, None, policy=shared),
    )
    trusting = allow("kms:*", Principal={"AWS": [f"arn:aws:iam::{account}:root" for account in (HERE, THERE)]})
    keys = (
        Key(DATA, REGION, HERE, parse_policy(document(trusting), PolicyKind.KEY_POLICY), aliases=("alias/data",)),
        Key(OFF, REGION, HERE, default_key_policy(HERE), state="Disabled"),
        Key(OTHER, REGION, HERE, default_key_policy(HERE), aliases=("alias/other",)),
    )
    here = Account(HERE, roles=roles, keys=keys, secrets={secret.name: secret for secret in stored})
    far = role("far", secrets, allow("kms:*"), account=THERE)
    return World({HERE: here, THERE: Account(THERE, roles={"far": far})})


@pytest.fixture(scope="module")
def opened():
    with Sandbox(world()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(opened):
    opened.decisions.clear()
    return opened


@pytest.fixture
def fresh(opened):
    opened.restore()
    opened.decisions.clear()
    yield opened
    opened.restore()


def manager(sandbox, name: str = "both", account: str = HERE):
    return sandbox.client("secretsmanager", as_=role_arn(name, account))


def refused(call, **parameters) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def asked(sandbox) -> list[str]:
    return [f"{decision.call.operation} {decision.word}" for decision in sandbox.decisions]


def kms_calls(sandbox) -> list:
    return [decision.call for decision in sandbox.decisions if decision.call.service == "kms"]


def contexts(sandbox) -> list[tuple[str, str]]:
    """What was asked of KMS, and for which version."""
    return [(call.name, call.parameters["EncryptionContext"]["SecretVersionId"]) for call in kms_calls(sandbox)]


def arn_of(name: str) -> str:
    return secret_arn(Secret(name, HERE, REGION, None))


def test_reading_a_secret_asks_kms_to_decrypt_that_version_as_the_caller_through_secrets_manager(sandbox):
    """DS-11, SV-1."""
    answer = manager(sandbox, "through").get_secret_value(SecretId="db")
    assert (answer["SecretString"], answer["ARN"]) == ("the value of db", arn_of("db"))
    (call,) = kms_calls(sandbox)
    assert (call.name, call.via, call.principal.arn) == ("Decrypt", VIA, role_arn("through"))
    assert call.parameters["EncryptionContext"] == {"SecretARN": arn_of("db"), "SecretVersionId": answer["VersionId"]}
    assert answer["VersionId"] == version_of_secret(arn_of("db")), "as a prediction has it"
    assert asked(sandbox) == ["kms:Decrypt ALLOW", "secretsmanager:GetSecretValue ALLOW"]


def test_who_may_read_secrets_but_not_use_the_key_has_no_access_to_kms(sandbox):
    """DS-11."""
    assert refused(manager(sandbox, "secrets").get_secret_value, SecretId="db") == NO_ACCESS
    assert asked(sandbox) == ["kms:Decrypt DENY", "secretsmanager:GetSecretValue DENY"]
    assert sandbox.decisions[0].failure.message.startswith(f"User: {role_arn('secrets')} is not authorized")


def test_without_the_secrets_own_permission_kms_is_never_asked(sandbox):
    """DS-80."""
    sentence = (
        f"User: {role_arn('kms')} is not authorized to perform: secretsmanager:GetSecretValue on resource: "
        f"{arn_of('db')} because no identity-based policy allows the secretsmanager:GetSecretValue action"
    )
    assert refused(manager(sandbox, "kms").get_secret_value, SecretId="db") == ("AccessDeniedException", sentence, 400)
    assert asked(sandbox) == ["secretsmanager:GetSecretValue DENY"]


@pytest.mark.parametrize("named", ["db", arn_of("db"), arn_of("db")[:-7]], ids=["name", "ARN", "ARN without suffix"])
def test_a_secret_is_found_by_name_and_by_arn(sandbox, named):
    assert manager(sandbox).get_secret_value(SecretId=named)["Name"] == "db"
    assert sandbox.decisions[-1].permissions[0].resource == arn_of("db")
    assert refused(manager(sandbox, "secrets").get_secret_value, SecretId=named) == NO_ACCESS


def test_a_secret_under_the_default_key_asks_nothing_of_kms(sandbox):
    """DS-11."""
    assert manager(sandbox, "secrets").get_secret_value(SecretId="web")["SecretString"] == "the value of web"
    assert kms_calls(sandbox) == []


@pytest.mark.parametrize("named", ["nowhere", {"SecretId": "db", "VersionId": TOKEN}], ids=["secret", "version"])
def test_what_is_not_there_costs_no_kms_call(sandbox, named):
    parameters = named if isinstance(named, dict) else {"SecretId": named}
    assert refused(manager(sandbox, "secrets").get_secret_value, **parameters)[0] == "ResourceNotFoundException"
    assert asked(sandbox) == ["secretsmanager:GetSecretValue ALLOW"]


def test_a_disabled_key_fails_the_encryption_and_the_decryption(sandbox):
    """DS-10."""
    message = f"arn:aws:kms:{REGION}:{HERE}:key/{OFF} is disabled."
    both = manager(sandbox)
    assert refused(both.get_secret_value, SecretId="off") == ("DecryptionFailure", message, 400)
    failure = ("EncryptionFailure", message, 400)
    assert refused(both.put_secret_value, SecretId="off", SecretString="x") == failure
    assert refused(both.create_secret, Name="never", SecretString="x", KmsKeyId=OFF) == failure
    assert "never" not in sandbox.world.accounts[HERE].secrets


def test_a_new_value_is_encrypted_and_tried_under_its_own_version(fresh):
    """DS-10."""
    made = manager(fresh).put_secret_value(SecretId="db", SecretString="new", ClientRequestToken=TOKEN)
    assert made["VersionId"] == TOKEN
    assert contexts(fresh) == [(name, TOKEN) for name in BOTH]
    manager(fresh, "versioned").get_secret_value(SecretId="db")
    assert refused(manager(fresh, "versioned").get_secret_value, SecretId="db", VersionStage="AWSPREVIOUS") == NO_ACCESS


@pytest.mark.parametrize("name", ["secrets", "half", "reader"])
def test_a_new_value_without_one_of_the_two_is_refused_and_not_written(sandbox, name):
    """DS-10."""
    assert refused(manager(sandbox, name).put_secret_value, SecretId="db", SecretString="new") == NO_ACCESS
    assert refused(manager(sandbox, name).update_secret, SecretId="db", SecretString="new") == NO_ACCESS
    stored = sandbox.reader("secretsmanager", HERE, REGION).get_secret_value(SecretId="db")
    assert stored["SecretString"] == "the value of db"


def test_values_stay_out_of_the_decisions(fresh):
    both = manager(fresh)
    both.put_secret_value(SecretId="db", SecretString="geheim")
    both.update_secret(SecretId="db", SecretString="geheim")
    both.create_secret(Name="new", SecretString="geheim")
    both.create_secret(Name="newer", SecretBinary=b"geheim")
    assert "geheim" not in repr([dict(decision.call.parameters) for decision in fresh.decisions])


@pytest.mark.parametrize(
    ("name", "key", "answer"),
    [
        ("both", "alias/data", None),
        ("through", DATA, None),
        ("secrets", "alias/data", NO_ACCESS),
        ("half", DATA, NO_ACCESS),
        ("secrets", None, None),
        ("secrets", "alias/aws/secretsmanager", None),
        ("both", "alias/gone", f"Alias arn:aws:kms:{REGION}:{HERE}:alias/gone is not found."),
    ],
)
def test_a_new_secret_needs_its_key_at_once(fresh, name, key, answer):
    """DS-10; and MK-2 for the default key."""
    named = {"KmsKeyId": key} if key else {}
    parameters = {"Name": "new", "SecretString": "x", **named}
    if answer is None:
        made = manager(fresh, name).create_secret(**parameters)
        assert made["ARN"] == arn_of("new")
        assert manager(fresh, name).get_secret_value(SecretId="new")["SecretString"] == "x"
        return
    expected = answer if isinstance(answer, tuple) else ("EncryptionFailure", answer, 400)
    assert refused(manager(fresh, name).create_secret, **parameters) == expected
    assert "new" not in fresh.world.accounts[HERE].secrets


def test_a_key_that_is_named_is_tried_before_a_value_is_encrypted_under_it(fresh):
    """DS-10."""
    manager(fresh).create_secret(Name="empty", KmsKeyId="alias/data")
    assert contexts(fresh) == [(name, VALIDATION) for name in BOTH]
    assert kms_calls(fresh)[0].parameters["EncryptionContext"]["SecretARN"] == arn_of("empty")
    fresh.decisions.clear()
    manager(fresh).create_secret(Name="full", KmsKeyId="alias/data", SecretString="x", ClientRequestToken=TOKEN)
    assert contexts(fresh) == [(name, version) for version in (VALIDATION, TOKEN) for name in BOTH]


def test_a_secret_that_changes_its_key_is_decrypted_under_the_old_and_encrypted_under_the_new(fresh):
    """DS-12."""
    manager(fresh).update_secret(SecretId="db", KmsKeyId="alias/other")
    held = version_of_secret(arn_of("db"))
    used = [(name, decision.permissions[0].key[-12:]) for name, decision in zip(
        [name for name, _ in contexts(fresh)], fresh.decisions, strict=False)]  # fmt: skip
    new, old = OTHER[-12:], DATA[-12:]
    assert used == [
        ("GenerateDataKey", new), ("Decrypt", new), ("Decrypt", old), ("GenerateDataKey", new), ("Decrypt", new),
    ]  # fmt: skip
    assert [version for _, version in contexts(fresh)] == [VALIDATION] * 2 + [held] * 3
    assert fresh.world.accounts[HERE].secrets["db"].key == "alias/other"


def test_what_changes_neither_value_nor_key_needs_no_kms(sandbox):
    manager(sandbox, "secrets").update_secret(SecretId="off", Description="still off")
    assert asked(sandbox) == ["secretsmanager:UpdateSecret ALLOW"]


def test_a_secret_of_another_account_is_read_from_there_under_a_customers_key_only(sandbox):
    """DS-11."""
    far = manager(sandbox, "far", THERE)
    assert far.get_secret_value(SecretId=arn_of("lent"))["SecretString"] == "the value of lent"
    assert refused(far.get_secret_value, SecretId=arn_of("default")) == NO_ACCESS
    assert refused(far.get_secret_value, SecretId=arn_of("db"))[0] == "AccessDeniedException"
    assert refused(far.get_secret_value, SecretId="lent")[0] == "ResourceNotFoundException"


def test_of_a_batch_each_secret_is_decided_on_its_own(sandbox):
    """DS-11."""
    answer = manager(sandbox, "secrets").batch_get_secret_value(SecretIdList=["db", "web", "nowhere"])
    assert [found["Name"] for found in answer["SecretValues"]] == ["web"]
    errors = [(error["SecretId"], error["ErrorCode"]) for error in answer["Errors"]]
    assert errors == [("db", "AccessDeniedException"), ("nowhere", "ResourceNotFoundException")]
    assert answer["Errors"][0]["Message"] == "Access to KMS is not allowed"


def test_a_batch_by_filters_needs_the_batchs_own_permission_too(fresh):
    manager(fresh).create_secret(Name="bytes", SecretBinary=b"\0\1", KmsKeyId="alias/data")
    filters = [{"Key": "name", "Values": ["db", "bytes"]}]
    found = manager(fresh, "reader").batch_get_secret_value(Filters=filters)["SecretValues"]
    values = {value["Name"]: value.get("SecretBinary", value.get("SecretString")) for value in found}
    assert values == {"db": "the value of db", "bytes": b"\0\1"}
    fresh.decisions.clear()
    assert refused(manager(fresh, "one").batch_get_secret_value, Filters=filters)[0] == "AccessDeniedException"
    assert asked(fresh) == ["secretsmanager:BatchGetSecretValue DENY"]
    wrong = refused(manager(fresh).batch_get_secret_value, SecretIdList=["db"], Filters=filters)
    assert wrong[0] == "InvalidParameterException"


def test_what_reads_and_writes_no_value_passes_undecided(sandbox):
    manager(sandbox, "kms").list_secrets()
    manager(sandbox, "kms").describe_secret(SecretId="db")
    assert sandbox.decisions == []


def test_a_secrets_policy_that_is_put_counts_at_the_next_call(fresh):
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    manager(fresh).put_resource_policy(SecretId="db", ResourcePolicy=json.dumps(document(deny)))
    assert refused(manager(fresh).get_secret_value, SecretId="db")[0] == "AccessDeniedException"
    assert fresh.decisions[-1].explicit


def test_where_the_authority_does_not_rule_nothing_is_read(fresh, monkeypatch):
    def gone(_facts):
        message = "the authority is gone"
        raise AuthorityError(message)

    client = manager(fresh)
    monkeypatch.setattr(fresh._enforcement, "authority", Authority(RuledBy("opa"), gone))
    assert refused(client.get_secret_value, SecretId="db")[1:] == ("kmssim: the authority is gone", 400)


def test_over_http_the_same_call_gets_the_same_answer(fresh):
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()

    def over_http(name: str, account: str = HERE):
        credentials = fresh.sign_in(parse_principal(role_arn(name, account)))
        host, port = server.get_host_and_port()
        return boto3.client(
            "secretsmanager",
            REGION,
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    try:
        assert refused(over_http("secrets").get_secret_value, SecretId="db") == NO_ACCESS
        over_http("both").put_secret_value(SecretId="db", SecretString="new")
        assert over_http("reader").get_secret_value(SecretId="db")["SecretString"] == "new"
        assert over_http("far", THERE).get_secret_value(SecretId=arn_of("lent"))["Name"] == "lent"
    finally:
        server.stop()


# --- what would leave nothing to decide over


def far(sandbox, region: str):
    return sandbox.client("secretsmanager", as_=role_arn("both"), region=region)


@pytest.mark.parametrize("text", ["garbage", "{}", '{"Version": "2012-10-17", "Statement": {"Effect": "Maybe"}}'])
def test_a_policy_that_aws_would_refuse_is_refused_and_the_old_one_stays(fresh, text):
    secrets = manager(fresh)
    before = secrets.get_resource_policy(SecretId="lent")["ResourcePolicy"]
    code, _, status = refused(secrets.put_resource_policy, SecretId="lent", ResourcePolicy=text)
    assert (code, status) == ("MalformedPolicyDocumentException", 400)
    assert secrets.get_resource_policy(SecretId="lent")["ResourcePolicy"] == before
    assert secrets.get_secret_value(SecretId="db")["SecretString"]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("replicate_secret_to_regions", {"SecretId": "db"}),
        ("create_secret", {"Name": "new", "SecretString": "x"}),
    ],
)
def test_replicas_of_secrets_are_said_to_be_unsupported_and_the_sandbox_goes_on(fresh, operation, parameters):
    secrets = manager(fresh)
    code, message, _ = refused(getattr(secrets, operation), AddReplicaRegions=[{"Region": "eu-west-1"}], **parameters)
    assert (code, message) == (
        "UnsupportedOperationException",
        "kmssim: the sandbox does not simulate replicas of secrets",
    )
    far(fresh, "eu-west-1").list_secrets()
    assert secrets.get_secret_value(SecretId="db")["SecretString"]
    assert refused(secrets.describe_secret, SecretId="new")[0] == "ResourceNotFoundException"


def test_two_regions_have_secrets_of_the_same_name(fresh):
    here, west = manager(fresh), far(fresh, "eu-west-1")
    west.create_secret(Name="db", SecretString="far")
    assert west.get_secret_value(SecretId="db")["SecretString"] == "far"
    here.put_secret_value(SecretId="db", SecretString="near")
    assert here.get_secret_value(SecretId="db")["SecretString"] == "near"
    fresh.decisions.clear()
    assert refused(far(fresh, "us-west-2").get_secret_value, SecretId="db")[0] == "ResourceNotFoundException"
    assert kms_calls(fresh) == []
