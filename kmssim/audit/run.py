"""The audit of files: read, audit, place, put off what is suppressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from kmssim.audit.checks import CHECKS, audit
from kmssim.audit.finding import Finding, Severity
from kmssim.audit.key_policy_file import world_of_policy
from kmssim.audit.lines import with_lines
from kmssim.audit.scene import Scene
from kmssim.audit.security_hub import CONTROLS, NOT_APPLICABLE
from kmssim.audit.suppressions import BESIDE, Suppressed, apply_suppressions, find_stale, read_suppressions
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.world import World
from kmssim.progress import Advance
from kmssim.scenario import Scenario
from kmssim.scenario_file.policies import key_policy_in
from kmssim.strict_json import read_json

STEPS = len(CHECKS)
"""How often `audit_subject` calls `advance`."""


@dataclass(frozen=True)
class Subject:
    """A world to be audited. `file` None: it was not read from one; `bare`: the file is a lone key policy."""

    title: str
    world: World
    file: str | None = None
    bare: bool = False


@dataclass(frozen=True)
class Report:
    """What the audit of one subject found."""

    subject: Subject
    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...] = ()

    @property
    def controls(self) -> Mapping[str, str]:
        """AWS Security Hub's controls: `passed`, `failed` or `not applicable`; what is put off has failed, too."""
        every = (*self.findings, *(one.finding for one in self.suppressed))
        failed = {control for finding in every for control in finding.controls}
        return {
            name: "not applicable" if name in NOT_APPLICABLE else "failed" if name in failed else "passed"
            for name in CONTROLS
        }


def subject_of(scenario: Scenario) -> Subject:
    """A scenario as something to be audited."""
    return Subject(scenario.title, scenario.world, scenario.file)


def read_policy_file(path: Path, account: str | None) -> Subject | None:
    """A file that holds a bare key policy; None when it holds something else.

    Raises:
        InputError: it is no JSON, or a key policy that AWS would refuse.

    """
    document = key_policy_in(read_json(path))
    if document is None:
        return None
    return Subject(path.name, world_of_policy(document, str(path), account), str(path), bare=True)


def audit_subject(subject: Subject, authority: Authority = PYTHON, advance: Advance | None = None) -> Report:
    """Every finding about the subject, with its line."""
    scene = Scene(subject.world, subject.file, authority, subject.bare)
    found = audit(scene, advance) if advance else audit(scene)
    return Report(subject, with_lines(found))


def suppressions_for(report: Report, given: str | None) -> Path | None:
    """The file of suppressions that speaks of the report: the given one, else the one beside what was audited."""
    if given is not None:
        return Path(given)
    beside = Path(report.subject.file).with_name(BESIDE) if report.subject.file else None
    return beside if beside is not None and beside.is_file() else None


@dataclass(frozen=True)
class Outcome:
    """The reports after suppressions; `stale`: findings about the suppressions themselves."""

    reports: tuple[Report, ...]
    stale: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is left to be told."""
        return (*(finding for report in self.reports for finding in report.findings), *self.stale)

    def fails(self, threshold: str) -> bool:
        """Whether a finding is as bad as the threshold (`low` to `critical`), or worse; `never`: none is."""
        if threshold == "never":
            return False
        return any(finding.severity.rank >= Severity(threshold).rank for finding in self.findings)


def put_off(reports: Sequence[Report], given: str | None, today: date) -> Outcome:
    """Leave out what is suppressed on that day.

    A suppression is unused when it fits nothing in any of the reports that its file speaks of.

    Raises:
        InputError: a file of suppressions cannot be read.

    """
    files = [suppressions_for(report, given) for report in reports]
    read = {path: read_suppressions(path) for path in dict.fromkeys(files) if path is not None}
    left: list[Report] = []
    for report, path in zip(reports, files, strict=True):
        told, off = apply_suppressions(report.findings, read[path] if path else (), today)
        left.append(replace(report, findings=told, suppressed=off))
    stale: list[Finding] = []
    for path, suppressions in read.items():
        of_path = (report for report, other in zip(reports, files, strict=True) if other == path)
        stale += find_stale(suppressions, [one for report in of_path for one in report.findings], today)
    return Outcome(tuple(left), with_lines(stale))
