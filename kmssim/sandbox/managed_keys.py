"""AWS managed keys, made when a service first needs one, as AWS does (MK-1): key policy, alias, nobody's to change."""

from __future__ import annotations

import json

from kmssim.evaluator.request import Arn, partition_of
from kmssim.sandbox.make_key import Blueprint, make_key, new_key_id
from kmssim.sandbox.memory import Clients
from kmssim.sandbox.repairs import keys_as_aws_has_them, reserved_aliases_free

_DESCRIPTIONS = {
    "s3": "Default key that protects my S3 objects when no other key is defined",
    "secretsmanager": "Default key that protects my Secrets Manager data when no other key is defined",
}
_THROUGH_THE_SERVICE = ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "CreateGrant", "DescribeKey")
_BY_THE_ACCOUNT = ("Describe*", "Get*", "List*", "RevokeGrant")


def make_managed_key(service: str, account: str, region: str, clients: Clients) -> None:
    """Make the account's `alias/aws/<service>` key in a Region."""
    kms = clients("kms", account, region)
    key = Blueprint(
        id=new_key_id(multi_region=False),
        spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
        multi_region=False,
        policy=json.dumps(_policy(service, account, region)),
        description=_DESCRIPTIONS[service],
        tags={},
    )
    with keys_as_aws_has_them(), reserved_aliases_free():
        made = make_key(kms, key)
        kms.create_alias(AliasName=f"alias/aws/{service}", TargetKeyId=made["KeyId"])


def _policy(service: str, account: str, region: str) -> dict[str, object]:
    through = {"kms:CallerAccount": account, "kms:ViaService": f"{service}.{region}.amazonaws.com"}
    root = str(Arn(partition_of(region), "iam", "", account, "root"))
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("*", _THROUGH_THE_SERVICE) | {"Condition": {"StringEquals": through}},
            _allow(root, _BY_THE_ACCOUNT),
        ],
    }


def _allow(principal: str, operations: tuple[str, ...]) -> dict[str, object]:
    actions = [f"kms:{operation}" for operation in operations]
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}
