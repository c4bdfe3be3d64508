"""Wildcards and policy variables in policy texts (PG-10, PG-26, CO-21, CO-22, CO-40 to CO-46).

A policy text is parsed once into a `Template`: literal strings, wildcards and `${variables}`. Filling in the variables
gives a `Pattern` without variables; what a variable brought in is literal, even when it contains a star (CO-46).
Matching goes from literal to literal and never backtracks over a star, so hostile patterns stay cheap: each character
of the text is looked at once, and what is kept of it while `?` stand between literals is one number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import groupby
from typing import cast


class Wild(Enum):
    """The two wildcards of policy texts."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True)
class Variable:
    """`${key}` or `${key, 'default'}`; `key` is in lower case (CO-12), `default` None when there is none (CO-42)."""

    key: str
    default: str | None


Pattern = tuple[str | Wild, ...]
Template = tuple[str | Wild | Variable, ...]

_WILDCARD = re.compile(r"[*?]")
_SPECIAL = re.compile(r"\$\{([^}]*)\}|[*?]")
_DEFAULTED = re.compile(r"^([^,]+), '([^']*)'$")
_ESCAPES = {"*", "?", "$"}
ARN_PARTS = 6
_NEVER = Variable("", None)
"""A variable that nothing can fill: no condition key is called so."""


@lru_cache(maxsize=16384)
def parse_template(text: str, *, variables: bool, wildcards: bool = True) -> Template:
    """Split a policy text into literals, wildcards and variables.

    Without `variables` (Version 2008-10-17, or an operator that takes none: PG-1, CO-40) `${…}` stays literal text.
    """
    if _WILDCARD.search(text) is None and (not variables or "$" not in text):
        return (text,) if text else ()
    tokens: list[str | Wild | Variable] = []
    end = 0
    for found in _specials(text, variables=variables):
        token = _special_token(found, wildcards=wildcards)
        tokens += [text[end : found.start()], token]
        end = found.end()
    tokens.append(text[end:])
    return _joined(tokens)


def _specials(text: str, *, variables: bool) -> Iterator[re.Match[str]]:
    """What is not literal. Variables are looked for up to the last brace only: a search that must fail costs time."""
    closed = text.rfind("}") + 1 if variables else 0
    yield from _SPECIAL.finditer(text, 0, closed)
    yield from _WILDCARD.finditer(text, closed)


def _special_token(found: re.Match[str], *, wildcards: bool) -> str | Wild | Variable:
    if found[0] in {"*", "?"}:
        return Wild(found[0]) if wildcards else found[0]
    name = found[1]
    if name in _ESCAPES:
        return name
    defaulted = _DEFAULTED.match(name)
    if defaulted:
        return Variable(defaulted[1].strip().lower(), defaulted[2])
    return Variable(name.strip().lower(), None)


def parse_resource(text: str, *, variables: bool) -> Template:
    """Split a `Resource` text: a variable before the fifth colon is never filled in (PG-29)."""
    tokens: list[str | Wild | Variable] = []
    colons = 0
    for token in parse_template(text, variables=variables):
        misplaced = isinstance(token, Variable) and colons < ARN_PARTS - 1
        tokens.append(_NEVER if misplaced else token)
        colons += token.count(":") if isinstance(token, str) else 0
    return tuple(tokens)


def _joined(tokens: Iterable[str | Wild | Variable]) -> Template:
    """Merge neighbouring literals and drop empty ones."""
    merged: list[str | Wild | Variable] = []
    for literals, group in groupby(tokens, lambda token: isinstance(token, str)):
        if literals:
            whole = "".join(cast("Iterable[str]", group))
            merged += [whole] if whole else []
        else:
            merged += group
    return tuple(merged)


def fill(template: Template, value_of: Callable[[str], str | None]) -> Pattern | None:
    """Replace the variables by `value_of(key)` or their defaults; None when one has neither (CO-44)."""
    if not any(isinstance(token, Variable) for token in template):
        return cast("Pattern", template)
    tokens: list[str | Wild | Variable] = []
    for token in template:
        if isinstance(token, Variable):
            value = value_of(token.key)
            value = token.default if value is None else value
            if value is None:
                return None
            tokens.append(value)
        else:
            tokens.append(token)
    return tuple(token for token in _joined(tokens) if not isinstance(token, Variable))


