"""What every page is put together from: the document around it, sections, tables and lists."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from kmssim.markup import Markup, document, element, joined, style_element

_STYLE = Path(__file__).with_name("style.css")


def whole_page(title: str, description: str, made: str, *landmarks: Markup) -> str:
    """A page with its skip link; `made` says at its foot what it is made from."""
    skip = element("a", "Skip to the content", href="#main", class_="skip")
    body = element("body", skip, *landmarks, element("footer", element("p", made)))
    return document(element("html", _head(title, description), body, lang="en"))


def _head(title: str, description: str) -> Markup:
    """The policy lets nothing in but the page's own style sheet, named by its hash."""
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="description", content=description),
        element("title", title),
        style_element(css),
    )


@cache
def _css() -> str:
    return _STYLE.read_text(encoding="utf-8")


def main_part(*children: str) -> Markup:
    """The main landmark, which the skip link leads to and the keyboard reaches."""
    return element("main", *children, id="main", tabindex=-1)


def contents(names: Iterable[tuple[str, str]]) -> Markup:
    """The links to a page's sections, as (id, words)."""
    links = [element("li", element("a", words, href=f"#{name}")) for name, words in names]
    return element("nav", element("ul", *links), aria_label="On this page")


def section(name: str, title: str, *children: str) -> Markup:
    """A section with its heading, reachable as `#name`."""
    return element("section", element("h2", title, id=name), *children, aria_labelledby=name)


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], class_: str = "") -> Markup:
    """A table whose first column names the row; on a narrow page each row becomes a block (roles keep it a table)."""
    head = element("tr", *(element("th", column, scope="col", role="columnheader") for column in columns), role="row")
    body = [_table_row(columns, row) for row in rows]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", head, role="rowgroup"),
            element("tbody", *body, role="rowgroup"),
            role="table",
        ),
        class_=f"wide {class_}".strip(),
    )


def _table_row(columns: Sequence[str], row: Sequence[str]) -> Markup:
    first = element("th", row[0], scope="row", role="rowheader")
    rest = [
        element("td", cell, role="cell", data_column=column) for column, cell in zip(columns[1:], row[1:], strict=True)
    ]
    return element("tr", first, *rest, role="row")


def listed(items: Iterable[str], class_: str | None = None) -> Markup:
    """A list."""
    return element("ul", *(element("li", item) for item in items), class_=class_)


def folded(summary: str, *children: str, class_: str | None = None) -> Markup:
    """What is shown when somebody asks for it."""
    return element("details", element("summary", summary), *children, class_=class_)


def answer(*children: str, hidden: bool) -> Markup:
    """What a learner may be asked to predict: then behind a fold that not even a printer opens."""
    summary = "Predict first, then unfold: how the example ends"
    return folded(summary, element("div", *children), class_="answer") if hidden else joined(children)


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and values side by side, as below a title."""
    rows = [element("div", element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *rows, class_="facts")


def word(text: str) -> Markup:
    """ALLOW or DENY in its colour; any other text plain."""
    return element("span", text, class_=text if text in {"ALLOW", "DENY"} else None)


def sentence(text: str | None) -> str:
    """A clause as a sentence; "" stays "" and so becomes None."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
