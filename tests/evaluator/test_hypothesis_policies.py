"""Properties of policies: what is printed is read again, order never matters, any JSON is answered, matching is linear."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest
from building import ACCOUNT, ANA, GUEST_SESSION, KEY_ARN, OTHER, ROOT, WORKER, WORKER_SESSION, call, key, world
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kmssim.errors import PolicyError
from kmssim.evaluator import patterns
from kmssim.evaluator.conditions import OPERATORS
from kmssim.evaluator.patterns import (
    fill,
    literal,
    matches,
    matches_arn_part_by_part,
    matches_resource,
    parse_resource,
    parse_template,
)
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import PolicyKind, parse_policy

# ---- documents that are accepted -------------------------------------------------------------------------------------

ACTIONS = st.sampled_from(
    ["kms:*", "kms:Decrypt", "KMS:de*", "kms:Encrypt", "kms:?ecrypt", "s3:GetObject", "kms:ReEncrypt*"]
)
ANYWHERE = st.sampled_from(
    ["*", KEY_ARN, f"arn:aws:kms:*:{ACCOUNT}:key/*", "arn:aws:kms:*", "alias/a", "arn:aws:s3:::${aws:username}"]
)
PRINCIPALS = st.sampled_from([ROOT, ACCOUNT, ANA, WORKER, WORKER_SESSION, OTHER, "*", "AROA" + "X" * 17])
KEYS = st.sampled_from(
    ["aws:PrincipalArn", "AWS:principalarn", "kms:ViaService", "aws:TagKeys", "aws:PrincipalAccount", "x:unknown",
     "aws:SourceIp", "kms:EncryptionContextKeys", "aws:CurrentTime", "aws:ResourceOrgPaths", "kms:KeySpec"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["*", "true", "false", WORKER, f"arn:aws:iam::{ACCOUNT}:*", "${aws:PrincipalArn}", "${x:y, 'z'}", "${*}", ACCOUNT,
     "10.0.0.0/8", "2026-01-01", "SYMMETRIC_DEFAULT"]
) | st.integers(-5, 5) | st.booleans() | st.floats(-9, 9)  # fmt: skip
WRITTEN = st.builds(
    lambda qualifier, name, suffix: name if name == "Null" else f"{qualifier}{name}{suffix}",
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    st.sampled_from(sorted(OPERATORS)),
    st.sampled_from(["", "IfExists"]),
)


def one_or_more(of):
    """A value, or a list of some (PG-2)."""
    return of | st.lists(of, min_size=1, max_size=3)


CONDITIONS = st.dictionaries(WRITTEN, st.dictionaries(KEYS, one_or_more(VALUES), max_size=2), max_size=2)


@st.composite
def statements(draw, kind):
    body = {"Effect": "Deny" if kind == "rcp" else draw(st.sampled_from(["Allow", "Deny"]))}
    name = "Action" if kind == "rcp" else draw(st.sampled_from(["Action", "NotAction"]))
    body[name] = draw(one_or_more(ACTIONS))
    where = ANYWHERE.filter(lambda text: text not in {"arn:aws:kms:*", "alias/a"}) if kind == "rcp" else ANYWHERE
    body[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(one_or_more(where))
    if draw(st.booleans()):
        body["Condition"] = draw(CONDITIONS)
    if kind == "rcp":
        body["Principal"] = "*"
    if kind == "key_policy":
        negated = body["Effect"] == "Deny" and draw(st.booleans())
        body["NotPrincipal" if negated else "Principal"] = draw(
            st.just("*") | one_or_more(PRINCIPALS).map(lambda who: {"AWS": who})
        )
        for element in [element for element in body if element.endswith(("Action", "Resource"))]:
            if draw(st.integers(0, 9)) == 0:
                del body[element]  # PG-4
    return body


def documents(kind, least=1):
    return st.fixed_dictionaries(
        {"Statement": st.lists(statements(kind), min_size=least, max_size=4)},
        optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]), "Id": st.text("ab é", max_size=4)},
    )


KINDS = ("key_policy", "identity", "boundary", "session", "scp", "rcp")


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), documents(kind))))
def test_what_is_printed_is_read_again(given_):
    kind, document = given_
    try:
        policy = parse_policy(document, PolicyKind(kind))
    except PolicyError as refused:
        assert refused.rule in {"PG-8", "PG-49"}
        return
    assert policy.document == document
    for indent in (None, 1):
        assert parse_policy(json.dumps(policy.document, indent=indent), PolicyKind(kind)) == policy


@given(documents("identity"))
def test_an_element_alone_is_a_list_of_one(document):
    """PG-2."""
    for statement in document["Statement"]:
        one = {
            name: [value] if isinstance(value, str) and name != "Effect" else value for name, value in statement.items()
        }
        alone = parse_policy({**document, "Statement": statement}, PolicyKind.IDENTITY)
        listed = parse_policy({**document, "Statement": [one]}, PolicyKind.IDENTITY)
        assert replace(alone.statements[0], path="") == replace(listed.statements[0], path="")


# ---- order and duplicates --------------------------------------------------------------------------------------------

CALLERS = (WORKER_SESSION, ANA, ROOT, GUEST_SESSION)


def answers(trusting, allowing):
    """What everybody is told of a world with this key policy and these identity policies."""
    a_world = world(key(*trusting), mine=allowing, theirs=allowing)
    return [
        (
            decision.allowed,
            decision.explicit,
            decision.layers,
            decision.failure and decision.failure.code,
            decision.uncertain,
        )
        for principal in CALLERS
        for decision in [decide(a_world, call(principal=principal))]
    ]


@given(st.data())
def test_order_and_duplicates_of_statements_change_no_decision(data):
    trusting = data.draw(st.lists(statements("key_policy"), min_size=1, max_size=3))
    allowing = data.draw(st.lists(statements("identity"), min_size=1, max_size=3))
    told = answers(trusting, allowing)
    again = [
        data.draw(st.permutations([*policy, data.draw(st.sampled_from(policy))])) for policy in (trusting, allowing)
    ]
    assert answers(*again) == told


@given(st.data())
def test_order_and_duplicates_of_listed_values_change_no_decision(data):
    trusting = data.draw(st.lists(statements("key_policy"), min_size=1, max_size=3))
    allowing = data.draw(st.lists(statements("identity"), min_size=1, max_size=3))

    def shuffled(value):
        if isinstance(value, dict):
            return {name: shuffled(inner) for name, inner in data.draw(st.permutations(list(value.items())))}
        if isinstance(value, list):
            return data.draw(st.permutations([*value, value[0]]))
        return value

    told = answers(trusting, allowing)
    assert answers([shuffled(one) for one in trusting], [shuffled(one) for one in allowing]) == told


# ---- any JSON at all -------------------------------------------------------------------------------------------------

ODD = st.builds(lambda power: -(10**power), st.sampled_from([400, 5000])) | st.sampled_from(
    [10**400, float("nan"), float("inf"), -0.0, "\ud800", "→", "\x00", b"a", (1,), {1: 2}, {None: 1}, set(), "",
     [], {}, [[]], [None], "*", "${", "${}", "${*}", "1e400", True, None]
)  # fmt: skip
MEMBERS = st.sampled_from(
    ["Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
     "NotResource", "Condition", "AWS", "Service", "Federated", "CanonicalUser", "StringEquals", "Null", "NullIfExists",
     "ForAllValues:StringLike", "kms:EncryptionContext:a", "aws:RequestTag/b", "\ud800"]
)  # fmt: skip


def mutated(draw, value):
    """The document with one place put in disorder."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value, key=str)))
        if draw(st.integers(0, 5)) == 0:
            return {**value, draw(MEMBERS): draw(ODD)}
        return {**value, name: mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(draw, value[at]), *value[at + 1 :]]
    return draw(ODD)


