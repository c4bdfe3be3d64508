"""S3 in front of KMS: real boto3 calls need S3's permission and then the key's, and end as S3 has them end.

Codes, messages and shapes that AWS was recorded with stand here as literals.
"""

from __future__ import annotations

import base64
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from kmssim.errors import AuthorityError
from kmssim.evaluator.decision import Authority, RuledBy
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Bucket, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
DATA, OFF, DYING, FAR, WEST = (f"1234abcd-12ab-34cd-56ef-12345678900{n}" for n in range(1, 6))
DATA_ARN, OFF_ARN, DYING_ARN = (f"arn:aws:kms:{REGION}:{HERE}:key/{key_id}" for key_id in (DATA, OFF, DYING))
FAR_ARN, WEST_ARN = f"arn:aws:kms:{REGION}:{THERE}:key/{FAR}", f"arn:aws:kms:us-west-2:{HERE}:key/{WEST}"
GONE = "134f2428-cec1-4b25-a1ae-9048164dba47"
VIA = "s3.us-east-1.amazonaws.com"
TEAM = base64.b64encode(b'{"team": "a"}').decode()
SSE = {"ServerSideEncryption": "aws:kms"}


def role_arn(name: str, account: str = HERE) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{name}/job"


def document(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, **more: object) -> dict:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def role(name: str, *statements: dict, account: str = HERE) -> Role:
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    )
    policies = (parse_policy(document(*statements), PolicyKind.IDENTITY),) if statements else ()
    trusts = parse_policy(trust, PolicyKind.TRUST)
    return Role(f"arn:aws:iam::{account}:role/{name}", name, trust=trusts, policies=policies)


def encrypted(pairs: dict) -> dict:
    return {"Condition": {"StringEquals": {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}}}


def keys(account: str, *ids: str, region: str = REGION, **more) -> tuple[Key, ...]:
    return tuple(Key(key_id, region, account, default_key_policy(account), **more) for key_id in ids)


def world() -> World:
    objects = allow("s3:*")
    roles = {
        "both": role("both", objects, allow("kms:*")),
        "s3": role("s3", objects),
        "kms": role("kms", allow("kms:*")),
        "writer": role("writer", objects, allow("kms:GenerateDataKey")),
        "reader": role("reader", objects, allow("kms:Decrypt")),
        "by-object": role("by-object", objects, allow("kms:*", **encrypted({"aws:s3:arn": "arn:aws:s3:::plain/a"}))),
        "by-bucket": role("by-bucket", objects, allow("kms:*", **encrypted({"aws:s3:arn": "arn:aws:s3:::quick"}))),
        "team": role("team", objects, allow("kms:*", **encrypted({"team": "a"}))),
    }
    open_to_all = allow("s3:*", Principal="*", Resource=["arn:aws:s3:::shared", "arn:aws:s3:::shared/*"])
    shared = parse_policy(document(open_to_all), PolicyKind.BUCKET)
    buckets = (
        Bucket("plain", HERE, REGION, None),
        Bucket("data", HERE, REGION, "alias/data"),
        Bucket("quick", HERE, REGION, DATA_ARN, bucket_key=True),
        Bucket("off", HERE, REGION, OFF),
        Bucket("shared", HERE, REGION, "alias/data", policy=shared),
    )
    made = (
        *keys(HERE, DATA, aliases=("alias/data",)),
        *keys(HERE, OFF, state="Disabled"),
        *keys(HERE, DYING, state="PendingDeletion"),
        *keys(HERE, WEST, region="us-west-2"),
    )
    here = Account(HERE, roles=roles, keys=made, buckets={bucket.name: bucket for bucket in buckets})
    far = {"far": role("far", allow("s3:*", "kms:*"), account=THERE)}
    return World({HERE: here, THERE: Account(THERE, roles=far, keys=keys(THERE, FAR, aliases=("alias/data",)))})


