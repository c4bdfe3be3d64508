"""One spot inside a frozen value, by its path: read it, or make the value that has something else there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

Path = tuple[str | int, ...]
"""Attribute names of dataclasses, keys of mappings, positions in tuples; one past the last position appends."""


class Gone(Enum):
    """What is put where nothing shall stand any more in a mapping."""

    GONE = "gone"


def get(value: Any, path: Path) -> Any:  # noqa: ANN401 - whatever stands there
    """What stands at `path`; None when there is nothing."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, tuple):
            value = value[step] if isinstance(step, int) and step < len(value) else None
        else:
            value = getattr(value, str(step), None)
    return value


def put(value: Any, path: Path, new: Any) -> Any:  # noqa: ANN401 - whatever stands there
    """The same value with `new` at `path`."""
    if not path:
        return new
    step, *rest = path
    inner = put(get(value, (step,)), tuple(rest), new)
    if isinstance(value, Mapping):
        kept = {name: each for name, each in value.items() if name != step}
        return kept if inner is Gone.GONE else {**kept, step: inner}
    if isinstance(value, tuple) and isinstance(step, int):
        return (*value[:step], inner, *value[step + 1 :])
    return replace(value, **{str(step): inner})
