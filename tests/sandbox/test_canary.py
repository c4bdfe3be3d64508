"""Fails loudly when moto's seam moves: whatever does not pass the gate gets moto's answer in place of our refusal."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import requests
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.server import ThreadedMotoServer

from kmssim.errors import SetupError
from kmssim.evaluator.operations import OPERATIONS
from kmssim.sandbox import answers, gate, wire
from kmssim.sandbox.answers import Refusal
from kmssim.sandbox.contract import SUPPORTED, check_contract, handlers_of
from kmssim.sandbox.gate import GATED, Gate
from kmssim.sandbox.identity import root_access_key
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.service_models import Protocol, protocol_of, service_model
from kmssim.sandbox.services import SERVICES as SERVICES_IN_FRONT
from kmssim.sandbox.sessions import UNSIGNED_OPERATIONS
from kmssim.starting_world import starting_world

SERVICES = ("kms", "sts", "iam", "s3", "secretsmanager", "organizations", "ec2")
ACCOUNT = "111122223333"
PROBES = [
    ("kms", "list_keys", {}),
    ("kms", "create_key", {}),
    ("sts", "get_caller_identity", {}),
    ("iam", "list_users", {}),
    ("secretsmanager", "list_secrets", {}),
    ("organizations", "list_accounts", {}),
    ("ec2", "describe_vpcs", {}),
    ("s3", "list_buckets", {}),
    ("s3", "create_bucket", {"Bucket": "b"}),
    ("s3", "list_objects_v2", {"Bucket": "b"}),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}),
    ("s3", "get_object", {"Bucket": "b", "Key": "a/b/c"}),
    ("s3", "get_object", {"Bucket": "b", "Key": "/k"}),
    ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"x"}),
]


class DenyAll:
    """Refuses every call, and knows each that it saw."""

    def __init__(self):
        self.seen = []

    def before(self, service, wire, principal):
        self.seen.append((service, wire.operation))
        return Refusal("CanaryRefusal", principal.arn)

    def after(self, service, wire, principal, answer):  # noqa: ARG002 (the hook's signature)
        raise AssertionError(f"moto ran {service}:{wire.operation}")


@pytest.fixture(params=["in process", "in process, bucket in the host name", "server"])
def front_end(request):
    """What a client needs to reach moto through each of its front ends, behind a gate that denies everything."""
    style = "virtual" if request.param.endswith("host name") else "path"
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": style})
    with Gate(DenyAll(), services=SERVICES) as gate_up:
        if request.param != "server":
            with mock_aws():
                yield SimpleNamespace(hooks=gate_up.hooks, client={"config": config})
        else:
            server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
            server.start()
            url = "http://{}:{}".format(*server.get_host_and_port())
            yield SimpleNamespace(hooks=gate_up.hooks, client={"config": config, "endpoint_url": url})
            server.stop()


def test_every_call_of_every_gated_service_passes_the_gate(front_end):
    session = boto3.Session(root_access_key(ACCOUNT), "any", region_name="us-east-1")
    for service, operation, parameters in PROBES:
        client = session.client(service, **front_end.client)
        with pytest.raises(ClientError) as refused:
            getattr(client, operation)(**parameters)
        assert refused.value.response["Error"] == {
            "Code": "CanaryRefusal",
            "Message": f"arn:aws:iam::{ACCOUNT}:root",
            **({"Type": "Sender"} if service in {"sts", "iam"} else {}),
        }, (service, operation)
    assert [service for service, _ in front_end.hooks.seen] == [service for service, _, _ in PROBES]


def least(shape):
    """What a client has to send, of members that must be there."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "string":
        return (shape.enum or ["x" * 40])[0]
    return {"list": [], "map": {}, "blob": b"x", "integer": 7, "boolean": True}[shape.type_name]


