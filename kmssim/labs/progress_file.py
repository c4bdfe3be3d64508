"""A learner's progress: one small JSON file in the learner's folder, to be copied, mailed or thrown away.

It remembers which answer was right (its hash), so that a changed answer is stale and not done; hints and skips are the
learner's own business and count for nobody else.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from kmssim.errors import InputError, SetupError
from kmssim.labs.fields import TEXT, TEXTS, Fields, map_of, number_from, object_of, optional, or_null, read_fields
from kmssim.strict_json import read_json

FILE = "kmssim-labs.json"
_FORMAT = 1


class Standing(Enum):
    """Where a learner stands with a lab."""

    OPEN = "open"
    DONE = "done"
    STALE = "stale"
    """it was done, and the answer or the lab's checks have changed since"""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Record:
    """What is known of one lab. `digest` and `version`: of the answer that was right, and of the lab at that time.

    `begun` and `finished` are epoch seconds; `gave_up`: the solution was shown before the lab was done.
    """

    digest: str | None = None
    version: int | None = None
    hints: int = 0
    skipped: bool = False
    gave_up: bool = False
    begun: int | None = None
    finished: int | None = None

    def standing(self, digest: str, version: int) -> Standing:
        """Where the learner stands, with the answer that has this hash now."""
        if self.digest is not None:
            return Standing.DONE if (self.digest, self.version) == (digest, version) else Standing.STALE
        return Standing.SKIPPED if self.skipped else Standing.OPEN

    @property
    def minutes(self) -> int | None:
        """From the first look to the right answer."""
        if self.begun is None or self.finished is None:
            return None
        return max(1, round((self.finished - self.begun) / 60))


@dataclass(frozen=True)
class Progress:
    """The whole file. `may_skip` False: the teacher who packed the labs does not let any be skipped.

    `seed`: of the class for which the labs were packed; `keeping`: the labs that keep their names under it, None in
    files of before, where that has to be found out.
    """

    current: str | None = None
    labs: dict[str, Record] = field(default_factory=dict)
    may_skip: bool = True
    seed: int | None = None
    keeping: tuple[str, ...] | None = None

    def of(self, lab: str) -> Record:
        """What is known of a lab."""
        return self.labs.get(lab, Record())

    def with_record(self, lab: str, **changes: Any) -> Progress:  # noqa: ANN401 - a record's fields
        """The same with some fields of a lab's record changed."""
        return replace(self, labs={**self.labs, lab: replace(self.of(lab), **changes)})


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InputError("must be true or false", path=path)
    return value


_FLAG = replace(TEXT, read=_flag, schema={"type": "boolean"})
_NUMBER = or_null(number_from(0))
_RECORD = object_of(
    {
        "digest": optional(or_null(TEXT)),
        "version": optional(_NUMBER),
        "hints": optional(number_from(0), 0),
        "skipped": optional(_FLAG, default=False),
        "gave_up": optional(_FLAG, default=False),
        "begun": optional(_NUMBER),
        "finished": optional(_NUMBER),
    },
    Record,
)
_FIELDS: Fields = {
    "format": number_from(1),
    "current": optional(or_null(TEXT)),
    "labs": optional(map_of(_RECORD), {}),
    "may_skip": optional(_FLAG, default=True),
    "seed": optional(_NUMBER),
    "keeping": optional(or_null(TEXTS)),
}


def read_progress(folder: Path) -> Progress:
    """Read the file of a folder. Raises InputError for a broken one, by its JSON path."""
    file = folder / FILE
    content = read_json(file)
    try:
        read = read_fields(_FIELDS, content)
    except InputError as error:
        hint = f"{error.hint}; without this file all labs are open again" if error.hint else "repair or remove it"
        raise InputError(error.what, path=error.path, file=str(file), hint=hint) from None
    read.pop("format")
    return Progress(**read)


def write_progress(folder: Path, progress: Progress) -> None:
    """Write the file whole or not at all. Raises SetupError where it cannot be written."""
    file = folder / FILE
    labs = {name: _said(record) for name, record in progress.labs.items()}
    document = {"format": _FORMAT, **asdict(replace(progress, labs={})), "labs": labs}
    fresh = file.with_suffix(f".{os.getpid()}.new")
    try:
        fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror}") from None


def _said(record: Record) -> dict[str, Any]:
    empty = asdict(Record())
    return {name: value for name, value in asdict(record).items() if value != empty[name]}
