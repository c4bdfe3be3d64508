"""The pytest plugin as other people's tests meet it: each test here runs a test file of theirs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import kmssim.pytest_plugin
import kmssim.render
import kmssim.sandbox.sandbox  # loaded once: the inner runs must not load moto a second time
import kmssim.scenario
import kmssim.starting_world

pytest_plugins = "pytester"

HERE = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
APP = f"arn:aws:sts::{HERE}:assumed-role/app/job"
SCENARIO = {
    "accounts": {
        HERE: {
            "roles": {
                "app": {
                    "policies": {
                        "use": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}
                            ],
                        }
                    }
                },
                "other": {},
            },
            "keys": {
                "orders": {
                    "id": KEY_ID,
                    "aliases": ["alias/orders"],
                    "policy": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"AWS": f"arn:aws:iam::{HERE}:root"},
                                "Action": "kms:*",
                                "Resource": "*",
                            }
                        ],
                    },
                }
            },
        }
    }
}
HEAD = f"""
import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

APP, OTHER = "{APP}", "arn:aws:sts::{HERE}:assumed-role/other/job"
KEY_ID = "{KEY_ID}"

def dummy(service="kms", **options):
    return boto3.client(service, "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing", **options)

def code_of(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]
"""


@pytest.fixture
def theirs(pytester):
    """Somebody's project: a scenario file, and a test file from `write`."""

    class Project:
        path = pytester.path

        def write(self, source: str, ini: str = "", name: str = "test_theirs.py") -> None:
            (pytester.path / "orders.json").write_text(json.dumps(SCENARIO))
            (pytester.path / name).write_text(HEAD + source)
            pytester.makeini(f"[pytest]\n{ini}")

        def run(self, *arguments: str):
            return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

        def passes(self, source: str, ini: str = "", count: int = 1) -> None:
            self.write(source, ini)
            self.run().assert_outcomes(passed=count)

    return Project()


# --- which world


def test_without_a_scenario_the_test_builds_its_world_with_boto3(theirs):
    theirs.passes("""
def test_it(kms_sandbox, kms_client, kms_decisions):
    import json
    kms, iam = kms_client(), kms_client(service="iam")
    key = kms.create_key()["KeyMetadata"]
    assert key["AWSAccountId"] == "123456789012"
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="late", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    user = iam.create_user(UserName="eve")["User"]["Arn"]
    for arn in (role, user):
        assert code_of(kms_client(arn).encrypt, KeyId=key["KeyId"], Plaintext=b"x") == "AccessDeniedException"
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=role, Operations=["Encrypt"])
    kms_client(role).encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    assert [decision.word for decision in kms_decisions.of("kms:Encrypt")] == ["DENY", "DENY", "ALLOW"]
    far = kms_client(region="eu-west-1")
    made = far.create_key()["KeyMetadata"]["Arn"]
    assert far.describe_key(KeyId=made)["KeyMetadata"]["Arn"] == made
""")


def test_the_markers_file_is_looked_for_beside_the_test(theirs):
    (theirs.path / "deep").mkdir()
    theirs.write("", name="test_nothing.py")
    (theirs.path / "deep" / "world.json").write_text(json.dumps(SCENARIO))
    theirs.write(
        """
@pytest.mark.kms_scenario("world.json")
def test_it(kms_client):
    assert kms_client(APP).encrypt(KeyId="alias/orders", Plaintext=b"x")["KeyId"].endswith(KEY_ID)
""",
        name="deep/test_theirs.py",
    )
    theirs.run().assert_outcomes(passed=1)


def test_the_nearest_marker_wins_and_a_marker_beats_the_ini_option(theirs):
    (theirs.path / "empty.json").write_text(json.dumps({"accounts": {HERE: {}}}))
    theirs.passes(
        """
@pytest.mark.kms_scenario("empty.json")
class TestClass:
    def test_classes(self, kms_sandbox):
        assert kms_sandbox.world.keys_by_arn == {}
    @pytest.mark.kms_scenario("orders.json")
    def test_own(self, kms_sandbox):
        assert len(kms_sandbox.world.keys_by_arn) == 1

@pytest.mark.kms_scenario({"accounts": {"444455556666": {}}})
def test_data(kms_sandbox):
    assert list(kms_sandbox.world.accounts) == ["444455556666"]

def test_ini(kms_sandbox):
    assert len(kms_sandbox.world.keys_by_arn) == 1
""",
        ini="kmssim_scenario = orders.json",
        count=4,
    )


