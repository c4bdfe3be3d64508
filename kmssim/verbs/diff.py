"""`kmssim diff`: two versions of a world or of a key policy."""

from __future__ import annotations

import sys

import click

from kmssim.verbs.options import FINDING, FINE, is_colored, print_json, read_named, with_authority


@click.command(epilog="Example: kmssim diff old-policy.json new-policy.json --world world.json --key orders")
@click.argument("old")
@click.argument("new")
@click.option("--world", metavar="FILE", help="The world that key policies stand in: a scenario file or a lab.")
@click.option("--key", metavar="KEY", help="Whose policy it is: label, alias, id or ARN.")
@click.option("--paths", is_flag=True, help="Show also what is still allowed, but by another path.")
@click.option(
    "--fail-on",
    type=click.Choice(["gained", "lost", "any", "never"]),
    default="any",
    show_default=True,
    help="Which change makes the exit code 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every changed answer as JSON.")
@with_authority
def diff(  # noqa: PLR0913 - an argument for each option
    old: str,
    new: str,
    world: str | None,
    key: str | None,
    fail_on: str,
    authority: str | None,
    *,
    paths: bool,
    as_json: bool,
) -> None:
    """Compare two versions of a world: who gains and who loses access to which keys.

    OLD and NEW are scenario files, names of labs, or key policies (as documents, or as `aws kms get-key-policy` writes
    them). Every operation on every key is asked for every caller, with each encryption context and through each service
    that policies and grants speak of. Exits with 1 when somebody gains or loses access.
    """
    from kmssim.authority import find_authority
    from kmssim.diff.changes import Worlds
    from kmssim.diff.report import comparison_json, comparison_text
    from kmssim.diff.sides import read_sides
    from kmssim.progress import showing_progress

    sides = read_sides(old, new, lambda named: read_named(named).world, base=world, key=key)
    worlds = Worlds(*sides, find_authority(authority))
    with showing_progress(worlds.steps, "comparing") as advance:
        comparison = worlds.compare(advance, with_paths=paths)
    if as_json:
        print_json(comparison_json(old, new, comparison))
    else:
        click.echo(comparison_text(old, new, comparison, color=is_colored()), nl=False)
    sys.exit(FINDING if comparison.has(fail_on) else FINE)
