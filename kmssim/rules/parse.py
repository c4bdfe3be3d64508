"""Read the rule book: from Markdown to the entries of index.json.

How the book writes a rule, and what this module makes of it:

- a list item, or a paragraph that begins like one: "`GR-7` **[documented]** text. *Ex:* example. *Src:* [KEY]."
  What follows it without an id of its own (a table, code, more text) is part of it;
- a table row with the id in one cell. Its text is "Heading: cell; Heading: cell".

Status and sources of a row stand, in this order of trust: in the row's cell for them; in a note of the same section
("Status **[documented]**; *Src:* ..."); in the rules that the row points at. A mark in any other cell holds for a part
of the rule.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmssim.errors import InputError
from kmssim.rules.markdown import BlockKind, Section, read_sections, read_table, strip_emphasis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What the book says about status and sources in words only.
_STATUS_OF_SECTION = {
    "13.2": ("observed",),  # heading: "recorded from AWS unless marked"
    "17.": ("uncertain",),  # heading: "Uncertain or contradictory"
}
_SOURCES_IN_WORDS = {
    "OP-7": ("BOTO",),  # "the ML-KEM rows and GetKeyLastUsage rest on the service model alone"
    "OP-20": ("BOTO",),
    "OP-28": ("BOTO",),
    "ST-2": (),  # "not in the table" that the section's source holds
}

_ID = r"[A-Z]{2}-\d+"
_DEFINITION = re.compile(rf"`({_ID})`")
_HEAD = re.compile(rf"^(?:- |Rule )?`({_ID})` (?:\*\*\[\w+\]\*\*(?! for )\s*)?")
_NAMED = re.compile(rf"(?<![\w-])({_ID})(?![\w-])")
_MARK = re.compile(r"\[(documented|observed|uncertain)\b[^\]]*\]")
_PLAIN_MARK = re.compile(r"\[(?:documented|observed|uncertain)\]")
_KEY = re.compile(r"\[(BOTO|[A-Z][A-Z0-9]*-[A-Za-z0-9-]+)\]")
_SOURCE_PART = re.compile(r"\s*\*Src[^*]*\*\s*(.*?)(?:\.(?=\s)|\.?$)", re.DOTALL)
_EXAMPLE = re.compile(r"\s*\*Ex:\*\s*(.*?)(?=\s*\*Ex:\*|\s*\*Default:\*|$)", re.DOTALL)
_NOTE_EXAMPLE = re.compile(r"\*Ex \(([A-Z]{2})-([\d/]+)\):\*\s*(.*)$", re.DOTALL)


@dataclass(frozen=True)
class _Draft:
    """A rule as its own lines and its section's note give it; `named` are the rules it points at."""

    id: str
    section: str
    text: str
    example: str | None
    marks: tuple[str, ...]
    keys: tuple[str, ...]
    named: tuple[str, ...] = ()


def parse_book(markdown: str) -> dict[str, dict[str, Any]]:
    """Read all rules by id, in the book's order, as index.json holds them.

    Raises InputError for an id defined twice, a rule without text or status, an unknown source key, or a reference to a
    rule that the book does not define.
    """
    sections = list(read_sections(markdown))
    drafts: dict[str, _Draft] = {}
    for section in sections:
        for draft in _drafts_of(section):
            if draft.id in drafts:
                raise InputError(f"rule {draft.id} is defined twice")
            drafts[draft.id] = draft
    _refuse_undefined(markdown, drafts)
    titles = _read_source_index(sections)
    return {draft.id: _entry(draft, drafts, titles) for draft in drafts.values()}


def dump_index(rules: dict[str, dict[str, Any]]) -> str:
    """Write the text of index.json."""
    return json.dumps({"rules": rules}, ensure_ascii=False, indent=1) + "\n"


def _drafts_of(section: Section) -> list[_Draft]:
    """Read the rules of one section, in order."""
    note = "\n".join(block.text for block in section.blocks if block.kind is BlockKind.PARAGRAPH)
    found: list[tuple[str, dict[str, str] | list[str]]] = []  # a table row, or the defining line and what follows it
    owner: list[str] | None = None
    for block in section.blocks:
        parts = [block.text]
        if block.kind is BlockKind.TABLE:
            table = read_table(block)
            parts = [_join_cells(row) for row in table if not _id_of(row)]
            found += _rows_with_id(table)
        elif head := _HEAD.match(block.text):
            owner = []
            found.append((head[1], owner))
        elif block.kind is BlockKind.PARAGRAPH and "*Src" in block.text:
            continue  # a note on a table, even where a list item stands above
        if owner is not None:
            owner += parts
    return [
        _draft_of_row(section.heading, rule_id, content, note)
        if isinstance(content, dict)
        else _draft_of_prose(section.heading, rule_id, "\n".join(content))
        for rule_id, content in found
    ]


def _draft_of_prose(section: str, rule_id: str, raw: str) -> _Draft:
    """Read a list item or paragraph, with all that belongs to it."""
    source = _SOURCE_PART.search(raw)
    body = _HEAD.sub("", _SOURCE_PART.sub("", raw, count=1), count=1)
    examples = [strip_emphasis(example) for example in _EXAMPLE.findall(body)]
    text = strip_emphasis(_EXAMPLE.sub("", body)).strip()
    if source and _KEY.sub("", source[1]).strip(" ,"):  # words beside the keys say what the source does not cover
        text += f" Source: {source[1]}."
    return _Draft(
        id=rule_id,
        section=section,
        text=text,
        example=" ".join(examples) or None,
        marks=_marks(raw),
        keys=_keys(source[1]) if source else (),
    )


