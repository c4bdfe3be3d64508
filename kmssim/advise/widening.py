"""A statement's conditions changed by this call's value, and by no more: an Allow widened, a Deny narrowed."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from kmssim.advise.edits import as_list
from kmssim.advise.proposal import Document
from kmssim.advise.statements import plain
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Condition, holds
from kmssim.evaluator.decision import PermissionTrace
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import ContextValue
from kmssim.evaluator.statements import Effect, Statement

_BY_VALUE = frozenset({
    "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "BinaryEquals", "NumericEquals",
    "DateEquals", "IpAddress",
})  # fmt: skip
_BOUNDS = frozenset({
    "NumericLessThanEquals", "NumericGreaterThanEquals", "DateLessThanEquals", "DateGreaterThanEquals",
})  # fmt: skip


def unmet(statement: Statement, permission: PermissionTrace) -> list[Condition]:
    """The conditions of a statement that the request does not meet."""
    in_deny = statement.effect is Effect.DENY
    context = permission.context
    return [one for one in statement.conditions if not holds(one, context, OpenQuestions(), in_deny=in_deny)]


def widened(document: Document, conditions: Iterable[Condition], permission: PermissionTrace) -> Document | None:
    """The Allow with each of the conditions meeting this call's value, too; None where one cannot."""
    changed: Any = copy.deepcopy(dict(document))
    for condition in conditions:
        value = permission.context.get(condition.key)
        if value is None or not _admit(changed["Condition"], condition, value):
            return None
    return _tidy(changed)


def narrowed(document: Document, condition: Condition, permission: PermissionTrace) -> Document | None:
    """The Deny without this call's value; None where the condition holds by something else than values."""
    value = permission.context.get(condition.key)
    changed: Any = copy.deepcopy(dict(document))
    if value is None or not condition.operator.negated or not _append(changed["Condition"], condition, value):
        return None
    return changed  # type: ignore[no-any-return]


def exempted(document: Document, caller: Caller) -> Document:
    """The statement for everybody but the caller."""
    changed: Any = copy.deepcopy(dict(document))
    block = changed.setdefault("Condition", {})
    operator, key, value = (
        ("StringNotEquals", "aws:PrincipalServiceName", caller.principal.name)
        if caller.is_service
        else ("ArnNotEquals", "aws:PrincipalArn", caller.issuer_arn)
    )
    line = block.setdefault(operator, {})
    line[key] = [*as_list(line[key]), value] if key in line else value
    return changed  # type: ignore[no-any-return]


def _admit(block: Any, condition: Condition, value: ContextValue) -> bool:  # noqa: ANN401 - part of a document
    name = condition.operator.name
    if condition.operator.negated:
        return _take_out(block, condition, value)
    if name in _BOUNDS and isinstance(value, str):
        block[condition.written_operator][condition.written_key] = value
        return True
    return name in _BY_VALUE and _append(block, condition, value)


def _append(block: Any, condition: Condition, value: ContextValue) -> bool:  # noqa: ANN401 - part of a document
    """Add the value to a line; of several values those that the set operator needs."""
    line = block[condition.written_operator]
    wanted = _needed(condition, value)
    if wanted is None:
        return False
    suffix = "/32" if condition.operator.name in {"IpAddress", "NotIpAddress"} and ":" not in wanted[0] else ""
    texts = [_literal(condition, one) + suffix for one in wanted]
    line[condition.written_key] = list(dict.fromkeys([*as_list(line[condition.written_key]), *texts]))
    return True


def _needed(condition: Condition, value: ContextValue) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    if not condition.qualifier or not value:
        return None
    everything = (condition.qualifier == "ForAllValues") is not condition.operator.negated
    return value if everything else value[:1]


def _literal(condition: Condition, value: str) -> str:
    text = plain(value) if condition.operator.variables else value
    return text.replace("*", "${*}").replace("?", "${?}") if condition.operator.wildcards else text


def _take_out(block: Any, condition: Condition, value: ContextValue) -> bool:  # noqa: ANN401 - part of a document
    """Take the values that the call has out of a negated line."""
    if not isinstance(value, str) or condition.prepared is None:
        return False
    listed = as_list(block[condition.written_operator][condition.written_key])
    prepared = condition.prepared
    kept = [text for text, one in zip(listed, prepared, strict=True) if not condition.operator.test(one, value)]
    if len(kept) == len(listed) or any("*" in text or "/" in text for text in set(listed) - set(kept)):
        return False  # a pattern that covers the value covers others as well
    block[condition.written_operator][condition.written_key] = kept
    return True


def _tidy(document: Any) -> Document:  # noqa: ANN401 - a statement
    """Without lines and operators that have lost their last value."""
    block = {
        operator: {key: values for key, values in lines.items() if values != []}
        for operator, lines in document.get("Condition", {}).items()
    }
    block = {operator: lines for operator, lines in block.items() if lines}
    rest = {name: value for name, value in document.items() if name != "Condition"}
    return {**rest, "Condition": block} if block else rest