@pytest.fixture(scope="module")
def opened():
    with Sandbox(world()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(opened):
    opened.decisions.clear()
    return opened


@pytest.fixture
def fresh(opened):
    opened.restore()
    opened.decisions.clear()
    yield opened
    opened.restore()


def s3_of(sandbox, name: str = "both", account: str = HERE):
    return sandbox.client("s3", as_=role_arn(name, account))


def put(sandbox, name: str = "both", bucket: str = "data", key: str = "a", **parameters):
    return s3_of(sandbox, name).put_object(Bucket=bucket, Key=key, Body=b"text", **parameters)


def refused(call, **parameters) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def shown(answer) -> tuple[str | None, str | None, bool | None]:
    """What an answer says of the encryption."""
    return answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId"), answer.get("BucketKeyEnabled")


def asked(sandbox) -> list[str]:
    return [f"{decision.call.operation} {decision.word}" for decision in sandbox.decisions]


def kms_calls(sandbox) -> list[tuple[str, dict]]:
    decided = [decision.call for decision in sandbox.decisions if decision.call.service == "kms"]
    assert all(call.via == VIA for call in decided)
    return [(call.name, dict(call.parameters["EncryptionContext"])) for call in decided]


def test_writing_asks_kms_for_a_data_key_and_reading_to_decrypt_it_as_the_caller_through_s3(sandbox):
    """DS-1, DS-2, SV-1."""
    put(sandbox, key="in/a")
    assert s3_of(sandbox).get_object(Bucket="data", Key="in/a")["Body"].read() == b"text"
    context = {"aws:s3:arn": "arn:aws:s3:::data/in/a"}
    assert kms_calls(sandbox) == [("GenerateDataKey", context), ("Decrypt", context)]
    assert asked(sandbox) == [
        "kms:GenerateDataKey ALLOW", "s3:PutObject ALLOW", "kms:Decrypt ALLOW", "s3:GetObject ALLOW",
    ]  # fmt: skip
    assert {decision.call.principal.arn for decision in sandbox.decisions} == {role_arn("both")}


def denial(name: str, action: str, resource: str) -> tuple[str, str, int]:
    sentence = (
        f"User: {role_arn(name)} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    return "AccessDenied", sentence, 403


def test_who_may_write_objects_but_not_use_the_key_sees_kmss_sentence_as_s3s_and_nothing_is_written(sandbox):
    """DS-1: the status is S3's 403."""
    answer = refused(s3_of(sandbox, "s3").put_object, Bucket="data", Key="never", Body=b"x")
    assert answer == denial("s3", "kms:GenerateDataKey", DATA_ARN)
    assert asked(sandbox) == ["kms:GenerateDataKey DENY", "s3:PutObject DENY"]
    listed = sandbox.reader("s3", HERE, REGION).list_objects_v2(Bucket="data", Prefix="never")
    assert listed["KeyCount"] == 0


def test_without_s3s_own_permission_kms_is_never_asked(sandbox):
    """DS-80."""
    arn = "arn:aws:s3:::data/never"
    assert refused(s3_of(sandbox, "kms").put_object, Bucket="data", Key="never", Body=b"x") == denial(
        "kms", "s3:PutObject", arn
    )
    assert refused(s3_of(sandbox, "kms").get_object, Bucket="data", Key="never") == denial("kms", "s3:GetObject", arn)
    assert asked(sandbox) == ["s3:PutObject DENY", "s3:GetObject DENY"]


def test_reading_without_the_key_is_refused_by_get_and_by_head(sandbox):
    """DS-2. An answer to HEAD has no body, and so no sentence."""
    put(sandbox, key="closed")
    writer = s3_of(sandbox, "writer")
    assert refused(writer.get_object, Bucket="data", Key="closed") == denial("writer", "kms:Decrypt", DATA_ARN)
    assert refused(writer.head_object, Bucket="data", Key="closed") == ("403", "Forbidden", 403)
    assert shown(s3_of(sandbox, "reader").head_object(Bucket="data", Key="closed")) == ("aws:kms", DATA_ARN, None)


def test_an_object_that_is_not_there_costs_no_kms_call(sandbox):
    code, _, status = refused(s3_of(sandbox, "s3").get_object, Bucket="data", Key="nowhere")
    assert (code, status) == ("NoSuchKey", 404)
    assert asked(sandbox) == ["s3:GetObject ALLOW"]


def test_a_bucket_that_is_not_there_is_s3s_to_tell(sandbox):
    assert refused(s3_of(sandbox).get_object, Bucket="no-such-bucket", Key="a")[0] == "NoSuchBucket"
    assert refused(s3_of(sandbox).put_object, Bucket="no-such-bucket", Key="a", Body=b"")[0] == "NoSuchBucket"
    assert sandbox.decisions == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("AES256", None, None)),
        ({"ServerSideEncryption": "AES256"}, ("AES256", None, None)),
        ({**SSE, "SSEKMSKeyId": DATA}, ("aws:kms", DATA_ARN, None)),
        ({**SSE, "SSEKMSKeyId": DATA_ARN}, ("aws:kms", DATA_ARN, None)),
        ({**SSE, "SSEKMSKeyId": "alias/data"}, ("aws:kms", DATA_ARN, None)),
        ({**SSE, "SSEKMSKeyId": f"arn:aws:kms:{REGION}:{HERE}:alias/data"}, ("aws:kms", DATA_ARN, None)),
        ({**SSE, "SSEKMSKeyId": DATA, "BucketKeyEnabled": True}, ("aws:kms", DATA_ARN, True)),
        ({"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": DATA}, ("aws:kms:dsse", DATA_ARN, None)),
    ],
    ids=["nothing", "S3's own", "id", "ARN", "alias", "alias ARN", "bucket key", "twice"],
)
def test_an_object_is_shown_with_the_arn_of_its_key_however_the_key_was_named(sandbox, given, expected):
    """MK-4: of an object under S3's own key nothing is asked of KMS."""
    assert shown(put(sandbox, bucket="plain", key="named", **given)) == expected
    assert shown(s3_of(sandbox).head_object(Bucket="plain", Key="named")) == expected
    assert shown(s3_of(sandbox).get_object(Bucket="plain", Key="named")) == expected
    operations = ["GenerateDataKey", "Decrypt", "Decrypt"] if "SSEKMSKeyId" in given else []
    assert [name for name, _ in kms_calls(sandbox)] == operations


