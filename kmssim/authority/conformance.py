"""Does an authority rule as the rule in Python does? On every input there is, and on input that is none.

Agreement is proved, not sampled: `Facts` are finite, so an engine or a server can be asked about all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypedDict

from kmssim.authority.engines import Engine
from kmssim.authority.exchange import Document, read_ruling, write_facts
from kmssim.authority.policy import BATCH, DECISION
from kmssim.errors import AuthorityError
from kmssim.evaluator.combine import combine
from kmssim.evaluator.decision import Facts
from kmssim.evaluator.domain import all_facts, facts_without_denies

_AT_ONCE = 256
_MOST_SHOWN = 5


class Conformance(TypedDict):
    """How many inputs were asked about, how many answers were wrong, and the first few of those in words."""

    asked: int
    wrong: int
    examples: list[str]


def domain(*, whole: bool) -> Iterator[Facts]:
    """Every input there is; or the part in which no layer denies, where all the paths are."""
    return all_facts() if whole else facts_without_denies()


def check(engine: Engine, facts: Iterable[Facts], advance: Callable[[int], None]) -> Conformance:
    """Ask about `facts` and about the malformed inputs; `advance` is told after how many more.

    Raises AuthorityError when the engine gives no list of answers.
    """
    report = Conformance(asked=0, wrong=0, examples=[])
    waiting = iter(facts)
    while asked := list(islice(waiting, _AT_ONCE)):
        answers = engine.ask(BATCH, {"requests": [write_facts(one) for one in asked]})
        if not isinstance(answers, list) or len(answers) != len(asked):
            raise AuthorityError(f"{engine.name} does not give one answer for each of {len(asked)} inputs")
        for one, answer in zip(asked, answers, strict=True):
            _note(report, _difference(one, answer))
        advance(len(asked))
    for document in malformed_documents():
        _note(report, _acceptance(engine, document))
    return report


def _note(report: Conformance, wrong: str) -> None:
    report["asked"] += 1
    report["wrong"] += bool(wrong)
    if wrong and len(report["examples"]) < _MOST_SHOWN:
        report["examples"].append(wrong)


def _difference(facts: Facts, answer: object) -> str:
    try:
        same = read_ruling(answer) == combine(facts)
    except AuthorityError as error:
        return f"{error}; facts: {write_facts(facts)}"
    return "" if same else f"{answer} for {write_facts(facts)}"


def _acceptance(engine: Engine, document: object) -> str:
    """What is wrong with the answer to input that cannot be read: anything but a refusal to read it."""
    try:
        answer = engine.ask(DECISION, document)
    except AuthorityError:
        return ""
    refused = isinstance(answer, Mapping) and answer.get("allowed") is False and answer.get("reason") == "invalid_input"
    return "" if refused else f"{answer} for {document!r}"


def malformed_documents() -> Iterator[object]:
    """Inputs that nobody may allow: members missing, too many, misspelt, of another type; and no documents at all."""
    good = write_facts(next(facts_without_denies()))
    yield from ([], {}, None, True, "x", 5, [good], {"requests": [good]}, {"facts": good})
    for name in good:
        yield {member: value for member, value in good.items() if member != name}
        yield from ({**good, name: value} for value in _odd_values(name))
    yield {**good, "extra": None}
    yield from _malformed_verdicts(good)


def _odd_values(member: str) -> Iterator[object]:
    may_be_null = member in {"direct", "granted"}
    is_flag = member in {"same_account", "delegated", "granted_to_account"}
    yield from (0, 1, 1.5, "", "true", "KEY", "Nothing", 'q"u\\o\nte', "\u0000", [], ["key"], {}, {"key": True})
    yield from () if may_be_null else (None,)
    yield from () if is_flag else (True, False)


def _malformed_verdicts(good: Document) -> Iterator[Document]:
    verdicts = good["verdicts"]
    assert isinstance(verdicts, dict)  # noqa: S101 - written above
    for layer in verdicts:
        rest = {name: verdict for name, verdict in verdicts.items() if name != layer}
        yield {**good, "verdicts": rest}
        yield {**good, "verdicts": {**rest, layer.upper(): "allow"}}
        for odd in ("Allow", "", "allow ", "all\u0000w", None, True, 1, ["allow"], {"a": 1}):
            yield {**good, "verdicts": {**verdicts, layer: odd}}
    yield from ({**good, "verdicts": {**verdicts, "extra": verdict}} for verdict in ("allow", "deny", None))
