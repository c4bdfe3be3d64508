"""What moto's IAM says about users, roles and managed policies: the few facts that sessions need."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ParamValidationError

from kmssim.evaluator.request import Arn, Principal, PrincipalKind
from kmssim.sandbox.reader import Reader

_HOMES = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""A Region of each partition: moto keeps an IAM for each."""


class StoredRole(NamedTuple):
    """A role's ARN, with its path, and for how many seconds it may be assumed at once."""

    arn: str
    longest: int


def _iam(account: str, partition: str, reader: Reader) -> Any:  # noqa: ANN401 (a boto3 client)
    return reader.client("iam", account, _HOMES.get(partition, "us-east-1"))


def find_role(arn: Arn, reader: Reader) -> StoredRole | None:
    """The role of exactly this ARN; None when there is none."""
    try:
        role = _iam(arn.account, arn.partition, reader).get_role(RoleName=arn.resource.rpartition("/")[2])["Role"]
    except (ClientError, ParamValidationError):
        return None
    return StoredRole(role["Arn"], role["MaxSessionDuration"]) if role["Arn"] == str(arn) else None


def find_managed_policy(account: str, arn: str, reader: Reader) -> Mapping[str, object] | None:
    """The default version's document of a managed policy that the account sees; None when there is none."""
    iam = _iam(account, arn.split(":")[1], reader)
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document: Mapping[str, object] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
            "Document"
        ]
    except ClientError:
        return None
    return document


def user_id_of(principal: Principal, reader: Reader) -> str:
    """The value of `aws:userid` (CO-47), which GetCallerIdentity shows as UserId."""
    if principal.kind is PrincipalKind.ROOT:
        return principal.account
    if principal.kind is PrincipalKind.FEDERATED_USER:
        return f"{principal.account}:{principal.name}"
    if principal.kind is PrincipalKind.USER:
        return _stored_id(principal, reader) or _invented_id("AIDA", principal)
    if principal.kind is PrincipalKind.ROLE_SESSION:
        return f"{_stored_id(principal, reader) or _invented_id('AROA', principal)}:{principal.session_name}"
    return principal.name


def _stored_id(principal: Principal, reader: Reader) -> str | None:
    iam = _iam(principal.account, principal.arn.split(":")[1], reader)
    try:
        if principal.kind is PrincipalKind.USER:
            identifier: str = iam.get_user(UserName=principal.name)["User"]["UserId"]
        else:
            identifier = iam.get_role(RoleName=principal.name)["Role"]["RoleId"]
    except ClientError:
        return None
    return identifier


def _invented_id(prefix: str, principal: Principal) -> str:
    """An id for whoever has credentials and is not stored, the same each time."""
    digest = hashlib.sha256(f"{principal.account}/{principal.name}".encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:17]
