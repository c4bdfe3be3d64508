"""The log of decisions: a list that may be told to keep the last ones only, and to show each one to somebody."""

from __future__ import annotations

from collections.abc import Callable

from kmssim.evaluator.decision import Decision


class DecisionLog(list[Decision]):
    """Decisions in the order of the calls. `keep` None: all of them; a server that runs for days keeps the last ones.

    `tell` is called with each new decision, one at a time; what it raises reaches the call.
    """

    def __init__(self, keep: int | None = None, tell: Callable[[Decision], None] | None = None) -> None:
        """Empty."""
        super().__init__()
        self._keep = keep
        self._tell = tell

    def append(self, decision: Decision) -> None:
        """Add the newest; the oldest goes when there are more than are kept."""
        super().append(decision)
        if self._keep is not None and len(self) > self._keep:
            del self[: -self._keep]
        if self._tell is not None:
            self._tell(decision)
