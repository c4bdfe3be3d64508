"""The request object that moto hands to its handlers, which differs by release and by front end, read and changed here.

moto before 5.2.5 passes botocore's AWSPreparedRequest in process and Flask's request proxy in its server; from 5.2.5 on
both are werkzeug requests. Nobody else looks into them.
"""

from __future__ import annotations

import io
import ipaddress
from typing import Any

Request = Any
"""Whatever moto passes."""

_UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}
_REMEMBERED = ("_cached_data", "stream", "data", "form", "files", "values", "json", "content_length")


def read_headers(request: Request) -> dict[str, str]:
    """All headers, names in lower case."""
    if not _is_werkzeug(request):
        return {name.lower(): _text(value) for name, value in request.headers.items()}
    # werkzeug's own mapping walks the same environ, and asks more of each name: a tenth of what a call costs here
    environ = request.environ
    found = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    found |= {name: environ[name] for name in _UNPREFIXED if environ.get(name)}
    return {name.replace("_", "-").lower(): value for name, value in found.items()}


def read_body(request: Request) -> bytes:
    """The body; moto can read it again."""
    body = request.get_data(cache=True) if _is_werkzeug(request) else request.body
    if hasattr(body, "read"):
        body = body.read()
        set_body(request, body)
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def is_from_this_machine(request: Request) -> bool:
    """Whether the request was made in this process, or reached moto's server over loopback."""
    peer = request.environ.get("REMOTE_ADDR") if _is_werkzeug(request) else None
    try:
        return not peer or ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def set_header(request: Request, name: str, value: str) -> None:
    """Replace a header, whatever its spelling was."""
    if _is_werkzeug(request):
        plain = name.upper().replace("-", "_")
        request.environ[plain if plain in _UNPREFIXED else f"HTTP_{plain}"] = value
        return
    if name in request.headers:
        del request.headers[name]
    request.headers[name] = value


def set_body(request: Request, body: bytes) -> None:
    """Replace the body, and drop what the object remembers of the old one."""
    if not _is_werkzeug(request):
        request.body = body
        set_header(request, "Content-Length", str(len(body)))
        return
    real = request._get_current_object() if hasattr(request, "_get_current_object") else request  # noqa: SLF001 (werkzeug documents it for its proxies)
    for name in _REMEMBERED:
        vars(real).pop(name, None)
    real.environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})


def headers_for_handler(request: Request, given: Any) -> Any:  # noqa: ANN401 (moto's third argument)
    """The headers as they are now, in the form in which moto passed them."""
    return dict(request.headers) if type(given) is dict else request.headers


def _is_werkzeug(request: Request) -> bool:
    return hasattr(request, "environ")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
