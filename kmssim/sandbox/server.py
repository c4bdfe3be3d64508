"""The gate of an open sandbox over HTTP, on this machine only, for any SDK.

moto's own server serves; in front of it stands what a program that runs for days needs: the whole request is read
before anybody waits for it, one call is served at a time, nothing of moto's own interface is reachable, and where moto
fails the caller sees an AWS error.
"""

from __future__ import annotations

import importlib.util
import io
import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from kmssim.errors import InputError, SetupError
from kmssim.sandbox.seams import find_seam
from kmssim.sandbox.turns import TURN

_Environ = dict[str, Any]
_App = Callable[[_Environ, Any], Iterable[bytes]]
Tell = Callable[[str], None]
"""Takes one line about something that went wrong."""
Control = Callable[[str, bytes], tuple[int, dict[str, object]]]
"""Answers a request to a path of our own: method and body in, HTTP's status and JSON out."""
Pages = Callable[[str], tuple[int, str]]
"""Answers a browser: what follows `PAGES` in the path in, HTTP's status and HTML out."""

PAGES = "/_kmssim/"
"""Where pages stand beside AWS's own paths, none of which begins with an underscore."""

_NOT_OURS = ("/moto-api", "/latest/", "/favicon.ico")
"""moto's own interface, which would reset the world behind our back, and its instance metadata."""

_SILENCE = 60
"""After so many seconds without a byte a connection is closed: a client that hangs keeps no thread."""

