"""The decision authority: who joins the layers' verdicts into allow or deny (OPA's part in the governance).

`authority.rego` holds the rule. An embedded engine runs it, or an OPA server; `kmssim.evaluator.combine` is the same
rule in Python, for bulk work and as the second opinion. Which of them ruled is written into every decision. When the
chosen one does not rule, nothing else rules in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread

from kmssim.authority.engines import DEFAULT_ENGINE, ENGINES, Engine
from kmssim.authority.policy import DIGEST
from kmssim.authority.rego import KeptRulings
from kmssim.errors import AuthorityError, InputError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, RuledBy

VARIABLE = "KMSSIM_AUTHORITY"
"""The environment variable that names the authority where nobody else does."""
CHOICES = ("rego", *ENGINES, "python", "http://HOST:PORT")

_loaded: dict[str, Engine] = {}
_ruling: dict[str, Authority] = {}


def find_authority(choice: str | None = None, environment: Mapping[str, str] = os.environ) -> Authority:
    """The authority by its name; see CHOICES. None: what KMSSIM_AUTHORITY says, else `rego`, the default engine.

    Raises InputError for a name that means nothing, AuthorityError for an authority that is not there.
    """
    engine = find_engine(choice, environment)
    if engine is None:
        return PYTHON
    if engine not in _loaded.values():
        return Authority(RuledBy("opa", engine.name, DIGEST), KeptRulings(engine).rule)
    if engine.name not in _ruling:
        _ruling[engine.name] = Authority(RuledBy("rego", engine.name, DIGEST), KeptRulings(engine).rule)
    return _ruling[engine.name]


def begin_to_find(choice: str | None = None) -> Callable[[], Authority]:
    """Begin to load an embedded engine; whoever calls what this returns waits for the authority.

    An engine compiles its policy without holding Python up, and a scenario can be read meanwhile. Nothing else begins:
    a server is asked by whoever waits. What is returned raises as `find_authority`.
    """
    if _engine_named(choice, os.environ) not in ENGINES:
        return lambda: find_authority(choice)

    def look() -> None:
        with suppress(AuthorityError):  # found again, and told, by whoever waits
            find_authority(choice)

    thread = Thread(target=look)
    thread.start()

    def wait() -> Authority:
        thread.join()
        return find_authority(choice)

    return wait


def find_engine(choice: str | None = None, environment: Mapping[str, str] = os.environ) -> Engine | None:
    """What runs the policy for the authority of this name; None for `python`, which needs no policy.

    Embedded engines are loaded once in a process. KMSSIM_OPA_TOKEN and KMSSIM_OPA_TIMEOUT (seconds) go to a server.
    """
    named = _engine_named(choice, environment)
    if named == "python":
        return None
    if named.startswith(("http://", "https://")):
        from kmssim.authority.server import OpaServer  # noqa: PLC0415 - HTTP is for those who ask a server

        return OpaServer(named, environment.get("KMSSIM_OPA_TOKEN"), _timeout(environment))
    if named not in ENGINES:
        raise InputError(f"there is no decision authority `{named}`", hint=f"choose one of {', '.join(CHOICES)}")
    if named not in _loaded:
        _loaded[named] = ENGINES[named]()
    return _loaded[named]


def _engine_named(choice: str | None, environment: Mapping[str, str]) -> str:
    """What is asked for: an engine, a server's URL, `python`, or something that is none of these."""
    named = choice or environment.get(VARIABLE) or "rego"
    return DEFAULT_ENGINE if named == "rego" else named


def _timeout(environment: Mapping[str, str]) -> float:
    written = environment.get("KMSSIM_OPA_TIMEOUT", "")
    try:
        seconds = float(written) if written else 2.0
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 60:  # noqa: PLR2004 - a ruling that takes a minute does not come
        raise InputError(f"KMSSIM_OPA_TIMEOUT is `{written}`", hint="write seconds between 0 and 60")
    return seconds
