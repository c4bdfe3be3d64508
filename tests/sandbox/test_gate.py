"""The gate with real clients: what hooks may do, which account serves, and that many callers stay apart."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.server import ThreadedMotoServer

from kmssim.errors import SetupError
from kmssim.evaluator.request import Network, service_principal
from kmssim.sandbox.answers import Refusal, Rewrite, answer_json
from kmssim.sandbox.declared import Declared, write_declared
from kmssim.sandbox.gate import Gate
from kmssim.sandbox.identity import root_access_key
from kmssim.sandbox.isolation import guard
from kmssim.sandbox.reader import bypassed, is_bypassed

OURS, THEIRS = "111122223333", "444455556666"
SESSION = boto3.Session()
ONCE = Config(retries={"total_max_attempts": 1})


class Recorder:
    """Lets everything pass and keeps what it saw; `before` and `after` may be replaced by a test."""

    def __init__(self, before=None, after=None):
        self.calls, self.answers = [], []
        self._before, self._after = before, after

    def before(self, service, wire, principal):
        self.calls.append((service, wire, principal))
        return self._before(service, wire, principal) if self._before else None

    def after(self, service, wire, principal, answer):
        self.answers.append((wire.operation, answer.status))
        return self._after(service, wire, principal, answer) if self._after else None


@contextmanager
def up(before=None, after=None, **options):
    with Gate(Recorder(before, after), **options) as gate, mock_aws():
        yield gate


@contextmanager
def served():
    """moto's HTTP server; yields its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@contextmanager
def reached_through(front_end):
    """What a client needs to reach moto that way."""
    if front_end == "in process":
        yield {}
    else:
        with served() as url:
            yield {"endpoint_url": url}


def client(service, account=OURS, region="us-east-1", **options):
    keys = {"aws_access_key_id": root_access_key(account), "aws_secret_access_key": "x"}
    return SESSION.client(service, region, **keys, **{"config": ONCE, **options})


def error_of(call, **parameters):
    with pytest.raises(ClientError) as failed:
        call(**parameters)
    answer = failed.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


# --- what a hook may do


REFUSALS = [
    ("kms", "list_keys", {}, Refusal("AccessDeniedException", 'User: <a> & "b" is not authorized', 400)),
    ("kms", "list_keys", {}, Refusal("NotFoundException", "Invalid keyId 'x'", 400)),
    ("secretsmanager", "list_secrets", {}, Refusal("AccessDeniedException", "no é", 400)),
    ("organizations", "list_roots", {}, Refusal("AccessDeniedException", "no", 400)),
    ("sts", "get_caller_identity", {}, Refusal("AccessDenied", "User: <a> & b", 403)),
    ("iam", "list_users", {}, Refusal("AccessDenied", "User: <a> & b", 403)),
    ("ec2", "describe_vpcs", {}, Refusal("UnauthorizedOperation", "You are <not> authorized", 403)),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}, Refusal("AccessDenied", "<no> & b", 403)),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "refusal"), REFUSALS)
def test_a_refusal_reaches_the_caller_as_the_services_own_error(service, operation, parameters, refusal):
    with up(before=lambda *_: refusal, services=(service,)) as gate:
        seen = error_of(getattr(client(service), operation), **parameters)
    assert seen == (refusal.code, refusal.message, refusal.status)
    assert gate.hooks.answers == []


def test_a_refused_head_request_has_no_body():
    with up(before=lambda *_: Refusal("AccessDenied", "no", 403), services=("s3",)):
        code, _, status = error_of(client("s3").head_object, Bucket="b", Key="k")
    assert (code, status) == ("403", 403)


def test_access_denied_is_worded_with_a_capital_message_and_other_errors_are_not():
    signed = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={root_access_key(OURS)}/20260101/us-east-1/kms/aws4_request",
        "X-Amz-Target": "TrentService.ListKeys",
    }
    answers = {}
    for code in ("AccessDeniedException", "NotFoundException"):
        with up(before=lambda *_, code=code: Refusal(code, "text")):
            answers[code] = requests.post("https://kms.us-east-1.amazonaws.com/", "{}", headers=signed, timeout=5)
    denied, missing = answers["AccessDeniedException"], answers["NotFoundException"]
    assert denied.json() == {"__type": "AccessDeniedException", "Message": "text"}
    assert missing.json() == {"__type": "NotFoundException", "message": "text"}
    assert denied.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert len(denied.headers["x-amzn-RequestId"]) == 36