def refusal_of(document, kind):
    """The refusal, or None; whatever else is raised is an error of ours."""
    try:
        parse_policy(document, kind)
    except PolicyError as refused:
        assert refused.rule
        assert refused.code
        assert str(refused).isprintable()
        return refused
    return None


@given(st.data())
def test_a_document_with_one_mistake_is_read_or_refused_where_the_mistake_is(data):
    kind = data.draw(st.sampled_from(KINDS))
    document = mutated(data.draw, data.draw(documents(kind)))
    refused = refusal_of(document, PolicyKind(kind))
    if refused is not None and isinstance(document, dict) and refused.rule != "PG-8":
        first = refused.path.partition(".")[0].partition("[")[0]
        assert (
            first in document
            or first == "Statement"
            or not all(isinstance(name, str) and name.isascii() for name in document)
        )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | st.text(max_size=2), inner, max_size=3),
)


@given(ANY_JSON | st.fixed_dictionaries({"Statement": ANY_JSON}), st.sampled_from(PolicyKind))
def test_any_json_is_read_or_refused(document, kind):
    refusal_of(document, kind)


@given(st.sampled_from(KINDS).flatmap(documents), st.data(), st.sampled_from(PolicyKind))
@example({"Statement": [{"Id": 1}]}, None, PolicyKind.KEY_POLICY)
def test_any_cut_and_any_slip_in_the_text_is_read_or_refused(document, data, kind):
    text = json.dumps(document)
    cut = data.draw(st.integers(0, len(text))) if data else 5
    slip = (
        data.draw(st.sampled_from(['"', "}", "]", ",", "NaN", "1e400", "9" * 5000, "[" * 5000, "\\ud800", ""]))
        if data
        else ""
    )
    refusal_of(text[:cut] + slip + text[cut + 1 :], kind)


