"""`metadata.json`: what a lab says about itself. An unknown, missing or misshapen field is refused by its path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kmssim.errors import InputError
from kmssim.evaluator.decision import Layer
from kmssim.rules import all_rules
from kmssim.strict_json import join_path, read_json

TYPES = ("read",)
NEEDS = ("evaluator", "sandbox")


@dataclass(frozen=True)
class Example:
    """The request that the page tells the story of, by its name in the scenario, and the story."""

    request: str
    text: str


@dataclass(frozen=True)
class Metadata:
    """All fields of `metadata.json`; none may be left out.

    `version` is raised when the lab's promises change. `part` is its place in the curriculum. `deep_dives` are ids of
    the texts that the pages share, `layers` those that the lab is about, `rules` and `misconceptions` ids of the rule
    book, `sources` its keys for AWS's pages. `bridge` is what the lab leads on to.
    """

    id: str
    version: int
    title: str
    status: str
    level: int
    cloud: str
    domain: str
    topic: str
    track: str
    tags: tuple[str, ...]
    type: str
    minutes: int
    part: str
    prerequisites: tuple[str, ...]
    summary: str
    objective: str
    overview: str
    example: Example
    concepts: tuple[str, ...]
    deep_dives: tuple[str, ...]
    layers: tuple[str, ...]
    misconceptions: tuple[str, ...]
    rules: tuple[str, ...]
    needs: tuple[str, ...]
    sources: tuple[str, ...]
    bridge: str
    licence: str


def read_metadata(path: Path) -> Metadata:
    """Read and check a `metadata.json`. Raises InputError with the file and the JSON path of the mistake."""
    document = read_json(path)
    try:
        return parse_metadata(document)
    except InputError as error:
        raise InputError(error.what, path=error.path, file=str(path), hint=error.hint) from error


def parse_metadata(document: object) -> Metadata:
    """Check a parsed document. Raises InputError with the JSON path, without a file."""
    if not isinstance(document, dict):
        raise InputError("must be an object")
    _refuse_other_fields(document, _CHECKS, "")
    return Metadata(**{name: check(document[name], name) for name, check in _CHECKS.items()})


def _refuse_other_fields(document: Mapping[str, object], known: Mapping[str, object], path: str) -> None:
    for name in document:
        if name not in known:
            raise InputError("unknown field", path=join_path(path, name), hint=f"known: {', '.join(known)}")
    for name in known:
        if name not in document:
            raise InputError("is missing", path=join_path(path, name))


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError("must be a text that is not empty", path=path)
    return value


def _number(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError("must be a whole number from 1 up", path=path)
    return value


def _texts(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError("must be a list of texts", path=path)
    return tuple(_text(item, f"{path}[{index}]") for index, item in enumerate(value))


def _one_of(known: Sequence[str]) -> Callable[[object, str], str]:
    def check(value: object, path: str) -> str:
        text = _text(value, path)
        if text not in known:
            raise InputError(f"`{text}` is not known", path=path, hint=f"known: {', '.join(known)}")
        return text

    return check


def _each_of(known: Sequence[str]) -> Callable[[object, str], tuple[str, ...]]:
    check = _one_of(known)
    return lambda value, path: tuple(check(text, f"{path}[{at}]") for at, text in enumerate(_texts(value, path)))


def _rules(value: object, path: str) -> tuple[str, ...]:
    rule_ids = _texts(value, path)
    for index, rule_id in enumerate(rule_ids):
        if rule_id not in all_rules():
            raise InputError(f"the rule book has no `{rule_id}`", path=f"{path}[{index}]")
    return rule_ids


def _sources(value: object, path: str) -> tuple[str, ...]:
    keys = _texts(value, path)
    known = {source.key for rule in all_rules().values() for source in rule.sources}
    for index, key in enumerate(keys):
        if key not in known:
            raise InputError(f"the rule book has no source `{key}`", path=f"{path}[{index}]")
    return keys


def _lab_id(value: object, path: str) -> str:
    text = _text(value, path)
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", text):
        raise InputError(f"`{text}` is no lab's id", path=path, hint="two digits, then lower-case words: 01_some_words")
    return text


def _lab_ids(value: object, path: str) -> tuple[str, ...]:
    return tuple(_lab_id(text, f"{path}[{index}]") for index, text in enumerate(_texts(value, path)))


def _example(value: object, path: str) -> Example:
    if not isinstance(value, dict):
        raise InputError("must be an object with `request` and `text`", path=path)
    _refuse_other_fields(value, {"request": None, "text": None}, path)
    return Example(_text(value["request"], f"{path}.request"), _text(value["text"], f"{path}.text"))


_BY_TYPE: Mapping[str, Callable[[object, str], object]] = {
    "str": _text,
    "int": _number,
    "tuple[str, ...]": _texts,
    "Example": _example,
}
_BY_NAME: Mapping[str, Callable[[object, str], object]] = {
    "id": _lab_id,
    "type": _one_of(TYPES),
    "prerequisites": _lab_ids,
    "layers": _each_of([layer.value for layer in Layer]),
    "misconceptions": _rules,
    "rules": _rules,
    "needs": _each_of(NEEDS),
    "sources": _sources,
}
_CHECKS: Mapping[str, Any] = {
    field.name: _BY_NAME.get(field.name) or _BY_TYPE[str(field.type)] for field in fields(Metadata)
}
