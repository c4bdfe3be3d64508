"""`kmssim rule`: the rule book."""

from __future__ import annotations

import click

from kmssim.verbs.options import print_json


@click.command(epilog="Example: kmssim rule GR-16")
@click.argument("rule_id", metavar="RULE")
@click.option("--json", "as_json", is_flag=True, help="Print the rule as JSON.")
def rule(rule_id: str, *, as_json: bool) -> None:
    """Print a rule of the rule book, how sure it is, and its sources."""
    from dataclasses import asdict

    from kmssim.render import rule_text
    from kmssim.rules import rule as find_rule

    found = find_rule(rule_id)
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(rule_text(found), nl=False)
