"""Credentials in the sandbox: whom they stand for in a KMS decision, how long they last, and what ends them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from kmssim.errors import InputError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Session, parse_principal, service_principal
from kmssim.evaluator.world import Account, Group, Key, Role, User, World
from kmssim.sandbox.declared import Declared, write_declared
from kmssim.sandbox.identity import Credentials, root_access_key
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE = "111122223333", "444455556666"
KEY_ID, THEIR_ID = "1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890cd"
KEY_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{KEY_ID}"
THEIR_ARN = f"arn:aws:kms:us-east-1:{THERE}:key/{THEIR_ID}"
ROOT, ANA = f"arn:aws:iam::{HERE}:root", f"arn:aws:iam::{HERE}:user/ana"
APP_ROLE, APP = f"arn:aws:iam::{HERE}:role/app", f"arn:aws:sts::{HERE}:assumed-role/app/job"
START = 1_800_000_000
INVALID = "The security token included in the request is invalid."
EXPIRED = "The security token included in the request is expired"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions, **parts):
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **parts}


def identity(*statements):
    return (parse_policy(document(*statements), PolicyKind.IDENTITY),)


ABAC = allow("kms:Encrypt", Condition={"StringEquals": {"aws:PrincipalTag/team": "shop"}})
BY_ANA = allow("kms:ListAliases", Condition={"StringEquals": {"aws:SourceIdentity": "ana"}})
WITH_MFA = allow("kms:GetKeyRotationStatus", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
ALIVE = allow("kms:DescribeKey", "kms:ListKeys", "kms:ListGrants", "sts:AssumeRole", "sts:TagSession")
LAMBDA = {
    "Sid": "Service",
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "kms:Decrypt",
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": HERE}},
}
VIA_S3 = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "kms:GenerateDataKey",
    "Resource": "*",
    "Condition": {"StringNotEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
}


def world() -> World:
    statements = [*default_key_policy(HERE).document["Statement"], LAMBDA, VIA_S3]
    policy = parse_policy(document(*statements), PolicyKind.KEY_POLICY)
    everything = identity(ALIVE, ABAC, BY_ANA, WITH_MFA, allow("kms:GenerateDataKey"))
    trust = parse_policy(
        document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": [HERE, THERE]},
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            }
        ),
        PolicyKind.TRUST,
    )
    sts = identity(allow("sts:*"))
    here = Account(
        HERE,
        users={"ana": User(ANA, "ana", (*everything, *sts), groups=("team",), tags={"team": "shop"})},
        groups={"team": Group("team")},
        roles={"app": Role(APP_ROLE, "app", trust, everything)},
        keys=(Key(KEY_ID, "us-east-1", HERE, policy),),
    )
    far = User(f"arn:aws:iam::{THERE}:user/far", "far", (*everything, *sts))
    there = Account(THERE, users={"far": far}, keys=(Key(THEIR_ID, "us-east-1", THERE, default_key_policy(THERE)),))
    return World({HERE: here, THERE: there})


@pytest.fixture(scope="module")
def opened():
    clock = SimpleNamespace(now=float(START))
    with Sandbox(world(), PYTHON, clock=lambda: clock.now) as sandbox:
        yield sandbox, clock


@pytest.fixture
def sandbox(opened):
    """The module's sandbox, its clock at START."""
    sandbox, clock = opened
    clock.now = START
    return sandbox


@pytest.fixture
def changed(sandbox):
    """The same, for a test that changes what is in it: restored afterwards."""
    yield sandbox
    sandbox.restore()


@pytest.fixture
def clock(opened):
    return opened[1]


