"""The embedded Rego engines. Each loads `authority.rego` and answers one entry point for one JSON input.

The default is regopy, Microsoft's own build of rego-cpp: trust first. It is slower than regorus, which matters little,
since rulings are kept by their facts. Both are held to the rule in Python over its whole domain.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from kmssim.authority.policy import ENTRIES, PACKAGE, POLICY, POLICY_FILE
from kmssim.errors import AuthorityError


class Engine(Protocol):
    """Runs the policy. `name` is shown in every decision."""

    @property
    def name(self) -> str:
        """The engine with its version."""

    def ask(self, entry: str, document: object) -> object:
        """The value of one rule of the policy for one input; raises AuthorityError where there is none."""


class RegoCpp:
    """rego-cpp, through `regopy`. The policy is compiled once; one call at a time."""

    def __init__(self) -> None:
        """Load the engine and compile the policy."""
        regopy = _load("regopy")
        self.name = f"regopy {regopy.__version__}"
        self._lock = threading.Lock()
        interpreter = regopy.Interpreter()
        self._loaded = [interpreter, _guarded(lambda: self._compile(interpreter))]
        # let go before Python ends: regopy frees its memory with functions that are gone by then, and complains
        weakref.finalize(self, self._loaded.clear)

    def _compile(self, interpreter: Any) -> Any:  # noqa: ANN401 - regopy has no types
        interpreter.add_module(POLICY_FILE, POLICY)
        bundle = interpreter.build(None, [f"{PACKAGE}/{entry}" for entry in ENTRIES])
        if not bundle.ok():
            raise AuthorityError(f"{self.name} does not compile the policy")
        return bundle

    def ask(self, entry: str, document: object) -> object:
        """The value of one rule of the policy for one input."""
        with self._lock:
            output = _guarded(lambda: self._query(entry, document))
        if not output.ok() or len(output.results) != 1 or len(output.results[0].expressions) != 1:
            raise AuthorityError(f"{self.name} gave no answer: {str(output)[:200]}")
        return output.results[0].expressions[0]

    def _query(self, entry: str, document: object) -> Any:  # noqa: ANN401 - regopy has no types
        # set_input_term, not set_input: the latter gives quotes and backslashes back unescaped
        interpreter, bundle = self._loaded
        interpreter.set_input_term(json.dumps(document))
        return interpreter.query_bundle_entrypoint(bundle, f"{PACKAGE}/{entry}")


class Regorus:
    """regorus, through `gordon-to-regorus` or `celine-regorus`: quick. One engine for each thread, or it panics."""

    def __init__(self) -> None:
        """Load the engine and compile the policy."""
        self._regorus = _load("regorus")
        self.name = f"regorus {_regorus_version()}"
        self._threads = threading.local()
        self._engine()

    def _engine(self) -> Any:  # noqa: ANN401 - regorus has no types
        engine = getattr(self._threads, "engine", None)
        if engine is None:
            engine = self._regorus.Engine()
            _guarded(lambda: engine.add_policy(POLICY_FILE, POLICY))
            self._threads.engine = engine
        return engine

    def ask(self, entry: str, document: object) -> object:
        """The value of one rule of the policy for one input."""
        engine = self._engine()
        answer = _guarded(lambda: self._query(engine, entry, document))
        results = answer.get("result") if isinstance(answer, Mapping) else None
        if not isinstance(results, list) or len(results) != 1:  # an undefined rule gives no result at all
            raise AuthorityError(f"{self.name} gave no answer")
        return results[0]["expressions"][0]["value"]

    def _query(self, engine: Any, entry: str, document: object) -> object:  # noqa: ANN401 - regorus has no types
        engine.set_input_json(json.dumps(document))
        return json.loads(engine.eval_query_as_json(f"data.{PACKAGE.replace('/', '.')}.{entry}"))


ENGINES: Mapping[str, Callable[[], Engine]] = {"regopy": RegoCpp, "regorus": Regorus}
DEFAULT_ENGINE = "regopy"

_PACKAGES = {"regopy": "regopy", "regorus": "'kmssim[regorus]'"}
_OTHER = {"regopy": "regorus", "regorus": "regopy"}


def _load(name: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: a wheel whose library this platform cannot load
        other = _OTHER[name]
        raise AuthorityError(
            f"the Rego engine {name} cannot be loaded here ({error}). Three ways out: "
            f"install an engine (pip install {_PACKAGES[name]}; "
            f"or pip install {_PACKAGES[other]}, and --authority {other}); "
            "ask an OPA server (--authority http://127.0.0.1:8181); "
            "or decide by the same rule in Python (--authority python), which each decision will show"
        ) from None


def _regorus_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and the default needs it not

    for name in ("gordon-to-regorus", "celine-regorus"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown origin"


def _guarded(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the engine gives
    """Turn whatever an engine raises into one error: regorus panics outside `Exception`."""
    try:
        return act()
    except (KeyboardInterrupt, SystemExit, AuthorityError):
        raise
    except BaseException as error:  # noqa: BLE001 - every failure is the same refusal
        first = str(error).partition("Stack backtrace")[0].strip()
        raise AuthorityError(f"the Rego engine failed: {first or type(error).__name__}") from None
