"""On which line of a JSON text each member stands, by JSON path: for editors and code hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from kmssim.audit.finding import Finding
from kmssim.positions import Positions
from kmssim.strict_json import join_path


def lines_of(text: str) -> Mapping[str, int]:
    """The line of each value of a JSON text, counted from 1, by its path; of a member that of its name.

    Raises ValueError when the text is not JSON.
    """
    json.loads(text)
    positions = Positions(text)
    return {
        join_path("", *steps): positions.line_and_column(place.name)[0] for steps, place in positions.places.items()
    }


def with_lines(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings with their lines, where the files can be read; each file is read once."""
    files: dict[str, Mapping[str, int]] = {}
    return tuple(_with_line(finding, files) for finding in findings)


def _with_line(finding: Finding, files: dict[str, Mapping[str, int]]) -> Finding:
    """The line of the nearest thing around it which is there."""
    where = finding.where
    if where.file is None:
        return finding
    if where.file not in files:
        files[where.file] = _lines_in(where.file)
    known, path = files[where.file], where.path
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    line = known.get(path)
    return finding if line is None else replace(finding, where=replace(where, line=line))


def _lines_in(file: str) -> Mapping[str, int]:
    try:
        return lines_of(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):  # what cannot be read any more has no lines
        return {}