def recorded_failures() -> list:
    not_found = f"Key 'arn:aws:kms:{REGION}:{HERE}:key/{GONE}' does not exist"
    elsewhere = f"Key 'arn:aws:kms:{REGION}:{HERE}:key/{WEST}' does not exist"
    return [
        ("fake-key-id", "KMS.NotFoundException", "Invalid keyId 'fake-key-id'"),
        (GONE, "KMS.NotFoundException", not_found),
        (f"arn:aws:kms:{REGION}:{HERE}:key/{GONE}", "KMS.NotFoundException", not_found),
        (WEST_ARN, "KMS.NotFoundException", "Invalid arn us-west-2"),
        (WEST, "KMS.NotFoundException", elsewhere),
        (OFF, "KMS.DisabledException", f"{OFF_ARN} is disabled."),
        (DYING, "KMS.KMSInvalidStateException", f"{DYING_ARN} is pending deletion."),
    ]


@pytest.mark.parametrize(("key", "code", "message"), recorded_failures())
def test_other_failures_of_kms_are_told_with_http_400_and_nothing_is_written(sandbox, key, code, message):
    """DS-5."""
    s3, where = s3_of(sandbox), {"Bucket": "plain", "Key": "failed"}
    named = {**SSE, "SSEKMSKeyId": key}
    assert refused(s3.put_object, **where, Body=b"x", **named) == (code, message, 400)
    assert refused(s3.create_multipart_upload, **where, **named) == (code, message, 400)
    put(sandbox, bucket="plain", key="source")
    assert refused(s3.copy_object, **where, CopySource="plain/source", **named) == (code, message, 400)
    assert refused(s3.head_object, **where)[2] == 404
    assert "Uploads" not in sandbox.reader("s3", HERE, REGION).list_multipart_uploads(Bucket="plain")


def test_a_key_that_is_disabled_or_dying_takes_its_objects_along(fresh):
    """DS-5, as AWS was recorded."""
    put(fresh, bucket="plain", key="k", **SSE, SSEKMSKeyId=DATA)
    kms, s3 = fresh.client("kms", as_=role_arn("both")), s3_of(fresh)
    kms.disable_key(KeyId=DATA)
    disabled = ("KMS.DisabledException", f"{DATA_ARN} is disabled.", 400)
    assert refused(s3.get_object, Bucket="plain", Key="k") == disabled
    assert refused(s3.put_object, Bucket="data", Key="k", Body=b"x") == disabled
    kms.schedule_key_deletion(KeyId=DATA)
    dying = ("KMS.KMSInvalidStateException", f"{DATA_ARN} is pending deletion.", 400)
    assert refused(s3.get_object, Bucket="plain", Key="k") == dying