def held(answer):
    made = answer["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def assume(sandbox, who=ANA, role=APP_ROLE, **parameters):
    return sandbox.client("sts", as_=who).assume_role(RoleArn=role, RoleSessionName="job", **parameters)


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def is_allowed(sandbox, credentials, operation="describe_key", **parameters):
    """Whether KMS lets these credentials do it."""
    kms = sandbox.client_with("kms", credentials)
    defaults = {"describe_key": {"KeyId": KEY_ARN}, "encrypt": {"KeyId": KEY_ARN, "Plaintext": b"secret"}}
    try:
        getattr(kms, operation)(**(defaults.get(operation, {}) | parameters))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return False
    return True


# --- expiry


LASTING = {
    # how they are got → seconds that they last
    "AssumeRole": (lambda sandbox, **more: assume(sandbox, ANA, **more), 3600),
    "GetSessionToken": (lambda sandbox, **more: sandbox.client("sts", as_=ANA).get_session_token(**more), 43200),
    "GetFederationToken": (
        lambda sandbox, **more: sandbox.client("sts", as_=ANA).get_federation_token(
            Name="web", Policy=json.dumps(document(ALIVE)), **more
        ),
        43200,
    ),
    "GetSessionToken of root": (lambda sandbox, **_: sandbox.client("sts", as_=ROOT).get_session_token(), 3600),
}


@pytest.mark.parametrize("asked", [None, 900, 3600])
@pytest.mark.parametrize("name", LASTING)
def test_a_session_lasts_as_long_as_was_asked_and_no_longer(sandbox, clock, name, asked):
    get, default = LASTING[name]
    answer = get(sandbox, **({"DurationSeconds": asked} if asked else {}))
    seconds = default if name.endswith("root") else asked or default
    credentials = held(answer)
    assert answer["Credentials"]["Expiration"].timestamp() == START + seconds
    clock.now = START + seconds - 1
    assert is_allowed(sandbox, credentials)
    clock.now = START + seconds
    kms, sts, iam = (sandbox.client_with(service, credentials) for service in ("kms", "sts", "iam"))
    assert refused(kms.describe_key, KeyId=KEY_ARN) == ("ExpiredTokenException", 400, EXPIRED)
    assert refused(sts.get_caller_identity) == ("ExpiredToken", 403, EXPIRED)
    assert refused(iam.list_users) == ("ExpiredToken", 403, EXPIRED)


def test_a_root_session_asked_for_longer_lasts_an_hour(sandbox):
    answer = sandbox.client("sts", as_=ROOT).get_federation_token(Name="web", DurationSeconds=43200)
    assert answer["Credentials"]["Expiration"].timestamp() == START + 3600


def test_a_role_may_allow_longer_sessions(changed):
    changed.client("iam", as_=ROOT).update_role(RoleName="app", MaxSessionDuration=7200)
    answer = assume(changed, DurationSeconds=7200)
    assert answer["Credentials"]["Expiration"].timestamp() == START + 7200
    assert refused(assume, sandbox=changed, DurationSeconds=7201)[0] == "ValidationError"


def test_long_term_keys_and_the_sandboxs_own_sign_in_do_not_expire(sandbox, clock):
    callers = [parse_principal(ANA), parse_principal(ANA, Session(mfa=True)), parse_principal(APP)]
    clients = [sandbox.client("kms", as_=caller) for caller in callers]
    clock.now = START + 10**9
    for kms in clients:
        kms.describe_key(KeyId=KEY_ARN)


# --- keys that are unknown or off


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("kms", "list_keys", "UnrecognizedClientException", 400),
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("iam", "list_users", "InvalidClientTokenId", 403),
    ],
)
def test_unknown_and_inactive_keys_are_refused_in_each_services_words(changed, service, operation, code, status):
    access_key, secret, _ = changed.sign_in(parse_principal(ANA))
    iam = changed.client("iam", as_=ROOT)
    for strange in (Credentials("AKIAIOSFODNN7EXAMPLE", "x", None), Credentials(access_key, secret, "made up")):
        call = getattr(changed.client_with(service, strange), operation)
        assert refused(call) == (code, status, INVALID)
    own = getattr(changed.client_with(service, Credentials(access_key, secret, None)), operation)
    own()
    iam.update_access_key(UserName="ana", AccessKeyId=access_key, Status="Inactive")
    assert refused(own) == (code, status, INVALID)
    iam.update_access_key(UserName="ana", AccessKeyId=access_key, Status="Active")
    own()
    iam.delete_access_key(UserName="ana", AccessKeyId=access_key)
    assert refused(own) == (code, status, INVALID)


