"""Services in front of KMS: S3, Secrets Manager, and the KMS calls that they make for a caller (SV-1, DS-1 to DS-12).

A call to such a service needs that service's own permission, and then whatever its KMS calls need: the same principal,
through the service (`via`), with the service's encryption context. Bucket and secret policies count for the service's
own permission.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kmssim.evaluator.context import called_via
from kmssim.evaluator.decision import Failure, Source
from kmssim.evaluator.keys import FoundKey, find_key
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.request import Arn, Call, parse_arn, partition_of
from kmssim.evaluator.world import Bucket, Secret, World

_S3_DEFAULT, _SECRETS_DEFAULT = "alias/aws/s3", "alias/aws/secretsmanager"
# S3's own permission and what it asks of KMS. The parts of an upload are decrypted again (DS-4).
_S3: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "GetObject": ("s3:GetObject", ("Decrypt",)),
    "HeadObject": ("s3:GetObject", ("Decrypt",)),
    "PutObject": ("s3:PutObject", ("GenerateDataKey",)),
    "CreateMultipartUpload": ("s3:PutObject", ("GenerateDataKey", "Decrypt")),
    "UploadPart": ("s3:PutObject", ("Decrypt",)),
    "CompleteMultipartUpload": ("s3:PutObject", ("Decrypt",)),
}
_READ_SECRET, _WRITE_SECRET = ("Decrypt",), ("GenerateDataKey", "Decrypt")
_VALIDATION = "RequestToValidateKeyAccess"
_OF_THE_NETWORK = frozenset({
    "aws:sourcevpc", "aws:sourcevpcarn", "aws:sourcevpce", "aws:vpcsourceip", "aws:vpceaccount", "aws:vpceorgid",
    "aws:vpceorgpaths",
})  # fmt: skip
_OF_FORWARDING = frozenset({"aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:viaawsservice"})


@dataclass(frozen=True, eq=False, repr=False)
class Forwarded:
    """A call to a service: its own permission, and the KMS calls that follow when that is given.

    `cached`: the service may still hold what KMS once gave it, and then makes no KMS call (DS-3).
    """

    call: Call
    leg: Leg
    kms_calls: tuple[Call, ...]
    cached: bool = False


def forward(world: World, call: Call) -> Forwarded:
    """Work out what a call to S3 or Secrets Manager asks of its own service and of KMS."""
    if call.service == "s3":
        return _forward_s3(world, call)
    return _forward_secret(world, call)


def _forward_s3(world: World, call: Call) -> Forwarded:
    name, key = str(call.parameters.get("Bucket", "")), str(call.parameters.get("Key", ""))
    permission, operations = _S3.get(call.name, (call.operation, ("Decrypt",)))
    if permission == "s3:GetObject" and call.parameters.get("VersionId"):
        permission = "s3:GetObjectVersion"
    bucket = world.buckets.get(name) or Bucket(name, call.principal.account, call.region, key=None)
    arn = f"arn:{partition_of(bucket.region)}:s3:::{name}"
    leg = Leg(
        permission,
        f"{arn}/{key}",
        Source.IDENTITY,
        bucket.region,
        bucket.account,
        resource_policy=bucket.policy,
    )
    kms_key, bucket_key = _s3_encryption(world, call, bucket)
    context = {"aws:s3:arn": arn if bucket_key else f"{arn}/{key}"}  # DS-3
    context |= _s3_context(call.parameters.get("SSEKMSEncryptionContext"))
    calls = _kms_calls(world, call, bucket.region, kms_key, context, operations)
    return Forwarded(call, leg, calls, cached=bucket_key)


def _s3_encryption(world: World, call: Call, bucket: Bucket) -> tuple[str | None, bool]:
    """The KMS key of an object, None for none, and whether through a Bucket Key: the bucket's, unless the call says.

    Who writes an object may say so. Of one that is there it is known in the same parameters, as HeadObject shows it.
    """
    sent = call.parameters
    bucket_key = sent.get("BucketKeyEnabled", bucket.bucket_key) is True
    if sent.get("SSEKMSKeyId"):
        return str(sent["SSEKMSKeyId"]), bucket_key
    if sent.get("ServerSideEncryption") == "AES256" or sent.get("SSECustomerAlgorithm"):
        return None, False  # MK-4: keys that are S3's or the caller's own
    if bucket.key is None and str(sent.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return _if_declared(world, call.principal.account, bucket.region, _S3_DEFAULT), bucket_key
    return bucket.key, bucket_key


def _if_declared(world: World, account: str, region: str, alias: str) -> str | None:
    """An AWS managed key that the world speaks of; of another one it is known only that it asks nothing (MK-2)."""
    arn = str(Arn(partition_of(region), "kms", region, account, alias))
    return arn if arn in world.keys_by_alias_arn else None


def _s3_context(sent: object) -> dict[str, str]:
    """DS-1: the caller's own pairs, which boto3 takes as base-64 JSON."""
    try:
        pairs = json.loads(base64.b64decode(sent, validate=True)) if isinstance(sent, str) else sent
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in pairs.items()} if isinstance(pairs, Mapping) else {}


