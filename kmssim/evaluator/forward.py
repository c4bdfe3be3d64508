"""Services in front of KMS: S3, Secrets Manager, and the KMS calls that they make for a caller (SV-1, DS-1 to DS-12).

A call to such a service needs that service's own permission, and then whatever its KMS calls need: the same principal,
through the service (`via`), with the service's encryption context. Bucket and secret policies count for the service's
own permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kmssim.evaluator.decision import Failure, Source
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.request import Call, parse_arn
from kmssim.evaluator.world import Bucket, Secret, World


@dataclass(frozen=True, eq=False, repr=False)
class Forwarded:
    """A call to a service: its own permission, and the KMS calls that follow when that is given."""

    call: Call
    leg: Leg
    kms_calls: tuple[Call, ...]


def forward(world: World, call: Call) -> Forwarded:
    """Work out what a call to S3 or Secrets Manager asks of its own service and of KMS."""
    if call.service == "s3":
        return _forward_s3(world, call)
    return _forward_secret(world, call)


def _forward_s3(world: World, call: Call) -> Forwarded:
    name, key = str(call.parameters.get("Bucket", "")), str(call.parameters.get("Key", ""))
    bucket = world.buckets.get(name) or Bucket(name, call.principal.account, call.region, key=None)
    arn = f"arn:aws:s3:::{name}"
    leg = Leg(
        call.operation,
        f"{arn}/{key}",
        Source.IDENTITY,
        bucket.region,
        bucket.account,
        resource_policy=bucket.policy,
    )
    context = {"aws:s3:arn": arn if bucket.bucket_key else f"{arn}/{key}"}  # DS-3
    stated = call.parameters.get("SSEKMSKeyId")
    kms_key = stated if isinstance(stated, str) and call.name == "PutObject" else bucket.key
    operations = ("GenerateDataKey",) if call.name == "PutObject" else ("Decrypt",)
    return Forwarded(call, leg, _kms_calls(call, "s3", bucket.region, kms_key, context, operations))


def _forward_secret(world: World, call: Call) -> Forwarded:
    secret = _find_secret(world, call)
    arn = secret_arn(secret)
    leg = Leg(call.operation, arn, Source.IDENTITY, secret.region, secret.account, resource_policy=secret.policy)
    context = {"SecretARN": arn, "SecretVersionId": _version_id(arn)}
    operations = ("Decrypt",) if call.name == "GetSecretValue" else ("GenerateDataKey", "Decrypt")
    return Forwarded(call, leg, _kms_calls(call, "secretsmanager", secret.region, secret.key, context, operations))


def _find_secret(world: World, call: Call) -> Secret:
    named = str(call.parameters.get("SecretId", ""))
    arn = parse_arn(named)
    owner = world.accounts.get(arn.account if arn else call.principal.account)
    secrets = owner.secrets.values() if owner else ()
    found = next((secret for secret in secrets if named in {secret.name, secret_arn(secret)}), None)
    return found or Secret(named, call.principal.account, call.region, key=None)


def secret_arn(secret: Secret) -> str:
    """The secret's ARN; AWS adds six random characters, here they come from the name, the same each time."""
    tail = _digest(f"{secret.account}/{secret.region}/{secret.name}")[:6]
    return f"arn:aws:secretsmanager:{secret.region}:{secret.account}:secret:{secret.name}-{tail}"


def _version_id(arn: str) -> str:
    digest = _digest(arn)
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - few scenarios have secrets, and every start would pay for it

    return hashlib.sha256(text.encode()).hexdigest()


def _kms_calls(
    call: Call, service: str, region: str, key: str | None, context: Mapping[str, str], operations: tuple[str, ...]
) -> tuple[Call, ...]:
    """The KMS calls of one service call; none when nothing is encrypted under a KMS key (MK-4)."""
    if key is None:
        return ()
    return tuple(
        replace(
            call,
            operation=f"kms:{operation}",
            region=region,
            parameters={"KeyId": key, "EncryptionContext": context},
            ciphertext=None,
            grant_tokens=(),
            via=f"{service}.{region}.amazonaws.com",
        )
        for operation in operations
    )


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
