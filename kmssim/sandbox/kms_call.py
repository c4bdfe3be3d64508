"""A KMS call off the wire → the `Call` that the evaluator takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from kmssim.evaluator.request import Call, Ciphertext, Principal
from kmssim.sandbox.ciphertext import read_header
from kmssim.sandbox.material import named_key_arn
from kmssim.sandbox.service_models import service_model
from kmssim.sandbox.wire import WireCall
from kmssim.sandbox.wire_bytes import decoded


def to_call(wire: WireCall, principal: Principal, *, grant_of: Callable[[str], str]) -> Call:
    """Read a KMS call as the evaluator has it: parameters as boto3 takes them, bytes and grant tokens left out.

    `grant_of` names the grant behind a token. Of a ciphertext only the key stands in it, not the context (EC-9).
    """
    parameters = _without_bytes(wire.parameters, service_model("kms").operation_model(wire.operation).input_shape)
    tokens = _texts(parameters.pop("GrantTokens", ())) + _texts(parameters.pop("GrantToken", ()))
    if "Policy" in parameters:
        parameters["Policy"] = _parsed(parameters["Policy"])
    return Call(
        principal=principal,
        operation=f"kms:{wire.operation}",
        region=wire.region,
        parameters=parameters,
        ciphertext=_ciphertext(wire),
        grant_tokens=tuple(grant_of(token) for token in tokens),
        via=wire.declared.via,
        network=wire.declared.network,
        context=wire.declared.context,
    )


def _ciphertext(wire: WireCall) -> Ciphertext | None:
    """The key that made the ciphertext, in any account; of related multi-Region keys the one of the call's Region."""
    header = read_header(decoded(wire, "CiphertextBlob"))
    return Ciphertext(named_key_arn(header.name, wire.region)) if header else None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _parsed(policy: object) -> object:
    """A policy as a document; as the text that came where that is none, for the evaluator to refuse."""
    try:
        document = json.loads(policy) if isinstance(policy, str) else policy
    except (ValueError, RecursionError):
        return policy
    return document if isinstance(document, dict) else policy


def _without_bytes(given: Mapping[str, object], shape: Any) -> dict[str, object]:  # noqa: ANN401 (botocore's shape)
    """The parameters without those that the model calls blobs, at every depth."""
    members = shape.members if shape is not None and shape.type_name == "structure" else {}
    kept: dict[str, object] = {}
    for name, value in given.items():
        member = members.get(name)
        if member is not None and member.type_name == "blob":
            continue
        nested = member is not None and member.type_name == "structure" and isinstance(value, Mapping)
        kept[name] = _without_bytes(value, member) if nested and isinstance(value, Mapping) else value
    return kept
