"""`kmssim authority`: who rules."""

from __future__ import annotations

import sys

import click

from kmssim.verbs.options import FINDING, FINE, print_json, with_authority


@click.command(epilog="Example: kmssim authority --check --authority regorus")
@with_authority
@click.option("--check", is_flag=True, help="Hold it against the rule in Python, on every input without a denial.")
@click.option("--all", "whole", is_flag=True, help="With --check: on every input there is; takes minutes.")
@click.option("--policy", is_flag=True, help="Print the policy, for an OPA server to load.")
@click.option("--json", "as_json", is_flag=True, help="Print what is said as JSON.")
def authority(authority: str | None, *, check: bool, whole: bool, policy: bool, as_json: bool) -> None:
    """Show the decision authority, or check it, or print its policy.

    Exits with 1 when it rules otherwise than the same rule in Python.
    """
    from kmssim.authority.policy import POLICY
    from kmssim.authority_report import authority_text, report_on

    if policy:
        click.echo(POLICY, nl=False)
        return
    report = report_on(authority, check=check or whole, whole=whole)
    print_json(report) if as_json else click.echo(authority_text(report), nl=False)
    sys.exit(FINDING if report["check"] and report["check"]["wrong"] else FINE)
