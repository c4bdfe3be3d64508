"""Single elements of moto's XML answers, read and replaced without touching the rest."""

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
    headers = {key: value for key, value in answer.headers.items() if key.lower() != "content-length"}
    return replace(answer, body=body.encode(), headers=headers)
