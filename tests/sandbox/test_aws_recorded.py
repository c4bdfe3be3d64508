"""The sandbox held to answers that AWS gave: each recorded call is made again, and must end as it ended there.

`tests/aws_recorded/README.md` says where the recordings come from. Codes, texts, HTTP status, the set of members and
every value are compared; what differs from run to run is a placeholder in the recording, which stands for one value
throughout its test. What does not agree is in DIFFERS, each with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from evaluator.building import allow, policy
from sandbox import recorded_s3, recorded_sts
from sandbox.recorded_kms import Kms, replay

from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Role, User, World
from kmssim.sandbox.sandbox import Sandbox

ACCOUNT = "111111111111"
ADMINISTRATOR = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/recorder"
RECORDER = f"arn:aws:iam::{ACCOUNT}:user/recorder"
BESIDE_KMS = {**recorded_s3.REPLAYS, **recorded_sts.REPLAYS}
RECORDINGS = Path(__file__).parent.parent / "aws_recorded"
KMS_RECORDING, S3_RECORDING, STS_RECORDING = "kms.snapshot.json", "s3-kms.snapshot.json", "sts.snapshot.json"


def recorded_in(name: str) -> dict[tuple[str, str], Any]:
    """The answers of a recording, by test and label."""
    return {
        (test.split("::")[-1], label): answer
        for test, recording in json.loads((RECORDINGS / name).read_text()).items()
        for label, answer in recording["recorded-content"].items()
    }


_BY_MOTO = "about the encryption of a bucket, which moto keeps; its own answer"
_ROLE_BY_MOTO = "CreateRole of IAM, which moto serves; it tells MaxSessionDuration and RoleLastUsed as well"
NOT_SERVED = {
    ("test_s3_sse_bucket_key_default", "put-bucket-encryption"): _BY_MOTO,
    ("test_s3_sse_bucket_key_default", "get-bucket-encryption"): _BY_MOTO,
    ("test_s3_sse_default_kms_key", "put-bucket-encryption-default-kms-s3-key"): _BY_MOTO,
    ("test_s3_sse_default_kms_key", "get-bucket-encryption-default-kms-s3-key"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "get-bucket-enc-no-bucket"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "delete-bucket-enc-no-bucket"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "put-bucket-enc-no-bucket"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "put-bucket-encryption-no-rules"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "put-bucket-encryption-two-rules"): _BY_MOTO,
    ("test_s3_default_bucket_encryption_exc", "put-bucket-encryption-kms-with-aes"): _BY_MOTO,
    ("test_s3_bucket_encryption_sse_kms_aws_managed_key", "put-bucket-enc"): _BY_MOTO,
    ("test_s3_bucket_encryption_sse_kms_aws_managed_key", "get-bucket-enc"): _BY_MOTO,
    ("test_s3_bucket_encryption_sse_kms", "put-bucket-enc"): _BY_MOTO,
    ("test_s3_bucket_encryption_sse_kms", "get-bucket-enc"): _BY_MOTO,
    ("test_s3_bucket_encryption_sse_kms", "put-bucket-enc-bucket-key-disabled"): _BY_MOTO,
    ("test_assume_role", "role-session-name"): "no answer, but what the test was about to send",
    ("test_assume_role", "create-role"): _ROLE_BY_MOTO,
    ("test_assume_role_tag_validation", "role-1"): _ROLE_BY_MOTO,
    ("test_iam_role_chaining_override_transitive_tags", "role-1"): _ROLE_BY_MOTO,
    ("test_iam_role_chaining_override_transitive_tags", "role-2"): _ROLE_BY_MOTO,
}
"""What was recorded on the way to the answers that the sandbox gives."""

OF_S3 = recorded_in(S3_RECORDING)
EVERY = {**recorded_in(KMS_RECORDING), **OF_S3, **recorded_in(STS_RECORDING)}
RECORDED = {place: answer for place, answer in EVERY.items() if place not in NOT_SERVED}
_OLDER_ENUMERATION = (
    "the text lists the values of the enumeration as they were in 2023 and 2024, in an order without a rule; the sandbox "
    "lists those of the service model of today"
)
_OLDER_MEMBERS = (
    "recorded in 2024, before AWS told the id of the key material; the service model of today has the member"
)
DIFFERS: dict[tuple[str, str], str] = {
    ("test_hmac_create_key_invalid_operations", "create-hmac-key-invalid-spec"): _OLDER_ENUMERATION,
    ("test_hmac_create_key_invalid_operations", "create-hmac-key-invalid-key-usage"): _OLDER_ENUMERATION,
    ("test_invalid_generate_mac[HMAC_256-INVALID]", "generate-mac"): _OLDER_ENUMERATION,
    ("test_invalid_verify_mac[HMAC_256-INVALID-some important message]", "verify-mac"): _OLDER_ENUMERATION,
    (
        "test_generate_data_key_pair_without_plaintext",
        "generate-data-key-pair-without-plaintext",
    ): _OLDER_MEMBERS,
    ("test_generate_data_key_pair", "generate-data-key-pair"): _OLDER_MEMBERS,
    ("test_generate_data_key", "generate-data-key-result"): _OLDER_MEMBERS,
    ("test_generate_data_key_without_plaintext", "generate-data-key-without-plaintext"): _OLDER_MEMBERS,
    ("test_re_encrypt[SYMMETRIC_DEFAULT-SYMMETRIC_DEFAULT]", "test_re_encrypt"): _OLDER_MEMBERS,
    (
        "test_rotate_key_on_demand_raises_error_given_key_with_imported_key_material",
        "error-response",
    ): "recorded in March 2025; since then imported material rotates, and the key waits for its first import (ST-6)",
}
AGREE, RECORDED_ANSWERS = 286, 296


@pytest.fixture(scope="module")
def sandbox():
    everything = (policy("identity", allow("*")),)
    admin = Role(f"arn:aws:iam::{ACCOUNT}:role/admin", "admin", policies=everything)
    recorder = User(RECORDER, "recorder", everything)
    account = Account(ACCOUNT, users={"recorder": recorder}, roles={"admin": admin})
    with Sandbox(World({ACCOUNT: account}), PYTHON) as opened:
        yield opened


@pytest.fixture(scope="module")
def answers(sandbox):
    """The answers of a test's calls by their labels, each test in an empty account."""
    found: dict[str, dict[str, Any]] = {}

    def of(test: str) -> dict[str, Any]:
        if test not in found:
            sandbox.restore()
            client = _clients(sandbox, RECORDER if test in recorded_sts.REPLAYS else ADMINISTRATOR)
            if test in BESIDE_KMS:
                found[test] = {label: _read_body(answer) for label, answer in BESIDE_KMS[test](client)}
            else:
                found[test] = replay(Kms(lambda region: client("kms", region)), test)
        return found[test]

    return of


