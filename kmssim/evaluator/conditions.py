"""Condition operators: one table, and the truth rules for absent keys, sets and variables (rule book section 2).

A `Condition` is one line of a `Condition` block: operator, key, values. All lines are ANDed (CO-1); the values of one
line are ORed for positive operators and NORed for negated ones (CO-2, CO-3). Evaluating cannot fail: a value that an
operator cannot read is no match (CO-23, CO-24).
"""

from __future__ import annotations

import base64
import operator as compare
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, cast

from kmssim.evaluator.patterns import (
    Pattern,
    Template,
    Variable,
    fill,
    literal,
    matches,
    matches_arn_part_by_part,
    parse_template,
)
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.unlocked import cached_property


@dataclass(frozen=True)
class Ambiguous:
    """Values that help no Allow: by default of names that differ only in case, which policies cannot tell apart."""

    values: tuple[str, ...]
    why: str = "two names that differ only in case"
    rule: str = "CO-13"


PlainValue = str | tuple[str, ...] | Ambiguous | None


@dataclass(frozen=True)
class Doubtful:
    """A value that rests on an open question: what is read by default, and what by its other reading."""

    question: str
    default: PlainValue
    other: PlainValue


Value = str | tuple[str, ...] | Ambiguous | Doubtful
Context = Mapping[str, Value]
"""Condition keys of one request, names in lower case (CO-12). A key that is not there is absent."""


@dataclass(frozen=True)
class Operator:
    """A condition operator.

    `prepare` reads a policy value once, `test(prepared, found)` compares it with one request value, before negation.
    """

    name: str
    prepare: Callable[[Pattern], Any]
    test: Callable[[Any, str], bool]
    negated: bool = False
    variables: bool = False
    wildcards: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes by name."""
        return _operator_named, (self.name,)


@dataclass(frozen=True)
class Condition:
    """One operator on one key. `qualifier` is "", `ForAllValues` or `ForAnyValue`; `key` is in lower case."""

    operator: Operator
    qualifier: str
    if_exists: bool
    key: str
    written_key: str
    values: tuple[str, ...]
    templates: tuple[Template, ...]

    @cached_property
    def prepared(self) -> tuple[Any, ...] | None:
        """The values as the operator reads them; None where they have variables, which each request fills in."""
        if self.variables:
            return None
        return tuple(self.operator.prepare(cast("Pattern", template)) for template in self.templates)

    @cached_property
    def is_satisfied_by(self) -> Callable[[str], bool] | None:
        """Whether one value of the request satisfies the line: is one of its values (CO-2), or none of them (CO-3).

        None where that takes more than the value: the request's variables, or whether there is one (`Null`).
        """
        if self.prepared is None or self.operator is NULL:
            return None
        return partial(_is_satisfied, self.operator, self.prepared)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as what was read, without what was found out since."""
        read = (self.operator, self.qualifier, self.if_exists, self.key, self.written_key, self.values, self.templates)
        return Condition, read

    @cached_property
    def variables(self) -> frozenset[str]:
        """The context keys that the values refer to."""
        return frozenset(token.key for template in self.templates for token in template if isinstance(token, Variable))

    @cached_property
    def is_for_iam_only(self) -> bool:
        """Whether it looks at a key, itself or by a variable, that AWS documents for IAM policies only (CK-42)."""
        return any(is_for_iam_only(key) for key in (self.key, *self.variables))

    @cached_property
    def holds_when_absent(self) -> bool:
        """CO-4, CO-5, CO-7, CO-8: what the operator says of a key that is not there."""
        if self.if_exists or self.qualifier == "ForAllValues":
            return True
        return self.operator.negated and self.qualifier != "ForAnyValue"

    @cached_property
    def is_contradicted(self) -> bool:
        """Whether AWS's examples say otherwise of the key that is not there (UN-4)."""
        return (self.qualifier, self.operator.name, self.key) == _CONTRADICTED and not self.if_exists

    @cached_property
    def written(self) -> str:
        """The line as people read it: operator, key and values."""
        return f"{self.written_operator} {self.written_key}: {', '.join(self.values)}"

    @property
    def written_operator(self) -> str:
        """The operator as the policy writes it, e.g. `ForAnyValue:StringLikeIfExists`."""
        return (
            (f"{self.qualifier}:" if self.qualifier else "")
            + self.operator.name
            + ("IfExists" if self.if_exists else "")
        )


