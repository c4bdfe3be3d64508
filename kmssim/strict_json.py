"""JSON as a person wrote it: read strictly, and refused with the JSON path of the mistake.

Most readers keep the last of two equal member names, take NaN, and die on deep nesting. A file that says who may
decrypt deserves better: here each of them is an `InputError`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from kmssim.errors import InputError
from kmssim.evaluator.documents import Repeating, object_of

DEEPEST = 100
"""How many objects and lists may stand in one another. AWS's own documents need about ten."""

_WIDEST = 1024
"""Bits of an integer: those of the largest float."""

_PLAIN_NAME = re.compile(r"^[A-Za-z0-9_-]+$")
_SURROGATE = re.compile("[\ud800-\udfff]")


def join_path(path: str, *steps: str | int) -> str:
    """Go on from `path` by some steps: `requests[0].context["aws:CurrentTime"]`; odd names stand in brackets."""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_NAME.match(step):
            path += f".{step}" if path else step
        else:
            path += printable(f"[{json.dumps(step, ensure_ascii=False)}]")
    return path


def printable(text: str) -> str:
    """The text on one line: whatever could move a terminal's cursor is written as its escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def read_json(path: Path, file: str | None = None) -> object:
    """Read a JSON file; `file` is what messages call it.

    Raises:
        InputError: it cannot be read, is not JSON, or holds what `parse_json` refuses.

    """
    named = file or str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=named) from None
    except IsADirectoryError:
        raise InputError("this is a folder, a JSON file was expected", file=named) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text, byte {error.start} is to blame", file=named, hint="save as UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=named) from None
    return parse_json(text, named)


def parse_json(text: str, file: str | None = None) -> object:
    """Read JSON text into dicts, lists, strings, numbers, booleans and None.

    Raises:
        InputError: not JSON; a member name twice in one object; NaN, Infinity or a number beyond a float; half of a
            surrogate pair; nesting beyond `DEEPEST`. `path` says where, as far as it is known.

    """
    try:
        content = json.loads(text, object_pairs_hook=object_of, parse_constant=_Unreadable, parse_int=_read_int)
    except RecursionError:
        raise InputError(f"nested more than {DEEPEST} deep", file=file, hint="no scenario needs that") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        found = (
            "the file is empty" if not text.strip() else f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} at {place}"
        )
        raise InputError(found, file=file, hint="a JSON document was expected") from None
    return check_json(content, file)


class _Unreadable(str):
    """A number that JSON does not have, kept as text until its path is known."""

    __slots__ = ()


def _read_int(digits: str) -> object:
    try:
        return int(digits)
    except ValueError:  # Python refuses thousands of digits
        return _Unreadable(f"{digits[:20]}…")


def check_json(value: object, file: str | None = None) -> object:
    """Copy a JSON value into plain dicts and lists.

    Raises:
        InputError: as `parse_json`; and for anything that JSON cannot say, such as bytes or a number as member name.

    """
    return _Checker(file).copy(value, "", 0)


class _Checker:
    """Walks a value in document order and stops at the first mistake."""

    def __init__(self, file: str | None) -> None:
        self.file = file

    def refusal(self, what: str, path: str, hint: str = "") -> InputError:
        return InputError(printable(what), path=path, file=self.file, hint=hint)

    def copy(self, value: object, path: str, depth: int) -> object:
        if depth > DEEPEST:
            raise self.refusal(f"nested more than {DEEPEST} deep", "", "no scenario needs that")
        if isinstance(value, Mapping):
            return self.copy_object(value, path, depth)
        if isinstance(value, list | tuple):
            return [self.copy(inner, join_path(path, at), depth + 1) for at, inner in enumerate(value)]
        return self.scalar(value, path)

    def copy_object(self, value: Mapping[object, object], path: str, depth: int) -> dict[str, object]:
        if isinstance(value, Repeating):
            where = join_path(path, self.text(value.repeated, path))
            raise self.refusal(f"`{value.repeated}` appears twice in one object", where, "keep one of them")
        copied: dict[str, object] = {}
        for name, inner in value.items():
            if not isinstance(name, str):
                raise self.refusal(f"the member name `{name!r}` is no string", path)
            copied[name] = self.copy(inner, join_path(path, self.text(name, path)), depth + 1)
        return copied

    def scalar(self, value: object, path: str) -> object:
        if isinstance(value, _Unreadable) or (isinstance(value, float) and not math.isfinite(value)):
            raise self.refusal(f"`{value}` is no JSON number", path, "write a finite number, or a string")
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, int) and value.bit_length() > _WIDEST:
            raise self.refusal("a number beyond reason", path, "write a smaller number, or a string")
        if value is None or isinstance(value, bool | int | float):
            return value
        raise self.refusal(f"a JSON value was expected, found {type(value).__name__}", path)

    def text(self, value: str, path: str) -> str:
        if _SURROGATE.search(value):
            raise self.refusal("the text holds half of a surrogate pair", path, "write the whole character")
        return value
