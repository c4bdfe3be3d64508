"""Nothing leaves the machine: real attempts to get out, each refused by the guard itself or answered in memory.

Beneath the guard lies a tripwire: every function of Python's that could reach the network is replaced by one that only
records and fails. An attempt that gets as far as the tripwire, or to the canary that stands for a metadata service on
loopback, fails its test; that this machine may have no network proves nothing here.
"""

from __future__ import annotations

import asyncio
import http.client
import inspect
import io
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore.config
import botocore.credentials
import botocore.httpsession
import botocore.session
import botocore.utils
import pytest
import requests
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.awsrequest import AWSResponse
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import NoCredentialsError, ProfileNotFound
from moto.core.botocore_stubber import MockRawResponse
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

import kmssim
from kmssim.errors import NetworkEscapeError, SetupError
from kmssim.sandbox import environment
from kmssim.sandbox.isolation import guard

OUTSIDE = "192.0.2.1"  # TEST-NET-1: nobody's address


def lay_tripwire(replace):
    """Replace the real functions; `replace(owner, name, function)` does it. Returns what got as far as here."""
    import _socket  # noqa: PLC0415 (this function also runs in other processes, from its source)
    import socket  # noqa: PLC0415

    reached = []

    def wire(owner, name, address_of):
        real = getattr(owner, name)

        def function(*args, **kwargs):
            address = address_of(args)
            host = address[0] if isinstance(address, tuple) else address
            is_path = isinstance(args[0], socket.socket) and args[0].family == socket.AF_UNIX
            if is_path or host in (None, "", b"", "127.0.0.1", "::1", "localhost", "0.0.0.0"):  # noqa: S104 (compared only)
                return real(*args, **kwargs)
            reached.append((name, address))
            raise AssertionError(f"{name} reached the real function with {address!r}")

        replace(owner, name, function)

    for method in ("connect", "connect_ex", "sendto"):
        wire(socket.socket, method, lambda args: args[-1])
    wire(socket.socket, "sendmsg", lambda args: args[4] if len(args) > 4 else None)
    for module in (socket, _socket):
        for look_up in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo"):
            wire(module, look_up, lambda args: args[0])
    return reached


@pytest.fixture(autouse=True)
def tripwire(monkeypatch):
    reached = lay_tripwire(monkeypatch.setattr)
    yield reached
    assert not reached


@pytest.fixture
def canary():
    """A listener on loopback; `.url` is where it listens, `.heard` what was sent to it."""
    heard = []

    def application(environ, start_response):
        heard.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [
            b'{"AccessKeyId": "AKIAREAL", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}'
        ]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.port}", port=server.port, heard=heard)
    server.shutdown()
    thread.join()
    server.server_close()


def make_client(service="kms", region="us-east-1", **kwargs):
    """A client of a session of its own, with credentials nobody knows."""
    session = boto3.Session(aws_access_key_id="AKIAOLD", aws_secret_access_key="old", region_name=region)
    return session.client(service, **kwargs)


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def tcp():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


