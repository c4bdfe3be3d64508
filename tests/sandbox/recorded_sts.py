"""The calls behind AWS's recorded answers of STS, as `sandbox.recorded_kms` has those of KMS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Replays = Iterator[tuple[str, Any]]
_ACCOUNT = "111111111111"
_UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})
_MALFORMED = {
    "malformed-arn": "nothing-valid-in-here",
    "no-partition": "arn::b:::something/test-role",
    "no-service": "arn:a::::something/test-role",
    "not-enough-colons": "arn:a:::something/test-role",
    "no-resource": "arn:a:a::aaaaaaaaaa:",
}


def _ended(call: Callable[..., Any], **parameters: Any) -> Any:
    try:
        return call(**parameters)
    except ClientError as error:
        return error.response


def _role(client: Callable[..., Any], *actions: str) -> dict[str, Any]:
    principal = {"AWS": _ACCOUNT}
    action = list(actions) if len(actions) > 1 else actions[0]
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    return client("iam").create_role(RoleName=f"role-{uuid.uuid4().hex}", AssumeRolePolicyDocument=json.dumps(trust))


def _tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}


def _federation_token(client: Callable[..., Any]) -> Replays:
    yield "get-federation-token", client("sts").get_federation_token(Name="recorder", DurationSeconds=900)


def _assume_role(client: Callable[..., Any]) -> Replays:
    name = "session-1"
    yield "role-session-name", {"RoleSessionName": name}
    made = _role(client, "sts:AssumeRole")
    yield "create-role", made
    yield "assume-role", client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName=name)


def _tag_validation(client: Callable[..., Any]) -> Replays:
    made = _role(client, "sts:AssumeRole", "sts:TagSession")
    yield "role-1", made
    asked = {"RoleArn": made["Role"]["Arn"], "RoleSessionName": "tagged"}
    assume = client("sts").assume_role
    yield (
        "invalid-transitive-tag-keys",
        _ended(assume, Tags=[_tag("SessionTag1", "SessionValue1")], TransitiveTagKeys=["InvalidKey"], **asked),
    )
    twice = [_tag("SessionTag1", "SessionValue1"), _tag("sessiontag1", "SessionValue2")]
    yield "duplicate-tag-keys-different-casing", _ended(assume, Tags=twice, **asked)


def _overridden_tags(client: Callable[..., Any]) -> Replays:
    first, second = (_role(client, "sts:AssumeRole", "sts:TagSession") for _ in range(2))
    yield "role-1", first
    yield "role-2", second
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    chained = {"RoleName": first["Role"]["RoleName"], "PolicyName": "chain", "PolicyDocument": json.dumps(policy)}
    client("iam").put_role_policy(**chained)
    session = client("sts").assume_role(
        RoleArn=first["Role"]["Arn"],
        RoleSessionName="session-1",
        Tags=[_tag("SessionTag1", "SessionValue1")],
        TransitiveTagKeys=["SessionTag1"],
    )["Credentials"]
    keys = session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
    assume = boto3.Session(*keys, region_name="us-east-1").client("sts", config=_UNCHECKED).assume_role
    asked = {"RoleArn": second["Role"]["Arn"], "RoleSessionName": "session-2"}
    for label, key in (("error", "SessionTag1"), ("case-ignore-error", "sessiontag1")):
        sent = [_tag(key, "SessionValue2")]
        yield f"override-transitive-tag-{label}", _ended(assume, Tags=sent, TransitiveTagKeys=[key], **asked)


def _invalid_parameters(client: Callable[..., Any]) -> Replays:
    assume = client("sts").assume_role
    for label, arn in _MALFORMED.items():
        yield label, _ended(assume, RoleArn=arn, RoleSessionName="Session1")
    yield "invalid-session-name", _ended(assume, RoleArn="arn:a:a::aaaaaaaaaa:b", RoleSessionName="Session1:2")


REPLAYS: Mapping[str, Callable[..., Replays]] = {
    "test_get_federation_token": _federation_token,
    "test_assume_role": _assume_role,
    "test_assume_role_tag_validation": _tag_validation,
    "test_iam_role_chaining_override_transitive_tags": _overridden_tags,
    "test_sts_invalid_parameters": _invalid_parameters,
}
