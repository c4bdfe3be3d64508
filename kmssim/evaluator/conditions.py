"""Condition operators: one table, and the truth rules for absent keys, sets and variables (rule book section 2).

A `Condition` is one line of a `Condition` block: operator, key, values. All lines are ANDed (CO-1); the values of one
line are ORed for positive operators and NORed for negated ones (CO-2, CO-3). Evaluating cannot fail: a value that an
operator cannot read is no match (CO-23, CO-24).
"""

from __future__ import annotations

import base64
import binascii
import operator as compare
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from kmssim.evaluator.patterns import (
    Pattern,
    Template,
    fill,
    literal,
    matches,
    matches_arn_part_by_part,
    parse_template,
)
from kmssim.evaluator.questions import OpenQuestions


@dataclass(frozen=True)
class Ambiguous:
    """Values of context keys whose names differ only in case: policies cannot tell them apart (CO-13)."""

    values: tuple[str, ...]


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
    """A condition operator. `test(wanted, found)` compares one policy value with one request value, before negation."""

    name: str
    test: Callable[[Pattern, str], bool]
    negated: bool = False
    variables: bool = False
    wildcards: bool = False


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

    @property
    def written_operator(self) -> str:
        """The operator as the policy writes it, e.g. `ForAnyValue:StringLikeIfExists`."""
        return (
            (f"{self.qualifier}:" if self.qualifier else "")
            + self.operator.name
            + ("IfExists" if self.if_exists else "")
        )


def _string_equals(wanted: Pattern, found: str) -> bool:
    return literal(wanted) == found


def _string_equals_ignore_case(wanted: Pattern, found: str) -> bool:
    return literal(wanted).casefold() == found.casefold()


def _bool(wanted: Pattern, found: str) -> bool:
    return literal(wanted).lower() == found.lower() and found.lower() in {"true", "false"}


@lru_cache(maxsize=4096)
def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _binary_equals(wanted: Pattern, found: str) -> bool:
    given = _decoded(found)
    return given is not None and given == _decoded(literal(wanted))


@lru_cache(maxsize=4096)
def read_number(text: str) -> float | None:
    """A decimal number, or None (CO-24)."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None  # noqa: PLR0124 - NaN is not itself


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
    read: Callable[[str], float | None], relation: Callable[[float, float], bool]
) -> Callable[[Pattern, str], bool]:
    def test(wanted: Pattern, found: str) -> bool:
        given, limit = read(found), read(literal(wanted))
        return given is not None and limit is not None and relation(given, limit)

    return test


@lru_cache(maxsize=65536)
def _in_network(network: str, address: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - few policies speak of addresses

    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


def _ip_address(wanted: Pattern, found: str) -> bool:
    return _in_network(literal(wanted), found)


def _absent(_wanted: Pattern, _found: str) -> bool:
    return False


_RELATIONS = {
    "Equals": compare.eq,
    "LessThan": compare.lt,
    "LessThanEquals": compare.le,
    "GreaterThan": compare.gt,
    "GreaterThanEquals": compare.ge,
}

NULL = Operator("Null", _absent)

OPERATORS: Mapping[str, Operator] = {
    entry.name: entry
    for entry in (
        Operator("StringEquals", _string_equals, variables=True),
        Operator("StringNotEquals", _string_equals, negated=True, variables=True),
        Operator("StringEqualsIgnoreCase", _string_equals_ignore_case, variables=True),
        Operator("StringNotEqualsIgnoreCase", _string_equals_ignore_case, negated=True, variables=True),
        Operator("StringLike", matches, variables=True, wildcards=True),
        Operator("StringNotLike", matches, negated=True, variables=True, wildcards=True),
        Operator("ArnEquals", matches_arn_part_by_part, variables=True, wildcards=True),
        Operator("ArnNotEquals", matches_arn_part_by_part, negated=True, variables=True, wildcards=True),
        Operator("ArnLike", matches_arn_part_by_part, variables=True, wildcards=True),
        Operator("ArnNotLike", matches_arn_part_by_part, negated=True, variables=True, wildcards=True),
        Operator("Bool", _bool, variables=True),
        Operator("BinaryEquals", _binary_equals),
        Operator("IpAddress", _ip_address),
        Operator("NotIpAddress", _ip_address, negated=True),
        *(Operator(f"Numeric{name}", _ordered(read_number, relation)) for name, relation in _RELATIONS.items()),
        Operator("NumericNotEquals", _ordered(read_number, compare.eq), negated=True),
        *(Operator(f"Date{name}", _ordered(read_date, relation)) for name, relation in _RELATIONS.items()),
        Operator("DateNotEquals", _ordered(read_date, compare.eq), negated=True),
        NULL,
    )
}

QUALIFIERS = ("ForAllValues", "ForAnyValue")


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
    value = read(context, condition.key, questions)
    if condition.operator is NULL:
        wanted = "true" if value is None or value == () else "false"
        return any(text.lower() == wanted for text in condition.values)
    if isinstance(value, Ambiguous):
        # the safe side of CO-13: such a key never helps an Allow, and any of its values may trip a Deny
        return in_deny and any(_holds_for(condition, (text,), context, questions) for text in value.values)
    if value is None or value == ():
        return _holds_for_absent(condition)
    if isinstance(value, str):
        return _holds_for(condition, (value,), context, questions)
    if not condition.qualifier and not questions.other_reading("UN-32"):
        return False  # CO-10: a multivalued key needs a set operator
    return _holds_for(condition, value, context, questions)


def read(context: Context, key: str, questions: OpenQuestions) -> PlainValue:
    """The value of a condition key, None when it is absent."""
    value = context.get(key)
    if isinstance(value, Doubtful):
        return value.other if questions.other_reading(value.question) else value.default
    return value


def _holds_for_absent(condition: Condition) -> bool:
    """CO-4, CO-5, CO-7, CO-8: what an operator says of a key that is not there."""
    if condition.if_exists or condition.qualifier == "ForAllValues":
        return True
    if condition.qualifier == "ForAnyValue":
        return False
    return condition.operator.negated


def _holds_for(condition: Condition, given: tuple[str, ...], context: Context, questions: OpenQuestions) -> bool:
    def variable(key: str) -> str | None:
        value = read(context, key, questions)
        return value if isinstance(value, str) else None  # CO-41: multivalued keys are no variables

    filled = (fill(template, variable) for template in condition.templates)
    wanted = [pattern for pattern in filled if pattern is not None]  # CO-44: an unresolved variable matches nothing
    test, negated = condition.operator.test, condition.operator.negated
    satisfied = (any(test(pattern, text) for pattern in wanted) != negated for text in given)
    return all(satisfied) if condition.qualifier == "ForAllValues" else any(satisfied)
