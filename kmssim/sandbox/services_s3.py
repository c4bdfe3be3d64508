"""S3 in front of KMS: an object under SSE-KMS needs S3's permission and then the key's (DS-1 to DS-6).

moto stores objects without asking KMS, and forgets encryption contexts, the key of an object under `aws:kms:dsse` and
the Bucket Key of an upload in parts; they are noted here. What moto stores is the key's ARN, as S3 shows it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote

from botocore.exceptions import ClientError

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.world import Bucket
from kmssim.sandbox.answers import Answer, Refusal, Rewrite
from kmssim.sandbox.front import Front, Outcome, Passed, key_behind, refusal_of
from kmssim.sandbox.read_policy import refuse_policy
from kmssim.sandbox.xml_answers import read_element

_ALGORITHM = "x-amz-server-side-encryption"
_KEY, _BUCKET_KEY = f"{_ALGORITHM}-aws-kms-key-id", f"{_ALGORITHM}-bucket-key-enabled"
_OWN, _TWICE = "AES256", "aws:kms:dsse"
_UNVERSIONED = "null"
_KEY_WITHOUT_KMS = (
    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
)
_NO_CONTEXT = (
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which "
    "represents a string-string map"
)


@dataclass(frozen=True)
class Stored:
    """How an object is encrypted, or an upload that is on its way. `context` is as it came: JSON in base64 (DS-1).

    `customer`: under a key that the caller sends along, of which S3 keeps nothing.
    """

    algorithm: str = _OWN
    key: str | None = None
    bucket_key: bool = False
    context: str | None = None
    customer: bool = False

    @property
    def under_kms(self) -> bool:
        """Whether a KMS key is behind it."""
        return self.algorithm.startswith("aws:kms")

    @property
    def parameters(self) -> Mapping[str, object]:
        """As the evaluator has it: the parameters of PutObject that say the same."""
        said = {"SSEKMSKeyId": self.key, "SSEKMSEncryptionContext": self.context}
        stated = {name: value for name, value in said.items() if value}
        return {"ServerSideEncryption": self.algorithm, "BucketKeyEnabled": self.bucket_key, **stated}

    @property
    def headers(self) -> Mapping[str, str]:
        """As S3 shows it: the Bucket Key only where there is one."""
        if not self.under_kms:
            return {_ALGORITHM: self.algorithm}
        key = {_KEY: self.key} if self.key else {}
        return {_ALGORITHM: self.algorithm, **key, **({_BUCKET_KEY: "true"} if self.bucket_key else {})}


@dataclass
class S3Notes:
    """How objects (by bucket, key and version) and unfinished uploads (by id) are encrypted."""

    objects: dict[tuple[str, str, str], Stored] = field(default_factory=dict)
    uploads: dict[str, Stored] = field(default_factory=dict)


def _bucket(front: Front, name: str | None) -> Bucket | None:
    return front.read().buckets.get(name or "")


def _place(front: Front) -> dict[str, object]:
    return {"Bucket": front.text("Bucket"), "Key": front.text("Key")}


def _read(front: Front) -> Outcome:
    """An object that is not there costs no KMS call; that it is not there, moto says."""
    bucket = _bucket(front, front.text("Bucket"))
    if bucket is None:
        return Passed()
    version = front.text("VersionId")
    held = _held(front, bucket, str(front.text("Key")), version)
    if "SSECustomerAlgorithm" in front.wire.parameters:
        held = Stored(customer=True)
    operation = "HeadObject" if front.wire.operation == "HeadObject" else "GetObject"
    decision = front.ask(operation, _source(bucket.name, str(front.text("Key")), version, held))
    shown = replace(held, key=key_behind(decision) or held.key) if held else None
    return refusal_of(decision) or Passed(finish=lambda answer: _show(answer, shown))


def _source(bucket: str, key: str, version: str | None, held: Stored | None) -> dict[str, object]:
    named = {"VersionId": version} if version else {}
    return {"Bucket": bucket, "Key": key, **named, **(held or Stored()).parameters}


def _held(front: Front, bucket: Bucket, key: str, version: str | None) -> Stored | None:
    """How an object is encrypted; None: it is not there. A note counts while moto holds the object that it is about."""
    s3 = front.clients("s3", bucket.account, bucket.region)
    try:
        shown = s3.head_object(Bucket=bucket.name, Key=key, **({"VersionId": version} if version else {}))
    except ClientError:
        return None
    found = Stored(
        shown.get("ServerSideEncryption", _OWN), shown.get("SSEKMSKeyId"), shown.get("BucketKeyEnabled", False)
    )
    note = front.memory.notes(S3Notes).objects.get((bucket.name, key, shown.get("VersionId", _UNVERSIONED)))
    return note if note and note.algorithm == found.algorithm and found.key in {None, note.key} else found


def _show(answer: Answer, stored: Stored | None) -> Answer | None:
    if stored is None or stored.customer:
        return None
    ours = {_ALGORITHM, _KEY, _BUCKET_KEY}
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in ours}
    return replace(answer, headers={**kept, **stored.headers})


def _wanted(front: Front, bucket: Bucket) -> Stored:
    """How a new object is to be encrypted: as the call says, else as the bucket does; no key means `aws/s3`."""
    sent = front.wire.parameters
    if "SSECustomerAlgorithm" in sent:
        return Stored(customer=True)
    key = front.text("SSEKMSKeyId")
    algorithm = front.text("ServerSideEncryption") or _default_algorithm(front, bucket)
    if not algorithm.startswith("aws:kms"):
        return Stored(algorithm)
    wish = front.text("BucketKeyEnabled")
    bucket_key = bucket.bucket_key if wish is None else wish.lower() == "true"
    named = key or bucket.key or _managed_key(front, bucket)
    context = front.text("SSEKMSEncryptionContext")
    return Stored(algorithm, named, bucket_key and algorithm != _TWICE, context)  # no Bucket Key under DSSE


def _managed_key(front: Front, bucket: Bucket) -> str:
    """`aws/s3` of the account that writes (DS-6)."""
    account = front.principal.account or bucket.account
    return front.managed_key(account, bucket.region, "PutObject", {**_place(front), **Stored().parameters})


def _default_algorithm(front: Front, bucket: Bucket) -> str:
    s3 = front.clients("s3", bucket.account, bucket.region)
    try:
        rules = s3.get_bucket_encryption(Bucket=bucket.name)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError:
        return _OWN
    return str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])


def _authorize_write(front: Front, bucket: Bucket, operation: str) -> Refusal | Stored:
    """Whether the object may be written, and how it is encrypted then: under the ARN of the key that was found."""
    wanted = _wanted(front, bucket)
    decision = front.ask(operation, {**_place(front), **wanted.parameters})
    return refusal_of(decision) or replace(wanted, key=key_behind(decision) or wanted.key)


def _misused(front: Front) -> Refusal | None:
    """What S3 says to headers about encryption that do not fit together; moto would store the object anyhow."""
    algorithm, context = front.text("ServerSideEncryption"), front.text("SSEKMSEncryptionContext")
    if algorithm and algorithm not in {_OWN, "aws:kms", _TWICE}:
        return Refusal("InvalidArgument", "The encryption method specified is not supported")
    if front.text("SSEKMSKeyId") and not (algorithm or "").startswith("aws:kms"):
        return Refusal("InvalidArgument", _KEY_WITHOUT_KMS)
    return Refusal("InvalidArgument", _NO_CONTEXT) if context and not _is_context(context) else None


def _is_context(text: str) -> bool:
    """JSON of texts by their names, in base64 (DS-1)."""
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except ValueError:  # neither base64, nor UTF-8, nor JSON
        return False
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def _write(front: Front) -> Outcome:
    bucket = _bucket(front, front.text("Bucket"))
    if bucket is None:
        return Passed()
    misused = _misused(front)
    if misused:
        return misused
    operation = "CreateMultipartUpload" if front.wire.operation == "CreateMultipartUpload" else "PutObject"
    stored = _authorize_write(front, bucket, operation)
    if isinstance(stored, Refusal):
        return stored
    note = _note_upload if operation == "CreateMultipartUpload" else _note_object
    return Passed(_as_stored(stored), lambda answer: note(front, stored, answer))


def _as_stored(stored: Stored) -> Rewrite | None:
    """What moto shall store, said outright: it would take what is missing from the bucket, as it was written there."""
    if not stored.under_kms:
        return None
    return Rewrite(headers={_BUCKET_KEY: "false", **stored.headers})


def _note_object(front: Front, stored: Stored, answer: Answer) -> Answer | None:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    version = str(headers.get("x-amz-version-id", _UNVERSIONED))
    place = str(front.text("Bucket")), str(front.text("Key")), version
    front.memory.notes(S3Notes).objects[place] = stored
    return _show(answer, stored)


def _note_upload(front: Front, stored: Stored, answer: Answer) -> Answer | None:
    front.memory.notes(S3Notes).uploads[read_element(answer.body, "UploadId")] = stored
    return _show(answer, stored)


def _part(front: Front) -> Outcome:
    """A part of an upload, or its end: under the key that the upload began with (DS-4)."""
    if _bucket(front, front.text("Bucket")) is None:
        return Passed()
    upload = front.memory.notes(S3Notes).uploads.get(str(front.text("UploadId")), Stored())
    operation = front.wire.operation.removesuffix("Copy")
    refused = refusal_of(front.ask(operation, {**_place(front), **upload.parameters}))
    if refused:
        return refused
    ends = operation == "CompleteMultipartUpload"
    return Passed(finish=lambda answer: _note_object(front, upload, answer) if ends else _show(answer, upload))


def _copy(then: Callable[[Front], Outcome]) -> Callable[[Front], Outcome]:
    """What is copied is read first, and then written, by the same caller (DS-1, DS-2)."""

    def copy(front: Front) -> Outcome:
        path, _, query = (front.text("CopySource") or "").partition("?")
        name, _, key = unquote(path).removeprefix("/").partition("/")
        version = parse_qs(query).get("versionId", [None])[0]
        source = _bucket(front, name)
        if source is None:
            return Passed()
        held = _held(front, source, key, version)
        refused = refusal_of(front.ask("GetObject", _source(name, key, version, held)))
        return refused or then(front)

    return copy


def _put_policy(front: Front) -> Outcome:
    """Who may put it is not decided, but decisions must be possible over what is put."""
    return refuse_policy(front.wire.body.decode(errors="replace"), PolicyKind.BUCKET, "Policy") or Passed()


SERVES: Mapping[str, Callable[[Front], Outcome]] = {
    "GetObject": _read,
    "HeadObject": _read,
    "SelectObjectContent": _read,
    "PutObject": _write,
    "CreateMultipartUpload": _write,
    "UploadPart": _part,
    "CompleteMultipartUpload": _part,
    "CopyObject": _copy(_write),
    "UploadPartCopy": _copy(_part),
    "PutBucketPolicy": _put_policy,
}
"""The operations that read or write objects, or what decisions rest on; every other one of S3 passes undecided."""
