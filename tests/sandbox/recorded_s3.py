"""The calls behind AWS's recorded answers of S3 under SSE-KMS, as `sandbox.recorded_kms` has those of KMS."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

Replays = Iterator[tuple[str, Any]]
_FAR = "eu-west-1"
_MISSING = "134f2428-cec1-4b25-a1ae-9048164dba47"
_KMS = {"ServerSideEncryption": "aws:kms"}


def _ended(call: Callable[..., Any], **parameters: Any) -> Any:
    try:
        return call(**parameters)
    except ClientError as error:
        return error.response


def _bucket(s3: Any) -> str:
    name = f"recorded-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


def _key(client: Callable[..., Any], region: str = "us-east-1") -> dict[str, Any]:
    made: dict[str, Any] = client("kms", region).create_key(Description="of a recorded test")["KeyMetadata"]
    return made


def _by_default(s3: Any, bucket: str, key: str | None, *, bucket_key: bool = True) -> None:
    named = {"KMSMasterKeyID": key} if key else {}
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", **named},
        "BucketKeyEnabled": bucket_key,
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _wrong_keys(client: Callable[..., Any]) -> Replays:
    s3, far = client("s3"), _key(client, _FAR)
    yield "create-kms-key", far
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
    bucket, made = _bucket(s3), _key(client)
    yield "create-kms-key", made
    key = made["Arn"]
    sent = {"Bucket": bucket, "Key": "key", "Body": b"test-sse", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    yield "success-put-object-sse", s3.put_object(**sent)
    yield "success-get-object-sse", s3.get_object(Bucket=bucket, Key="key")
    kms.disable_key(KeyId=key)
    yield "get-obj-disabled-key", _ended(s3.get_object, Bucket=bucket, Key="key")
    yield "put-obj-disabled-key", _ended(s3.put_object, **sent)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    yield "get-obj-pending-deletion-key", _ended(s3.get_object, Bucket=bucket, Key="key")


def _copied_under_a_key(client: Callable[..., Any]) -> Replays:
    s3, key = client("s3"), _key(client)["Arn"]
    source, copy = ({"Bucket": _bucket(s3), "Key": name} for name in ("hello", "copy"))
    s3.put_object(Body=b"hello world", **source)
    yield "get-object", s3.get_object(**source)
    yield "copy-object", s3.copy_object(CopySource=source, SSEKMSKeyId=key, BucketKeyEnabled=True, **_KMS, **copy)
    yield "get-copied-object", s3.get_object(**copy)


def _in_parts(client: Callable[..., Any]) -> Replays:
    s3, key = client("s3"), _key(client)["Arn"]
    sent = {"Bucket": _bucket(s3), "Key": "test-sse-field-multipart"}
    begun = s3.create_multipart_upload(SSEKMSKeyId=key, BucketKeyEnabled=True, **_KMS, **sent)
    yield "multi-sse-create-multipart", begun
    upload = {**sent, "UploadId": begun["UploadId"]}
    part = s3.upload_part(Body=b"test-sse", PartNumber=1, **upload)
    yield "multi-sse-upload-part", part
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    yield "multi-sse-compete-multipart", s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    yield "get-obj", s3.get_object(**sent)


def _by_the_buckets_key(client: Callable[..., Any]) -> Replays:
    s3, key = client("s3"), _key(client)["Arn"]
    bucket = _bucket(s3)
    before, after = ({"Bucket": bucket, "Key": name} for name in ("before", "after"))
    yield "put-obj-default-before-setting", s3.put_object(Body=b"test-sse", **before)
    yield "get-obj-default-before-setting", s3.get_object(**before)
    _by_default(s3, bucket, key)
    yield "get-obj-default-after-setting", s3.get_object(**before)
    yield "put-obj-after-setting", s3.put_object(Body=b"test-sse", **after)
    yield "get-obj-after-setting", s3.get_object(**after)


def _by_no_named_key(client: Callable[..., Any]) -> Replays:
    s3 = client("s3")
    first, second = ({"Bucket": _bucket(s3), "Key": "key"} for _ in range(2))
    yield "put-obj-default-kms-s3-key", s3.put_object(Body=b"test-sse", **_KMS, **first)
    yield "get-obj-default-kms-s3-key", s3.get_object(**first)
    yield "put-obj-default-kms-s3-key-bucket-2", s3.put_object(Body=b"test-sse", **_KMS, **second)
    yield "get-obj-default-kms-s3-key-bucket-2", s3.get_object(**second)
    _by_default(s3, second["Bucket"], None)
    yield "put-obj-default-kms-s3-key-from-bucket", s3.put_object(Body=b"test-sse", **second)
    yield "get-obj-default-kms-s3-key-from-bucket", s3.get_object(**second)


def _copied_in_place(client: Callable[..., Any]) -> Replays:
    s3, key = client("s3"), _key(client)["Arn"]
    place = {"Bucket": _bucket(s3), "Key": "source"}
    put = s3.put_object(Body=b"test", BucketKeyEnabled=True, SSEKMSKeyId=key, **_KMS, **place)
    yield "put-object-with-kms-encryption", put
    yield "head-object", s3.head_object(**place)
    for name, sent in (("sse", _KMS), ("without-kms-sse", {}), ("aes", {"ServerSideEncryption": "AES256"})):
        label = name if name.startswith("without") else f"with-{name}"
        copied = s3.copy_object(CopySource=place, StorageClass="STANDARD", **sent, **place)
        yield f"copy-object-in-place-{label}", copied
        yield f"head-copy-{label}", s3.head_object(**place)


def _by_the_managed_key(client: Callable[..., Any]) -> Replays:
    s3 = client("s3")
    place = {"Bucket": _bucket(s3), "Key": "key"}
    _by_default(s3, place["Bucket"], None)
    put = s3.put_object(Body=b"test-encrypted", **place)
    yield "put-object-encrypted", put
    yield "managed-kms-key", client("kms").describe_key(KeyId=put["SSEKMSKeyId"])
    yield "head-object-encrypted", s3.head_object(**place)
    yield "get-object-encrypted", s3.get_object(**place)


def _with_and_without_bucket_key(client: Callable[..., Any]) -> Replays:
    s3, key = client("s3"), _key(client)["KeyId"]
    place = {"Bucket": _bucket(s3), "Key": "key"}
    _by_default(s3, place["Bucket"], key)
    yield "put-object-encrypted", s3.put_object(Body=b"test-encrypted", **place)
    yield "head-object-encrypted", s3.head_object(**place)
    yield "get-object-encrypted", s3.get_object(**place)
    _by_default(s3, place["Bucket"], key, bucket_key=False)
    yield "put-object-encrypted-bucket-key-disabled", s3.put_object(Body=b"test-encrypted", **place)


REPLAYS: Mapping[str, Callable[..., Replays]] = {
    "test_copy_object_kms": _copied_under_a_key,
    "test_s3_sse_validate_kms_key": _wrong_keys,
    "test_s3_sse_validate_kms_key_state": _key_states,
    "test_s3_multipart_upload_sse": _in_parts,
    "test_s3_sse_bucket_key_default": _by_the_buckets_key,
    "test_s3_sse_default_kms_key": _by_no_named_key,
    "test_s3_copy_object_in_place_with_encryption": _copied_in_place,
    "test_s3_bucket_encryption_sse_kms_aws_managed_key": _by_the_managed_key,
    "test_s3_bucket_encryption_sse_kms": _with_and_without_bucket_key,
}