_WAITING = 128
_LOOK_FOR_STOP = 0.05


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket to serve on, before anything is started for it. Port 0: a free one.

    Made here because moto's server ends the process when the port is taken.

    Raises:
        InputError: `host` is not this machine's loopback.
        SetupError: the port is taken, or what moto's server imports is not installed.

    """
    if not _is_loopback(host):
        raise InputError(
            f"`{host}` is not loopback; whoever reaches the server may use it, so it serves this machine only",
            hint="127.0.0.1, ::1 or localhost",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        try:
            bound = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            bound.listen(_WAITING)
        except OSError as error:
            raise SetupError(
                f"cannot serve on {host} port {port}: {error.strerror}; choose another --port, or 0 for a free one"
            ) from error
        _check_installed()
        yield bound


@contextmanager
def serving(
    bound: socket.socket, tell: Tell, controls: Mapping[str, Control] | None = None, pages: Pages | None = None
) -> Iterator[str]:
    """Serve the open sandbox on a socket of `listening`; yields the URL.

    `controls` are by path, beside AWS's own; `pages` are for browsers on this machine, below `PAGES`.
    """
    stopping = threading.Event()
    server = _make_server(bound, tell, stopping, lambda of_moto: _beside(_beside_pages(of_moto, pages), controls or {}))
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK_FOR_STOP,), name="kmssim serve", daemon=True)
    thread.start()
    try:
        yield _url(*bound.getsockname()[:2])
    finally:
        with TURN:  # who is being served is served to the end; nobody is after that
            stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_installed() -> None:
    missing = [name for name in ("flask", "flask_cors") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(f"serving needs {' and '.join(missing)}, not installed here: pip install 'kmssim[server]'")


def _make_server(bound: socket.socket, tell: Tell, stopping: threading.Event, beside: Callable[[_App], _App]) -> Any:  # noqa: ANN401 (werkzeug's server)
    create_app = find_seam("moto.moto_server.werkzeug_app", "create_backend_app")
    of_moto = find_seam("moto.moto_server.werkzeug_app", "DomainDispatcherApplication")(create_app)
    app = _front(beside(of_moto), tell, stopping)
    handler = _quiet(find_seam("moto.moto_server.werkzeug_app", "MotoRequestHandler"), tell)
    host, port = bound.getsockname()[:2]
    return find_seam("werkzeug.serving", "make_server")(
        host, port, app, threaded=True, request_handler=handler, fd=bound.fileno()
    )


def _quiet(handler: Any, tell: Tell) -> Any:  # noqa: ANN401 (werkzeug's request handler)
    """The handler without a line for each request, and without patience for connections that fall silent."""

    def log_nothing(_self: object, *_args: object) -> None:
        return

    def log_error(_self: object, text: str, *values: object) -> None:
        tell(text % values)

    members = {"timeout": _SILENCE, "log_request": log_nothing, "log_error": log_error}
    return type("KmssimRequestHandler", (handler,), members)


def _beside(app: _App, controls: Mapping[str, Control]) -> _App:
    """Our own paths, and everything else to moto."""

    def serve(environ: _Environ, start: Any) -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
        control = controls.get(environ.get("PATH_INFO", ""))
        if control is None:
            return app(environ, start)
        if not _is_local_program(environ):
            return _answer_json(start, "403 Forbidden", {"message": "for programs on this machine only, no web page"})
        status, answer = control(environ["REQUEST_METHOD"], environ["wsgi.input"].read())
        return _answer_json(start, f"{status} {HTTPStatus(status).phrase}", answer)

    return serve


def _beside_pages(app: _App, pages: Pages | None) -> _App:
    """Pages to read, and everything else to `app`."""
    if pages is None:
        return app

    def serve(environ: _Environ, start: Any) -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
        path = environ.get("PATH_INFO", "")
        if not f"{path}/".startswith(PAGES):
            return app(environ, start)
        if not _is_local_program(environ):
            return _answer_json(start, "403 Forbidden", {"message": "for browsers on this machine only"})
        if environ["REQUEST_METHOD"] != "GET":
            return _answer_json(start, "405 Method Not Allowed", {"message": "these pages are only to be read: GET"})
        if path == PAGES.rstrip("/"):
            return _answer_page(start, HTTPStatus.PERMANENT_REDIRECT, "", ("Location", PAGES))
        return _answer_page(start, *pages(path.removeprefix(PAGES)))

    return serve


def _answer_page(start: Any, status: int, page: str, *headers: tuple[str, str]) -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
    """A page that no other page may frame, and that is made anew each time."""
    body = page.encode()
    kind = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    care = [("Cache-Control", "no-store"), ("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff")]
    start(f"{int(status)} {HTTPStatus(status).phrase}", [*kind, *care, *headers])
    return [body]


def _is_local_program(environ: _Environ) -> bool:
    """A web page in a browser here has an origin, or calls this machine by a name of its own."""
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    return "HTTP_ORIGIN" not in environ and _is_loopback(host)


def _front(app: _App, tell: Tell, stopping: threading.Event) -> _App:
    def serve(environ: _Environ, start: Any) -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
        if environ.get("PATH_INFO", "").startswith(_NOT_OURS):
            return _answer(start, "404 Not Found", "UnknownOperationException", "kmssim serves AWS services only")
        if not _read_whole(environ):
            return _answer(start, "400 Bad Request", "RequestTimeoutException", "the request broke off")
        with TURN:
            if stopping.is_set():
                raise ConnectionAbortedError  # werkzeug hangs up: an answer from a closing sandbox would be a wrong one
            try:
                return app(environ, start)
            except Exception as error:  # noqa: BLE001 (whatever moto raises: the server goes on)
                what = f"moto failed: {type(error).__name__}: {error}"
                tell(what)
                return _answer(start, "500 Internal Server Error", "KMSInternalException", f"kmssim: {what}")

    return serve


def _read_whole(environ: _Environ) -> bool:
    """Put the body into memory, so that no slow client holds up the others; False: it did not come whole."""
    chunked = environ.get("wsgi.input_terminated", False)
    announced = environ.get("CONTENT_LENGTH") or "0"
    if not chunked and not announced.isdecimal():
        return False
    body = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(int(announced))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return chunked or len(body) == int(announced)


def _answer(start: Any, status: str, code: str, message: str) -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
    return _answer_json(start, status, {"__type": code, "message": message}, "application/x-amz-json-1.1")


def _answer_json(start: Any, status: str, answer: object, kind: str = "application/json") -> Iterable[bytes]:  # noqa: ANN401 (WSGI's start_response)
    body = json.dumps(answer).encode()
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
