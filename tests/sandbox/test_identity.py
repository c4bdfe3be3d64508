"""Which principal a client's credentials stand for, learned from real IAM and STS calls through both front ends."""

from __future__ import annotations

import json
from types import SimpleNamespace

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.server import ThreadedMotoServer

from kmssim.errors import InputError
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Principal, PrincipalKind, Session, parse_principal, service_principal
from kmssim.sandbox.gate import GATED, Gate
from kmssim.sandbox.identity import Credentials, Identities, root_access_key, root_user
from kmssim.sandbox.reader import bypassed

OURS, THEIRS = "111122223333", "444455556666"
ALLOW_DECRYPT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}],
}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": OURS}, "Action": "sts:AssumeRole"}],
    }
)
SESSION = boto3.Session()


class Watch:
    """Lets everything pass and keeps the last principal."""

    principal = None

    def before(self, service, wire, principal):  # noqa: ARG002
        self.principal = principal

    def after(self, service, wire, principal, answer):
        pass


@pytest.fixture(params=["in process", "server"], scope="module")
def gate_up(request):
    """An open gate, and the URL of a server behind it where calls go that way."""
    with Gate(Watch(), services=(*GATED, "s3")) as gate:
        if request.param == "in process":
            yield SimpleNamespace(gate=gate, watch=gate.hooks, url=None)
        else:
            server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
            server.start()
            url = "http://{}:{}".format(*server.get_host_and_port())
            yield SimpleNamespace(gate=gate, watch=gate.hooks, url=url)
            server.stop()


@pytest.fixture
def world(gate_up):
    """A user, a role with a path, and a role in another account; seeded past the hooks."""
    gate_up.gate.identities.clear()
    with mock_aws():
        iam = gate_up.gate.reader.client("iam", OURS)
        iam.create_user(UserName="ana", Path="/team/")
        iam.create_role(RoleName="workload", Path="/app/", AssumeRolePolicyDocument=TRUST)
        gate_up.gate.reader.client("iam", THEIRS).create_role(RoleName="partner", AssumeRolePolicyDocument=TRUST)
        ana = credentials(iam.create_access_key(UserName="ana")["AccessKey"])
        yield SimpleNamespace(**vars(gate_up), ana=ana)


WORKLOAD = f"arn:aws:iam::{OURS}:role/app/workload"
PARTNER = f"arn:aws:iam::{THEIRS}:role/partner"
ANA = f"arn:aws:iam::{OURS}:user/team/ana"


def credentials(answer):
    return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("SessionToken"))


def root_of(account):
    return Credentials(root_access_key(account), "x", None)


def client(world, service, held, **options):
    keys = dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), held, strict=True))
    options = {"config": Config(retries={"total_max_attempts": 1}), "endpoint_url": world.url, **options}
    return SESSION.client(service, "us-east-1", **keys, **options)


def who(world, held):
    """The principal that the gate sees, and what GetCallerIdentity tells the caller."""
    shown = client(world, "sts", held).get_caller_identity()
    assert (shown["Arn"], shown["Account"]) == (world.watch.principal.arn, world.watch.principal.account)
    return world.watch.principal


def error_of(call, **parameters):
    with pytest.raises(ClientError) as failed:
        call(**parameters)
    answer = failed.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


# --- long-term credentials


def test_a_made_up_key_stands_for_the_root_user_of_any_account(world):
    assert who(world, root_of(THEIRS)) == Principal(PrincipalKind.ROOT, f"arn:aws:iam::{THEIRS}:root", THEIRS, "")
    assert client(world, "sts", root_of(THEIRS)).get_caller_identity()["UserId"] == THEIRS


@pytest.mark.parametrize("account", ["1111", "11112222333a", "", "١١١١٢٢٢٢٣٣٣٣"])
def test_a_root_key_needs_an_account_id(account):
    with pytest.raises(InputError, match="12 digits"):
        root_access_key(account)


def test_a_users_access_key_stands_for_the_user_with_its_path(world):
    assert who(world, world.ana) == parse_principal(ANA)


