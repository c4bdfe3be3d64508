"""The world of a running `kmssim serve`, on this machine only: read as a scenario, or replaced by another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from kmssim.errors import InputError, SetupError
from kmssim.scenario import Scenario, parse_scenario

PATH = "/_kmssim/world"
"""Where a server shows its world, and takes another one. No path of AWS's begins with an underscore."""

_TIMEOUT = 60.0
_OK = 200


def is_url(named: str) -> bool:
    """Whether a user means a server rather than a file."""
    return named.startswith(("http://", "https://"))


def read_running(url: str) -> Scenario:
    """The world that the server at `url` holds now, as a scenario without requests.

    Raises:
        InputError: no URL of a server on this machine; or the world holds what a scenario cannot say.
        SetupError: nobody answers there, or somebody else does.

    """
    answer = _ask("GET", url)
    return parse_scenario(answer, file=url)


def seed_running(url: str, document: Mapping[str, object]) -> dict[str, Any]:
    """Replace the world of the server; returns what it says: what was seeded, and the callers' profiles.

    Raises:
        InputError: as `read_running`; or the server refuses the document. It then holds what it held before.
        SetupError: as `read_running`.

    """
    answer = json.loads(_ask("PUT", url, json.dumps(document).encode()))
    if not isinstance(answer, dict):
        raise _stranger(url)
    return answer


def seeded_text(answer: Mapping[str, Any]) -> str:
    """What a server says after seeding, as it is pasted into an AWS config file."""
    seeded = answer["seeded"]
    counts = ", ".join(f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in seeded.items())
    lines = [f"# Seeded: {counts}."]
    for profile in answer["profiles"]:
        lines += ["", f"# {profile['principal']}"]
        if profile["problem"]:
            lines.append(f"# no profile: {profile['problem']}")
            continue
        lines += [f"[profile {profile['name']}]", f"endpoint_url = {answer['endpoint_url']}"]
        lines.append(f"region = {answer['region']}")
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        lines += [f"{name} = {profile[name]}" for name in names if profile[name]]
    return "\n".join(lines) + "\n"


def _ask(method: str, url: str, body: bytes | None = None) -> str:
    parts = _parts(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        connection.request(method, PATH, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        content = response.read().decode()
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = "start it with `kmssim serve --port PORT`, which prints its URL"
        raise SetupError(f"no `kmssim serve` answers at {url}: {said}; {hint}") from None
    finally:
        connection.close()
    try:
        answer = json.loads(content)
    except ValueError:
        raise _stranger(url) from None
    if response.status != _OK:
        message = answer.get("message") if isinstance(answer, dict) else None
        if not isinstance(message, str):
            raise _stranger(url)
        raise InputError(message, file=url)
    return content


def _stranger(url: str) -> SetupError:
    return SetupError(f"what answers at {url} is no `kmssim serve`; it prints its URL when it starts")


def _parts(url: str) -> SplitResult:
    hint = "such as http://127.0.0.1:5000, which `kmssim serve` prints when it starts"
    try:
        parts = urlsplit(url)
        odd = parts.port == 0 or parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or parts.username
    except ValueError:  # a port that is no number
        raise InputError(f"`{url}` is not the URL of a server", hint=hint) from None
    if odd or not parts.hostname:
        raise InputError(f"`{url}` is not the URL of a server", hint=hint)
    if not _on_this_machine(parts.hostname):
        raise InputError(f"`{url}` is not on this machine, and nothing here leaves it", hint=hint)
    return parts


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
