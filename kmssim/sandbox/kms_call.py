"""A KMS call off the wire → the `Call` that the evaluator takes."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kmssim.evaluator.request import Call, Ciphertext, Principal
from kmssim.sandbox.service_models import service_model
from kmssim.sandbox.wire import WireCall

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-"
# Whole ids first. moto gives multi-Region keys ids of 40 characters and keeps 36 of them in a ciphertext.
_KEY_IDS = (re.compile(rf"mrk-{_UUID}[0-9a-f]{{12}}"), re.compile(rf"{_UUID}[0-9a-f]{{12}}|mrk-[0-9a-f]{{32}}"))
_CUT_KEY_ID = re.compile(rf"mrk-{_UUID}[0-9a-f]{{8}}")


def to_call(
    wire: WireCall, principal: Principal, *, grant_of: Callable[[str], str], key_arn: Callable[[str], str | None]
) -> Call:
    """Read a KMS call as the evaluator has it: parameters as boto3 takes them, bytes and grant tokens left out.

    `grant_of` names the grant behind a token. `key_arn` finds the key that made a ciphertext by its `key_id_of`; where
    it gives None, the ciphertext names a key that is not there.
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
        ciphertext=_ciphertext(wire.parameters.get("CiphertextBlob"), key_arn),
        grant_tokens=tuple(grant_of(token) for token in tokens),
        via=wire.declared.via,
        network=wire.declared.network,
        context=wire.declared.context,
    )


def key_id_of(blob: bytes) -> str | None:
    """The id of the key that made a ciphertext of moto's; None when it is no such ciphertext.

    Of moto's own multi-Region ids (`mrk-` and a UUID) it is the first 36 characters, all that the ciphertext holds.
    """
    start = blob[:40].decode("ascii", "replace")
    for pattern in (*_KEY_IDS, _CUT_KEY_ID):
        if found := pattern.match(start):
            return found[0]
    return None


def _ciphertext(encoded: object, key_arn: Callable[[str], str | None]) -> Ciphertext | None:
    if not isinstance(encoded, str):
        return None
    try:
        key_id = key_id_of(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return None
    return Ciphertext(key_arn(key_id) or key_id) if key_id else None


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