def test_each_test_has_a_world_and_a_log_of_its_own(theirs):
    theirs.passes(
        """
@pytest.mark.parametrize("turn", [1, 2])
def test_it(turn, kms_client, kms_decisions):
    assert len(kms_decisions) == 0
    kms_client(APP).encrypt(KeyId=KEY_ID, Plaintext=b"x")
    assert code_of(kms_client(APP).disable_key, KeyId=KEY_ID) == "AccessDeniedException"
    kms_client(f"arn:aws:iam::111122223333:root").disable_key(KeyId=KEY_ID)
    assert len(kms_decisions) == 3
""",
        ini="kmssim_scenario = orders.json",
        count=2,
    )


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('"nowhere.json"', "nowhere.json"),
        ('{"acounts": {}}', "acounts"),
        ('"orders.json", caller="nonsense"', "`nonsense` is not the ARN of somebody who can call"),
        ('"orders.json", caller="arn:aws:iam::111122223333:role/nobody"', "there is no role `nobody`"),
    ],
)
def test_what_cannot_be_set_up_is_one_message_and_no_traceback(theirs, marker, said):
    theirs.write(f"""
@pytest.mark.kms_scenario({marker})
def test_it(kms_sandbox):
    pass
""")
    result = theirs.run()
    result.assert_outcomes(errors=1)
    assert said in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ('kms_client("arn:aws:iam::111122223333:user/nobody")', "kmssim: there is no user `nobody`"),
        ('kms_client("app")', "kmssim: `app` is not the ARN of somebody who can call"),
        ("kms_client()", "kms_client needs the ARN of a caller here"),
    ],
)
def test_a_client_that_cannot_be_made_fails_at_the_users_own_line(theirs, called, said):
    theirs.write(f"""
@pytest.mark.kms_scenario("orders.json")
def test_it(kms_client):
    {called}
""")
    result = theirs.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">       {called.replace('[', '[[]')}", f"E       Failed: {said}*"])
    assert "sandbox.py" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


# --- decisions, and how they fail


def test_decisions_can_be_chosen_by_outcome_operation_and_caller(theirs):
    theirs.passes(
        """
def test_it(kms_client, kms_decisions):
    blob = kms_client(APP).encrypt(KeyId=KEY_ID, Plaintext=b"x")["CiphertextBlob"]
    code_of(kms_client(OTHER).decrypt, CiphertextBlob=blob)
    assert kms_decisions.last.word == "DENY"
    assert kms_decisions.denied == kms_decisions[1:] == kms_decisions.of("kms:Decrypt") == kms_decisions.of("Decrypt")
    assert kms_decisions.allowed == [kms_decisions[0]] == kms_decisions.by(APP)
    assert kms_decisions.by("arn:aws:iam::111122223333:role/other").denied.last is kms_decisions.last
    assert not kms_decisions.by(APP).denied
""",
        ini="kmssim_scenario = orders.json",
    )


EXPLAINED = [
    "IAM policy: kms:Decrypt not allowed, the other role has no policy",
    "KMS key policy: account trusted, IAM decides",
    "Final decision: DENY",
    "Because *",
    "Rules: *",
]


@pytest.mark.parametrize(
    "line",
    [
        "assert kms_decisions.last.allowed",
        "assert not kms_decisions.denied",
        "assert kms_decisions.last.word == 'ALLOW'",
        "assert kms_sandbox.decisions[-1].allowed",
        "decision = kms_decisions.of('kms:Decrypt')[0]; assert decision.allowed",
        "assert 1 == 2",
        "kms_client(OTHER).decrypt(CiphertextBlob=blob)",
    ],
)
def test_a_failure_shows_the_causal_sentence_and_the_layers_of_the_decision_that_it_is_about(theirs, line):
    theirs.write(
        f"""
def test_it(kms_sandbox, kms_client, kms_decisions):
    blob = kms_client(APP).encrypt(KeyId=KEY_ID, Plaintext=b"x")["CiphertextBlob"]
    code_of(kms_client(OTHER).decrypt, CiphertextBlob=blob)
    {line}
""",
        ini="kmssim_scenario = orders.json",
    )
    result = theirs.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- kmssim decision 1 of 1 -*", *EXPLAINED])


def test_the_assertion_itself_says_why_in_one_line(theirs):
    theirs.write(
        """
def test_it(kms_client, kms_decisions):
    code_of(kms_client(OTHER).list_keys)
    assert kms_decisions.last.allowed
""",
        ini="kmssim_scenario = orders.json",
    )
    result = theirs.run("-vv")
    result.stdout.fnmatch_lines(["E*where False = <DENY kms:ListKeys for arn:*role/other/job, because *>.allowed"])


def test_a_predicted_decision_explains_itself_as_well(theirs):
    theirs.write("""
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, parse_principal
from kmssim.starting_world import starting_world

def test_it():
    nobody = parse_principal("arn:aws:iam::123456789012:role/none")
    assert decide(starting_world(), Call(nobody, "kms:ListKeys", "us-east-1")).allowed
""")
    result = theirs.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- kmssim decision 1 of 1 -*", "Final decision: DENY", "Because *"])


