"""A check that no path leads from somebody to a key: the search of `kmssim who-can`, held to a number."""

from __future__ import annotations

from kmssim.access import key_named
from kmssim.errors import InputError
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import World
from kmssim.labs.outcomes import Outcome, Result
from kmssim.labs.promises import Check
from kmssim.reach.paths import Way
from kmssim.reach.search import what_can
from kmssim.reach.wording import told


def look_for_paths(check: Check, world: World) -> Result:
    """Search all ways of the principal to the action on the key, the direct one included."""
    assert check.reach is not None  # noqa: S101 - asked only of such checks
    reach = check.reach
    principal = parse_principal(reach.principal)
    if principal is None:
        raise InputError(f"`{reach.principal}` is not the ARN of somebody who can call")
    key = key_named(world, reach.key)
    ways = what_can(world, principal, [key], actions=[reach.action]).ways
    if len(ways) <= reach.paths:
        return Result(check, Outcome.PASSED)
    return Result(check, Outcome.FAILED, f"a way is open: {_told(ways[0])}")


def _told(way: Way) -> str:
    return ", then ".join([*(told(hop) for hop in way.hops), f"{way.action} is allowed"])
