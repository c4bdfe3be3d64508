"""HTML and SVG elements as values. Whatever is not `Markup` already is escaped, so no text can become an element."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape

_BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EMPTY = {"meta", "br"}
_ON_LINES_OF_THEIR_OWN = {
    *("html", "head", "body", "header", "nav", "main", "footer", "section", "article", "figure", "svg", "g", "details"),
    *("table", "thead", "tbody", "tr", "ul", "ol", "dl", "div"),
}
_END_A_LINE = {
    *("meta", "title", "style", "h1", "h2", "h3", "h4", "p", "li", "dt", "dd", "td", "th", "summary", "figcaption"),
    *("caption", "rect", "path", "text", "desc", "pre"),
}


class Markup(str):
    """Text that is HTML already. Only this module makes it."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | int | None) -> Markup:
    """An element; children that are plain text are escaped, attributes always, and one that is None is left out.

    `class_` stands for `class`, and an underscore inside a name for a hyphen.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}>\n")
    inner = joined(children)
    start = "\n" if name in _ON_LINES_OF_THEIR_OWN else ""
    end = "\n" if name in _ON_LINES_OF_THEIR_OWN | _END_A_LINE else ""
    return Markup(f"<{name}{written}>{start}{inner}</{name}>{end}")


def joined(children: Iterable[str]) -> Markup:
    """Several pieces after one another, each escaped unless it is markup."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child, quote=False) for child in children))


def coded(text: str) -> Markup:
    """Text in which backticks enclose literals, as the rule book has it."""
    parts = text.split("`")
    return joined(element("code", part) if index % 2 else part for index, part in enumerate(parts))


def breakable(name: str) -> Markup:
    """A name such as `kms:DisableKey`, which a narrow column may break between its words and nowhere else."""
    return Markup("<wbr>".join(escape(part, quote=False) for part in _BETWEEN_WORDS.split(name)))


def style_element(css: str) -> Markup:
    """A style element. Its text is not escaped, since a browser would not undo that; it must not end the element."""
    if "</" in css:
        raise ValueError("a style sheet must not contain `</`")
    return Markup(f"<style>{css}</style>\n")


def data_element(name: str, data: object) -> Markup:
    """The data that a page draws, as a block that no browser runs. It cannot end early: `<` is written as an escape."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>\n')


def document(root: Markup) -> str:
    """A whole page."""
    return f"<!doctype html>\n{root}"
