"""Parts of the world that were read from the runtime and have not changed since.

After a call that changes something the world is read again before the next decision. Most of it is as it was: one key
was disabled, one policy put. So what a call may have touched is forgotten, and only that is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

Part = TypeVar("Part")


class KeptParts:
    """What was read, by what it is about: `("iam", account)`, `("keys", account, region)`, `("key", ARN, …)`."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._parts: dict[tuple[Any, ...], Any] = {}

    def get(self, about: tuple[Any, ...], read: Callable[[], Part]) -> Part:
        """The part that is kept, or what `read` finds."""
        if about not in self._parts:
            self._parts[about] = read()
        found: Part = self._parts[about]
        return found

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._parts.clear()

    def forget(self, kind: str) -> None:
        """All parts of one kind may have changed."""
        self._drop(lambda about: about[0] == kind)

    def forget_keys(self, ids: Collection[str]) -> None:
        """Keys of these ids, related multi-Region keys too."""
        self._drop(lambda about: about[0] == "key" and about[1].rpartition("/")[2] in ids)

    def forget_lists(self, kinds: Collection[str], accounts: Collection[str]) -> None:
        """Which `keys` or `aliases` these accounts have."""
        self._drop(lambda about: about[0] in kinds and about[1] in accounts)

    def _drop(self, stale: Callable[[tuple[Any, ...]], bool]) -> None:
        self._parts = {about: part for about, part in self._parts.items() if not stale(about)}
