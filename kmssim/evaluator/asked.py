"""One question to the policies, with everything that a layer may look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Context
from kmssim.evaluator.match import Request
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World


class Asked(NamedTuple):
    """Everything that a layer may look at. `traced`: whether the evidence is to be written down.

    `known_by`: the caller itself, and whatever else in one world is neither condition key nor open question.
    """

    world: World
    call: Call
    caller: Caller
    leg: Leg
    request: Request
    questions: OpenQuestions
    known_by: tuple[object, ...]
    traced: bool = False

    @property
    def same_account(self) -> bool:
        """Whether the caller is of the key's account; a service that calls for itself counts as such (DA-28)."""
        return self.caller.is_service or self.caller.account == self.leg.owner


def ask(
    world: World, call: Call, caller: Caller, leg: Leg, derive: Callable[[], Context], questions: OpenQuestions
) -> Asked:
    """Put the question whether `caller` has the permission of `leg`. `derive` gives the condition keys, if need be.

    Of the call itself layers look at the operation, and at the way by which it came.
    """
    way = call.operation, call.via, call.network.vpc_endpoint
    known_by = (caller.itself, leg.action, leg.resource, leg.source, *way)
    return Asked(world, call, caller, leg, Request(caller, leg.action, leg.resource, derive), questions, known_by)