def test_a_refused_call_changes_nothing():
    def refuse_schedule(_service, wire, _principal):
        return Refusal("AccessDeniedException", "no") if wire.operation == "ScheduleKeyDeletion" else None

    with up(before=refuse_schedule):
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert error_of(kms.schedule_key_deletion, KeyId=key)[0] == "AccessDeniedException"
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_hook_may_answer_in_motos_place():
    with up(before=lambda *_: answer_json({"Keys": [{"KeyId": "invented"}], "Truncated": False})) as gate:
        assert client("kms").list_keys()["Keys"] == [{"KeyId": "invented"}]
    assert gate.hooks.answers == []


def test_a_hook_may_replace_motos_answer_by_another_or_by_a_refusal():
    with up(after=lambda *_: answer_json({"Keys": []})):
        client("kms").create_key()
        assert client("kms").list_keys()["Keys"] == []
    with up(after=lambda *_: Refusal("KMSInternalException", "late", 400)):
        assert error_of(client("kms").list_keys) == ("KMSInternalException", "late", 400)


def test_a_hook_sees_motos_answer_whether_success_or_error():
    with up() as gate:
        client("kms").create_key()
        error_of(client("kms").describe_key, KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
    assert gate.hooks.answers == [("CreateKey", 200), ("DescribeKey", 400)]


@pytest.mark.parametrize("front_end", ["in process", "server"])
def test_a_rewrite_may_send_a_call_with_other_parameters_to_another_account(front_end):
    def to_theirs(_service, wire, _principal):
        if wire.operation != "DescribeKey":
            return None
        bare = str(wire.parameters["KeyId"]).rpartition("/")[2]
        return Rewrite(account=THEIRS, parameters={**wire.parameters, "KeyId": bare})

    with up(before=to_theirs) as gate, reached_through(front_end) as options:
        made = client("kms", THEIRS, **options).create_key(Description="a & b")["KeyMetadata"]
        seen = client("kms", **options).describe_key(KeyId=made["Arn"])["KeyMetadata"]
    assert (seen["Arn"], seen["Description"]) == (made["Arn"], "a & b")
    assert [principal.account for *_, principal in gate.hooks.calls] == [THEIRS, OURS]


def test_a_rewrite_keeps_bytes():
    with up(before=lambda *_: Rewrite()):
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
    with up(before=lambda _service, wire, _principal: Rewrite(parameters=wire.parameters)):
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=bytes(range(256)))["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == bytes(range(256))


# --- who is served from where


@pytest.mark.parametrize("front_end", ["in process", "server"])
def test_each_caller_is_served_from_its_own_account_and_region(front_end):
    with up(), reached_through(front_end) as options:
        for account in (OURS, THEIRS):
            for region in ("us-east-1", "eu-west-3"):
                arn = client("kms", account, region, **options).create_key()["KeyMetadata"]["Arn"]
                assert arn.startswith(f"arn:aws:kms:{region}:{account}:key/")


def test_a_caller_cannot_choose_another_account_by_motos_header():
    with up():
        kms = client("kms")
        kms.meta.events.register(
            "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", THEIRS)
        )
        assert kms.create_key()["KeyMetadata"]["AWSAccountId"] == OURS


def test_a_service_that_calls_for_itself_is_served_from_its_sources_account():
    with up() as gate:
        principal = service_principal("logs.us-east-1.amazonaws.com", source_account=THEIRS)
        key, secret, token = gate.identities.mint(principal)
        kms = boto3.client(
            "kms", "us-east-1", aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token
        )
        assert kms.create_key()["KeyMetadata"]["AWSAccountId"] == THEIRS
    assert gate.hooks.calls[-1][2] == principal


