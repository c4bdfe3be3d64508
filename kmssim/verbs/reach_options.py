"""What `who-can` and `can` share: where the world comes from, how far the search goes, and what their help owes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import read_named

if TYPE_CHECKING:
    from kmssim.reach.paths import Limits
    from kmssim.scenario import Scenario

in_world = click.option(
    "--in",
    "named",
    metavar="FILE",
    help="A scenario file, or the name of a lab. Without it: scenario.json here, or the only JSON file here.",
)
with_limits = click.option(
    "--hops", type=click.IntRange(0, 6), default=3, show_default=True, help="The most hops of a path; 0: direct only."
)
drawn_to = click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw the paths into this file."
)


class Reaching(click.Command):
    """A command whose help lists what its answer does not rest on."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list, then the example."""
        from kmssim.reach.unseen import NOT_LOOKED_AT

        with formatter.section("Not looked at"):
            for each in NOT_LOOKED_AT:
                formatter.write_text(f"- {each}")
        super().format_epilog(ctx, formatter)


def read_world(named: str | None) -> Scenario:
    """The scenario that is meant, named or not."""
    from kmssim.reach.asking import only_scenario

    return read_named(named or only_scenario(Path()))


def limits_of(hops: int) -> Limits:
    """How far the search goes."""
    from kmssim.reach.paths import Limits

    return Limits(hops)
