"""A report in words: what passed, and of the first failure the whole lesson. Plain, it reads well aloud.

Words carry the meaning and symbols none; colour comes second, on a terminal only.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import click

from kmssim.diff.changes import ChangeKind
from kmssim.labs.beliefs import find_belief
from kmssim.labs.lesson import LayerRow, Lesson, Quoted, grouped_changes, layer_rows, lines_around, request_text
from kmssim.labs.outcomes import Outcome, Report, Result
from kmssim.labs.slips import find_slips

_WIDTH = 100
_INSIDE = " " * 8
_MOST_PRINTED = 12
_MOST_GROUPS = 8
_MOST_ACTIONS = 4


@dataclass(frozen=True)
class Style:
    """`plain`: one fact a line, no columns. `color`: on a terminal that has some."""

    plain: bool = False
    color: bool = False

    def mark(self, outcome: Outcome) -> str:
        """The outcome's word, padded to a column."""
        word = _WORDS[outcome]
        if not self.color:
            return f"{word:<5}"
        shade = "green" if outcome is Outcome.PASSED else "yellow" if outcome is Outcome.OPEN_QUESTION else "red"
        return click.style(f"{word:<5}", fg=shade, bold=True)


_WORDS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.TIME_LIMIT: "TIME",
    Outcome.OPEN_QUESTION: "OPEN",
    Outcome.UNREADABLE: "READ",
    Outcome.BROKEN: "OURS",
    Outcome.MACHINE: "HERE",
}
_FAULTS = {
    Outcome.BROKEN: "This is our fault and not yours: the lab is broken. Please report it with this line.",
    Outcome.MACHINE: "This is the machine's fault and not yours. `kmssim lab doctor` says what is missing.",
}


def report_text(report: Report, style: Style) -> str:
    """A whole report, with its lesson. Ends with a line feed."""
    lines = _plain_lines(report) if style.plain else _lines(report, style)
    return "\n".join(lines) + "\n"


def failure_text(report: Report, style: Style, check: str | None = None) -> str:
    """The lesson of one check, by default of the first that failed; "" where it did not fail."""
    if report.unreadable:
        return "\n".join(_unreadable_plain(report))
    result = next((each for each in report.results if each.check.id == check), report.first_failed)
    if result is None or result.counts_as_passed:
        return ""
    lines = _plain_lesson(report, result) if style.plain else _lesson(report, result)
    return "\n".join([f"{result.check.id}: {result.check.claim}", *lines])


def _lines(report: Report, style: Style) -> Iterator[str]:
    metadata = report.variant.metadata
    total = len(metadata.checks)
    title = f"{metadata.id}  {metadata.title}"
    yield f"{title:<60}  {report.passed} of {total} checks"
    yield ""
    if report.unreadable:
        yield from _unreadable(report)
        return
    widest = max(len(each.check.id) for each in report.results)
    for each in report.results:
        yield f"  {style.mark(each.outcome)} {each.check.id:<{widest}}  {each.check.claim}"
        if each is report.first_failed:
            yield ""
            yield from _lesson(report, each)
            yield ""
        elif each.outcome is Outcome.OPEN_QUESTION:
            yield f"{_INSIDE}{each.said}"


def _unreadable(report: Report) -> Iterator[str]:
    word = "AWS refuses the policy" if report.refused else "your file cannot be read"
    yield f"  {word}"
    yield from _wrapped(report.unreadable)
    if report.spot:
        yield ""
        for quoted in lines_around(report.variant, report.spot):
            yield from _quoted(quoted)
    yield from _belief(report)


def _lesson(report: Report, result: Result) -> Iterator[str]:
    lesson = Lesson(report, result)
    decision = result.decision
    if decision is not None:
        yield f"{_INSIDE}request   {request_text(decision.call, report.world)}"
    yield from _answer(result)
    if decision is not None and result.outcome is Outcome.FAILED and _shows_decision(result):
        yield ""
        yield from _table(layer_rows(decision))
    yield from _changes(result)
    for quoted in (*lesson.places, *_slips(report, result)):
        yield ""
        yield from _quoted(quoted)
    yield from _printed(result)
    for sentence in _reasons(lesson):
        yield from _wrapped(sentence)
    yield from _belief(report, result)


def _slips(report: Report, result: Result) -> tuple[Quoted, ...]:
    """With the first failure alone, whatever it is about: what does not exist may be behind any."""
    return find_slips(report) if result is report.first_failed else ()


def _reasons(lesson: Lesson) -> Iterator[str]:
    """The rules, and what the lab says of this check; nothing of a question that nobody has answered."""
    result = lesson.result
    if result.outcome is not Outcome.FAILED or not _shows_decision(result):
        return
    yield from (f"rule {name}: {text}" for name, text in lesson.rules)
    if result.check.because:
        yield result.check.because


def _shows_decision(result: Result) -> bool:
    """A question that nobody answered yet keeps its secret."""
    return result.guess is None or None not in result.guess.given.values()


def _answer(result: Result) -> Iterator[str]:
    if result.outcome in _FAULTS:
        yield from _wrapped(result.said)
        yield from _wrapped(_FAULTS[result.outcome])
    elif result.check.expect and result.decision is not None:
        failure = result.decision.failure
        seen = f", the caller sees {failure.code}" if failure else ""
        yield f"{_INSIDE}answer    {result.decision.word}{seen}; {_expected(result)}"
    else:
        yield from _wrapped(_sentence(result.said))


