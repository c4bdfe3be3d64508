"""What moto's IAM says about users, roles and managed policies: the few facts that sessions need."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from botocore.exceptions import ClientError

from kmssim.evaluator.request import Principal, PrincipalKind
from kmssim.sandbox.reader import Reader


def find_role_arn(account: str, name: str, reader: Reader) -> str | None:
    """The ARN, with its path, of the account's role of that name; None when there is none."""
    try:
        arn: str = reader.client("iam", account).get_role(RoleName=name)["Role"]["Arn"]
    except ClientError:
        return None
    return arn


def find_managed_policy(account: str, arn: str, reader: Reader) -> Mapping[str, object] | None:
    """The default version's document of a managed policy that the account sees; None when there is none."""
    iam = reader.client("iam", account)
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
    iam = reader.client("iam", principal.account)
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