def _read_body(answer: Any) -> Any:
    return {**answer, "Body": answer["Body"].read().decode()} if "Body" in answer else answer


def _clients(sandbox: Sandbox, who: str) -> Callable[..., Any]:
    """Clients of somebody who may do everything, that check nothing before they send."""
    credentials = sandbox.sign_in(parse_principal(who))

    @cache
    def client(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )

    return client


_BYTES = {
    "ciphertext-blob", "plaintext", "public-key", "import-token", "shared-secret", "private-key-ciphertext-blob",
    "private-key-plaintext", "<signature>", "<mac>",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"<[\w-]+(?::\d+)?>")


def differences(recorded: Any, observed: Any, bound: dict[str, str], at: str = "$") -> list[str]:
    """Where an answer is not as recorded."""
    if isinstance(recorded, dict):
        if not isinstance(observed, dict):
            return [f"{at}: {observed!r} is no structure"]
        if recorded.keys() != observed.keys():
            return [f"{at}: members {sorted(observed)}, recorded {sorted(recorded)}"]
        return [
            each for name in recorded for each in differences(recorded[name], observed[name], bound, f"{at}.{name}")
        ]
    if isinstance(recorded, list) and isinstance(observed, list) and len(recorded) == len(observed):
        pairs = enumerate(zip(recorded, observed, strict=True))
        return [each for place, pair in pairs for each in differences(*pair, bound, f"{at}[{place}]")]
    return [] if is_same(recorded, observed, bound) else [f"{at}: {observed!r}, recorded {recorded!r}"]