def test_operations_that_are_none_and_bodies_that_cannot_be_read_never_reach_moto():
    scope = f"Credential={root_access_key(OURS)}/20260101/us-east-1/kms/aws4_request"
    tries = [
        ("TrentService.Explode", b"{}", "UnknownOperationException"),
        ("TrentService.listKeys", b"{}", "UnknownOperationException"),
        (None, b"{}", "UnknownOperationException"),
        ("TrentService.ListKeys", b"{", "SerializationException"),
        ("TrentService.ListKeys", b"[]", "SerializationException"),
        ("TrentService.ListKeys", b'{"Limit": NaN}', "SerializationException"),
        ("TrentService.ListKeys", b"\xff\xfe", "SerializationException"),
        ("TrentService.ListKeys", b"[" * 100_000, "SerializationException"),
        ("TrentService.ListKeys", b'{"Limit": ' + b"9" * 5000 + b"}", "SerializationException"),
    ]
    with up() as gate, served() as url:
        for address in ("https://kms.us-east-1.amazonaws.com/", url):
            for target, body, code in tries:
                headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"} | ({"X-Amz-Target": target} if target else {})
                answer = requests.post(address, body, headers=headers, timeout=5)
                assert (answer.status_code, answer.json()["__type"]) == (400, code), (address, target, body[:20])
    assert gate.hooks.calls == []


def test_text_inside_a_json_body_cannot_make_moto_run_another_operation():
    with up() as gate:
        kms = client("kms")
        key = kms.create_key(Description="x&Action=ListKeys&y")["KeyMetadata"]
        assert key["Description"] == "x&Action=ListKeys&y"
        kms.update_key_description(KeyId=key["KeyId"], Description=f"&Action=ScheduleKeyDeletion&KeyId={key['KeyId']}")
        assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
        gate.hooks._before = lambda _service, wire, _principal: Rewrite(parameters=wire.parameters)
        assert "KeyMetadata" in kms.create_key(Description="x&Action=ListKeys&y")


@pytest.mark.parametrize(
    ("url", "form", "content_type"),
    [
        ("?Action=CreateUser&UserName=eve", "Action=ListUsers", "text/plain"),
        ("?Action=CreateUser&UserName=eve", "Action=ListUsers", "application/x-www-form-urlencoded"),
        ("", "Action=ListUsers&Action=CreateUser&UserName=eve", "application/x-www-form-urlencoded"),
        ("", "Action=ListUsers&A.b=1&A=2", "application/x-www-form-urlencoded"),
        ("", "Action=ListUsers&ContentType=JSON", "application/x-www-form-urlencoded"),
        ("", "Action=ListUsers", "multipart/form-data; boundary=x"),
    ],
)
def test_a_query_that_moto_could_read_otherwise_is_refused(url, form, content_type):
    scope = f"Credential={root_access_key(OURS)}/20260101/us-east-1/iam/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}", "Content-Type": content_type}
    with up() as gate:
        answer = requests.post(f"https://iam.amazonaws.com/{url}", form, headers=headers, timeout=5)
        assert (answer.status_code, "<Code>MalformedInput</Code>" in answer.text) == (400, True)
        assert gate.hooks.calls == []
        assert client("iam").list_users()["Users"] == []


# --- the sandbox's own calls


def test_our_own_calls_pass_unasked_in_their_own_thread_only():
    with up(before=lambda *_: Refusal("AccessDeniedException", "no")), ThreadPoolExecutor(1) as other:
        kms = client("kms", THEIRS)
        with bypassed():
            assert kms.create_key()["KeyMetadata"]["AWSAccountId"] == THEIRS
            assert other.submit(error_of, kms.list_keys).result()[0] == "AccessDeniedException"
        assert error_of(kms.list_keys)[0] == "AccessDeniedException"
        assert not is_bypassed()


def test_the_reader_sees_any_account_unasked_and_runs_each_request_once():
    with up(before=lambda *_: Refusal("AccessDeniedException", "no")) as gate:
        kms = gate.reader.client("kms", THEIRS, "eu-west-3")
        made = kms.create_key()["KeyMetadata"]["Arn"]
        assert made.startswith(f"arn:aws:kms:eu-west-3:{THEIRS}:key/")
        assert [key["KeyArn"] for key in kms.list_keys()["Keys"]] == [made]
        assert gate.reader.client("kms", OURS, "eu-west-3").list_keys()["Keys"] == []
        assert gate.reader.client("kms", THEIRS, "eu-west-3") is kms
    assert gate.hooks.calls == []


def test_the_reader_needs_no_mock_and_no_network():
    with guard(), Gate(Recorder()) as gate, bypassed():
        kms = gate.reader.client("kms", "777788889999")
        assert kms.create_key()["KeyMetadata"]["AWSAccountId"] == "777788889999"


# --- what stands around the gate


def test_two_gates_at_once_are_refused_and_the_first_stays_up():
    with up() as gate:
        with pytest.raises(SetupError, match="another gate is up"), Gate(Recorder()):
            pytest.fail("a second gate went up")
        client("kms").list_keys()
    assert len(gate.hooks.calls) == 1


