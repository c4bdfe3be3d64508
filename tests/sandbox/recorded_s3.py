"""The calls behind AWS's recorded refusals of S3 that come from KMS, as `sandbox.recorded_kms` has those of KMS."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

Replays = Iterator[tuple[str, Any]]
_FAR = "eu-west-1"
_MISSING = "134f2428-cec1-4b25-a1ae-9048164dba47"


def _ended(call: Callable[..., Any], **parameters: Any) -> Any:
    try:
        return call(**parameters)
    except ClientError as error:
        return error.response


def _bucket(s3: Any) -> str:
    name = f"recorded-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


def _wrong_keys(client: Callable[..., Any]) -> Replays:
    s3, far = client("s3"), client("kms", _FAR).create_key()["KeyMetadata"]
    bucket = _bucket(s3)
    sent = {"Bucket": bucket, "Key": "key", "ServerSideEncryption": "aws:kms"}

    def put(key: str) -> Any:
        return _ended(s3.put_object, Body=b"test-sse", SSEKMSKeyId=key, **sent)

    yield "put-obj-wrong-kms-key", put("fake-key-id")
    yield "put-obj-wrong-kms-key-real-uuid", put(_MISSING)
    yield "put-obj-wrong-kms-key-real-uuid-arn", put(f"arn:aws:kms:us-east-1:111111111111:key/{_MISSING}")
    yield "put-obj-different-region-kms-key", put(far["Arn"])
    yield "put-obj-different-region-kms-key-no-arn", put(far["KeyId"])
    yield "create-multipart-wrong-kms-key", _ended(s3.create_multipart_upload, SSEKMSKeyId="fake-key-id", **sent)
    s3.put_object(Bucket=bucket, Key="source", Body=b"test-sse")
    source = {"Bucket": bucket, "Key": "source"}
    yield "copy-obj-wrong-kms-key", _ended(s3.copy_object, CopySource=source, SSEKMSKeyId="fake-key-id", **sent)


def _key_states(client: Callable[..., Any]) -> Replays:
    s3, kms = client("s3"), client("kms")
    bucket, key = _bucket(s3), kms.create_key()["KeyMetadata"]["Arn"]
    sent = {"Bucket": bucket, "Key": "key", "Body": b"test-sse", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(**sent)
    kms.disable_key(KeyId=key)
    yield "get-obj-disabled-key", _ended(s3.get_object, Bucket=bucket, Key="key")
    yield "put-obj-disabled-key", _ended(s3.put_object, **sent)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    yield "get-obj-pending-deletion-key", _ended(s3.get_object, Bucket=bucket, Key="key")


REPLAYS: Mapping[str, Callable[..., Replays]] = {
    "test_s3_sse_validate_kms_key": _wrong_keys,
    "test_s3_sse_validate_kms_key_state": _key_states,
}