def test_every_operation_passes_the_gate(front_end):
    """All that botocore knows, whether or not moto has it: what is new in botocore tomorrow is probed tomorrow."""
    session = boto3.Session(root_access_key(ACCOUNT), "any", region_name="us-east-1")
    for service, count in {"kms": 54, "secretsmanager": 23, "sts": 9, "iam": 160}.items():
        model = service_model(service)
        names = [name for name in model.operation_names if name not in UNSIGNED_OPERATIONS]
        config = front_end.client["config"].merge(Config(parameter_validation=False))
        client = session.client(service, **{**front_end.client, "config": config})
        front_end.hooks.seen.clear()
        for operation in names:
            with pytest.raises(ClientError, match="CanaryRefusal"):
                getattr(client, xform_name(operation))(**least(model.operation_model(operation).input_shape))
        assert front_end.hooks.seen == [(service, operation) for operation in names]
        assert len(names) >= count


def test_the_evaluator_decides_every_operation_that_botocore_knows():
    assert set(service_model("kms").operation_names) <= set(OPERATIONS)


def test_the_project_asks_for_the_moto_that_the_gate_knows():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [one for one in project["dependencies"] if one.startswith("moto")] == [SUPPORTED]


def test_a_request_without_any_client_passes_the_gate():
    scope = f"Credential={root_access_key(ACCOUNT)}/20260101/us-east-1/kms/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}", "X-Amz-Target": "TrentService.ListKeys"}
    with Gate(DenyAll()), mock_aws():
        answer = requests.post("https://kms.us-east-1.amazonaws.com/", data="{}", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["__type"]) == (400, "CanaryRefusal")


def test_s3_stays_gated_although_moto_makes_its_table_anew():
    with Gate(DenyAll(), services=("s3",)), mock_aws():
        s3 = boto3.client("s3", aws_access_key_id=root_access_key(ACCOUNT), aws_secret_access_key="x")
        for _ in range(3):
            with pytest.raises(ClientError, match="CanaryRefusal"):
                s3.list_buckets()


def test_this_moto_keeps_the_contract():
    check_contract(SERVICES)


@pytest.mark.parametrize("version", ["4.2.14", "5.1.22", "5.2.0", "5.3.0", "6.0.0"])
def test_another_moto_is_refused_by_its_version(monkeypatch, version):
    monkeypatch.setattr("moto.__version__", version)
    with pytest.raises(SetupError, match=rf"moto {version} is installed.*install moto>=5\.2\.1,<5\.3"):
        check_contract(())


@pytest.mark.parametrize("version", ["5.2.1", "5.2.5", "5.2.6.dev0"])
def test_the_supported_range_is_taken(monkeypatch, version):
    monkeypatch.setattr("moto.__version__", version)
    check_contract(("kms",))


def drop_table(monkeypatch):
    monkeypatch.delattr("moto.kms.urls.url_paths")


def empty_table(monkeypatch):
    monkeypatch.setattr("moto.kms.urls.url_paths", {})


def unbind_handlers(monkeypatch):
    monkeypatch.setattr("moto.kms.urls.url_paths", {"{0}/$": "KmsResponse.dispatch"})


def ignore_account_header(monkeypatch):
    monkeypatch.setattr("moto.core.responses.BaseResponse.get_current_account", lambda _self: "123456789012")


def drop_account(monkeypatch):
    monkeypatch.delattr("moto.core.responses.BaseResponse.get_current_account")


def change_handler(monkeypatch):
    monkeypatch.setattr("moto.core.responses.BaseResponse._dispatch", lambda self, request: None)  # noqa: ARG005


def drop_routing(monkeypatch):
    monkeypatch.delattr("moto.core.botocore_stubber.BotocoreStubber.process_request")


def drop_registration(monkeypatch):
    monkeypatch.delattr("moto.core.models.botocore_stubber")


def drop_grants(monkeypatch):
    monkeypatch.delattr("moto.kms.models.Grant")


def change_grants(monkeypatch):
    monkeypatch.setattr("moto.kms.models.Key.add_grant", lambda self, wish: None)  # noqa: ARG005


