"""A `mock_aws` around the sandbox: what it holds in our accounts is put away, and comes back at the end.

moto resets its state with the outermost mock only. So a sandbox inside one would find what is there already, and leave
behind what it made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kmssim.sandbox.backends import backends_of
from kmssim.sandbox.memory import Clients
from kmssim.sandbox.seams import find_seam

_SERVICES = ("ec2", "iam", "kms", "organizations", "s3", "secretsmanager", "sts")
_ACROSS_ACCOUNTS = (
    ("moto.s3.models", "s3_backends", "bucket_accounts"),
    ("moto.organizations.models", "organizations_backends", "master_accounts"),
)
"""moto's indexes from a name to the account that it belongs to."""
_STAND_IN = "000000000000"
"""Manages the organization of a world that names no management account."""


def is_mocked() -> bool:
    """Whether some `mock_aws` is active."""
    return bool(find_seam("moto.core.models", "MockAWS", "_nested_count"))


@contextmanager
def set_aside(accounts: Collection[str]) -> Iterator[None]:
    """Nothing is in these accounts when the block begins, and after it what was there before."""
    kept = {service: _taken_out(service, accounts) for service in _SERVICES}
    indexes = [(index, dict(index)) for index in map(_index, _ACROSS_ACCOUNTS)]
    try:
        yield
    finally:
        for service, states in kept.items():
            _taken_out(service, accounts)
            backends_of(service).update(states)
        for index, before in indexes:
            index.clear()
            index.update(before)


def occupied() -> set[str]:
    """The accounts in which there is anything, declared or not."""
    return {account for service in _SERVICES for account in backends_of(service)}


def empty(accounts: Collection[str]) -> None:
    """Forget what is in these accounts."""
    for service in _SERVICES:
        _taken_out(service, accounts)


def _taken_out(service: str, accounts: Collection[str]) -> Mapping[str, Any]:
    backends = backends_of(service)
    return {account: backends.pop(account) for account in (*accounts, _STAND_IN) if account in backends}


def _index(place: tuple[str, str, str]) -> dict[str, Any]:
    found: dict[str, Any] = find_seam(*place)
    return found


@contextmanager
def leave_behind(reader: Clients, user_arn: str) -> Iterator[None]:
    """At the end a user of ours is gone, so that a mock around the sandbox keeps what the test made and no more."""
    account, name = user_arn.split(":")[4], user_arn.rpartition("/")[2]
    try:
        yield
    finally:
        _remove_user(reader("iam", account, "us-east-1"), name)


def _remove_user(iam: Any, name: str) -> None:  # noqa: ANN401 (a boto3 client)
    users = {user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]}
    if name in users:
        for group in iam.list_groups_for_user(UserName=name)["Groups"]:
            iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
        for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)
