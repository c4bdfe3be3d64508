"""What the gate can say to a caller: an answer, a refusal in the words of the service's protocol, or another request.

`Refusal`, `Answer` and `Rewrite` are what a hook may return. A refusal is a value: the caller sees it as AWS's own
error, moto never sees the call.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from kmssim.sandbox.service_models import Protocol, protocol_of

JSON_TYPE = "application/x-amz-json-1.1"
_FIRST_FAULT = 500


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """An AWS error: its code, its text and the HTTP status with which the service sends it."""

    code: str
    message: str
    status: int = 400


@dataclass(frozen=True)
class Rewrite:
    """Let moto serve the call, but from another account or with other parameters; None: as they came.

    `parameters` are those of a JSON protocol as they travel, with bytes in base64; `headers` replace those that came.
    """

    account: str | None = None
    parameters: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def answer_json(payload: Mapping[str, object]) -> Answer:
    """A success in the JSON protocol of KMS and Secrets Manager."""
    headers = {"Content-Type": JSON_TYPE, "x-amzn-RequestId": _request_id()}
    return Answer(json.dumps(payload).encode(), headers=headers)


def render(refusal: Refusal, service: str, method: str = "POST") -> Answer:
    """The refusal as `service` puts it on the wire."""
    return _RENDERERS[protocol_of(service)](refusal, service, method)


def unknown_credentials(service: str) -> Refusal:
    """The access key is not known, not active, or came with the wrong session token."""
    if service == "s3":
        return Refusal("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    if service == "ec2":
        return Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    text = "The security token included in the request is invalid."
    if protocol_of(service) is Protocol.JSON:
        return Refusal("UnrecognizedClientException", text)
    return Refusal("InvalidClientTokenId", text, 403)


def missing_credentials(service: str) -> Refusal:
    """The request is not signed."""
    if service == "s3":
        return Refusal("AccessDenied", "Access Denied", 403)
    if protocol_of(service) is Protocol.JSON:
        return Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    return Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)


def expired_credentials(service: str) -> Refusal:
    """The session has ended."""
    if service == "s3":
        return Refusal("ExpiredToken", "The provided token has expired.")
    if service == "ec2":
        return Refusal("RequestExpired", "Request has expired.")
    text = "The security token included in the request is expired"
    if protocol_of(service) is Protocol.JSON:
        return Refusal("ExpiredTokenException", text)
    return Refusal("ExpiredToken", text, 403)


def unreadable_request(service: str, what: str = "") -> Refusal:
    """The body or the query cannot be what this service takes; `what` says why, in AWS's words."""
    if protocol_of(service) is Protocol.JSON:
        return Refusal("SerializationException", what or "Could not deserialize the request body")
    return Refusal("MalformedInput", "The request cannot be read")


def unknown_operation(service: str, operation: str) -> Refusal:
    """The service has no such operation."""
    if service == "s3":
        return Refusal("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    if protocol_of(service) is Protocol.JSON:
        return Refusal("UnknownOperationException", "")
    return Refusal("InvalidAction", f"Could not find operation {operation}")


def internal_failure(service: str, message: str, status: int) -> Refusal:
    """The error with which the service owns up to a fault of its own."""
    if service == "kms":
        return Refusal("KMSInternalException", message, status)
    if service == "s3":
        return Refusal("InternalError", message, status)
    return Refusal("InternalFailure", message, status)


def unsupported_operation(service: str, message: str) -> Refusal:
    """Whatever AWS can do here, the simulation cannot."""
    json_protocol = protocol_of(service) is Protocol.JSON
    return Refusal("UnsupportedOperationException" if json_protocol else "UnsupportedOperation", message)


def _request_id() -> str:
    return str(uuid.uuid4())


def _render_json(refusal: Refusal, _service: str, _method: str) -> Answer:
    # AWS writes `Message` where access is denied and `message` in the errors of the service's model.
    name = "Message" if refusal.code == "AccessDeniedException" else "message"
    body = json.dumps({"__type": refusal.code, name: refusal.message}).encode()
    headers = {"Content-Type": JSON_TYPE, "x-amzn-RequestId": _request_id(), "x-amzn-ErrorType": refusal.code}
    return Answer(body, refusal.status, headers)


_NAMESPACES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/", "iam": "https://iam.amazonaws.com/doc/2010-05-08/"}


def _render_query(refusal: Refusal, service: str, _method: str) -> Answer:
    identifier = _request_id()
    blamed = "Sender" if refusal.status < _FIRST_FAULT else "Receiver"
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACES.get(service, "")}"><Error><Type>{blamed}</Type>'
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{identifier}</RequestId></ErrorResponse>"
    )
    return Answer(body.encode(), refusal.status, {"Content-Type": "text/xml", "x-amzn-RequestId": identifier})


def _render_ec2(refusal: Refusal, _service: str, _method: str) -> Answer:
    identifier = _request_id()
    body = (
        f"<Response><Errors><Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        f"</Error></Errors><RequestID>{identifier}</RequestID></Response>"
    )
    return Answer(body.encode(), refusal.status, {"Content-Type": "text/xml", "x-amzn-RequestId": identifier})


def _render_rest(refusal: Refusal, _service: str, method: str) -> Answer:
    identifier = _request_id().replace("-", "")[:16].upper()
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(refusal.code)}</Code>'
        f"<Message>{escape(refusal.message)}</Message><RequestId>{identifier}</RequestId></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-amz-request-id": identifier}
    return Answer(b"" if method == "HEAD" else body.encode(), refusal.status, headers)


_RENDERERS = {
    Protocol.JSON: _render_json,
    Protocol.QUERY: _render_query,
    Protocol.EC2: _render_ec2,
    Protocol.REST: _render_rest,
}
