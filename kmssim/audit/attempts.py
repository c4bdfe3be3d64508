"""Calls that try to meet a statement: a plain one, then one that brings what the statement's conditions ask for.

Whether one of them meets it is always decided, never assumed. What a caller can choose is tried, what the world fixes
(who calls, which key) is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kmssim.access import Question, call_for
from kmssim.audit.condition_keys import is_known
from kmssim.evaluator.conditions import NULL, Condition, read_date, read_number
from kmssim.evaluator.request import Call, ContextValue, Principal
from kmssim.evaluator.statements import Statement
from kmssim.evaluator.world import Key, World

_CONTEXT_PREFIX = "kms:encryptioncontext:"
_MOST_VALUES = 8

Choosable = Callable[[str], bool]

_FIXED_PREFIXES = ("aws:principal", "aws:resource", "kms:key", "kms:multiregion", "kms:customermasterkey")
_FIXED = frozenset({"aws:requestedregion", "aws:username", "kms:calleraccount", "kms:resourcealiases"})


def by_anybody(key: str) -> bool:
    """Whether some caller, at some time, could bring this condition key with any value."""
    if key.startswith("aws:principaltag/"):
        return True  # a session may bring tags
    return is_known(key) and not key.startswith(_FIXED_PREFIXES) and key not in _FIXED


def by_stranger(_key: str) -> bool:
    """A stranger chooses the encryption context and the service, which are tried in any case, and nothing more."""
    return False


@dataclass(frozen=True)
class Attempt:
    """What is tried: `principal` does `action` on `key` so that `statement` applies."""

    statement: Statement
    principal: Principal
    action: str
    key: Key
    world: World
    choosable: Choosable = by_anybody

    def calls(self) -> Iterator[Call]:
        """The plain call first, then those with what the conditions ask for, value by value."""
        yield call_for(Question(self.principal, self.action, self.key.arn), self.world)
        if self.statement.conditions:
            most = max(len(condition.values) for condition in self.statement.conditions)
            yield from (self._dressed(turn) for turn in range(min(most, _MOST_VALUES)))

    def _dressed(self, turn: int) -> Call:
        pairs: dict[str, str] = {}
        context: dict[str, ContextValue] = {}
        via: str | None = None
        for condition in self.statement.conditions:
            wanted = sample(condition, turn)
            if wanted is None:
                continue
            if condition.key.startswith(_CONTEXT_PREFIX):
                pairs[condition.written_key[len(_CONTEXT_PREFIX) :]] = wanted
            elif condition.key == "kms:encryptioncontextkeys":
                pairs.setdefault(wanted, "kmssim")
            elif condition.key == "kms:viaservice":
                via = wanted
            elif self.choosable(condition.key):
                context[condition.key] = (wanted,) if condition.qualifier else wanted
        asked = Question(self.principal, self.action, self.key.arn, tuple(sorted(pairs.items())) or None, via)
        call = replace(call_for(asked, self.world), context=context)
        if self.action == "kms:CreateGrant" and pairs:
            call = replace(call, parameters={**call.parameters, "Constraints": {"EncryptionContextSubset": pairs}})
        return call


def sample(condition: Condition, turn: int = 0) -> str | None:
    """A value that the condition takes; None where it is met best by no value at all, or by one that nobody knows."""
    if not condition.values:
        return None
    value = condition.values[turn % len(condition.values)]
    if condition.operator is NULL:
        return "kmssim" if value.lower() == "false" else None
    if condition.operator.negated:
        return "kmssim-other" if condition.qualifier == "ForAnyValue" else None
    if condition.variables:
        return None
    name = condition.operator.name
    if name.startswith(("Numeric", "Date")):
        return _beside_limit(name, value)
    if name == "IpAddress":
        return value.partition("/")[0]
    return value.replace("*", "any").replace("?", "a") if condition.operator.wildcards else value


def _beside_limit(name: str, value: str) -> str | None:
    """A number or moment on the right side of a limit."""
    limit = read_date(value) if name.startswith("Date") else read_number(value)
    if limit is None:
        return None
    step = -1 if "LessThan" in name else 1 if "GreaterThan" in name else 0
    moved = limit + step
    return str(int(moved)) if moved == int(moved) else str(moved)


def has_variables(statement: Statement) -> bool:
    """Whether a condition compares with what only a request knows."""
    return any(condition.variables for condition in statement.conditions)
