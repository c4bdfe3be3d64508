"""What a search finds: hops, each with its decisions, and the access at the end. Frozen data; words are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from kmssim.access import Question
from kmssim.evaluator.request import Principal


@dataclass(frozen=True)
class Check:
    """One permission that a hop needs, as it was decided.

    `layers` are those that decided, by their words; of a role's trust policy the word is `trust_policy`. `failure`: the
    error code that an authorized call still ends with; such a hop is not taken.
    """

    principal: Principal
    action: str
    resource: str
    allowed: bool
    layers: tuple[str, ...] = ()
    failure: str | None = None
    uncertain: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the call is allowed and succeeds."""
        return self.allowed and self.failure is None


@dataclass(frozen=True)
class Hop:
    """One step: `principal` does on `target` what `code` stands for, and goes on as `then`.

    `checks` are the permissions that it took, all of them allowed. `details` are pairs for people and tools, such as
    the session name.
    """

    code: str
    principal: Principal
    target: str
    checks: tuple[Check, ...]
    then: Principal
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Access:
    """An allowed answer, and how it came about.

    `paths` are the ruling's, `grants` the names of those that help. `failure`: what the authorized call still ends
    with, e.g. since the key is disabled.
    """

    question: Question
    paths: tuple[str, ...]
    layers: tuple[str, ...]
    grants: tuple[str, ...] = ()
    failure: str | None = None
    uncertain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """How `principal` comes to `action` on `key` (an ARN): the hops, none for direct access, and the last decision."""

    principal: Principal
    action: str
    key: str
    hops: tuple[Hop, ...]
    access: Access


@dataclass(frozen=True)
class Limits:
    """How far a search goes: hops on one path, situations looked at, and turns taken through them by all callers."""

    hops: int = 3
    situations: int = 5000
    turns: int = 100_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Found:
    """Everything that a search found, shortest ways first. `callers`: whose ways were looked for.

    `looked_at` counts situations; `cut_off_at`: the number of hops from which on not all were looked at, None: all.
    `foreign_keys`: of one caller, whether it may encrypt under keys of accounts that nothing names (PE-13).
    """

    callers: tuple[Principal, ...]
    ways: tuple[Way, ...]
    looked_at: int
    cut_off_at: int | None = None
    foreign_keys: bool = False
