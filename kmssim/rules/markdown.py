"""The little Markdown that the rule book uses: sections made of list items, tables, code and paragraphs.

Knows nothing of rules; `parse` gives the blocks their meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from kmssim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODE_SPAN = re.compile(r"(`[^`]*`)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
# An asterisk after a letter or a slash is part of a name (`GenerateDataKey*`), not the start of emphasis.
_ITALIC = re.compile(r"(?<![\w*/])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])")


class BlockKind(Enum):
    """What a block looks like in the source."""

    ITEM = "item"
    TABLE = "table"
    CODE = "code"
    PARAGRAPH = "paragraph"
    CONTINUATION = "continuation"


@dataclass(frozen=True)
class Block:
    """Lines that belong together, without fences and blank lines."""

    kind: BlockKind
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as they stand."""
        return "\n".join(line.strip() for line in self.lines)


@dataclass(frozen=True)
class Section:
    """A heading and the blocks up to the next heading of any depth."""

    heading: str
    blocks: tuple[Block, ...]


def read_sections(markdown: str) -> Iterator[Section]:
    """Cut a document at its headings; what stands above the first heading is left out."""
    heading, in_code = "", False
    lines: list[str] = []
    for line in markdown.splitlines():
        in_code ^= line.startswith("```")
        if line.startswith("#") and not in_code:
            if heading:
                yield Section(heading, tuple(_read_blocks(lines)))
            heading, lines = strip_emphasis(line.lstrip("# ")), []
        else:
            lines.append(line)
    if heading:
        yield Section(heading, tuple(_read_blocks(lines)))


def read_table(block: Block) -> list[dict[str, str]]:
    """Rows of a table as heading → cell. Raises InputError if a row has more or fewer cells than the heading."""
    headings = _cells(block.lines[0])
    rows = []
    for line in block.lines[2:]:
        cells = _cells(line)
        if len(cells) != len(headings):
            raise InputError(f"a table row has {len(cells)} cells, its heading {len(headings)}: `{line[:60]}`")
        rows.append(dict(zip(headings, cells, strict=True)))
    return rows


def strip_emphasis(text: str) -> str:
    """Take away bold and italic marks; literals in backticks stay as they are."""
    parts = _CODE_SPAN.split(text)
    spans = parts[1::2]
    # NUL stands for a literal while the marks go, so that emphasis may run across one.
    bare = _ITALIC.sub(r"\1", _BOLD.sub(r"\1", "\0".join(parts[::2])))
    return "".join(a + b for a, b in zip(bare.split("\0"), [*spans, ""], strict=True))


def _cells(line: str) -> list[str]:
    """Split a table line at its bars; a bar inside a literal does not count."""
    masked = _CODE_SPAN.sub(lambda span: span[0].replace("|", "\0"), line.strip().strip("|"))
    return [cell.strip().replace("\0", "|") for cell in masked.split("|")]


def _read_blocks(lines: list[str]) -> Iterator[Block]:
    """Group neighbouring lines of one kind; each list item is a block of its own."""
    kinds = list(zip(_kinds(lines), lines, strict=True))
    for (kind, _), group in groupby(enumerate(kinds), lambda e: (e[1][0], e[0] if e[1][0] is BlockKind.ITEM else None)):
        if kind:
            yield Block(kind, tuple(line for _, (_, line) in group))


def _kinds(lines: list[str]) -> Iterator[BlockKind | None]:
    """Say of each line what it is part of; None for what only separates."""
    in_code = False
    for line in lines:
        fence = line.startswith("```")
        in_code ^= fence
        if fence or (not in_code and line.strip() in {"", "---"}):
            yield None
        elif in_code:
            yield BlockKind.CODE
        elif line.startswith("- "):
            yield BlockKind.ITEM
        elif line.startswith("|"):
            yield BlockKind.TABLE
        else:
            yield BlockKind.CONTINUATION if line.startswith("  ") else BlockKind.PARAGRAPH
