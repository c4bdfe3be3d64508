"""On which line of a JSON text each member stands, by JSON path: for editors and code hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from kmssim.audit.finding import Finding
from kmssim.strict_json import join_path

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def lines_of(text: str) -> Mapping[str, int]:
    """The line of each value of a JSON text, counted from 1, by its path; of a member that of its name.

    Raises ValueError when the text is not JSON.
    """
    json.loads(text)
    return _Reader(text).read()


class _Reader:
    """Goes through the tokens once; `path` is where it stands, `found` what it has passed."""

    def __init__(self, text: str) -> None:
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.found: dict[str, int] = {}
        self.tokens: list[tuple[str, int]] = []
        line = 0
        for token in _TOKEN.finditer(text):
            while line + 1 < len(starts) and starts[line + 1] <= token.start():
                line += 1
            self.tokens.append((token[0], line + 1))
        self.at = 0

    def read(self) -> Mapping[str, int]:
        if self.tokens:
            self.value("", self.tokens[0][1])
        return self.found

    def next(self) -> tuple[str, int]:
        self.at += 1
        return self.tokens[self.at - 1]

    def more(self, end: str) -> bool:
        """Whether the object or list goes on; commas and its end are passed over."""
        while self.at < len(self.tokens) and self.tokens[self.at][0] in {",", end}:
            if self.next()[0] == end:
                return False
        return self.at < len(self.tokens)

    def value(self, path: str, line: int) -> None:
        self.found.setdefault(path, line)
        opening, _ = self.next()
        if opening == "{":
            while self.more("}"):
                name, line = self.next()
                self.next()  # the colon
                self.value(join_path(path, json.loads(name)), line)
        elif opening == "[":
            index = 0
            while self.more("]"):
                self.value(join_path(path, index), self.tokens[self.at][1])
                index += 1


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
