"""S3 and Secrets Manager over `kmssim serve`: they ask KMS as the caller, and where it refuses nothing was written."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError
from serve_process import aws_cli, running

HERE = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{KEY_ID}"
SSE = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/data"}
TEAM = base64.b64encode(b'{"team": "a"}').decode()


def allow(*actions: str, **condition: dict) -> dict:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    if condition:
        statement["Condition"] = {
            "StringEquals": {name.replace("_", ":", 1): value for name, value in condition.items()}
        }
    return {"Version": "2012-10-17", "Statement": [statement]}


SERVICES = allow("s3:*", "secretsmanager:*")
SCENARIO = {
    "title": "objects and secrets under one key, and who may use which half of it",
    "accounts": {
        HERE: {
            "users": {"admin": {"policies": {"all": allow("*")}}},
            "roles": {
                "both": {"policies": {"services": SERVICES, "kms": allow("kms:GenerateDataKey", "kms:Decrypt")}},
                "reader": {"policies": {"services": SERVICES, "kms": allow("kms:Decrypt")}},
                "outsider": {"policies": {"services": SERVICES}},
                "keyholder": {"policies": {"kms": allow("kms:*")}},
                "by-s3": {
                    "policies": {
                        "services": SERVICES,
                        "kms": allow("kms:*", kms_ViaService="s3.us-east-1.amazonaws.com"),
                    }
                },
            },
            "keys": {"data": {"id": KEY_ID, "aliases": ["alias/data"]}},
            "buckets": {"plain": {}, "data": {"key": "alias/data"}, "quick": {"key": "alias/data", "bucket_key": True}},
            "secrets": {"db": {"key": "alias/data"}},
        }
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("serve"), scenario=SCENARIO) as opened:
        yield opened


@pytest.fixture
def s3_of(server):
    return lambda name: server.client(f"kmssim-{name}", "s3")


@pytest.fixture
def secrets_of(server):
    return lambda name: server.client(f"kmssim-{name}", "secretsmanager")


def refused(call, **parameters) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def names_in(s3, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


# --- S3


@pytest.mark.parametrize(("bucket", "sent"), [("plain", SSE), ("data", {}), ("quick", {})])
def test_an_object_is_written_copied_and_read_by_who_may_use_the_key(s3_of, bucket, sent):
    s3, place = s3_of("both"), {"Bucket": bucket, "Key": "a/b"}
    put = s3.put_object(Body=b"text", SSEKMSEncryptionContext=TEAM, **sent, **place)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", KEY_ARN)
    assert put.get("BucketKeyEnabled", False) is (bucket == "quick")
    assert s3_of("reader").get_object(**place)["Body"].read() == b"text"
    copy = {"Bucket": bucket, "Key": "copy"}
    assert s3.copy_object(CopySource=place, **sent, **copy)["SSEKMSKeyId"] == KEY_ARN
    assert s3_of("reader").get_object(**copy)["Body"].read() == b"text"


def test_what_kms_refuses_s3_refuses_in_its_own_words_and_nothing_is_written(s3_of):
    s3_of("both").put_object(Bucket="data", Key="kept", Body=b"text")
    before = names_in(s3_of("admin"), "data")
    for name, action in (("outsider", "kms:GenerateDataKey"), ("reader", "kms:GenerateDataKey")):
        code, status, message = refused(s3_of(name).put_object, Bucket="data", Key="new", Body=b"other")
        assert (code, status) == ("AccessDenied", 403)
        assert f"assumed-role/{name}/session is not authorized to perform: {action} on resource: {KEY_ARN}" in message
        assert refused(s3_of(name).put_object, Bucket="data", Key="kept", Body=b"other")[0] == "AccessDenied"
    assert names_in(s3_of("admin"), "data") == before
    assert s3_of("admin").get_object(Bucket="data", Key="kept")["Body"].read() == b"text"
    assert refused(s3_of("outsider").get_object, Bucket="data", Key="kept")[:2] == ("AccessDenied", 403)


def test_a_copy_needs_both_halves_of_the_key_and_is_not_made_with_one(s3_of):
    s3_of("both").put_object(Bucket="data", Key="source", Body=b"text")
    asked = {"CopySource": {"Bucket": "data", "Key": "source"}, "Bucket": "data", "Key": "half"}
    assert "kms:GenerateDataKey" in refused(s3_of("reader").copy_object, **asked)[2]
    assert "kms:Decrypt" in refused(s3_of("outsider").copy_object, **asked)[2]
    assert "half" not in names_in(s3_of("admin"), "data")


def test_s3s_own_permission_comes_first(s3_of):
    code, status, message = refused(s3_of("keyholder").put_object, Bucket="data", Key="x", Body=b"x")
    assert (code, status) == ("AccessDenied", 403)
    assert "s3:PutObject" in message


def test_kms_is_called_through_s3(server, s3_of):
    place = {"Bucket": "data", "Key": "through"}
    s3_of("by-s3").put_object(Body=b"text", **place)
    assert s3_of("by-s3").get_object(**place)["Body"].read() == b"text"
    direct = server.client("kmssim-by-s3").generate_data_key
    assert refused(direct, KeyId=KEY_ID, KeySpec="AES_256")[0] == "AccessDeniedException"


def test_a_disabled_key_is_told_as_s3_tells_it(server, s3_of):
    place, kms = {"Bucket": "data", "Key": "off"}, server.client("kmssim-admin")
    s3_of("both").put_object(Body=b"text", **place)
    kms.disable_key(KeyId=KEY_ID)
    try:
        told = ("KMS.DisabledException", 400, f"{KEY_ARN} is disabled.")
        assert refused(s3_of("both").get_object, **place) == told
        assert refused(s3_of("both").put_object, Body=b"other", **place) == told
    finally:
        kms.enable_key(KeyId=KEY_ID)
    assert s3_of("both").get_object(**place)["Body"].read() == b"text"


# --- Secrets Manager


def test_a_secret_is_made_changed_and_read_by_who_may_use_the_key(secrets_of):
    both = secrets_of("both")
    both.create_secret(Name="made", SecretString="first", KmsKeyId="alias/data")
    both.put_secret_value(SecretId="made", SecretString="second")
    assert secrets_of("reader").get_secret_value(SecretId="made")["SecretString"] == "second"
    assert both.describe_secret(SecretId="made")["KmsKeyId"] in {KEY_ARN, "alias/data"}


def test_what_kms_refuses_secrets_manager_refuses_and_nothing_is_written(secrets_of):
    secrets_of("both").put_secret_value(SecretId="db", SecretString="kept")
    versions = len(secrets_of("admin").list_secret_version_ids(SecretId="db", IncludeDeprecated=True)["Versions"])
    for name in ("reader", "outsider"):
        code, status, message = refused(secrets_of(name).put_secret_value, SecretId="db", SecretString="other")
        assert (code, status, message) == ("AccessDeniedException", 400, "Access to KMS is not allowed")
    asked = {"Name": "never", "SecretString": "x", "KmsKeyId": "alias/data"}
    assert refused(secrets_of("outsider").create_secret, **asked)[0] == "AccessDeniedException"
    assert refused(secrets_of("outsider").get_secret_value, SecretId="db")[2] == "Access to KMS is not allowed"
    admin = secrets_of("admin")
    assert admin.get_secret_value(SecretId="db")["SecretString"] == "kept"
    assert len(admin.list_secret_version_ids(SecretId="db", IncludeDeprecated=True)["Versions"]) == versions
    assert "never" not in [secret["Name"] for secret in admin.list_secrets()["SecretList"]]


def test_each_kms_call_of_a_service_is_a_line_of_its_own(tmp_path):
    with running(tmp_path, scenario=SCENARIO) as server:
        server.client("kmssim-both", "s3").put_object(Bucket="data", Key="a", Body=b"text")
        refused(server.client("kmssim-outsider", "secretsmanager").put_secret_value, SecretId="db", SecretString="x")  # fmt: skip
        code, lines, err = server.stop()
    assert (code, err) == (0, "")
    assert [(line["decision"], line["operation"]) for line in map(json.loads, lines)] == [
        ("ALLOW", "kms:GenerateDataKey"),
        ("ALLOW", "s3:PutObject"),
        ("DENY", "kms:GenerateDataKey"),
        ("DENY", "secretsmanager:PutSecretValue"),
    ]


# --- the AWS CLI


@pytest.fixture
def aws(server):
    return aws_cli(server, "kmssim-")


def test_the_aws_cli_puts_copies_and_gets_objects_as_kms_lets_it(aws, tmp_path):
    (tmp_path / "text").write_bytes(b"an order")
    put = ("s3api", "put-object", "--bucket", "data", "--key", "cli", "--body", str(tmp_path / "text"))
    code, made, err = aws("both", *put)
    assert (code, made.get("SSEKMSKeyId")) == (0, KEY_ARN), err
    copy = ("s3api", "copy-object", "--bucket", "data", "--key", "cli-copy", "--copy-source", "data/cli")
    code, _, err = aws("reader", *copy)
    assert code != 0
    assert "(AccessDenied)" in err
    code, _, err = aws("both", *copy)
    assert code == 0, err
    code, _, err = aws("reader", "s3api", "get-object", "--bucket", "data", "--key", "cli-copy", str(tmp_path / "out"))
    assert (code, (tmp_path / "out").read_bytes()) == (0, b"an order"), err
    code, _, err = aws("outsider", *put)
    assert code != 0
    assert "is not authorized to perform: kms:GenerateDataKey" in err


def test_the_aws_cli_makes_and_reads_secrets_as_kms_lets_it(aws):
    create = ("secretsmanager", "create-secret", "--name", "cli", "--secret-string", "s", "--kms-key-id", "alias/data")
    code, _, err = aws("outsider", *create)
    assert code != 0
    assert "(AccessDeniedException)" in err
    code, _, err = aws("both", *create)
    assert code == 0, err
    code, read, err = aws("reader", "secretsmanager", "get-secret-value", "--secret-id", "cli")
    assert (code, read.get("SecretString")) == (0, "s"), err
