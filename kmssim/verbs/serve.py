"""`kmssim serve`: a world over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kmssim.verbs.options import read_named, with_authority


@click.command(epilog="Example: kmssim serve --scenario 01_key_policy_must_trust --write-profiles aws.config")
@click.option("--scenario", metavar="FILE", help="A scenario or the name of a lab; without it, an empty account.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0, the default: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option("--write-profiles", "file", type=Path, metavar="FILE", help="Write the AWS profiles into a file, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: where and for whom, then each decision.")
@with_authority
def serve(
    scenario: str | None, port: int, host: str, file: Path | None, authority: str | None, *, as_json: bool
) -> None:
    """Serve a world over HTTP to any SDK on this machine, until Ctrl-C.

    Prints an AWS profile for each principal, then a line for each decision.
    """
    from kmssim.authority import find_authority
    from kmssim.serve import Served
    from kmssim.serve import serve as serve_world
    from kmssim.speech import writer_to
    from kmssim.starting_world import starting_world

    read = read_named(scenario) if scenario else None
    world, callers = (read.world, read.callers) if read else (starting_world(), ())
    served = Served(world, callers, host, port, file, as_json)
    ruler = find_authority(authority)
    serve_world(served, ruler, writer_to(sys.stdout), lambda text: click.echo(f"kmssim: {text}", err=True))