def _forward_secret(world: World, call: Call) -> Forwarded:
    if call.name == "BatchGetSecretValue":  # DS-11: and then each secret as by GetSecretValue
        return Forwarded(call, Leg(call.operation, "*", Source.IDENTITY, call.region, call.principal.account), ())
    secret, arn = _find_secret(world, call)
    leg = Leg(call.operation, arn, Source.IDENTITY, secret.region, secret.account, resource_policy=secret.policy)
    calls = tuple(
        kms_call
        for key, version, operations in _uses_of_secret(call, secret, arn)
        for kms_call in _kms_calls(
            world,
            call,
            secret.region,
            _key_of_secret(world, call, replace(secret, key=key)),
            {"SecretARN": arn, "SecretVersionId": version},
            operations,
        )
    )
    return Forwarded(call, leg, calls)


def _uses_of_secret(call: Call, secret: Secret, arn: str) -> Iterator[tuple[str | None, str, tuple[str, ...]]]:
    """What Secrets Manager does with which key, and the version that it does it for (DS-10 to DS-12).

    A key that is named is tried out first. A secret that changes its key is encrypted anew. An empty version stands for
    a secret or a version that is not there.
    """
    sent = call.parameters
    if sent.get("VersionId") == "":
        return
    held, made = (str(sent.get(name) or version_of_secret(arn)) for name in ("VersionId", "ClientRequestToken"))
    if call.name == "GetSecretValue":
        yield secret.key, held, _READ_SECRET
        return
    named = call.name in {"CreateSecret", "UpdateSecret"} and sent.get("KmsKeyId")
    key = str(named) if named else secret.key
    if named:
        yield key, _VALIDATION, _WRITE_SECRET
    if named and call.name == "UpdateSecret" and sent.get("VersionId"):
        yield secret.key, held, _READ_SECRET
        yield key, held, _WRITE_SECRET
    if call.name == "PutSecretValue" or {"SecretString", "SecretBinary"} & sent.keys():
        yield key, made, _WRITE_SECRET


def _key_of_secret(world: World, call: Call, secret: Secret) -> str | None:
    """The secret's key, which is named in the secret's account, whoever asks for the secret.

    Without a key of its own it is under the AWS managed one, which asks nothing of its account's principals and helps
    no others (DS-11).
    """
    home = Arn(partition_of(secret.region), "kms", secret.region, secret.account, "")
    if secret.key is None:
        default = str(home._replace(resource=_SECRETS_DEFAULT))
        at_home = call.principal.account in {secret.account, ""}
        return _if_declared(world, secret.account, secret.region, _SECRETS_DEFAULT) if at_home else default
    if secret.key.startswith("arn:"):
        return secret.key
    return str(home._replace(resource=secret.key if secret.key.startswith("alias/") else f"key/{secret.key}"))


