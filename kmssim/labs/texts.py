"""The texts of a lab in other languages: `text/LANG.json`, a sentence for each key; what is missing stays in English.

Keys: `title`, `objective`, `story`, `task`, `learned`, `claims.CHECK`, `because.CHECK`, `beliefs.WRONG`, `hints.LEVEL`,
`about.FILE`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kmssim.errors import InputError
from kmssim.labs.fields import TEXT, map_of
from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.strict_json import read_json

VARIABLE = "KMSSIM_LANG"
"""The environment variable that names a learner's language."""

_WHOLE = ("title", "objective", "story", "task", "learned")
_SENTENCES = map_of(TEXT)


def texts_of(metadata: Metadata) -> dict[str, str]:
    """Every text that a learner reads, by its key."""
    found = {name: getattr(metadata, name) for name in _WHOLE}
    found |= {f"claims.{check.id}": check.claim for check in metadata.checks}
    found |= {f"because.{check.id}": check.because for check in metadata.checks if check.because}
    found |= {f"beliefs.{wrong.name}": wrong.belief for wrong in metadata.wrong}
    found |= {f"hints.{hint.level}": hint.text for hint in metadata.hints}
    found |= {f"about.{edit.path}": edit.about for edit in metadata.edit}
    return found


def file_of(lab: Lab, language: str) -> Path:
    """Where the texts of a language are."""
    return lab.folder / "text" / f"{language}.json"


def read_texts(lab: Lab, metadata: Metadata, language: str) -> Mapping[str, str]:
    """The translated texts; none where there is no such file. Raises InputError for keys that the lab does not have."""
    file = file_of(lab, language)
    if not file.is_file():
        return {}
    try:
        said: dict[str, str] = _SENTENCES.read(read_json(file), "")
    except InputError as error:
        raise InputError(error.what, path=error.path, file=str(file), hint=error.hint) from None
    for key in said:
        if key not in texts_of(metadata):
            raise InputError(f"the lab has no text `{key}`", file=str(file))
    return said


def untranslated(lab: Lab, language: str) -> tuple[str, ...]:
    """The keys that have no text in a language yet."""
    metadata = lab.read_metadata()
    said = read_texts(lab, metadata, language)
    return tuple(key for key in texts_of(metadata) if key not in said)


def in_language(lab: Lab, metadata: Metadata, language: str | None = None) -> Metadata:
    """The metadata with the texts of a language, by default of KMSSIM_LANG, where there are some."""
    language = language or os.environ.get(VARIABLE, "")
    if not language or not language.isalpha():
        return metadata
    said = read_texts(lab, metadata, language)
    if not said:
        return metadata
    return replace(
        metadata,
        **{name: said.get(name, getattr(metadata, name)) for name in _WHOLE},
        checks=tuple(
            replace(
                check,
                claim=said.get(f"claims.{check.id}", check.claim),
                because=said.get(f"because.{check.id}", check.because),
            )
            for check in metadata.checks
        ),
        wrong=tuple(replace(wrong, belief=said.get(f"beliefs.{wrong.name}", wrong.belief)) for wrong in metadata.wrong),
        hints=tuple(replace(hint, text=said.get(f"hints.{hint.level}", hint.text)) for hint in metadata.hints),
        edit=tuple(replace(edit, about=said.get(f"about.{edit.path}", edit.about)) for edit in metadata.edit),
    )


def write_missing(lab: Lab, language: str) -> Path:
    """Complete the file of a language with the English texts, for somebody to translate."""
    metadata = lab.read_metadata()
    said = read_texts(lab, metadata, language)
    file = file_of(lab, language)
    file.parent.mkdir(exist_ok=True)
    whole = {key: said.get(key, english) for key, english in texts_of(metadata).items()}
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file
