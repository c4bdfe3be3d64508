"""`metadata.json`: what a lab says about itself. An unknown, missing or misshapen field is refused by its path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kmssim.errors import InputError
from kmssim.labs.fields import (
    TEXT,
    TEXTS,
    Fields,
    known_text,
    list_of,
    number_from,
    object_of,
    object_schema,
    one_of,
    optional,
    read_fields,
    shaped,
)
from kmssim.labs.promises import (
    CHECK,
    EDIT,
    FIDELITY,
    HINTS,
    LAYER_WORDS,
    LIMITS,
    RULE,
    SURVIVORS,
    WRONG,
    Check,
    Edit,
    Fidelity,
    Hint,
    LabLimits,
    Survivor,
    Wrong,
)
from kmssim.rules import all_rules
from kmssim.strict_json import read_json

TYPES = ("predict", "fix", "write", "attack")
NEEDS = ("evaluator", "sandbox", "server")
_ENOUGH_WRONG = 2


@dataclass(frozen=True)
class Example:
    """The request that the page tells the story of, by its name in the scenario, and the story."""

    request: str
    text: str


@dataclass(frozen=True)
class Metadata:
    """All fields of `metadata.json`.

    `version` is raised when the lab's promises change. `part` is its place in the curriculum. `deep_dives` are ids of
    the texts that the pages share, `layers` those that the lab is about, `rules` and `misconceptions` ids of the rule
    book, `sources` its keys for AWS's pages. `bridge` is what the lab leads on to. The fields from `story` on are what
    is asked of the learner, and how an answer is held to it.
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
    story: str
    task: str
    edit: tuple[Edit, ...]
    checks: tuple[Check, ...]
    wrong: tuple[Wrong, ...]
    survivors: tuple[Survivor, ...]
    hints: tuple[Hint, ...]
    learned: str
    limits: LabLimits
    fidelity: Fidelity

    def check(self, name: str) -> Check:
        """The check of that id. Raises InputError, with those that there are."""
        for check in self.checks:
            if check.id == name:
                return check
        known = ", ".join(check.id for check in self.checks)
        raise InputError(f"lab {self.id} has no check `{name}`", hint=f"it has: {known}")


def _is_source(text: str) -> bool:
    return any(source.key == text for rule in all_rules().values() for source in rule.sources)


LAB_ID = shaped(r"\d\d_[a-z0-9_]+", "a lab's id: two digits, then lower-case words, as in 01_some_words")
_FIELDS: Fields = {
    "$schema": optional(TEXT),
    "id": LAB_ID,
    "version": number_from(1),
    "title": TEXT,
    "status": TEXT,
    "level": number_from(1),
    "cloud": TEXT,
    "domain": TEXT,
    "topic": TEXT,
    "track": TEXT,
    "tags": TEXTS,
    "type": one_of(TYPES),
    "minutes": number_from(1),
    "part": TEXT,
    "prerequisites": list_of(LAB_ID),
    "summary": TEXT,
    "objective": TEXT,
    "overview": TEXT,
    "example": object_of({"request": TEXT, "text": TEXT}, Example),
    "concepts": TEXTS,
    "deep_dives": TEXTS,
    "layers": list_of(one_of(LAYER_WORDS)),
    "misconceptions": list_of(RULE),
    "rules": list_of(RULE),
    "needs": list_of(one_of(NEEDS)),
    "sources": list_of(known_text(_is_source, "the rule book has no source {}")),
    "bridge": TEXT,
    "licence": TEXT,
    "story": TEXT,
    "task": TEXT,
    "edit": list_of(EDIT, 1),
    "checks": list_of(CHECK, 1),
    "wrong": list_of(WRONG, _ENOUGH_WRONG),
    "mutants": optional(SURVIVORS, ()),
    "hints": HINTS,
    "learned": TEXT,
    "limits": optional(LIMITS, LabLimits()),
    "fidelity": FIDELITY,
}


def read_metadata(path: Path) -> Metadata:
    """Read and check a `metadata.json`. Raises InputError with the file and the JSON path of the mistake."""
    try:
        text = path.read_bytes()
    except OSError:
        return _read(path)  # which says what is wrong
    return _read_once(path, text)


@lru_cache(maxsize=64)
def _read_once(path: Path, text: bytes) -> Metadata:
    """The same for the same bytes: whoever lists labs or watches one reads them again and again."""
    del text
    return _read(path)


def _read(path: Path) -> Metadata:
    document = read_json(path)
    try:
        return parse_metadata(document)
    except InputError as error:
        raise InputError(error.what, path=error.path, file=str(path), hint=error.hint) from error


def parse_metadata(document: object) -> Metadata:
    """Check a parsed document. Raises InputError with the JSON path, without a file."""
    read = read_fields(_FIELDS, document)
    read.pop("$schema")
    read["survivors"] = read.pop("mutants")
    metadata = Metadata(**read)
    _refuse_loose_ends(metadata)
    return metadata


def _refuse_loose_ends(metadata: Metadata) -> None:
    """What the fields promise together: ids once, and every name that is referred to exists."""
    _refuse_repeated("checks", "id", (check.id for check in metadata.checks))
    _refuse_repeated("edit", "path", (edit.path for edit in metadata.edit))
    _refuse_repeated("wrong", "path", (wrong.path for wrong in metadata.wrong))
    kinds = {check.kind for check in metadata.checks}
    if metadata.type == "fix" and not kinds >= {"positive", "negative", "collateral"}:
        raise InputError("a lab of type fix has positive, negative and collateral checks", path="checks")
    ids = {check.id for check in metadata.checks}
    for index, wrong in enumerate(metadata.wrong):
        if wrong.trips not in ids:
            raise InputError(
                f"no check `{wrong.trips}`", path=f"wrong[{index}].trips", hint=f"there are: {', '.join(sorted(ids))}"
            )
    if kinds & {"code", "path"} and not any(edit.kind == "code" for edit in metadata.edit):
        raise InputError("code and path checks need an edit of kind code", path="edit")
    if "prediction" in kinds and not any(edit.kind == "answers" for edit in metadata.edit):
        raise InputError("predictions need an edit of kind answers", path="edit")


def _refuse_repeated(field: str, member: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise InputError(f"`{name}` stands here twice", path=f"{field}[{index}].{member}")
        seen.add(name)


def metadata_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a `metadata.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmssim lab",
        **object_schema(_FIELDS),
    }
