"""Bounded fuzzing of the wire: whatever arrives is answered as KMS answers, and afterwards the sandbox decides rightly.

The requests are the same in each run: they follow from SEED. `KMSSIM_FUZZ_SEED` and `KMSSIM_FUZZ_REQUESTS` look further.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber
from moto.server import ThreadedMotoServer

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Grant, Key, Role, World
from kmssim.sandbox.identity import root_access_key
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.service_models import service_model

SEED = int(os.environ.get("KMSSIM_FUZZ_SEED", "20260101"))
REQUESTS = int(os.environ.get("KMSSIM_FUZZ_REQUESTS", "10000"))
OVER_HTTP = REQUESTS // 20
BETWEEN_RESTORES = 1000

HERE, REGION = "111122223333", "us-east-1"
KEYS = tuple(f"1234abcd-12ab-34cd-56ef-{number:012}" for number in range(5))
ADMIN, READER = (f"arn:aws:sts::{HERE}:assumed-role/{name}/job" for name in ("admin", "reader"))
OPERATIONS = sorted(service_model("kms").operation_names)


def world() -> World:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.IDENTITY)
    roles = {
        "admin": Role(f"arn:aws:iam::{HERE}:role/admin", "admin", policies=(policy,)),
        "reader": Role(f"arn:aws:iam::{HERE}:role/reader", "reader"),
    }
    grant = Grant("a" * 64, "reads", ("Decrypt",), HERE, grantee=roles["reader"].arn)
    kinds = (
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "KEY_AGREEMENT"),
    )
    keys = tuple(
        Key(key, REGION, HERE, default_key_policy(HERE), spec=spec, usage=usage)
        for key, (spec, usage) in zip(KEYS, kinds, strict=True)
    )
    first = replace(keys[0], grants=(grant,), aliases=("alias/app",), tags={"team": "shop"})
    return World({HERE: Account(HERE, roles=roles, keys=(first, *keys[1:]))})


@dataclass(frozen=True)
class Sent:
    """A request as it is put on the wire."""

    target: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    path: str = "/"


ODD_TEXTS = (
    "", " ", "\0", "\ud800", "ü" * 40, "x" * 3000, "'\"<&>%s{0}", "arn:", "arn:aws:kms:::key/", "alias/", "-1", "null",
    "../../etc/passwd", f"arn:aws:kms:{REGION}:{HERE}:key/{KEYS[0]}", f"arn:aws:kms:eu-west-1:{HERE}:key/{KEYS[1]}",
    f"arn:aws:iam::{HERE}:role/reader", "mrk-" + "0" * 32, "\u202e", "{}", "[]", "AAAA", "=" * 9, "🗝",
)  # fmt: skip
ODD_VALUES = (
    None, True, False, 0, -1, 2**31, 2**63, 10**400, 1.5, 1e308, [], {}, [[]], [None], [{}], {"": ""}, {"a": None},
    ["x"] * 60, {"a": {"b": "c"}},
)  # fmt: skip
ODD_HEADERS = {
    "Content-Type": (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "a" * 900,
    ),
    "Content-Encoding": ("gzip", "br", "x"),
    "X-Amz-Date": ("", "yesterday", "99999999T999999Z"),
    "X-Amz-Security-Token": ("", "x", "x" * 5000),
    "x-kmssim-network": ("", "{", "[]", '{"source_ip": 5}', '{"source_ip": "not an address"}', '{"vpc_endpoint": "x"}'),
    "x-kmssim-context": ("", "{", '{"aws:x": []}', '{"kms:ViaService": "\\ud800"}', '{"aws:CurrentTime": "never"}'),
    "x-kmssim-via": ("", "s3", "\xff", "x" * 900),
    "x-moto-account-id": ("", "999999999999", "x"),
    "amz-sdk-request": ("attempt=9999999999", "attempt=-1"),
    "User-Agent": ("", "\xff" * 9),
}


class Fuzzer:
    """Makes requests out of what the service's model admits, and spoils them."""

    def __init__(self, seed: int, tokens: dict[str, str], ciphertexts: list[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311 (the same each time is what is wanted)
        self.tokens = tokens
        self.ciphertexts = ciphertexts
        self.spoilers = (
            self.flip_bytes, self.cut, self.change_value, self.change_value, self.change_text, self.nest, self.headers,
            self.double_a_member, self.encode, self.drop_member, self.path, self.other_target,
            self.leave, self.leave, self.leave,
        )  # fmt: skip

    def request(self) -> Sent:
        operation = self.random.choice(OPERATIONS)
        shape = service_model("kms").operation_model(operation).input_shape
        body = json.dumps(self.structure(shape) if shape else {}).encode()
        access_key = self.random.choice((root_access_key(HERE), *self.tokens, "AKIANOBODY"))
        scope = f"Credential={access_key}/20260101/{REGION}/kms/aws4_request"
        headers = {"Content-Type": "application/x-amz-json-1.1", "Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        if self.tokens.get(access_key):
            headers["X-Amz-Security-Token"] = self.tokens[access_key]
        sent = Sent(f"TrentService.{operation}", body, headers)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            sent = self.random.choice(self.spoilers)(sent)
        return sent

    def structure(self, shape) -> dict:
        chosen = [name for name in shape.members if name in shape.required_members or self.random.random() < 0.2]
        return {name: self.value(shape.members[name], name) for name in chosen}

    def value(self, shape, name: str):  # noqa: PLR0911 - one return for each kind of shape
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape)
        if kind == "list":
            return [self.value(shape.member, name) for _ in range(self.random.randint(0, 2))]
        if kind == "map":
            return {self.random.choice("abc"): self.random.choice("abc")}
        if kind in {"integer", "long"}:
            return self.random.choice((1, 7, 32, 90, 365))
        if kind == "boolean":
            return self.random.random() < 0.3
        if kind == "blob":
            return self.random.choice((*self.ciphertexts, "eA==", base64.b64encode(bytes(64)).decode()))
        if kind == "timestamp":
            return 1767225600
        if shape.enum:
            return self.random.choice(shape.enum)
        return self.text(name)

    def text(self, name: str) -> str:
        if name.endswith("KeyId"):
            return self.random.choice((*KEYS, "alias/app"))
        if name.endswith("Principal"):
            return f"arn:aws:iam::{HERE}:role/reader"
        if name == "Policy":
            return json.dumps(default_key_policy(HERE).document)
        return {"AliasName": "alias/app", "GrantId": "a" * 64, "ReplicaRegion": "eu-west-1"}.get(name, "x")

    def flip_bytes(self, sent: Sent) -> Sent:
        body = bytearray(sent.body)
        for _ in range(self.random.randint(1, 8)):
            if body:
                body[self.random.randrange(len(body))] = self.random.randrange(256)
        return replace(sent, body=bytes(body))

    def cut(self, sent: Sent) -> Sent:
        return replace(sent, body=sent.body[: self.random.randint(0, len(sent.body))])

    def with_members(self, sent: Sent, spoil) -> Sent:
        try:
            members = json.loads(sent.body)
        except (ValueError, RecursionError):
            return sent
        if not isinstance(members, dict) or not members:
            return sent
        spoil(members, self.random.choice(sorted(members)))
        return replace(sent, body=json.dumps(members).encode())

    def change_value(self, sent: Sent) -> Sent:
        return self.with_members(sent, lambda members, name: members.update({name: self.random.choice(ODD_VALUES)}))

    def change_text(self, sent: Sent) -> Sent:
        return self.with_members(sent, lambda members, name: members.update({name: self.random.choice(ODD_TEXTS)}))

    def drop_member(self, sent: Sent) -> Sent:
        return self.with_members(sent, lambda members, name: members.pop(name))

    def nest(self, sent: Sent) -> Sent:
        depth = self.random.choice((50, 900, 5000))
        opening, closing = self.random.choice((("[", "]"), ('{"a":', "}")))
        deep = f'{{"KeyId": {opening * depth}1{closing * depth}}}'
        return replace(sent, body=deep.encode())

    def headers(self, sent: Sent) -> Sent:
        name = self.random.choice(sorted(ODD_HEADERS))
        return replace(sent, headers={**sent.headers, name: self.random.choice(ODD_HEADERS[name])})

    def double_a_member(self, sent: Sent) -> Sent:
        body = sent.body.strip()
        extra = self.random.choice(
            (b'"KeyId": 5', b'"KeyId": "alias/app"', b'"DryRun": true', b'"Limit": 1', b'"": ""')
        )
        return replace(sent, body=body[:-1] + b", " + extra + b"}" if len(body) > 2 else b"{" + extra + b"}")

    def encode(self, sent: Sent) -> Sent:
        text = sent.body.decode("latin-1")
        code = self.random.choice(("utf-16", "utf-32", "utf-8-sig", "cp500"))
        return replace(sent, body=text.encode(code, "replace"))

    def path(self, sent: Sent) -> Sent:
        method = self.random.choice(("GET", "PUT", "HEAD", "DELETE", "POST"))
        path = self.random.choice(("/", "/?Action=ListKeys", "/?a=1&a=2", "/?%ff=%00", "/?Version=x&Action=Encrypt"))
        return replace(sent, method=method, path=path)

    def other_target(self, sent: Sent) -> Sent:
        odd = ("", "TrentService", "TrentService.", "x" * 2000, "TrentService.Encrypt.Decrypt", "TrentService.__init__")
        return replace(sent, target=self.random.choice((*odd, f"TrentService.{self.random.choice(OPERATIONS)}")))

    def leave(self, sent: Sent) -> Sent:
        return sent


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(world()) as opened:
        yield opened


def fuzzer(sandbox, seed: int) -> Fuzzer:
    signed = [sandbox.sign_in(parse_principal(who)) for who in (ADMIN, READER)]
    kms = sandbox.client("kms", as_=ADMIN)
    blob = kms.encrypt(KeyId=KEYS[0], Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    damaged = bytes([*blob[:-1], blob[-1] ^ 1])
    texts = [base64.b64encode(one).decode() for one in (blob, damaged, blob[: len(blob) // 2])]
    return Fuzzer(seed, {one.access_key: one.token for one in signed}, texts)


def check_answer(sent: Sent, status: int, body: bytes) -> str:
    """An answer of KMS: JSON, an error by name or none, never a fault."""
    assert status < 500, (status, sent, body[:500])
    assert b"Traceback" not in body, sent
    if sent.method == "HEAD":
        return "HEAD"
    answer = json.loads(body or b"{}")
    assert isinstance(answer, dict), (sent, body[:500])
    if status == 200:
        assert "__type" not in answer, (sent, answer)
        return "answered"
    assert isinstance(answer.get("__type"), str), (sent, body[:500])
    assert answer.keys() & {"message", "Message"}, (sent, body[:500])
    return answer["__type"]


def check_decides_rightly(sandbox) -> None:
    assert not sandbox.faults, repr(sandbox.faults) + sandbox.faults[-1].trace
    assert sandbox._enforcement._served == {}
    sandbox.restore()
    assert sandbox.world == world()
    admin, reader = (sandbox.client("kms", as_=who) for who in (ADMIN, READER))
    blob = admin.encrypt(KeyId="alias/app", Plaintext=b"secret")["CiphertextBlob"]
    assert reader.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"
    with pytest.raises(ClientError, match="AccessDeniedException"):
        reader.encrypt(KeyId=KEYS[0], Plaintext=b"x")
    assert [decision.word for decision in sandbox.decisions[-3:]] == ["ALLOW", "ALLOW", "DENY"]


def test_ten_thousand_spoiled_requests_are_answered_as_kms_answers(sandbox):
    sandbox.faults.clear()
    route, makes = BotocoreStubber().process_request, fuzzer(sandbox, SEED)
    seen: Counter[str] = Counter()
    started = time.process_time()
    for number in range(REQUESTS):
        if number % BETWEEN_RESTORES == BETWEEN_RESTORES - 1:
            sandbox.restore()
            sandbox.decisions.clear()
            makes.tokens = fuzzer(sandbox, 0).tokens
        sent = makes.request()
        headers = {**sent.headers, "X-Amz-Target": sent.target}
        url = f"https://kms.{REGION}.amazonaws.com{sent.path}"
        status, _, body = route(AWSRequest(sent.method, url, headers, sent.body).prepare())
        seen[check_answer(sent, int(status), body if isinstance(body, bytes) else body.encode())] += 1
    took = time.process_time() - started
    check_decides_rightly(sandbox)
    assert len(seen) > 12, seen
    assert 0.02 < seen["answered"] / REQUESTS < 0.9, seen
    assert REQUESTS > 10_000 or took < 60, took


def test_spoiled_requests_over_http_are_answered_and_the_server_goes_on(sandbox):
    sandbox.faults.clear()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        makes = fuzzer(sandbox, SEED + 1)
        makes.spoilers = tuple(
            one for one in makes.spoilers if one.__name__ not in {"headers", "path"}
        )  # what the front end answers itself is moto's
        for _ in range(OVER_HTTP):
            sent = makes.request()
            host, port = server.get_host_and_port()
            connection = http.client.HTTPConnection(host, port, timeout=20)
            connection.request(sent.method, "/", sent.body, {**sent.headers, "X-Amz-Target": sent.target})
            answer = connection.getresponse()
            check_answer(sent, answer.status, answer.read())
            connection.close()
    finally:
        server.stop()
    check_decides_rightly(sandbox)