@pytest.mark.parametrize(
    ("name", "bucket", "key", "given", "passes"),
    [
        ("by-object", "plain", "a", {**SSE, "SSEKMSKeyId": DATA}, True),
        ("by-object", "plain", "b", {**SSE, "SSEKMSKeyId": DATA}, False),
        ("by-object", "plain", "a", {**SSE, "SSEKMSKeyId": DATA, "BucketKeyEnabled": True}, False),
        ("by-bucket", "quick", "a", {}, True),
        ("by-bucket", "quick", "a", {"BucketKeyEnabled": False}, False),
        ("by-bucket", "quick", "a", {"ServerSideEncryption": "aws:kms:dsse"}, False),
        ("team", "data", "t", {"SSEKMSEncryptionContext": TEAM}, True),
        ("team", "data", "t", {}, False),
    ],
)
def test_a_condition_on_the_encryption_context_meets_object_bucket_and_the_callers_own_pairs(
    sandbox, name, bucket, key, given, passes
):
    """DS-1, DS-3; and no Bucket Key under DSSE."""
    if passes:
        put(sandbox, name, bucket, key, **given)
        s3_of(sandbox, name).get_object(Bucket=bucket, Key=key)
        written, read = (context for _, context in kms_calls(sandbox))
        assert written == read
    else:
        assert refused(lambda: put(sandbox, name, bucket, key, **given))[0] == "AccessDenied"


def test_how_an_object_was_written_counts_when_it_is_read_not_what_its_bucket_says_now(fresh):
    put(fresh, key="old", **SSE, SSEKMSKeyId=DATA, BucketKeyEnabled=True)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": OFF}
    s3_of(fresh).put_bucket_encryption(
        Bucket="data", ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    )
    assert refused(s3_of(fresh).put_object, Bucket="data", Key="new", Body=b"x")[0] == "KMS.DisabledException"
    assert shown(s3_of(fresh).get_object(Bucket="data", Key="old")) == ("aws:kms", DATA_ARN, True)


def test_each_version_of_an_object_is_read_under_its_own_key(fresh):
    s3 = s3_of(fresh)
    s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    old = put(fresh, bucket="plain", key="v", **SSE, SSEKMSKeyId=DATA, SSEKMSEncryptionContext=TEAM)["VersionId"]
    put(fresh, bucket="plain", key="v")
    fresh.decisions.clear()
    s3_of(fresh, "s3").get_object(Bucket="plain", Key="v")
    assert refused(s3_of(fresh, "s3").get_object, Bucket="plain", Key="v", VersionId=old)[0] == "AccessDenied"
    assert kms_calls(fresh) == [("Decrypt", {"aws:s3:arn": "arn:aws:s3:::plain/v", "team": "a"})]
    assert fresh.decisions[-1].permissions[0].action == "s3:GetObjectVersion"


def test_an_object_that_nobody_wrote_through_the_gate_is_read_as_moto_stores_it(sandbox):
    sandbox.reader("s3", HERE, REGION).put_object(Bucket="quick", Key="seeded", Body=b"x")
    assert shown(s3_of(sandbox, "by-bucket").get_object(Bucket="quick", Key="seeded")) == ("aws:kms", DATA_ARN, True)


def test_a_copy_is_decrypted_at_its_source_and_encrypted_at_its_destination(sandbox):
    """DS-1, DS-2."""
    put(sandbox, key="from", SSEKMSEncryptionContext=TEAM)
    sandbox.decisions.clear()
    copied = s3_of(sandbox).copy_object(Bucket="quick", Key="to", CopySource={"Bucket": "data", "Key": "from"})
    assert shown(copied) == ("aws:kms", DATA_ARN, True)
    source, destination = {"aws:s3:arn": "arn:aws:s3:::data/from", "team": "a"}, {"aws:s3:arn": "arn:aws:s3:::quick"}
    assert kms_calls(sandbox) == [("Decrypt", source), ("GenerateDataKey", destination)]
    assert asked(sandbox)[1::2] == ["s3:GetObject ALLOW", "s3:PutObject ALLOW"]


