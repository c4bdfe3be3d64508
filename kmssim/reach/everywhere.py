"""Who can do something on each key of a world, by a plain call: a sweep, since there may be many of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kmssim.access import actions_on, caller_name, callers_of
from kmssim.errors import InputError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Key, World
from kmssim.sweep.coverage import numbers_of
from kmssim.sweep.sweep import Asking, Sweep

_MOST_NAMED = 6


@dataclass(frozen=True)
class Able:
    """A key, and who can do it there: without an encryption context, not through a service, and at once."""

    key: Key
    callers: tuple[Principal, ...]


def who_can_everywhere(
    world: World, action: str, authority: Authority = PYTHON, advance: Callable[[], None] = lambda: None
) -> tuple[Able, ...]:
    """Of every key that takes the action, who of `callers_of(world)` may do it; each answer is that of `decide`.

    Raises InputError when no key takes it.
    """
    keys = tuple(key for key in world.keys_by_arn.values() if action in actions_on(key))
    if not keys:
        raise InputError(f"no key of this world takes {action}", hint="name a key to see what it takes")
    sweep = Sweep(world, Asking(action), keys, authority)
    able: list[list[Principal]] = [[] for _ in keys]
    for principal in callers_of(world):
        for number in numbers_of(sweep.bits_of(principal)):
            able[number].append(principal)
        advance()
    return tuple(Able(key, tuple(callers)) for key, callers in zip(keys, able, strict=True))


def everywhere_text(found: Sequence[Able], action: str, where: str) -> str:
    """A paragraph for each key; of many callers the first few."""
    lines = [f"Who can {action}, by a plain call and at once", f"  {where}"]
    for able in found:
        named = [caller_name(principal) for principal in able.callers[:_MOST_NAMED]]
        more = len(able.callers) - len(named)
        lines += ["", f"{able.key.label or able.key.id}: {len(able.callers) or 'nobody'}", f"  {able.key.arn}"]
        lines += [f"    {name}" for name in named]
        lines += [f"    and {more} more; --json names them all"] if more else []
    return "\n".join(lines) + "\n"


def everywhere_json(found: Sequence[Able], action: str) -> dict[str, Any]:
    """The same as data."""
    keys = [{"key": able.key.arn, "callers": [principal.arn for principal in able.callers]} for able in found]
    return {"action": action, "keys": keys}
