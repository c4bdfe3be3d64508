"""`functools.cached_property`, as it is from Python 3.12 on: before, each first look took a lock.

Two threads may both find a property out; it follows from frozen data, so they find the same.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 12):
    from functools import cached_property  # pragma: no cover - run by one or the other
else:  # pragma: no cover - as above
    from collections.abc import Callable
    from typing import Any, Generic, TypeVar, overload

    T = TypeVar("T")

    class cached_property(Generic[T]):  # noqa: N801 - the name that it stands for
        """A property that is found out once and kept in the instance's `__dict__`, which is looked at first."""

        def __init__(self, find: Callable[[Any], T]) -> None:
            """`find` is the method that it decorates."""
            self._find = find
            self.__doc__ = find.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            """Python calls this with the name in the class."""
            self._name = name

        @overload
        def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
        @overload
        def __get__(self, instance: object, owner: type) -> T: ...
        def __get__(self, instance: object | None, owner: type) -> cached_property[T] | T:
            """The value, asked for the first time."""
            if instance is None:
                return self
            found = instance.__dict__[self._name] = self._find(instance)
            return found


__all__ = ["cached_property"]
