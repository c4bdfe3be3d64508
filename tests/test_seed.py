"""A running sandbox's world, read and replaced: `kmssim seed`, and a server's URL where a scenario is wanted."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import boto3
import pytest
from moto import mock_aws
from serve_process import ONCE, ROOT, running
from test_cli import kmssim, refused
from test_serve import HERE, KEY_ARN, KEY_ID, SCENARIO

from kmssim.errors import InputError, SetupError
from kmssim.evaluator.world import Account, World
from kmssim.running_world import PATH, read_running, seed_running
from kmssim.sandbox.sandbox import Sandbox
from kmssim.scenario import parse_scenario
from kmssim.scenario_file.document import write_scenario

OTHER = {
    "accounts": {"777788889999": {"roles": {"new": {"policies": {}}}, "keys": {"fresh": {}}}},
    "title": "another world",
}
UNMADE = {
    "organization": {"management_account": "777788889999"},
    "accounts": {"777788889999": {"unit": None}},
}
"""A scenario that can be read and that no runtime takes."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with running(tmp_path_factory.mktemp("seed"), scenario=SCENARIO) as server:
        yield server


@pytest.fixture
def server(opened):
    """The server with the scenario's world in it, whatever the test before has put there."""
    seed_running(opened.url, SCENARIO)
    return opened


def ask(url: str, method: str, body: bytes | None = None, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request(method, PATH, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_server_shows_its_world_as_a_scenario(opened):
    assert read_running(opened.url).world == parse_scenario(SCENARIO).world


def test_what_clients_have_changed_is_in_the_world(server):
    admin = server.client(f"kmssim-{HERE}-admin")
    admin.create_alias(AliasName="alias/late", TargetKeyId=KEY_ID)
    made = admin.create_key(Description="made by a client")["KeyMetadata"]["Arn"]
    grantee = f"arn:aws:iam::{HERE}:role/reader"
    grant = admin.create_grant(KeyId=KEY_ID, GranteePrincipal=grantee, Operations=["Decrypt"])["GrantId"]
    world = read_running(server.url).world
    assert "alias/late" in world.keys_by_arn[KEY_ARN].aliases
    assert made in world.keys_by_arn
    assert [each.id for each in world.keys_by_arn[KEY_ARN].grants] == [grant]


def test_a_world_that_is_put_replaces_the_one_before_and_its_callers_can_call(server):
    answer = seed_running(server.url, OTHER)
    assert answer["seeded"] == {"accounts": 1, "principals": 1, "keys": 1, "grants": 0}
    assert read_running(server.url).world == parse_scenario(OTHER).world
    profile = answer["profiles"][0]
    client = boto3.client(
        "sts",
        "us-east-1",
        endpoint_url=answer["endpoint_url"],
        aws_access_key_id=profile["aws_access_key_id"],
        aws_secret_access_key=profile["aws_secret_access_key"],
        aws_session_token=profile["aws_session_token"],
        config=ONCE,
    )
    assert client.get_caller_identity()["Arn"] == profile["principal"]
    assert "777788889999" in server.config.read_text()  # the profiles file follows
    assert server.client("kmssim-new", "sts").get_caller_identity()["Account"] == "777788889999"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"[]", "object"),
        (b'{"accounts": {"1": {}}}', "12 digits"),
        (json.dumps(UNMADE).encode(), "management account"),
    ],
    ids=["no JSON", "no text", "no object", "no scenario", "no world that can be made"],
)
def test_a_broken_world_is_refused_and_nothing_is_lost(server, body, said):
    app = server.client(f"kmssim-{HERE}-app")
    blob = app.encrypt(KeyId=KEY_ID, Plaintext=b"secret")["CiphertextBlob"]
    status, answer = ask(server.url, "PUT", body)
    assert status == 400
    assert said in answer["message"]
    assert app.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"
    assert read_running(server.url).world == parse_scenario(SCENARIO).world


def test_web_pages_and_other_methods_are_refused(server):
    for headers in ({"Origin": "http://example.com"}, {"Host": "example.com"}, {"Host": ""}):
        assert ask(server.url, "PUT", json.dumps(OTHER).encode(), **headers)[0] == 403
    for method in ("POST", "DELETE", "OPTIONS"):
        assert ask(server.url, method)[0] == 405
    assert read_running(server.url).world == parse_scenario(SCENARIO).world


