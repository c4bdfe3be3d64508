"""The command line: find the verb, run it, and turn errors into messages.

Exit codes: 0 fine, 1 a finding or a mismatch, 2 bad input or set-up.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from kmssim import __version__
from kmssim.errors import KmssimError
from kmssim.verbs.options import BAD_INPUT, FINE, INTERRUPTED

VERBS = (
    "decide", "compare", "explain-error", "diff", "who-can", "can", "sweep", "advise", "audit", "import", "lab",
    "pages", "serve", "seed", "authority", "rule", "schema",
)  # fmt: skip


class Verbs(click.Group):
    """A group that imports a verb when it is called: `kmssim.verbs.who_can` is `who-can`, `import_` is `import`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a reader meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb by its name; None when there is none."""
        del ctx
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_") + ("_" if iskeyword(cmd_name) else "")
        found: click.Command = getattr(import_module(f"kmssim.verbs.{name}"), name)
        return found


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kmssim")
def cli() -> None:
    """A simulated AWS KMS, and an evaluator that predicts and explains every authorization decision.

    No AWS account is needed and none is ever contacted.
    """


def _start_quickly() -> None:
    """Leave out of the start and the end of a program what nobody waits for: a tenth of it."""
    gc.set_threshold(50_000)  # what is imported stays: nothing is found by looking for garbage among it
    atexit.register(gc.freeze)  # as Python ends it looks once more, through everything: a tenth of a short run
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if _METADATA not in sys.modules:
        _import_metadata_when_used()


_METADATA = "importlib.metadata"


def _import_metadata_when_used() -> None:
    """Put a stand-in there, for pydantic imports it only to look for plug-ins; mail and archives come with it."""
    stand_in = ModuleType(_METADATA)

    def find(name: str) -> Any:  # noqa: ANN401 - whatever the module has of that name
        if name.startswith("__"):  # what the import statement itself looks for
            raise AttributeError(name)
        if sys.modules.get(_METADATA) is stand_in:
            del sys.modules[_METADATA]
        return getattr(import_module(_METADATA), name)

    stand_in.__getattr__ = find  # type: ignore[method-assign]
    vars(stand_in)["entry_points"] = lambda **wanted: find("entry_points")(**wanted)  # noqa: PLW0108 - found when called
    sys.modules[_METADATA] = stand_in


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the only place where an error becomes a message and an exit code."""
    _start_quickly()
    try:
        cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as misused:
        misused.show()
        sys.exit(BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # we are ending: a second Ctrl-C would only show a traceback
        click.echo("kmssim: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except KmssimError as error:
        click.echo(f"kmssim: {error}", err=True)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        # whoever read our output has had enough; nothing more can be said, not even at exit
        sys.stdout = Path("/dev/null").open("w")  # noqa: SIM115 - closed by the exit
        sys.exit(FINE)
