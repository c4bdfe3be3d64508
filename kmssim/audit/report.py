"""Findings → text for people and JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from kmssim.audit.finding import Finding, Severity, Witness
from kmssim.audit.run import Outcome, Report
from kmssim.audit.security_hub import CONTROLS, NOT_APPLICABLE
from kmssim.audit.suppressions import Suppressed
from kmssim.audit.witnesses import requests_of
from kmssim.audit.wording import WORDING
from kmssim.render import layer_words
from kmssim.scenario_file.written_calls import write_request

Json = dict[str, Any]

_WIDTH = 80
_COLORS = {Severity.CRITICAL: "magenta", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "blue"}
_MOST_WITNESSES = 3
_REPLAY = "kmssim audit FILE --witness FINDING"


def report_json(outcome: Outcome, threshold: str) -> Json:
    """The audit in the words that tools read."""
    return {
        "files": [_one_json(report) for report in outcome.reports],
        "suppressions": [finding_json(finding) for finding in outcome.stale],
        "totals": counts(outcome.findings),
        "fail_on": threshold,
        "failed": outcome.fails(threshold),
    }


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each severity, the worst first."""
    return {one.value: sum(finding.severity is one for finding in findings) for one in reversed(Severity)}


def _one_json(report: Report) -> Json:
    return {
        "file": report.subject.file,
        "title": report.subject.title,
        "findings": [finding_json(finding) for finding in report.findings],
        "suppressed": [_suppressed_json(one) for one in report.suppressed],
        "controls": dict(report.controls),
    }


def _suppressed_json(one: Suppressed) -> Json:
    by = {"where": one.by.where, "reason": one.by.reason, "expires": one.by.expires.isoformat()}
    return {**finding_json(one.finding), "suppressed": by}


def finding_json(finding: Finding) -> Json:
    """One finding; its witnesses in the form of a scenario's requests."""
    return {
        "id": finding.id,
        "name": finding.name,
        "severity": finding.severity.value,
        "file": finding.where.file,
        "path": finding.where.path,
        "line": finding.where.line,
        "key": finding.key or None,
        "subject": finding.subject or None,
        "title": WORDING[finding.id].title,
        "executive": finding.executive,
        "technical": finding.technical,
        "fix": finding.fix,
        "rules": list(finding.rules),
        "controls": list(finding.controls),
        "witnesses": [
            _witness_json(witness, write_request(request))
            for witness, request in zip(finding.witnesses, requests_of(finding), strict=True)
        ],
    }


def _witness_json(witness: Witness, request: Json) -> Json:
    decision = witness.decision
    shown = witness.shown
    return {
        "says": witness.says,
        "decision": decision.word,
        "layers": layer_words(decision.layers),
        "error": decision.failure.code if decision.failure else None,
        "statement": f"{shown.policy}.{shown.statement}".strip(".") if shown and shown.statement else None,
        "grant": shown.grant or None if shown else None,
        "applies": shown.applies if shown else None,
        "beside": sorted(witness.beside),
        "request": request,
    }


def report_text(outcome: Outcome, threshold: str, *, color: bool) -> str:
    """The audit for a person: file by file, the worst first, the totals below."""
    lines: list[str] = []
    for report in outcome.reports:
        lines += [*_report_lines(report, color=color), ""]
    if outcome.stale:
        lines += ["Suppressions", "", *_findings_lines(outcome.stale, None, color=color)]
    if any(finding.witnesses for finding in outcome.findings):
        lines += _wrapped(f"A finding's witnesses as a scenario for `kmssim decide`: {_REPLAY}", "", "  ")
    lines += _wrapped(_totals(outcome, threshold), "", "  ")
    return "\n".join(lines) + "\n"


def _report_lines(report: Report, *, color: bool) -> Iterator[str]:
    title, file = report.subject.title, report.subject.file
    yield from _wrapped(title, "", "  ")
    if file and file != title:
        yield file
    yield ""
    yield from _findings_lines(report.findings, file, color=color)
    for one in report.suppressed:
        text = f"Suppressed until {one.by.expires}: {one.finding.id} at {one.finding.where.path}: {one.by.reason}"
        yield from _wrapped(text, "", "  ")
    controls = [f"{name} {result}" for name, result in report.controls.items()]
    yield from _wrapped(f"AWS Security Hub: {', '.join(controls)}.", "", "  ")
    for name, why in NOT_APPLICABLE.items():
        yield from _wrapped(f"{name} ({CONTROLS[name]}): {why}.", "  ", "  ")


def _findings_lines(findings: Sequence[Finding], file: str | None, *, color: bool) -> Iterator[str]:
    for severity in reversed(Severity):
        of_it = [finding for finding in findings if finding.severity is severity]
        if of_it:
            heading = f"{severity.value.upper()} ({len(of_it)})"
            yield click.style(heading, fg=_COLORS[severity], bold=True) if color else heading
            yield ""
        for finding in of_it:
            yield from finding_lines(finding, file)
            yield ""


def finding_lines(finding: Finding, file: str | None = None) -> Iterator[str]:
    """One finding's block; `file` is the one that the heading names already."""
    where = finding.where
    yield from _wrapped(f"{finding.id}: {WORDING[finding.id].title}", "  ", "    ")
    place = where.path or "the whole document"
    place = f"{where.file}: {place}" if where.file and where.file != file else place
    yield f"    at {place}" + (f" (line {where.line})" if where.line else "")
    yield from _wrapped(finding.executive, "    ", "    ")
    yield from _wrapped(f"What there is: {finding.technical}", "    ", "      ")
    yield from _wrapped(f"What to do: {finding.fix}", "    ", "      ")
    for witness in finding.witnesses[:_MOST_WITNESSES]:
        yield from _wrapped(f"Witness: {_witness_text(witness)}", "    ", "      ")
    more = len(finding.witnesses) - _MOST_WITNESSES
    if more > 0:
        yield f"    and {more} more witnesses"
    rules = [*finding.rules, *finding.controls]
    if rules:
        yield from _wrapped(f"Rules: {', '.join(rules)}", "    ", "      ")


def _witness_text(witness: Witness) -> str:
    call, failure = witness.call, witness.decision.failure
    via = f" by way of {call.via}" if call.via else ""
    error = f", {failure.code}" if failure and witness.decision.allowed else ""
    applies = "" if witness.shown is None or witness.shown.applies else ", and it does not apply"
    return f"{call.principal.arn} calls {call.operation}{via}: {witness.word}{error} ({witness.says}{applies})"


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )


def _totals(outcome: Outcome, threshold: str) -> str:
    count = len(outcome.findings)
    found = [f"{number} {name}" for name, number in counts(outcome.findings).items() if number]
    text = f"{count} finding{'s' if count != 1 else ''}" + (f": {', '.join(found)}" if found else "")
    off = sum(len(report.suppressed) for report in outcome.reports)
    text += f"; {off} suppressed" if off else ""
    if threshold == "never":
        return f"{text}."
    return f"{text}. {'Failed' if outcome.fails(threshold) else 'Passed'}: --fail-on {threshold}."
