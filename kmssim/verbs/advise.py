"""`kmssim advise`: the smallest changes that give the wanted answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import FINDING, FINE, print_json, read_named, with_authority

if TYPE_CHECKING:
    from kmssim.advise import Advice
    from kmssim.scenario import Scenario


@click.command(epilog="Example: kmssim advise labs/01_key_policy_must_trust/scenario.json")
@click.argument("file")
@click.option("--request", "names", multiple=True, metavar="NAME", help="This request only; may be repeated.")
@click.option("--deny", is_flag=True, help="The opposite wish: make an allowed request denied.")
@click.option("--json", "as_json", is_flag=True, help="Print the advice as JSON.")
@click.option("--limit", type=click.IntRange(1, 12), default=5, show_default=True, help="How many proposals at most.")
@click.option("--requests", "asked", metavar="FILE", help="Whose requests are asked, where FILE has none of its own.")
@click.option("--apply", "number", type=click.IntRange(1), help="Apply this proposal to the running sandbox FILE.")
@with_authority
def advise(  # noqa: PLR0913 - an argument for each option
    file: str,
    *,
    names: Sequence[str],
    asked: str | None,
    authority: str | None,
    number: int | None,
    deny: bool,
    as_json: bool,
    limit: int,
) -> None:
    """Propose the smallest changes that give the wanted answer, least privilege first, each with its proof.

    FILE is a scenario, the name of a lab, or a running sandbox's http://127.0.0.1:PORT, of which --requests says what
    is asked. Without --request all that do not have the wanted answer. Nothing is written, unless --apply names a
    proposal and FILE is a sandbox. Exits with 1 when a request has no proposal.
    """
    from kmssim.advise.render import advice_json, advice_text

    read = read_named(file)
    if asked is not None:
        read = replace(read, requests=read_named(asked).requests)
    advices = _advise(read, names, authority, wish="deny" if deny else "allow", limit=max(limit, number or 0))
    if as_json:
        print_json({"title": read.title, "requests": [advice_json(advice, read.file) for advice in advices]})
    else:
        click.echo("\n".join(advice_text(advice, read.file) for advice in advices), nl=False)
    if number is not None:
        from kmssim.advise.running import apply_to_running

        click.echo(apply_to_running(file, advices, number), err=as_json)
    sys.exit(FINE if all(advice.is_helpful for advice in advices) else FINDING)


def _advise(read: Scenario, names: Sequence[str], authority: str | None, *, wish: str, limit: int) -> list[Advice]:
    """Advice for each named request; without names for those that have another answer than the wished one."""
    from kmssim.advise import NoFix, advise
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress

    ruler = find_authority(authority)
    requests = [read.request(name) for name in names] or list(read.requests)
    found = []
    with showing_progress(len(requests), "looking for the smallest changes") as advance:
        for request in requests:
            advice = advise(read.world, request.call, name=request.name, wish=wish, authority=ruler, limit=limit)
            if names or advice.reason is not NoFix.ALREADY:
                found.append(advice)
            advance()
    return found
