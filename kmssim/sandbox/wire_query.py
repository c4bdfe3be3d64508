"""The query protocol's flat names → nested parameters: `Tags.member.1.Key=a` is `{"Tags": [{"Key": "a"}]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nest(flat: Mapping[str, str]) -> dict[str, object]:
    """Nest dotted names; `member` levels and numbered levels become lists.

    Raises ValueError where one name is both a value and a parent of others.
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"`{name}` stands below a value")  # noqa: TRY004 (broken input)
        if last in place:
            raise ValueError(f"`{name}` is a value and a parent")
        place[last] = value
    return {name: _lists(branch) for name, branch in tree.items()}


def _lists(branch: Any) -> object:  # noqa: ANN401 (a text or a level of the tree)
    if not isinstance(branch, dict):
        return branch
    if branch.keys() == {"member"} and isinstance(branch["member"], dict):
        return _lists(branch["member"])
    if all(name.isascii() and name.isdigit() for name in branch):
        return [_lists(branch[name]) for name in sorted(branch, key=int)]
    return {name: _lists(value) for name, value in branch.items()}
