"""An authorized call at the moment before it runs: what the checks of `outcome` and `outcome_admin` look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import PermissionTrace
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

Authorize = Callable[[World, Call, Leg], PermissionTrace]


class Authorized(NamedTuple):
    """An authorized call at the moment before it runs. `authorize` asks again, in a changed world (TP-7)."""

    world: World
    call: Call
    caller: Caller
    legs: Sequence[Leg]
    questions: OpenQuestions
    authorize: Authorize

    @property
    def key_legs(self) -> list[Leg]:
        """The legs that are about an existing key."""
        return [leg for leg in self.legs if leg.key is not None]