@pytest.mark.parametrize(("name", "missing"), [("writer", "kms:Decrypt"), ("reader", "kms:GenerateDataKey")])
def test_a_copy_without_one_of_the_two_is_refused_and_not_made(sandbox, name, missing):
    put(sandbox, key="from")
    copy = {"Bucket": "data", "Key": "not-copied", "CopySource": "data/from"}
    assert refused(s3_of(sandbox, name).copy_object, **copy) == denial(name, missing, DATA_ARN)
    assert refused(s3_of(sandbox).head_object, Bucket="data", Key="not-copied")[2] == 404


def test_a_copy_in_place_takes_the_object_from_kms_to_s3s_own_key(sandbox):
    put(sandbox, bucket="plain", key="moved", **SSE, SSEKMSKeyId=DATA)
    copied = s3_of(sandbox).copy_object(
        Bucket="plain", Key="moved", CopySource="plain/moved", ServerSideEncryption="AES256"
    )
    assert shown(copied) == ("AES256", None, None)
    assert shown(s3_of(sandbox, "s3").get_object(Bucket="plain", Key="moved")) == ("AES256", None, None)


def upload(sandbox, bucket: str, name: str = "both", **parameters) -> list:
    s3, where = s3_of(sandbox, name), {"Bucket": bucket, "Key": "parts"}
    begun = s3.create_multipart_upload(**where, **parameters)
    where["UploadId"] = begun["UploadId"]
    part = s3.upload_part(**where, PartNumber=1, Body=b"text")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    ended = s3.complete_multipart_upload(**where, MultipartUpload=parts)
    return [shown(answer) for answer in (begun, part, ended, s3.get_object(Bucket=bucket, Key="parts"))]


@pytest.mark.parametrize(
    ("bucket", "given"), [("quick", {}), ("plain", {**SSE, "SSEKMSKeyId": "alias/data", "BucketKeyEnabled": True})]
)
def test_an_upload_in_parts_is_one_key_from_beginning_to_end(sandbox, bucket, given):
    """DS-4, and the answers as AWS was recorded."""
    assert upload(sandbox, bucket, **given) == [("aws:kms", DATA_ARN, True)] * 4
    names = [name for name, _ in kms_calls(sandbox)]
    assert names == ["GenerateDataKey", "Decrypt", "Decrypt", "Decrypt", "Decrypt"]
    assert {context["aws:s3:arn"] for _, context in kms_calls(sandbox)} == {f"arn:aws:s3:::{bucket}"}


def test_an_upload_in_parts_needs_decrypt_from_its_beginning(sandbox):
    """DS-4."""
    begin = s3_of(sandbox, "writer").create_multipart_upload
    assert refused(begin, Bucket="data", Key="parts") == denial("writer", "kms:Decrypt", DATA_ARN)


def test_a_part_of_somebody_elses_upload_needs_the_key_too(sandbox):
    """DS-4."""
    where = {"Bucket": "data", "Key": "parts"}
    where["UploadId"] = s3_of(sandbox).create_multipart_upload(**where)["UploadId"]
    assert refused(s3_of(sandbox, "writer").upload_part, **where, PartNumber=1, Body=b"x")[0] == "AccessDenied"
    put(sandbox, key="from")
    copy = {**where, "PartNumber": 1, "CopySource": "data/from"}
    assert refused(s3_of(sandbox, "writer").upload_part_copy, **copy)[0] == "AccessDenied"
    s3_of(sandbox, "reader").upload_part_copy(**copy)
    s3_of(sandbox).abort_multipart_upload(**where)


def test_an_alias_is_looked_up_in_the_account_of_who_writes(sandbox):
    """DS-6: the bucket's `alias/data` is another key there."""
    far = s3_of(sandbox, "far", THERE)
    assert shown(far.put_object(Bucket="shared", Key="far", Body=b"x")) == ("aws:kms", FAR_ARN, None)
    assert shown(s3_of(sandbox).put_object(Bucket="shared", Key="near", Body=b"x")) == ("aws:kms", DATA_ARN, None)
    code, message, status = refused(s3_of(sandbox).get_object, Bucket="shared", Key="far")
    assert (code, status) == ("AccessDenied", 403)
    assert "kms:Decrypt on this resource because the resource does not exist in this Region" in message