def _expected(result: Result) -> str:
    check = result.check
    parts = [f"expected {check.expect}"]
    if check.layers is not None:
        parts.append(f"by {' and '.join(check.layers)}")
    if check.has_error:
        parts.append(f"and {check.error or 'no error'}")
    return " ".join(parts)


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    return f"{text[:1].upper()}{text[1:]}" if first.isalpha() else text  # the name of a file or function stays


def _table(rows: list[LayerRow]) -> Iterator[str]:
    """The layers; those that do not apply share a line."""
    idle = [row.name for row in rows if row.verdict == "not applicable"]
    shown = [row for row in rows if row.verdict != "not applicable"]
    width = max([len(row.name) for row in shown], default=0) + 2
    for row in shown:
        note = f"   {row.note}" if row.note else ""
        decides = "   decides" if row.decides else ""
        yield f"{_INSIDE}{row.name:<{width}}{row.verdict:<7}{decides}{note}".rstrip()
    if idle:
        yield f"{_INSIDE}not applicable: {', '.join(idle)}"


def _changes(result: Result) -> Iterator[str]:
    for kind, title in ((ChangeKind.GAINED, "allowed now"), (ChangeKind.LOST, "refused now")):
        groups = grouped_changes(change for change in result.changes if change.kind is kind)
        if groups:
            yield f"{_INSIDE}{title}:"
        for group in groups[:_MOST_GROUPS]:
            shown = ", ".join(group.actions[:_MOST_ACTIONS])
            more = len(group.actions) - _MOST_ACTIONS
            yield f"{_INSIDE}  {group.who}  {group.where}  {shown}{f' and {more} more' if more > 0 else ''}"
        if len(groups) > _MOST_GROUPS:
            yield f"{_INSIDE}  and {len(groups) - _MOST_GROUPS} more callers or circumstances"


def _quoted(quoted: Quoted) -> Iterator[str]:
    yield f"{_INSIDE}{quoted.spot.path}:{quoted.spot.line}:{quoted.spot.column}"
    for number, text in quoted.lines:
        yield f"{_INSIDE}{number:>4} | {text}"
    if quoted.remark:
        yield f"{_INSIDE}     | {quoted.remark}"


def _printed(result: Result) -> Iterator[str]:
    lines = result.printed.splitlines()
    if lines:
        yield f"{_INSIDE}{'details' if result.outcome is Outcome.BROKEN else 'your code printed'}:"
        yield from (f"{_INSIDE}  {line}" for line in lines[-_MOST_PRINTED:])


def _belief(report: Report, result: Result | None = None) -> Iterator[str]:
    """The belief behind a known wrong answer, with the first failure; or with a policy that AWS refuses."""
    if result is not None and (result is not report.first_failed or result.outcome is not Outcome.FAILED):
        return
    wrong = find_belief(report)
    if wrong is not None:
        belief = wrong.belief.rstrip(".")
        named = f" ({wrong.misconception})" if wrong.misconception else ""
        yield from _wrapped(f'You seem to think: "{belief}."{named}')


def _wrapped(text: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield from textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=_INSIDE,
            subsequent_indent=_INSIDE,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _plain_lines(report: Report) -> Iterator[str]:
    metadata = report.variant.metadata
    yield f"lab {metadata.id}. {metadata.title}. {report.passed} of {len(metadata.checks)} checks pass."
    if report.unreadable:
        yield from _unreadable_plain(report)
        return
    for each in report.results:
        yield f"check {each.check.id}: {each.outcome.value}. {each.check.claim}"
        if each is report.first_failed:
            yield from _plain_lesson(report, each)


def _unreadable_plain(report: Report) -> Iterator[str]:
    where = f"exercise/{report.spot.path} line {report.spot.line} column {report.spot.column}: " if report.spot else ""
    word = "AWS refuses the policy." if report.refused else "your file cannot be read."
    yield f"{word} {where}{report.unreadable}"
    yield from (line.strip() for line in _belief(report))


def _plain_lesson(report: Report, result: Result) -> Iterator[str]:
    lesson = Lesson(report, result)
    yield from _plain_answer(report, result)
    for line in _changes(result):
        yield " ".join(line.split())
    for quoted in (*lesson.places, *_slips(report, result)):
        place = f"file {quoted.spot.path} line {quoted.spot.line} column {quoted.spot.column}"
        told = f"{place}: {quoted.remark}" if quoted.remark else place
        yield told if told.endswith((".", "?")) else f"{told}."
    for line in _printed(result):
        yield line.strip()
    yield from _reasons(lesson)
    yield from (line.strip() for line in _belief(report, result))


def _plain_answer(report: Report, result: Result) -> Iterator[str]:
    decision = result.decision
    if decision is not None:
        yield f"request: {', '.join(request_text(decision.call, report.world).split('  '))}."
    if result.check.expect and decision is not None and result.outcome is Outcome.FAILED:
        yield f"answer: {decision.word}. {_expected(result)}."
    else:
        yield _sentence(result.said)
    if result.outcome in _FAULTS:
        yield _FAULTS[result.outcome]
    if decision is not None and result.outcome is Outcome.FAILED and _shows_decision(result):
        for row in layer_rows(decision):
            if row.decides:
                yield f"decided by: {row.name}, {row.verdict}{f', {row.note}' if row.note else ''}."