def delete_user(sandbox, name="ana"):
    iam = sandbox.client("iam", as_=ROOT)
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.remove_user_from_group(UserName=name, GroupName="team")
    iam.delete_user(UserName=name)


def test_with_a_user_end_its_key_its_sessions_and_its_federated_users(changed):
    sts = changed.client("sts", as_=ANA)
    own = changed.sign_in(parse_principal(ANA))
    web = sts.get_federation_token(Name="web", Policy=json.dumps(document(ALIVE)))
    all_of_them = [own, held(sts.get_session_token()), held(web)]
    role = held(assume(changed))
    delete_user(changed)
    for credentials in all_of_them:
        assert refused(changed.client_with("kms", credentials).list_keys)[0] == "UnrecognizedClientException"
    assert is_allowed(changed, role)  # a role's session is the role's, whoever assumed it


def test_with_a_role_end_its_sessions_also_when_another_role_takes_its_name(changed):
    credentials, own = held(assume(changed)), changed.sign_in(parse_principal(APP))
    iam = changed.client("iam", as_=ROOT)
    trust = json.dumps(iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"])
    for policy in iam.list_role_policies(RoleName="app")["PolicyNames"]:
        iam.delete_role_policy(RoleName="app", PolicyName=policy)
    iam.delete_role(RoleName="app")
    for gone in (credentials, own):
        assert refused(changed.client_with("kms", gone).list_keys)[0] == "UnrecognizedClientException"
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust)
    assert refused(changed.client_with("kms", credentials).list_keys)[0] == "UnrecognizedClientException"
    assert changed.client("sts", as_=APP).get_caller_identity()["Arn"] == APP


# --- what a session carries into KMS decisions


def test_session_tags_show_up_as_principal_tags(sandbox):
    assert not is_allowed(sandbox, held(assume(sandbox)), "encrypt")
    tagged = held(assume(sandbox, Tags=[{"Key": "team", "Value": "shop"}]))
    assert is_allowed(sandbox, tagged, "encrypt")
    assert sandbox.decisions[-1].permissions[0].context["aws:principaltag/team"] == "shop"
    assert is_allowed(sandbox, sandbox.sign_in(parse_principal(ANA)), "encrypt")  # by the user's own tag


def test_a_source_identity_shows_up_and_stays(sandbox):
    credentials = held(assume(sandbox, SourceIdentity="ana"))
    assert is_allowed(sandbox, credentials, "list_aliases")
    assert sandbox.decisions[-1].permissions[0].context["aws:sourceidentity"] == "ana"
    assert not is_allowed(sandbox, held(assume(sandbox)), "list_aliases")


def test_mfa_counts_for_a_users_session(sandbox):
    sts = sandbox.client("sts", as_=ANA)
    mfa = {"SerialNumber": f"arn:aws:iam::{HERE}:mfa/ana", "TokenCode": "123456"}
    strong, plain = (held(sts.get_session_token(**passed)) for passed in (mfa, {}))
    assert is_allowed(sandbox, strong, "get_key_rotation_status", KeyId=KEY_ID)
    assert not is_allowed(sandbox, plain, "get_key_rotation_status", KeyId=KEY_ID)


