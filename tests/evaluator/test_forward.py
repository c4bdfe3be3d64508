"""Calls to S3 and Secrets Manager: which key is behind them, and with which encryption context (DS-1 to DS-12)."""

from __future__ import annotations

import base64

import pytest
from building import (
    ACCOUNT,
    KEY_ARN,
    OTHER,
    REGION,
    WORKER,
    allow,
    decided,
    deny,
    key,
    policy,
    with_account,
    words,
    world,
)

from kmssim.evaluator.forward import secret_arn
from kmssim.evaluator.world import Bucket, Secret

S3, SECRETS = allow("s3:*"), allow("secretsmanager:*")
THROUGH_S3 = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com", "kms:CallerAccount": ACCOUNT}}
AWS_S3 = key(allow("kms:*", to="*", when=THROUGH_S3), manager="AWS", aliases=("alias/aws/s3",))


def put(*keys, mine, bucket_key=None, **parameters):
    """How `worker` fares that puts an object into its account's bucket."""
    bucket = Bucket("reports", ACCOUNT, REGION, bucket_key)
    here = with_account(world(*keys, mine=mine), ACCOUNT, buckets={"reports": bucket})
    return decided(here, operation="s3:PutObject", parameters={"Bucket": "reports", "Key": "q1", **parameters})


def asked(decision):
    return [found.action for found in decision.permissions]


@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse"])
def test_an_object_under_kms_without_a_key_is_under_the_aws_managed_one(encryption):
    """MK-1, MK-2: whoever may use the service needs no KMS permission of its own, and a Deny of its own still works."""
    allowed = put(AWS_S3, mine=(S3,), ServerSideEncryption=encryption)
    assert words(allowed) == ("ALLOW", ("identity", "key_policy"), None)
    assert asked(allowed) == ["s3:PutObject", "kms:GenerateDataKey"]
    denied = put(AWS_S3, mine=(S3, deny("kms:GenerateDataKey")), ServerSideEncryption=encryption)
    assert words(denied) == ("DENY", ("identity",), "AccessDenied")


@pytest.mark.parametrize(
    "parameters",
    [{}, {"ServerSideEncryption": "AES256"}, {"SSECustomerAlgorithm": "AES256"}],
    ids=["as the bucket says", "S3's own key", "the caller's key"],
)
def test_an_object_that_is_not_under_kms_asks_nothing_of_kms(parameters):
    """MK-4."""
    assert asked(put(AWS_S3, mine=(S3, deny("kms:*")), **parameters)) == ["s3:PutObject"]


def test_an_aws_managed_key_that_the_world_does_not_declare_asks_nothing():
    """MK-2."""
    assert asked(put(mine=(S3,), ServerSideEncryption="aws:kms")) == ["s3:PutObject"]


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ({"team": "a"}, True),
        (encoded('{"team": "a"}'), True),
        (encoded('{"team": "b"}'), False),
        ('{"team": "a"}', False),
        (encoded('{"team": "a"'), False),
        (encoded('["team", "a"]'), False),
        (None, False),
    ],
    ids=["pairs", "base-64 JSON", "another pair", "no base-64", "no JSON", "no pairs", "nothing"],
)
def test_the_pairs_that_the_caller_sends_to_s3_reach_kms_when_they_can_be_read(sent, arrives):
    """DS-1."""
    team = {"StringEquals": {"kms:EncryptionContext:team": "a"}}
    trusting = key(allow("kms:GenerateDataKey", to=WORKER, when=team))
    decision = put(trusting, mine=(S3,), bucket_key=KEY_ARN, SSEKMSEncryptionContext=sent)
    assert decision.allowed is arrives
    assert asked(decision) == ["s3:PutObject", "kms:GenerateDataKey"]


