"""Pages as a reader has them: their words, block by block, and the data that is embedded in them.

Run as a program it writes the golden texts of the decision pages anew.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from kmssim.evaluator.pdp import decide
from kmssim.pages.decision_data import decision_data
from kmssim.pages.decision_page import decision_page
from kmssim.scenario import load_scenario

FOLDER = Path(__file__).resolve().parent / "pages"
SCENARIO = load_scenario(FOLDER / "every_layer.json")
GOLDEN = {
    "denied_explicitly": "the worker decrypts a record outside of the nightly run",
    "two_permissions": "the worker re-encrypts a record under the same key",
    "open_question": "the worker describes the key",
    "never_authorized": "the worker names a key that is not there",
}
"""File of the golden text, and the request that it is about."""

_DATA = re.compile(r'<script type="application/json" id="([^"]*)">(.*?)</script>\n', re.DOTALL)
_INLINE = "a|b|code|span|wbr"


def embedded(page: str) -> dict[str, Any]:
    """Every block of data in the page, by its id."""
    return {name: json.loads(text) for name, text in _DATA.findall(page)}


def shown(page: str) -> str:
    """The page without its data: what a browser makes visible, drawings included."""
    return _DATA.sub("", page)


def blocks(page: str) -> list[str]:
    """The words of each block, without the drawings' second copy for narrow pages."""
    body = shown(page).partition("<body>")[2]
    body = re.sub(r'<svg class="drawing down".*?</svg>', "", body, flags=re.DOTALL)
    lines = re.sub(rf"</?(?:{_INLINE})(?: [^>]*)?>", "", body.replace("\n", "\0"))
    texts = (unescape(text).replace("\0", " ") for text in re.split(r"<[^>]+>", lines))
    return [" ".join(text.split()) for text in texts if text.replace("\0", " ").strip()]


def words(page: str) -> str:
    """All words in their order."""
    return " ".join(blocks(page))


def data_of(name: str) -> dict[str, Any]:
    """The data of a golden request's page."""
    request = SCENARIO.request(GOLDEN[name])
    return decision_data(request.name, decide(SCENARIO.world, request.call), "every_layer.json")


def golden(name: str) -> Path:
    return FOLDER / f"{name}.txt"


if __name__ == "__main__":
    for each in GOLDEN:
        golden(each).write_text("\n".join(blocks(decision_page(data_of(each)))) + "\n", encoding="utf-8")
