"""The sandbox as test authors use it: real boto3 clients, each with its principal's own credentials."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from functools import partial

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from kmssim.authority.policy import DIGEST
from kmssim.errors import AuthorityDisagreementError, AuthorityError, InputError, SetupError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, Reason, RuledBy
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Session, parse_principal, service_principal
from kmssim.evaluator.world import Account, Constraints, Grant, Key, Organization, Role, Unit, User, World
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, BOSS = "111122223333", "444455556666", "999900001111"
KEY_ID, CLOSED_ID = "1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890cd"
KEY_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{KEY_ID}"
CLOSED_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{CLOSED_ID}"
APP = f"arn:aws:sts::{HERE}:assumed-role/app/job"
ADMIN = f"arn:aws:sts::{HERE}:assumed-role/admin/job"


def allow(*actions: str, kind: PolicyKind = PolicyKind.IDENTITY, resource: str = "*"):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, kind)


def key_policy(principal: str, *actions: str):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.KEY_POLICY)


def role(name: str, *actions: str, account: str = HERE) -> Role:
    return Role(f"arn:aws:iam::{account}:role/{name}", name, policies=(allow(*actions),) if actions else ())


def world() -> World:
    grant = Grant(
        "g" * 64,
        "reader",
        ("Decrypt",),
        HERE,
        grantee=f"arn:aws:iam::{HERE}:role/reader",
        constraints=Constraints(encryption_context_subset={"tenant": "a"}),
    )
    keys = (
        Key(KEY_ID, "us-east-1", HERE, default_key_policy(HERE), aliases=("alias/app",), grants=(grant,)),
        Key(CLOSED_ID, "us-east-1", HERE, key_policy(f"arn:aws:iam::{HERE}:role/admin", "kms:*")),
    )
    roles = {
        "app": role("app", "kms:Decrypt", "kms:Encrypt", "kms:DescribeKey"),
        "admin": role("admin", "kms:*", "iam:*"),
        "reader": role("reader"),
    }
    users = {"ana": User(f"arn:aws:iam::{HERE}:user/ana", "ana", policies=(allow("kms:*"),))}
    far = Account(THERE, roles={"far": role("far", "kms:*", account=THERE)})
    return World({HERE: Account(HERE, roles=roles, users=users, keys=keys), THERE: far})


@pytest.fixture
def sandbox():
    with Sandbox(world()) as opened:
        yield opened


def refused(call, **parameters) -> dict:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response


def test_an_allowed_call_is_done_under_the_declared_key_id(sandbox):
    kms = sandbox.client("kms", as_=APP)
    made = kms.encrypt(KeyId="alias/app", Plaintext=b"secret", EncryptionContext={"tenant": "a"})
    assert made["KeyId"] == KEY_ARN
    read = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"tenant": "a"})
    assert read["Plaintext"] == b"secret"


def test_a_refused_call_ends_with_awss_error_and_sentence_and_http_400(sandbox):
    response = refused(sandbox.client("kms", as_=APP).describe_key, KeyId=CLOSED_ARN)
    assert response["Error"]["Code"] == "AccessDeniedException"
    assert response["Error"]["Message"] == (
        f"User: {APP} is not authorized to perform: kms:DescribeKey on resource: {CLOSED_ARN} "
        "because no resource-based policy allows the kms:DescribeKey action"
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_refused_call_never_reaches_moto(sandbox):
    kms = sandbox.client("kms", as_=APP)
    refused(kms.schedule_key_deletion, KeyId=KEY_ID, PendingWindowInDays=7)
    assert sandbox.reader("kms", HERE, "us-east-1").describe_key(KeyId=KEY_ID)["KeyMetadata"]["KeyState"] == "Enabled"


def test_the_sandbox_is_ruled_by_rego_unless_told_otherwise(sandbox):
    sandbox.client("kms", as_=ADMIN).describe_key(KeyId=KEY_ID)
    assert sandbox.decisions[-1].authority == "rego"
    assert sandbox.decisions[-1].ruled_by.policy_digest == DIGEST


def test_another_authority_can_rule_in_the_sandbox():
    with Sandbox(world(), PYTHON) as sandbox:
        sandbox.client("kms", as_=ADMIN).describe_key(KeyId=KEY_ID)
        assert sandbox.decisions[-1].authority == "python"


@pytest.mark.parametrize("error", [AuthorityError, AuthorityDisagreementError])
def test_where_the_authority_does_not_rule_each_call_is_refused_and_moto_never_sees_it(error):
    def gone(_facts):
        message = "the authority is gone"
        raise error(message)

    with Sandbox(world(), Authority(RuledBy("opa"), gone)) as sandbox:
        kms = sandbox.client("kms", as_=ADMIN)
        response = refused(kms.schedule_key_deletion, KeyId=KEY_ID, PendingWindowInDays=7)
        state = sandbox.reader("kms", HERE, "us-east-1").describe_key(KeyId=KEY_ID)["KeyMetadata"]["KeyState"]
        assert state == "Enabled"
        assert sandbox.decisions == []
    assert response["Error"] == {"Code": "KMSInternalException", "Message": "kmssim: the authority is gone"}


def test_what_explains_a_decision_cannot_change_it(sandbox):
    """Aegis is bounded: a decision is frozen, and the gate asks nobody after the authority."""
    refused(sandbox.client("kms", as_=APP).describe_key, KeyId=CLOSED_ARN)
    decision = sandbox.decisions[-1]
    with pytest.raises(FrozenInstanceError):
        decision.allowed = True
    with pytest.raises(FrozenInstanceError):
        decision.permissions[0].ruling.reason = Reason.ALLOWED


def test_the_token_of_a_new_grant_works_at_once(sandbox):
    admin = sandbox.client("kms", as_=ADMIN)
    made = admin.create_grant(KeyId=KEY_ID, GranteePrincipal=f"arn:aws:iam::{HERE}:role/reader", Operations=["Encrypt"])
    reader = sandbox.client("kms", as_=f"arn:aws:sts::{HERE}:assumed-role/reader/job")
    reader.encrypt(KeyId=KEY_ARN, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
    response = refused(reader.encrypt, KeyId=KEY_ARN, Plaintext=b"x", GrantTokens=["made-up"])
    assert response["Error"]["Code"] == "InvalidGrantTokenException"
    admin.retire_grant(GrantToken=made["GrantToken"])
    refused(reader.encrypt, KeyId=KEY_ARN, Plaintext=b"x")


def test_dry_run_answers_and_does_nothing(sandbox):
    kms = sandbox.client("kms", as_=ADMIN)
    grants = kms.list_grants(KeyId=KEY_ID)["Grants"]
    response = refused(kms.revoke_grant, KeyId=KEY_ID, GrantId=grants[0]["GrantId"], DryRun=True)
    assert response["Error"]["Code"] == "DryRunOperationException"
    assert len(kms.list_grants(KeyId=KEY_ID)["Grants"]) == len(grants)


def test_a_disabled_key_does_not_encrypt_though_moto_alone_would(sandbox):
    admin = sandbox.client("kms", as_=ADMIN)
    admin.disable_key(KeyId=KEY_ARN)
    response = refused(admin.encrypt, KeyId=KEY_ARN, Plaintext=b"x")
    assert response["Error"] == {"Code": "DisabledException", "Message": f"{KEY_ARN} is disabled."}
    with sandbox.moto_alone():
        sandbox.client("kms", as_=ADMIN).encrypt(KeyId=KEY_ARN, Plaintext=b"x")


def test_a_grant_helps_within_its_constraint_only(sandbox):
    plain = sandbox.client("kms", as_=APP)
    blob = plain.encrypt(KeyId=KEY_ID, Plaintext=b"x", EncryptionContext={"tenant": "a"})["CiphertextBlob"]
    other = plain.encrypt(KeyId=KEY_ID, Plaintext=b"x", EncryptionContext={"tenant": "b"})["CiphertextBlob"]
    reader = sandbox.client("kms", as_=f"arn:aws:iam::{HERE}:role/reader")
    assert reader.decrypt(CiphertextBlob=blob, EncryptionContext={"tenant": "a"})["Plaintext"] == b"x"
    response = refused(reader.decrypt, CiphertextBlob=other, EncryptionContext={"tenant": "b"})
    assert response["Error"]["Code"] == "AccessDeniedException"


def test_a_policy_change_through_boto3_counts_at_the_next_call(sandbox):
    kms = sandbox.client("kms", as_=APP)
    kms.encrypt(KeyId=KEY_ID, Plaintext=b"x")
    sandbox.client("iam", as_=ADMIN).delete_role_policy(
        RoleName="app",
        PolicyName=sandbox.client("iam", as_=ADMIN).list_role_policies(RoleName="app")["PolicyNames"][0],
    )
    assert refused(kms.encrypt, KeyId=KEY_ID, Plaintext=b"x")["Error"]["Code"] == "AccessDeniedException"


def test_a_foreign_key_is_found_and_used_once_both_sides_allow(sandbox):
    far = sandbox.client("kms", as_=f"arn:aws:sts::{THERE}:assumed-role/far/job")
    response = refused(far.encrypt, KeyId=KEY_ARN, Plaintext=b"x")
    assert "on this resource because the resource does not exist in this Region" in response["Error"]["Message"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [HERE, THERE]},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
    sandbox.client("kms", as_=ADMIN).put_key_policy(KeyId=KEY_ID, Policy=json.dumps(policy))
    blob = far.encrypt(KeyId=KEY_ARN, Plaintext=b"x")["CiphertextBlob"]
    assert far.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_an_operation_that_moto_lacks_says_so_and_only_to_those_who_may(sandbox):
    answer = refused(sandbox.client("kms", as_=ADMIN).describe_custom_key_stores)["Error"]
    assert answer["Code"] == "UnsupportedOperationException"
    assert "does not simulate DescribeCustomKeyStores" in answer["Message"]
    denied = refused(sandbox.client("kms", as_=APP).describe_custom_key_stores)["Error"]
    assert denied["Code"] == "AccessDeniedException"


def test_every_decision_is_logged_with_its_call(sandbox):
    kms = sandbox.client("kms", as_=APP)
    kms.encrypt(KeyId="alias/app", Plaintext=b"x")
    refused(kms.list_keys)
    assert [(d.call.operation, d.word) for d in sandbox.decisions] == [
        ("kms:Encrypt", "ALLOW"),
        ("kms:ListKeys", "DENY"),
    ]
    assert sandbox.decisions[0].call.principal.arn == APP


@pytest.mark.parametrize(
    ("principal", "arn"),
    [
        (f"arn:aws:iam::{HERE}:user/ana", f"arn:aws:iam::{HERE}:user/ana"),
        (f"arn:aws:iam::{HERE}:role/app", f"arn:aws:sts::{HERE}:assumed-role/app/session"),
        (f"arn:aws:iam::{HERE}:root", f"arn:aws:iam::{HERE}:root"),
        (f"arn:aws:sts::{THERE}:assumed-role/far/x1", f"arn:aws:sts::{THERE}:assumed-role/far/x1"),
        (f"arn:aws:sts::{HERE}:federated-user/kiosk", f"arn:aws:sts::{HERE}:federated-user/kiosk"),
    ],
)
def test_each_client_holds_its_own_principals_credentials(sandbox, principal, arn):
    assert sandbox.client("sts", as_=principal).get_caller_identity()["Arn"] == arn


def test_a_session_carries_its_policy_tags_and_source_identity(sandbox):
    policy = allow("kms:DescribeKey", kind=PolicyKind.SESSION)
    session = Session(policies=(policy,), tags={"team": "shop"}, source_identity="ana", mfa=True)
    kms = sandbox.client("kms", as_=parse_principal(APP, session))
    kms.describe_key(KeyId=KEY_ID)
    assert "no session policy allows" in refused(kms.encrypt, KeyId=KEY_ID, Plaintext=b"x")["Error"]["Message"]
    context = sandbox.decisions[-1].permissions[0].context
    assert context["aws:principaltag/team"] == "shop"
    assert context["aws:sourceidentity"] == "ana"
    assert context["aws:multifactorauthpresent"] == "true"


def test_a_service_calls_for_itself(sandbox):
    service = service_principal("logs.us-east-1.amazonaws.com", f"arn:aws:logs:us-east-1:{HERE}:x", HERE)
    response = refused(sandbox.client("kms", as_=service).describe_key, KeyId=KEY_ARN)
    assert response["Error"]["Code"] == "AccessDeniedException"
    assert sandbox.decisions[-1].permissions[0].context["aws:principalisawsservice"] == "true"


@pytest.mark.parametrize("who", ["not an arn", f"arn:aws:iam::{HERE}:user/nobody", f"arn:aws:iam::{HERE}:role/nobody"])
def test_an_unknown_principal_is_an_input_error(sandbox, who):
    with pytest.raises(InputError):
        sandbox.client("kms", as_=who)


@pytest.mark.usefixtures("sandbox")
def test_unknown_access_keys_are_refused_as_kms_refuses_them():
    stranger = boto3.client("kms", "us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")
    assert refused(stranger.list_keys)["Error"]["Code"] == "UnrecognizedClientException"


def test_an_account_that_nobody_declared_is_there_once_something_is_made_in_it(sandbox):
    root = f"arn:aws:iam::{BOSS}:root"
    made = sandbox.client("kms", as_=root).create_key()["KeyMetadata"]["KeyId"]
    sandbox.client("kms", as_=root).encrypt(KeyId=made, Plaintext=b"x")
    iam = sandbox.client("iam", as_=root)
    iam.create_user(UserName="eve")
    eve = sandbox.client("kms", as_=f"arn:aws:iam::{BOSS}:user/eve")
    assert refused(eve.describe_key, KeyId=made)["Error"]["Code"] == "AccessDeniedException"
    look = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}}
    iam.put_user_policy(UserName="eve", PolicyName="look", PolicyDocument=json.dumps(look))
    assert eve.describe_key(KeyId=made)["KeyMetadata"]["AWSAccountId"] == BOSS
    sandbox.restore()
    assert sandbox.world == world()


def test_in_a_region_that_is_none_nothing_is_answered(sandbox):
    nowhere = sandbox.client("kms", as_=ADMIN, region="xx-north-1")
    for call in (nowhere.list_keys, nowhere.create_key):
        assert refused(call)["Error"]["Code"] == "InvalidSignatureException"
    assert not sandbox.faults


def test_an_scp_that_is_attached_through_boto3_counts_at_the_next_call_and_one_that_aws_would_refuse_is_refused():
    whole = parse_policy(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, PolicyKind.SCP
    )
    units = {"root": Unit("root", None, (whole,))}
    accounts = {name: replace(account, unit="root", scps=(whole,)) for name, account in world().accounts.items()}
    deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"}}
    with Sandbox(World(accounts, organization=Organization("o-a1b2c3d4e5", BOSS, units))) as sandbox:
        kms, organizations = (
            sandbox.client("kms", as_=APP),
            sandbox.client("organizations", as_=f"arn:aws:iam::{BOSS}:root"),
        )
        kms.describe_key(KeyId=KEY_ID)
        scp = {"Name": "no", "Description": "", "Type": "SERVICE_CONTROL_POLICY"}
        made = organizations.create_policy(Content=json.dumps(deny), **scp)["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=made, TargetId=organizations.list_roots()["Roots"][0]["Id"])
        assert "in a service control policy" in refused(kms.describe_key, KeyId=KEY_ID)["Error"]["Message"]
        wrong = {"Content": '{"Version": "2012-10-17", "Statement": {"Effect": "Maybe"}}'}
        for call in (partial(organizations.create_policy, **scp), partial(organizations.update_policy, PolicyId=made)):
            assert refused(call, **wrong)["Error"]["Code"] == "MalformedPolicyDocumentException"
        organizations.detach_policy(PolicyId=made, TargetId=organizations.list_roots()["Roots"][0]["Id"])
        kms.describe_key(KeyId=KEY_ID)


def test_restore_brings_the_declared_world_back(sandbox):
    declared = sandbox.world
    sandbox.client("kms", as_=ADMIN).disable_key(KeyId=KEY_ID)
    assert sandbox.world != declared
    sandbox.restore()
    assert sandbox.world == declared == world()


def test_a_second_sandbox_in_one_process_is_refused_and_the_first_goes_on(sandbox):
    with pytest.raises(SetupError, match="another gate is up"), Sandbox(world()):
        pass
    sandbox.client("kms", as_=APP).encrypt(KeyId=KEY_ID, Plaintext=b"x")


def test_after_the_sandbox_nothing_of_it_is_left():
    with Sandbox(world()) as first:
        first.client("kms", as_=ADMIN).disable_key(KeyId=KEY_ID)
    with Sandbox(world()) as second:
        assert second.world == world()
        assert second.decisions == []


def test_over_moto_s_http_server_the_same_call_gets_the_same_answer(sandbox):
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        credentials = sandbox.sign_in(parse_principal(APP))
        kms = boto3.client(
            "kms",
            "us-east-1",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
        )
        over_http = refused(kms.describe_key, KeyId=CLOSED_ARN)
        blob = kms.encrypt(KeyId="alias/app", Plaintext=b"x")["CiphertextBlob"]
    finally:
        server.stop()
    in_process = sandbox.client("kms", as_=APP)
    assert over_http["Error"] == refused(in_process.describe_key, KeyId=CLOSED_ARN)["Error"]
    assert over_http["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert in_process.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_other_threads_are_answered_while_the_sandbox_is_open(sandbox):
    kms = sandbox.client("kms", as_=APP)
    sandbox.client("kms", as_=ADMIN).update_key_description(KeyId=KEY_ID, Description="read the world again")
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: kms.encrypt(KeyId=KEY_ID, Plaintext=bytes([n])), range(16)))
    assert {answer["KeyId"] for answer in answers} == {KEY_ARN}
