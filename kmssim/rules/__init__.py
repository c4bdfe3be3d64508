"""The rule book as data: what each rule id of a decision stands for, how sure it is, and where AWS says so.

`kms-authorization.md` is the source and is meant to be read; `index.json` is made from it by `python -m kmssim.rules`.
Nothing is read at import; the index is read once, at the first question.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kmssim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOK = Path(__file__).with_name("kms-authorization.md")
INDEX = Path(__file__).with_name("index.json")


@dataclass(frozen=True)
class Source:
    """A page or recording that a rule rests on: the book's key ("K-GRANTS"), the title, the address."""

    key: str
    title: str
    url: str


@dataclass(frozen=True)
class Rule:
    """One rule of the book.

    `section` is the heading it stands under. `status` is "documented", "observed" or "uncertain", or several joined
    by " + ": the first is the rule's own, each further one holds for a part of it, as the text says. `text` is plain
    but for the backticks around literals. `sources` is empty where the book names none.
    """

    id: str
    section: str
    status: str
    text: str
    example: str | None
    sources: tuple[Source, ...]


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return all rules by id, in the book's order; read-only."""
    entries = json.loads(INDEX.read_text(encoding="utf-8"))["rules"]
    return MappingProxyType({rule_id: _rule_of(entry) for rule_id, entry in entries.items()})


def rule(rule_id: str) -> Rule:
    """Look up a rule by its id, such as "GR-16". Raises InputError, with the closest ids as hint, if there is none."""
    rules = all_rules()
    if rule_id in rules:
        return rules[rule_id]
    closest = difflib.get_close_matches(rule_id.strip().upper(), rules, n=3, cutoff=0.5)
    hint = f"closest: {', '.join(closest)}" if closest else "ids look like GR-16"
    raise InputError(f"unknown rule `{rule_id}`", hint=hint)


def _rule_of(entry: dict[str, Any]) -> Rule:
    """Read one entry of the index; its members are the fields of `Rule`."""
    sources = tuple(Source(**source) for source in entry["sources"])
    return Rule(**{**entry, "sources": sources})
