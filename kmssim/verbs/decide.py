"""`kmssim decide`: predict and explain."""

from __future__ import annotations

from collections.abc import Sequence

import click

from kmssim.verbs.options import print_json, read_named, with_authority


@click.command(epilog="Example: kmssim decide labs/01_key_policy_must_trust/scenario.json")
@click.argument("scenario")
@click.option("--request", "names", multiple=True, metavar="NAME", help="Decide this request only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the decisions as JSON.")
@click.option("--brief", is_flag=True, help="Leave the trace out of the JSON.")
@click.option("--trace", is_flag=True, help="Show the trace as a tree.")
@with_authority
def decide(
    scenario: str, names: Sequence[str], authority: str | None, *, as_json: bool, brief: bool, trace: bool
) -> None:
    """Predict and explain the requests of SCENARIO.

    It is a file, the name of a lab, - for standard input, or the URL of a running `kmssim serve`.
    """
    from kmssim.authority import begin_to_find
    from kmssim.evaluator.pdp import decide as decide_call
    from kmssim.render import decision_json, decision_text

    authority_found = begin_to_find(authority)
    read = read_named(scenario)
    requests = [read.request(name) for name in names] or list(read.requests)
    ruler = authority_found()
    decided = [(request.name, decide_call(read.world, request.call, ruler)) for request in requests]
    if as_json:
        answers = [decision_json(name, decision, brief=brief) for name, decision in decided]
        print_json({"title": read.title, "requests": answers})
        return
    if not decided:
        click.echo("kmssim: nothing to decide: the scenario has no requests", err=True)
    texts = [decision_text(name, decision, read.file, trace=trace) for name, decision in decided]
    click.echo("\n".join(texts), nl=False)
