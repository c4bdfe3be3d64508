"""Condition operators: the truth table of rule book section 2.1 whole, then each family of operators."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmssim.evaluator.conditions import (
    NULL,
    OPERATORS,
    Ambiguous,
    Doubtful,
    holds,
    parse_condition,
    read_date,
    read_number,
)
from kmssim.evaluator.questions import OpenQuestions

KEY = "x:y"
ABSENT = None


def line(operator, *values, key=KEY, variables=True):
    return parse_condition(operator, key, values, variables=variables)


def true(operator, given_value, *values, in_deny=False, others=(), context=None):
    whole = {} if given_value is ABSENT else {KEY: given_value}
    return holds(line(operator, *values), whole | (context or {}), OpenQuestions(frozenset(others)), in_deny=in_deny)


# ---- the truth table -------------------------------------------------------------------------------------------------

# operator: a value that a policy lists twice over, two request values that fit one of them, two that fit none
SAMPLES = {
    "StringEquals": (("a", "b"), ("a", "b"), ("c", "A")),
    "StringEqualsIgnoreCase": (("a", "b"), ("A", "b"), ("c", "ab")),
    "StringLike": (("a*", "?b"), ("abc", "xb"), ("c", "A")),
    "ArnEquals": (("arn:aws:s:::a*", "arn:aws:s:::b"), ("arn:aws:s:::ab", "arn:aws:s:::b"), ("arn:aws:s:::c", "a")),
    "ArnLike": (("arn:aws:s:::a*", "arn:aws:s:::b"), ("arn:aws:s:::ab", "arn:aws:s:::b"), ("arn:aws:s:::c", "a")),
    "Bool": (("true",), ("true", "TRUE"), ("false", "yes")),
    "BinaryEquals": (("AQ==", "Ag=="), ("AQ==", "Ag=="), ("Aw==", "?")),
    "IpAddress": (("10.0.0.0/8", "::1"), ("10.1.2.3", "::1"), ("11.0.0.0", "nowhere")),
    "NumericEquals": (("1", "2"), ("1.0", "2"), ("3", "one")),
    "NumericLessThan": (("5", "3"), ("4", "-1"), ("5", "one")),
    "NumericLessThanEquals": (("5", "3"), ("5", "-1"), ("6", "one")),
    "NumericGreaterThan": (("5", "7"), ("6", "8"), ("5", "one")),
    "NumericGreaterThanEquals": (("5", "7"), ("5", "8"), ("4", "one")),
    "DateEquals": (("2026-01-01T00:00:00Z", "2"), ("1767225600", "2"), ("2026-01-02", "then")),
    "DateLessThan": (("2026-01-01T00:00:00Z",), ("2025-12-31", "0"), ("2026-01-01", "then")),
    "DateLessThanEquals": (("2026-01-01T00:00:00Z",), ("2026-01-01", "0"), ("2026-01-02", "then")),
    "DateGreaterThan": (("2026-01-01T00:00:00Z",), ("2026-01-02", "1767225601"), ("2026-01-01", "then")),
    "DateGreaterThanEquals": (("2026-01-01T00:00:00Z",), ("2026-01-01", "1767225601"), ("2025-12-31", "then")),
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}

# situation: what the request has, of values that fit (1) and do not fit (0); then, for the qualifiers "", ForAllValues and
# ForAnyValue, what a positive operator says and what a negated one says
TABLE = {
    "absent": (ABSENT, "F T", "T T", "F F"),
    "absent, IfExists": (ABSENT, "T T", "T T", "T T"),
    "an empty list": ((), "F T", "T T", "F F"),
    "an empty list, IfExists": ((), "T T", "T T", "T T"),
    "one value that fits": (1, "T F", "T F", "T F"),
    "one value that fits none": (0, "F T", "F T", "F T"),
    "a list of one that fits": ((1,), "F F", "T F", "T F"),
    "a list of one that fits none": ((0,), "F F", "F T", "F T"),
    "a list that fits": ((1, 1), "F F", "T F", "T F"),
    "a list that fits none": ((0, 0), "F F", "F T", "F T"),
    "a list that fits in part": ((1, 0), "F F", "F F", "T T"),
}
PRESENT = [situation for situation in TABLE if "absent" not in situation and "empty" not in situation]
ROWS = [
    pytest.param(name, qualifier, situation, if_exists, id=f"{qualifier or 'plain'}:{name}-{situation}-{if_exists}")
    for name, qualifier, situation in product([*SAMPLES, *NEGATED], ("", "ForAllValues", "ForAnyValue"), TABLE)
    for if_exists in ((situation.endswith("IfExists"),) if situation not in PRESENT else (False, True))
]


def test_the_table_is_about_every_operator():
    assert {*SAMPLES, *NEGATED, "Null"} == set(OPERATORS)
    assert {name for name, found in OPERATORS.items() if found.negated} == set(NEGATED)


@pytest.mark.parametrize(("name", "qualifier", "situation", "if_exists"), ROWS)
def test_the_truth_table(name, qualifier, situation, if_exists):
    listed, fitting, unfitting = SAMPLES[NEGATED.get(name, name)]
    has, *answers = TABLE[situation]
    expected = answers[("", "ForAllValues", "ForAnyValue").index(qualifier)].split()[name in NEGATED] == "T"
    written = (f"{qualifier}:" if qualifier else "") + name + ("IfExists" if if_exists else "")
    assert line(written, *listed).written_operator == written
    for turn in (0, 1):
        samples = (unfitting, fitting)
        if isinstance(has, tuple):
            found = tuple(samples[fits][(turn + at) % 2] for at, fits in enumerate(has))
        else:
            found = has if has is ABSENT else samples[has][turn]
        for in_deny in (True, False):
            assert true(written, found, *listed, in_deny=in_deny) is expected


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (ABSENT, ("true",), True),
        (ABSENT, ("false",), False),
        ("v", ("true",), False),
        ("v", ("false",), True),
        ("", ("false",), True),
        ((), ("true",), True),
        (("v",), ("false",), True),
        (("v",), ("true",), False),
        ("v", ("true", "false"), True),
        (ABSENT, ("true", "false"), True),
        (ABSENT, ("True",), True),
        (ABSENT, ("yes",), False),
        (Ambiguous(("a", "b")), ("false",), True),
        (Ambiguous(("a", "b")), ("true",), False),
    ],
)
def test_null_asks_whether_the_key_is_there(found, wanted, expected):
    """CO-6."""
    assert true("Null", found, *wanted) is expected


def test_no_listed_value_fits_nothing():
    assert true("StringEquals", "a") is False
    assert true("StringNotEquals", "a") is True


@pytest.mark.parametrize(
    "written", ["StringEqual", "stringequals", "NullIfExists", "ForAllValues:Null", "ForSomeValues:StringEquals", ":Bool",
                "IfExists", "", "ForAnyValue:", "BoolIfExistsIfExists", "NotBool", "StringEquals:ForAnyValue"],
)  # fmt: skip
def test_what_is_no_operator_is_refused(written):
    """CO-5, CO-48."""
    with pytest.raises(ValueError, match=f"^{re.escape(written)}$"):
        line(written, "a")


def test_key_names_know_no_case():
    """CO-12."""
    condition = parse_condition("StringEquals", "KMS:EncryptionContext:AppName", ("a",), variables=True)
    assert (condition.key, condition.written_key) == ("kms:encryptioncontext:appname", "KMS:EncryptionContext:AppName")
    assert holds(condition, {"kms:encryptioncontext:appname": "a"}, OpenQuestions(), in_deny=False)


# ---- ambiguous, doubtful and multivalued keys ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "in_allow", "in_deny"),
    [
        ("StringEquals", False, True),
        ("StringNotEquals", False, True),
        ("StringEqualsIfExists", False, True),
        ("ForAnyValue:StringEquals", False, True),
        ("ForAllValues:StringEquals", False, True),
    ],
)
def test_an_ambiguous_key_never_helps_an_allow_and_any_of_its_values_trips_a_deny(operator, in_allow, in_deny):
    """CO-13."""
    found = Ambiguous(("a", "b"))
    assert true(operator, found, "a") is in_allow
    assert true(operator, found, "a", in_deny=True) is in_deny


def test_an_ambiguous_key_without_a_listed_value_trips_no_deny():
    assert true("StringEquals", Ambiguous(("a", "b")), "c", in_deny=True) is False


def test_a_doubtful_value_is_read_by_default_and_notes_its_question():
    questions = OpenQuestions()
    doubtful = {KEY: Doubtful("UN-7", None, "false")}
    assert holds(line("Bool", "false"), doubtful, questions, in_deny=False) is False
    assert questions.met == {"UN-7"}
    assert true("Bool", doubtful[KEY], "false", others=("UN-7",)) is True


def test_a_doubtful_value_of_another_key_is_not_come_by():
    questions = OpenQuestions()
    holds(line("Bool", "false"), {"z:z": Doubtful("UN-7", None, "a"), KEY: "false"}, questions, in_deny=False)
    assert not questions.met


def test_a_plain_operator_on_a_multivalued_key_is_an_open_question():
    """CO-10."""
    questions = OpenQuestions()
    assert holds(line("StringEquals", "a"), {KEY: ("a", "b")}, questions, in_deny=False) is False
    assert questions.met == {"UN-32"}
    assert true("StringEquals", ("a", "b"), "a", others=("UN-32",)) is True


# ---- families --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a*", "a*", True),
        ("StringEquals", "Straße", "STRASSE", False),
        ("StringEqualsIgnoreCase", "a*", "ab", False),
        ("StringEqualsIgnoreCase", "ÄÖ", "äö", True),
        ("StringLike", "a*", "A", False),
        ("StringLike", "*", "", True),
        ("StringLike", "s3.*.amazonaws.com", "s3.us-east-1.amazonaws.com", True),
        ("StringLike", "${*}", "a", False),
        ("StringLike", "${*}", "*", True),
        ("ArnEquals", "arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a/b", True),
        ("ArnEquals", "arn:aws:s:*:9:x/*", "arn:aws:s:r:8:y:9:x/d", False),
        ("ArnLike", "*", "arn:aws:iam::1:role/a", False),
        ("ArnLike", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/A", False),
        ("ArnNotLike", "arn:aws:iam::1:role/a", "no arn", True),
        ("Bool", "true", "true", True),
        ("Bool", "True", "tRUE", True),
        ("Bool", "yes", "yes", False),
        ("Bool", "false", "true", False),
        ("BinaryEquals", "YQ==", "YQ==", True),
        ("BinaryEquals", "YQ==", "YR==", True),
        ("BinaryEquals", "YQ==", "yq==", False),
        ("BinaryEquals", "not base 64", "not base 64", False),
        ("BinaryEquals", "é", "é", False),
        ("BinaryEquals", "YQ==", "Y!Q==", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.255", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.0", False),
        ("IpAddress", "203.0.113.9/24", "203.0.113.1", True),
        ("IpAddress", "203.0.113.9", "203.0.113.9", True),
        ("IpAddress", "203.0.113.9", "203.0.113.8", False),
        ("IpAddress", "2001:db8::/32", "2001:DB8::1", True),
        ("IpAddress", "2001:db8::1", "2001:db8:0::1", True),
        ("IpAddress", "2001:db8::1", "2001:db8::2", False),
        ("IpAddress", "0.0.0.0/0", "::1", False),
        ("IpAddress", "::/0", "127.0.0.1", False),
        ("IpAddress", "no network", "127.0.0.1", False),
        ("IpAddress", "10.0.0.0/33", "10.0.0.1", False),
        ("NotIpAddress", "no network", "127.0.0.1", True),
        ("NotIpAddress", "10.0.0.0/8", "no address", True),
        ("NumericEquals", "10", "1e1", True),
        ("NumericEquals", "0.1", ".1", True),
        ("NumericEquals", "ten", "ten", False),
        ("NumericEquals", "nan", "nan", False),
        ("NumericLessThan", "inf", "1", False),
        ("NumericNotEquals", "ten", "ten", True),
        ("NumericLessThan", "10", "9.99", True),
        ("NumericLessThan", "10", "9.99x", False),
        ("NumericGreaterThan", "10", "1e999", False),
        ("NumericNotEquals", "1e999", "1e999", True),
        ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
        ("DateEquals", "2026", "2026-01-01T00:00:00Z", True),
        ("DateEquals", "2026-02", "2026-02-01T00:00:00Z", True),
        ("DateEquals", "2026-02-03", "2026-02-03T00:00:00.000Z", True),
        ("DateEquals", "1767225600", "2026-01-01T00:00:00Z", True),
        ("DateEquals", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", True),
        ("DateEquals", "2026-01-01T00:00Z", "2026-01-01T00:00:00Z", True),
        ("DateLessThan", "2026-13-01", "2026-01-01", False),
        ("DateNotEquals", "someday", "2026-01-01", True),
        ("DateGreaterThan", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", True),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False),
        ("DateLessThan", "2026-01-01", "20260101", True),
        ("DateGreaterThan", "2026-01-01", "1e10", True),
        ("DateLessThan", "0001-01-01T00:00:00+14:00", "2026-01-01", False),
    ],
)  # fmt: skip
def test_how_an_operator_compares(operator, wanted, found, expected):
    assert true(operator, found, wanted) is expected


@given(st.floats() | st.integers())
def test_numbers_are_read_as_they_are_written(number):
    read = read_number(str(number))
    assert read is None or read == float(number)


@given(st.datetimes(timezones=st.timezones()))
def test_dates_are_read_to_the_moment(moment):
    try:
        stamp = moment.timestamp()
    except OverflowError:
        return
    assert read_date(moment.isoformat()) == pytest.approx(stamp)


def test_a_date_without_a_zone_is_of_utc_wherever_it_is_read(monkeypatch):
    """CO-25."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert read_date.__wrapped__("2026-01-01T00:00:00") == 1767225600
    time.tzset()


