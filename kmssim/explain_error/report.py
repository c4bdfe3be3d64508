"""A reading of an error, and a world's answer → text and data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from kmssim.explain_error.in_world import Fit, NotAsked, WorldAnswer
from kmssim.explain_error.reading import Reading
from kmssim.explain_error.sentence import Sentence

Json = dict[str, Any]

_WIDTH = 80

FITS: Mapping[Fit, str] = {
    Fit.SAME: "This world denies the same call, and for the reason that the sentence gives",
    Fit.OTHER_REASON: "This world denies the same call as well, but not for the reason that the sentence gives",
    Fit.ALLOWED: "This world would allow the call, so something is missing in it",
}


def reading_json(reading: Reading, world: str | None, answer: WorldAnswer | NotAsked | None) -> Json:
    """The reading in the words that tools read; `world` is null where none was asked."""
    return {
        **_sentence_json(reading.sentence),
        "meaning": reading.meaning,
        "open": reading.opens,
        "command": reading.command or None,
        "causes": [{"text": cause.text, "rules": list(cause.rules)} for cause in reading.causes],
        "rules": list(reading.rules),
        "world": None if world is None or answer is None else _answer_json(world, answer),
    }


def _sentence_json(sentence: Sentence) -> Json:
    return {
        "form": sentence.form.value,
        "code": sentence.code,
        "message": sentence.message,
        "principal": sentence.user,
        "action": sentence.action,
        "resource": sentence.resource,
        "layer": sentence.layer.value if sentence.layer else None,
        "explicit": sentence.explicit,
        "policy": sentence.policy_arn,
        "authorization_id": sentence.authorization_id,
        "cut_off": sentence.is_cut,
    }


def _answer_json(world: str, answer: WorldAnswer | NotAsked) -> Json:
    if isinstance(answer, NotAsked):
        return {"name": world, "fit": None, "why_not": answer.why}
    return {
        "name": world,
        "fit": answer.fit.value,
        "because": answer.because,
        "resource": answer.resource,
        "statements": [
            {"layer": one.layer.value, "where": one.where, "sid": one.sid, "text": one.text, "rule": one.rule}
            for one in answer.statements
        ],
        "missing": list(answer.missing),
    }


def reading_text(reading: Reading, world: str | None, answer: WorldAnswer | NotAsked | None) -> str:
    """The reading for a person, at most 80 columns where names permit."""
    lines = [*_reading_lines(reading)]
    if world is not None and answer is not None:
        lines += ["", *_world_lines(world, answer)]
    return "\n".join(lines) + "\n"


def _reading_lines(reading: Reading) -> Iterator[str]:
    yield from _wrapped(f"{_capital(reading.meaning)}. [{', '.join(reading.rules)}]")
    yield ""
    for name, value in _named(reading.sentence):
        yield f"{name + ':':11}{value}"
    if reading.sentence.is_cut:
        yield from _wrapped("The end of the sentence is missing.")
    yield from _wrapped(f"Open:      {reading.opens}.", 11)
    if reading.command:
        yield from (f"{' ' * 11}{command}" for command in reading.command.split("; "))
    yield ""
    yield "What can have gone wrong, likeliest first:"
    for number, cause in enumerate(reading.causes, 1):
        yield from _wrapped(f"{number:2}. {_capital(cause.text)}. [{', '.join(cause.rules)}]", 4)


def _named(sentence: Sentence) -> Iterator[tuple[str, str]]:
    parts = {
        "Caller": sentence.user,
        "Action": sentence.action,
        "Resource": sentence.resource,
        "Policy": sentence.policy_arn,
        "Details": sentence.authorization_id and f"authorization {sentence.authorization_id}",
        "Error": sentence.code,
    }
    yield from ((name, value) for name, value in parts.items() if value)


def _world_lines(world: str, answer: WorldAnswer | NotAsked) -> Iterator[str]:
    if isinstance(answer, NotAsked):
        yield from _wrapped(f"{world} was not asked: {answer.why}.")
        return
    yield from _wrapped(f"{FITS[answer.fit]} ({world}).")
    yield from _wrapped(f"Because {answer.because}.")
    for statement in answer.statements:
        sid = f' "{statement.sid}"' if statement.sid else ""
        rule = f" [{statement.rule}]" if statement.rule else ""
        yield from _wrapped(
            f"  {statement.layer.value}  {statement.where or 'AWS default'}{sid} {statement.text}{rule}", 4
        )
    if answer.missing:
        yield "What it may be missing:"
        for each in answer.missing:
            yield from _wrapped(f"  - {_capital(each)}.", 4)


def _capital(text: str) -> str:
    """With a capital letter, unless it begins with an action."""
    return text if ":" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def _wrapped(text: str, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