def _lowered(wanted: Pattern) -> str:
    return literal(wanted).lower()


def _equals_ignoring_case(wanted: str, found: str) -> bool:
    return wanted == found.lower()


def _bool(wanted: str, found: str) -> bool:
    return wanted == found.lower() and wanted in {"true", "false"}


@lru_cache(maxsize=4096)
def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _binary(wanted: Pattern) -> bytes | None:
    return _decoded(literal(wanted))


def _binary_equals(wanted: bytes | None, found: str) -> bool:
    return wanted is not None and wanted == _decoded(found)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@lru_cache(maxsize=4096)
def read_number(text: str) -> float | None:
    """A decimal number, or None (CO-24)."""
    number = float(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) != float("inf") else None


@lru_cache(maxsize=4096)
def read_date(text: str) -> float | None:
    """Epoch seconds of an ISO-8601 date or of epoch seconds; None for anything else (CO-25). No time zone means UTC."""
    number = read_number(text)
    if number is not None and len(text) != len("2026"):
        return number
    try:
        moment = datetime.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text))
    except ValueError:
        return number
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _ordered(
    name: str, read: Callable[[str], float | None], relation: Callable[[float, float], bool], *, negated: bool = False
) -> Operator:
    def test(limit: float | None, found: str) -> bool:
        given = read(found)
        return given is not None and limit is not None and relation(given, limit)

    return Operator(name, lambda wanted: read(literal(wanted)), test, negated=negated)


