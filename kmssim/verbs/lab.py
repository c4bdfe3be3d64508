"""`kmssim lab`: the labs, for those who learn, those who write labs and those who teach."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

_LEARN = ("start", "list", "next", "goto", "skip", "show", "status")
_CHECK = ("watch", "check", "predict", "explain", "compare")
_HELP = ("hint", "diff", "reset", "solution", "doctor", "open")
_AUTHOR = ("new", "verify", "mutate", "render", "schema", "text", "time")
_TEACH = ("pack", "grade", "report")
_MODULES: Mapping[str, tuple[str, ...]] = {
    "lab_learn": _LEARN,
    "lab_check": _CHECK,
    "lab_help": _HELP,
    "lab_author": _AUTHOR,
    "lab_teach": _TEACH,
}
_EXAMPLES = {
    "start": "my-labs", "list": "--part grants", "next": "", "goto": "06", "skip": "06", "show": "06",
    "status": "--json", "watch": "06", "check": "06", "predict": "16", "explain": "workload_decrypts --lab 01",
    "compare": "06", "hint": "--level 1", "diff": "06", "reset": "06", "solution": "06 --give-up", "doctor": "",
    "open": "06 --page", "new": "25_some_words --type fix", "verify": "06", "mutate": "06", "render": "--check",
    "schema": "", "text": "de 06", "time": "06", "pack": "--labs 01,06 --seed 7 --out class.zip",
    "grade": "hand-ins --seed 7 --csv grades.csv", "report": "grades.json",
}  # fmt: skip
"""What `kmssim lab VERB --help` shows, by verb."""
_MODULE_OF = {verb: module for module, verbs in _MODULES.items() for verb in verbs}
_TITLES = {"Learn": (*_LEARN, *_CHECK, *_HELP), "Write labs": _AUTHOR, "Teach": _TEACH}


class LabVerbs(click.Group):
    """A group that imports a verb's module when it is called, and knows the machine's faults from the learner's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a learner meets them."""
        del ctx
        return list(_MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb by its name; None when there is none."""
        del ctx
        if cmd_name not in _MODULE_OF:
            return None
        module = import_module(f"kmssim.verbs.{_MODULE_OF[cmd_name]}")
        found: click.Command = module.COMMANDS[cmd_name]
        found.epilog = f"Example: kmssim lab {cmd_name} {_EXAMPLES[cmd_name]}".rstrip()
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by who needs them."""
        for title, verbs in _TITLES.items():
            with formatter.section(title):
                commands = [(verb, self.get_command(ctx, verb)) for verb in verbs]
                formatter.write_dl([(verb, found.get_short_help_str(90)) for verb, found in commands if found])

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what the machine lacks has an exit code of its own."""
        from kmssim.errors import SetupError
        from kmssim.labs.outcomes import ExitCode

        try:
            return super().invoke(ctx)
        except SetupError as error:
            click.echo(f"kmssim: this machine: {error}", err=True)
            sys.exit(ExitCode.MACHINE.value)


@click.group(cls=LabVerbs, invoke_without_command=True, epilog="Example: kmssim lab start")
@click.pass_context
def lab(ctx: click.Context) -> None:
    """Labs: learn by predicting, fixing, writing and attacking.

    Without a verb: what to do now. Exit codes: 0 all checks pass, 1 not solved, 2 wrong use, 3 the lab is broken,
    4 the machine, 5 your file cannot be read, 124 time limit.
    """
    if ctx.invoked_subcommand is not None:
        return
    from kmssim.errors import InputError
    from kmssim.labs.workspace import find_workspace

    try:
        find_workspace()
    except InputError:
        click.echo(ctx.get_help())
        return
    show = lab.get_command(ctx, "show")
    assert show is not None  # noqa: S101 - it is in the table above
    ctx.invoke(show)
