"""`kmssim pages`: labs, decisions and audits as pages that a browser opens without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmssim.verbs.audit import audit_options, read_subject, read_today
from kmssim.verbs.options import print_json, read_named, with_authority, with_json, write_text

if TYPE_CHECKING:
    from kmssim.evaluator.decision import Authority
    from kmssim.labs.workspace import Workspace
    from kmssim.scenario import Scenario, ScenarioRequest


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Example: kmssim pages build labs")
def pages() -> None:
    """Static pages: no script, no network, readable from a file. They draw decisions and hold no rule."""


_drawn = click.option("--json", "as_json", is_flag=True, help="Print the data that the page draws, and no page.")
_to_file = click.option("--out", type=Path, metavar="FILE", help="Write the page there; default: standard output.")


@pages.command(epilog="Example: kmssim pages build labs")
@click.argument("folder", required=False, type=Path, metavar="[DIR]")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; name the stale pages and exit with 1.")
@with_json
def build(folder: Path | None, *, only_check: bool, as_json: bool) -> None:
    """Make the index.html of every lab in DIR, and the page that lists them. Default: the labs here.

    In a learner's folder the list shows the learner's own progress.
    """
    from kmssim.labs.workspace import find_workspace_here, holds_progress, workspace_at
    from kmssim.pages.__main__ import make_pages

    learners = find_workspace_here() if folder is None else folder if holds_progress(folder) else None
    sys.exit(
        make_pages(folder, only_check=only_check, as_json=as_json)
        if learners is None
        else _learners(workspace_at(learners), only_check=only_check, as_json=as_json)
    )


def _learners(workspace: Workspace, *, only_check: bool, as_json: bool) -> int:
    from kmssim.pages.__main__ import changed_text
    from kmssim.pages.build import stale_pages, write_pages
    from kmssim.pages.learner import learner_pages

    pages = learner_pages(workspace)
    stale = list(stale_pages(pages)) if only_check else write_pages(pages)
    click.echo(changed_text(stale, only_check=only_check, as_json=as_json), nl=False)
    return 1 if only_check and stale else 0


@pages.command(epilog='Example: kmssim pages decision 01 --request "the workload decrypts an order" --out page.html')
@click.argument("scenario")
@click.option("--request", "name", required=True, metavar="NAME", help="Which request of SCENARIO.")
@click.option("--compare", "with_moto", is_flag=True, help="Make the call for real too, and ask moto alone.")
@_to_file
@_drawn
@with_authority
def decision(
    scenario: str, name: str, out: Path | None, authority: str | None, *, with_moto: bool, as_json: bool
) -> None:
    """Show one decision: the path through the layers, each statement, the causal sentence."""
    from kmssim.authority import find_authority
    from kmssim.evaluator.pdp import decide
    from kmssim.pages.decision_data import decision_data, ruled_by
    from kmssim.pages.decision_page import decision_page

    read, ruler = read_named(scenario), find_authority(authority)
    request = read.request(name)
    decided = decide(read.world, request.call, ruler)
    row = _compared(read, request, ruler) if with_moto else None
    data = {**decision_data(name, decided, read.file), "ruled_by": ruled_by(decided), "comparison": row}
    if as_json:
        print_json(data)
    else:
        _write(decision_page(data), out)


def _compared(read: Scenario, request: ScenarioRequest, ruler: Authority) -> dict[str, Any]:
    from dataclasses import replace

    from kmssim.compare import compare_scenario, summarize
    from kmssim.tables import comparisons_json

    compared = [compare_scenario(replace(read, requests=(request,)), authority=ruler)]
    row: dict[str, Any] = comparisons_json(compared, summarize(compared))["scenarios"][0]["rows"][0]
    return row


@pages.command(epilog="Example: kmssim pages audit 05 --out audit.html")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@audit_options(fail_on="The mark that the page holds the audit to; the exit code stays 0.")
@_to_file
@_drawn
@with_authority
def audit(  # noqa: PLR0913 - an argument for each option
    files: tuple[str, ...],
    *,
    threshold: str,
    suppressions: str | None,
    today: str | None,
    account: str | None,
    out: Path | None,
    authority: str | None,
    as_json: bool,
) -> None:
    """Show an audit so that whoever answers for the keys can read it. Each FILE is as in `kmssim audit`."""
    from kmssim.audit.report import report_json
    from kmssim.audit.run import audit_subject, put_off
    from kmssim.authority import find_authority
    from kmssim.pages.audit_page import audit_page

    ruler = find_authority(authority)
    audited = [audit_subject(read_subject(file, account), ruler) for file in files]
    outcome = put_off(audited, suppressions, read_today(today))
    data = report_json(outcome, threshold)
    if as_json:
        print_json(data)
    else:
        _write(audit_page(data), out)


def _write(page: str, out: Path | None) -> None:
    if out is None:
        click.echo(page, nl=False)
        return
    write_text(page, out)
    click.echo(f"written: {out}")
