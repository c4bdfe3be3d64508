"""The statements that caller, action and resource leave open, held against the condition keys of one request.

Most of their conditions are plain: they look at one value of one key alone, and hold or do not. These are asked in a
loop; of anything else `match` is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kmssim.evaluator.alike import Seen
from kmssim.evaluator.asked import Asked
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.decision import Mismatch
from kmssim.evaluator.match import Request, applies, mismatch
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.statements import PolicyKind, Statement


class _Line(NamedTuple):
    """A condition that looks at one value alone: its key, what satisfies it, and whether it holds without any value."""

    key: str
    is_satisfied_by: Callable[[str], bool]
    holds_when_absent: bool


class Open(NamedTuple):
    """A statement that caller, action and resource leave open. `lines`, when nothing else has to be asked of it."""

    statement: Statement
    kind: PolicyKind
    lines: tuple[_Line, ...] | None


_Unmet = tuple[int, str | None]
"""The place of a line that is not met, and the value that did not meet it."""
Outcome = Mismatch | _Unmet | None
"""What keeps an open statement from applying, None: nothing does."""


def answers_of(statements: tuple[Open, ...], request: Request, questions: OpenQuestions) -> tuple[bool, ...]:
    """Which of the open statements apply."""
    answers = []
    for statement, kind, lines in statements:
        unmet = _unmet_line(lines, request.context)
        answers.append(applies(statement, request, kind, questions) if unmet is _NOT_PLAIN else unmet is None)
    return tuple(answers)


def outcomes_of(statements: tuple[Open, ...], asked: Asked) -> tuple[Outcome, ...]:
    """What keeps each of the open statements from applying: all that a trace tells of it follows from that."""
    request = asked.request
    outcomes: list[Outcome] = []
    for statement, kind, lines in statements:
        unmet = _unmet_line(lines, request.context)
        outcomes.append(mismatch(statement, request, kind, asked.questions) if unmet is _NOT_PLAIN else unmet)
    return tuple(outcomes)


_NOT_PLAIN: _Unmet = (-1, None)


def _unmet_line(lines: tuple[_Line, ...] | None, context: Context) -> _Unmet | None:
    """The first line that is not met; `_NOT_PLAIN` where there is more to be asked, as of a value that is no text."""
    if lines is None:
        return _NOT_PLAIN
    for at, (key, is_satisfied_by, holds_when_absent) in enumerate(lines):
        value = context.get(key)
        if value is not None and not isinstance(value, str):
            return _NOT_PLAIN
        if not (holds_when_absent if value is None else is_satisfied_by(value)):
            return at, value
    return None


def open_statements(seen: Iterable[Seen]) -> tuple[Open, ...]:
    """The open statements of all policies, in their order."""
    return tuple(
        Open(statement, kind, _lines_of(statement, kind))
        for kind, view in seen
        for statement in (*view.open_denies, *view.open_allows)
    )


def keys_of(statements: tuple[Open, ...]) -> tuple[str, ...]:
    """All condition keys that may have a say on whether the statements apply."""
    return tuple(dict.fromkeys(key for one in statements for key in one.statement.keys))


def _lines_of(statement: Statement, kind: PolicyKind) -> tuple[_Line, ...] | None:
    """The conditions, where they are all that is open, and each looks at one value alone (CK-42 looks at more)."""
    element, principal = statement.resource, statement.principal
    by_key_policy = kind is PolicyKind.KEY_POLICY
    plain = element is not None and (element.is_anything or (element.patterns is not None and not by_key_policy))
    if not plain or (principal is not None and principal.negated):
        return None
    lines: list[_Line] = []
    for condition in statement.conditions:
        satisfied = condition.is_satisfied_by
        if satisfied is None or condition.is_contradicted or (by_key_policy and condition.is_for_iam_only):
            return None
        lines.append(_Line(condition.key, satisfied, condition.holds_when_absent))
    return tuple(lines)
