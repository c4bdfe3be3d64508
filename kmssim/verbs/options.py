"""What the verbs share: exit codes, options that mean the same everywhere, and where a scenario comes from."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kmssim.scenario import Scenario

FINE, FINDING, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def print_json(data: Any) -> None:  # noqa: ANN401 - any JSON
    """Print data as JSON for programs and people."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def read_named(named: str) -> Scenario:
    """A scenario by file, or by the name of a lab."""
    from kmssim.scenario import load_scenario

    path = Path(named)
    if not path.is_file():
        from kmssim.labs import find_scenario

        path = find_scenario(named)
    return load_scenario(path)


def is_colored() -> bool:
    """Colour on a terminal only, and not where NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


with_authority = click.option(
    "--authority",
    metavar="NAME",
    help="Who rules: rego (the default), regopy, regorus, python, or an OPA server's http://127.0.0.1:8181. "
    "KMSSIM_AUTHORITY says it for all verbs.",
)
