"""How long temporary credentials last: DurationSeconds within the limits of each operation of STS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

_SHORTEST = 900
HOUR = 3600
_PATTERN = "1 validation error detected: Value '{given}' at 'durationSeconds' failed to satisfy constraint: "


class Limits(NamedTuple):
    """Seconds: what an operation gives unasked, and the most that it takes."""

    default: int
    longest: int


LIMITS = {
    "AssumeRole": Limits(HOUR, 43200),
    "GetFederationToken": Limits(43200, 129600),
    "GetSessionToken": Limits(43200, 129600),
}


def read_duration(operation: str, given: str) -> int:
    """The seconds for which credentials are asked; "" stands for the operation's default.

    Raises ValueError with STS's sentence when the operation does not take so many.
    """
    limits = LIMITS[operation]
    if not given:
        return limits.default
    told = _PATTERN.format(given=given)
    if not (given.isascii() and given.isdigit()) or int(given) < _SHORTEST:
        raise ValueError(f"{told}Member must have value greater than or equal to {_SHORTEST}")
    if int(given) > limits.longest:
        raise ValueError(f"{told}Member must have value less than or equal to {limits.longest}")
    return int(given)


def expiration(moment: float) -> str:
    """Epoch seconds as STS writes the end of a session."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