@pytest.mark.parametrize(
    ("who", "session", "present"),
    [
        (ANA, Session(), None),
        (ANA, Session(temporary=True), "false"),
        (ANA, Session(mfa=True), "true"),
        (ROOT, Session(), None),
        (ROOT, Session(temporary=True), "false"),
        (ROOT, Session(mfa=True), "true"),
        (APP, Session(), "false"),
        (f"arn:aws:sts::{HERE}:federated-user/kiosk", Session(), "false"),
    ],
)
def test_temporary_credentials_say_whether_mfa_was_there_and_long_term_ones_do_not(sandbox, who, session, present):
    """CK-76: however one signs in."""
    is_allowed(sandbox, sandbox.sign_in(parse_principal(who, session)))
    context = sandbox.decisions[-1].permissions[0].context
    assert context.get("aws:multifactorauthpresent") == present
    assert ("aws:tokenissuetime" in context) is (present is not None)


@pytest.mark.parametrize(
    ("who", "session", "why"),
    [
        (f"arn:aws:sts::{HERE}:assumed-role/app/x", Session(), "RoleSessionName"),
        (f"arn:aws:sts::{HERE}:assumed-role/app/{'x' * 65}", Session(), "roleSessionName"),
        (APP, Session(source_identity="x"), "SourceIdentity"),
        (APP, Session(tags={"": "x"}), "Tags"),
        (f"arn:aws:sts::{HERE}:federated-user/x", Session(), "Name"),
        (f"arn:aws:sts::{HERE}:federated-user/kiosk", Session(mfa=True), "GetFederationToken takes neither MFA"),
        (ANA, Session(tags={"team": "shop"}), "GetSessionToken takes no session policy"),
        (ROOT, Session(source_identity="ana"), "GetSessionToken takes no session policy"),
    ],
)
def test_a_session_that_sts_gives_nobody_is_an_input_error_in_one_line(sandbox, who, session, why):
    with pytest.raises(InputError, match=why) as caught:
        sandbox.client("kms", as_=parse_principal(who, session))
    assert str(caught.value).startswith(f"nobody can sign in as {who}: ")
    assert "\n" not in str(caught.value)


def test_session_policies_limit_a_role_by_text_and_by_arn(changed):
    iam = changed.client("iam", as_=ROOT)
    made = iam.create_policy(PolicyName="look", PolicyDocument=json.dumps(document(allow("kms:DescribeKey"))))
    arn = made["Policy"]["Arn"]
    by_text = held(assume(changed, Policy=json.dumps(document(allow("kms:ListKeys")))))
    by_arn = held(assume(changed, PolicyArns=[{"arn": arn}]))
    by_both = held(assume(changed, Policy=json.dumps(document(allow("kms:ListKeys"))), PolicyArns=[{"arn": arn}]))
    found = [
        [is_allowed(changed, one, operation) for operation in ("list_keys", "describe_key")]
        for one in (by_text, by_arn, by_both)
    ]
    assert found == [[True, False], [False, True], [True, True]]
    gone = f"arn:aws:iam::{HERE}:policy/gone"
    assert refused(assume, sandbox=changed, PolicyArns=[{"arn": gone}])[0] == "ValidationError"


def test_a_federated_user_has_what_its_policy_and_its_user_both_allow(sandbox):
    sts = sandbox.client("sts", as_=ANA)
    bare = held(sts.get_federation_token(Name="web"))
    look = held(sts.get_federation_token(Name="web", Policy=json.dumps(document(allow("kms:Describe*", "kms:Sign")))))
    assert not is_allowed(sandbox, bare)
    assert is_allowed(sandbox, look)
    assert not is_allowed(sandbox, look, "list_keys")
    tags = [{"Key": "team", "Value": "shop"}]
    tagged = held(sts.get_federation_token(Name="web", Policy=json.dumps(document(allow("kms:*"))), Tags=tags))
    assert is_allowed(sandbox, tagged, "encrypt")
    assert sandbox.client_with("sts", tagged).get_caller_identity()["Arn"].endswith(":federated-user/web")


