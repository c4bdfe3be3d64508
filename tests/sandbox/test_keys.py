"""A key's life as a client sees it: made, described, disabled, scheduled, replicated, rotated."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from evaluator.building import ACCOUNT, DELEGATION, KEY_ARN, KEY_ID, WORKER_SESSION, allow, caller, document, key
from evaluator.building import world as build

from kmssim.evaluator.operations import KEY_SPECS, algorithms
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.sandbox import serve_rotation
from kmssim.sandbox.sandbox import Sandbox

FAR = "eu-west-1"
AWS_ID, SHARED_ID = "aaaaaaaa-12ab-34cd-56ef-1234567890ab", "bbbbbbbb-12ab-34cd-56ef-1234567890ab"
PRIMARY_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
MATERIAL = re.compile(r"[0-9a-f]{64}")

SHARE = parse_policy(
    document(allow("kms:DescribeKey", to=f"arn:aws:iam::{ACCOUNT}:role/worker")), PolicyKind.KEY_POLICY
)


@pytest.fixture(scope="module")
def opened():
    keys = (
        key(*DELEGATION),
        key(*DELEGATION, id=AWS_ID, manager="AWS", aliases=("alias/aws/s3",)),
        key(*DELEGATION, id=SHARED_ID, ram_policy=SHARE),
        key(*DELEGATION, id=PRIMARY_ID, multi_region="PRIMARY"),
        key(*DELEGATION, id=PRIMARY_ID, multi_region="REPLICA", region=FAR),
    )
    with Sandbox(build(*keys, mine=[allow("*")])) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(opened):
    yield opened
    opened.restore()


@pytest.fixture
def kms(sandbox):
    return sandbox.client("kms", as_=WORKER_SESSION)


def there(sandbox):
    return sandbox.client("kms", as_=WORKER_SESSION, region=FAR)


def refused(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def made(kms, **parameters) -> dict:
    return kms.create_key(**parameters)["KeyMetadata"]


def described(kms, key_id) -> dict:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]


PLAIN = {"Enabled": True, "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "MultiRegion": False}
ALGORITHM_MEMBERS = {
    "ENCRYPT_DECRYPT": "EncryptionAlgorithms",
    "SIGN_VERIFY": "SigningAlgorithms",
    "GENERATE_VERIFY_MAC": "MacAlgorithms",
    "KEY_AGREEMENT": "KeyAgreementAlgorithms",
    "ENCAPSULATE_DECAPSULATE": "EncapsulationAlgorithms",
}


@pytest.mark.parametrize(("usage", "spec"), [(usage, spec) for usage, specs in KEY_SPECS.items() for spec in specs])
def test_a_key_of_each_spec_and_usage_is_made_and_described_alike(kms, usage, spec):
    created = made(kms, KeySpec=spec, KeyUsage=usage)
    told = {name: value for name, value in created.items() if name in PLAIN}
    assert told == PLAIN
    assert (created["KeySpec"], created["CustomerMasterKeySpec"], created["KeyUsage"]) == (spec, spec, usage)
    members = {name: created[name] for name in ALGORITHM_MEMBERS.values() if name in created}
    assert members == {ALGORITHM_MEMBERS[usage]: sorted(algorithms(spec, usage))}
    assert ("CurrentKeyMaterialId" in created) == (spec == "SYMMETRIC_DEFAULT")
    assert described(kms, created["Arn"]) == created


def test_a_key_made_without_a_word_encrypts_and_has_the_default_policy(kms):
    created = made(kms)
    assert created["KeyUsage"] == "ENCRYPT_DECRYPT"
    assert MATERIAL.fullmatch(created["CurrentKeyMaterialId"])
    shown = kms.get_key_policy(KeyId=created["KeyId"])
    assert shown["PolicyName"] == "default"
    assert json.loads(shown["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def test_a_new_key_has_the_policy_the_tags_and_the_description_that_were_asked_for(sandbox, kms):
    policy = document(allow(to=f"arn:aws:iam::{ACCOUNT}:root"), allow("kms:Sign", to=f"arn:aws:iam::{ACCOUNT}:root"))
    tags = [{"TagKey": "team", "TagValue": "shop"}]
    created = made(kms, Policy=json.dumps(policy), Tags=tags, Description="orders")
    assert created["Description"] == "orders"
    assert json.loads(kms.get_key_policy(KeyId=created["Arn"])["Policy"]) == policy
    assert kms.list_resource_tags(KeyId=created["Arn"])["Tags"] == tags
    assert sandbox.world.keys_by_arn[created["Arn"]].tags == {"team": "shop"}


def test_a_multi_region_key_has_an_id_as_aws_gives_it(kms):
    created = made(kms, MultiRegion=True)
    assert re.fullmatch(r"mrk-[0-9a-f]{32}", created["KeyId"])
    assert created["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": created["Arn"], "Region": "us-east-1"},
        "ReplicaKeys": [],
    }


def test_a_key_without_material_waits_for_import(sandbox, kms):
    created = made(kms, Origin="EXTERNAL")
    assert (created["KeyState"], created["Enabled"], created["Origin"]) == ("PendingImport", False, "EXTERNAL")
    assert not {"CurrentKeyMaterialId", "ExpirationModel"} & created.keys()
    assert described(kms, created["KeyId"]) == created
    assert sandbox.world.keys_by_arn[created["Arn"]].state == "PendingImport"
    wanted = ("KMSInvalidStateException", f"{created['Arn']} is pending import.")
    assert refused(kms.encrypt, KeyId=created["KeyId"], Plaintext=b"x") == wanted


@pytest.mark.parametrize("store", [{"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"}, {"CustomKeyStoreId": "c"}])
def test_a_key_in_a_custom_key_store_is_refused_in_our_own_words(kms, store):
    code, message = refused(kms.create_key, **store)
    assert code == "UnsupportedOperationException"
    assert message.startswith("kmssim: ")


def test_a_key_made_in_another_region_is_found_there_and_only_there(sandbox, kms):
    created = made(there(sandbox))
    assert created["Arn"].startswith(f"arn:aws:kms:{FAR}:")
    assert described(there(sandbox), created["KeyId"])["Arn"] == created["Arn"]
    assert refused(kms.describe_key, KeyId=created["KeyId"])[0] == "NotFoundException"
    assert refused(kms.describe_key, KeyId=created["Arn"]) == ("NotFoundException", f"Invalid arn {FAR}")


def test_what_aws_manages_says_so(kms):
    assert described(kms, AWS_ID)["KeyManager"] == "AWS"
    assert described(kms, "alias/aws/s3")["KeyManager"] == "AWS"


def test_an_aws_managed_key_rotates_every_year(kms):
    status = kms.get_key_rotation_status(KeyId=AWS_ID)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    assert status["NextRotationDate"] > described(kms, AWS_ID)["CreationDate"]


def test_a_key_is_disabled_and_enabled_by_its_arn(kms):
    kms.disable_key(KeyId=KEY_ARN)
    assert (described(kms, KEY_ARN)["KeyState"], described(kms, KEY_ARN)["Enabled"]) == ("Disabled", False)
    kms.enable_key(KeyId=KEY_ARN)
    assert (described(kms, KEY_ARN)["KeyState"], described(kms, KEY_ARN)["Enabled"]) == ("Enabled", True)


@pytest.mark.parametrize(("asked", "days"), [({}, 30), ({"PendingWindowInDays": 7}, 7)])
def test_deletion_is_scheduled_and_taken_back_which_leaves_the_key_disabled(kms, asked, days):
    answer = kms.schedule_key_deletion(KeyId=KEY_ARN, **asked)
    assert (answer["KeyId"], answer["KeyState"], answer["PendingWindowInDays"]) == (KEY_ARN, "PendingDeletion", days)
    assert abs(answer["DeletionDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)
    waiting = described(kms, KEY_ARN)
    assert (waiting["KeyState"], waiting["Enabled"], waiting["DeletionDate"]) == (
        "PendingDeletion",
        False,
        answer["DeletionDate"],
    )
    assert refused(kms.schedule_key_deletion, KeyId=KEY_ID)[0] == "KMSInvalidStateException"
    assert kms.cancel_key_deletion(KeyId=KEY_ID)["KeyId"] == KEY_ARN
    after = described(kms, KEY_ID)
    assert (after["KeyState"], after["Enabled"], "DeletionDate" in after) == ("Disabled", False, False)
    assert refused(kms.cancel_key_deletion, KeyId=KEY_ID)[0] == "KMSInvalidStateException"


def test_a_key_that_waits_for_import_waits_again_after_its_deletion_was_taken_back(kms):
    created = made(kms, Origin="EXTERNAL")
    kms.schedule_key_deletion(KeyId=created["KeyId"])
    assert described(kms, created["KeyId"])["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=created["KeyId"])
    assert described(kms, created["KeyId"])["KeyState"] == "PendingImport"


def test_a_primary_waits_for_its_replicas_before_its_days_begin(kms, sandbox):
    answer = kms.schedule_key_deletion(KeyId=PRIMARY_ID, PendingWindowInDays=9)
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingReplicaDeletion", 9)
    assert "DeletionDate" not in answer
    waiting = described(kms, PRIMARY_ID)
    assert (waiting["KeyState"], waiting["PendingDeletionWindowInDays"]) == ("PendingReplicaDeletion", 9)
    assert "DeletionDate" not in waiting
    assert sandbox.world.keys_by_arn[waiting["Arn"]].state == "PendingReplicaDeletion"
    wanted = ("KMSInvalidStateException", f"{waiting['Arn']} is pending replica deletion.")
    assert refused(kms.encrypt, KeyId=PRIMARY_ID, Plaintext=b"x") == wanted
    kms.cancel_key_deletion(KeyId=PRIMARY_ID)
    assert described(kms, PRIMARY_ID)["KeyState"] == "Disabled"
    assert "PendingDeletionWindowInDays" not in described(kms, PRIMARY_ID)


def test_a_replica_has_policy_tags_and_description_of_its_own_and_the_primary_stays_primary(sandbox, kms):
    primary = made(kms, MultiRegion=True, Description="here", Tags=[{"TagKey": "a", "TagValue": "b"}])
    policy = document(allow(to=f"arn:aws:iam::{ACCOUNT}:root"), allow("kms:Sign", to=f"arn:aws:iam::{ACCOUNT}:root"))
    tags = [{"TagKey": "c", "TagValue": "d"}]
    answer = kms.replicate_key(
        KeyId=primary["Arn"], ReplicaRegion="eu-north-1", Policy=json.dumps(policy), Description="there", Tags=tags
    )
    replica = answer["ReplicaKeyMetadata"]
    assert (replica["KeyState"], replica["Enabled"], replica["KeyId"]) == ("Creating", False, primary["KeyId"])
    assert json.loads(answer["ReplicaPolicy"]) == policy
    assert answer["ReplicaTags"] == tags
    north = sandbox.client("kms", as_=WORKER_SESSION, region="eu-north-1")
    seen, seen_here = described(north, primary["KeyId"]), described(kms, primary["KeyId"])
    assert (seen["KeyState"], seen["Description"]) == ("Enabled", "there")
    assert json.loads(north.get_key_policy(KeyId=primary["KeyId"])["Policy"]) == policy
    assert north.list_resource_tags(KeyId=primary["KeyId"])["Tags"] == tags
    assert seen["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert seen_here["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
    for told in (seen, seen_here):
        configuration = told["MultiRegionConfiguration"]
        assert configuration["PrimaryKey"] == {"Arn": primary["Arn"], "Region": "us-east-1"}
        assert configuration["ReplicaKeys"] == [{"Arn": replica["Arn"], "Region": "eu-north-1"}]
    assert seen["CurrentKeyMaterialId"] == seen_here["CurrentKeyMaterialId"]
    blob = kms.encrypt(KeyId=primary["Arn"], Plaintext=b"x")["CiphertextBlob"]
    assert north.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_second_replica_in_one_region_and_a_replica_of_a_replica_are_refused(sandbox, kms):
    again = refused(kms.replicate_key, KeyId=PRIMARY_ID, ReplicaRegion=FAR)
    assert again[0] == "AlreadyExistsException"
    code, message = refused(there(sandbox).replicate_key, KeyId=PRIMARY_ID, ReplicaRegion="us-west-2")
    assert (code, message.endswith("is not a multi-region primary key.")) == ("UnsupportedOperationException", True)


@pytest.mark.parametrize("region", ["mars-north-1", "cn-north-1"])
def test_a_replica_where_no_region_of_the_partition_is_is_refused(sandbox, kms, region):
    assert refused(kms.replicate_key, KeyId=PRIMARY_ID, ReplicaRegion=region)[0] == "ValidationException"
    assert not sandbox.faults
    assert all(key.region != region for key in sandbox.world.keys_by_arn.values())


def test_a_replica_becomes_primary_and_the_primary_a_replica(sandbox, kms):
    kms.update_primary_region(KeyId=PRIMARY_ID, PrimaryRegion=FAR)
    kinds = [
        described(client, PRIMARY_ID)["MultiRegionConfiguration"]["MultiRegionKeyType"]
        for client in (kms, there(sandbox))
    ]
    assert kinds == ["REPLICA", "PRIMARY"]
    assert refused(kms.replicate_key, KeyId=PRIMARY_ID, ReplicaRegion="us-west-2")[0] == "UnsupportedOperationException"
    there(sandbox).replicate_key(KeyId=PRIMARY_ID, ReplicaRegion="us-west-2")


@pytest.mark.parametrize(("asked", "days"), [({}, 365), ({"RotationPeriodInDays": 90}, 90)])
def test_rotation_on_a_schedule_tells_its_period_and_its_next_date(kms, asked, days):
    assert kms.get_key_rotation_status(KeyId=KEY_ARN)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=KEY_ARN, **asked)
    status = kms.get_key_rotation_status(KeyId=KEY_ID)
    assert (status["KeyId"], status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (KEY_ARN, True, days)
    assert abs(status["NextRotationDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)
    kms.disable_key_rotation(KeyId=KEY_ARN)
    status = kms.get_key_rotation_status(KeyId=KEY_ID)
    assert status["KeyRotationEnabled"] is False
    assert not {"RotationPeriodInDays", "NextRotationDate"} & status.keys()


def test_the_next_rotation_is_always_ahead():
    schedule = serve_rotation.Schedule(90, 0)
    day = 24 * 60 * 60
    assert [schedule.next_date(now * day) / day for now in (0, 89, 90, 200)] == [90, 90, 180, 270]


def test_related_keys_rotate_together_through_their_primary(sandbox, kms):
    kms.enable_key_rotation(KeyId=PRIMARY_ID, RotationPeriodInDays=100)
    assert there(sandbox).get_key_rotation_status(KeyId=PRIMARY_ID)["RotationPeriodInDays"] == 100
    kms.rotate_key_on_demand(KeyId=PRIMARY_ID)
    assert (
        described(kms, PRIMARY_ID)["CurrentKeyMaterialId"]
        == described(there(sandbox), PRIMARY_ID)["CurrentKeyMaterialId"]
    )
    for operation in ("enable_key_rotation", "disable_key_rotation", "rotate_key_on_demand"):
        code, message = refused(getattr(there(sandbox), operation), KeyId=PRIMARY_ID)
        assert code == "UnsupportedOperationException"
        assert message.endswith("is not a multi-region primary key.")


def test_rotation_on_demand_changes_the_material_and_older_ciphertexts_stay_readable(kms):
    before = described(kms, KEY_ID)["CurrentKeyMaterialId"]
    blob = kms.encrypt(KeyId=KEY_ID, Plaintext=b"x")["CiphertextBlob"]
    assert kms.rotate_key_on_demand(KeyId=KEY_ID)["KeyId"] == KEY_ARN
    after = described(kms, KEY_ID)["CurrentKeyMaterialId"]
    assert before != after
    read = kms.decrypt(CiphertextBlob=blob)
    assert (read["Plaintext"], read["KeyMaterialId"]) == (b"x", before)
    new = kms.encrypt(KeyId=KEY_ID, Plaintext=b"y")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=new)["KeyMaterialId"] == after
    done = kms.list_key_rotations(KeyId=KEY_ID)["Rotations"]
    assert [(each["KeyMaterialId"], each["RotationType"]) for each in done] == [(after, "ON_DEMAND")]
    every = kms.list_key_rotations(KeyId=KEY_ID, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [(each["KeyMaterialId"], each["KeyMaterialState"]) for each in every] == [
        (before, "NON_CURRENT"),
        (after, "CURRENT"),
    ]


def test_rotations_on_demand_are_limited_and_listed_in_pages(kms):
    for _ in range(serve_rotation._MOST_ON_DEMAND):
        kms.rotate_key_on_demand(KeyId=KEY_ID)
    text = (
        "The on-demand rotations limit has been reached for the given keyId. "
        f"No more on-demand rotations can be performed for this key: {KEY_ARN}"
    )
    assert refused(kms.rotate_key_on_demand, KeyId=KEY_ID) == ("LimitExceededException", text)
    whole = kms.list_key_rotations(KeyId=KEY_ID)["Rotations"]
    pages = list(kms.get_paginator("list_key_rotations").paginate(KeyId=KEY_ID, PaginationConfig={"PageSize": 10}))
    assert [len(page["Rotations"]) for page in pages] == [10, 10, 5]
    assert [each for page in pages for each in page["Rotations"]] == whole
    assert refused(kms.list_key_rotations, KeyId=KEY_ID, Marker="nonsense")[0] == "InvalidMarkerException"


@pytest.mark.parametrize(
    ("spec", "operation"), [("RSA_2048", "rotate_key_on_demand"), ("RSA_2048", "enable_key_rotation")]
)
def test_a_key_that_cannot_rotate_says_so(kms, spec, operation):
    created = made(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY")
    assert refused(getattr(kms, operation), KeyId=created["KeyId"]) == ("UnsupportedOperationException", "")


def test_the_last_use_of_a_key_is_told_for_each_key_by_itself(sandbox, kms):
    unused = kms.get_key_last_usage(KeyId=KEY_ARN)
    assert (unused["KeyId"], unused["KeyLastUsage"]) == (KEY_ID, {})
    assert unused["TrackingStartDate"] == unused["KeyCreationDate"]
    blob = kms.encrypt(KeyId=KEY_ID, Plaintext=b"x")
    last = kms.get_key_last_usage(KeyId=KEY_ID)["KeyLastUsage"]
    assert (last["Operation"], last["KmsRequestId"]) == ("Encrypt", blob["ResponseMetadata"]["RequestId"])
    assert abs(last["Timestamp"].timestamp() - time.time()) < 60
    with pytest.raises(ClientError):
        kms.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext={"not": "bound"})
    kms.describe_key(KeyId=KEY_ID)
    assert kms.get_key_last_usage(KeyId=KEY_ID)["KeyLastUsage"] == last
    kms.re_encrypt(CiphertextBlob=blob["CiphertextBlob"], DestinationKeyId=PRIMARY_ID)
    for key_id in (KEY_ID, PRIMARY_ID):
        assert kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"]["Operation"] == "ReEncrypt"
    assert there(sandbox).get_key_last_usage(KeyId=PRIMARY_ID)["KeyLastUsage"] == {}


def test_the_policy_of_a_resource_share_is_readable_where_there_is_one(kms):
    shown = kms.get_key_policy(KeyId=SHARED_ID, PolicyName="AWS_RAM")
    assert (shown["PolicyName"], json.loads(shown["Policy"])) == ("AWS_RAM", dict(SHARE.document))
    assert refused(kms.get_key_policy, KeyId=KEY_ID, PolicyName="AWS_RAM")[0] == "NotFoundException"


def test_a_policy_is_shown_as_aws_writes_it(kms):
    shown = kms.get_key_policy(KeyId=KEY_ID, PolicyName="default")
    assert shown["Policy"].startswith('{\n  "Version" : "2012-10-17",\n  "Statement" : [')


def test_a_description_is_changed(kms):
    kms.update_key_description(KeyId=KEY_ARN, Description="new")
    assert described(kms, KEY_ID)["Description"] == "new"


def test_who_may_not_call_is_refused_before_anything_happens(sandbox):
    limited = caller(session=[allow("kms:DescribeKey")])
    kms = sandbox.client("kms", as_=limited)
    before = sandbox.world
    for operation, parameters in (
        ("create_key", {}),
        ("replicate_key", {"KeyId": PRIMARY_ID, "ReplicaRegion": "us-west-2"}),
        ("update_primary_region", {"KeyId": PRIMARY_ID, "PrimaryRegion": FAR}),
        ("schedule_key_deletion", {"KeyId": KEY_ID}),
        ("rotate_key_on_demand", {"KeyId": KEY_ID}),
        ("enable_key_rotation", {"KeyId": KEY_ID}),
    ):
        assert refused(getattr(kms, operation), **parameters)[0] == "AccessDeniedException"
    assert sandbox.world == before
