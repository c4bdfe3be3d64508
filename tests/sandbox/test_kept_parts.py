"""After a change the sandbox reads again what the call was about, and nothing else."""

from __future__ import annotations

import pytest

from kmssim.evaluator.policy import default_key_policy
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.sandbox import read, read_keys
from kmssim.sandbox.kept_parts import KeptParts
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
ROOT = f"arn:aws:iam::{HERE}:root"
IDS = [f"1234abcd-12ab-34cd-56ef-12345678900{number}" for number in range(3)]


def world() -> World:
    keys = tuple(Key(key_id, REGION, HERE, default_key_policy(HERE)) for key_id in IDS)
    roles = {"app": Role(f"arn:aws:iam::{HERE}:role/app", "app")}
    return World({HERE: Account(HERE, keys=keys, roles=roles), THERE: Account(THERE)}, REGION)


@pytest.fixture
def read_again(monkeypatch):
    """What is read: key ids, and accounts whose identities are."""
    found = []

    def noting(module, name, shown):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: found.append(shown(*given)) or real(*given))

    noting(read_keys, "_read_key", lambda _kms, arn, *_: arn.rpartition("/")[2])
    noting(read, "read_identities", lambda account, *_: account)
    return found


@pytest.fixture
def sandbox(read_again):
    with Sandbox(world()) as opened:
        assert opened.world == world()
        read_again.clear()
        yield opened


def test_a_change_of_one_key_reads_that_key(sandbox, read_again):
    sandbox.client("kms", as_=ROOT).disable_key(KeyId=IDS[1])
    assert [key.state for key in sandbox.world.accounts[HERE].keys] == ["Enabled", "Disabled", "Enabled"]
    assert read_again == [IDS[1]]


def test_a_new_key_and_a_new_alias_read_one_key_each(sandbox, read_again):
    kms = sandbox.client("kms", as_=ROOT)
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/app", TargetKeyId=IDS[0])
    keys = {key.id: key for key in sandbox.world.accounts[HERE].keys}
    assert (set(keys), keys[IDS[0]].aliases) == ({*IDS, made}, ("alias/app",))
    assert read_again == [made, IDS[0]]


def test_a_use_of_a_key_reads_nothing(sandbox, read_again):
    kms = sandbox.client("kms", as_=ROOT)
    blob = kms.encrypt(KeyId=IDS[0], Plaintext=b"x")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob)
    assert sandbox.world == world()
    assert read_again == []


def test_a_change_of_iam_reads_identities_and_no_key(sandbox, read_again):
    sandbox.client("iam", as_=ROOT).create_user(UserName="bo")
    assert set(sandbox.world.accounts[HERE].users) == {"bo"}
    assert set(read_again) == {HERE, THERE}


def test_a_restored_world_is_read_whole(sandbox, read_again):
    sandbox.client("kms", as_=ROOT).disable_key(KeyId=IDS[0])
    sandbox.restore()
    read_again.clear()
    assert sandbox.world == world()
    assert set(read_again) == {*IDS, HERE, THERE}


def test_related_multi_region_keys_are_forgotten_together():
    parts = KeptParts()
    arns = [f"arn:aws:kms:{region}:{HERE}:key/mrk-{'0' * 32}" for region in ("us-east-1", "us-west-2")]
    for arn in arns:
        parts.get(("key", arn, ()), lambda: "old")
    parts.forget_keys({f"mrk-{'0' * 32}"})
    assert [parts.get(("key", arn, ()), lambda: "new") for arn in arns] == ["new", "new"]
