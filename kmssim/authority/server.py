"""An OPA server as the decision authority: REST data API, one document in, one out, fail closed.

Undefined is HTTP 200 without `result`: what a server without our policy answers. It is no ruling, like a time-out, a
refused connection, another status, or a body that is not JSON.
"""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from kmssim.authority.policy import PACKAGE, POLICY_FILE, VERSION
from kmssim.errors import AuthorityError, InputError

_MOST_BYTES = 1 << 22
_HTTP_OK = 200


class OpaServer:
    """Asks `POST /v1/data/kmssim/authz/…` of the server at `url`, with `token` as bearer token if there is one.

    `timeout` is in seconds. Raises InputError for a URL that is none or leads off this machine, AuthorityError when
    the server is not there or holds another policy.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 2.0) -> None:
        """Ask once which policy the server holds."""
        parts = _split(url)
        if parts is None or parts.hostname is None:
            raise InputError(f"`{url}` is not the URL of an OPA server", hint="such as http://127.0.0.1:8181")
        if not _on_this_machine(parts.hostname):
            raise InputError(f"the OPA server `{url}` is not on this machine, and nothing here leaves it")
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._secure, self._netloc, self._timeout = parts.scheme == "https", parts.netloc, timeout
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._threads = threading.local()
        self.name = f"OPA at {self._url}{self._path}"
        self._check_version()

    def _check_version(self) -> None:
        found = self.ask("version", {})
        if found != VERSION:
            raise AuthorityError(f"{self.name} holds the policy {found!r}, not {VERSION!r}; {_LOAD}")

    def ask(self, entry: str, document: object) -> object:
        """The value of one rule of the policy for one input."""
        status, body = self._post(f"{self._path}/v1/data/{PACKAGE}/{entry}", json.dumps({"input": document}).encode())
        if status != _HTTP_OK:
            raise AuthorityError(f"{self.name} answered HTTP {status}: {body[:200].decode(errors='replace')}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise AuthorityError(f"{self.name} answered something that is not JSON") from None
        if not isinstance(answer, dict) or "result" not in answer:
            raise AuthorityError(f"{self.name} has no policy {PACKAGE.replace('/', '.')}; {_LOAD}")
        return answer["result"]

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """One request; a kept connection that the server has closed meanwhile is opened once more."""
        kept = getattr(self._threads, "connection", None)
        try:
            return self._post_over(kept or self._connect(), path, body)
        except (OSError, HTTPException) as error:
            if kept is None or isinstance(error, TimeoutError):
                raise self._unreachable(error) from None
        try:
            return self._post_over(self._connect(), path, body)
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None

    def _connect(self) -> HTTPConnection:
        kind = _Secure if self._secure else _Plain
        return kind(self._netloc, timeout=self._timeout)

    def _post_over(self, connection: HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
        self._threads.connection = None
        try:
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
            content = response.read(_MOST_BYTES)
        except (OSError, HTTPException):
            connection.close()
            raise
        if response.isclosed():
            self._threads.connection = connection
        else:  # more than anybody reads
            connection.close()
        return response.status, content

    def _unreachable(self, error: Exception) -> AuthorityError:
        said = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return AuthorityError(f"{self.name} cannot be asked ({said}); every call is refused until it answers")


class _Plain(HTTPConnection):
    """Closes itself when nobody has it any more: it is kept for a thread, which ends without a word."""

    def __del__(self) -> None:
        """Close the socket."""
        self.close()


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


def _split(url: str) -> SplitResult | None:
    """The parts of a server's URL; None when it is none."""
    try:
        parts = urlsplit(url)
        odd = parts.query or parts.fragment or parts.username or parts.port == 0
    except ValueError:  # brackets that do not close, a port that is no number
        return None
    return None if odd or parts.scheme not in {"http", "https"} else parts


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_LOAD = f"write it with `kmssim authority --policy > {POLICY_FILE}` and load it with `opa run --server {POLICY_FILE}`"