def test_asking_for_a_call_that_was_never_made_says_so(theirs):
    theirs.write("def test_it(kms_decisions):\n    assert kms_decisions.of('kms:Decrypt').last.allowed\n")
    result = theirs.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">   *last.allowed", "E       Failed: no such call was made to KMS*"])
    assert "pytest_plugin.py" not in result.stdout.str()


# --- clients from before, and moto's own mock


def test_clients_from_before_with_dummy_credentials_call_as_the_administrator_of_an_empty_account(theirs):
    theirs.passes("""
KMS = dummy()

def test_it(kms_sandbox, kms_decisions):
    key = KMS.create_key()["KeyMetadata"]["KeyId"]
    assert KMS.decrypt(CiphertextBlob=KMS.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])["Plaintext"] == b"x"
    assert kms_decisions.last.call.principal.arn == "arn:aws:iam::123456789012:user/administrator"
""")


def test_in_a_scenario_they_call_as_the_ini_option_or_the_marker_says(theirs):
    theirs.passes(
        """
KMS = dummy(aws_session_token="testing")

def test_ini(kms_sandbox, kms_client, kms_decisions):
    KMS.encrypt(KeyId=KEY_ID, Plaintext=b"x")
    kms_client().encrypt(KeyId=KEY_ID, Plaintext=b"x")
    assert [decision.call.principal.arn for decision in kms_decisions] == [APP, APP]

@pytest.mark.kms_scenario(caller=OTHER)
def test_marker(kms_sandbox, kms_decisions):
    assert code_of(KMS.encrypt, KeyId=KEY_ID, Plaintext=b"x") == "AccessDeniedException"
    assert kms_decisions.last.call.principal.arn == OTHER

def test_in_between(kms_sandbox, kms_decisions):
    with kms_sandbox.strangers_call_as(OTHER):
        code_of(KMS.encrypt, KeyId=KEY_ID, Plaintext=b"x")
    KMS.encrypt(KeyId=KEY_ID, Plaintext=b"x")
    assert [decision.word for decision in kms_decisions] == ["DENY", "ALLOW"]
""",
        ini=f"kmssim_scenario = orders.json\nkmssim_caller = {APP}",
        count=3,
    )


def test_in_a_scenario_without_a_caller_they_are_refused_as_aws_refuses_unknown_keys(theirs):
    theirs.passes(
        """
KMS = dummy()

def test_it(kms_sandbox):
    assert code_of(KMS.list_keys) == "UnrecognizedClientException"
""",
        ini="kmssim_scenario = orders.json",
    )


INSIDE = """
@mock_aws
def test_decorated(kms_sandbox, kms_decisions):
    kms = boto3.client("kms", "us-east-1")
    kms.encrypt(KeyId=KEY_ID, Plaintext=b"x")
    assert kms_decisions.last.call.principal.arn == APP

def test_inside(kms_sandbox, kms_client, kms_decisions):
    with mock_aws():
        boto3.client("kms", "us-east-1").encrypt(KeyId=KEY_ID, Plaintext=b"x")
    kms_client(OTHER)
    assert len(kms_sandbox.world.keys_by_arn) == 1
    assert kms_decisions.allowed.last.call.principal.arn == APP

@mock_aws
class TestClass:
    def test_method(self, kms_sandbox, kms_decisions):
        boto3.client("kms", "us-east-1").encrypt(KeyId=KEY_ID, Plaintext=b"x")
        assert kms_decisions.last.allowed
"""


def test_mock_aws_inside_the_sandbox_changes_nothing(theirs):
    theirs.passes(INSIDE, ini=f"kmssim_scenario = orders.json\nkmssim_caller = {APP}", count=3)


def test_inside_a_users_own_mock_an_empty_account_takes_part_in_what_is_there(theirs):
    theirs.passes(
        """
@pytest.fixture(scope="module", autouse=True)
def aws():
    with mock_aws():
        dummy("s3").create_bucket(Bucket="theirs")
        yield boto3.client("kms", "us-east-1").create_key()["KeyMetadata"]["KeyId"]

@pytest.mark.parametrize("turn", [1, 2])
def test_it(turn, aws, kms_sandbox, kms_decisions):
    kms = boto3.client("kms", "us-east-1")
    kms.encrypt(KeyId=aws, Plaintext=b"x")
    assert kms_decisions.last.call.principal.arn == "arn:aws:iam::123456789012:user/administrator"
    assert "theirs" in [bucket["Name"] for bucket in dummy("s3").list_buckets()["Buckets"]]
    kms.create_key()

def test_afterwards(aws):
    assert len(boto3.client("kms", "us-east-1").list_keys()["Keys"]) == 3
    assert boto3.client("iam", "us-east-1").list_users()["Users"] == []
""",
        count=3,
    )