def test_a_gate_can_go_up_again():
    for _ in range(2):
        with up() as gate:
            client("kms").list_keys()
        assert len(gate.hooks.calls) == 1


def test_a_users_own_mock_inside_keeps_state_and_gate():
    with up() as gate:
        kept = client("kms").create_key()["KeyMetadata"]["KeyId"]

        @mock_aws
        def learners_test():
            return [key["KeyId"] for key in client("kms").list_keys()["Keys"]]

        assert learners_test() == [kept]
        assert client("kms").list_keys()["Keys"]
    assert [wire.operation for _, wire, _ in gate.hooks.calls] == ["CreateKey", "ListKeys", "ListKeys"]


def test_a_server_that_outlives_its_gate_knows_nobody():
    with served() as url:
        with Gate(Recorder()):
            client("kms", endpoint_url=url).list_keys()
        assert error_of(client("kms", endpoint_url=url).list_keys)[0] == "UnrecognizedClientException"


def test_the_gate_stands_inside_the_guard_without_any_mock():
    with guard(), Gate(Recorder()) as gate:
        client("kms", "777788889999").list_keys()
    assert [principal.account for *_, principal in gate.hooks.calls] == ["777788889999"]


@pytest.mark.parametrize("front_end", ["in process", "server"])
def test_sixteen_callers_at_once_are_never_mixed_up(front_end):
    """Each thread calls as a principal of its own; what the hooks saw and what came back must be that principal's."""
    mixed, lock = [], threading.Lock()

    def judge(_service, wire, principal):
        if wire.operation == "ListAliases":
            return Refusal("AccessDeniedException", principal.arn)
        return answer_json({"Keys": [{"KeyId": principal.account}]}) if wire.operation == "ListKeys" else None

    def work(account, kms, sts):
        for turn in range(10):
            seen = (
                kms.list_keys()["Keys"][0]["KeyId"],
                error_of(kms.list_aliases)[1],
                sts.get_caller_identity()["Arn"],
                kms.generate_random(NumberOfBytes=turn + 1)["Plaintext"],
            )
            arn = f"arn:aws:iam::{account}:root"
            if seen[:3] != (account, arn, arn) or len(seen[3]) != turn + 1:
                with lock:
                    mixed.append(seen)

    with up(before=judge) as gate, reached_through(front_end) as options, ThreadPoolExecutor(16) as pool:
        accounts = [f"{number:012d}" for number in range(1, 17)]
        clients = [[client(service, account, **options) for account in accounts] for service in ("kms", "sts")]
        list(pool.map(work, accounts, *clients))
    assert mixed == []
    assert len(gate.hooks.calls) == 16 * 10 * 4


def test_the_gate_costs_little():
    """A call through the gate against the same call past it: well under a millisecond more (measured 0.05 to 0.2)."""

    def timed(kms):
        best = []
        for _ in range(40):
            start = time.perf_counter()
            kms.list_keys()
            best.append(time.perf_counter() - start)
        return min(best)

    with mock_aws():
        plain = timed(client("kms"))
    with up():
        assert timed(client("kms")) - plain < 0.003


# --- what clients of ours declare


def test_what_a_client_declares_arrives_with_the_call():
    declared = Declared(
        Network(source_ip="203.0.113.7", vpc_endpoint="vpce-1", secure_transport=False),
        via="s3.us-east-1.amazonaws.com",
        context={"aws:currenttime": "2026-01-01T00:00:00Z", "aws:calledvia": ("a", "b")},
    )
    with up() as gate, served() as url:
        for options in ({}, {"endpoint_url": url}):
            kms = client("kms", **options)
            kms.meta.events.register(
                "before-sign",
                lambda request, **_: [
                    request.headers.add_header(*header) for header in write_declared(declared).items()
                ],
            )
            kms.list_keys()
    assert [wire.declared for _, wire, _ in gate.hooks.calls] == [declared, declared]


def test_bytes_reach_the_hooks_in_base64():
    with up() as gate:
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        kms.decrypt(CiphertextBlob=blob)
    assert base64.b64decode(gate.hooks.calls[-1][1].parameters["CiphertextBlob"]) == blob
    assert json.loads(gate.hooks.calls[-1][1].body) == gate.hooks.calls[-1][1].parameters