def test_a_key_made_through_the_gate_is_learned(world):
    iam = client(world, "iam", root_of(OURS))
    iam.create_user(UserName="bea")
    made = credentials(iam.create_access_key(UserName="bea")["AccessKey"])
    assert who(world, made) == parse_principal(f"arn:aws:iam::{OURS}:user/bea")
    shown = client(world, "sts", made).get_caller_identity()["UserId"]
    assert shown == iam.get_user(UserName="bea")["User"]["UserId"]


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("kms", "list_keys", "UnrecognizedClientException", 400),
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("iam", "list_users", "InvalidClientTokenId", 403),
    ],
)
def test_unknown_wrong_and_missing_credentials_get_the_services_own_error(world, service, operation, code, status):
    text = "The security token included in the request is invalid."
    for held in (
        Credentials("AKIAIOSFODNN7EXAMPLE", "x", None),
        Credentials("AKIAROOT", "x", None),
        world.ana._replace(token="made up"),
        root_of(OURS)._replace(token="made up"),
    ):
        assert error_of(getattr(client(world, service, held), operation)) == (code, status, text)
    unsigned = client(world, service, root_of(OURS), config=Config(signature_version=UNSIGNED))
    if world.url is None:  # moto's server cannot tell the service of an unsigned request
        assert error_of(getattr(unsigned, operation))[0].startswith("MissingAuthenticationToken")


def test_an_unknown_key_for_s3_gets_s3s_own_error(world):
    unknown = Credentials("AKIAIOSFODNN7EXAMPLE", "x", None)
    assert error_of(client(world, "s3", unknown).list_buckets)[:2] == ("InvalidAccessKeyId", 403)
    unsigned = client(world, "s3", unknown, config=Config(signature_version=UNSIGNED))
    assert error_of(unsigned.list_buckets)[:2] == ("AccessDenied", 403)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_carries_its_signer(world, version):
    s3 = client(world, "s3", root_of(THEIRS), config=Config(signature_version=version))
    url = s3.generate_presigned_url("list_buckets")
    assert requests.get(url, timeout=5).status_code == 200
    assert world.watch.principal == root_user(THEIRS)


def test_an_inactive_key_is_refused_until_it_is_active_again(world):
    iam = client(world, "iam", root_of(OURS))
    kms = client(world, "kms", world.ana)
    kms.list_keys()
    iam.update_access_key(UserName="ana", AccessKeyId=world.ana.access_key, Status="Inactive")
    assert error_of(kms.list_keys)[0] == "UnrecognizedClientException"
    iam.update_access_key(UserName="ana", AccessKeyId=world.ana.access_key, Status="Active")
    kms.list_keys()


