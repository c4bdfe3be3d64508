"""`kmssim who-can`: everybody who can do something on a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import print_json, with_authority
from kmssim.verbs.reach_options import Reaching, drawn_to, in_world, limits_of, read_world, with_limits

if TYPE_CHECKING:
    from kmssim.scenario import Scenario

_EPILOG = "Example: kmssim who-can decrypt orders --in 01_key_policy_must_trust"


@click.command(cls=Reaching, epilog=_EPILOG)
@click.argument("operation")
@click.argument("key", required=False)
@in_world
@with_limits
@drawn_to
@click.option("--all", "every", is_flag=True, help="Show every path of everybody.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@with_authority
def who_can(  # noqa: PLR0913 - its options
    operation: str,
    key: str | None,
    named: str | None,
    hops: int,
    svg: Path | None,
    authority: str | None,
    *,
    every: bool,
    as_json: bool,
) -> None:
    """Who can do OPERATION on KEY: directly, by a grant, through roles, by escalation.

    OPERATION in any spelling (decrypt, kms:Decrypt); KEY is a label, id, ARN or alias. Without KEY: who can do it at
    once, on each key of the world.
    """
    if key is None:
        _everywhere(operation, read_world(named), authority, as_json=as_json)
        return
    from kmssim.access import callers_of, key_named
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress
    from kmssim.reach.asking import action_named
    from kmssim.reach.report import found_json, who_can_text
    from kmssim.reach.search import who_can as search

    read = read_world(named)
    wanted = key_named(read.world, key)
    action = action_named(operation, wanted)
    with showing_progress(len(callers_of(read.world)), "looking for paths") as advance:
        found = search(read.world, action, wanted, limits_of(hops), find_authority(authority), advance)
    if svg is not None:
        from kmssim.reach.picture import write

        write(svg, found, read.world, f"Who can {action} on {key}")
    if as_json:
        print_json(found_json(found, wanted, action))
    else:
        click.echo(who_can_text(found, action, wanted, read.title, every=every), nl=False)


def _everywhere(operation: str, read: Scenario, authority: str | None, *, as_json: bool) -> None:
    from kmssim.access import callers_of
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress
    from kmssim.reach.asking import operation_named
    from kmssim.reach.everywhere import everywhere_json, everywhere_text, who_can_everywhere

    action = operation_named(operation)
    with showing_progress(len(callers_of(read.world)), "asking") as advance:
        found = who_can_everywhere(read.world, action, find_authority(authority), advance)
    if as_json:
        print_json(everywhere_json(found, action))
    else:
        click.echo(everywhere_text(found, action, read.title), nl=False)
