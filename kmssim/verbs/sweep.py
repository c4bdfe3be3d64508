"""`kmssim sweep`: who can do what, over a whole organization."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmssim.verbs.options import print_json, read_named, with_authority

if TYPE_CHECKING:
    from kmssim.sweep.engines import Engine
    from kmssim.sweep.source import Source

_ENGINES = ("local", "processes", "dask")
_FORMATS = ("parquet", "csv", "jsonl")
_EPILOG = """\b
Example: kmssim sweep my-world.json --action decrypt --out found --format csv
         kmssim sweep --organization accounts=50,roles=500,keys=100 --engine processes"""


@click.command(epilog=_EPILOG)
@click.argument("file", required=False)
@click.option(
    "--organization",
    metavar="SIZES",
    help="Instead of FILE an organization made from a seed: accounts=N,roles=N,keys=N,seed=N; roles and keys of each "
    "account.",
)
@click.option(
    "--action",
    "--actions",
    "actions",
    multiple=True,
    metavar="NAMES",
    help="What is asked, such as decrypt (the default), or kms:Decrypt,kms:Encrypt.",
)
@click.option("--engine", type=click.Choice(_ENGINES), default="local", show_default=True, help="Who does the work.")
@click.option("--workers", type=click.IntRange(1), help="How many processes; as many as there are processors.")
@click.option("--address", metavar="URL", help="For dask: the scheduler, such as tcp://127.0.0.1:8786.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep what is found in this folder.")
@click.option("--format", "kept_as", type=click.Choice(_FORMATS), default="parquet", show_default=True, help="Of rows.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@with_authority
def sweep(  # noqa: PLR0913, PLR0917 - its options
    file: str | None,
    organization: str | None,
    actions: tuple[str, ...],
    engine: str,
    workers: int | None,
    address: str | None,
    out: Path | None,
    kept_as: str,
    authority: str | None,
    *,
    as_json: bool,
) -> None:
    """Who can do what on which keys: every caller of FILE on every key, directly or by a grant.

    With --out a row for each thing that somebody may do is kept in a file for each account: by which path, and on which
    open questions that rests. When the sweep is interrupted the same command goes on where it was.
    """
    from kmssim.authority import find_authority
    from kmssim.progress import showing_progress
    from kmssim.reach.asking import operation_named
    from kmssim.sweep.large import sweep_all
    from kmssim.sweep.parts import Job
    from kmssim.sweep.report import summary_text
    from kmssim.sweep.rows import begin

    if (file is None) == (organization is None):
        raise click.UsageError("Name a FILE, or make an --organization; not both.")
    if address is not None and engine != "dask":
        raise click.UsageError("--address is for --engine dask.")
    named = [name.strip() for names in actions or ("decrypt",) for name in names.split(",")]
    asked = tuple(dict.fromkeys(map(operation_named, named)))
    source = _declared(file) if file is not None else _made(organization or "")
    if out is not None:
        begin(kept_as)  # what is missing is said before any worker starts
    find_authority(authority)  # what is wrong with it is said before any worker starts
    job = Job(source, asked, kept_as if out is not None else None, authority)
    chosen = _engine(engine, workers or os.cpu_count() or 1, address)
    with showing_progress(len(source.accounts), "sweeping") as advance:
        summary = sweep_all(job, chosen, out, advance)
    if as_json:
        print_json(summary.as_json())
    else:
        click.echo(summary_text(summary, out), nl=False)


def _declared(file: str) -> Source:
    from kmssim.scenario_file.document import write_scenario
    from kmssim.sweep.source import Declared

    read = read_named(file)
    text = json.dumps(write_scenario(read.world), sort_keys=True)
    return Declared(read.world, hashlib.sha256(text.encode()).hexdigest())


def _made(sizes: str) -> Source:
    from kmssim.sweep.organization import parse_plan
    from kmssim.sweep.source import Made

    return Made(parse_plan(sizes))


def _engine(name: str, workers: int, address: str | None) -> Engine:
    from kmssim.errors import SetupError
    from kmssim.sweep.engines import Local, Processes

    if name == "local":
        return Local()
    if name == "processes":
        return Processes(workers)
    try:
        from kmssim.sweep.on_dask import Dask
    except ImportError:
        raise SetupError("the engine dask needs an extra: pip install 'kmssim[dask]'") from None
    return Dask(address, workers)
