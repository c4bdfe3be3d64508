"""What STS refuses of a call before it looks at any policy, and what it tells of a session that it gives."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from evaluator.building import allow, policy

from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Role, User, World
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.session_parameters import find_misfits

HERE = "111122223333"
ANA, APP = f"arn:aws:iam::{HERE}:user/ana", f"arn:aws:iam::{HERE}:role/app"
SENT = {"RoleArn": APP, "RoleSessionName": "job"}
UNFIT = " failed to satisfy constraint: Member must "
NO_TAG_KEY = (
    f"'a*' at 'tags.2.member.key'{UNFIT}satisfy regular expression pattern: [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]+"
)


@pytest.fixture(scope="module")
def sts():
    """STS as a user who may become `app`; it checks nothing before it sends."""
    everything = (policy("identity", allow("*")),)
    account = Account(HERE, users={"ana": User(ANA, "ana", everything)}, roles={"app": Role(APP, "app")})
    with Sandbox(World({HERE: account}), PYTHON) as sandbox:
        held = sandbox.sign_in(parse_principal(ANA))
        unchecked = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        yield boto3.client(
            "sts", "us-east-1", aws_access_key_id=held.access_key, aws_secret_access_key=held.secret, config=unchecked
        )


def refused(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"RoleArn": None}, f"null at 'roleArn'{UNFIT}not be null"),
        ({"RoleSessionName": None}, f"null at 'roleSessionName'{UNFIT}not be null"),
        ({"RoleSessionName": "x"}, f"'x' at 'roleSessionName'{UNFIT}have length greater than or equal to 2"),
        ({"RoleArn": "arn:short"}, f"'arn:short' at 'roleArn'{UNFIT}have length greater than or equal to 20"),
        ({"ExternalId": "x"}, f"'x' at 'externalId'{UNFIT}have length greater than or equal to 2"),
        (
            {"SourceIdentity": "aws:x"},
            f"'aws:x' at 'sourceIdentity'{UNFIT}satisfy regular expression pattern: [\\w+=,.@-]*",
        ),
        ({"PolicyArns": [{"arn": APP}] * 11}, f"at 'policyArns'{UNFIT}have length less than or equal to 10"),
        (
            {"Tags": [{"Key": f"k{number}", "Value": "v"} for number in range(51)]},
            f"at 'tags'{UNFIT}have length less than or equal to 50",
        ),
        ({"Tags": [{"Key": "team", "Value": "a"}, {"Key": "a*", "Value": "a"}]}, NO_TAG_KEY),
        (
            {"Tags": [{"Key": "k" * 129, "Value": ""}]},
            f"'{'k' * 129}' at 'tags.1.member.key'{UNFIT}have length less than or equal to 128",
        ),
    ],
)
def test_what_sts_would_not_take_is_told_by_its_place(sts, sent, told):
    given = {name: value for name, value in {**SENT, **sent}.items() if value is not None}
    code, message = refused(sts.assume_role, **given)
    assert code == "ValidationError"
    assert message.partition(" detected: Value ")[2] == told


def test_all_that_is_wrong_is_told_at_once():
    told = find_misfits("AssumeRole", {"RoleSessionName": "a b"})
    assert told is not None
    assert told.startswith("2 validation errors detected: Value null at 'roleArn' failed")
    assert told.endswith(
        "; Value 'a b' at 'roleSessionName'" + UNFIT + r"satisfy regular expression pattern: [\w+=,.@-]*"
    )


@pytest.mark.parametrize("value", ["Zürich", "two words", "a_b.c:d/e=f+g-h@i", ""])
def test_tags_take_the_letters_of_every_language(value):
    assert find_misfits("AssumeRole", {**SENT, "Tags": [{"Key": "where", "Value": value}]}) is None


def test_the_names_of_aws_are_no_session_tags(sts):
    code, message = refused(sts.assume_role, **SENT, Tags=[{"Key": "AWS:team", "Value": "a"}])
    assert (code, message) == ("InvalidParameterValue", "Tag keys that begin with aws: are reserved.")


def test_a_federated_name_is_short(sts):
    code, message = refused(sts.get_federation_token, Name="x" * 33)
    assert code == "ValidationError"
    assert message.endswith("have length less than or equal to 32")


def test_a_source_identity_is_told_and_a_size_only_of_what_was_packed(sts):
    plain, named = sts.assume_role(**SENT), sts.assume_role(**SENT, SourceIdentity="ana")
    assert "SourceIdentity" not in plain
    assert "PackedPolicySize" not in plain
    assert named["SourceIdentity"] == "ana"
    assert sts.assume_role(**SENT, Tags=[{"Key": "team", "Value": "a"}])["PackedPolicySize"] > 0
    assert sts.get_federation_token(Name="fed")["PackedPolicySize"] == 0


def test_a_session_policy_that_is_too_long_is_refused_by_its_length(sts):
    long = json.dumps({"Version": "2012-10-17", "Statement": [allow("kms:*", Sid="x" * 2048)]})
    code, message = refused(sts.assume_role, **SENT, Policy=long)
    assert code == "ValidationError"
    assert "at most 2048 are allowed" in message
    assert refused(sts.assume_role, **SENT, Policy="no policy")[0] == "MalformedPolicyDocument"
