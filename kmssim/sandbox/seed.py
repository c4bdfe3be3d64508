"""A declared world is made in the runtime, by real boto3 calls as an administrator would make them.

Seeding goes past the gate: who may create what is not the question yet. What moto cannot hold is noted in `Memory`.
The other way round is `kmssim.sandbox.read`; what was seeded reads back equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError, ParamValidationError

from kmssim.errors import SetupError
from kmssim.evaluator.world import World
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.seed_identities import seed_identities
from kmssim.sandbox.seed_keys import seed_keys
from kmssim.sandbox.seed_organization import seed_organization
from kmssim.sandbox.seed_resources import seed_buckets, seed_secrets


@dataclass(frozen=True)
class Seeded:
    """What seeding left: the notes beside moto, and `(access key id, secret)` by account and user name.

    `accounts` and `regions` are those of the world, its own Region first: what `read_world` asks for.
    """

    memory: Memory
    credentials: Mapping[tuple[str, str], tuple[str, str]]
    accounts: tuple[str, ...]
    regions: tuple[str, ...]


def seed(world: World, clients: Clients) -> Seeded:
    """Make everything that `world` declares in an empty runtime.

    Raises:
        InputError: the world contradicts itself where AWS would not let it.
        SetupError: the runtime refuses something; the message names the call.

    """
    memory = Memory(vpc_endpoints=dict(world.vpc_endpoints))
    credentials: dict[tuple[str, str], tuple[str, str]] = {}
    try:
        seed_organization(world, clients, memory)
        for account in world.accounts.values():
            credentials |= seed_identities(account, clients("iam", account.id, world.region), memory)
            seed_keys(account, clients, memory)
            seed_buckets(account, clients)
            seed_secrets(account, clients, memory)
    except (ClientError, ParamValidationError) as error:
        raise SetupError(f"the runtime does not take this world: {error}") from error
    return Seeded(memory, credentials, tuple(world.accounts), _regions(world))


def _regions(world: World) -> tuple[str, ...]:
    """The Regions with something in them, the world's own first, each once."""
    found = [world.region]
    for account in world.accounts.values():
        found += [key.region for key in account.keys]
        found += [bucket.region for bucket in account.buckets.values()]
        found += [secret.region for secret in account.secrets.values()]
    return tuple(dict.fromkeys(found))