def test_a_deleted_key_and_a_deleted_user_are_refused(world):
    iam = client(world, "iam", root_of(OURS))
    iam.delete_access_key(UserName="ana", AccessKeyId=world.ana.access_key)
    assert error_of(client(world, "kms", world.ana).list_keys)[0] == "UnrecognizedClientException"
    iam.create_user(UserName="bea")
    bea = credentials(iam.create_access_key(UserName="bea")["AccessKey"])
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.delete_access_key(UserName="bea", AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    who(world, bea)
    world.gate.identities.change_user(OURS, "bea", lambda _user: None)
    assert error_of(client(world, "kms", bea).list_keys)[0] == "UnrecognizedClientException"


def test_a_renamed_user_keeps_its_keys_under_the_new_name(world):
    client(world, "iam", root_of(OURS)).update_user(UserName="ana", NewUserName="anna")
    assert who(world, world.ana).name == "anna"


# --- roles


def test_an_assumed_role_is_its_session_and_acts_in_the_roles_account(world):
    sts = client(world, "sts", world.ana)
    for role, account, name in ((WORKLOAD, OURS, "workload"), (PARTNER, THEIRS, "partner")):
        answer = sts.assume_role(RoleArn=role, RoleSessionName="batch")
        held = credentials(answer["Credentials"])
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/batch"
        assert who(world, held) == parse_principal(arn)
        assert client(world, "kms", held).create_key()["KeyMetadata"]["AWSAccountId"] == account
        role_id = world.gate.reader.client("iam", account).get_role(RoleName=name)["Role"]["RoleId"]
        assert client(world, "sts", held).get_caller_identity()["UserId"] == f"{role_id}:batch"
        assert (
            error_of(client(world, "kms", held._replace(token="made up")).list_keys)[0] == "UnrecognizedClientException"
        )


@pytest.mark.parametrize(
    "role",
    [
        f"arn:aws:iam::{OURS}:role/nobody",
        f"arn:aws:iam::{OURS}:role/workload",  # without its path it is another ARN
        f"arn:aws:iam::{THEIRS}:role/app/workload",
        f"arn:aws-cn:iam::{OURS}:role/app/workload",
    ],
)
def test_a_role_that_does_not_exist_cannot_be_assumed(world, role):
    code, status, message = error_of(client(world, "sts", world.ana).assume_role, RoleArn=role, RoleSessionName="batch")
    assert (code, status) == ("AccessDenied", 403)
    assert message == f"User: {ANA} is not authorized to perform: sts:AssumeRole on resource: {role}"


@pytest.mark.parametrize("role", [ANA, "workload-role-without-arn", f"arn:aws:sts::{OURS}:assumed-role/workload/batch"])
def test_what_is_no_role_cannot_be_assumed(world, role):
    answer = error_of(client(world, "sts", world.ana).assume_role, RoleArn=role, RoleSessionName="batch")
    assert answer == ("ValidationError", 400, f"{role} is invalid")


def test_a_session_name_cannot_change_the_sessions_arn(world):
    assume = client(world, "sts", world.ana).assume_role
    assert error_of(assume, RoleArn=WORKLOAD, RoleSessionName="a/b")[0] == "ValidationError"


def test_nobody_assumes_a_role_with_a_token_of_an_identity_provider(world):
    sts = client(world, "sts", world.ana)
    tries = (
        (sts.assume_role_with_web_identity, {"RoleSessionName": "batch", "WebIdentityToken": "tokens"}),
        (sts.assume_role_with_saml, {"PrincipalArn": f"arn:aws:iam::{OURS}:saml-provider/p", "SAMLAssertion": "asse"}),
    )
    for call, parameters in tries:
        assert error_of(call, RoleArn=WORKLOAD, **parameters)[:2] == ("AccessDenied", 403)


def test_a_session_carries_its_policies_tags_and_source_identity(world):
    iam = client(world, "iam", root_of(OURS))
    managed = iam.create_policy(PolicyName="use", PolicyDocument=json.dumps(ALLOW_DECRYPT))["Policy"]["Arn"]
    answer = client(world, "sts", world.ana).assume_role(
        RoleArn=WORKLOAD,
        RoleSessionName="batch",
        Policy=json.dumps(ALLOW_DECRYPT),
        PolicyArns=[{"arn": managed}],
        Tags=[{"Key": "team", "Value": "a = b+c"}, {"Key": "cost", "Value": ""}],
        SourceIdentity="ana",
    )
    policy = parse_policy(ALLOW_DECRYPT, PolicyKind.SESSION)
    session = Session(policies=(policy, policy), tags={"team": "a = b+c", "cost": ""}, source_identity="ana")
    assert who(world, credentials(answer["Credentials"])).session == session


def test_a_role_chain_passes_on_transitive_tags_and_source_identity_only(world):
    first = client(world, "sts", world.ana).assume_role(
        RoleArn=WORKLOAD,
        RoleSessionName="one",
        Policy=json.dumps(ALLOW_DECRYPT),
        Tags=[{"Key": "team", "Value": "shop"}, {"Key": "cost", "Value": "1"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="ana",
    )
    sts = client(world, "sts", credentials(first["Credentials"]))
    second = sts.assume_role(RoleArn=PARTNER, RoleSessionName="two", Tags=[{"Key": "cost", "Value": "2"}])
    third = client(world, "sts", credentials(second["Credentials"])).assume_role(RoleArn=WORKLOAD, RoleSessionName="x3")
    sessions = [who(world, credentials(answer["Credentials"])).session for answer in (second, third)]
    assert sessions == [
        Session(tags={"team": "shop", "cost": "2"}, source_identity="ana"),
        Session(tags={"team": "shop"}, source_identity="ana"),
    ]
    clash = error_of(sts.assume_role, RoleArn=PARTNER, RoleSessionName="two", Tags=[{"Key": "Team", "Value": "x"}])
    assert clash[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Policy": "{not json"}, "MalformedPolicyDocument"),
        ({"Policy": json.dumps({**ALLOW_DECRYPT, "Statement": [{"Effect": "Maybe"}]})}, "MalformedPolicyDocument"),
        ({"Policy": json.dumps({**ALLOW_DECRYPT, "Padding": 1})}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{OURS}:policy/nothing-there"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{THEIRS}:policy/theirs"}]}, "ValidationError"),
        ({"TransitiveTagKeys": ["absent"]}, "InvalidParameterValue"),
    ],
)
def test_a_session_that_aws_would_refuse_is_refused(world, parameters, code):
    world.gate.reader.client("iam", THEIRS).create_policy(PolicyName="theirs", PolicyDocument=json.dumps(ALLOW_DECRYPT))
    assume = client(world, "sts", world.ana).assume_role
    assert error_of(assume, RoleArn=WORKLOAD, RoleSessionName="batch", **parameters)[:2] == (code, 400)


