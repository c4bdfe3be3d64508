"""Who may assume a role, decided for the gate over the world as the runtime holds it at that moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from kmssim.evaluator.assume import Assumption, assume
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

_MOST_KEPT = 1000


@dataclass
class RoleTrust:
    """Answers `sts:AssumeRole`, and keeps the last answers with their evidence in `answers`."""

    world: Callable[[], World]
    authority: Authority
    answers: deque[Assumption] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))

    def decide(self, call: Call, transitive: frozenset[str]) -> Assumption:
        """Whether the caller, of whose session tags these are transitive, may assume the role that it names."""
        answer = assume(self.world(), call, transitive, self.authority)
        self.answers.append(answer)
        return answer
