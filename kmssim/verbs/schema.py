"""`kmssim schema`: the format of scenario files."""

from __future__ import annotations

import click

from kmssim.verbs.options import print_json


@click.command(epilog="Example: kmssim schema > scenario.schema.json")
@click.option("--json", "as_json", is_flag=True, help="The schema is JSON with and without this option.")
def schema(*, as_json: bool) -> None:
    """Print the JSON Schema of scenario files, for editors and checkers."""
    from kmssim.scenario import json_schema

    del as_json
    print_json(json_schema())
