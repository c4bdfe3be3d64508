"""A call to a service in front of KMS at the moment at which it is decided, and what may come of it (SV-1, DS-80)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.request import Arn, Call, Principal, partition_of
from kmssim.evaluator.world import World
from kmssim.sandbox.answers import Answer, Refusal, Rewrite
from kmssim.sandbox.managed_keys import make_managed_key
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.wire import WireCall


@dataclass(frozen=True, eq=False, repr=False)
class Front:
    """The call as it came, and what a service may ask.

    `decide` answers a service's call with all KMS calls behind it, and logs each; `preview` answers and logs nothing;
    `read` reads the world as it is now. `clients` are the sandbox's own, which no gate decides on.
    """

    wire: WireCall
    principal: Principal
    memory: Memory
    clients: Clients
    decide: Callable[[Call], Decision]
    preview: Callable[[Call], Decision]
    read: Callable[[], World]
    forget_world: Callable[[], None]

    def ask(self, operation: str, parameters: Mapping[str, object]) -> Decision:
        """Decide an operation of this service for the caller, with the service's own permission and its KMS calls."""
        return self.decide(self._call(operation, parameters))

    def _call(self, operation: str, parameters: Mapping[str, object]) -> Call:
        declared = self.wire.declared
        return Call(
            self.principal,
            f"{self.wire.service}:{operation}",
            self.wire.region,
            parameters,
            via=declared.via,
            network=declared.network,
            context=declared.context,
        )

    def managed_key(self, account: str, region: str, operation: str, without: Mapping[str, object]) -> str:
        """The alias ARN of the AWS managed key of this service; the key is made where there is none yet (MK-1).

        Not for a caller who may not call `operation` at all: `without` are parameters with which no KMS call follows.
        """
        alias = f"alias/aws/{self.wire.service}"
        arn = str(Arn(partition_of(region), "kms", region, account, alias))
        if arn not in self.read().keys_by_alias_arn and self.preview(self._call(operation, without)).allowed:
            make_managed_key(self.wire.service, account, region, self.clients)
            self.forget_world()
        return arn

    def text(self, name: str) -> str | None:
        """A parameter of the call, where it is text and not empty."""
        value = self.wire.parameters.get(name)
        return value if isinstance(value, str) and value else None


Finish = Callable[[Answer], Answer | None]
"""Notes what moto will forget, and gives what it answered as AWS has it; None: as it is."""


@dataclass(frozen=True)
class Passed:
    """Authorized: moto serves the call, changed by `rewrite`, and `finish` sees what it answered with success."""

    rewrite: Rewrite | None = None
    finish: Finish | None = None


Outcome = Refusal | Answer | Passed


def refusal_of(decision: Decision) -> Refusal | None:
    """What the caller sees instead of an answer; None: it gets one."""
    failure = decision.failure
    return Refusal(failure.code, failure.message, failure.status) if failure else None


def key_behind(decision: Decision) -> str | None:
    """The ARN of the KMS key that the service used."""
    return next((trace.key for trace in decision.permissions if trace.key), None)
