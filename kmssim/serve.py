"""`kmssim serve`: a world over HTTP until somebody stops it, with a line for each decision."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmssim.control import WorldControl
from kmssim.evaluator.decision import Authority, Decision
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import World
from kmssim.explain import explain
from kmssim.pages.live import LivePages
from kmssim.profiles import profiles_json, profiles_of, profiles_text, write_profiles
from kmssim.render import decision_json, layer_words
from kmssim.running_world import PATH as WORLD_PATH
from kmssim.sandbox.decision_log import DecisionLog
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.server import PAGES, listening, serving
from kmssim.speech import Speech

KEPT_DECISIONS = 1000
"""A server that runs for days keeps the last ones; all have been written out."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_LOOK_FOR_STOP = 0.1


@dataclass(frozen=True)
class Served:
    """What is served, and where; `callers` get profiles beside the declared users and roles."""

    world: World
    callers: tuple[Principal, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    profiles_file: Path | None = None
    as_json: bool = False


def serve(served: Served, authority: Authority, write: Callable[[str], None], complain: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `write` gets what is meant for the user, `complain` what went wrong.

    Raises:
        InputError: the host is not loopback.
        SetupError: the port is taken, something is not installed, or the profiles cannot be written.

    """
    say = Speech(write)
    pages = LivePages(KEPT_DECISIONS)

    def tell(decision: Decision) -> None:
        pages.add(decision)
        say(_line(decision, as_json=served.as_json))

    with (
        _stop_signals() as stopped,
        listening(served.host, served.port) as bound,
        say,
        Sandbox(served.world, authority, DecisionLog(KEPT_DECISIONS, tell)) as sandbox,
    ):
        welcome = _Welcome(sandbox, served.profiles_file)
        with serving(bound, complain, {WORLD_PATH: WorldControl(sandbox, welcome)}, pages) as url:
            welcome.url = url
            hello = welcome(served.world, served.callers)
            say(json.dumps(hello) if served.as_json else _greeting(url, welcome.text))
            while not stopped():
                time.sleep(_LOOK_FOR_STOP)
    if say.dropped:
        complain(f"{say.dropped} lines were dropped: nobody read the output")


@dataclass
class _Welcome:
    """Signs the callers of a world in, and writes their profiles: at the start, and when the world is replaced."""

    sandbox: Sandbox
    file: Path | None
    url: str = ""
    text: str = ""

    def __call__(self, world: World, callers: tuple[Principal, ...]) -> dict[str, object]:
        profiles = profiles_of(world, callers, self.sandbox.sign_in)
        self.text = profiles_text(profiles, self.url, world.region)
        if self.file is not None:
            write_profiles(self.file, self.text)
        return profiles_json(profiles, self.url, world.region)


def _greeting(url: str, profiles: str) -> str:
    pages = f"Decisions as pages: {url}{PAGES}"
    return f"{profiles}\n{pages}\nkmssim serves on {url}; stop it with Ctrl-C. Each decision:\n"


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether a signal to stop has come.

    It is looked for, not waited for: a signal that the system gives to another thread than the main one does not wake
    that one up, and an event that is set by a handler can meet its own lock.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in _STOPPING}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(decision: Decision, *, as_json: bool) -> str:
    return json.dumps(decision_record(decision)) if as_json else decision_line(decision)


def decision_line(decision: Decision) -> str:
    """One line without a time: decision, caller, operation, key, layers, why; the same for the same call."""
    explanation = explain(decision)
    layers = ", ".join(layer_words(decision.layers)) or "-"
    parts = [decision.word.ljust(5), decision.call.principal.arn, decision.call.operation, _key(decision) or "-"]
    failed = f"; ends with {decision.failure.code}" if decision.allowed and decision.failure else ""
    text = f"{' '.join(parts)} [{layers}] because {explanation.because}{failed}"
    # a caller chooses much of this text; a line stays one line
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)


def decision_record(decision: Decision) -> dict[str, object]:
    """The same for programs."""
    return {
        "principal": decision.call.principal.arn,
        "operation": decision.call.operation,
        "key": _key(decision),
        **{name: value for name, value in decision_json("", decision, brief=True).items() if name != "name"},
    }


def _key(decision: Decision) -> str:
    return ", ".join(dict.fromkeys(permission.key for permission in decision.permissions if permission.key))
