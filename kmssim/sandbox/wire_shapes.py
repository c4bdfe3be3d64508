"""A JSON body against the shapes of the service's model: what has another type is refused as AWS refuses it (CH-1).

What passes holds the known members only, each of its type: AWS ignores members that it does not know and takes null
for nothing. So whoever serves the call need not ask again whether a text is a text.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

_INTEGERS: Mapping[str, int] = {"integer": 2**31, "long": 2**63}
_NUMBERS = frozenset({"float", "double", "timestamp"})
_NAMES = {str: "STRING_VALUE", bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}

Shape = Any
"""botocore's Shape; botocore has no types."""


class ShapeError(ValueError):
    """A value of another type than its member; the text is what AWS says."""


def fit_to_shape(parameters: Mapping[str, object], shape: Shape | None) -> dict[str, object]:
    """The members that the operation knows. Raises ShapeError when one of them is not of its type."""
    return _structure(parameters, shape) if shape is not None else {}


def _structure(value: object, shape: Shape) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ShapeError(_unexpected(value))
    members = shape.members
    return {
        name: _fitted(inner, members[name]) for name, inner in value.items() if inner is not None and name in members
    }


def _fitted(value: object, shape: Shape) -> object:
    kind = shape.type_name
    if kind == "structure":
        return _structure(value, shape)
    if kind == "list":
        if not isinstance(value, list):
            raise ShapeError("Expected list or null")
        return [_fitted(inner, shape.member) for inner in value]
    if kind == "map":
        if not isinstance(value, dict):
            raise ShapeError("Expected map or null" if not isinstance(value, list) else _unexpected(value))
        return {_text(name): _map_value(inner, shape.value) for name, inner in value.items()}
    return _scalar(value, kind)


def _map_value(value: object, shape: Shape) -> object:
    """EC-14: numbers and booleans in an encryption context become text; whoever reads them makes it."""
    plain = isinstance(value, int | float) and shape.type_name == "string"
    return value if plain else _fitted(value, shape)


def _scalar(value: object, kind: str) -> object:
    if kind == "string":
        return _text(value)
    if kind == "blob":
        return _blob(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in _INTEGERS and type(value) is int and -_INTEGERS[kind] <= value < _INTEGERS[kind]:
        return value
    if kind in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool) and _is_sane(value):
        return value
    if kind == "timestamp" and isinstance(value, str):
        return _text(value)
    raise ShapeError(_unexpected(value, {"integer": "an Integer", "long": "a Long"}.get(kind, f"a {kind.title()}")))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ShapeError(_unexpected(value, "a String"))
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        raise ShapeError("Could not deserialize the request body") from None
    return value


def _blob(value: object) -> str:
    text = _text(value)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ShapeError("Invalid base64") from None
    return text


def _is_sane(value: float) -> bool:
    """Whether it is a number that a clock or a calculation can take."""
    return abs(value) < 2**63 and math.isfinite(value)


def _unexpected(value: object, wanted: str = "") -> str:
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    if not wanted:
        return "Unexpected value type in payload"
    return f"{_NAMES.get(type(value), 'NULL_VALUE')} can not be converted to {wanted}"
