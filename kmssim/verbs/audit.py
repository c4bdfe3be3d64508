"""`kmssim audit`: what is exposed, what is about to lock out, what does not work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import FINDING, FINE, is_colored, print_json, read_named, with_authority

if TYPE_CHECKING:
    from kmssim.audit.run import Outcome, Subject


def audit_options(fail_on: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """What every verb that audits takes; `fail_on` says what the severity does there."""
    options = (
        click.option(
            "--fail-on",
            "threshold",
            type=click.Choice(["low", "medium", "high", "critical", "never"]),
            default="high",
            show_default=True,
            help=fail_on,
        ),
        click.option(
            "--suppressions", metavar="FILE", help="Findings that are put off; default: kmssim-audit.json beside FILE."
        ),
        click.option("--today", metavar="DATE", help="The day on which suppressions are read; default: the clock's."),
        click.option("--account", metavar="ID", help="Whose key it is, where FILE is a bare key policy."),
    )

    def add(verb: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            verb = option(verb)
        return verb

    return add


@click.command(epilog="Example: kmssim audit labs/01_key_policy_must_trust/scenario.json --fail-on critical")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0.")
@audit_options(fail_on="Exit with 1 from this severity on.")
@click.option("--witness", metavar="FINDING", help="Print the scenario that shows a finding, for `kmssim decide`.")
@with_authority
def audit(  # noqa: PLR0913 - an argument for each option
    files: Sequence[str],
    *,
    as_json: bool,
    as_sarif: bool,
    threshold: str,
    suppressions: str | None,
    today: str | None,
    account: str | None,
    witness: str | None,
    authority: str | None,
) -> None:
    """Audit scenarios and key policies: exposure, lock-out, and what does not do what it says.

    Each FILE is a scenario, the name of a lab, or a bare key policy. Each finding has a witness: a call whose decision
    shows it. Exits with 1 when a finding is as bad as --fail-on says.
    """
    from kmssim.audit.run import STEPS, audit_subject, put_off
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress

    subjects = [read_subject(file, account) for file in files]
    ruler = find_authority(authority)
    with showing_progress(STEPS * len(subjects), "auditing") as advance:
        audited = [audit_subject(subject, ruler, advance) for subject in subjects]
    outcome = put_off(audited, suppressions, read_today(today))
    if witness is not None:
        from kmssim.audit.witnesses import scenario_of_witnesses

        print_json(scenario_of_witnesses(outcome.reports, witness))
        return
    _show(outcome, threshold, as_json=as_json, as_sarif=as_sarif)
    sys.exit(FINDING if outcome.fails(threshold) else FINE)


def read_subject(named: str, account: str | None) -> Subject:
    """A bare key policy, or whatever else names a scenario."""
    from kmssim.audit.run import read_policy_file, subject_of

    path = Path(named)
    policy = read_policy_file(path, account) if path.is_file() else None
    return policy or subject_of(read_named(named))


def read_today(today: str | None) -> date:
    """The day that was named, else that of the clock: here, at the edge, and nowhere else."""
    from kmssim.audit.suppressions import read_day
    from kmssim.scenario_file.places import Place

    return datetime.now(UTC).date() if today is None else read_day(today, Place("--today"))


def _show(outcome: Outcome, threshold: str, *, as_json: bool, as_sarif: bool) -> None:
    from kmssim.audit.report import report_json, report_text
    from kmssim.audit.sarif import report_sarif

    if as_sarif or as_json:
        print_json(report_sarif(outcome) if as_sarif else report_json(outcome, threshold))
    else:
        click.echo(report_text(outcome, threshold, color=is_colored()), nl=False)