@lru_cache(maxsize=65536)
def _in_network(network: str, address: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - few policies speak of addresses

    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


def _as_written(wanted: Pattern) -> Pattern:
    return wanted


def _absent(_wanted: str, _found: str) -> bool:
    return False


_RELATIONS = {
    "Equals": compare.eq,
    "LessThan": compare.lt,
    "LessThanEquals": compare.le,
    "GreaterThan": compare.gt,
    "GreaterThanEquals": compare.ge,
}

NULL = Operator("Null", literal, _absent)

OPERATORS: Mapping[str, Operator] = {
    entry.name: entry
    for entry in (
        Operator("StringEquals", literal, compare.eq, variables=True),
        Operator("StringNotEquals", literal, compare.eq, variables=True, negated=True),
        Operator("StringEqualsIgnoreCase", _lowered, _equals_ignoring_case, variables=True),
        Operator("StringNotEqualsIgnoreCase", _lowered, _equals_ignoring_case, variables=True, negated=True),
        Operator("StringLike", _as_written, matches, variables=True, wildcards=True),
        Operator("StringNotLike", _as_written, matches, variables=True, wildcards=True, negated=True),
        Operator("ArnEquals", _as_written, matches_arn_part_by_part, variables=True, wildcards=True),
        Operator("ArnNotEquals", _as_written, matches_arn_part_by_part, variables=True, wildcards=True, negated=True),
        Operator("ArnLike", _as_written, matches_arn_part_by_part, variables=True, wildcards=True),
        Operator("ArnNotLike", _as_written, matches_arn_part_by_part, variables=True, wildcards=True, negated=True),
        Operator("Bool", _lowered, _bool, variables=True),
        Operator("BinaryEquals", _binary, _binary_equals),
        Operator("IpAddress", literal, _in_network),
        Operator("NotIpAddress", literal, _in_network, negated=True),
        *(_ordered(f"Numeric{name}", read_number, relation) for name, relation in _RELATIONS.items()),
        _ordered("NumericNotEquals", read_number, compare.eq, negated=True),
        *(_ordered(f"Date{name}", read_date, relation) for name, relation in _RELATIONS.items()),
        _ordered("DateNotEquals", read_date, compare.eq, negated=True),
        NULL,
    )
}


def _operator_named(name: str) -> Operator:
    return OPERATORS[name]


def is_for_iam_only(key: str) -> bool:
    """CK-42: keys that AWS documents for IAM policies only; in a key policy they are evaluated all the same."""
    return key == "kms:resourcealiases" or key.startswith("aws:resourcetag/")


QUALIFIERS = ("ForAllValues", "ForAnyValue")

_CONTRADICTED = ("ForAllValues", "StringNotLike", "aws:resourceorgpaths")
"""AWS's own examples of this line contradict CO-7 (UN-4)."""


@lru_cache(maxsize=16384)
def parse_condition(written: str, key: str, values: tuple[str, ...], *, variables: bool) -> Condition:
    """Read one line of a `Condition` block.

    Raises:
        ValueError: the operator does not exist (CO-48), or `IfExists` stands on `Null` (CO-5).

    """
    qualifier, name = "", written
    if ":" in written:
        qualifier, name = written.split(":", 1)
        if qualifier not in QUALIFIERS:
            raise ValueError(written)
    if_exists = name.endswith("IfExists")
    found = OPERATORS.get(name.removesuffix("IfExists"))
    if found is None or (found is NULL and (if_exists or qualifier)):
        raise ValueError(written)
    templates = tuple(
        parse_template(value, variables=variables and found.variables, wildcards=found.wildcards) for value in values
    )
    return Condition(found, qualifier, if_exists, key.lower(), key, values, templates)


def holds(condition: Condition, context: Context, questions: OpenQuestions, *, in_deny: bool) -> bool:
    """Whether one line is true for a request's context (the table of section 2.1)."""
    value = context.get(condition.key)
    satisfied = condition.is_satisfied_by
    if satisfied is not None and isinstance(value, str):  # by far the most: nothing else is to be asked
        return satisfied(value)
    return _holds_for(condition, read(context, condition.key, questions), context, questions, in_deny=in_deny)


def _holds_for(
    condition: Condition, value: PlainValue, context: Context, questions: OpenQuestions, *, in_deny: bool
) -> bool:
    if condition.operator is NULL:
        wanted = "true" if value is None or value == () else "false"
        return any(text.lower() == wanted for text in condition.values)
    if isinstance(value, Ambiguous):
        # the safe side of CO-13: such a key never helps an Allow, and any of its values may trip a Deny
        return in_deny and any(_is_met_by(condition, text, context, questions) for text in value.values)
    if value is None or value == ():
        contradicted = condition.is_contradicted and questions.other_reading("UN-4")
        return condition.holds_when_absent and not contradicted
    if isinstance(value, str):
        return _is_met_by(condition, value, context, questions)
    if not condition.qualifier and not questions.other_reading("UN-32"):
        return False  # CO-10: a multivalued key needs a set operator
    satisfied = (_is_met_by(condition, text, context, questions) for text in value)
    return all(satisfied) if condition.qualifier == "ForAllValues" else any(satisfied)


def read(context: Context, key: str, questions: OpenQuestions) -> PlainValue:
    """The value of a condition key, None when it is absent."""
    value = context.get(key)
    if isinstance(value, Doubtful):
        return value.other if questions.other_reading(value.question) else value.default
    return value


def _is_met_by(condition: Condition, found: str, context: Context, questions: OpenQuestions) -> bool:
    if condition.is_satisfied_by is not None:
        return condition.is_satisfied_by(found)
    return _is_satisfied(condition.operator, _filled(condition, context, questions), found)


def _is_satisfied(operator: Operator, wanted: tuple[Any, ...], found: str) -> bool:
    if operator.test is compare.eq:
        return (found in wanted) is not operator.negated
    for one in wanted:
        if operator.test(one, found):
            return not operator.negated
    return operator.negated


def _filled(condition: Condition, context: Context, questions: OpenQuestions) -> tuple[Any, ...]:
    """The values for one request; one whose variable has no value matches nothing (CO-44)."""

    def variable(key: str) -> str | None:
        value = read(context, key, questions)
        return value if isinstance(value, str) else None  # CO-41: multivalued keys are no variables

    filled = (fill(template, variable) for template in condition.templates)
    return tuple(condition.operator.prepare(pattern) for pattern in filled if pattern is not None)