@pytest.mark.parametrize(("if_exists", "met"), [("", {"UN-4"}), ("IfExists", set())])
def test_what_the_examples_contradict_is_the_operator_without_if_exists(if_exists, met):
    """CO-5, UN-4."""
    questions = OpenQuestions()
    written = "ForAllValues:StringNotLike" + if_exists
    condition = parse_condition(written, "aws:ResourceOrgPaths", ("o-a/*",), variables=True)
    assert holds(condition, {}, questions, in_deny=True)
    assert questions.met == met


@given(st.text(), st.text(), st.sampled_from(sorted(OPERATORS)))
def test_evaluating_never_fails_and_negation_negates(wanted, found, name):
    """CO-23, CO-24."""
    answer = true(name, found, wanted)
    if name in NEGATED:
        assert answer is not true(NEGATED[name], found, wanted)


@pytest.mark.parametrize("wanted", ["1" * 5000, "9" * 400, "1e999", "-0", "٣", "1_000", " 1 ", "0x10"])
def test_odd_numbers_are_answered(wanted):
    for name in OPERATORS:
        assert true(name, wanted, "1") in {True, False}
        assert true(name, "1", wanted) in {True, False}


# ---- variables -------------------------------------------------------------------------------------------------------

VARIABLES = sorted(name for name in OPERATORS if name.startswith(("String", "Arn", "Bool")))


