"""The table of words: whole, justified, and read by a person before it changes."""

from __future__ import annotations

import pytest
from golden import PAGE, page

from kmssim.audit.finding import Severity
from kmssim.audit.security_hub import CONTROLS
from kmssim.audit.suppressions import BESIDE
from kmssim.audit.wording import WORDING
from kmssim.rules import all_rules

RULES = set(all_rules())

each = pytest.mark.parametrize("name", WORDING)


def test_every_finding_reads_as_it_is_on_the_page():
    """After a change of words: `python tests/audit/golden.py`, and read the difference."""
    assert page() == PAGE.read_text(encoding="utf-8")


@each
def test_a_row_is_whole(name):
    words = WORDING[name]
    for text in (words.title, words.executive, words.technical, words.fix, words.because):
        assert text.strip() == text
        assert text
    assert not words.title.endswith(".")
    assert words.executive.endswith(".")
    assert words.executive.count(". ") == 0


@each
def test_a_severity_is_justified_in_one_clause(name):
    assert len(WORDING[name].because.split()) >= 5
    assert not WORDING[name].because.endswith(".")


@each
def test_a_row_cites_rules_and_controls_that_there_are(name):
    words = WORDING[name]
    assert set(words.rules) <= RULES
    assert set(words.controls) <= set(CONTROLS)
    assert words.rules or name.startswith("suppression-")


def test_severities_are_told_apart():
    assert [one.value for one in Severity] == ["low", "medium", "high", "critical"]
    assert {words.severity for words in WORDING.values()} == set(Severity)


def test_every_control_that_a_world_can_fail_has_a_finding():
    failing = {control for words in WORDING.values() for control in words.controls}
    assert failing == set(CONTROLS) - {"KMS.4"}
    assert BESIDE == "kmssim-audit.json"