def test_inside_a_users_own_mock_the_accounts_of_a_scenario_are_as_declared_and_come_back_afterwards(theirs):
    theirs.passes(
        f"""
@pytest.fixture(scope="module", autouse=True)
def aws():
    with mock_aws():
        dummy("s3").create_bucket(Bucket="theirs")
        yield dummy().create_key()["KeyMetadata"]["KeyId"]

@pytest.mark.parametrize("turn", [1, 2])
def test_it(turn, kms_sandbox, kms_client):
    assert len(kms_sandbox.world.keys_by_arn) == 1
    kms_client("arn:aws:iam::{HERE}:root").create_key()

def test_afterwards(aws):
    assert [key["KeyId"] for key in dummy().list_keys()["Keys"]] == [aws]
    assert [bucket["Name"] for bucket in dummy("s3").list_buckets()["Buckets"]] == ["theirs"]
    from moto.backends import get_backend
    assert "{HERE}" not in get_backend("kms")
""",
        ini="kmssim_scenario = orders.json",
        count=3,
    )


def test_after_the_test_clients_and_environment_are_what_they_were(theirs):
    theirs.passes(
        """
import os

def test_one(kms_sandbox):
    pass

def test_two():
    assert "AKIAKMSSIM" not in os.environ.get("AWS_ACCESS_KEY_ID", "")
    with mock_aws():
        assert dummy().list_keys()["Keys"] == []
""",
        count=2,
    )


# --- collisions


def test_a_sandbox_that_is_open_already_is_named_as_the_reason(theirs):
    theirs.write(
        """
from kmssim.sandbox.sandbox import Sandbox
from kmssim.starting_world import starting_world

@pytest.fixture(scope="module")
def open_already():
    with Sandbox(starting_world()):
        yield

def test_it(open_already, kms_sandbox):
    pass
"""
    )
    result = theirs.run()
    result.assert_outcomes(errors=1)
    assert "another gate is up in this process" in result.stdout.str()
    assert "open no other one in a fixture of wider scope" in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


def test_a_second_sandbox_inside_a_test_is_refused_and_the_first_goes_on(theirs):
    theirs.passes("""
from kmssim.errors import SetupError
from kmssim.sandbox.sandbox import Sandbox
from kmssim.starting_world import starting_world

def test_it(kms_sandbox, kms_client):
    with pytest.raises(SetupError, match="another gate is up"), Sandbox(starting_world()):
        pass
    kms_client().create_key()
""")


# --- what it costs, and where it is told


def test_it_runs_under_xdist(theirs):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    theirs.write(
        """
@pytest.mark.parametrize("turn", range(6))
def test_it(turn, kms_client, kms_decisions):
    kms_client(APP).encrypt(KeyId=KEY_ID, Plaintext=b"x")
    assert len(kms_decisions) == 1

def test_failing(kms_client, kms_decisions):
    code_of(kms_client(OTHER).list_keys)
    assert kms_decisions.last.allowed
""",
        ini="kmssim_scenario = orders.json",
    )
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=theirs.path, capture_output=True, text=True, check=False, timeout=120)
    assert "6 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "1 failed" in ran.stdout
    assert "Because " in ran.stdout
    assert "kmssim decision 1 of 1" in ran.stdout


def test_who_does_not_use_it_loads_nothing_for_it(theirs):
    (theirs.path / "test_plain.py").write_text(
        "import sys\n\ndef test_it():\n"
        "    assert 'kmssim.pytest_plugin' in sys.modules\n"
        "    assert not {'moto', 'boto3', 'botocore', 'pydantic', 'kmssim.evaluator'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    ran = subprocess.run(command, cwd=theirs.path, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_help_and_markers_name_what_it_takes(theirs):
    theirs.write("")
    shown = theirs.run("--help").stdout.str()
    assert all(name in shown for name in ("kmssim_scenario", "kmssim_caller", "kmssim_authority"))
    assert "kms_scenario(file=None, *, caller=None)" in theirs.run("--markers").stdout.str()
    fixtures = theirs.run("--fixtures").stdout.str()
    assert all(name in fixtures for name in ("kms_sandbox", "kms_client", "kms_decisions"))


def test_the_docstring_names_every_ini_option_and_fixture():
    words = kmssim.pytest_plugin.__doc__
    for name in ("kmssim_scenario", "kmssim_caller", "kmssim_authority", "kms_sandbox", "kms_client", "kms_decisions"):
        assert name in words


def test_another_authority_can_be_named_in_the_ini_file(theirs):
    theirs.passes(
        """
def test_it(kms_client, kms_decisions):
    kms_client().create_key()
    assert kms_decisions.last.authority == "python"
""",
        ini="kmssim_authority = python",
    )
