"""`kmssim explain-error`: AWS's own sentence read back."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from kmssim.verbs.options import FINDING, FINE, print_json, read_named, with_authority


@click.command(epilog="Example: kmssim explain-error - --world world.json < error.txt")
@click.argument("sentence")
@click.option("--world", metavar="FILE", help="Ask this world the same call: a scenario file or a lab.")
@click.option("--key", metavar="KEY", help="Which key it was, where the sentence names none.")
@click.option("--encryption-context", "context", multiple=True, metavar="NAME=VALUE", help="What the call carried.")
@click.option("--via", metavar="HOST", help="The service that called KMS, e.g. s3.us-east-1.amazonaws.com.")
@click.option("--json", "as_json", is_flag=True, help="Print the reading as JSON.")
@with_authority
def explain_error(  # noqa: PLR0913 - an argument for each option
    sentence: str,
    world: str | None,
    key: str | None,
    context: Sequence[str],
    via: str | None,
    authority: str | None,
    *,
    as_json: bool,
) -> None:
    """Say in plain words what an error of AWS KMS means, which policy to open, and what can have gone wrong.

    SENTENCE is what AWS said, with or without what an SDK prints around it, or a CloudTrail event; `-`: it is read from
    standard input. With --world the call is asked there as well; exits with 1 where that ends otherwise.
    """
    from kmssim.authority import find_authority
    from kmssim.explain_error.in_world import Fit, NotAsked, ask_world
    from kmssim.explain_error.reading import read_into_words
    from kmssim.explain_error.rebuilt import read_stated
    from kmssim.explain_error.report import reading_json, reading_text
    from kmssim.explain_error.sentence import read_sentence

    reading, answer = read_into_words(read_sentence(sys.stdin.read() if sentence == "-" else sentence)), None
    if world is not None:
        declared = read_named(world).world
        stated = read_stated(declared, key, context, via)
        answer = ask_world(reading.sentence, declared, stated, find_authority(authority))
    if as_json:
        print_json(reading_json(reading, world, answer))
    else:
        click.echo(reading_text(reading, world, answer), nl=False)
    is_same = answer is None or (not isinstance(answer, NotAsked) and answer.fit is Fit.SAME)
    sys.exit(FINE if is_same else FINDING)