def test_another_accounts_bucket_needs_a_bucket_policy(sandbox):
    far = s3_of(sandbox, "far", THERE)
    code, _, status = refused(far.put_object, Bucket="data", Key="far", Body=b"x")
    assert (code, status) == ("AccessDenied", 403)
    assert asked(sandbox) == ["s3:PutObject DENY"]


def test_without_a_key_it_is_the_aws_managed_one_which_asks_nothing_of_its_accounts_principals(fresh):
    """MK-1, MK-2: AWS makes it when it is first needed."""
    answer = shown(put(fresh, "s3", "plain", "managed", **SSE))
    assert shown(s3_of(fresh, "s3").get_object(Bucket="plain", Key="managed")) == answer
    assert [name for name, _ in kms_calls(fresh)] == ["GenerateDataKey", "Decrypt"]
    made = fresh.client("kms", as_=role_arn("both")).describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert answer == ("aws:kms", made["Arn"], None)
    assert (made["KeyManager"], made["Description"]) == (
        "AWS", "Default key that protects my S3 objects when no other key is defined",
    )  # fmt: skip
    assert shown(put(fresh, "s3", "plain", "again", **SSE)) == answer
    direct = refused(fresh.client("kms", as_=role_arn("both")).generate_data_key, KeyId=made["Arn"], KeySpec="AES_256")
    assert direct[0] == "AccessDeniedException"


def test_who_may_not_write_makes_no_managed_key_either(sandbox):
    before = sandbox.world
    assert refused(s3_of(sandbox, "kms").put_object, Bucket="plain", Key="a", Body=b"x", **SSE)[0] == "AccessDenied"
    assert asked(sandbox) == ["s3:PutObject DENY"]
    assert sandbox.world == before


def test_a_bucket_under_the_aws_managed_key_by_default_shows_it_on_its_objects(fresh):
    """As AWS was recorded: default encryption without a key, with a Bucket Key."""
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3_of(fresh).put_bucket_encryption(Bucket="plain", ServerSideEncryptionConfiguration={"Rules": [rule]})
    algorithm, key, bucket_key = shown(put(fresh, "s3", "plain", "managed"))
    assert (algorithm, bucket_key) == ("aws:kms", True)
    assert key in fresh.world.keys_by_arn
    assert kms_calls(fresh) == [("GenerateDataKey", {"aws:s3:arn": "arn:aws:s3:::plain"})]


def test_a_key_that_the_caller_sends_along_is_no_business_of_kms(sandbox):
    """MK-4."""
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    put(sandbox, "s3", key="mine", **own)
    s3_of(sandbox, "s3").get_object(Bucket="data", Key="mine", **own)
    assert asked(sandbox) == ["s3:PutObject ALLOW", "s3:GetObject ALLOW"]


def test_what_reads_and_writes_no_object_passes_undecided(sandbox):
    s3_of(sandbox, "kms").list_buckets()
    s3_of(sandbox, "kms").list_objects_v2(Bucket="data")
    assert sandbox.decisions == []


def test_a_bucket_policy_that_is_put_counts_at_the_next_call(fresh):
    put(fresh, key="a")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}
    s3_of(fresh).put_bucket_policy(Bucket="data", Policy=json.dumps(document(deny)))
    assert refused(s3_of(fresh).get_object, Bucket="data", Key="a")[0] == "AccessDenied"
    assert fresh.decisions[-1].explicit


def test_a_presigned_url_reads_as_the_one_who_signed_it(sandbox):
    put(sandbox, key="signed")
    for name, status in (("reader", 200), ("writer", 403)):
        url = s3_of(sandbox, name).generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "signed"})
        with moto_session() as session:
            assert session.get(url).status_code == status


def moto_session():
    import requests  # noqa: PLC0415 - comes with moto, which answers its calls in process

    return requests.Session()


