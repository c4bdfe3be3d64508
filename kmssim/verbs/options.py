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


def say(data: Any, text: str, *, as_json: bool) -> None:  # noqa: ANN401 - any JSON
    """Print an answer: the text for people, or the data for programs."""
    if as_json:
        print_json(data)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def write_json(data: Any, file: Path) -> None:  # noqa: ANN401 - any JSON
    """Write data as JSON into a file. Raises SetupError when that cannot be done."""
    write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", file)


def write_text(text: str, file: Path) -> None:
    """Write text into a file. Raises SetupError when that cannot be done."""
    from kmssim.errors import SetupError

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror or error}") from None


def read_input() -> str:
    """All that comes on standard input. Raises InputError when it is no text."""
    from kmssim.errors import InputError

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", file="standard input") from None


def read_named(named: str) -> Scenario:
    """A scenario by file, by name of a lab, on standard input (`-`), or out of a running `kmssim serve` (its URL)."""
    from kmssim.scenario import load_scenario, parse_scenario

    if named == "-":
        return parse_scenario(read_input(), file="standard input", folder=Path())
    if "://" in named:
        from kmssim.running_world import read_running

        return read_running(named)
    path = Path(named)
    if not path.is_file():
        from kmssim.labs.folder import find_scenario

        path = find_scenario(named)
    return load_scenario(path)


def is_colored() -> bool:
    """Colour on a terminal only, and not where NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


with_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
with_authority = click.option(
    "--authority",
    metavar="NAME",
    help="Who rules: rego (the default), regopy, regorus, python, or an OPA server's http://127.0.0.1:8181. "
    "KMSSIM_AUTHORITY says it for all verbs.",
)