ATTEMPTS = {
    "urllib3 to an AWS host": lambda: urllib3.PoolManager().request("GET", "https://kms.us-east-1.amazonaws.com/"),
    "urllib3 to an address": lambda: urllib3.PoolManager().request("GET", f"https://{OUTSIDE}/", retries=3),
    "urllib3 to the metadata service": lambda: urllib3.PoolManager().request("GET", "http://169.254.169.254/latest/"),
    "urllib3 through a proxy": lambda: urllib3.ProxyManager("http://proxy.example:3128").request(
        "GET", "http://a.example"
    ),
    "requests": lambda: requests.get("https://kms.us-east-1.amazonaws.com/", timeout=5),
    "requests without proxies": lambda: requests.get(
        "https://kms.us-east-1.amazonaws.com/", timeout=5, proxies={"https": "", "all": ""}
    ),
    "http.client": lambda: http.client.HTTPSConnection("example.com", timeout=5).request("GET", "/"),
    "urllib.request": lambda: urllib.request.urlopen("https://example.com/", timeout=5),
    "urllib.request without proxies": lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        "http://example.com/", timeout=5
    ),
    "connect": lambda: tcp().connect((OUTSIDE, 443)),
    "connect by name": lambda: tcp().connect(("example.com", 443)),
    "connect to a name under localhost": lambda: tcp().connect(("a.localhost", 443)),
    "connect to an odd spelling of loopback": lambda: tcp().connect(("127.1", 443)),
    "connect as bytes": lambda: tcp().connect((OUTSIDE.encode(), 443)),
    "connect over IPv6": lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 443, 0, 0)),
    "connect to a mapped address": lambda: socket.socket(socket.AF_INET6).connect((f"::ffff:{OUTSIDE}", 443, 0, 0)),
    "connect_ex": lambda: tcp().connect_ex((OUTSIDE, 443)),
    "connect with TLS": lambda: (
        ssl.create_default_context().wrap_socket(tcp(), server_hostname="a").connect((OUTSIDE, 443))
    ),
    "create_connection": lambda: socket.create_connection((OUTSIDE, 443), timeout=5),
    "create_connection by keyword": lambda: socket.create_connection(address=("example.com", 443), timeout=5),
    "getaddrinfo": lambda: socket.getaddrinfo("kms.us-east-1.amazonaws.com", 443),
    "getaddrinfo by keyword": lambda: socket.getaddrinfo(host="example.com", port=443),
    "gethostbyname": lambda: socket.gethostbyname("example.com"),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex("example.com"),
    "gethostbyaddr": lambda: socket.gethostbyaddr(OUTSIDE),
    "getnameinfo": lambda: socket.getnameinfo((OUTSIDE, 53), 0),
    "UDP sendto": lambda: udp().sendto(b"question", (OUTSIDE, 53)),
    "UDP sendto with flags": lambda: udp().sendto(b"question", 0, (OUTSIDE, 53)),
    "UDP sendmsg": lambda: udp().sendmsg([b"question"], [], 0, (OUTSIDE, 53)),
    "UDP connect": lambda: udp().connect((OUTSIDE, 53)),
    "UDP broadcast": lambda: udp().sendto(b"question", ("<broadcast>", 53)),
    "asyncio by address": lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection(OUTSIDE, 443), 5)),
    "asyncio by name": lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection("example.com", 443), 5)),
    "boto3 to a foreign endpoint_url": lambda: make_client(endpoint_url="https://example.com").list_keys(),
    "boto3 to a look-alike of AWS": lambda: make_client(endpoint_url="https://amazonaws.com.example").list_keys(),
    "boto3 to an address": lambda: make_client(endpoint_url=f"http://{OUTSIDE}").list_keys(),
    "IMDS": lambda: botocore.utils.InstanceMetadataFetcher(env={}).retrieve_iam_role_credentials(),
    "IMDS region": lambda: botocore.utils.InstanceMetadataRegionFetcher(env={}).retrieve_region(),
    "ECS by relative URI": lambda: botocore.utils.ContainerMetadataFetcher().retrieve_uri("/credentials"),
    "ECS by full URI": lambda: botocore.utils.ContainerMetadataFetcher().retrieve_full_uri("http://169.254.170.23/v1"),
    "web identity token file": botocore.utils.FileWebIdentityTokenLoader(__file__),
    "cached Identity Center token": lambda: botocore.utils.SSOTokenLoader(cache={})("https://start.example"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_every_way_out_is_refused_by_the_guard(attempt):
    with (
        guard(),
        pytest.raises(NetworkEscapeError, match=r"^something tried to .+; kmssim lets nothing leave this machine: "),
    ):
        attempt()


def test_threads_are_guarded_whether_started_before_or_inside():
    attempts = [ATTEMPTS["urllib3 to an AWS host"], ATTEMPTS["connect"], ATTEMPTS["boto3 to a foreign endpoint_url"]]
    with ThreadPoolExecutor(1) as before:
        before.submit(int).result()
        with guard(), ThreadPoolExecutor(3) as inside:
            errors = [pool.submit(attempt).exception() for pool in (before, inside) for attempt in attempts]
    assert [type(error) for error in errors] == [NetworkEscapeError] * 6


def test_the_message_names_the_attempt_and_leaves_the_signature_out():
    request = SimpleNamespace(method="GET", url="https://example.com/object?X-Amz-Signature=secret")
    with guard(), pytest.raises(NetworkEscapeError) as refused:
        botocore.httpsession.URLLib3Session().send(request)
    assert "something tried to send GET https://example.com/object;" in str(refused.value)
    assert "secret" not in str(refused.value)


AWS_ENDPOINTS = {
    "endpoint_url of AWS": {"endpoint_url": "https://kms.us-east-1.amazonaws.com"},
    "dual-stack host": {"config": botocore.config.Config(use_dualstack_endpoint=True)},
    "dual-stack host as endpoint_url": {"endpoint_url": "https://kms.eu-west-1.api.aws"},
    "dual-stack host in China": {
        "region": "cn-north-1",
        "config": botocore.config.Config(use_dualstack_endpoint=True),
    },
    "China": {"region": "cn-north-1"},
}


@pytest.mark.parametrize("made", ["before", "inside"])
@pytest.mark.parametrize("arguments", AWS_ENDPOINTS.values(), ids=AWS_ENDPOINTS)
def test_aws_hosts_are_answered_in_memory(made, arguments):
    before = make_client(**arguments)
    with guard():
        client = before if made == "before" else make_client(**arguments)
        alias = f"alias/{made}"
        key = client.create_key()["KeyMetadata"]["KeyId"]
        client.create_alias(AliasName=alias, TargetKeyId=key)
        assert [a["TargetKeyId"] for a in client.list_aliases()["Aliases"] if a["AliasName"] == alias] == [key]
        client.delete_alias(AliasName=alias)


def test_sessions_without_builtin_handlers_are_answered_in_memory():
    session = botocore.session.Session(include_builtin_handlers=False)
    session.set_credentials("AKIAOLD", "old")
    with guard():
        assert session.create_client("kms", "us-east-1").list_keys()["Keys"] is not None


def test_large_objects_go_the_classic_way_even_when_the_native_client_is_asked_for():
    with guard():
        s3 = make_client("s3")
        s3.create_bucket(Bucket="isolation")
        s3.upload_fileobj(io.BytesIO(b"text"), "isolation", "o", Config=TransferConfig(preferred_transfer_client="crt"))
        assert s3.get_object(Bucket="isolation", Key="o")["Body"].read() == b"text"


def test_an_answer_of_ones_own_takes_the_place_of_moto():
    seen = []

    def answer(request):
        seen.append(request.url)
        return AWSResponse(request.url, 200, {}, MockRawResponse(b"{}")) if len(seen) == 1 else None

    client = make_client(endpoint_url="https://kms.eu-west-1.api.aws")
    with guard(answer=answer):
        assert client.list_keys()["ResponseMetadata"]["HTTPStatusCode"] == 200
        with pytest.raises(NetworkEscapeError):  # unanswered is refused
            client.list_keys()
    assert seen == ["https://kms.eu-west-1.amazonaws.com/"] * 2


@pytest.mark.parametrize("url", ["https://example.com", "https://amazonaws.com.example", "https://notamazonaws.com"])
def test_foreign_hosts_are_refused_even_when_the_answer_would_take_them(url):
    with guard(answer=lambda _request: pytest.fail("asked")), pytest.raises(NetworkEscapeError, match="send POST"):
        make_client(endpoint_url=url).list_keys()


class Opened(socket.socket):
    """A socket that was connected to the outside before the guard; in truth it leads to the canary."""

    def getpeername(self):
        return OUTSIDE, 443


class OpenedWithTls(ssl.SSLSocket):
    def getpeername(self):
        return OUTSIDE, 443


def _request_over(sock):
    connection = http.client.HTTPConnection(OUTSIDE)
    connection.sock = sock
    connection.request("GET", "/")


SENDS = {
    "send": lambda sock: sock.send(b"x"),
    "sendall": lambda sock: sock.sendall(b"x"),
    "sendmsg": lambda sock: sock.sendmsg([b"x"]),
    "sendfile": lambda sock: sock.sendfile(Path(__file__).open("rb")),  # noqa: SIM115 (collected with the test)
    "http.client": _request_over,
}


@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
def test_connections_opened_before_send_nothing(canary, send):
    with Opened(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect(("127.0.0.1", canary.port))
        with guard(), pytest.raises(NetworkEscapeError, match="send over an open connection"):
            send(sock)
    assert canary.heard == []


@pytest.mark.parametrize("name", ["send", "sendall", "write"])
def test_tls_connections_opened_before_send_nothing(canary, name):
    context = ssl.create_default_context()
    context.sslsocket_class = OpenedWithTls
    plain = socket.create_connection(("127.0.0.1", canary.port))
    with (
        context.wrap_socket(plain, server_hostname="example.com", do_handshake_on_connect=False) as sock,
        guard(),
        pytest.raises(NetworkEscapeError, match="send over an open connection"),
    ):
        getattr(sock, name)(b"x")


def test_loopback_and_unix_sockets_work(canary, tmp_path):
    async def fetch(url):
        reader, writer = await asyncio.open_connection("localhost", int(url.rpartition(":")[2]), family=socket.AF_INET)
        writer.write(b"GET /asyncio HTTP/1.0\r\n\r\n")
        status = await reader.readline()
        writer.close()
        return status

    with guard():
        assert urllib3.PoolManager().request("GET", f"{canary.url}/urllib3").status == 200
        assert requests.get(f"{canary.url}/requests", timeout=5).status_code == 200
        assert urllib.request.urlopen(f"{canary.url}/urllib", timeout=5).status == 200  # noqa: S310 (the canary's URL)
        assert b"200" in asyncio.run(fetch(canary.url))
        make_client(endpoint_url=canary.url).list_keys()
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as sock:
            server.bind(str(tmp_path / "s"))
            server.listen()
            sock.connect(str(tmp_path / "s"))
            sock.sendall(b"x")
            sock.sendmsg([b"x"])
        sender, receiver = udp(), udp()
        with sender, receiver:
            receiver.bind(("127.0.0.1", 0))
            assert sender.sendto(b"x", receiver.getsockname()) == 1
    assert canary.heard == ["/urllib3", "/requests", "/urllib", "/asyncio", "/"]


def test_a_server_can_be_started_inside():
    with guard():
        server = make_server("127.0.0.1", 0, Response(status=204), threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert urllib3.PoolManager().request("GET", f"http://127.0.0.1:{server.port}/").status == 204
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.mark.parametrize("name", ["bucket.localhost", "LOCALHOST", "localhost.", b"localhost", socket.gethostname()])
def test_names_of_this_machine_are_looked_up_as_localhost(name):
    with guard():  # the tripwire would catch any other name
        assert socket.gethostbyname(name) == "127.0.0.1"
        assert socket.getaddrinfo(name, 80)


def test_loopback_metadata_endpoints_are_refused_too(canary):
    imds = {"ec2_metadata_service_endpoint": canary.url}
    with guard():
        with pytest.raises(NetworkEscapeError, match="IMDS"):
            botocore.utils.InstanceMetadataFetcher(env={}, config=imds).retrieve_iam_role_credentials()
        with pytest.raises(NetworkEscapeError, match="container credentials"):
            botocore.utils.ContainerMetadataFetcher().retrieve_full_uri(f"{canary.url}/credentials")
    assert canary.heard == []


def test_without_credentials_a_session_inside_finds_none_and_asks_nobody(monkeypatch):
    with guard():
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(NoCredentialsError):
            boto3.Session().client("kms").list_keys()
        monkeypatch.undo()


def _process_provider(command):
    config = {"profiles": {"p": {"credential_process": command}}}
    return botocore.credentials.ProcessProvider("p", lambda: config)


def test_credential_process_runs_neither_at_first_nor_at_refresh(tmp_path):
    ran = tmp_path / "ran"
    answer = '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": "2000-01-01T00:00:00Z"}'
    program = tmp_path / "program.py"
    program.write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch(); print({answer.replace('2000', '2999')!r})")
    loaded_before = _process_provider(f"{sys.executable} {program}").load()
    assert ran.exists()  # so that its absence below means something
    ran.unlink()
    loaded_before._expiry_time = loaded_before._expiry_time.replace(year=2000)
    with guard():
        with pytest.raises(NetworkEscapeError, match="credential_process"):
            _process_provider(f"{sys.executable} {program}").load()
        with pytest.raises(NetworkEscapeError, match="credential_process"):
            loaded_before.get_frozen_credentials()
    assert not ran.exists()


def test_a_profile_is_not_found_inside():
    with guard(), pytest.raises(ProfileNotFound):
        boto3.Session(profile_name="work")


# Whole processes, where what was set, imported, made or loaded before the guard matters.

PREAMBLE = """
import os
from pathlib import Path
{tripwire}
reached = lay_tripwire(setattr)
import boto3, botocore.session
from kmssim.errors import NetworkEscapeError, SetupError

def refused(attempt):
    try:
        got = attempt()
    except NetworkEscapeError as error:
        return str(error)
    raise AssertionError(f"not refused: {{got!r}}")

def enter():
    from kmssim.sandbox.isolation import guard
    return guard()

"""


@pytest.fixture
def run_process(tmp_path):
    """Runs a script in a Python of its own with a real-looking home; `environ` is added to its environment."""
    ran = tmp_path / "ran"
    (tmp_path / ".aws").mkdir()
    (tmp_path / "ca.py").write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch()")
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
        "[keys]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        "[default]\nregion = eu-west-3\n"
        f"[profile process]\nregion = eu-west-3\ncredential_process = {sys.executable} {tmp_path / 'ca.py'}\n"
        "[profile redirected]\nregion = eu-west-3\nservices = elsewhere\n"
        "[services elsewhere]\nkms =\n  endpoint_url = https://kms.example\n"
    )

    def run(script, **environ):
        source = PREAMBLE.format(tripwire=inspect.getsource(lay_tripwire)) + script + "\nassert not reached, reached\n"
        search = str(Path(kmssim.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", source],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": search, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not ran.exists()

    return run


def test_clients_and_sessions_from_before_moto_was_imported_reach_moto(run_process):
    run_process("""
import sys
client = boto3.client("kms", region_name="us-east-1")
session = boto3.Session()
bare = botocore.session.Session(include_builtin_handlers=False)
foreign = boto3.client("kms", region_name="us-east-1", endpoint_url="https://example.com")
assert "moto" not in sys.modules
with enter():
    key = client.create_key()["KeyMetadata"]["KeyId"]
    for other in (session.client("kms", "us-east-1"), bare.create_client("kms", "us-east-1"), boto3.client("kms")):
        assert [k["KeyId"] for k in other.list_keys()["Keys"]] == [key], other
    assert "https://example.com" in refused(foreign.list_keys)
    assert session.get_credentials().access_key == "AKIAKMSSIM0000000000"
    assert boto3.client("kms").meta.region_name == boto3.Session().client("kms").meta.region_name == "us-east-1"
assert session.get_credentials().access_key == "AKIAREAL"  # outside it looks for itself again
""")


def test_profiles_of_sessions_from_before_are_not_used(run_process):
    run_process("""
process, keys = boto3.Session(profile_name="process"), boto3.Session(profile_name="keys")
low_level = botocore.session.Session(profile="process")
assert low_level.full_config["profiles"]["process"]["credential_process"]
provider = low_level.get_component("credential_provider").get_provider("custom-process")
with enter():
    assert "profile 'process'" in refused(process.get_credentials)
    assert "profile 'process'" in refused(lambda: low_level.create_client("kms"))
    assert "profile 'keys'" in refused(lambda: keys.client("kms"))
    assert "credential_process" in refused(provider.load)
""")


def test_a_profile_in_the_environment_is_not_used(run_process):
    run_process(
        """
before = boto3.Session()
with enter():
    for session in (before, boto3.Session()):
        assert session.get_credentials().access_key == "AKIAKMSSIM0000000000"
        assert session.client("kms").list_keys()["Keys"] == []
    assert boto3.Session().available_profiles == []
assert os.environ["AWS_PROFILE"] == "process"
""",
        AWS_PROFILE="process",
    )


def test_configured_endpoints_lead_nowhere(run_process):
    run_process(
        """
before = boto3.client("kms", region_name="us-east-1")
assert before.meta.endpoint_url == "https://kms.example"
section = boto3.Session(profile_name="redirected").client(
    "sts", aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
)
assert section.meta.endpoint_url == "https://all.example"
with enter():
    assert "https://kms.example" in refused(before.list_keys)
    assert "https://all.example" in refused(section.get_caller_identity)
    assert boto3.Session().client("kms").list_keys()["Keys"] == []
    assert boto3.Session().client("sts").get_caller_identity()["Account"]
    os.environ["AWS_ENDPOINT_URL"] = "https://set-inside.example"
    assert "https://set-inside.example" in refused(boto3.Session().client("kms").list_keys)
assert os.environ["AWS_ENDPOINT_URL"] == "https://all.example"
""",
        AWS_ENDPOINT_URL="https://all.example",
        AWS_ENDPOINT_URL_KMS="https://kms.example",
    )


def test_a_services_section_leads_nowhere(run_process):
    run_process(
        """
before = boto3.client("kms", aws_access_key_id="a", aws_secret_access_key="b")
assert before.meta.endpoint_url == "https://kms.example"
with enter():
    assert "https://kms.example" in refused(before.list_keys)
    assert boto3.Session().client("kms").list_keys()["Keys"] == []
""",
        AWS_PROFILE="redirected",
    )


def test_metadata_endpoints_in_the_environment_are_not_asked(run_process, canary):
    run_process(
        """
from botocore.session import Session
before = Session()
resolver = before.get_component("credential_provider")
imds, ecs = resolver.get_provider("iam-role"), resolver.get_provider("container-role")
with enter():
    assert "IMDS" in refused(imds.load)
    assert ecs.load() is None  # its variables are gone
    assert Session().get_credentials().access_key == "AKIAKMSSIM0000000000"
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = os.environ["CANARY"]
    assert "container credentials" in refused(ecs.load)
    del os.environ["AWS_ACCESS_KEY_ID"]
    assert "container credentials" in refused(Session().get_credentials)
""",
        CANARY=canary.url,
        AWS_EC2_METADATA_SERVICE_ENDPOINT=canary.url,
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{canary.url}/credentials",
    )
    assert canary.heard == []


def test_proxies_in_the_environment_are_not_used(run_process, canary):
    run_process(
        """
import urllib.request, requests
before = boto3.client("kms", region_name="us-east-1")
with enter():
    assert before.list_keys()["Keys"] == [] == boto3.Session().client("kms").list_keys()["Keys"]
    assert "dead end" in refused(lambda: urllib.request.urlopen("http://example.com/"))
    assert "dead end" in refused(lambda: requests.get("https://example.com/"))
    after = boto3.Session().client("kms", endpoint_url="https://example.com")
    assert "https://example.com" in refused(after.list_keys)
assert os.environ["HTTPS_PROXY"] == os.environ["CANARY"]
""",
        CANARY=canary.url,
        **dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), canary.url
        ),
    )
    assert canary.heard == []


def test_modes_of_moto_that_mock_nothing_are_taken_out_or_refused(run_process):
    run_process(
        """
with enter():
    from moto import mock_aws, settings
    assert not settings.TEST_SERVER_MODE and not settings.is_test_proxy_mode()
    with mock_aws():
        assert boto3.Session().client("kms").list_keys()["Keys"] == []
settings.TEST_SERVER_MODE = True  # as if moto had been imported with the variable set
before = dict(os.environ)
try:
    enter().__enter__()
except SetupError as error:
    assert "TEST_SERVER_MODE" in str(error)
else:
    raise AssertionError("started")
assert dict(os.environ) == before
""",
        TEST_SERVER_MODE="true",
        TEST_PROXY_MODE="true",
    )


CHILD = """
import boto3, os, urllib.error, urllib.request
session = boto3.Session()
assert session.get_credentials().access_key == "AKIAKMSSIM0000000000", session.get_credentials().method
assert session.available_profiles == []
assert session.region_name == "us-east-1"
try:
    urllib.request.urlopen("http://192.0.2.1/", timeout=5)
except urllib.error.URLError as error:
    assert isinstance(error.reason, ConnectionRefusedError), error  # loopback answers that at once, and nobody else
else:
    raise AssertionError("connected")
with urllib.request.urlopen(os.environ["CANARY"], timeout=5) as answer:
    assert answer.status == 200
"""


def test_child_processes_inherit_invented_credentials_and_a_dead_end(run_process, canary):
    script = f"""
import subprocess, sys
with enter():
    subprocess.run([sys.executable, "-c", {CHILD!r}], check=True, env=dict(os.environ))
"""
    run_process(script, CANARY=canary.url, AWS_ACCESS_KEY_ID="AKIAREAL", AWS_SECRET_ACCESS_KEY="real", AWS_REGION="x")
    assert canary.heard == ["/"]


# Coming and going.

GUARDED = [
    (botocore.httpsession.URLLib3Session, "send"),
    (botocore.session.Session, "__init__"),
    (botocore.session.Session, "get_credentials"),
    (botocore.credentials.ProcessProvider, "_retrieve_credentials_using"),
    (botocore.utils.IMDSFetcher, "_get_request"),
    (botocore.utils.IMDSFetcher, "_fetch_metadata_token"),
    (botocore.utils.ContainerMetadataFetcher, "_get_response"),
    (sys.modules["boto3.s3.transfer"], "_should_use_crt"),
    (ssl.SSLSocket, "send"),
    (ssl.SSLSocket, "write"),
    *((socket.socket, n) for n in ("connect", "connect_ex", "send", "sendall", "sendfile", "sendmsg", "sendto")),
    *((socket, n) for n in ("create_connection", "getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex")),
    *((sys.modules["_socket"], n) for n in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "getnameinfo")),
]


def _process_state():
    """What the guard touches; a method that a class inherits is absent, and must be absent again."""
    return [vars(owner).get(name, "inherited") for owner, name in GUARDED], dict(os.environ)


def test_everything_is_as_before_after_the_guard(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "https://kms.example")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    monkeypatch.setenv("AWS_KEY_OF_MY_APPLICATION", "arn")
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    before = _process_state()
    with guard():
        inside = _process_state()
        os.environ["AWS_ENDPOINT_URL"] = "https://set.inside"
    assert _process_state() == before
    assert not [seam for seam, was, now in zip(GUARDED, before[0], inside[0], strict=True) if was is now]
    assert {"AWS_PROFILE", "AWS_ENDPOINT_URL_KMS", "MOTO_ACCOUNT_ID"}.isdisjoint(inside[1])
    assert inside[1]["AWS_KEY_OF_MY_APPLICATION"] == "arn"
    assert "sendall" not in vars(socket.socket)  # inherited, as Python has it


def _fail_inside():
    with guard():
        raise ZeroDivisionError


def test_everything_is_as_before_after_an_exception_inside():
    before = _process_state()
    with pytest.raises(ZeroDivisionError):
        _fail_inside()
    assert _process_state() == before


def test_guards_nest_and_only_the_last_exit_opens():
    before = _process_state()
    with guard():
        with guard():
            pass
        with pytest.raises(ZeroDivisionError):
            _fail_inside()
        with pytest.raises(NetworkEscapeError):
            ATTEMPTS["connect"]()
    assert _process_state() == before


def test_a_guard_that_answers_differently_is_refused_inside_another():
    def answer(_request):
        return None

    before = _process_state()
    with guard():
        with pytest.raises(SetupError, match="answers differently"), guard(answer=answer):
            pytest.fail("entered")
        with pytest.raises(NetworkEscapeError):
            ATTEMPTS["connect"]()
    with guard(answer=answer), guard(answer=answer), guard():
        pass
    assert _process_state() == before


def test_threads_may_enter_and_leave_in_any_order():
    before = _process_state()
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        for turn in range(20):
            with guard():
                if (number + turn) % 5 == 0:
                    with pytest.raises(NetworkEscapeError):
                        ATTEMPTS["connect"]()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()
    assert _process_state() == before


@pytest.mark.parametrize(
    "seam",
    [
        (botocore.httpsession, "URLLib3Session"),
        (botocore.httpsession.URLLib3Session, "send"),
        (botocore.credentials.ProcessProvider, "_retrieve_credentials_using"),
        (botocore.utils, "IMDSFetcher"),
        (botocore.session.Session, "get_credentials"),
        (sys.modules["boto3.s3.transfer"], "_should_use_crt"),
        (socket, "getaddrinfo"),
        (sys.modules["_socket"], "gethostbyname"),
        (ssl.SSLSocket, "write"),
    ],
    ids=lambda seam: seam[1],
)
def test_a_seam_that_has_moved_is_a_setup_error_and_nothing_stays_changed(monkeypatch, seam):
    monkeypatch.delattr(*seam)
    before = _process_state()
    with pytest.raises(SetupError, match=seam[1]), guard():
        pytest.fail("entered")
    assert _process_state() == before


def test_a_moto_without_the_stubber_is_a_setup_error(monkeypatch):
    monkeypatch.delattr("moto.core.botocore_stubber.BotocoreStubber.process_request")
    with pytest.raises(SetupError, match="process_request"), guard():
        pytest.fail("entered")


# Variables of botocore's that neither lead anywhere nor name anybody; they tune how requests are made.
HARMLESS = {
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_DEFAULTS_MODE",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_DISABLE_REQUEST_COMPRESSION",
    "AWS_MAX_ATTEMPTS",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_RETRY_MODE",
    "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
    "AWS_SDK_UA_APP_ID",
    "AWS_SIGV4A_SIGNING_REGION_SET",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "BOTOCORE_TCP_KEEPALIVE",
}


def test_every_variable_that_botocore_reads_is_governed_or_known_to_be_harmless():
    named = [variables for _, variables, _, _ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values() if variables]
    read = {name for names in named for name in ([names] if isinstance(names, str) else names)}
    assert {name for name in read if not environment.is_governed(name)} <= HARMLESS
    assert not [name for name in HARMLESS if environment.is_governed(name)]
