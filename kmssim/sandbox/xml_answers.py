"""Single elements of moto's XML answers, read, replaced, added and taken out without touching the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from xml.sax.saxutils import escape, unescape

from kmssim.errors import SetupError
from kmssim.sandbox.answers import Answer


def read_element(body: bytes, name: str) -> str:
    """The text of the first element of that name. Raises SetupError when moto's answer has none."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", body.decode())
    if found is None:
        raise SetupError(f"moto's answer has no <{name}>; install a moto release that kmssim names in its dependencies")
    return unescape(found[1])


def with_elements(answer: Answer, texts: Mapping[str, str]) -> Answer:
    """The answer with the text of each element of these names replaced."""
    body = answer.body.decode()
    for name, text in texts.items():
        # cut apart rather than substituted, so that nothing in the text is read as a pattern
        body = f"<{name}>{escape(text)}</{name}>".join(re.split(rf"<{name}>[^<]*</{name}>|<{name} ?/>", body))
    return _with_body(answer, body)


def without_element(answer: Answer, name: str) -> Answer:
    """The answer without any element of that name."""
    return _with_body(answer, re.sub(rf"<{name}>[^<]*</{name}>", "", answer.body.decode()))


def with_element(answer: Answer, parent: str, name: str, text: str) -> Answer:
    """The answer with one more element, the last in its parent."""
    end = f"</{parent}>"
    return _with_body(answer, answer.body.decode().replace(end, f"<{name}>{escape(text)}</{name}>{end}", 1))


def _with_body(answer: Answer, body: str) -> Answer:
    headers = {key: value for key, value in answer.headers.items() if key.lower() != "content-length"}
    return replace(answer, body=body.encode(), headers=headers)
