"""When something goes wrong: AWS-shaped errors for whoever calls, the fault kept for the author, and the sandbox goes on."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from moto.server import ThreadedMotoServer

from kmssim.errors import NetworkEscapeError, SetupError
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import Account, Key, Role, User, World
from kmssim.sandbox import complete
from kmssim.sandbox.faults import Faults
from kmssim.sandbox.identity import root_access_key
from kmssim.sandbox.sandbox import Sandbox

HERE, REGION = "111122223333", "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ADMIN = f"arn:aws:sts::{HERE}:assumed-role/admin/job"
ANA = f"arn:aws:iam::{HERE}:user/ana"
JSON = "application/x-amz-json-1.1"


def world() -> World:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.IDENTITY)
    admin = Role(f"arn:aws:iam::{HERE}:role/admin", "admin", policies=(policy,))
    key = Key(KEY_ID, REGION, HERE, default_key_policy(HERE))
    return World({HERE: Account(HERE, roles={"admin": admin}, users={"ana": User(ANA, "ana", (policy,))}, keys=(key,))})


@pytest.fixture(scope="module")
def opened():
    with Sandbox(world()) as sandbox:
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield SimpleNamespace(sandbox=sandbox, url=f"http://{host}:{port}")
        server.stop()


@pytest.fixture
def sandbox(opened):
    opened.sandbox.faults.clear()
    yield opened.sandbox
    assert opened.sandbox._enforcement._served == {}
    kms = opened.sandbox.client("kms", as_=ADMIN)
    assert kms.describe_key(KeyId=KEY_ID)["KeyMetadata"]["KeyId"] == KEY_ID  # whatever happened, it goes on


@pytest.fixture(params=["in process", "http"])
def endpoint(request, opened):
    return opened.url if request.param == "http" else None


def client(sandbox, endpoint, service: str = "kms", **config):
    credentials = sandbox.client("kms", as_=ADMIN)._request_signer._credentials
    return boto3.client(
        service,
        REGION,
        endpoint_url=endpoint,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(**config) if config else None,
    )


def refused(call, **parameters) -> dict:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response


def post(endpoint, body: bytes, **headers: str):
    """A request to KMS that no client would send; by default the root user asks for ListKeys."""
    scope = f"Credential={root_access_key(HERE)}/20260101/{REGION}/kms/aws4_request"
    whole = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "Content-Type": JSON,
        "X-Amz-Target": "TrentService.ListKeys",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    url = endpoint or f"https://kms.{REGION}.amazonaws.com"
    asked = AWSRequest("POST", f"{url}/", {name: value for name, value in whole.items() if value}, body)
    answer = URLLib3Session().send(asked.prepare())
    return answer.status_code, json.loads(answer.content)


def fail(*_args: object, **_named: object) -> None:
    raise KeyError("broken on purpose")


def test_an_exception_in_moto_is_the_services_own_fault_and_is_kept(sandbox, endpoint, monkeypatch):
    monkeypatch.setattr("moto.kms.models.KmsBackend.update_key_description", fail)
    kms = client(sandbox, endpoint, retries={"total_max_attempts": 1})
    response = refused(kms.update_key_description, KeyId=KEY_ID, Description="x")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["Error"] == {
        "Code": "KMSInternalException",
        "Message": "kmssim: a fault inside the sandbox: KeyError: 'broken on purpose'",
    }
    [fault] = sandbox.faults
    assert (fault.service, fault.operation) == ("kms", "UpdateKeyDescription")
    assert 'raise KeyError("broken on purpose")' in fault.trace
    assert repr(sandbox.faults) == "kms:UpdateKeyDescription: KeyError: 'broken on purpose'"
    monkeypatch.undo()
    kms.update_key_description(KeyId=KEY_ID, Description="x")


def test_an_exception_in_our_own_code_is_told_in_the_same_way(sandbox, endpoint, monkeypatch):
    monkeypatch.setitem(complete.SERVES, "ListKeys", fail)
    kms = client(sandbox, endpoint, retries={"total_max_attempts": 1})
    assert refused(kms.list_keys)["Error"]["Code"] == "KMSInternalException"
    assert [fault.operation for fault in sandbox.faults] == ["ListKeys"]


def test_a_world_that_cannot_be_read_is_told_at_each_call_and_forgotten_when_it_can(sandbox, monkeypatch):
    def unreadable() -> None:
        raise SetupError("a policy in the runtime is none")

    kms = sandbox.client("kms", as_=ADMIN)
    kms.tag_resource(KeyId=KEY_ID, Tags=[])
    monkeypatch.setattr(sandbox._enforcement, "read", unreadable)
    for _ in range(2):
        assert "a policy in the runtime is none" in refused(kms.list_keys)["Error"]["Message"]
    monkeypatch.undo()
    kms.list_keys()
    assert len(sandbox.faults) == 2


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_a_client_that_repeats_what_failed_is_not_kept_waiting(sandbox, endpoint, monkeypatch, mode):
    monkeypatch.setitem(complete.SERVES, "ListKeys", fail)
    started = time.monotonic()
    response = refused(client(sandbox, endpoint, retries={"mode": mode}).list_keys)
    assert time.monotonic() - started < 4
    assert response["Error"]["Code"] == "KMSInternalException"
    assert (response["ResponseMetadata"]["RetryAttempts"], len(sandbox.faults)) == (1, 2)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_other_services_own_up_in_their_own_protocol(sandbox, endpoint, monkeypatch):
    monkeypatch.setattr("moto.iam.models.IAMBackend.list_users", fail)
    iam = client(sandbox, endpoint, "iam", retries={"total_max_attempts": 1})
    error = refused(iam.list_users)["Error"]
    assert (error["Code"], error["Type"]) == ("InternalFailure", "Receiver")
    assert "kmssim" in error["Message"]
    assert [fault.service for fault in sandbox.faults] == ["iam"]


def test_what_moto_lacks_is_said_to_be_unsupported_and_is_no_fault(sandbox, endpoint):
    iam = client(sandbox, endpoint, "iam")
    error = refused(iam.get_organizations_access_report, JobId="x" * 36)["Error"]
    assert error["Code"] == "UnsupportedOperation"
    assert error["Message"] == "kmssim: the sandbox does not simulate iam:GetOrganizationsAccessReport"
    assert not sandbox.faults


def test_an_attempt_to_leave_the_machine_is_no_fault_but_an_alarm(sandbox, monkeypatch):
    def escape(*_args: object, **_named: object) -> None:
        raise NetworkEscapeError("out")

    monkeypatch.setitem(complete.SERVES, "ListKeys", escape)
    with pytest.raises(NetworkEscapeError):
        sandbox.client("kms", as_=ADMIN).list_keys()


def test_of_very_many_faults_the_last_ones_are_kept():
    faults = Faults()
    for number in range(1500):
        faults.record("kms", "ListKeys", KeyError(number), {})
    assert (len(faults), faults[-1].error) == (1000, "KeyError: 1499")
    assert bool(faults)
    faults.clear()
    assert not faults


UNREADABLE = "Could not deserialize the request body"
BODIES = [
    (b"", None),
    (b"{}", None),
    (b'{"Limit": null, "Nobody": {"knows": ["this"]}}', None),
    (b"{", UNREADABLE),
    (b"[]", UNREADABLE),
    (b"null", UNREADABLE),
    (b"\xff\xfe{}", UNREADABLE),
    (b'{"Limit": NaN}', UNREADABLE),
    (b'{"Limit": ' + b"9" * 5000 + b"}", UNREADABLE),
    (b'{"Marker": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", UNREADABLE),
    (b'{"Marker": "\\ud800"}', UNREADABLE),
    (b'{"Limit": "5"}', "STRING_VALUE can not be converted to an Integer"),
    (b'{"Limit": 5.5}', "NUMBER_VALUE can not be converted to an Integer"),
    (b'{"Limit": true}', "BOOLEAN_VALUE can not be converted to an Integer"),
    (b'{"Limit": 99999999999999999999}', "NUMBER_VALUE can not be converted to an Integer"),
    (b'{"Marker": 5}', "NUMBER_VALUE can not be converted to a String"),
    (b'{"Marker": ["x"]}', "Start of list found where not expected"),
    (b'{"Marker": {"x": "y"}}', "Start of structure or map found where not expected."),
    (b'{"ResourceOwners": "SELF"}', "Expected list or null"),
    (b'{"ResourceOwners": [null]}', "NULL_VALUE can not be converted to a String"),
]


@pytest.mark.parametrize(("body", "message"), BODIES, ids=lambda part: repr(part)[:40])
def test_a_body_that_is_none_is_refused_as_aws_refuses_it(sandbox, endpoint, body, message):
    status, answer = post(endpoint, body)
    if message is None:
        assert (status, len(answer["Keys"])) == (200, 1)
    else:
        assert (status, answer) == (400, {"__type": "SerializationException", "message": message})
    assert not sandbox.faults


@pytest.mark.parametrize(
    ("target", "parameters", "message"),
    [
        ("Encrypt", {"KeyId": KEY_ID, "Plaintext": "no base64!"}, "Invalid base64"),
        ("Encrypt", {"KeyId": KEY_ID, "Plaintext": 5}, "NUMBER_VALUE can not be converted to a String"),
        ("Encrypt", {"KeyId": KEY_ID, "Plaintext": "eA==", "EncryptionContext": ["x"]},
            "Start of list found where not expected"),
        ("Encrypt", {"KeyId": KEY_ID, "Plaintext": "eA==", "DryRun": "true"},
            "STRING_VALUE can not be converted to a Boolean"),
        ("TagResource", {"KeyId": KEY_ID, "Tags": [5]}, "Unexpected value type in payload"),
        ("TagResource", {"KeyId": KEY_ID, "Tags": [{"TagKey": {}, "TagValue": "x"}]},
            "Start of structure or map found where not expected."),
        ("ImportKeyMaterial", {"KeyId": KEY_ID, "ValidTo": [1]}, "Start of list found where not expected"),
    ],
)  # fmt: skip
def test_a_member_of_another_type_is_refused_as_aws_refuses_it(sandbox, endpoint, target, parameters, message):
    status, answer = post(endpoint, json.dumps(parameters).encode(), X_Amz_Target=f"TrentService.{target}")
    assert (status, answer) == (400, {"__type": "SerializationException", "message": message})
    assert not sandbox.faults


def test_members_that_the_operation_does_not_know_never_reach_moto(sandbox, endpoint):
    """moto decodes whatever is called Message, of any operation."""
    body = json.dumps({"KeyId": KEY_ID, "Plaintext": "eA==", "Message": 5}).encode()
    status, answer = post(endpoint, body, X_Amz_Target="TrentService.Encrypt")
    assert (status, "CiphertextBlob" in answer) == (200, True)
    assert not sandbox.faults


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x" * 500]
)
def test_the_content_type_makes_no_other_call_of_it(sandbox, endpoint, kind):
    status, answer = post(endpoint, b"{}", Content_Type=kind)
    assert (status, answer.get("__type")) in {(200, None), (400, "SerializationException")}
    assert not sandbox.faults


@pytest.mark.parametrize(
    "target", ["TrentService.Fly", "TrentService.", "TrentService.list_keys", "Nobody", "TrentService"]
)
def test_an_operation_that_kms_does_not_have(sandbox, endpoint, target):
    status, answer = post(endpoint, b"{}", X_Amz_Target=target)
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert not sandbox.faults


def signed_with(access_key: str) -> dict[str, str]:
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/{REGION}/kms/aws4_request"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (signed_with("AKIAIOSFODNN7EXAMPLE"), "UnrecognizedClientException"),
        (signed_with("AKIAROOT12"), "UnrecognizedClientException"),
        ({**signed_with(root_access_key(HERE)), "X-Amz-Security-Token": "x"}, "UnrecognizedClientException"),
    ],
)
def test_credentials_that_nobody_has(sandbox, endpoint, headers, code):
    status, answer = post(endpoint, b"{}", **headers)
    assert (status, answer["__type"]) == (400, code)
    assert not sandbox.faults


@pytest.mark.usefixtures("sandbox")
def test_a_request_that_is_not_signed():
    """Sent to the host of KMS; a server of all services knows from the signature alone which one is meant."""
    status, answer = post(None, b"{}", Authorization="")
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_an_inactive_access_key_is_refused_until_it_is_active_again(sandbox, endpoint):
    iam = sandbox.client("iam", as_=ADMIN)
    made = iam.create_access_key(UserName="ana")["AccessKey"]
    key = {"UserName": "ana", "AccessKeyId": made["AccessKeyId"]}
    kms = boto3.client("kms", REGION, endpoint_url=endpoint, aws_access_key_id=made["AccessKeyId"],
                       aws_secret_access_key=made["SecretAccessKey"])  # fmt: skip
    kms.list_keys()
    iam.update_access_key(**key, Status="Inactive")
    assert refused(kms.list_keys)["Error"]["Code"] == "UnrecognizedClientException"
    iam.update_access_key(**key, Status="Active")
    kms.list_keys()
    iam.delete_access_key(**key)
    assert refused(kms.list_keys)["Error"]["Code"] == "UnrecognizedClientException"


def test_a_session_that_has_ended_is_told_so(sandbox, endpoint, monkeypatch):
    role = {"RoleArn": f"arn:aws:iam::{HERE}:role/admin", "RoleSessionName": "short"}
    made = sandbox.client("sts", as_=ANA).assume_role(**role, DurationSeconds=900)["Credentials"]
    kms = boto3.client("kms", REGION, endpoint_url=endpoint, aws_access_key_id=made["AccessKeyId"],
                       aws_secret_access_key=made["SecretAccessKey"], aws_session_token=made["SessionToken"])  # fmt: skip
    kms.list_keys()
    monkeypatch.setattr(sandbox._identities, "clock", lambda: time.time() + 901)
    assert refused(kms.list_keys)["Error"] == {
        "Code": "ExpiredTokenException",
        "Message": "The security token included in the request is expired",
    }


@pytest.mark.parametrize("size", [40_000, 200_000, 5_000_000])
def test_an_oversized_policy_is_refused_and_the_old_one_stays(sandbox, endpoint, size):
    kms = client(sandbox, endpoint, retries={"max_attempts": 0})  # botocore asks again after LimitExceededException
    before = kms.get_key_policy(KeyId=KEY_ID)["Policy"]
    statement = {"Sid": "x" * size, "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    code = refused(kms.put_key_policy, KeyId=KEY_ID, Policy=policy)["Error"]["Code"]
    assert code in {"LimitExceededException", "MalformedPolicyDocumentException", "ValidationException"}
    assert kms.get_key_policy(KeyId=KEY_ID)["Policy"] == before
    assert not sandbox.faults
