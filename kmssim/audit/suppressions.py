"""Findings that somebody has looked at and put off: with a reason, and until a day.

    {"suppressions": [{"finding": "cross-organization", "where": "accounts.*.keys.orders.*",
                       "reason": "the auditor's account, ticket 1234", "expires": "2026-12-31"}]}

`where` is a JSON path in which `*` stands for anything, `file` (optional) the same for the file's name. On the day
after `expires` the finding is back, and the suppression is a finding itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kmssim.audit.finding import Finding, Where
from kmssim.audit.wording import WORDING
from kmssim.scenario_file.places import Place, near_names
from kmssim.strict_json import read_json

BESIDE = "kmssim-audit.json"
"""What the file is called that is taken when it stands beside what is audited."""

_REQUIRED = ("finding", "where", "reason", "expires")
_MEMBERS = (*_REQUIRED, "file")


@dataclass(frozen=True)
class Suppression:
    """One exception; `place` is where it stands."""

    finding: str
    where: str
    reason: str
    expires: date
    file: str
    place: Where

    def fits(self, finding: Finding) -> bool:
        """Whether it speaks of the finding."""
        named = self.finding == finding.id and _fits(self.where, finding.where.path)
        return named and _fits(self.file, finding.where.file or "")


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.DOTALL) is not None


@dataclass(frozen=True)
class Suppressed:
    """A finding that is put off, and by what."""

    finding: Finding
    by: Suppression


def read_suppressions(path: Path) -> tuple[Suppression, ...]:
    """Read a file of suppressions.

    Raises:
        InputError: it cannot be read, or one of them lacks something; the message names file and JSON path.

    """
    place = Place(str(path))
    content = read_json(path)
    listed = content.get("suppressions") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise place.refusal("expected an object with a list `suppressions`")
    here = place.at("suppressions")
    return tuple(_read(each, here.at(index)) for index, each in enumerate(listed))


def _read(content: object, place: Place) -> Suppression:
    if not isinstance(content, Mapping):
        raise place.refusal("expected an object")
    for name in content:
        if name not in _MEMBERS:
            raise place.at(str(name)).unknown(f"no field `{name}`", str(name), _MEMBERS)
    for name in _REQUIRED:
        if not str(content.get(name) or "").strip():
            raise place.refusal(
                f"the field `{name}` is missing", "each suppression says what, where, why and until when"
            )
    for name, text in content.items():
        if not isinstance(text, str):
            raise place.at(name).refusal("expected a string")
    finding = content["finding"]
    if finding not in WORDING:
        raise place.at("finding").refusal(f"no finding is called `{finding}`", near_names(finding, WORDING))
    where = Where(place.path, place.file)
    expires = read_day(content["expires"], place.at("expires"))
    return Suppression(finding, content["where"], content["reason"], expires, content.get("file", "*"), where)


def read_day(text: str, place: Place) -> date:
    """An ISO date.

    Raises InputError when it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise place.refusal(f"`{text}` is no date", "write it as 2026-12-31") from None


def apply_suppressions(
    findings: Iterable[Finding], suppressions: Sequence[Suppression], today: date
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """What is left to be told, and what is put off: not by a suppression that has expired."""
    told: list[Finding] = []
    off: list[Suppressed] = []
    for finding in findings:
        by = next((one for one in suppressions if today <= one.expires and one.fits(finding)), None)
        if by is None:
            told.append(finding)
        else:
            off.append(Suppressed(finding, by))
    return tuple(told), tuple(off)


def find_stale(suppressions: Iterable[Suppression], findings: Sequence[Finding], today: date) -> Iterator[Finding]:
    """The suppressions that fit none of the findings, and those that have expired."""
    for one in suppressions:
        if not any(map(one.fits, findings)):
            yield _about("suppression-unused", one)
        elif one.expires < today:
            yield _about("suppression-expired", one)


def _about(name: str, suppression: Suppression) -> Finding:
    words = WORDING[name]
    facts = {
        "finding": suppression.finding,
        "pattern": suppression.where,
        "expires": suppression.expires.isoformat(),
        "reason": suppression.reason,
    }
    return Finding(
        name,
        words.severity,
        suppression.place,
        words.executive.format(**facts),
        words.technical.format(**facts),
        words.fix.format(**facts),
        words.rules,
    )
