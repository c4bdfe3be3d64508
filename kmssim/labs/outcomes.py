"""What a check ended with, and what a whole answer did: data that texts, reports and grades are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kmssim.labs.promises import Check

if TYPE_CHECKING:
    from kmssim.diff.changes import Change
    from kmssim.evaluator.decision import Decision
    from kmssim.evaluator.world import World
    from kmssim.labs.variants import Variant


class Outcome(Enum):
    """How a check ended. Only the first three are about the answer; what is ours or the machine's has other words."""

    PASSED = "pass"
    FAILED = "fail"
    TIME_LIMIT = "time limit"
    OPEN_QUESTION = "open question"
    """AWS leaves the answer open: shown, and not graded"""
    UNREADABLE = "cannot be read"
    BROKEN = "lab broken"
    MACHINE = "machine"


class ExitCode(Enum):
    """What a command says to the shell."""

    SOLVED = 0
    NOT_SOLVED = 1
    BAD_INPUT = 2
    BROKEN = 3
    MACHINE = 4
    UNREADABLE = 5
    TIME_LIMIT = 124


@dataclass(frozen=True)
class Spot:
    """A place in a file of the answer: `path` as the learner knows it; line and column from 1."""

    path: str
    line: int
    column: int = 1


@dataclass(frozen=True)
class Guess:
    """What a learner predicted beside what is true; `right` names the parts that were."""

    given: Mapping[str, str | None]
    truth: Mapping[str, tuple[str, ...]]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One check's end. `said` is one sentence; the other fields are the evidence that its kind has.

    `decision`: what the evaluator answered. `changes`: what differs in the access matrix and may not. `guess`: of a
    prediction. `spot`: where an exception left the learner's code. `printed`: what that code wrote.
    """

    check: Check
    outcome: Outcome
    said: str = ""
    decision: Decision | None = None
    changes: tuple[Change, ...] = ()
    guess: Guess | None = None
    spot: Spot | None = None
    printed: str = ""
    seconds: float = 0.0

    @property
    def counts_as_passed(self) -> bool:
        """Whether it does not stand in the way of `done`: an open question is not graded."""
        return self.outcome in {Outcome.PASSED, Outcome.OPEN_QUESTION}


@dataclass(frozen=True)
class Report:
    """All checks on one answer, in their order; or `unreadable`, why there are none.

    `refused`: the file is JSON, and AWS would refuse the policy in it. That is no fault of reading but a wrong answer,
    and it counts as tripping the first check. `world` is that of the answer, where it could be read.
    """

    variant: Variant
    results: tuple[Result, ...]
    unreadable: str = ""
    refused: bool = False
    spot: Spot | None = None
    seconds: float = 0.0
    world: World | None = None

    @property
    def solved(self) -> bool:
        """Whether every graded check passed."""
        return bool(self.results) and not self.unreadable and all(each.counts_as_passed for each in self.results)

    @property
    def first_failed(self) -> Result | None:
        """The first check that is not passed; the lesson is about it."""
        return next((each for each in self.results if not each.counts_as_passed), None)

    @property
    def trips(self) -> str | None:
        """The id of the check that the answer fails first; None when it is solved or cannot be read."""
        if self.refused:
            return self.variant.metadata.checks[0].id
        return self.first_failed.check.id if self.first_failed else None

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(each.counts_as_passed for each in self.results)

    @property
    def exit_code(self) -> ExitCode:
        """The shell's word for it: ours and the machine's faults before the learner's."""
        if self.unreadable:
            return ExitCode.NOT_SOLVED if self.refused else ExitCode.UNREADABLE
        outcomes = {each.outcome for each in self.results}
        for outcome, code in _CODES:
            if outcome in outcomes:
                return code
        return ExitCode.SOLVED if self.solved else ExitCode.NOT_SOLVED


_CODES = (
    (Outcome.BROKEN, ExitCode.BROKEN),
    (Outcome.MACHINE, ExitCode.MACHINE),
    (Outcome.UNREADABLE, ExitCode.UNREADABLE),
    (Outcome.TIME_LIMIT, ExitCode.TIME_LIMIT),
)