@pytest.mark.parametrize("account", [ACCOUNT, OTHER])
def test_a_secret_that_the_world_does_not_declare_is_of_the_account_that_its_arn_says(account):
    """DS-11: without a key of its own it asks nothing inside its account; another account's needs its own policy."""
    arn = f"arn:aws:secretsmanager:{REGION}:{account}:secret:db-a1b2c3"
    read = {"operation": "secretsmanager:GetSecretValue", "parameters": {"SecretId": arn}}
    found = decided(world(mine=(SECRETS,)), **read)
    assert [(one.action, one.resource) for one in found.permissions] == [("secretsmanager:GetSecretValue", arn)]
    assert words(found)[::2] == (("ALLOW", None) if account == ACCOUNT else ("DENY", "AccessDeniedException"))


BY_RESOURCE, BY_IDENTITY = "resource-based", "identity-based"
READ = "secretsmanager:GetSecretValue"
ALLOWS_BOTH_ALIKE = (allow(READ, to=f"arn:aws:iam::{ACCOUNT}:root"), allow("secretsmanager:DescribeSecret", to=WORKER))


@pytest.mark.parametrize(
    ("secrets_policy", "mine", "named"),
    [
        (None, (), BY_RESOURCE),
        (ALLOWS_BOTH_ALIKE, (), BY_RESOURCE),
        ((allow(READ, to=WORKER),), (), BY_IDENTITY),
        (None, (SECRETS,), BY_RESOURCE),
    ],
    ids=[
        "nobody allows",
        "the account alone is allowed",
        "the role itself is allowed",
        "only the caller's side allows",
    ],
)
def test_secrets_manager_names_the_policy_type_of_the_missing_allow(secrets_policy, mine, named):
    """XA-12."""
    theirs = Secret("db", OTHER, REGION, None, policy("secret", *secrets_policy) if secrets_policy else None)
    shared = with_account(world(mine=mine), OTHER, secrets={"db": theirs})
    refused = decided(shared, operation=READ, parameters={"SecretId": secret_arn(theirs)})
    assert words(refused) == ("DENY", ("identity",), "AccessDeniedException")
    assert refused.failure.message.endswith(f"because no {named} policy allows the {READ} action")


def test_at_home_secrets_manager_names_the_callers_own_policy():
    """EM-3."""
    home = with_account(world(), ACCOUNT, secrets={"db": Secret("db", ACCOUNT, REGION, None)})
    refused = decided(home, operation=READ, parameters={"SecretId": "db"})
    assert refused.failure.message.endswith(f"because no identity-based policy allows the {READ} action")
    denied = with_account(world(mine=(deny("secretsmanager:*"),)), OTHER, secrets={})
    arn = f"arn:aws:secretsmanager:{REGION}:{OTHER}:secret:db-a1b2c3"
    told = decided(denied, operation=READ, parameters={"SecretId": arn}).failure
    assert told.message.endswith("with an explicit deny in an identity-based policy")


def test_the_default_key_helps_nobody_of_another_account():
    """DS-11: a secret of another account that is under its `aws/secretsmanager`, though both sides allow the secret."""
    theirs = Secret("db", OTHER, REGION, None, policy("secret", allow("secretsmanager:GetSecretValue", to=WORKER)))
    shared = with_account(world(mine=(SECRETS, allow("kms:*"))), OTHER, secrets={"db": theirs})
    read = {"operation": "secretsmanager:GetSecretValue", "parameters": {"SecretId": secret_arn(theirs)}}
    refused = decided(shared, **read)
    assert asked(refused) == ["secretsmanager:GetSecretValue"], "the secret's own permission is there"
    assert words(refused) == ("DENY", (), "AccessDeniedException")
    assert refused.failure.message == "Access to KMS is not allowed"


TRUSTING = key(allow("kms:*", to=WORKER))


