"""A request of a scenario written back as it stands in a document: the other way round of `calls.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from kmssim.errors import InputError
from kmssim.evaluator.request import Ciphertext, ContextValue, Network, Principal, PrincipalKind, Session
from kmssim.scenario import Expectation, ScenarioRequest

Document = dict[str, object]


def write_request(request: ScenarioRequest) -> Document:
    """Write one request.

    Raises:
        InputError: its session holds what no request of a scenario can say.

    """
    call = request.call
    document: Document = {
        "name": request.name,
        "principal": _principal(call.principal),
        "session": _session(call.principal.session, request.path),
        "operation": call.operation,
        "region": call.region,
        "parameters": dict(call.parameters),
        "ciphertext": None if call.ciphertext is None else _ciphertext(call.ciphertext),
        "grant_tokens": list(call.grant_tokens),
        "via": call.via,
        "network": None if call.network == Network() else asdict(call.network),
        "context": {name: _value(value) for name, value in call.context.items()},
        "expect": None if request.expect is None else _expectation(request.expect),
        "rules": list(request.rules),
        "why": request.why,
    }
    return {name: value for name, value in document.items() if value not in (None, {}, [], "")}


def _principal(principal: Principal) -> object:
    if principal.kind is not PrincipalKind.SERVICE:
        return principal.arn
    stated = {
        "service": principal.name,
        "source_arn": principal.source_arn,
        "source_account": principal.source_account,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _session(session: Session, path: str) -> Document:
    if len(session.policies) > 1 or session.temporary:
        what = "a request of a scenario states one session policy at most, and no credentials of GetSessionToken"
        raise InputError(what, path=f"{path}.session")
    stated: Mapping[str, object] = {
        "policy": session.policies[0].document if session.policies else None,
        "tags": dict(session.tags),
        "mfa": session.mfa,
        "source_identity": session.source_identity,
        "federated_by": session.federated_by,
    }
    return {name: value for name, value in stated.items() if value not in (None, {}, False)}


def _ciphertext(ciphertext: Ciphertext) -> Document:
    """An empty encryption context is one; None leaves it to the call."""
    context = ciphertext.encryption_context
    return {"key": ciphertext.key} | ({} if context is None else {"encryption_context": dict(context)})


def _value(value: ContextValue) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


def _expectation(expect: Expectation) -> Document:
    document: Document = {}
    if expect.decision is not None:
        document["decision"] = expect.decision
    if expect.layers is not None:
        document["layers"] = sorted(expect.layers)
    if expect.has_error:
        document["error"] = expect.error
    if expect.uncertain:
        document["uncertain"] = list(expect.uncertain)
    return document