@pytest.mark.parametrize(
    ("wanted", "found", "context", "expected"),
    [
        ("${p:t}", "a", {"p:t": "a"}, True),
        ("${P:T}", "a", {"p:t": "a"}, True),
        ("x-${p:t}-y", "x-a-y", {"p:t": "a"}, True),
        ("${p:t}", "b", {"p:t": "a"}, False),
        ("${p:t}", "a", {}, False),
        ("${p:t}", "${p:t}", {}, False),
        ("${p:t}", "a", {"p:t": ("a",)}, False),
        ("${p:t}", "a", {"p:t": Ambiguous(("a", "b"))}, False),
        ("${p:t, 'a'}", "a", {}, True),
        ("${p:t, 'a'}", "a", {"p:t": "b"}, False),
        ("${p:t, ''}", "", {}, True),
        ("${$}", "$", {}, True),
        ("${?}", "?", {}, True),
    ],
)
def test_variables_in_values(wanted, found, context, expected):
    """CO-40 to CO-44."""
    assert true("StringEquals", found, wanted, context=context) is expected
    assert true("StringNotEquals", found, wanted, context=context) is not expected


def test_an_unresolved_variable_leaves_the_other_values():
    assert true("StringEquals", "a", "${p:t}", "a") is True


def test_a_wildcard_in_a_substituted_value_is_literal():
    """CO-46."""
    assert true("StringLike", "anything", "${p:t}", context={"p:t": "*"}) is False
    assert true("ArnLike", "arn:aws:s:::a", "arn:aws:s:::${p:t}", context={"p:t": "*"}) is False


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(VARIABLES) - {"Null"}))
def test_numbers_dates_addresses_and_bytes_take_no_variables(name):
    """CO-40."""
    sample = SAMPLES[NEGATED.get(name, name)][1][0]
    assert true(name, sample, "${p:t}", context={"p:t": sample}) is (name in NEGATED)


@pytest.mark.parametrize("name", VARIABLES)
def test_texts_arns_and_booleans_take_variables(name):
    """CO-40."""
    sample = SAMPLES[NEGATED.get(name, name)][1][0]
    assert true(name, sample, "${p:t}", context={"p:t": sample}) is (name not in NEGATED)


def test_a_variable_may_be_a_part_of_an_arn():
    assert true("ArnEquals", "arn:aws:s:::a", "arn:aws:s:::${p:t}", context={"p:t": "a"})


def test_under_the_old_version_a_variable_is_literal_text():
    """PG-1."""
    condition = line("StringEquals", "${aws:username}", variables=False)
    assert holds(condition, {KEY: "${aws:username}"}, OpenQuestions(), in_deny=False)


def test_a_doubtful_variable_notes_its_question():
    questions = OpenQuestions()
    context = {KEY: "a", "p:t": Doubtful("UN-30", None, "a")}
    assert holds(line("StringEquals", "${p:t}"), context, questions, in_deny=False) is False
    assert questions.met == {"UN-30"}


def test_null_is_an_operator_that_compares_nothing():
    assert NULL.test((), "") is False