# --- federated users and plain sessions


def test_a_federated_user_has_credentials_of_its_own_and_its_users_arn(world):
    sts = client(world, "sts", world.ana)
    answers = [sts.get_federation_token(Name=name, Policy=json.dumps(ALLOW_DECRYPT)) for name in ("web", "app")]
    held = [credentials(answer["Credentials"]) for answer in answers]
    assert len(set(held)) == 2
    session = Session(policies=(parse_policy(ALLOW_DECRYPT, PolicyKind.SESSION),), federated_by=ANA)
    for name, answer, one in zip(("web", "app"), answers, held, strict=True):
        arn = f"arn:aws:sts::{OURS}:federated-user/{name}"
        assert answer["FederatedUser"]["Arn"] == arn
        assert who(world, one) == parse_principal(arn, session)
        assert client(world, "sts", one).get_caller_identity()["UserId"] == f"{OURS}:{name}"


def test_a_plain_session_is_the_user_with_or_without_mfa(world):
    sts = client(world, "sts", world.ana)
    plain = credentials(sts.get_session_token()["Credentials"])
    strong = credentials(
        sts.get_session_token(SerialNumber=f"arn:aws:iam::{OURS}:mfa/ana", TokenCode="123456")["Credentials"]
    )
    assert who(world, plain) == parse_principal(ANA, Session(temporary=True))
    assert who(world, strong) == parse_principal(ANA, Session(mfa=True))
    assert len({plain, strong, world.ana}) == 3
    without_code = error_of(sts.get_session_token, SerialNumber=f"arn:aws:iam::{OURS}:mfa/ana")
    assert without_code[:2] == ("AccessDenied", 403)


def test_session_credentials_make_no_federated_and_no_plain_sessions(world):
    role = client(world, "sts", world.ana).assume_role(RoleArn=WORKLOAD, RoleSessionName="batch")
    plain = client(world, "sts", world.ana).get_session_token()
    for answer in (role, plain):
        sts = client(world, "sts", credentials(answer["Credentials"]))
        for call, parameters in ((sts.get_federation_token, {"Name": "web"}), (sts.get_session_token, {})):
            assert error_of(call, **parameters)[:2] == ("AccessDenied", 403)


# --- credentials without a call


@pytest.mark.parametrize(
    ("principal", "prefix"),
    [
        (parse_principal(f"arn:aws:iam::{OURS}:user/ghost"), "AKIA"),
        (parse_principal(f"arn:aws:iam::{OURS}:user/ghost", Session(mfa=True)), "ASIA"),
        (parse_principal(f"arn:aws:sts::{OURS}:assumed-role/ghost/s", Session(tags={"a": "b"})), "ASIA"),
        (parse_principal(f"arn:aws:sts::{OURS}:federated-user/ghost"), "ASIA"),
        (service_principal("logs.us-east-1.amazonaws.com", source_account=OURS), "ASIA"),
    ],
)
def test_credentials_can_be_minted_for_any_principal(world, principal, prefix):
    held = world.gate.identities.mint(principal)
    assert held.access_key.startswith(prefix)
    assert (held.token is None) == (prefix == "AKIA")
    assert who(world, held) == principal
    assert world.gate.identities.mint(principal) != held


def test_forgetting_leaves_the_root_users(world):
    identities: Identities = world.gate.identities
    identities.clear()
    assert error_of(client(world, "kms", world.ana).list_keys)[0] == "UnrecognizedClientException"
    who(world, root_of(OURS))


def test_calls_past_the_hooks_still_teach_who_is_who(world):
    with bypassed():
        sts = world.gate.reader.client("sts", OURS)
        held = credentials(sts.assume_role(RoleArn=WORKLOAD, RoleSessionName="seeded")["Credentials"])
        assert error_of(sts.assume_role, RoleArn=f"{WORKLOAD}x", RoleSessionName="seeded")[0] == "AccessDenied"
    assert who(world, held).session_name == "seeded"