def is_same(recorded: Any, observed: Any, bound: dict[str, str]) -> bool:
    """Whether a value is the recorded one. Bytes and dates are not recorded, only that there are some."""
    if recorded in {"datetime", "<datetime>"}:
        return isinstance(observed, datetime)
    if isinstance(observed, bytes):
        return recorded in _BYTES and bool(observed)
    if not isinstance(recorded, str) or not isinstance(observed, str):
        return type(recorded) is type(observed) and recorded == observed
    names = _PLACEHOLDER.findall(recorded)
    fixed = [re.escape(text) for text in _PLACEHOLDER.split(recorded)]
    found = re.fullmatch("(.+)".join(fixed), observed)
    return found is not None and all(
        _is_bound(bound, name, text) for name, text in zip(names, found.groups(), strict=True)
    )


def _is_bound(bound: dict[str, str], name: str, text: str) -> bool:
    """A numbered placeholder stands for one value throughout a test, two of one kind for different ones."""
    if ":" not in name:
        return True
    kind = name.split(":", maxsplit=1)[0]
    others = {value for other, value in bound.items() if other != name and other.startswith(kind + ":")}
    return bound.setdefault(name, text) == text and text not in others


def reduced(answer: Any) -> Any:
    """What a recording keeps of an answer: of the HTTP headers nothing, of a policy its JSON."""
    if not isinstance(answer, dict):
        return answer
    kept = {name: value for name, value in answer.items() if name not in {"ResponseMetadata", "message", "Error"}}
    if "ReplicaPolicy" in kept and isinstance(kept["ReplicaPolicy"], str):
        kept["ReplicaPolicy"] = json.loads(kept["ReplicaPolicy"])
    if "ResponseMetadata" in answer:
        kept["HTTPStatusCode"] = answer["ResponseMetadata"]["HTTPStatusCode"]
    if "Error" in answer:
        kept |= {name: answer["Error"][name] for name in ("Code", "Message")}
    return kept


_OF_MOTOS_STORE = re.compile(
    "AcceptRanges|Bucket|Checksum.*|Content.*|CopyObjectResult|ETag|Key|LastModified|Location|Metadata|UploadId|VersionId"
)


def compared(place: tuple[str, str], answer: Any) -> Any:
    """What of an answer is held to the recording: of S3's, how the object is encrypted; what else S3 says is moto's."""
    kept = reduced(answer)
    if place not in OF_S3 or "HTTPStatusCode" not in kept:
        return kept
    return {name: value for name, value in kept.items() if not _OF_MOTOS_STORE.fullmatch(name)}


def found_differences(answers, test: str, label: str) -> list[str]:
    """Compare one answer; the placeholders are those of the whole test up to it."""
    made, bound = answers(test), {}
    for earlier in [name for of, name in RECORDED if of == test]:
        if earlier not in made:
            return (
                [f"no answer: {made.get('the replay ended early', 'it was not replayed')}"] if earlier == label else []
            )
        place = (test, earlier)
        found = differences(compared(place, RECORDED[place]), compared(place, made[earlier]), bound)
        if earlier == label:
            return found
    return ["not recorded"]


@pytest.mark.parametrize(("test", "label"), [pytest.param(*each, id=" / ".join(each)) for each in RECORDED])
def test_the_answer_is_as_aws_recorded_it(answers, test, label):
    found = found_differences(answers, test, label)
    if (test, label) in DIFFERS:
        assert found, "it agrees by now: take it out of DIFFERS"
    else:
        assert found == []


def test_every_difference_is_about_a_recorded_answer_and_the_share_that_agrees_is_stated():
    assert DIFFERS.keys() <= RECORDED.keys()
    assert len(RECORDED) == RECORDED_ANSWERS
    assert len(RECORDED) - len(DIFFERS) == AGREE


def test_every_recording_is_replayed_and_what_is_left_out_of_it_was_recorded():
    held = {path.name for path in RECORDINGS.glob("*.snapshot.json")}
    assert held == {KMS_RECORDING, S3_RECORDING, STS_RECORDING}
    assert NOT_SERVED.keys() <= EVERY.keys()
