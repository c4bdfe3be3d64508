"""What STS asks of the parameters of a call before it looks at anybody's policy: lengths and characters.

The lengths are those of botocore's model of STS. Its patterns are Java's, so those that matter stand here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kmssim.sandbox.service_models import service_model

_MOST_POLICIES = 10
_OF_TAGS = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
_PATTERNS = {
    "externalId": r"[\w+=,.@:\/-]*",
    "name": r"[\w+=,.@-]*",
    "roleSessionName": r"[\w+=,.@-]*",
    "serialNumber": r"[\w+=/:,.@-]*",
    "sourceIdentity": r"[\w+=,.@-]*",
    "tokenCode": r"[\d]*",
    "key": f"{_OF_TAGS}+",
    "value": f"{_OF_TAGS}*",
}
_IN_PYTHON = {
    name: re.compile(text.replace(r"\p{L}\p{Z}\p{N}", r"\w\s"), re.NOFLAG if text.startswith(_OF_TAGS) else re.ASCII)
    for name, text in _PATTERNS.items()
}


def find_misfits(operation: str, parameters: Mapping[str, object]) -> str | None:
    """STS's sentence about every parameter that it would not take; None when it takes them all."""
    shape = service_model("sts").operation_model(operation).input_shape
    found = list(_misfits_of(shape, parameters, ""))
    if not found:
        return None
    what = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {what} detected: {'; '.join(found)}"


def _misfits_of(shape: Any, given: Mapping[str, object], prefix: str) -> Iterator[str]:  # noqa: ANN401 (botocore's)
    for name, member in shape.members.items():
        place = f"{prefix}{name[0].lower()}{name[1:]}"
        value = given.get(name)
        if value is None:
            if name in shape.required_members:
                yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
        elif member.type_name == "string" and isinstance(value, str):
            yield from _misfits_of_text(member, value, place)
        elif member.type_name == "list" and isinstance(value, list):
            yield from _misfits_of_list(member, value, place)


def _misfits_of_list(shape: Any, values: list[object], place: str) -> Iterator[str]:  # noqa: ANN401 (botocore's)
    most = _MOST_POLICIES if place == "policyArns" else shape.metadata.get("max")
    if most is not None and len(values) > most:
        told = "failed to satisfy constraint: Member must have length less than or equal to"
        yield f"Value at '{place}' {told} {most}"
    for number, value in enumerate(values, 1):
        at = f"{place}.{number}.member"
        if isinstance(value, Mapping):
            yield from _misfits_of(shape.member, value, f"{at}.")
        elif isinstance(value, str):
            yield from _misfits_of_text(shape.member, value, at)


def _misfits_of_text(shape: Any, value: str, place: str) -> Iterator[str]:  # noqa: ANN401 (botocore's)
    told = f"Value '{value}' at '{place}' failed to satisfy constraint: Member must"
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if len(value) < least:
        yield f"{told} have length greater than or equal to {least}"
    if most is not None and len(value) > most:
        yield f"{told} have length less than or equal to {most}"
    name = place.rpartition(".")[2]
    if name in _PATTERNS and not _IN_PYTHON[name].fullmatch(value):
        yield f"{told} satisfy regular expression pattern: {_PATTERNS[name]}"
