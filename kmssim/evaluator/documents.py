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


class Repeating(dict[str, object]):
    """A JSON object of which a member name came twice; `repeated` is the first."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        """Keep the last value of each name, as JSON readers do."""
        super().__init__(pairs)
        seen: set[str] = set()
        self.repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, for `json.loads`: a plain one, unless a name came twice."""
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else Repeating(pairs)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def read_text(text: str) -> object:
    """Read JSON text.

    Raises:
        BadDocumentError: it is not JSON. Members that came twice are found by `check_document`.

    """
    try:
        return json.loads(text, object_pairs_hook=object_of, parse_constant=_refuse_constant)
    except RecursionError:
        what = "the document is nested too deeply"
    except ValueError as error:  # also an integer of thousands of digits
        what = f"this is not JSON: {error}"
    raise BadDocumentError(what, "", "PG-2")


_Path = tuple["_Path", str | int] | None
"""Where a value stands: in what, and by which name or number. Made into text only where something is wrong."""


def check_document(value: object, path: _Path = None, depth: int = 0, *, twice: bool = False) -> None:
    """Walk a document, member names included; `twice`: members may come twice, the last one counts (UN-25).

    Raises:
        BadDocumentError: something in it that no policy holds.

    """
    if depth > _DEEPEST:
        raise _bad("the document is nested too deeply", path, "PG-2")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict | Mapping):
        if isinstance(value, Repeating) and not twice:
            raise _bad(f"`{value.repeated}` appears twice in one object", (path, value.repeated), "PG-6")
        for name, inner in value.items():
            if not isinstance(name, str):
                raise _bad(f"`{name!r}` is no name of a member", path, "PG-2")
            _check_text(name, path)
            check_document(inner, (path, name), depth + 1, twice=twice)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_document(inner, (path, index), depth + 1, twice=twice)
    else:
        _check_scalar(value, path)


def _bad(what: str, path: _Path, rule: str) -> BadDocumentError:
    return BadDocumentError(what, _written(path), rule)


def _written(path: _Path) -> str:
    if path is None:
        return ""
    before, step = _written(path[0]), path[1]
    if isinstance(step, int):
        return f"{before}[{step}]"
    return f"{before}.{step}" if before else step


def _check_scalar(value: object, path: _Path) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _bad(f"`{value}` is no JSON number", path, "PG-2")
    if isinstance(value, int) and value.bit_length() > _WIDEST:
        raise _bad("the number is beyond reason", path, "PG-2")
    if value is not None and not isinstance(value, bool | int | float):
        raise _bad(f"a JSON value was expected, not {type(value).__name__}", path, "PG-2")


def _check_text(text: str, path: _Path) -> None:
    plain = text.isascii() and text.isprintable()  # a quick look, which hardly any text needs more than
    if not plain and _FORBIDDEN_CHARACTER.search(text):
        raise _bad("policies hold characters up to U+00FF only", path, "PG-9")


def compact(content: object) -> str:
    """The document without needless whitespace, as it is measured (PG-8)."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=dict)  # any mapping
