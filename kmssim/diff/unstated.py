"""Condition keys that a changed statement looks at, and that none of the questions states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from kmssim.circumstances import policies_of
from kmssim.evaluator.statements import Policy, Statement
from kmssim.evaluator.world import World

_STATED = (
    "kms:encryptioncontext",
    "kms:viaservice",
    "kms:calleraccount",
    "kms:resourcealiases",
    "kms:key",
    "kms:multiregion",
    "aws:principal",
    "aws:resource",
    "aws:userid",
    "aws:username",
    "aws:securetransport",
    "aws:viaawsservice",
    "aws:calledvia",
)
"""The start of each key that follows from the caller, the key, or the question's circumstances."""


def unstated_keys(old: World, new: World) -> tuple[str, ...]:
    """The condition keys, as written, of statements that are in one of the worlds only: sorted, each once."""
    before, now = Counter(_statements(old)), Counter(_statements(new))
    changed = [*(before - now), *(now - before)]
    found = {
        condition.written_key
        for statement in changed
        for condition in statement.conditions
        if not condition.key.startswith(_STATED)
    }
    return tuple(sorted(found))


def _statements(world: World) -> Iterator[Statement]:
    """Without name and position, which change when another statement is put before."""
    for policy in _policies(world):
        yield from (replace(statement, path="", sid=None) for statement in policy.statements)


def _policies(world: World) -> Iterator[Policy]:
    yield from policies_of(world)
    yield from (endpoint.policy for endpoint in world.vpc_endpoints.values() if endpoint.policy)