def test_the_verb_seeds_what_comes_on_standard_input_and_prints_the_profiles(server):
    ran = kmssim("seed", stdin=json.dumps(OTHER), KMSSIM_ENDPOINT=server.url)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("# Seeded: 1 account, 1 principal, 1 key, 0 grants.\n")
    assert f"[profile kmssim-new]\nendpoint_url = {server.url}\n" in ran.stdout
    again = kmssim("seed", "-", "--endpoint", server.url, "--json", stdin=json.dumps(SCENARIO))
    assert {profile["name"] for profile in json.loads(again.stdout)["profiles"]} >= {f"kmssim-{HERE}-app-job-7"}


def test_an_import_goes_through_a_pipe_into_a_server(server):
    world = kmssim("import", "tests/exports/shop").stdout
    assert "2 keys, 2 grants" in kmssim("seed", "--endpoint", server.url, stdin=world).stdout
    assert read_running(server.url).world == parse_scenario(world).world


def test_decide_takes_a_servers_url(server):
    ran = kmssim("decide", server.url)
    assert ran.returncode == 0
    assert "no requests" in ran.stderr


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1", "no `kmssim serve` answers at"),
        ("http://example.com", "not on this machine"),
        ("https://127.0.0.1:1", "not the URL of a server"),
        ("http://127.0.0.1:x", "not the URL of a server"),
        ("http://127.0.0.1:1/path", "not the URL of a server"),
        ("http://", "not the URL of a server"),
    ],
)
def test_where_no_server_is_a_message_says_so(url, message):
    assert message in refused(kmssim("decide", url))
    assert message in refused(kmssim("seed", "tests/cases/errors.json", "--endpoint", url))


def test_without_an_endpoint_seed_says_what_is_missing():
    ran = kmssim("seed", "tests/cases/errors.json", KMSSIM_ENDPOINT="")
    assert ran.returncode == 2
    assert "--endpoint" in ran.stderr


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 404 No\r\n\r\n{}", b"SSH-2.0\r\n"])
def test_somebody_else_behind_the_port_is_recognised(said):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SetupError, match="kmssim serve"):
            read_running(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


# --- in this process


def test_a_sandbox_takes_another_world_or_keeps_its_own():
    before, after = parse_scenario(SCENARIO).world, parse_scenario(OTHER).world
    with Sandbox(before) as sandbox:
        with pytest.raises(InputError):
            sandbox.replace_world(parse_scenario(UNMADE).world)
        assert sandbox.world == before
        sandbox.replace_world(after)
        assert sandbox.world == after
        sandbox.replace_world(before)
        assert sandbox.world == before


def test_inside_a_mock_of_somebody_else_the_world_stays():
    with mock_aws(), Sandbox(World({HERE: Account(HERE)})) as sandbox, pytest.raises(SetupError, match="mock_aws"):
        sandbox.replace_world(parse_scenario(OTHER).world)


CASES = [path for path in sorted((ROOT / "tests/cases").glob("*organi*.json")) if "refused" not in path.name]
CASES += [ROOT / f"tests/cases/{name}.json" for name in ("services", "key-states", "grants-lifecycle", "vpc-endpoints")]


def test_worlds_can_be_put_one_after_the_other_and_read_again():
    with Sandbox(World({HERE: Account(HERE)})) as sandbox:
        for path in CASES:
            scenario = parse_scenario(path.read_text())
            sandbox.replace_world(scenario.world)
            assert parse_scenario(write_scenario(sandbox.world)).world == scenario.world, path.name


def test_a_world_can_be_replaced_whatever_clients_have_made_of_it():
    with Sandbox(parse_scenario(OTHER).world) as sandbox:
        admin = sandbox.client("organizations", "arn:aws:iam::777788889999:root")
        admin.create_organization(FeatureSet="ALL")
        sandbox.client("iam", "arn:aws:iam::777788889999:root").create_user(UserName="late")
        with pytest.raises(InputError):
            sandbox.replace_world(parse_scenario(UNMADE).world)
        assert "late" in sandbox.world.accounts["777788889999"].users
        organized = {**OTHER, "organization": {"management_account": "777788889999"}}
        sandbox.replace_world(parse_scenario(organized).world)
        assert sandbox.world == parse_scenario(organized).world
