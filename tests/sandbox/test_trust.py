"""Who may assume which role in the sandbox: real AssumeRole calls against the roles' trust policies."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Session, parse_principal, service_principal
from kmssim.evaluator.world import Account, Key, Role, User, World
from kmssim.sandbox.identity import Credentials
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE = "111122223333", "444455556666"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{KEY_ID}"
ANA, BEN, ROOT = f"arn:aws:iam::{HERE}:user/ana", f"arn:aws:iam::{HERE}:user/ben", f"arn:aws:iam::{HERE}:root"
FAR = f"arn:aws:sts::{THERE}:assumed-role/far/job"
ALL_STS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
ON_DUTY = {"StringEquals": {"sts:ExternalId": "a-secret"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
HAS_MFA = {"SerialNumber": f"arn:aws:iam::{HERE}:mfa/ana", "TokenCode": "123456"}


def policy(kind, *statements):
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind)


def trusts(principal, action="sts:AssumeRole", **parts):
    who = principal if isinstance(principal, dict) else {"AWS": principal}
    return policy(PolicyKind.TRUST, {"Effect": "Allow", "Principal": who, "Action": action, **parts})


def may(*actions):
    return (policy(PolicyKind.IDENTITY, {"Effect": "Allow", "Action": list(actions), "Resource": "*"}),)


def role(name, trust=None, account=HERE, *, path="/", policies=(), **members):
    return Role(f"arn:aws:iam::{account}:role{path}{name}", name, trust, policies, **members)


ROLES = (
    role("open", trusts([ROOT, THERE], ALL_STS), policies=may(*ALL_STS, "kms:DescribeKey")),
    role("anas", trusts(ANA), path="/team/"),
    role("own", policies=may("sts:AssumeRole")),
    role("duty", trusts(ANA, Condition=ON_DUTY)),
    role("lambda", trusts({"Service": "lambda.amazonaws.com"})),
    role("closed", trusts(f"arn:aws:iam::{HERE}:user/nobody")),
    role("Linked", path="/aws-service-role/rds.amazonaws.com/"),
)


def world() -> World:
    users = {"ana": User(ANA, "ana"), "ben": User(BEN, "ben", may("sts:AssumeRole"))}
    key = Key(KEY_ID, "us-east-1", HERE, default_key_policy(HERE))
    here = Account(HERE, users=users, roles={one.name: one for one in ROLES}, keys=(key,))
    far = {
        "far": role("far", account=THERE, policies=may("sts:AssumeRole")),
        "idle": role("idle", account=THERE),
    }
    return World({HERE: here, THERE: Account(THERE, roles=far)})


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(world(), PYTHON) as opened:
        yield opened


def assume(sandbox, who, name, **parameters):
    sts = sandbox.client("sts", as_=who) if isinstance(who, str) or not isinstance(who, Credentials) else None
    sts = sts or sandbox.client_with("sts", who)
    arn = next((one.arn for one in ROLES if one.name == name), name)
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="batch", **parameters)["Credentials"]
    return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])


def refused(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


TRIES = [
    # caller, role, parameters → whether it is assumed
    (ANA, "anas", {}, True),  # named: no identity policy is needed
    (BEN, "anas", {}, False),
    (ANA, "own", {}, False),  # no trust policy is stated: IAM decides
    (BEN, "own", {}, True),
    (ANA, "open", {}, False),  # the account is named: IAM decides
    (BEN, "open", {}, True),
    (FAR, "open", {}, True),  # across accounts both sides
    (FAR.replace("/far/", "/idle/"), "open", {}, False),
    (FAR, "own", {}, False),
    (BEN, "closed", {}, False),
    (BEN, "Linked", {}, True),
    (ANA, "duty", {"ExternalId": "a-secret", **HAS_MFA}, True),
    (ANA, "duty", {"ExternalId": "a-guess", **HAS_MFA}, False),
    (ANA, "duty", {"ExternalId": "a-secret"}, False),
    (service_principal("lambda.amazonaws.com", source_account=HERE), "lambda", {}, True),
    (service_principal("ec2.amazonaws.com", source_account=HERE), "lambda", {}, False),
    (BEN, "lambda", {}, False),
]


@pytest.mark.parametrize(("who", "name", "parameters", "allowed"), TRIES)
def test_a_role_is_assumed_by_whom_its_trust_policy_and_iam_let(sandbox, who, name, parameters, allowed):
    if allowed:
        held = assume(sandbox, who, name, **parameters)
        shown = sandbox.client_with("sts", held).get_caller_identity()["Arn"]
        assert shown == f"arn:aws:sts::{HERE}:assumed-role/{name}/batch"
        return
    principal = parse_principal(who).arn if isinstance(who, str) else who.arn
    arn = next(one.arn for one in ROLES if one.name == name)
    sentence = f"User: {principal} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    assert refused(assume, sandbox, who, name, **parameters) == ("AccessDenied", 403, sentence)


def test_the_last_answers_are_kept_with_their_evidence(sandbox):
    refused(assume, sandbox, ANA, "open")
    last = sandbox.assumptions[-1]
    assert (last.allowed, last.blamed) == (False, {"identity"})
    [statement] = last.permissions[0].layer(Layer.KEY_POLICY).statements
    assert (statement.policy, statement.applies) == (f"accounts.{HERE}.roles.open.trust", True)


def test_a_root_user_assumes_no_role(sandbox):
    assert refused(assume, sandbox, ROOT, "open") == (
        "AccessDenied",
        403,
        "Roles may not be assumed by root accounts.",
    )


def test_a_federated_user_assumes_no_role(sandbox):
    web = f"arn:aws:sts::{HERE}:federated-user/web"
    by = parse_principal(web, Session(policies=may("sts:AssumeRole"), federated_by=BEN))
    assert refused(assume, sandbox, by, "own")[:2] == ("AccessDenied", 403)


@pytest.mark.parametrize("name", [one.name for one in ROLES])
def test_the_sandbox_signs_in_as_every_declared_role_whatever_its_trust_policy(sandbox, name):
    session = Session(tags={"team": "shop"}, source_identity="ana", mfa=True, policies=may("kms:*"))
    for passed in (Session(), session):
        principal = parse_principal(f"arn:aws:sts::{HERE}:assumed-role/{name}/me", passed)
        before = len(sandbox.assumptions)
        shown = sandbox.client("sts", as_=principal).get_caller_identity()["Arn"]
        assert (shown, len(sandbox.assumptions)) == (principal.arn, before)


def test_a_session_with_several_session_policies_can_sign_in(sandbox):
    both = Session(policies=(*may("kms:*"), *may("kms:DescribeKey")))
    principal = parse_principal(f"arn:aws:sts::{HERE}:assumed-role/open/me", both)
    sandbox.client("kms", as_=principal).describe_key(KeyId=KEY_ARN)
    assert refused(sandbox.client("kms", as_=principal).list_keys)[0] == "AccessDeniedException"


def test_session_tags_and_source_identity_need_their_own_actions(sandbox):
    tags = {"Tags": [{"Key": "team", "Value": "shop"}]}
    assert "sts:TagSession" in refused(assume, sandbox, ANA, "anas", **tags)[2]
    assert "sts:SetSourceIdentity" in refused(assume, sandbox, ANA, "anas", SourceIdentity="ana")[2]
    assume(sandbox, f"arn:aws:sts::{HERE}:assumed-role/open/job", "open", SourceIdentity="ana", **tags)


def test_a_chain_passes_tags_and_source_identity_on_and_lasts_an_hour(sandbox):
    first = assume(
        sandbox,
        f"arn:aws:sts::{HERE}:assumed-role/open/job",
        "open",
        SourceIdentity="ana",
        Tags=[{"Key": "team", "Value": "shop"}, {"Key": "cost", "Value": "1"}],
        TransitiveTagKeys=["team"],
    )
    second = assume(sandbox, first, "open", DurationSeconds=3600)
    sandbox.client_with("kms", second).describe_key(KeyId=KEY_ARN)
    session = sandbox.decisions[-1].call.principal.session
    assert session == Session(tags={"team": "shop"}, source_identity="ana")
    context = sandbox.decisions[-1].permissions[0].context
    assert (context["aws:principaltag/team"], context["aws:sourceidentity"]) == ("shop", "ana")
    assert refused(assume, sandbox, first, "open", SourceIdentity="ben")[:2] == ("AccessDenied", 403)
    assert refused(assume, sandbox, first, "anas")[:2] == ("AccessDenied", 403)
    assert refused(assume, sandbox, first, "open", DurationSeconds=3601) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    )


# --- what STS said when it was asked for real (recorded 2024 and 2025)

RECORDED = {
    "no ARN": ({"RoleArn": "nothing-valid-in-here"}, "ValidationError", "nothing-valid-in-here is invalid"),
    "no partition": (
        {"RoleArn": "arn::b:::something/test-role"}, "ValidationError", "arn::b:::something/test-role is invalid",
    ),
    "no service": (
        {"RoleArn": "arn:a::::something/test-role"}, "ValidationError", "arn:a::::something/test-role is invalid",
    ),
    "not enough colons": (
        {"RoleArn": "arn:a:::something/test-role"}, "ValidationError", "arn:a:::something/test-role is invalid",
    ),
    "no resource": ({"RoleArn": "arn:a:a::aaaaaaaaaa:"}, "ValidationError", "arn:a:a::aaaaaaaaaa: is invalid"),
    "session name": (
        {"RoleSessionName": "Session1:2"},
        "ValidationError",
        ("1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\w+=,.@-]*"),
    ),
    "transitive tag keys": (
        {"Tags": [{"Key": "a", "Value": "b"}], "TransitiveTagKeys": ["c"]},
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
    ),
    "duplicate tag keys": (
        {"Tags": [{"Key": "Session", "Value": "b"}, {"Key": "session", "Value": "c"}]},
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_a_call_that_sts_refuses_is_refused_in_its_words(sandbox, name):
    parameters, code, message = RECORDED[name]
    assert refused(careless(sandbox, ANA).assume_role, **{**VALID, **parameters}) == (code, 400, message)


VALID = {"RoleArn": f"arn:aws:iam::{HERE}:role/team/anas", "RoleSessionName": "batch"}


def careless(sandbox, who):
    """A client that lets every parameter go out."""
    held = sandbox.sign_in(parse_principal(who))
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    keys = zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), held, strict=True)
    return boto3.Session().client("sts", "us-east-1", config=config, **dict(keys))


@pytest.mark.parametrize("key", ["Team", "team"])
def test_a_transitive_tag_cannot_be_overridden_whatever_its_case(sandbox, key):
    tags = {"Tags": [{"Key": "team", "Value": "shop"}], "TransitiveTagKeys": ["team"]}
    first = assume(sandbox, f"arn:aws:sts::{HERE}:assumed-role/open/job", "open", **tags)
    assert refused(assume, sandbox, first, "open", Tags=[{"Key": key, "Value": "bank"}]) == (
        "InvalidParameterValue",
        400,
        (
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session."
        ),
    )


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"RoleSessionName": "a"}, "Member must have length greater than or equal to 2"),
        ({"RoleSessionName": "a" * 65}, "Member must have length less than or equal to 64"),
        ({"DurationSeconds": 899}, "Member must have value greater than or equal to 900"),
        ({"DurationSeconds": 43201}, "Member must have value less than or equal to 43200"),
        ({"DurationSeconds": 43200}, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
    ],
)
def test_names_and_durations_have_their_limits(sandbox, parameters, wanted):
    code, status, message = refused(careless(sandbox, ANA).assume_role, **{**VALID, **parameters})
    assert (code, status) == ("ValidationError", 400)
    assert message.endswith(wanted)
