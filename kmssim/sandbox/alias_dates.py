"""When each alias was made and last moved to another key, which moto does not keep."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple


class AliasDates(NamedTuple):
    """In seconds since the epoch."""

    made: float
    moved: float


@dataclass
class AliasNotes:
    """By alias ARN; aliases that nobody noted came with the world, and so did these notes."""

    dates: dict[str, AliasDates] = field(default_factory=dict)
    beginning: float = field(default_factory=time.time)

    def of(self, arn: str) -> AliasDates:
        """The dates of one alias."""
        return self.dates.get(arn, AliasDates(self.beginning, self.beginning))
