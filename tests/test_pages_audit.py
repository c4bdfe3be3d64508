"""The audit page: what an executive reads first, and everything that `kmssim audit --json` found."""

from __future__ import annotations

import json

import pytest
from page_texts import embedded, words
from test_cli import kmssim, refused

from kmssim.pages.audit_page import audit_page

FILES = ("03", "05")


@pytest.fixture(scope="module")
def data():
    ran = kmssim("audit", *FILES, "--json", "--today", "2026-01-01")
    assert ran.returncode in (0, 1), ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def page(data):
    return audit_page(data)


def findings(data):
    return [finding for report in data["files"] for finding in report["findings"]]


def test_it_begins_with_the_counts_and_the_verdict(data, page):
    count = len(findings(data))
    assert count > 1
    assert f"{count} findings. At least one is high or worse, the mark that this audit was held to." in words(page)
    totals = " ".join(f"{name} {number}" for name, number in data["totals"].items())
    assert totals in words(page)


def test_every_finding_is_there_with_sentence_place_fix_and_witness(data, page):
    said = words(page)
    for finding in findings(data):
        for part in ("title", "executive", "fix", "path"):
            assert finding[part] in said
        for witness in finding["witnesses"]:
            assert f"{witness['decision']} ({witness['says']}" in said


def test_the_worst_stands_first_within_a_file(data, page):
    said = words(page)
    for report in data["files"]:
        places = [said.index(finding["executive"]) for finding in report["findings"]]
        assert places == sorted(places)


def test_it_is_made_from_its_data_alone(page):
    assert audit_page(embedded(page)["audit"]) == page


@pytest.mark.parametrize("part", ["title", "executive", "technical", "fix", "path", "severity", "line"])
def test_a_changed_finding_changes_the_page(part, data, page):
    changed = json.loads(json.dumps(data))
    finding = changed["files"][0]["findings"][0]
    finding[part] = "medium" if part == "severity" and finding[part] != "medium" else f"{finding[part]}x"
    assert words(audit_page(changed)) != words(page)


NOTHING = {
    "files": [
        {
            "file": "fine.json",
            "title": "A fine world",
            "findings": [],
            "suppressed": [],
            "controls": {"KMS.1": "passed"},
        }
    ],
    "suppressions": [],
    "totals": {"critical": 0, "high": 0, "medium": 0, "low": 0},
    "fail_on": "high",
    "failed": False,
}


def test_where_nothing_was_found_it_says_so():
    said = words(audit_page(NOTHING))
    assert "Nothing was found." in said
    assert "Nothing was found here." in said


def test_what_is_put_off_is_named_with_its_reason(data):
    changed = json.loads(json.dumps(data))
    report = changed["files"][0]
    put_off = {"where": "*", "reason": "moved next month", "expires": "2026-02-01"}
    report["suppressed"] = [{**report["findings"].pop(0), "suppressed": put_off}]
    assert "until 2026-02-01: moved next month" in words(audit_page(changed))


def test_the_verb_writes_the_page_and_a_finding_is_no_failure_of_it(tmp_path, data):
    out = tmp_path / "audit.html"
    ran = kmssim("pages", "audit", *FILES, "--today", "2026-01-01", "--out", str(out))
    assert (ran.returncode, ran.stdout) == (0, f"written: {out}\n"), ran.stderr
    assert embedded(out.read_text(encoding="utf-8"))["audit"] == data


def test_a_missing_file_is_a_message():
    assert "there is no" in refused(kmssim("pages", "audit", "missing.json"))
