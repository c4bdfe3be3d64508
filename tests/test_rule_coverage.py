"""Every rule about a decision is shown by a case or a test, and tests/RULES.md says by which."""

from __future__ import annotations

import pytest
from rule_coverage.table import (
    ABOUT_OTHER_THINGS,
    FAMILIES,
    PAGE,
    TESTS,
    in_few_words,
    of_cases,
    of_tests,
    page,
    read_no_decision,
    read_shown,
)

from kmssim.rules import all_rules

RULES = all_rules()
SHOWN = read_shown()
NO_DECISION = read_no_decision()


def test_every_rule_about_a_decision_is_shown():
    missing = [rule_id for rule_id in RULES if rule_id not in SHOWN and rule_id not in NO_DECISION]
    assert not missing, f"no case and no test shows {missing}: write one, in tests/cases/by_rule for instance"


def test_a_rule_that_is_shown_leaves_the_list_of_those_without_a_decision():
    shown = [rule_id for rule_id in NO_DECISION if rule_id in SHOWN]
    assert not shown, f"take {shown} out of tests/rule_coverage/no_decision.json"


def test_the_list_of_rules_without_a_decision_gives_a_short_reason_each():
    assert NO_DECISION.keys() <= RULES.keys()
    assert {kind for kind, _ in NO_DECISION.values()} == {"no decision", "not modelled"}
    assert all(10 < len(reason) <= 120 for _, reason in NO_DECISION.values())


def test_the_words_of_a_message_are_shown_by_a_test():
    untested = [
        rule_id
        for rule_id in RULES
        if rule_id.startswith("EM-") and rule_id not in SHOWN.tests and rule_id not in NO_DECISION
    ]
    assert not untested, "a case states the code of an error, not its message"


def test_every_id_that_shows_a_rule_is_defined():
    assert SHOWN.cases.keys() | SHOWN.tests.keys() <= RULES.keys()
    assert FAMILIES.split() == list(dict.fromkeys(rule_id[:2] for rule_id in RULES))


def test_what_is_about_other_things_is_there():
    for entry in ABOUT_OTHER_THINGS:
        name, _, function = entry.partition("::")
        assert f"def {function or 'test_'}" in (TESTS / name).read_text(encoding="utf-8")


def test_the_page_is_fresh():
    hint = "run python -m tests.rule_coverage"
    assert PAGE.read_text(encoding="utf-8") == page(RULES, SHOWN, NO_DECISION), hint


CASES = {
    "requests": [
        {"rules": ["KP-1", "UN-1"], "expect": {"uncertain": ["UN-1", "UN-2"]}, "why": "as KP-2 has it"},
        {"principal": "nobody"},
    ],
    "refused": [{"rules": ["PG-5"]}],
    "accepted": [{"rules": ["PG-2"]}],
}


def test_a_case_shows_what_it_lists_and_the_questions_it_rests_on():
    assert list(of_cases(CASES)) == [{"KP-1", "UN-1", "UN-2"}, set(), {"PG-5"}, {"PG-2"}]


MODULE = '''
"""All of them (KP-9)."""

BASE = {"CO-1": 1}
TABLE = [("a", "PG-10"), ("b", "DA-1 OR-1"), ("c", "see KP-8"), BASE]
UNUSED = ["KP-7"]
'''


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ('def test_it():\n    """PG-30 to PG-32, CO-4: so."""\n    assert it', {"PG-30", "PG-31", "PG-32", "CO-4"}),
        ('def test_it():\n    """PG-30 to CO-4."""\n    assert it', {"PG-30", "CO-4"}),
        ('def test_it():\n    """GR-7 to GR-13."""\n    assert it', {"GR-7", "GR-10", "GR-11", "GR-12", "GR-13"}),
        ('def test_it():\n    assert it == ("x", "PG-10")', {"PG-10"}),
        ("def test_it():\n    # CO-43\n    assert it  # CO-44\n    # CO-45", {"CO-43", "CO-44"}),
        ('def test_it():\n    with pytest.raises(E, match="PG-5"):\n        run("PG-6")', {"PG-5"}),
        ('@pytest.mark.parametrize("rule", ["GR-2"])\ndef test_it(rule):\n    assert rule', {"GR-2"}),
        (
            "@pytest.mark.parametrize('row', TABLE)\ndef test_it(row):\n    assert row",
            {"PG-10", "DA-1", "OR-1", "CO-1"},
        ),
        ("def test_it():\n    assert all(BASE)", {"CO-1"}),
        ("def check(it):\n    assert it\ndef test_it():\n    '''GR-3.'''\n    check(1)", {"GR-3"}),
        ("def test_it():\n    # GR-4\n    x = 'GR-5'\n    assert 'EM-1: no' not in x", set()),
        ("def test_it():\n    assert 'XKP-1', 'KP-1-2'", set()),
    ],
    ids=[
        *(
            "docstring",
            "no range",
            "a range with a gap",
            "assertion",
            "comments",
            "raises",
            "decorator",
            "table",
            "table in the body",
        ),
        *("helper", "in passing", "no id"),
    ],
)
def test_a_test_shows_what_it_cites_next_to_an_assertion(function, shown):
    assert list(of_tests(MODULE + function)) == [("test_it", shown)]


@pytest.mark.parametrize(
    "function", ['def test_it():\n    """GR-1."""\n    run()', 'def it():\n    """GR-1."""\n    assert it']
)
def test_what_asserts_nothing_or_is_no_test_shows_nothing(function):
    assert list(of_tests(MODULE + function)) == []


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("A `Deny` wins. And more.", "A `Deny` wins"),
        ("Key: `a|b`; *one* <key>", r"Key: `a\|b`; \*one\* \<key>"),
        ("word " * 30, "word " * 20 + "…"),
        ("`" + "word " * 30 + "`", "`" + "word " * 18 + "word` …"),
    ],
    ids=["sentence", "cell", "cut", "cut in code"],
)
def test_a_rule_is_told_in_few_words(text, cell):
    assert in_few_words(text) == cell
