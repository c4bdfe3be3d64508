"""S3 buckets and secrets that are encrypted under a KMS key. The key is kept as it was written, alias or ARN."""

from __future__ import annotations

import json

from kmssim.evaluator.forward import secret_arn, version_of_secret
from kmssim.evaluator.world import Account, Bucket
from kmssim.sandbox.memory import Clients, Memory

_S3_HOME = "us-east-1"
_SECRETS_DEFAULT = "alias/aws/secretsmanager"


def seed_buckets(account: Account, clients: Clients) -> None:
    """Make the account's buckets, each with its default encryption; no key means S3's own (MK-4)."""
    for bucket in account.buckets.values():
        s3 = clients("s3", account.id, bucket.region)
        s3.create_bucket(Bucket=bucket.name, **_location(bucket.region))
        s3.put_bucket_encryption(Bucket=bucket.name, ServerSideEncryptionConfiguration={"Rules": [_rule(bucket)]})
        if bucket.policy is not None:
            s3.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(bucket.policy.document))


def _location(region: str) -> dict[str, dict[str, str]]:
    """S3 refuses its home Region as a constraint."""
    return {} if region == _S3_HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}


def _rule(bucket: Bucket) -> dict[str, object]:
    under_kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": bucket.key}
    default = {"SSEAlgorithm": "AES256"} if bucket.key is None else under_kms
    return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket.bucket_key}


def seed_secrets(account: Account, clients: Clients, memory: Memory) -> None:
    """Make the account's secrets."""
    for secret in account.secrets.values():
        manager = clients("secretsmanager", account.id, secret.region)
        if secret.key == _SECRETS_DEFAULT:
            memory.named_default_keys[account.id, secret.name] = secret.key
        key = {"KmsKeyId": secret.key} if secret.key is not None else {}
        manager.create_secret(
            Name=secret.name,
            SecretString=f"the value of {secret.name}",
            ClientRequestToken=version_of_secret(secret_arn(secret)),
            **key,
        )
        if secret.policy is not None:
            manager.put_resource_policy(SecretId=secret.name, ResourcePolicy=json.dumps(secret.policy.document))