@pytest.mark.parametrize("get", ["get_federation_token", "get_session_token"])
def test_only_users_ask_for_federated_and_plain_sessions(sandbox, get):
    for who in (APP, parse_principal(ANA, Session(mfa=True))):
        call = getattr(sandbox.client("sts", as_=who), get)
        code, status, message = refused(call, **({"Name": "web"} if get == "get_federation_token" else {}))
        assert (code, status) == ("AccessDenied", 403)
        assert "with session credentials" in message


def test_what_stands_behind_a_session_changes_with_the_role(changed):
    credentials = held(assume(changed))
    assert is_allowed(changed, credentials)
    iam = changed.client("iam", as_=ROOT)
    deny = {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"}
    iam.put_role_policy(RoleName="app", PolicyName="no", PolicyDocument=json.dumps(document(deny)))
    assert not is_allowed(changed, credentials)
    iam.delete_role_policy(RoleName="app", PolicyName="no")
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(document(allow("kms:List*"))))
    iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=boundary["Policy"]["Arn"])
    assert not is_allowed(changed, credentials)
    assert refused(iam.delete_policy, PolicyArn=boundary["Policy"]["Arn"])[0] == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName="app")
    iam.tag_role(RoleName="app", Tags=[{"Key": "team", "Value": "shop"}])
    assert is_allowed(changed, credentials, "encrypt")


def test_a_managed_policy_that_somebody_has_stays(changed):
    iam = changed.client("iam", as_=ROOT)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(document(allow("kms:List*"))))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ana", PolicyArn=arn)
    assert refused(iam.delete_policy, PolicyArn=arn)[:2] == ("DeleteConflict", 409)
    assert is_allowed(changed, changed.sign_in(parse_principal(ANA)), "list_keys")
    iam.detach_user_policy(UserName="ana", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.delete_policy, PolicyArn=arn)[0] == "NoSuchEntity"


# --- boundaries of users, which moto forgets


def test_a_client_puts_changes_and_deletes_a_users_boundary(changed):
    iam, ana = changed.client("iam", as_=ROOT), changed.sign_in(parse_principal(ANA))
    arn = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(document(allow("kms:List*"))))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ana", PermissionsBoundary=arn)
    shown = iam.get_user(UserName="ana")["User"]["PermissionsBoundary"]
    assert shown == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert (is_allowed(changed, ana), is_allowed(changed, ana, "list_keys")) == (False, True)
    assert refused(iam.delete_policy, PolicyArn=arn)[:2] == ("DeleteConflict", 409)
    wider = json.dumps(document(allow("kms:Describe*")))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=wider, SetAsDefault=True)
    assert (is_allowed(changed, ana), is_allowed(changed, ana, "list_keys")) == (True, False)
    iam.update_user(UserName="ana", NewUserName="anna")
    assert not is_allowed(changed, ana, "list_keys")
    iam.delete_user_permissions_boundary(UserName="anna")
    assert is_allowed(changed, ana, "list_keys")
    assert "PermissionsBoundary" not in iam.get_user(UserName="anna")["User"]
    iam.delete_policy(PolicyArn=arn)


def test_a_user_may_be_made_with_a_boundary_which_goes_with_it(changed):
    iam = changed.client("iam", as_=ROOT)
    arn = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(document(allow("kms:List*"))))["Policy"]["Arn"]
    made = iam.create_user(UserName="new", PermissionsBoundary=arn)["User"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert changed.world.accounts[HERE].users["new"].boundary.statements[0].covers("kms:ListKeys")
    iam.delete_user(UserName="new")
    iam.create_user(UserName="new")
    assert changed.world.accounts[HERE].users["new"].boundary is None


def test_boundaries_and_users_that_are_not_there_are_told(changed):
    iam = changed.client("iam", as_=ROOT)
    gone = f"arn:aws:iam::{HERE}:policy/gone"
    put = iam.put_user_permissions_boundary
    for call in (put, iam.create_user):
        code, status, message = refused(call, UserName="ana" if call is put else "new", PermissionsBoundary=gone)
        assert (code, status) == ("NoSuchEntity", 404)
        assert gone in message
    arn = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(document(allow("kms:List*"))))["Policy"]["Arn"]
    assert refused(put, UserName="nobody", PermissionsBoundary=arn)[:2] == ("NoSuchEntity", 404)
    assert refused(iam.delete_user_permissions_boundary, UserName="nobody")[:2] == ("NoSuchEntity", 404)


