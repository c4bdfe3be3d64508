"""`kmssim can`: everything that a principal can do."""

from __future__ import annotations

from pathlib import Path

import click

from kmssim.verbs.options import print_json, with_authority
from kmssim.verbs.reach_options import Reaching, drawn_to, in_world, limits_of, read_world, with_limits


@click.command(cls=Reaching, epilog="Example: kmssim can role/workload --in 01_key_policy_must_trust")
@click.argument("principal")
@in_world
@with_limits
@drawn_to
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@with_authority
def can(
    principal: str, named: str | None, hops: int, svg: Path | None, authority: str | None, *, as_json: bool
) -> None:
    """What PRINCIPAL can do, key by key: each operation by the shortest way to it.

    PRINCIPAL is an ARN, or a name: ana, role/workload, 111122223333:role/workload.
    """
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress
    from kmssim.reach.asking import principal_named
    from kmssim.reach.report import found_json, what_can_text
    from kmssim.reach.search import what_can

    world = (read := read_world(named)).world
    caller = principal_named(principal, world)
    with showing_progress(len(world.keys_by_arn), "looking at keys") as advance:
        found = what_can(world, caller, None, limits_of(hops), find_authority(authority), advance)
    if svg is not None:
        from kmssim.reach.picture import write

        write(svg, found, world, f"What {principal} can do")
    if as_json:
        print_json(found_json(found))
    else:
        click.echo(what_can_text(found, caller, world, read.title), nl=False)
