"""A request as it travels → `WireCall`: which operation of which service, signed by whom, with which parameters.

moto reads the same bytes again afterwards. So whatever moto could read differently from us is refused or made
unambiguous here; otherwise one call would be authorized and another one run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from kmssim.sandbox import moto_request
from kmssim.sandbox.answers import JSON_TYPE, Refusal, unknown_operation, unreadable_request
from kmssim.sandbox.declared import Declared, read_declared
from kmssim.sandbox.service_models import Protocol, operations_of, protocol_of, service_model
from kmssim.sandbox.wire_query import nest
from kmssim.sandbox.wire_s3 import read_s3
from kmssim.sandbox.wire_shapes import ShapeError, fit_to_shape

_FORM = "application/x-www-form-urlencoded"
_DEFAULT_REGION = "us-east-1"
# By these headers moto would read a JSON body as a form, or unpack it.
_AS_READ_HERE = {"Content-Type": JSON_TYPE, "Content-Encoding": "identity"}


@dataclass(frozen=True)
class WireCall:
    """One call. `parameters` are as they travel (bytes in base64, numbers of a query as text); `headers` in lower case.

    Unsigned: `access_key` is None. `body` is empty for S3, whose objects are not the gate's
    business, but for the policy of a bucket.
    """

    service: str
    operation: str
    method: str
    region: str
    access_key: str | None
    token: str | None
    parameters: Mapping[str, object]
    headers: Mapping[str, str]
    host: str
    path: str
    query: Mapping[str, str]
    body: bytes
    declared: Declared


class _Envelope(NamedTuple):
    service: str
    method: str
    headers: Mapping[str, str]
    host: str
    path: str
    query: Mapping[str, str]
    body: bytes


def read_wire(service: str, request: moto_request.Request, url: str) -> WireCall | Refusal:
    """Read a request to `service`, or say with AWS's error why it cannot be read."""
    try:
        envelope = _open(service, request, url)
        operation, parameters = _READERS[protocol_of(service)](envelope)
    except (ValueError, RecursionError):
        return unreadable_request(service)
    if operation not in operations_of(service):
        return unknown_operation(service, operation)
    if protocol_of(service) is Protocol.JSON:
        try:
            parameters = fit_to_shape(parameters, service_model(service).operation_model(operation).input_shape)
        except ShapeError as error:
            return unreadable_request(service, str(error))
    try:
        declared = read_declared(envelope.headers) if moto_request.is_from_this_machine(request) else Declared()
    except ValueError as error:
        return Refusal("ValidationException", str(error))
    access_key, region = _signer(envelope)
    return WireCall(
        operation=operation,
        region=region,
        access_key=access_key,
        token=_token(envelope),
        parameters=parameters,
        declared=declared,
        **envelope._asdict(),
    )


def _open(service: str, request: moto_request.Request, url: str) -> _Envelope:
    parts = urlsplit(url)
    headers = moto_request.read_headers(request)
    query = _unambiguous(parse_qsl(parts.query, keep_blank_values=True))
    has_body = protocol_of(service) is not Protocol.REST or (request.method, "policy" in query) == ("PUT", True)
    body = moto_request.read_body(request) if has_body else b""
    if protocol_of(service) is Protocol.JSON and b"&" in body:
        # moto looks for `&Action=` in JSON bodies, too: a description that holds it would run another operation.
        body = body.replace(b"&", b"\\u0026")
        moto_request.set_body(request, body)
    if protocol_of(service) is Protocol.JSON:
        for name, value in _AS_READ_HERE.items():
            if headers.get(name.lower(), value) != value:
                moto_request.set_header(request, name, value)
    return _Envelope(service, request.method, headers, headers.get("host", parts.netloc), parts.path, query, body)


def _unambiguous(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Pairs as a mapping; of a name that stands twice moto takes the first value here and the last there."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a parameter stands twice")
    return values


def _read_json(envelope: _Envelope) -> tuple[str, Mapping[str, object]]:
    if "Action" in envelope.query:
        raise ValueError("moto would take the operation from the query in place of the header")
    parameters = json.loads(envelope.body.decode() or "{}", parse_constant=_refuse_constant)
    if not isinstance(parameters, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 (broken input, not a broken program)
    return envelope.headers.get("x-amz-target", "").rpartition(".")[2], parameters


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _read_query(envelope: _Envelope) -> tuple[str, Mapping[str, object]]:
    """The query protocol: a form in the body, or for GET in the URL, never in both."""
    form = _unambiguous(parse_qsl(envelope.body.decode(), keep_blank_values=True))
    if form and (envelope.query or not envelope.headers.get("content-type", _FORM).startswith(_FORM)):
        raise ValueError("a body that moto would not read as the form that it is")
    flat = form or dict(envelope.query)
    if "ContentType" in flat:
        raise ValueError("moto would answer in JSON, from which nothing is learned")
    operation = flat.pop("Action", "")
    flat.pop("Version", None)
    return operation, nest(flat)


def _read_rest(envelope: _Envelope) -> tuple[str, Mapping[str, object]]:
    return read_s3(envelope.method, envelope.host, envelope.path, envelope.query, envelope.headers)


_READERS = {
    Protocol.JSON: _read_json,
    Protocol.QUERY: _read_query,
    Protocol.EC2: _read_query,
    Protocol.REST: _read_rest,
}


def _token(envelope: _Envelope) -> str | None:
    """The session token: from the header, or a presigned URL, where signature version 2 writes it in lower case."""
    names = ("X-Amz-Security-Token", "x-amz-security-token")
    sent = (envelope.headers.get(names[1]), *(envelope.query.get(name) for name in names))
    return next((token for token in sent if token), None)


def _signer(envelope: _Envelope) -> tuple[str | None, str]:
    """The access key and the Region of the credential scope: from the header, or the URL where it is presigned."""
    authorization = envelope.headers.get("authorization", "")
    scope = authorization.partition("Credential=")[2].partition(",")[0] or envelope.query.get("X-Amz-Credential", "")
    access_key, *rest = scope.split("/")
    if len(rest) == 4:  # noqa: PLR2004 - date, Region, service, aws4_request
        return access_key, rest[1]
    if authorization.startswith("AWS "):  # signature version 2, which knows no Regions; S3 still takes it
        return authorization.removeprefix("AWS ").partition(":")[0], _DEFAULT_REGION
    return envelope.query.get("AWSAccessKeyId"), _DEFAULT_REGION