@pytest.mark.parametrize(
    ("operation", "parameters", "name"),
    [
        ("put_user_policy", {"UserName": "ana", "PolicyName": "p"}, "PolicyDocument"),
        ("put_role_policy", {"RoleName": "app", "PolicyName": "p"}, "PolicyDocument"),
        ("put_group_policy", {"GroupName": "team", "PolicyName": "p"}, "PolicyDocument"),
        ("create_policy", {"PolicyName": "p"}, "PolicyDocument"),
        ("create_role", {"RoleName": "new"}, "AssumeRolePolicyDocument"),
        ("update_assume_role_policy", {"RoleName": "app"}, "PolicyDocument"),
    ],
)
def test_a_policy_that_aws_would_refuse_is_refused_and_the_sandbox_goes_on(changed, operation, parameters, name):
    bad = allow("kms:*") | {"Condition": {"StringIsNearly": {"aws:PrincipalArn": "*"}}}
    if name == "AssumeRolePolicyDocument" or operation.startswith("update"):
        bad = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::*:root"}, "Action": "sts:AssumeRole"}
    call = getattr(changed.client("iam", as_=ROOT), operation)
    assert refused(call, **parameters, **{name: json.dumps(document(bad))})[:2] == ("MalformedPolicyDocument", 400)
    assert is_allowed(changed, held(assume(changed)))


# --- several accounts, services


def test_each_account_has_its_root_user_and_its_own_keys(sandbox):
    for account, key in ((HERE, KEY_ID), (THERE, THEIR_ID)):
        root = Credentials(root_access_key(account), "x", None)
        kms = sandbox.client_with("kms", root)
        assert [one["KeyId"] for one in kms.list_keys()["Keys"]] == [key]
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["AWSAccountId"] == account
    assert not is_allowed(sandbox, Credentials(root_access_key(THERE), "x", None))


def test_a_user_of_another_account_comes_in_through_a_role(sandbox):
    far = f"arn:aws:iam::{THERE}:user/far"
    assert not is_allowed(sandbox, sandbox.sign_in(parse_principal(far)))
    assert is_allowed(sandbox, held(assume(sandbox, far)))


def test_a_service_calls_for_itself_as_the_key_policy_lets_it(sandbox):
    made = sandbox.client("kms", as_=ANA).encrypt(KeyId=KEY_ID, Plaintext=b"secret")["CiphertextBlob"]
    for account, allowed in ((HERE, True), (THERE, False)):
        service = service_principal("lambda.amazonaws.com", source_account=account)
        credentials = sandbox.sign_in(service)
        assert is_allowed(sandbox, credentials, "decrypt", CiphertextBlob=made) is allowed
    other = sandbox.sign_in(service_principal("ec2.amazonaws.com", source_account=HERE))
    assert not is_allowed(sandbox, other, "decrypt", CiphertextBlob=made)


def test_a_service_calls_for_a_user(sandbox):
    kms = sandbox.client("kms", as_=ANA)
    assert refused(kms.generate_data_key, KeyId=KEY_ARN, KeySpec="AES_256")[0] == "AccessDeniedException"
    headers = write_declared(Declared(via="s3.us-east-1.amazonaws.com"))
    kms.meta.events.register("before-call.kms", lambda params, **_: params["headers"].update(headers))
    kms.generate_data_key(KeyId=KEY_ARN, KeySpec="AES_256")
    context = sandbox.decisions[-1].permissions[0].context
    assert (context["kms:viaservice"], context["aws:viaawsservice"]) == ("s3.us-east-1.amazonaws.com", "true")
