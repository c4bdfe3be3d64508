"""An authorized KMS call at the moment at which it is served, and in which forms a module can serve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Key, World
from kmssim.sandbox.answers import Answer, Refusal
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.wire import WireCall


@dataclass(frozen=True, eq=False, repr=False)
class Served:
    """The call as it was made (`wire`: with bytes in base64), what was decided, and what it may read and note.

    `clients` are the sandbox's own, which no gate decides on; `memory` is what moto forgets.
    """

    world: World
    call: Call
    wire: WireCall
    decision: Decision
    memory: Memory
    clients: Clients

    @property
    def keys(self) -> list[Key]:
        """The keys that take part, in the order of the call's permissions: of ReEncrypt source before destination."""
        return [self.world.keys_by_arn[trace.key] for trace in self.decision.permissions if trace.key]

    @property
    def key(self) -> Key:
        """The key that the call is about."""
        return self.keys[0]


Serve = Callable[[Served], Answer | Refusal]
"""Answers an authorized call in moto's place."""
Finish = Callable[[Served, dict[str, Any]], Mapping[str, Any]]
"""Completes what moto answered: its JSON, as AWS has it."""
