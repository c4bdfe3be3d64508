"""What a client saw of one call, reduced to what a comparison needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Observed:
    """How one call ended.

    `decision` is `DENY` when it ended in an authorization error, `ALLOW` otherwise, None when no client can make it.
    `error` is the code that boto3 reported, None for success; `message` its text, or why the call was not made.
    """

    decision: str | None
    error: str | None
    message: str | None
