"""The two versions to compare: worlds, or key policies that are put into a world. A policy is known by its shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kmssim.access import key_named
from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.statements import Policy, PolicyKind
from kmssim.evaluator.world import Key, World
from kmssim.scenario_file.policies import key_policy_in
from kmssim.strict_json import read_json

ReadWorld = Callable[[str], World]


@dataclass(frozen=True)
class KeyPolicyFile:
    """A key policy by itself, and the file that it was read from."""

    file: str
    policy: Policy


def read_sides(
    old: str, new: str, read_world: ReadWorld, *, base: str | None = None, key: str | None = None
) -> tuple[World, World]:
    """Two worlds from what a person named: files, labs, or key policies.

    A key policy stands for `base`, or for the world on the other side, in which `key` has that policy.

    Raises:
        InputError: one cannot be read; a policy has no world to stand in; there is no such key.
        PolicyError: AWS would refuse the policy.

    """
    first, second = _read(old, read_world), _read(new, read_world)
    worlds = [side for side in (first, second) if isinstance(side, World)]
    if len(worlds) == 2:  # noqa: PLR2004 - both sides
        if base or key:
            raise InputError("--world and --key are for key policies; both sides are worlds already")
        return worlds[0], worlds[1]
    world = read_world(base) if base else next(iter(worlds), None)
    if world is None:
        raise InputError(
            "both are key policies, and a key policy decides in a world only",
            file=old,
            hint="name the world with --world FILE, and the key with --key KEY",
        )
    holder = _the_key(world, key)
    return _world_of(first, world, holder), _world_of(second, world, holder)


def _world_of(side: World | KeyPolicyFile, world: World, holder: Key) -> World:
    return side if isinstance(side, World) else with_policy(world, holder, side.policy)


def _read(named: str, read_world: ReadWorld) -> World | KeyPolicyFile:
    path = Path(named)
    document = key_policy_in(read_json(path)) if path.is_file() else None
    if document is None:
        return read_world(named)
    try:
        return KeyPolicyFile(named, parse_policy(document, PolicyKind.KEY_POLICY, source="policy"))
    except PolicyError as error:
        error.file = named
        raise


def _the_key(world: World, named: str | None) -> Key:
    if named is not None:
        return key_named(world, named)
    keys = list(world.keys_by_arn.values())
    if len(keys) == 1:
        return keys[0]
    labels = ", ".join(f"`{key.label or key.id}`" for key in keys[:8])
    raise InputError(
        "say with --key which key the policy is of", hint=f"there is {labels}" if keys else "there is none"
    )


def with_policy(world: World, holder: Key, policy: Policy) -> World:
    """The world in which one key has another policy."""
    account = world.accounts[holder.account]
    keys = tuple(replace(key, policy=policy) if key.arn == holder.arn else key for key in account.keys)
    return replace(world, accounts={**world.accounts, account.id: replace(account, keys=keys)})
