"""Buckets and secrets, with the key that each is encrypted under as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from kmssim.evaluator.forward import secret_arn
from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.world import Bucket, Secret
from kmssim.sandbox.backends import is_untouched
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.read_policy import read_policy

_S3_HOME = "us-east-1"


def read_buckets(account: str, clients: Clients, region: str) -> dict[str, Bucket]:
    """The account's buckets by name, in every Region; S3 is asked in `region`."""
    if is_untouched("s3", account):
        return {}
    s3 = clients("s3", account, region)
    names = [bucket["Name"] for page in s3.get_paginator("list_buckets").paginate() for bucket in page["Buckets"]]
    return {name: _read_bucket(account, name, s3) for name in names}


def _read_bucket(account: str, name: str, s3: Any) -> Bucket:  # noqa: ANN401 (a boto3 client)
    encryption = _unless(
        "ServerSideEncryptionConfigurationNotFoundError", lambda: s3.get_bucket_encryption(Bucket=name)
    )
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0] if encryption else {}
    policy = _unless("NoSuchBucketPolicy", lambda: s3.get_bucket_policy(Bucket=name))
    source = f"accounts.{account}.buckets.{name}.policy"
    return Bucket(
        name=name,
        account=account,
        region=s3.get_bucket_location(Bucket=name)["LocationConstraint"] or _S3_HOME,
        key=rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID"),
        bucket_key=rule.get("BucketKeyEnabled", False),
        policy=read_policy(policy["Policy"], PolicyKind.BUCKET, source) if policy else None,
    )


def _unless(code: str, read: Any) -> Any:  # noqa: ANN401 (a call and boto3's answer)
    """The answer, or None where S3 says by this error that there is nothing."""
    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
        return None


def read_secrets(account: str, clients: Clients, memory: Memory, regions: Sequence[str]) -> dict[str, Secret]:
    """The account's secrets by name; one whose name another Region has, too, by its ARN. Replicas are left out."""
    found = dict[str, Secret]()
    if is_untouched("secretsmanager", account):
        return found
    for region in regions:
        manager = clients("secretsmanager", account, region)
        for page in manager.get_paginator("list_secrets").paginate():
            for listed in page["SecretList"]:
                if listed.get("PrimaryRegion", region) != region:
                    continue  # only a `mock_aws` from before can hold one, and moto shows no policy of it
                name = listed["Name"]
                key = listed.get("KmsKeyId") or memory.named_default_keys.get((account, name))
                secret = Secret(name, account, region, key, _secret_policy(account, name, manager))
                found[secret_arn(secret) if name in found else name] = secret
    return found


def _secret_policy(account: str, name: str, manager: Any) -> Policy | None:  # noqa: ANN401 (a boto3 client)
    text = manager.get_resource_policy(SecretId=name).get("ResourcePolicy")
    return read_policy(text, PolicyKind.SECRET, f"accounts.{account}.secrets.{name}.policy") if text else None
