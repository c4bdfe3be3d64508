"""The words of findings, by finding id, in one table: `wording.json`.

What it means (`executive`, one sentence for somebody who decides and does not read policies), what there is
(`technical`) and what to do (`fix`), for whoever edits them; and `because`, which justifies the severity. `{key}`,
`{subject}` and other facts are filled in by the check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmssim.audit.finding import Severity


@dataclass(frozen=True)
class Words:
    """One row. `rules` are ids of the rule book, `controls` those of AWS Security Hub that a finding fails."""

    severity: Severity
    title: str
    executive: str
    technical: str
    fix: str
    rules: tuple[str, ...]
    because: str
    controls: tuple[str, ...]


def _words(row: Mapping[str, Any]) -> Words:
    return Words(
        severity=Severity(row["severity"]),
        title=row["title"],
        executive=row["executive"],
        technical=row["technical"],
        fix=row["fix"],
        rules=tuple(row["rules"]),
        because=row["because"],
        controls=tuple(row.get("controls", ())),
    )


def _table() -> Mapping[str, Words]:
    text = Path(__file__).with_name("wording.json").read_text(encoding="utf-8")
    return {name: _words(row) for name, row in json.loads(text).items()}


WORDING: Mapping[str, Words] = _table()
"""Every finding that there is, by its id."""