def literal(pattern: Pattern) -> str:
    """The pattern as text, wildcards written as themselves: for operators without wildcards, and for people."""
    return "".join(token.value if isinstance(token, Wild) else token for token in pattern)


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` as a whole fits `pattern`. Case-sensitive; `*` runs over everything, colons and slashes too."""
    if len(pattern) <= 2 and pattern:  # noqa: PLR2004 - the common shapes: a text, a star, and a text before a star
        first, last = pattern[0], pattern[-1]
        if isinstance(first, str) and last is Wild.ANY:
            return text.startswith(first)
        if len(pattern) == 1 and first is not Wild.ONE:
            return first is Wild.ANY or first == text
    head, *rest = _chunks(pattern)
    if not rest:
        return _fits_at(head, text, 0) and _width(head) == len(text)
    tail = rest.pop()
    start, end = _width(head), len(text) - _width(tail)
    if start > end or not _fits_at(head, text, 0) or not _fits_at(tail, text, end):
        return False
    for chunk in rest:
        found = _find(chunk, text, start, end)
        if found < 0:
            return False
        start = found + _width(chunk)
    return True


@lru_cache(maxsize=65536)
def _chunks(pattern: Pattern) -> tuple[Pattern, ...]:
    """The pattern cut at its stars: n stars give n + 1 chunks, each of fixed width."""
    chunks: list[list[str | Wild]] = [[]]
    for token in pattern:
        if token is Wild.ANY:
            chunks.append([])
        else:
            chunks[-1].append(token)
    return tuple(tuple(chunk) for chunk in chunks)


@lru_cache(maxsize=65536)
def _width(chunk: Pattern) -> int:
    return sum(1 if isinstance(token, Wild) else len(token) for token in chunk)


def _fits_at(chunk: Pattern, text: str, at: int) -> bool:
    if at < 0 or at + _width(chunk) > len(text):
        return False
    for token in chunk:
        if isinstance(token, Wild):
            at += 1
        elif text.startswith(token, at):
            at += len(token)
        else:
            return False
    return True


def _find(chunk: Pattern, text: str, start: int, end: int) -> int:
    """The first place in `text[start:end]` where `chunk` fits, or -1."""
    before, core, after = _trimmed(chunk)
    start, end = start + before, end - after
    if start > end:
        return -1
    if not core:
        return start - before
    whole = core[0] if len(core) == 1 else None
    found = text.find(whole, start, end) if isinstance(whole, str) else _find_with_gaps(core, text, start, end)
    return found if found < 0 else found - before


@lru_cache(maxsize=65536)
def _trimmed(chunk: Pattern) -> tuple[int, Pattern, int]:
    """A chunk without the `?` at its ends, and how many there were."""
    literals = [at for at, token in enumerate(chunk) if isinstance(token, str)]
    if not literals:
        return len(chunk), (), 0
    first, last = literals[0], literals[-1]
    return first, chunk[first : last + 1], len(chunk) - last - 1


def _find_with_gaps(core: Pattern, text: str, start: int, end: int) -> int:
    """Shift-And: bit i of `state` says that the first i + 1 characters of the chunk fit just here."""
    fitting, gaps, width = _bits(core)
    whole = 1 << (width - 1)
    state = 0
    for at in range(start, end):
        state = ((state << 1) | 1) & fitting.get(text[at], gaps)
        if state >= whole:
            return at - width + 1
    return -1


@lru_cache(maxsize=1024)
def _bits(core: Pattern) -> tuple[Mapping[str, int], int, int]:
    """For each character the places of the chunk that it fits, those of any character, and the chunk's width."""
    places: dict[str, int] = {}
    gaps, at = 0, 0
    for token in core:
        if isinstance(token, Wild):
            gaps |= 1 << at
            at += 1
            continue
        for character in token:
            places[character] = places.get(character, 0) | 1 << at
            at += 1
    return {character: bits | gaps for character, bits in places.items()}, gaps, at


@lru_cache(maxsize=65536)
def split_at_colons(pattern: Pattern, parts: int) -> tuple[Pattern, ...]:
    """Cut a pattern at its first `parts - 1` literal colons, as `str.split(":", parts - 1)` cuts a text."""
    cut: list[list[str | Wild]] = [[]]
    for token in pattern:
        if isinstance(token, Wild):
            cut[-1].append(token)
            continue
        first, *others = token.split(":", parts - len(cut))
        cut[-1] += [first] if first else []
        cut += [[piece] if piece else [] for piece in others]
    return tuple(tuple(piece) for piece in cut)


def matches_arn_part_by_part(pattern: Pattern, text: str) -> bool:
    """How `ArnEquals` and `ArnLike` compare: six parts, each for itself (CO-22). No ARN, no match (CO-23)."""
    wanted, given = split_at_colons(pattern, ARN_PARTS), text.split(":", ARN_PARTS - 1)
    if len(wanted) != ARN_PARTS or len(given) != ARN_PARTS or given[0] != "arn":
        return False
    return all(matches(part, piece) for part, piece in zip(wanted, given, strict=True))


def matches_resource(pattern: Pattern, arn: str) -> bool:
    """How a `Resource` element matches an ARN, or "*" for an operation without a resource (PG-24, PG-26, PG-27).

    A star that ends one of the first five parts may run across following colons, any other star there may not; the
    service part must be literal.
    """
    if pattern == (Wild.ANY,):
        return True
    if arn == "*":
        return False
    wanted = split_at_colons(pattern, ARN_PARTS)
    service = wanted[2] if len(wanted) > 2 else ()  # noqa: PLR2004 - arn:partition:service
    if not service or any(isinstance(token, Wild) for token in service):
        return False
    return _parts_match(wanted, arn.split(":", ARN_PARTS - 1))


def _parts_match(wanted: tuple[Pattern, ...], given: list[str]) -> bool:
    if not wanted or not given:
        return not wanted and not given
    first = wanted[0]
    if not matches(first, given[0]):
        return False
    reach = len(given) if first and first[-1] is Wild.ANY else 1
    return any(_parts_match(wanted[1:], given[take:]) for take in range(1, reach + 1))
