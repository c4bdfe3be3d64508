"""The time of one runtime: the machine's, unless it is held at a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds since the epoch. `held`: the moment that it shows all the time, e.g. that of a recorded scenario."""

    held: float | None = None

    def now(self) -> float:
        """What time it is."""
        return time.time() if self.held is None else self.held
