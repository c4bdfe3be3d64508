"""What `kmssim authority` says: who rules, by which engine and policy, and whether the rule in Python agrees."""

from __future__ import annotations

from typing import TypedDict

from kmssim.authority import conformance, find_authority, find_engine
from kmssim.authority.conformance import Conformance, domain
from kmssim.authority.policy import DIGEST, POLICY_PATH, VERSION
from kmssim.progress import showing_progress


class Report(TypedDict):
    """`check` is None where nothing was checked."""

    authority: str
    engine: str
    policy_digest: str
    policy_version: str
    policy_file: str
    check: Conformance | None


def report_on(choice: str | None, *, check: bool, whole: bool) -> Report:
    """Report on an authority, and with `check` hold it against Python; errors are those of `find_authority`."""
    shown = find_authority(choice).shown
    return Report(
        authority=shown.authority,
        engine=shown.engine or "this Python",
        policy_digest=DIGEST,
        policy_version=VERSION,
        policy_file=str(POLICY_PATH),
        check=_checked(choice, whole=whole) if check else None,
    )


def _checked(choice: str | None, *, whole: bool) -> Conformance:
    engine = find_engine(choice)
    if engine is None:  # Python is what the others are held against
        return Conformance(asked=0, wrong=0, examples=[])
    with showing_progress(sum(1 for _ in domain(whole=whole)), f"asking {engine.name}") as advance:
        return conformance.check(engine, domain(whole=whole), advance)


def authority_text(report: Report) -> str:
    """The report for a person."""
    lines = [
        f"authority  {report['authority']}, ruled by {report['engine']}",
        f"policy     {report['policy_version']}, SHA-256 {report['policy_digest']}",
        f"file       {report['policy_file']}",
    ]
    checked = report["check"]
    if checked:
        counted = f"{checked['asked']} inputs asked, {checked['wrong']} answers differ from the rule in Python"
        lines.append(f"check      {counted}")
        lines += [f"           {example}" for example in checked["examples"]]
    return "\n".join(lines) + "\n"
