"""A policy document as plain JSON, before anything is asked about its grammar.

Text is read strictly: no member twice (PG-6), no NaN. Values are walked with their paths: only what JSON can say, in
the characters that policies may hold (PG-9).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

_FORBIDDEN_CHARACTER = re.compile(r"[^\t\n\r\u0020-\u00ff]")
_DEEPEST = 64
_WIDEST = 1024
"""Bits of an integer: those of the largest float."""


class BadDocumentError(ValueError):
    """What is wrong with a document at `path`, and the rule that says so."""

    def __init__(self, what: str, path: str, rule: str) -> None:
        """Keep the parts for the reader, who knows the kind of policy and its codes."""
        super().__init__(what)
        self.what = what
        self.path = path
        self.rule = rule


class _Object(dict[str, object]):
    """A JSON object that remembers the first member name that came twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.repeated: str | None = None
        seen: set[str] = set()
        for name, _ in pairs if len(self) < len(pairs) else ():
            if name in seen:
                self.repeated = name
                break
            seen.add(name)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def read_text(text: str) -> object:
    """Read JSON text.

    Raises:
        BadDocumentError: it is not JSON. Members that came twice are found by `check_document`.

    """
    try:
        return json.loads(text, object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except RecursionError:
        what = "the document is nested too deeply"
    except ValueError as error:  # also an integer of thousands of digits
        what = f"this is not JSON: {error}"
    raise BadDocumentError(what, "", "PG-2")


def check_document(value: object, path: str = "", depth: int = 0, *, twice: bool = False) -> None:
    """Walk a document, member names included; `twice`: members may come twice, the last one counts (UN-25).

    Raises:
        BadDocumentError: something in it that no policy holds.

    """
    if depth > _DEEPEST:
        raise BadDocumentError("the document is nested too deeply", path, "PG-2")
    if isinstance(value, Mapping):
        if isinstance(value, _Object) and value.repeated is not None and not twice:
            where = _member(path, value.repeated)
            raise BadDocumentError(f"`{value.repeated}` appears twice in one object", where, "PG-6")
        for name, inner in value.items():
            if not isinstance(name, str):
                raise BadDocumentError(f"`{name!r}` is no name of a member", path, "PG-2")
            _check_text(name, path)
            check_document(inner, _member(path, name), depth + 1, twice=twice)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_document(inner, f"{path}[{index}]", depth + 1, twice=twice)
    else:
        _check_scalar(value, path)


def _member(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _check_scalar(value: object, path: str) -> None:
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadDocumentError(f"`{value}` is no JSON number", path, "PG-2")
    elif isinstance(value, int) and value.bit_length() > _WIDEST:
        raise BadDocumentError("the number is beyond reason", path, "PG-2")
    elif value is not None and not isinstance(value, bool | int | float):
        raise BadDocumentError(f"a JSON value was expected, not {type(value).__name__}", path, "PG-2")


def _check_text(text: str, path: str) -> None:
    if _FORBIDDEN_CHARACTER.search(text):
        raise BadDocumentError("policies hold characters up to U+00FF only", path, "PG-9")


def compact(content: object) -> str:
    """The document without needless whitespace, as it is measured (PG-8)."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=dict)  # any mapping
