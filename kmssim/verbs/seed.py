"""`kmssim seed`: a world into a running sandbox."""

from __future__ import annotations

import click

from kmssim.verbs.options import print_json, read_named


@click.command(epilog="Example: kmssim import exports/ | kmssim seed --endpoint http://127.0.0.1:5000")
@click.argument("scenario", default="-")
@click.option("--endpoint", envvar="KMSSIM_ENDPOINT", metavar="URL", required=True,
              help="The URL of a running `kmssim serve`; KMSSIM_ENDPOINT says it, too.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was seeded, and the profiles, as JSON.")
def seed(scenario: str, endpoint: str, *, as_json: bool) -> None:
    """Put the world of SCENARIO into a running `kmssim serve`, in place of the one that it holds.

    SCENARIO is a file, the name of a lab, another server's URL, or -, the default: a scenario on standard input. Prints
    the AWS profiles of the callers: credentials from before are nobody's any more.
    """
    from kmssim.running_world import seed_running, seeded_text
    from kmssim.scenario_file.document import write_scenario

    read = read_named(scenario)
    answer = seed_running(endpoint, write_scenario(read.world, read.title, read.description, read.requests))
    print_json(answer) if as_json else click.echo(seeded_text(answer), nl=False)
