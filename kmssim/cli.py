"""The command line: parse, call, print. A verb holds no rule; what it needs it imports when it runs.

Exit codes: 0 fine, 1 a finding or a mismatch, 2 bad input or set-up.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmssim import __version__
from kmssim.errors import KmssimError

if TYPE_CHECKING:
    from kmssim.scenario import Scenario

FINE, FINDING, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kmssim")
def cli() -> None:
    """A simulated AWS KMS, and an evaluator that predicts and explains every authorization decision.

    No AWS account is needed and none is ever contacted.
    """


def _print_json(data: Any) -> None:  # noqa: ANN401 - any JSON
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _read(named: str) -> Scenario:
    """A scenario by file, or by the name of a lab."""
    from kmssim.scenario import load_scenario

    path = Path(named)
    if not path.is_file():
        from kmssim.labs import find_scenario

        path = find_scenario(named)
    return load_scenario(path)


_with_authority = click.option(
    "--authority",
    metavar="NAME",
    help="Who rules: rego (the default), regopy, regorus, python, or an OPA server's http://127.0.0.1:8181. "
    "KMSSIM_AUTHORITY says it for all verbs.",
)


@cli.command(epilog="Example: kmssim decide labs/01_key_policy_must_trust/scenario.json")
@click.argument("scenario")
@click.option("--request", "names", multiple=True, metavar="NAME", help="Decide this request only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the decisions as JSON.")
@click.option("--brief", is_flag=True, help="Leave the trace out of the JSON.")
@click.option("--trace", is_flag=True, help="Show the trace as a tree.")
@_with_authority
def decide(
    scenario: str, names: Sequence[str], authority: str | None, *, as_json: bool, brief: bool, trace: bool
) -> None:
    """Predict and explain the requests of SCENARIO, a file or the name of a lab."""
    from kmssim.authority import find_authority
    from kmssim.evaluator.pdp import decide as decide_call
    from kmssim.render import decision_json, decision_text

    read = _read(scenario)
    requests = [read.request(name) for name in names] or list(read.requests)
    ruler = find_authority(authority)
    decided = [(request.name, decide_call(read.world, request.call, ruler)) for request in requests]
    if as_json:
        answers = [decision_json(name, decision, brief=brief) for name, decision in decided]
        _print_json({"title": read.title, "requests": answers})
        return
    texts = [decision_text(name, decision, read.file, trace=trace) for name, decision in decided]
    click.echo("\n".join(texts), nl=False)


@cli.command(epilog="Example: kmssim compare 01_key_policy_must_trust")
@click.argument("scenarios", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@_with_authority
def compare(scenarios: Sequence[str], authority: str | None, *, as_json: bool) -> None:
    """Compare predicted with simulated decisions, and with what moto alone answers.

    SCENARIOS are files or names of labs; without any, all labs of this folder. Predictions are ruled by Python, the
    sandbox by the decision authority. Exits with 1 when a prediction and the sandbox disagree, or a stated expectation
    does not hold.
    """
    from kmssim.authority import find_authority
    from kmssim.labs import find_scenarios
    from kmssim.progress import showing_progress
    from kmssim.scenario import load_scenario

    read = [load_scenario(path) for path in find_scenarios(scenarios)]
    ruler = find_authority(authority)
    with showing_progress(sum(len(scenario.requests) for scenario in read), "comparing") as advance:
        from kmssim.compare import compare_scenario, summarize

        compared = [compare_scenario(scenario, advance, ruler) for scenario in read]
    totals = summarize(compared)
    if as_json:
        from kmssim.tables import comparisons_json

        _print_json(comparisons_json(compared, totals))
    else:
        from kmssim.tables import comparisons_text

        click.echo(comparisons_text(compared, totals, color=_colored()), nl=False)
    sys.exit(FINE if totals.fine else FINDING)


def _colored() -> bool:
    """Colour on a terminal only, and not where NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@cli.command(epilog="Example: kmssim serve --scenario 01_key_policy_must_trust --write-profiles aws.config")
@click.option("--scenario", metavar="FILE", help="A scenario or the name of a lab; without it, an empty account.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0, the default: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option("--write-profiles", "file", type=Path, metavar="FILE", help="Write the AWS profiles into a file, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: where and for whom, then each decision.")
@_with_authority
def serve(
    scenario: str | None, port: int, host: str, file: Path | None, authority: str | None, *, as_json: bool
) -> None:
    """Serve a world over HTTP to any SDK on this machine, until Ctrl-C.

    Prints an AWS profile for each principal, then a line for each decision.
    """
    from kmssim.authority import find_authority
    from kmssim.serve import Served
    from kmssim.serve import serve as serve_world
    from kmssim.starting_world import starting_world

    read = _read(scenario) if scenario else None
    world, callers = (read.world, read.callers) if read else (starting_world(), ())
    served = Served(world, callers, host, port, file, as_json)
    serve_world(served, find_authority(authority), click.echo, lambda text: click.echo(f"kmssim: {text}", err=True))


@cli.command(epilog="Example: kmssim authority --check --authority regorus")
@_with_authority
@click.option("--check", is_flag=True, help="Hold it against the rule in Python, on every input without a denial.")
@click.option("--all", "whole", is_flag=True, help="With --check: on every input there is; takes minutes.")
@click.option("--policy", is_flag=True, help="Print the policy, for an OPA server to load.")
@click.option("--json", "as_json", is_flag=True, help="Print what is said as JSON.")
def authority(authority: str | None, *, check: bool, whole: bool, policy: bool, as_json: bool) -> None:
    """Show the decision authority, or check it, or print its policy.

    Exits with 1 when it rules otherwise than the same rule in Python.
    """
    from kmssim.authority.policy import POLICY
    from kmssim.authority_report import authority_text, report_on

    if policy:
        click.echo(POLICY, nl=False)
        return
    report = report_on(authority, check=check or whole, whole=whole)
    _print_json(report) if as_json else click.echo(authority_text(report), nl=False)
    sys.exit(FINDING if report["check"] and report["check"]["wrong"] else FINE)


@cli.command(epilog="Example: kmssim rule GR-16")
@click.argument("rule_id", metavar="RULE")
@click.option("--json", "as_json", is_flag=True, help="Print the rule as JSON.")
def rule(rule_id: str, *, as_json: bool) -> None:
    """Print a rule of the rule book, how sure it is, and its sources."""
    from dataclasses import asdict

    from kmssim.render import rule_text
    from kmssim.rules import rule as find_rule

    found = find_rule(rule_id)
    if as_json:
        _print_json(asdict(found))
    else:
        click.echo(rule_text(found), nl=False)


@cli.command(epilog="Example: kmssim schema > scenario.schema.json")
@click.option("--json", "as_json", is_flag=True, help="The schema is JSON with and without this option.")
def schema(*, as_json: bool) -> None:
    """Print the JSON Schema of scenario files, for editors and checkers."""
    from kmssim.scenario import json_schema

    del as_json
    _print_json(json_schema())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the only place where an error becomes a message and an exit code."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plug-ins would slow every start
    try:
        cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as misused:
        misused.show()
        sys.exit(BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        click.echo("kmssim: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except KmssimError as error:
        click.echo(f"kmssim: {error}", err=True)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        # whoever read our output has had enough; nothing more can be said, not even at exit
        sys.stdout = Path("/dev/null").open("w")  # noqa: SIM115 - closed by the exit
        sys.exit(FINE)


if __name__ == "__main__":
    main()
