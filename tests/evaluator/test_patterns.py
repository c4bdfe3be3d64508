"""Wildcards and policy variables: tables, a slow oracle, and hostile patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmssim.evaluator.patterns import (
    Variable,
    Wild,
    fill,
    literal,
    matches,
    matches_arn_part_by_part,
    matches_resource,
    parse_template,
    split_at_colons,
)

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd"


def pattern(text, **values):
    return fill(parse_template(text, variables=True), values.get)


@pytest.mark.parametrize(
    ("wanted", "text", "fits"),
    [
        ("", "", True),
        ("", "a", False),
        ("a", "a", True),
        ("a", "A", False),
        ("a", "ab", False),
        ("ab", "a", False),
        ("*", "", True),
        ("*", "a:b/c", True),
        ("**", "", True),
        ("?", "", False),
        ("?", "a", True),
        ("??", "a", False),
        ("a*", "a", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*b?d*", "abcde", True),
        ("*b?d*", "abde", False),
        ("*a*b*", "ba", False),
        ("*ab*ab*", "abab", True),
        ("*aba*aba*", "ababa", False),
        ("*?", "", False),
        ("?*?", "a", False),
        ("?*?", "ab", True),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("\\*", "\\anything", True),
        ("kms:De*t", "kms:Decrypt", True),
        ("*\n*", "a\nb", True),
    ],
)
def test_wildcards(wanted, text, fits):
    assert matches(parse_template(wanted, variables=False), text) is fits


def slowly(wanted, text):
    """The oracle: by the definition of `*` and `?`, without any thought of speed."""
    if not wanted:
        return not text
    if wanted[0] == "*":
        return slowly(wanted[1:], text) or (bool(text) and slowly(wanted, text[1:]))
    return bool(text) and wanted[0] in {"?", text[0]} and slowly(wanted[1:], text[1:])


@given(st.text("ab*?", max_size=9), st.text("ab", max_size=9))
def test_matching_agrees_with_the_definition(wanted, text):
    assert matches(parse_template(wanted, variables=False), text) is slowly(wanted, text)


@given(st.text("ab:*?/", max_size=12), st.text("ab:/", max_size=12))
def test_stars_run_over_colons_and_slashes(wanted, text):
    assert matches(parse_template(wanted, variables=True), text) is slowly(wanted, text)


@given(st.text())
def test_a_text_without_specials_matches_itself_only(text):
    plain = parse_template(text, variables=False, wildcards=False)
    assert literal(plain) == text
    assert matches(plain, text)
    assert not matches(plain, text + "x")


class CountingText(str):
    """A text that counts how many characters matching looks at."""

    __slots__ = ("looked",)
    looked: int

    def startswith(self, prefix, start=0, *rest):
        self.looked = getattr(self, "looked", 0) + len(prefix)
        return super().startswith(prefix, start, *rest)

    def find(self, wanted, start=0, end=None):
        found = super().find(wanted, start, end)
        self.looked = getattr(self, "looked", 0) + ((len(self) if found < 0 else found) - start) + len(wanted)
        return found


def work(wanted, text):
    counted = CountingText(text)
    counted.looked = 0
    assert not matches(parse_template(wanted, variables=False), counted)
    return counted.looked + 1


@pytest.mark.parametrize(
    ("wanted", "text"),
    [("a*" * 40 + "b", "a"), ("*a" * 40 + "*b*", "a"), ("*a?" * 20 + "*b*", "a"), ("*aab*" * 10, "a"), ("*?a?b*", "a")],
)
def test_hostile_patterns_cost_time_linear_in_the_text(wanted, text):
    short, long = work(wanted, text * 500 + "c"), work(wanted, text * 2000 + "c")
    assert long <= 6 * short, f"{short} looks at 500 characters, {long} at 2000"
    assert long <= 100 * 2000


# ---- templates and variables


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("a*b?", ("a", Wild.ANY, "b", Wild.ONE)),
        ("${aws:UserName}", (Variable("aws:username", None),)),
        ("x${ k }y", ("x", Variable("k", None), "y")),
        ("${k, 'd'}", (Variable("k", "d"),)),
        ("${k, ''}", (Variable("k", ""),)),
        ("${k, 'a b'}*", (Variable("k", "a b"), Wild.ANY)),
        ("${*}${?}${$}", ("*?$",)),
        ("a${*}b", ("a*b",)),
        ("${unclosed", ("${unclosed",)),
        ("$x", ("$x",)),
    ],
)
def test_how_a_policy_text_is_split(text, tokens):
    assert parse_template(text, variables=True) == tokens


def test_without_variables_they_are_literal_text():
    assert parse_template("${aws:username}", variables=False) == ("${aws:username}",)
    assert parse_template("${*}", variables=False) == ("${", Wild.ANY, "}")  # CO-43 needs the new version


def test_without_wildcards_stars_are_literal_text():
    assert parse_template("a*?${k}", variables=True, wildcards=False) == ("a*?", Variable("k", None))


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("${k}", {"k": "v"}, "v"),
        ("${K}", {"k": "v"}, "v"),
        ("a${k}b", {"k": ""}, "ab"),
        ("${k, 'd'}", {}, "d"),
        ("${k, 'd'}", {"k": "v"}, "v"),
        ("${k, 'd'}", {"k": ""}, ""),
        ("${k}", {}, None),
        ("${k}${l, 'x'}", {}, None),
    ],
)
def test_variables_take_the_value_or_the_default_or_make_the_text_void(text, values, filled):
    found = pattern(text, **values)
    assert (None if found is None else literal(found)) == filled


def test_what_a_variable_brings_in_is_literal():
    """CO-46."""
    assert not matches(pattern("${k}", k="*"), "anything")
    assert matches(pattern("${k}", k="*"), "*")
    assert matches(pattern("${k}*", k="a?"), "a?bc")


# ---- ARNs


@pytest.mark.parametrize(
    ("wanted", "given_arn", "by_arn", "by_string"),
    [
        ("arn:aws:s:*:111122223333:x/*", "arn:aws:s:us-east-2:9:store/abc:111122223333:x/d", False, True),
        ("arn:aws:s:*:1:x/*", "arn:aws:s:us-east-2:1:x/d", True, True),
        ("arn:aws:s:*:1:*", "arn:aws:s::1:a:b:c", True, True),
        ("arn:*:s:*:*:x", "arn:aws:s::1:x", True, True),
        ("arn:aws:s*", "arn:aws:s::1:x", False, True),
        ("*", "arn:aws:s::1:x", False, True),
        ("arn:aws:s:::x", "arn:aws:s:::X", False, False),
        ("arn:aws:s:::x?", "arn:aws:s:::xy", True, True),
        ("arn:aws:s:::x", "no arn", False, False),
        ("*:*:*:*:*:*", "no arn", False, False),
        ("*:*:*:*:*:*", "a:b:c:d:e:f:g", False, True),
        ("*:*:*:*:*:*", "arn:b:c:d:e:f:g", True, True),
        ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", True, True),
    ],
)
def test_arns_are_compared_part_by_part_and_strings_are_not(wanted, given_arn, by_arn, by_string):
    """CO-22, CO-23."""
    assert matches_arn_part_by_part(pattern(wanted), given_arn) is by_arn
    assert matches(pattern(wanted), given_arn) is by_string


@given(st.text("ab:*", max_size=10))
def test_cutting_at_colons_cuts_like_texts_are_cut(text):
    parts = split_at_colons(parse_template(text, variables=False), 4)
    assert [literal(part) for part in parts] == text.split(":", 3)


@pytest.mark.parametrize(
    ("wanted", "arn", "fits"),
    [
        ("*", KEY, True),
        ("*", "*", True),
        (KEY, KEY, True),
        (KEY, "*", False),
        ("arn:aws:kms:*:111122223333:key/*", KEY, True),
        ("arn:aws:kms:*:111122223333:key/*", KEY.replace("key/", "alias/"), False),
        ("arn:aws:kms:*:444455556666:key/*", KEY, False),
        ("arn:aws:kms:*", KEY, True),
        ("arn:aws:kms:us-east-1:*", KEY, True),
        ("arn:aws:kms:eu-west-1:*", KEY, False),
        ("arn:aws:*:*:*:key/*", KEY, False),
        ("arn:*", KEY, False),
        ("arn:aws:*", KEY, False),
        ("arn:aws*", KEY, False),
        ("arn:aws:k*:us-east-1:111122223333:key/*", KEY, False),
        ("arn:aws:kms:us-*:key/1234abcd", KEY, True),
        ("arn:aws:kms:*-1:111122223333:key/1234abcd", KEY, True),
        ("arn:aws:kms:*-1:key/1234abcd", KEY, False),
        ("arn:aws:kms:us-east-?:111122223333:key/*", KEY, True),
        ("1234abcd", KEY, False),
        ("key/1234abcd", KEY, False),
        ("arn:aws:KMS:us-east-1:111122223333:key/1234abcd", KEY, False),
        ("arn:aws:kms:us-east-1:111122223333:key/1234ABCD", KEY, False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/c:d", True),
        ("", KEY, False),
    ],
)
def test_resources(wanted, arn, fits):
    """PG-22, PG-24, PG-26, PG-27."""
    assert matches_resource(pattern(wanted), arn) is fits


@given(st.text("a:*?", max_size=14), st.sampled_from([KEY, "arn:aws:s3:::b", "a:a:a:a:a:a", "a", ""]))
def test_a_resource_never_matches_what_a_plain_wildcard_would_not(wanted, arn):
    if matches_resource(pattern(wanted), arn):
        assert matches(pattern(wanted), arn)


def test_a_hostile_resource_is_answered():
    assert not matches_resource(pattern("*:" * 300 + "b"), "a:" * 300)
    assert not matches_resource(pattern("arn:aws:kms:" + "*a" * 300), KEY)
