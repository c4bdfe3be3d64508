"""`kmssim serve` as other people use it: boto3, the AWS CLI and the AWS SDK for JavaScript against a real process."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from serve_process import ROOT, Running, aws_cli, running

HERE, THERE = "111122223333", "444455556666"
KEY_ID, CLOSED_ID = "1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890cd"
KEY_ARN = f"arn:aws:kms:us-east-1:{HERE}:key/{KEY_ID}"
APP = f"arn:aws:sts::{HERE}:assumed-role/app"


def policy(principal: str, *actions: str) -> dict:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(*actions: str) -> dict:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"inline": {"Version": "2012-10-17", "Statement": [statement]}}


SCENARIO = {
    "title": "an application, its administrator, and somebody from another account",
    "accounts": {
        HERE: {
            "users": {"ana": {"policies": allow("kms:*")}},
            "roles": {
                "app": {"policies": allow("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")},
                "admin": {"policies": allow("kms:*")},
                "reader": {},
            },
            "keys": {
                "orders": {
                    "id": KEY_ID,
                    "aliases": ["alias/orders"],
                    "policy": policy(f"arn:aws:iam::{HERE}:root", "kms:*"),
                },
                "closed": {"id": CLOSED_ID, "policy": policy(f"arn:aws:iam::{HERE}:role/admin", "kms:*")},
            },
        },
        THERE: {"roles": {"far": {"policies": allow("kms:*")}}},
    },
    "requests": [
        {"principal": f"{APP}/job-7", "operation": "kms:DescribeKey", "parameters": {"KeyId": "alias/orders"}}
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("serve"), scenario=SCENARIO) as opened:
        yield opened


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kmssim", "serve", *arguments]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def refused(call, **parameters) -> dict:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response


# --- boto3


def test_every_principal_of_the_scenario_has_a_profile(server):
    names = [profile["name"] for profile in server.hello["profiles"]]
    assert names == [
        f"kmssim-{HERE}-ana",
        f"kmssim-{HERE}-app",
        f"kmssim-{HERE}-admin",
        f"kmssim-{HERE}-reader",
        f"kmssim-{THERE}-far",
        f"kmssim-{HERE}-app-job-7",
        f"kmssim-{HERE}-root",
        f"kmssim-{THERE}-root",
    ]


def test_each_profile_calls_as_its_principal(server):
    for profile in server.hello["profiles"]:
        identity = server.client(profile["name"], "sts").get_caller_identity()
        assert identity["Arn"] == profile["principal"]


def test_profiles_of_roles_hold_temporary_credentials_and_those_of_users_do_not(server):
    assert server.section(f"kmssim-{HERE}-app")["aws_access_key_id"].startswith("ASIA")
    assert "aws_session_token" in server.section(f"kmssim-{HERE}-app")
    assert server.section(f"kmssim-{HERE}-ana")["aws_access_key_id"].startswith("AKIA")
    assert "aws_session_token" not in server.section(f"kmssim-{HERE}-ana")


def test_the_profiles_file_is_for_its_owner_only(server):
    assert server.config.stat().st_mode & 0o777 == 0o600


def test_a_profile_alone_is_enough_for_boto3(server, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(server.config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    kms = boto3.Session(profile_name=f"kmssim-{HERE}-app").client("kms")
    blob = kms.encrypt(KeyId="alias/orders", Plaintext=b"secret", EncryptionContext={"tenant": "a"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"tenant": "a"})["Plaintext"] == b"secret"


def test_a_denial_over_http_is_awss_error_sentence_and_status(server):
    response = refused(server.client(f"kmssim-{HERE}-app-job-7").list_grants, KeyId=KEY_ID)
    assert response["Error"] == {
        "Code": "AccessDeniedException",
        "Message": f"User: {APP}/job-7 is not authorized to perform: kms:ListGrants on resource: {KEY_ARN} "
        "because no identity-based policy allows the kms:ListGrants action",
    }
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_change_by_one_client_counts_for_the_next_call_of_another(server):
    admin, reader = server.client(f"kmssim-{HERE}-admin"), server.client(f"kmssim-{HERE}-reader")
    refused(reader.describe_key, KeyId=KEY_ARN)
    grantee = f"arn:aws:iam::{HERE}:role/reader"
    grant = admin.create_grant(KeyId=KEY_ID, GranteePrincipal=grantee, Operations=["DescribeKey"])
    assert reader.describe_key(KeyId=KEY_ARN)["KeyMetadata"]["Arn"] == KEY_ARN
    admin.revoke_grant(KeyId=KEY_ID, GrantId=grant["GrantId"])
    assert refused(reader.describe_key, KeyId=KEY_ARN)["Error"]["Code"] == "AccessDeniedException"


def test_without_a_scenario_an_administrator_builds_the_world(tmp_path):
    with running(tmp_path, scenario=None) as server:
        assert [profile["name"] for profile in server.hello["profiles"]] == ["kmssim-administrator", "kmssim-root"]
        kms = server.client("kmssim-administrator")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        assert kms.encrypt(KeyId=key, Plaintext=b"x")["KeyId"].endswith(key)
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
        iam, sts = (server.client("kmssim-administrator", service) for service in ("iam", "sts"))
        role = iam.create_role(RoleName="late", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        session = sts.assume_role(RoleArn=role, RoleSessionName="job")["Credentials"]
        late = boto3.client(
            "kms",
            "us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        assert refused(late.encrypt, KeyId=key, Plaintext=b"x")["Error"]["Code"] == "AccessDeniedException"


def test_the_text_form_prints_profiles_and_one_line_for_each_decision(tmp_path):
    (tmp_path / "scenario.json").write_text(json.dumps(SCENARIO))
    command = [sys.executable, "-u", "-m", "kmssim", "serve", "--scenario", str(tmp_path / "scenario.json")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = []
    while not said or not said[-1].startswith("kmssim serves on"):
        said.append(process.stdout.readline())
        assert said[-1], process.communicate()[1]
    (tmp_path / "config").write_text("".join(said[:-1]))
    server = Running(process, "", tmp_path / "config", {})
    app = server.client(f"kmssim-{HERE}-app-job-7")
    for _ in range(2):
        app.describe_key(KeyId="alias/orders")
        refused(app.describe_key, KeyId=CLOSED_ID)
        refused(app.describe_key, KeyId="alias/none\nDENY forged")
    code, lines, err = server.stop(signal.SIGINT)
    lines = [line for line in lines if line]
    assert (code, err) == (0, "")
    assert lines[0].startswith(f"ALLOW {APP}/job-7 kms:DescribeKey {KEY_ARN} [key_policy, identity] because the key ")
    closed = f"arn:aws:kms:us-east-1:{HERE}:key/{CLOSED_ID}"
    assert lines[1].startswith(f"DENY  {APP}/job-7 kms:DescribeKey {closed} [key_policy] because the key policy ")
    assert len(lines) == 6
    assert lines[:3] == lines[3:]


def test_json_is_one_object_a_line(tmp_path):
    with running(tmp_path, scenario=SCENARIO) as server:
        refused(server.client(f"kmssim-{HERE}-reader").describe_key, KeyId=KEY_ARN)
        code, lines, err = server.stop()
    assert (code, err) == (0, "")
    record = json.loads(lines[0])
    assert (record["decision"], record["operation"], record["key"]) == ("DENY", "kms:DescribeKey", KEY_ARN)
    assert record["layers"] == ["key_policy", "identity"] or record["layers"] == ["identity"]
    assert record["because"]


# --- what the server takes and what it does not


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.1", ""])  # noqa: S104
def test_it_serves_this_machine_only(host):
    ran = serve("--host", host)
    assert ran.returncode == 2
    assert "is not loopback" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_loopback_by_any_of_its_names_is_served(host, tmp_path):
    if host == "::1":
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    with running(tmp_path, "--host", host, scenario=SCENARIO) as server:
        assert server.client(f"kmssim-{HERE}-ana").describe_key(KeyId=KEY_ID)["KeyMetadata"]["Arn"] == KEY_ARN


def test_a_port_that_is_taken_ends_with_2_and_one_message():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = serve("--port", str(port))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"kmssim: cannot serve on 127.0.0.1 port {port}: ")
    assert "Traceback" not in ran.stderr


def test_a_chosen_port_is_used_and_free_again_after_the_end(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        with running(tmp_path, "--port", str(port), scenario=SCENARIO) as server:
            assert server.url == f"http://127.0.0.1:{port}"
            server.client(f"kmssim-{HERE}-ana").list_keys()
            assert server.stop()[0] == 0


def test_without_flask_the_message_says_what_to_install(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['flask'] = None\n")
    ran = serve("--scenario", "01_key_policy_must_trust", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert ran.returncode == 2
    assert "pip install 'kmssim[server]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_somebody_else_wrote_is_not_overwritten(tmp_path):
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n")
    ran = serve("--write-profiles", str(tmp_path / "config"))
    assert ran.returncode == 2
    assert "did not write" in ran.stderr
    assert (tmp_path / "config").read_text() == "[default]\nregion = eu-west-1\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_while_clients_call(number, tmp_path):
    with running(tmp_path, scenario=SCENARIO) as server, ThreadPoolExecutor(4) as pool:
        clients = [server.client(f"kmssim-{HERE}-ana") for _ in range(4)]
        list(pool.map(lambda kms: kms.list_keys(), clients))

        def call_until_it_ends(kms):
            try:
                while True:
                    kms.describe_key(KeyId=KEY_ID)
            except Exception as error:  # noqa: BLE001 - whichever way the connection ends
                return type(error).__name__

        ends = [pool.submit(call_until_it_ends, kms) for kms in clients]
        code, _, err = server.stop(number)
        kinds = {end.result() for end in ends}
    assert (code, err) == (0, "")
    assert "ClientError" not in kinds


def test_it_goes_on_when_nobody_reads_what_it_prints(tmp_path):
    with running(tmp_path, scenario=SCENARIO) as server:
        server.process.stdout.close()
        kms = server.client(f"kmssim-{HERE}-ana")
        for _ in range(3):
            kms.describe_key(KeyId=KEY_ID)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.process.stderr.read()


def test_calls_go_on_while_nobody_empties_the_pipe_that_it_prints_to(tmp_path):
    with running(tmp_path, scenario=SCENARIO) as server:
        kms = server.client(f"kmssim-{HERE}-ana")
        for _ in range(200):  # the pipe takes 64 kB, a line is 800 bytes and more
            kms.describe_key(KeyId=KEY_ID)
        code, lines, err = server.stop()
    assert (code, err) == (0, "")
    assert len(lines) == 200
    assert {json.loads(line)["operation"] for line in lines} == {"kms:DescribeKey"}


def raw(url: str, request: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_motos_own_interface_is_not_reachable(server):
    for path in ("/moto-api/reset", "/moto-api/", "/latest/meta-data/iam/security-credentials/default-role"):
        answer = raw(server.url, f"POST {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.0 404", b"HTTP/1.1 404"))
    assert server.client(f"kmssim-{HERE}-ana").describe_key(KeyId=KEY_ID)["KeyMetadata"]["Arn"] == KEY_ARN


def test_a_request_that_breaks_off_leaves_the_server_as_it_was(server):
    scope = f"Credential=AKIAROOT{HERE}/20260101/us-east-1/kms/aws4_request"
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\n"
        "X-Amz-Target: TrentService.ScheduleKeyDeletion\r\nContent-Type: application/x-amz-json-1.1\r\n"
    )
    body = json.dumps({"KeyId": KEY_ID, "PendingWindowInDays": 7})
    for request in (
        f"{head}Content-Length: 500\r\n\r\n{body}",
        f"{head}Content-Length: x\r\n\r\n{body}",
        f"{head}Content-Length: -1\r\n\r\n{body}",
        f"{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{",
        head,
        "GARBAGE\r\n\r\n",
        "",
    ):
        raw(server.url, request.encode())
    metadata = server.client(f"kmssim-{HERE}-ana").describe_key(KeyId=KEY_ID)["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled"


def test_a_client_that_hangs_in_its_request_holds_up_nobody(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as hanging:
        hanging.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        assert server.client(f"kmssim-{HERE}-ana").describe_key(KeyId=KEY_ID)["KeyMetadata"]["Arn"] == KEY_ARN


# --- the AWS CLI


@pytest.fixture
def aws(server):
    return aws_cli(server, f"kmssim-{HERE}-")


def test_the_aws_cli_encrypts_and_decrypts_as_a_role_that_may(aws, tmp_path):
    (tmp_path / "plain").write_bytes(b"an order")
    context = ("--encryption-context", "tenant=a")
    code, made, err = aws("app", "kms", "encrypt", "--key-id", "alias/orders", "--plaintext", f"fileb://{tmp_path}/plain", *context)  # fmt: skip
    assert (code, made.get("KeyId")) == (0, KEY_ARN), err
    (tmp_path / "blob").write_bytes(base64.b64decode(made["CiphertextBlob"]))
    code, read, err = aws("app", "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/blob", *context)
    assert (code, base64.b64decode(read.get("Plaintext", ""))) == (0, b"an order"), err
    code, _, err = aws("app", "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/blob", "--encryption-context", "tenant=b")  # fmt: skip
    assert code != 0
    assert "(InvalidCiphertextException)" in err
    code, _, err = aws("reader", "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/blob", *context)
    assert code != 0
    assert "(AccessDeniedException)" in err
    assert "is not authorized to perform: kms:Decrypt" in err


def test_the_aws_cli_makes_lists_and_revokes_grants(aws):
    grantee = f"arn:aws:iam::{HERE}:role/reader"
    create = ("kms", "create-grant", "--key-id", KEY_ID, "--grantee-principal", grantee, "--operations", "Encrypt")
    code, _, err = aws("app", *create)
    assert code != 0
    assert "is not authorized to perform: kms:CreateGrant" in err
    code, made, err = aws("admin", *create)
    assert code == 0, err
    code, listed, err = aws("admin", "kms", "list-grants", "--key-id", KEY_ID)
    assert [grant["GrantId"] for grant in listed["Grants"]] == [made["GrantId"]], err
    code, _, err = aws("reader", "kms", "encrypt", "--key-id", KEY_ARN, "--plaintext", "aGk=")
    assert code == 0, err
    code, _, err = aws("admin", "kms", "revoke-grant", "--key-id", KEY_ID, "--grant-id", made["GrantId"])
    assert code == 0, err
    code, _, err = aws("reader", "kms", "encrypt", "--key-id", KEY_ARN, "--plaintext", "aGk=")
    assert code != 0


def test_the_aws_cli_describes_and_is_told_who_it_is(aws):
    code, described, err = aws("ana", "kms", "describe-key", "--key-id", "alias/orders")
    assert (code, described.get("KeyMetadata", {}).get("Arn")) == (0, KEY_ARN), err
    code, _, err = aws("app", "kms", "describe-key", "--key-id", CLOSED_ID)
    assert code != 0
    assert "because no resource-based policy allows the kms:DescribeKey action" in err
    code, who, err = aws("app", "sts", "get-caller-identity")
    assert (code, who.get("Arn")) == (0, f"{APP}/session"), err


# --- the AWS SDK for JavaScript


def test_the_sdk_for_javascript_is_allowed_and_denied_as_boto3_is(server, tmp_path):
    sdk = os.environ.get("KMSSIM_JS_SDK")
    if not sdk:
        pytest.skip("the AWS SDK for JavaScript is not installed: set KMSSIM_JS_SDK to a folder with node_modules")
    script = tmp_path / "client.mjs"
    script.write_text((Path(__file__).parent / "serve_client.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(Path(sdk).resolve() / "node_modules")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_CONFIG_FILE": str(server.config),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PROFILE": f"kmssim-{HERE}-app",
        "DENIED_PROFILE": f"kmssim-{HERE}-reader",
        "KEY_ID": KEY_ARN,
    }
    ran = subprocess.run(
        ["node", str(script)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["allowed"] == {"keyId": KEY_ARN, "plaintext": "from JavaScript", "wrongContext": "InvalidCiphertextException"}  # fmt: skip
    assert answer["denied"] == {
        "name": "AccessDeniedException",
        "status": 400,
        "message": f"User: arn:aws:sts::{HERE}:assumed-role/reader/session is not authorized to perform: kms:Decrypt on "
        f"resource: {KEY_ARN} because no identity-based policy allows the kms:Decrypt action",
    }
