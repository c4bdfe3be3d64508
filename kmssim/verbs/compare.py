"""`kmssim compare`: predicted beside simulated."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from kmssim.verbs.options import FINDING, FINE, is_colored, print_json, read_named, with_authority


@click.command(epilog="Example: kmssim compare 01_key_policy_must_trust")
@click.argument("scenarios", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@with_authority
def compare(scenarios: Sequence[str], authority: str | None, *, as_json: bool) -> None:
    """Compare predicted with simulated decisions, and with what moto alone answers.

    Each of SCENARIOS is a file, the name of a lab, - for standard input, or the URL of a running `kmssim serve`;
    without any, all labs of this folder are compared. Predictions are ruled by Python, the
    sandbox by the decision authority. Exits with 1 when a prediction and the sandbox disagree, or a stated expectation
    does not hold.
    """
    from kmssim.authority import find_authority
    from kmssim.labs.folder import find_labs
    from kmssim.progress import showing_progress
    from kmssim.scenario import load_scenario

    read = [read_named(named) for named in scenarios] or [load_scenario(lab.scenario) for lab in find_labs()]
    if not any(scenario.requests for scenario in read):
        click.echo("kmssim: nothing to compare: no request is stated", err=True)
    ruler = find_authority(authority)
    with showing_progress(sum(len(scenario.requests) for scenario in read), "comparing") as advance:
        from kmssim.compare import compare_scenario, summarize

        compared = [compare_scenario(scenario, advance, ruler) for scenario in read]
    totals = summarize(compared)
    if as_json:
        from kmssim.tables import comparisons_json

        print_json(comparisons_json(compared, totals))
    else:
        from kmssim.tables import comparisons_text

        click.echo(comparisons_text(compared, totals, color=is_colored()), nl=False)
    sys.exit(FINE if totals.fine else FINDING)