def rename_tokens(monkeypatch):
    monkeypatch.setattr("moto.kms.models.Grant", lambda *_args: SimpleNamespace(id="x", grant_token="y"))


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (drop_grants, r"moto\.kms\.models\.Grant is gone"),
        (change_grants, r"Key\.add_grant takes other arguments"),
        (rename_tokens, r"a grant of moto\.kms\.models has no token"),
        (drop_table, r"moto\.kms\.urls\.url_paths is gone"),
        (empty_table, r"url_paths is no longer a dict"),
        (unbind_handlers, r"neither a class method nor a function"),
        (ignore_account_header, r"x-moto-account-id no longer chooses"),
        (drop_account, r"get_current_account is gone"),
        (change_handler, r"_dispatch takes other arguments"),
        (drop_routing, r"process_request is gone"),
        (drop_registration, r"moto\.core\.models\.botocore_stubber is gone"),
    ],
)
def test_a_seam_that_moved_is_named_with_motos_version(monkeypatch, move, named):
    move(monkeypatch)
    monkeypatch.setattr("moto.__version__", "5.2.5")
    with pytest.raises(SetupError, match=rf"moto 5\.2\.5 does not have .*{named}"), Gate(DenyAll()):
        pytest.fail("the gate went up")
    assert gate._up is None


def test_a_service_that_the_gate_cannot_speak_is_refused():
    with pytest.raises(SetupError, match="cannot be gated"):
        protocol_of("lambda")
    with pytest.raises(SetupError, match="no service `kmss`"):
        protocol_of("kmss")


def test_a_service_that_speaks_otherwise_than_the_gate_is_told_to_whoever_calls_it(monkeypatch):
    """Models are read when they are needed, and no call passes that cannot be read."""
    world = starting_world()
    with Sandbox(world) as sandbox:
        kms = sandbox.client("kms", as_=f"arn:aws:iam::{next(iter(world.accounts))}:root")
        for module in (wire, answers):
            monkeypatch.setattr(module, "protocol_of", lambda _service: protocol_of("lambda"))
        with pytest.raises(SetupError, match="cannot be gated"):
            kms.list_keys()


@pytest.mark.parametrize("service", [*GATED, *SERVICES_IN_FRONT])
def test_the_gate_speaks_the_protocol_of_every_gated_service(service):
    assert protocol_of(service) in Protocol


def test_a_forced_account_is_refused(monkeypatch):
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "123456789012")
    with pytest.raises(SetupError, match="MOTO_ACCOUNT_ID"), Gate(DenyAll()):
        pytest.fail("the gate went up")


def test_leaving_the_gate_leaves_moto_as_it_was():
    classes = [handler.__self__ for service in SERVICES for handler in handlers_of(service).values()]
    tables = {service: dict(handlers_of(service)) for service in SERVICES}
    own = [dict(vars(response)) for response in classes]
    with Gate(DenyAll(), services=SERVICES), mock_aws():
        assert all(handlers_of(service) != tables[service] for service in SERVICES)
        with pytest.raises(ClientError):
            boto3.client("s3", aws_access_key_id="x", aws_secret_access_key="x").list_buckets()
    assert {service: handlers_of(service) for service in SERVICES} == tables
    assert [dict(vars(response)) for response in classes] == own
    assert gate._up is None


def test_a_gate_that_cannot_go_up_leaves_moto_as_it_was(monkeypatch):
    before = dict(handlers_of("kms"))
    install = gate._install

    def fail_at_sts(service, serve, installed):
        install(service, serve, installed)
        if service == "sts":
            raise RuntimeError("halfway")

    monkeypatch.setattr(gate, "_install", fail_at_sts)
    with pytest.raises(RuntimeError, match="halfway"), Gate(DenyAll()):
        pytest.fail("the gate went up")
    assert handlers_of("kms") == before
    monkeypatch.undo()
    with Gate(DenyAll()):
        assert handlers_of("kms") != before