def _find_secret(world: World, call: Call) -> tuple[Secret, str]:
    """The secret that the call names, with its ARN; one that is not declared is of the account that its ARN says."""
    if call.name == "CreateSecret":
        made = Secret(str(call.parameters.get("Name", "")), call.principal.account, call.region, key=None)
        return made, secret_arn(made)
    named = str(call.parameters.get("SecretId", ""))
    arn = parse_arn(named)
    owner = world.accounts.get(arn.account if arn else call.principal.account)
    secrets = owner.secrets.values() if owner else ()
    found = next((secret for secret in secrets if named in {secret.name, secret_arn(secret)}), None)
    if found is not None:
        return found, secret_arn(found)
    if arn is not None:
        return Secret(arn.resource.removeprefix("secret:"), arn.account, arn.region, key=None), named
    undeclared = Secret(named, call.principal.account, call.region, key=None)
    return undeclared, secret_arn(undeclared)


def secret_arn(secret: Secret) -> str:
    """The secret's ARN; AWS adds six random characters, here they come from the name, the same each time."""
    tail = _digest(f"{secret.account}/{secret.region}/{secret.name}")[:6]
    partition = partition_of(secret.region)
    return f"arn:{partition}:secretsmanager:{secret.region}:{secret.account}:secret:{secret.name}-{tail}"


def version_of_secret(arn: str) -> str:
    """The id of a secret's version where no call names one; here it comes from the ARN, the same each time."""
    digest = _digest(arn)
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - few scenarios have secrets, and every start would pay for it

    return hashlib.sha256(text.encode()).hexdigest()


def _kms_calls(
    world: World,
    call: Call,
    region: str,
    key: str | None,
    context: Mapping[str, str],
    operations: tuple[str, ...],
) -> tuple[Call, ...]:
    """The KMS calls of one service call; none when nothing is encrypted under a KMS key (MK-4).

    What is to be decrypted says itself which key it is: no alias is named in such a call (CK-28, CH-7).
    """
    if key is None:
        return ()
    host = f"{call.service}.{region}.amazonaws.com"
    found = find_key(world, call, key, region, alias_allowed=True)
    behind = found.key.arn if isinstance(found, FoundKey) else key
    return tuple(
        replace(
            call,
            operation=f"kms:{operation}",
            region=region,
            parameters={"KeyId": behind if operation == "Decrypt" else key, "EncryptionContext": context},
            ciphertext=None,
            grant_tokens=(),
            via=host,
            context=_forwarded_keys(call, host),
        )
        for operation in operations
    )


def _forwarded_keys(call: Call, host: str) -> Mapping[str, str | tuple[str, ...]]:
    """What stays stated when a service forwards: not the network (CK-70), and the chain has one more link (CK-68)."""
    dropped = _OF_THE_NETWORK | _OF_FORWARDING
    kept = {key: value for key, value in call.context.items() if key not in dropped}
    before = call.context.get("aws:calledvia") or (called_via(call.via) if call.via else ())
    chain = (before,) if isinstance(before, str) else before
    return {**kept, "aws:calledvia": (*chain, *called_via(host))} if chain else kept


def translate_failure(forwarded: Forwarded, failure: Failure) -> Failure:
    """What the service tells its caller when its own permission or a KMS call fails (DS-1, DS-5, DS-10)."""
    denied = failure.code == "AccessDeniedException"
    if forwarded.call.service == "s3":
        if denied:
            return Failure("AccessDenied", failure.message, "DS-1", 403)
        return Failure(f"KMS.{failure.code}", failure.message, "DS-5")
    if denied:
        own = forwarded.leg.action in failure.message
        return failure if own else Failure(failure.code, "Access to KMS is not allowed", "DS-10")
    code = "DecryptionFailure" if forwarded.call.name == "GetSecretValue" else "EncryptionFailure"
    return Failure(code, failure.message, "DS-10")
