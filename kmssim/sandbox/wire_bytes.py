"""What AWS refuses of a call and the evaluator does not see: members left out, and bytes too few, too many, or garbage.

These are checks of the first step (CH-1, EM-34), so whoever calls is told of them, whether authorized or not.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from kmssim.evaluator.decision import Failure
from kmssim.sandbox.ciphertext import read_header
from kmssim.sandbox.service_models import service_model
from kmssim.sandbox.wire import WireCall

_SOURCES = {"Decrypt": "KeyId", "ReEncrypt": "SourceKeyId"}


def decoded(wire: WireCall, name: str) -> bytes:
    """The bytes that a parameter holds, which `wire` has found to be base64; none where the call leaves it out."""
    return base64.b64decode(str(wire.parameters.get(name, "")))


def find_misfit(wire: WireCall) -> Failure | None:
    """How the call fails because of its bytes; None when they are such as the service takes."""
    shape = service_model("kms").operation_model(wire.operation).input_shape
    problems = list(_problems(wire, shape)) if shape is not None else []
    if problems:
        noun = "error" if len(problems) == 1 else "errors"
        text = f"{len(problems)} validation {noun} detected: {'; '.join(problems)}"
        return Failure("ValidationException", text, "EM-34")
    return _unreadable_ciphertext(wire)


def _problems(wire: WireCall, shape: Any) -> Iterator[str]:  # noqa: ANN401 (botocore's shape)
    for name, member in shape.members.items():
        at = f"at '{name[:1].lower()}{name[1:]}' failed to satisfy constraint: Member must"
        if wire.parameters.get(name) is None:
            if name in shape.required_members or _needs_ciphertext(wire, name):
                yield f"Value null {at} not be null"
            continue
        if member.type_name != "blob":
            continue
        length = len(decoded(wire, name))
        least, most = member.metadata.get("min", 0), member.metadata.get("max", length)
        if length < least:
            yield f"Value {at} have length greater than or equal to {least}"
        elif length > most:
            yield f"Value {at} have length less than or equal to {most}"


def _needs_ciphertext(wire: WireCall, name: str) -> bool:
    """The model leaves the ciphertext out for the sake of dry runs that ignore it (OP-59)."""
    return wire.operation in _SOURCES and name == "CiphertextBlob" and not ignores_ciphertext(wire)


def ignores_ciphertext(wire: WireCall) -> bool:
    """A dry run that asks for authorization only (OP-59)."""
    modifiers = wire.parameters.get("DryRunModifiers")
    return wire.parameters.get("DryRun") is True and isinstance(modifiers, list) and "IGNORE_CIPHERTEXT" in modifiers


def _unreadable_ciphertext(wire: WireCall) -> Failure | None:
    """A ciphertext that names no key, where no key is named beside it either (EM-27)."""
    named = _SOURCES.get(wire.operation)
    if named is None or wire.parameters.get(named) is not None or ignores_ciphertext(wire):
        return None
    return None if read_header(decoded(wire, "CiphertextBlob")) else Failure("InvalidCiphertextException", "", "EM-27")
