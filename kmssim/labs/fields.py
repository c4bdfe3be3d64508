"""The fields of a JSON document that a person writes: how each is read, and what a JSON schema says of it.

Reading and schema stand side by side, so that neither promises what the other does not keep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kmssim.errors import InputError
from kmssim.strict_json import join_path

Read = Callable[[object, str], Any]


@dataclass(frozen=True)
class Field:
    """`read(value, path)` raises InputError with that path; `default` counts only where the field may be missing."""

    read: Read
    schema: Mapping[str, object]
    required: bool = True
    default: Any = None


Fields = Mapping[str, Field]


def optional(field: Field, default: Any = None) -> Field:  # noqa: ANN401 - whatever the field reads
    """The same field where it may be left out."""
    return replace(field, required=False, default=default)


def read_fields(fields: Fields, document: object, path: str = "") -> dict[str, Any]:
    """Read an object: every field by its name, the default where it may be missing.

    Raises InputError for what is no object, for unknown and for missing fields, and as the fields do.
    """
    if not isinstance(document, dict):
        raise InputError("must be an object", path=path)
    for name in document:
        if name not in fields:
            raise InputError("unknown field", path=join_path(path, name), hint=f"known: {', '.join(fields)}")
    read = {}
    for name, field in fields.items():
        if name in document:
            read[name] = field.read(document[name], join_path(path, name))
        elif field.required:
            raise InputError("is missing", path=join_path(path, name))
        else:
            read[name] = field.default
    return read


def object_schema(fields: Fields) -> dict[str, object]:
    """The JSON schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {name: dict(field.schema) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
        "additionalProperties": False,
    }


def object_of(fields: Fields, make: Callable[..., Any]) -> Field:
    """An object, given to `make` field by field."""
    return Field(lambda value, path: make(**read_fields(fields, value, path)), object_schema(fields))


def list_of(field: Field, least: int = 0) -> Field:
    """A list, read into a tuple."""

    def read(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InputError("must be a list", path=path)
        if len(value) < least:
            raise InputError(f"must have at least {least}", path=path)
        return tuple(field.read(item, f"{path}[{index}]") for index, item in enumerate(value))

    return Field(read, {"type": "array", "items": dict(field.schema), **({"minItems": least} if least else {})})


def map_of(field: Field) -> Field:
    """An object whose member names are free."""

    def read(value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InputError("must be an object", path=path)
        return {name: field.read(item, join_path(path, name)) for name, item in value.items()}

    return Field(read, {"type": "object", "additionalProperties": dict(field.schema)})


def one_of(known: Sequence[str]) -> Field:
    """One of some words."""

    def read(value: object, path: str) -> str:
        text = _read_text(value, path)
        if text not in known:
            raise InputError(f"`{text}` is not known", path=path, hint=f"known: {', '.join(known)}")
        return text

    return Field(read, {"enum": list(known)})


def shaped(pattern: str, meaning: str) -> Field:
    """A text that fits a pattern as a whole."""

    def read(value: object, path: str) -> str:
        text = _read_text(value, path)
        if not re.fullmatch(pattern, text):
            raise InputError(f"`{text}` is not {meaning}", path=path)
        return text

    return Field(read, {"type": "string", "pattern": f"^(?:{pattern})$", "description": meaning})


def known_text(is_known: Callable[[str], bool], refusal: str) -> Field:
    """A text that something outside knows; `refusal` says what is missing there, with `{}` for the text."""

    def read(value: object, path: str) -> str:
        text = _read_text(value, path)
        if not is_known(text):
            raise InputError(refusal.format(f"`{text}`"), path=path)
        return text

    return Field(read, {"type": "string"})


def or_null(field: Field) -> Field:
    """The field's value, or null."""
    return Field(
        lambda value, path: None if value is None else field.read(value, path),
        {"anyOf": [dict(field.schema), {"type": "null"}]},
    )


def number_from(least: int) -> Field:
    """A whole number that is not below `least`."""

    def read(value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"must be a whole number from {least} up", path=path)
        return value

    return Field(read, {"type": "integer", "minimum": least})


def _read_text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError("must be a text that is not empty", path=path)
    return value


TEXT = Field(_read_text, {"type": "string", "minLength": 1})
TEXTS = list_of(TEXT)