@pytest.mark.parametrize("depth", [63, 64, 65, 900, 50_000])
def test_depth_is_answered(depth):
    nested: object = "a"
    for _ in range(min(depth, 900)):
        nested = [nested]
    assert refusal_of({"Statement": [], "Id": nested}, PolicyKind.SCP) is not None
    assert refusal_of('{"Statement": [], "Id": ' + "[" * depth + "]" * depth + "}", PolicyKind.SCP) is not None


# ---- wildcards -------------------------------------------------------------------------------------------------------

SIGNS = "ab:*?"


def regex(text):
    """What a pattern means, written as a regular expression."""
    signs = {"*": ".*", "?": "."}
    return re.compile("".join(signs.get(sign, re.escape(sign)) for sign in text), re.DOTALL)


def pattern(text):
    return fill(parse_template(text, variables=False), {}.get)


@given(st.text(SIGNS, max_size=12), st.text("ab:\n", max_size=14))
@example("*?a?b?*", "aaaab")
@example("?*?*?", "ab")
@example("*a??b*", "aab")
@example("*?*", "")
def test_matching_is_what_a_regular_expression_says(wanted, text):
    assert matches(pattern(wanted), text) is bool(regex(wanted).fullmatch(text))


@given(st.data())
def test_a_text_made_from_its_pattern_fits(data):
    wanted = data.draw(st.text(SIGNS, max_size=20))
    fitting = {"*": st.text("ab:", max_size=4), "?": st.text("ab:", min_size=1, max_size=1)}
    text = "".join(data.draw(fitting[sign]) if sign in fitting else sign for sign in wanted)
    assert matches(pattern(wanted), text)


@given(
    st.lists(st.text("ab*?", max_size=4), min_size=6, max_size=6),
    st.lists(st.text("ab", max_size=4), min_size=6, max_size=6),
)
def test_arns_are_six_texts(wanted, found):
    """CO-22."""
    wanted[0], found[0] = "arn", "arn"
    each = all(regex(part).fullmatch(text) for part, text in zip(wanted, found, strict=True))
    assert matches_arn_part_by_part(pattern(":".join(wanted)), ":".join(found)) is each


SEGMENTS = st.lists(st.text("ab*?", max_size=4), max_size=3)


@given(
    SEGMENTS,
    st.text("ab*?:", max_size=6),
    st.lists(st.text("ab", max_size=3), min_size=2, max_size=2),
    st.text("ab:", max_size=6),
)
@example(["a*b*"], "a", ["aa", "bb"], "a")
@example(["*"], "*", ["", ""], "")
def test_a_star_that_ends_a_segment_stretches_and_no_other_does(segments, last, found, tail):
    """PG-26."""
    wanted = ["arn", "aws", "kms", *segments, last]
    assume(len(wanted) <= 6)
    assume(len(wanted) == 6 or ":" not in last)

    def segment(text, end):
        return regex(text).pattern.replace(".", "[^\n]") + ("(?:\n.*)?" if text.endswith("*") and not end else "")

    # between segments stands a line break, so that a colon within the resource is an ordinary character
    meant = "\n".join(segment(text, end=at == 5) for at, text in enumerate(wanted))
    expected = re.fullmatch(meant, "\n".join(["arn", "aws", "kms", *found, tail]), re.DOTALL) is not None
    whole = fill(parse_resource(":".join(wanted), variables=False), {}.get)
    arn = ":".join(["arn:aws:kms", *found, tail])
    assert matches_resource(whole, arn) is expected
    assert matches(whole, arn) or not expected