def through_s3(operation, **parameters):
    """How `worker` fares with an object of its account's bucket, whose key is `KEY_ARN`."""
    bucket = Bucket("reports", ACCOUNT, REGION, KEY_ARN)
    here = with_account(world(TRUSTING, mine=(S3,)), ACCOUNT, buckets={"reports": bucket})
    return decided(here, operation=f"s3:{operation}", parameters={"Bucket": "reports", "Key": "q1", **parameters})


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("GetObject", ["s3:GetObject", "kms:Decrypt"]),
        ("HeadObject", ["s3:GetObject", "kms:Decrypt"]),
        ("PutObject", ["s3:PutObject", "kms:GenerateDataKey"]),
        ("CreateMultipartUpload", ["s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"]),
        ("UploadPart", ["s3:PutObject", "kms:Decrypt"]),
        ("CompleteMultipartUpload", ["s3:PutObject", "kms:Decrypt"]),
    ],
)
def test_what_s3_asks_for_each_way_to_an_object(operation, expected):
    """DS-1, DS-2, DS-4."""
    assert asked(through_s3(operation)) == expected
    assert asked(through_s3(operation, ServerSideEncryption="AES256")) == expected[:1]


def test_a_version_of_an_object_is_another_permission():
    assert asked(through_s3("GetObject", VersionId="v"))[0] == "s3:GetObjectVersion"


def test_how_an_object_was_written_is_known_in_the_parameters_that_wrote_it():
    """DS-1, DS-3."""
    stored = {"SSEKMSKeyId": "alias/gone", "BucketKeyEnabled": True, "SSEKMSEncryptionContext": {"team": "a"}}
    assert through_s3("GetObject", **stored).failure.code == "KMS.NotFoundException"
    decision = through_s3("GetObject", **stored | {"SSEKMSKeyId": KEY_ARN})
    context = decision.permissions[1].context
    assert context["kms:encryptioncontext:aws:s3:arn"] == "arn:aws:s3:::reports"
    assert context["kms:encryptioncontext:team"] == "a"


def through_secrets(operation, **parameters):
    """How `worker` fares with a secret of its account, whose key is `KEY_ARN`."""
    secret = Secret("db", ACCOUNT, REGION, KEY_ARN)
    here = with_account(world(TRUSTING, mine=(SECRETS,)), ACCOUNT, secrets={"db": secret})
    decision = decided(here, operation=f"secretsmanager:{operation}", parameters=parameters)
    assert decision.allowed
    behind = decision.permissions[1:]
    return [(found.action[4:], found.context["kms:encryptioncontext:secretversionid"]) for found in behind]


OLD, NEW, TRIED = "old-version", "new-version", "RequestToValidateKeyAccess"


def tried_and_used(*versions):
    return [(operation, version) for version in versions for operation in ("GenerateDataKey", "Decrypt")]


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("GetSecretValue", {"SecretId": "db", "VersionId": OLD}, [("Decrypt", OLD)]),
        ("GetSecretValue", {"SecretId": "db", "VersionId": ""}, []),
        ("PutSecretValue", {"SecretId": "db", "ClientRequestToken": NEW}, tried_and_used(NEW)),
        ("PutSecretValue", {"SecretId": "db", "VersionId": ""}, []),
        ("CreateSecret", {"Name": "new"}, []),
        ("CreateSecret", {"Name": "new", "KmsKeyId": KEY_ARN}, tried_and_used(TRIED)),
        (
            "CreateSecret",
            {"Name": "new", "KmsKeyId": KEY_ARN, "SecretString": "x", "ClientRequestToken": NEW},
            tried_and_used(TRIED, NEW),
        ),
        ("UpdateSecret", {"SecretId": "db", "VersionId": OLD}, []),
        ("UpdateSecret", {"SecretId": "db", "SecretString": "x", "ClientRequestToken": NEW}, tried_and_used(NEW)),
        (
            "UpdateSecret",
            {"SecretId": "db", "VersionId": OLD, "KmsKeyId": KEY_ARN},
            [*tried_and_used(TRIED), ("Decrypt", OLD), *tried_and_used(OLD)],
        ),
        ("UpdateSecret", {"SecretId": "db", "KmsKeyId": KEY_ARN}, tried_and_used(TRIED)),
        ("BatchGetSecretValue", {}, []),
    ],
)
def test_what_secrets_manager_asks_for_each_way_to_a_value(operation, parameters, expected):
    """DS-10, DS-11, DS-12."""
    assert through_secrets(operation, **parameters) == expected
