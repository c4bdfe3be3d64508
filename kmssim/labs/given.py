"""What a check function is given as `lab`: the learner's code, an open sandbox with the scenario's world, clients.

    def records_cannot_move(lab):
        blob = lab.code.seal(lab.client("kms", WRITER), "anna", b"hello")
        try:
            lab.code.unseal(lab.client("kms", READER), "ben", blob)
        except lab.code.WrongCustomer:
            return
        raise lab.Failed("A record sealed for anna was opened for ben.")

Everything happens in a process of its own, which ends after the check.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.world import World
from kmssim.sandbox.identity import Credentials
from kmssim.sandbox.sandbox import Sandbox
from kmssim.scenario import Scenario


class FailedError(Exception):
    """The answer does not do what the check claims; the message is one sentence for the learner."""


class CodeUnreadableError(Exception):
    """A file of the answer cannot be imported, because it is not there or no Python; `cause` says where."""

    def __init__(self, file: Path, cause: SyntaxError | OSError) -> None:
        """Keep the file, as whose mistake it is told."""
        super().__init__(str(cause))
        self.file = file
        self.cause = cause


class Code:
    """The learner's module. A name that it lacks fails the check with a sentence, in place of an AttributeError."""

    def __init__(self, module: ModuleType, file: Path) -> None:
        """`file` is the module's own."""
        self.module = module
        self.file = file

    @property
    def source(self) -> str:
        """The module's text."""
        return self.file.read_text(encoding="utf-8")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the learner wrote
        """A function or class of the module."""
        try:
            return getattr(self.module, name)
        except AttributeError:
            raise FailedError(f"{self.file.name} has no `{name}`.") from None


def import_file(file: Path, name: str) -> ModuleType:
    """Import a file under a name of ours. Raises CodeUnreadableError, and whatever the module raises."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file  # noqa: PT018, S101 - every .py file has them
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _compile(file)
    spec.loader.exec_module(module)
    return module


def _compile(file: Path) -> None:
    """Whether the file is Python, before anything in it runs: what it raises then is another matter."""
    try:
        compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except (SyntaxError, OSError) as error:
        raise CodeUnreadableError(file, error) from None
    except (ValueError, RecursionError, MemoryError) as error:  # a NUL, or nested beyond reason
        raise CodeUnreadableError(file, SyntaxError(str(error) or "nested too deep")) from None


@dataclass
class Given:
    """`lab` in a check function.

    `world` is the declared world that the sandbox is seeded with; `shipped` the scenario's with the shipped documents.
    The sandbox opens when it or the learner's code is first asked for: checks that only decide do not wait for it.
    """

    Failed = FailedError

    folder: Path
    files: tuple[Path, ...]
    scenario: Scenario
    shipped: Callable[[], Scenario]
    open_sandbox: Callable[[], Sandbox]
    _codes: dict[Path, Code] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The declared world."""
        return self.scenario.world

    @cached_property
    def sandbox(self) -> Sandbox:
        """The open sandbox."""
        return self.open_sandbox()

    @property
    def code(self) -> Code:
        """The learner's module: the first file to edit that is code."""
        return self.module(self.files[0].name)

    def module(self, name: str) -> Code:
        """The learner's module of that file name."""
        _ = self.sandbox  # open: the code may make clients of its own as soon as it is imported
        file = next(file for file in self.files if file.name == name)
        if file not in self._codes:
            self._codes[file] = Code(import_file(file, file.stem), file)
        return self._codes[file]

    @property
    def decisions(self) -> list[Decision]:
        """Every decision on a call so far, in the order of the calls."""
        return self.sandbox.decisions

    def client(self, service: str, principal: str, region: str | None = None) -> Any:  # noqa: ANN401 - a boto3 client
        """A boto3 client with the credentials of a principal."""
        return self.sandbox.client(service, principal, region)

    def expect(self, holds: object, sentence: str) -> None:
        """Fail with the sentence unless it holds."""
        if not holds:
            raise FailedError(sentence)

    def attack(self, principal: str, most_calls: int, **more: object) -> Any:  # noqa: ANN401 - what the learner returns
        """Run the learner's `attack(client)` as a principal, and return what it returns.

        `client(service, credentials=None, region=None)` gives clients as that principal, or with credentials that the
        attack has got from STS. Fails the check after `most_calls` calls.
        """
        clients = _Counted(self.sandbox, principal, most_calls)
        return self.code.attack(clients, **more)


@dataclass
class _Counted:
    """Gives clients to an attack and counts their calls."""

    sandbox: Sandbox
    principal: str
    most: int
    made: int = 0

    def __call__(self, service: str, credentials: dict[str, str] | None = None, region: str | None = None) -> Any:  # noqa: ANN401 - a boto3 client
        if credentials is None:
            client = self.sandbox.client(service, self.principal, region)
        else:
            keys = Credentials(
                credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")
            )
            client = self.sandbox.client_with(service, keys, region)
        client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}", self._count)
        return client

    def _count(self, **_: object) -> None:
        self.made += 1
        if self.made > self.most:
            raise FailedError(f"The attack needs more than {self.most} calls.")
