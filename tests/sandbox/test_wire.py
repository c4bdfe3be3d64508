"""Requests as they travel → operations and parameters; KMS calls → what the evaluator takes."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from sandbox.sent import example, sent_by
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from kmssim.evaluator.request import Ciphertext, Network, service_principal
from kmssim.sandbox import moto_request
from kmssim.sandbox.answers import Refusal
from kmssim.sandbox.ciphertext import Header, seal
from kmssim.sandbox.declared import Declared, read_declared, write_declared
from kmssim.sandbox.identity import root_access_key, root_user
from kmssim.sandbox.kms_call import to_call
from kmssim.sandbox.model_loaders import new_session
from kmssim.sandbox.service_models import service_model
from kmssim.sandbox.wire import read_wire
from kmssim.sandbox.wire_query import nest

ACCOUNT = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:eu-west-3:{ACCOUNT}:key/{KEY_ID}"
SCOPE = (
    f"AWS4-HMAC-SHA256 Credential={root_access_key(ACCOUNT)}/20260101/eu-west-3/kms/aws4_request, SignedHeaders=host"
)
URL = "https://kms.eu-west-3.amazonaws.com/"


def werkzeug_request(body, headers, peer=None, url=URL):
    environ = {"REMOTE_ADDR": peer} if peer else {}
    builder = EnvironBuilder(method="POST", base_url=url, data=body, headers=headers, environ_overrides=environ)
    return Request(builder.get_environ())


def prepared_request(body, headers, url=URL):
    return AWSPreparedRequest("POST", url, HeadersDict(headers), body, stream_output=False)


def kms_wire(operation, parameters, headers=None, peer=None):
    headers = {"Authorization": SCOPE, "X-Amz-Target": f"TrentService.{operation}", **(headers or {})}
    return read_wire("kms", werkzeug_request(json.dumps(parameters).encode(), headers, peer), URL)


# --- both kinds of request object


@pytest.mark.parametrize("make", [werkzeug_request, prepared_request])
def test_both_of_motos_request_objects_are_read_alike(make):
    headers = {"Authorization": SCOPE, "X-Amz-Target": "TrentService.Decrypt", "X-Amz-Security-Token": "t"}
    wire = read_wire("kms", make(b'{"KeyId": "a"}', headers), URL + "?x=1")
    seen = (wire.operation, wire.region, wire.access_key, wire.token, wire.parameters, wire.query, wire.path, wire.host)
    assert seen == (
        "Decrypt",
        "eu-west-3",
        root_access_key(ACCOUNT),
        "t",
        {"KeyId": "a"},
        {"x": "1"},
        "/",
        "kms.eu-west-3.amazonaws.com",
    )


@pytest.mark.parametrize("make", [werkzeug_request, prepared_request])
def test_a_replaced_body_and_header_are_what_moto_reads(make):
    request = make(b"Action=Old", {"Content-Type": "application/x-www-form-urlencoded", "x-moto-account-id": "1"})
    assert moto_request.read_body(request) == b"Action=Old"
    if hasattr(request, "form"):
        assert dict(request.form) == {"Action": "Old"}
    moto_request.set_body(request, b"Action=Newer")
    moto_request.set_header(request, "x-moto-account-id", "2")
    assert moto_request.read_body(request) == b"Action=Newer"
    assert request.headers["X-Moto-Account-Id"] == "2"
    assert request.headers["Content-Length"] == "12"
    if hasattr(request, "form"):
        assert (request.data, dict(request.form), request.content_length) == (b"Action=Newer", {"Action": "Newer"}, 12)


def test_a_body_that_is_a_stream_can_be_read_again():
    request = prepared_request(SimpleNamespace(read=lambda: b"text"), {})
    assert moto_request.read_body(request) == b"text"
    assert moto_request.read_body(request) == b"text"


# --- the query protocol


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        ({}, {}),
        ({"UserName": "ana"}, {"UserName": "ana"}),
        ({"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}, {"Tags": [{"Key": "a", "Value": "b"}]}),
        ({f"K.member.{n}": str(n) for n in (10, 9, 1)}, {"K": ["1", "9", "10"]}),
        ({"Filter.1.Name": "n", "Filter.1.Value.1": "v"}, {"Filter": [{"Name": "n", "Value": ["v"]}]}),
        ({"A.member": "text"}, {"A": {"member": "text"}}),
        ({"A.²": "x"}, {"A": {"²": "x"}}),
    ],
)
def test_flat_names_are_nested(flat, nested):
    assert nest(flat) == nested


@pytest.mark.parametrize("flat", [{"A": "1", "A.b": "2"}, {"A.b": "1", "A": "2"}])
def test_a_name_that_is_value_and_parent_is_refused(flat):
    with pytest.raises(ValueError, match="A"):
        nest(flat)


@given(st.dictionaries(st.text(alphabet="A.m1é", max_size=8), st.text(max_size=3), max_size=6))
def test_no_flat_names_break_the_reader(flat):
    try:
        assert isinstance(nest(flat), dict)
    except ValueError as error:
        assert str(error)


# --- S3


S3_OPERATIONS = [
    name
    for name in service_model("s3").operation_names
    if not service_model("s3").operation_model(name).deprecated
    and name
    not in {
        "WriteGetObjectResponse",  # goes to a host of its own
        "ListDirectoryBuckets",  # the same request as ListBuckets, to another host
    }
]


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_every_s3_operation_is_recognized_from_what_botocore_sends(style):
    s3 = boto3.client(
        "s3",
        "eu-west-3",
        aws_access_key_id=root_access_key(ACCOUNT),
        aws_secret_access_key="x",
        config=Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    wrong = {}
    for name in S3_OPERATIONS:
        shape = service_model("s3").operation_model(name).input_shape
        parameters = {**(example(shape) if shape else {})}
        parameters.update({key: "bucket" for key in ("Bucket",) if key in parameters})
        sent = sent_by(s3, name, parameters)
        wire = read_wire("s3", sent, sent.url)
        expected = {key: parameters[key] for key in ("Bucket", "Key") if key in parameters}
        seen = {key: wire.parameters[key] for key in ("Bucket", "Key") if key in wire.parameters}
        if (wire.operation, wire.region, seen) != (name, "eu-west-3", expected):
            wrong[name] = (wire.operation, wire.region, seen)
    assert wrong == {}


def test_s3s_parameters_come_from_path_query_and_headers():
    headers = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/a"}
    request = AWSPreparedRequest("PUT", "", HeadersDict(headers), b"body", stream_output=False)
    wire = read_wire("s3", request, "https://b.s3.eu-west-3.amazonaws.com/a%2Fb/%20c?partNumber=2&uploadId=u")
    assert (wire.operation, wire.access_key, wire.body) == ("UploadPart", None, b"")
    assert wire.parameters == {"Bucket": "b", "Key": "a/b/ c", "PartNumber": "2", "UploadId": "u"}
    wire = read_wire("s3", request, "https://s3.eu-west-3.amazonaws.com/b/k")
    assert (wire.operation, wire.parameters["SSEKMSKeyId"], wire.parameters["ServerSideEncryption"]) == (
        "PutObject",
        "alias/a",
        "aws:kms",
    )


def test_what_is_no_operation_of_s3_is_refused():
    request = AWSPreparedRequest("PATCH", "", HeadersDict(), b"", stream_output=False)
    refused = read_wire("s3", request, "https://s3.amazonaws.com/b/k")
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.status) == ("MethodNotAllowed", 405)


# --- what clients of ours declare


network = st.builds(Network, st.none() | st.just("203.0.113.7"), st.none() | st.just("vpce-1"), st.booleans())
context = st.dictionaries(st.sampled_from(["aws:a", "kms:b"]), st.text() | st.lists(st.text()).map(tuple))


@given(st.builds(Declared, network, st.none() | st.just("s3.us-east-1.amazonaws.com"), context))
def test_what_is_declared_is_read_back(declared):
    headers = write_declared(declared)
    assert all(value.isascii() for value in headers.values())
    assert read_declared(headers) == declared


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-kmssim-network", "{"),
        ("x-kmssim-network", "[]"),
        ("x-kmssim-network", '{"source_ip": 1}'),
        ("x-kmssim-network", '{"secure_transport": "yes"}'),
        ("x-kmssim-network", '{"planet": "mars"}'),
        ("x-kmssim-context", '{"aws:a": 1}'),
        ("x-kmssim-context", '{"aws:a": ["b", 1]}'),
        ("x-kmssim-context", "[" * 100_000),
    ],
)
def test_a_broken_declaration_is_refused_by_its_name(header, value):
    refused = kms_wire("ListKeys", {}, {header: value})
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.message.startswith(header)) == ("ValidationException", True)


@pytest.mark.parametrize(
    ("peer", "heeded"), [(None, True), ("127.0.0.1", True), ("::1", True), ("203.0.113.9", False), ("unix:", False)]
)
def test_declarations_are_heeded_from_this_machine_only(peer, heeded):
    headers = write_declared(Declared(Network(source_ip="203.0.113.7"), "s3.amazonaws.com", {"aws:a": "b"}))
    declared = kms_wire("ListKeys", {}, headers, peer).declared
    assert (declared != Declared()) == heeded


# --- KMS calls


def call_of(operation, parameters, headers=None, **lookups):
    lookups = {"grant_of": lambda token: f"grant-of-{token}", **lookups}
    return to_call(kms_wire(operation, parameters, headers), root_user(ACCOUNT), **lookups)


def sealed(name):
    return seal(Header(name, "ab" * 32), bytes(32), b"secret", {})


def b64(data):
    return base64.b64encode(data).decode()


def test_a_call_has_boto3s_parameters_without_bytes_and_without_tokens():
    call = call_of(
        "ReEncrypt",
        {
            "CiphertextBlob": b64(sealed(KEY_ARN)),
            "SourceEncryptionContext": {"tenant": "a"},
            "DestinationKeyId": "alias/a",
            "GrantTokens": ["t1", "t2"],
            "DryRun": True,
        },
    )
    assert (call.operation, call.region, call.principal) == ("kms:ReEncrypt", "eu-west-3", root_user(ACCOUNT))
    assert call.parameters == {
        "SourceEncryptionContext": {"tenant": "a"},
        "DestinationKeyId": "alias/a",
        "DryRun": True,
    }
    assert call.ciphertext == Ciphertext(KEY_ARN)
    assert call.grant_tokens == ("grant-of-t1", "grant-of-t2")
    assert (call.network, call.via, call.context) == (Network(), None, {})


def test_a_grant_is_retired_by_its_one_token():
    call = call_of("RetireGrant", {"GrantToken": "t"})
    assert (call.parameters, call.grant_tokens) == ({}, ("grant-of-t",))


def test_bytes_are_left_out_at_every_depth():
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b64(b"x")}
    assert call_of("Decrypt", {"CiphertextBlob": "", "Recipient": recipient}).parameters == {
        "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    }


@pytest.fixture(scope="module")
def kms():
    keys = {"aws_access_key_id": root_access_key(ACCOUNT), "aws_secret_access_key": "x"}
    return boto3.client("kms", "eu-west-3", config=Config(parameter_validation=False), **keys)


@pytest.mark.parametrize("operation", service_model("kms").operation_names)
def test_every_operation_becomes_a_call_without_bytes(operation, kms):
    """What botocore really sends with every parameter, read back."""
    shape = service_model("kms").operation_model(operation).input_shape
    full = {name: example(member) for name, member in shape.members.items()} if shape else {}
    sent = sent_by(kms, operation, full)
    wire = read_wire("kms", sent, sent.url)
    call = to_call(wire, root_user(ACCOUNT), grant_of=str)
    bytes_ = {name for name, value in full.items() if isinstance(value, bytes)}
    assert call.name == operation
    assert set(call.parameters) == set(full) - bytes_ - {"GrantTokens", "GrantToken"}
    assert call.grant_tokens == (("example",) if {"GrantTokens", "GrantToken"} & set(full) else ())


@pytest.mark.parametrize(
    ("policy", "read"),
    [
        ('{"Version": "2012-10-17"}', {"Version": "2012-10-17"}),
        ("{not json", "{not json"),
        ("[]", "[]"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_policy_is_a_document_where_its_text_is_one(policy, read):
    assert call_of("PutKeyPolicy", {"Policy": policy}).parameters == {"Policy": read}


def test_declarations_reach_the_call():
    headers = write_declared(Declared(Network(vpc_endpoint="vpce-1"), "s3.amazonaws.com", {"AWS:A": ("b",)}))
    call = call_of("ListKeys", {}, headers)
    assert (call.network.vpc_endpoint, call.via, call.context) == ("vpce-1", "s3.amazonaws.com", {"aws:a": ("b",)})


def test_a_service_can_be_the_caller():
    principal = service_principal("logs.amazonaws.com")
    call = to_call(kms_wire("ListKeys", {}), principal, grant_of=str)
    assert call.principal is principal


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        (KEY_ARN, KEY_ARN),
        (
            "arn:aws:kms:us-west-2:444455556666:key/somewhere-else",
            "arn:aws:kms:us-west-2:444455556666:key/somewhere-else",
        ),
        # related multi-Region keys share their material, whose name has no Region
        (f"arn:aws:kms::{ACCOUNT}:key/mrk-1", f"arn:aws:kms:eu-west-3:{ACCOUNT}:key/mrk-1"),
    ],
)
def test_a_ciphertext_names_the_key_that_made_it_by_its_arn(name, arn):
    assert call_of("Decrypt", {"CiphertextBlob": b64(sealed(name))}).ciphertext == Ciphertext(arn)


@pytest.mark.parametrize("blob", [b"garbage" * 20, b"", bytes(96), sealed(KEY_ARN)[:60]])
def test_what_is_no_ciphertext_names_no_key(blob):
    assert call_of("Decrypt", {"CiphertextBlob": b64(blob)}).ciphertext is None


def test_what_botocores_clients_do_to_their_model_of_s3_is_not_done_to_the_gates():
    """They take the bucket out of the paths of the model that they were given."""
    session = boto3.Session(botocore_session=new_session(), region_name="us-east-1")
    with mock_aws():
        s3 = session.client("s3")
        s3.create_bucket(Bucket="data")
        s3.put_object(Bucket="data", Key="a/b", Body=b"x")
    theirs = s3.meta.service_model.operation_model("PutObject").http["requestUri"]
    ours = service_model("s3").operation_model("PutObject").http
    assert (theirs, ours["requestUri"], ours.get("authPath")) == ("/{Key+}", "/{Bucket}/{Key+}", None)


def test_of_s3_the_body_is_read_only_where_it_is_a_buckets_policy():
    for url, body in (("https://data.s3.amazonaws.com/?policy", b"{}"), ("https://data.s3.amazonaws.com/key", b"")):
        wire = read_wire("s3", AWSPreparedRequest("PUT", url, HeadersDict(), b"{}", stream_output=False), url)
        assert wire.body == body
