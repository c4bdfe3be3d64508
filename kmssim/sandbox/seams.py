"""Replacing a function of somebody else's for a while, and refusing to start when it is not where we know it.

Whoever stands on a seam of botocore, boto3, moto or the standard library asks here. A seam that has moved is a
SetupError: a guard that silently lost one of its doors would be worse than none.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kmssim.errors import SetupError

Function = Callable[..., Any]

_ABSENT = object()


def find_seam(module: str, *path: str) -> Any:  # noqa: ANN401 (a module, a class or a function of a library without types)
    """The thing at `path` in `module`. Raises SetupError when it is not there."""
    try:
        return functools.reduce(getattr, path, importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        where = ".".join((module, *path))
        raise SetupError(
            f"the sandbox needs `{where}`, which this installation does not have ({error}); "
            "install a boto3 and a moto release that kmssim names in its dependencies"
        ) from error


@contextmanager
def replaced(owner: Any, name: str, wrap: Callable[[Function], Function]) -> Iterator[None]:  # noqa: ANN401 (module or class)
    """`owner.name` is `wrap(what it was)` while this is open; afterwards exactly what it was, inherited or own."""
    if not hasattr(owner, name):
        raise SetupError(f"the sandbox needs `{name}` of `{getattr(owner, '__name__', owner)}`, which is not there")
    own = vars(owner).get(name, _ABSENT)
    real = getattr(owner, name)
    setattr(owner, name, functools.wraps(real)(wrap(real)))
    try:
        yield
    finally:
        if own is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
