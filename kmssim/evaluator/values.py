"""The values that a request has for some condition keys, read at once: by them `recall` knows what it ruled before.

`tuple(map(request.context.get, keys))` says all of it. It takes a third of a recalled ruling, and half of that when it
is written out for as many keys as there are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache

from kmssim.evaluator.match import Request

Values = Hashable
"""A value for each key, None where it is absent; always put together in the same way for the same keys."""
Reader = Callable[[Request], Values]


@lru_cache(maxsize=4096)
def reader_of(keys: tuple[str, ...]) -> Reader:
    """What reads the values of `keys`; without keys no context is derived."""
    return _WRITTEN_OUT[len(keys)](*keys) if len(keys) < len(_WRITTEN_OUT) else _of_many(keys)


def _of_none() -> Reader:
    return lambda _: ()


def _of_one(a: str) -> Reader:
    return lambda request: request.context.get(a)


def _of_two(a: str, b: str) -> Reader:
    def read(request: Request) -> Values:
        get = request.context.get
        return get(a), get(b)

    return read


def _of_three(a: str, b: str, c: str) -> Reader:
    def read(request: Request) -> Values:
        get = request.context.get
        return get(a), get(b), get(c)

    return read


def _of_four(a: str, b: str, c: str, d: str) -> Reader:
    def read(request: Request) -> Values:
        get = request.context.get
        return get(a), get(b), get(c), get(d)

    return read


def _of_five(a: str, b: str, c: str, d: str, e: str) -> Reader:
    def read(request: Request) -> Values:
        get = request.context.get
        return get(a), get(b), get(c), get(d), get(e)

    return read


def _of_six(a: str, b: str, c: str, d: str, e: str, f: str) -> Reader:
    def read(request: Request) -> Values:
        get = request.context.get
        return get(a), get(b), get(c), get(d), get(e), get(f)

    return read


def _of_many(keys: tuple[str, ...]) -> Reader:
    first, others = _of_six(*keys[:6]), reader_of(keys[6:])
    return lambda request: (first(request), others(request))


_WRITTEN_OUT: tuple[Callable[..., Reader], ...] = (_of_none, _of_one, _of_two, _of_three, _of_four, _of_five, _of_six)