@pytest.mark.parametrize(
    "wanted", ["arn:aws:*:*:*:*", "arn:aws:k*:*:*:*", "arn:*", "arn:aws:*", "arn:aws*", "arn:aws::*", "ar*"]
)
def test_the_service_of_a_resource_is_literal(wanted):
    """PG-26."""
    assert not matches_resource(pattern(wanted), KEY_ARN)


@given(st.text("ab{}$*?,' ", max_size=16))
def test_without_wildcards_and_variables_a_text_is_itself(text):
    assert literal(fill(parse_template(text, variables=False), {}.get)) == text
    assert fill(parse_template(text, variables=False, wildcards=False), {}.get) in {(text,), ()}


# ---- hostile patterns cost no more than their length -----------------------------------------------------------------


def steps(work):
    """How many lines of Python `work` runs through: a clock that no other process disturbs."""
    count = 0
    for name in vars(patterns).values():
        if hasattr(name, "cache_clear"):
            name.cache_clear()

    def line(_frame, event, _arg):
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(lambda _frame, _event, _arg: line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


SIZE = 400
HOSTILE = {
    "stars before a letter that never comes": lambda n: ("a*" * n + "b", "a" * n),
    "stars alone": lambda n: ("*" * n, "a" * n),
    "question marks alone": lambda n: ("?" * n, "a" * n),
    "question marks behind a star": lambda n: ("*" + "?" * n + "b", "a" * 2 * n),
    "question marks between letters": lambda n: ("*" + "a?" * n + "b*", "a" * 4 * n),
    "chunks that nearly fit": lambda n: ("*" + "aa?ab*" * n, "aaaa" * n),
    "stars and question marks in turn": lambda n: ("*?" * n + "b", "a" * n),
    "many stars against a long text": lambda n: ("*a" * 20 + "*b", "a" * 10 * n),
    "a long pattern against a short text": lambda n: ("*a?" * n, "a"),
    "colons": lambda n: ("arn:aws:kms:" + "*:" * n + "b", "arn:aws:kms:" + "a:" * n),
    "stars after colons": lambda n: ("arn:aws:kms:*:*:" + "*a" * n + "b", "arn:aws:kms:" + "a:" * n + "a" * n),
    "segments that all stretch": lambda n: ("arn:a*:kms:*:*:*" + "a*:" * n + "b", "arn:aws:kms::" + "a:" * n),
}
MATCHERS = {"texts": matches, "ARNs": matches_arn_part_by_part, "resources": matches_resource}


@pytest.mark.parametrize("matcher", MATCHERS)
@pytest.mark.parametrize("shape", HOSTILE)
def test_twice_the_length_costs_twice_the_steps(shape, matcher):
    def cost(size):
        wanted, text = HOSTILE[shape](size)
        whole = pattern(wanted)
        return steps(lambda: MATCHERS[matcher](whole, text))

    assert cost(2 * SIZE) <= 2.3 * cost(SIZE) + 100


@given(st.text("ab*?:", min_size=1, max_size=6), st.text("ab:", min_size=1, max_size=6))
def test_no_repeated_pattern_is_worse_than_linear(unit, text_unit):
    def cost(size):
        whole, text = pattern(unit * size + "c"), text_unit * size
        return steps(lambda: matches(whole, text) or matches_resource(whole, f"arn:aws:kms:::{text}"))

    assert cost(160) <= 2.5 * cost(80) + 200


@pytest.mark.parametrize("unit", ["${", "${a", "${*}", "}", "${a}", "*", "${${}", "'", "${a, '"])
def test_reading_a_template_is_linear(unit):
    def cost(size):
        return steps(lambda: fill(parse_template(unit * size, variables=True), lambda _key: "x"))

    assert cost(2 * SIZE) <= 2.3 * cost(SIZE) + 100
