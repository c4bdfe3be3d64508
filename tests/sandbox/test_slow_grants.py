"""The seconds after CreateGrant, for as long as a test wants them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from kmssim.evaluator.policy import default_key_policy
from kmssim.evaluator.world import Account, Grant, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox

HERE, REGION, KEY_ID = "111122223333", "us-east-1", "1234abcd-12ab-34cd-56ef-123456789000"
KEY, READER, ADMIN = (
    f"arn:aws:kms:{REGION}:{HERE}:key/{KEY_ID}",
    f"arn:aws:iam::{HERE}:role/reader",
    f"arn:aws:iam::{HERE}:root",
)


def world(*grants: Grant) -> World:
    key = Key(KEY_ID, REGION, HERE, default_key_policy(HERE), grants=grants)
    return World({HERE: Account(HERE, roles={"reader": Role(READER, "reader")}, keys=(key,))}, REGION)


def test_while_grants_are_slow_a_new_one_needs_its_token():
    """GR-50: with AWS a new grant counts after some seconds, at once only with its token."""
    with Sandbox(world()) as sandbox:
        admin, kms = (sandbox.client("kms", as_=who) for who in (ADMIN, READER))
        with sandbox.slow_grants():
            made = admin.create_grant(KeyId=KEY_ID, GranteePrincipal=READER, Operations=["DescribeKey"])
            with pytest.raises(ClientError, match="AccessDenied"):
                kms.describe_key(KeyId=KEY)
            kms.describe_key(KeyId=KEY, GrantTokens=[made["GrantToken"]])
        kms.describe_key(KeyId=KEY)
        kms.describe_key(KeyId=KEY, GrantTokens=[made["GrantToken"]])
        admin.create_grant(KeyId=KEY_ID, GranteePrincipal=READER, Operations=["Decrypt"])
        assert [grant.pending for grant in sandbox.world.keys_by_arn[KEY].grants] == [False, False]


def test_in_the_end_declared_grants_count_as_well():
    pending = Grant("d" * 64, "late", ("DescribeKey",), HERE, grantee=READER, pending=True)
    with Sandbox(world(pending)) as sandbox:
        kms = sandbox.client("kms", as_=READER)
        with pytest.raises(ClientError, match="AccessDenied"):
            kms.describe_key(KeyId=KEY)
        with sandbox.slow_grants():
            pass
        assert kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyId"] == KEY_ID
