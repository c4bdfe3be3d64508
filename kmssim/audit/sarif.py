"""Findings → SARIF 2.1.0, for code hosts and editors."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from kmssim import __version__
from kmssim.audit.finding import Finding, Severity
from kmssim.audit.run import Outcome
from kmssim.audit.suppressions import Suppressed
from kmssim.audit.wording import WORDING, Words

Json = dict[str, Any]

_SCHEMA = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}
"""`security-severity`, by which code hosts tell the four apart: SARIF itself knows three levels."""

_IDS = list(WORDING)


def report_sarif(outcome: Outcome) -> Json:
    """One run with every finding; what is suppressed is there, and marked so."""
    results = [_result(finding) for finding in outcome.findings]
    results += [_suppressed(one) for report in outcome.reports for one in report.suppressed]
    rules = [_rule(name, words) for name, words in WORDING.items()]
    driver = {"name": "kmssim", "semanticVersion": __version__, "rules": rules}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(name: str, words: Words) -> Json:
    because = f"Rated {words.severity.value}: {words.because}."
    return {
        "id": name,
        "shortDescription": {"text": words.title},
        "fullDescription": {"text": f"{words.title}. {because}"},
        "help": {"text": f"{because} Rules: {', '.join((*words.rules, *words.controls)) or 'none'}."},
        "defaultConfiguration": {"level": _LEVELS[words.severity]},
        "properties": {
            "security-severity": _SCORES[words.severity],
            "tags": ["security", "kms", *words.rules, *words.controls],
        },
    }


def _result(finding: Finding) -> Json:
    text = f"{finding.executive} {finding.technical} {finding.fix}"
    return {
        "ruleId": finding.id,
        "ruleIndex": _IDS.index(finding.id),
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(finding)],
        "partialFingerprints": {"kmssimFinding/v1": _fingerprint(finding)},
        "properties": {
            "key": finding.key,
            "subject": finding.subject,
            "rules": list(finding.rules),
            "witness": [f"{one.call.principal.arn} {one.call.operation} {one.word}" for one in finding.witnesses[:10]],
        },
    }


def _suppressed(one: Suppressed) -> Json:
    reason = f"{one.by.reason} (until {one.by.expires.isoformat()})"
    return {
        **_result(one.finding),
        "suppressions": [{"kind": "external", "status": "accepted", "justification": reason}],
    }


def _location(finding: Finding) -> Json:
    where = finding.where
    location: Json = {"logicalLocations": [{"fullyQualifiedName": where.path or "$", "kind": "member"}]}
    if where.file:
        path = PurePath(where.file)
        uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": {"startLine": where.line or 1}}
    return location


def _fingerprint(finding: Finding) -> str:
    """The same for the same finding, on whichever line it stands by now."""
    return hashlib.sha256(f"{finding.where.file}\n{finding.name}\n{finding.key}".encode()).hexdigest()