def test_where_the_authority_does_not_rule_nothing_is_read_or_written(fresh, monkeypatch):
    def gone(_facts):
        message = "the authority is gone"
        raise AuthorityError(message)

    s3 = s3_of(fresh)
    monkeypatch.setattr(fresh._enforcement, "authority", Authority(RuledBy("opa"), gone))
    answer = refused(s3.put_object, Bucket="data", Key="never", Body=b"x")
    assert answer == ("InternalError", "kmssim: the authority is gone", 400)
    assert fresh.reader("s3", HERE, REGION).list_objects_v2(Bucket="data")["KeyCount"] == 0


def test_over_http_with_the_bucket_in_the_path_the_same_call_gets_the_same_answer(fresh):
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()

    def over_http(name: str):
        credentials = fresh.sign_in(parse_principal(role_arn(name)))
        host, port = server.get_host_and_port()
        return boto3.client(
            "s3",
            REGION,
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    try:
        where = {"Bucket": "data", "Key": "over/http"}
        written = over_http("both").put_object(**where, Body=b"text", SSEKMSEncryptionContext=TEAM)
        assert shown(written) == ("aws:kms", DATA_ARN, None)
        read = over_http("both").get_object(**where)
        assert (read["Body"].read(), shown(read)) == (b"text", ("aws:kms", DATA_ARN, None))
        assert refused(over_http("writer").get_object, **where) == denial("writer", "kms:Decrypt", DATA_ARN)
        assert refused(over_http("s3").put_object, Bucket="off", Key="a", Body=b"x")[0] == "AccessDenied"
        failure = refused(over_http("both").put_object, Bucket="off", Key="a", Body=b"x")
        assert failure == ("KMS.DisabledException", f"{OFF_ARN} is disabled.", 400)
        copied = over_http("both").copy_object(Bucket="quick", Key="copy", CopySource="data/over/http")
        assert shown(copied) == ("aws:kms", DATA_ARN, True)
    finally:
        server.stop()
    context = {"aws:s3:arn": "arn:aws:s3:::data/over/http", "team": "a"}
    assert kms_calls(fresh)[:3] == [("GenerateDataKey", context), ("Decrypt", context), ("Decrypt", context)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"SSEKMSKeyId": DATA}, "requires HTTP header x-amz-server-side-encryption : aws:kms"),
        (
            {"ServerSideEncryption": "AES256", "SSEKMSKeyId": DATA},
            "requires HTTP header x-amz-server-side-encryption : ",
        ),
        ({"ServerSideEncryption": "aws:kns"}, "The encryption method specified is not supported"),
        (
            {**SSE, "SSEKMSKeyId": DATA, "SSEKMSEncryptionContext": "team=a"},
            "holding JSON which represents a string-str",
        ),
        (
            {**SSE, "SSEKMSKeyId": DATA, "SSEKMSEncryptionContext": base64.b64encode(b'["a"]').decode()},
            "shall be Base64",
        ),
        ({**SSE, "SSEKMSKeyId": DATA, "SSEKMSEncryptionContext": base64.b64encode(b'{"a": 1}').decode()}, "string map"),
    ],
)
@pytest.mark.parametrize("operation", ["put_object", "create_multipart_upload", "copy_object"])
def test_headers_about_encryption_that_do_not_fit_are_refused_and_nothing_is_written(sandbox, operation, given, told):
    put(sandbox, bucket="plain", key="source")
    s3 = s3_of(sandbox)
    source = {"CopySource": "plain/source"} if operation == "copy_object" else {}
    code, message, status = refused(getattr(s3, operation), Bucket="plain", Key="misused", **source, **given)
    assert (code, status) == ("InvalidArgument", 400)
    assert told in message
    assert "misused" not in [each["Key"] for each in s3.list_objects_v2(Bucket="plain")["Contents"]]


@pytest.mark.parametrize("text", ["garbage", "{}", '{"Version": "2012-10-17", "Statement": {"Effect": "Maybe"}}'])
def test_a_bucket_policy_that_aws_would_refuse_is_refused_and_the_sandbox_goes_on(fresh, text):
    s3 = s3_of(fresh)
    before = s3.get_bucket_policy(Bucket="shared")["Policy"]
    code, _, status = refused(s3.put_bucket_policy, Bucket="shared", Policy=text)
    assert (code, status) == ("MalformedPolicy", 400)
    assert s3.get_bucket_policy(Bucket="shared")["Policy"] == before
    put(fresh, bucket="data", key="after")