def _draft_of_row(section: str, rule_id: str, row: dict[str, str], note: str) -> _Draft:
    """Read a table row, with what the note of its section says of all rows."""
    own = " ".join(cell for heading, cell in row.items() if _holds_status(heading, cell))
    elsewhere = " ".join(cell for heading, cell in row.items() if not _holds_status(heading, cell))
    in_words = next((marks for start, marks in _STATUS_OF_SECTION.items() if section.startswith(start)), ())
    marks = _marks(own) or _marks(note) or in_words
    keys = _keys(own) or _keys(elsewhere) or _keys_of_note(note, marks)
    return _Draft(
        id=rule_id,
        section=section,
        text=strip_emphasis(_join_cells(row)),
        example=_example_in_note(note, rule_id),
        marks=_unique([*marks, *_marks(elsewhere)]),
        keys=_SOURCES_IN_WORDS.get(rule_id, keys),
        named=_named(row, own),
    )


def _entry(draft: _Draft, drafts: dict[str, _Draft], titles: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Write what index.json says of a rule; rules that it points at lend sources, and a status if it has none."""
    named = [drafts[rule_id] for rule_id in draft.named]
    marks = draft.marks or _unique(mark for other in named for mark in other.marks)
    keys = _unique([*draft.keys, *(key for other in named for key in other.keys)])
    if not draft.text or not marks:
        raise InputError(f"rule {draft.id} has no {'status' if draft.text else 'text'}")
    if unknown := [key for key in keys if key not in titles]:
        raise InputError(f"rule {draft.id} names a source that the source index lacks: {', '.join(unknown)}")
    return {
        "id": draft.id,
        "section": draft.section,
        "status": " + ".join(marks),
        "text": draft.text,
        "example": draft.example,
        "sources": [titles[key] for key in keys],
    }


def _read_source_index(sections: list[Section]) -> dict[str, dict[str, str]]:
    """Read the book's last table: key → key, title, address."""
    blocks = [block for section in sections if section.heading == "Source index" for block in section.blocks]
    rows = [row for block in blocks if block.kind is BlockKind.TABLE for row in read_table(block)]
    return {row["Key"]: {"key": row["Key"], "title": row["Title"], "url": row["URL"].strip("<>")} for row in rows}


def _refuse_undefined(markdown: str, drafts: dict[str, _Draft]) -> None:
    """Refuse a reference that leads nowhere: it is a mistake in the book."""
    if undefined := sorted(set(_NAMED.findall(markdown)) - drafts.keys()):
        raise InputError(f"rules are referred to but not defined: {', '.join(undefined)}")


def _rows_with_id(table: list[dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Pick the rows that define a rule. "same" becomes "same as ID": a rule is read without its neighbours."""
    previous = ""
    for row in table:
        if rule_id := _id_of(row):
            yield rule_id, {heading: f"same as {previous}" if cell == "same" else cell for heading, cell in row.items()}
            previous = rule_id


def _id_of(row: dict[str, str]) -> str:
    """Find the id in backticks, which only the row that defines the rule has; "" if there is none."""
    match = _DEFINITION.search(" ".join(row.values()))
    return match[1] if match else ""


def _join_cells(row: dict[str, str]) -> str:
    """Write a row as "Heading: cell; …", without the id and without cells that hold only status and sources."""
    parts = []
    for heading, cell in row.items():
        words = _DEFINITION.sub("", _SOURCE_PART.sub("", cell)).replace("( ", "(").strip()
        if _holds_status(heading, cell) and not _PLAIN_MARK.sub("", _KEY.sub("", words)).strip(" ,+"):
            continue
        parts.append(f"{'Status' if heading == 'Rule' else heading}: {words}")
    return "; ".join(parts)


def _holds_status(heading: str, cell: str) -> bool:
    """Say whether this cell speaks of the row as a whole: its id, status or sources."""
    return heading.startswith("Status") or heading == "Source" or bool(_DEFINITION.search(cell))


def _named(row: dict[str, str], own: str) -> tuple[str, ...]:
    """Find the rules a row rests on: in the columns of sections 15 to 17 made for it, or "as DS-1" for a status."""
    cells = [row.get(heading, "") for heading in ("Rules", "Evidence", "Safe default")]
    if not _marks(own):
        cells += re.findall(rf"\bas {_ID}", own)
    return _unique(_NAMED.findall(" ".join(cells)))


def _example_in_note(note: str, rule_id: str) -> str | None:
    """Find the example for a row; one under a table names its rows: "*Ex (DA-20/21):* …"."""
    match = _NOTE_EXAMPLE.search(note)
    if not match or rule_id not in {f"{match[1]}-{number}" for number in match[2].split("/")}:
        return None
    return strip_emphasis(match[3])


def _keys_of_note(note: str, marks: tuple[str, ...]) -> tuple[str, ...]:
    """Find the sources for all rows; those after "; observed" are for rows with an observed part only."""
    everywhere, _, observed = note.partition("; observed")
    return _keys(everywhere) + (_keys(observed) if "observed" in marks else ())


def _marks(text: str) -> tuple[str, ...]:
    return _unique(_MARK.findall(text))


def _keys(text: str) -> tuple[str, ...]:
    return _unique(_KEY.findall(text))


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
