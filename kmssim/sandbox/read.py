"""The world as the runtime holds it, by boto3 reads: the other way round of `kmssim.sandbox.seed`.

Decisions of the sandbox are taken over what is read here, never over what was declared. Names for people and JSON paths
follow the scenario file, so that an explanation of a read world points where its author would look.
"""

from __future__ import annotations

from collections.abc import Sequence

from kmssim.evaluator.world import Account, World
from kmssim.sandbox.kept_parts import KeptParts
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.read_identities import read_identities
from kmssim.sandbox.read_keys import read_keys
from kmssim.sandbox.read_organization import Membership, read_organization
from kmssim.sandbox.read_resources import read_buckets, read_secrets


def read_world(
    clients: Clients, memory: Memory, *, accounts: Sequence[str], regions: Sequence[str], kept: KeptParts | None = None
) -> World:
    """Read `accounts` in `regions`; the first Region is the world's own. What `kept` still has is not read again.

    Raises:
        SetupError: a policy in the runtime is none that AWS would have taken; the message says where it is attached.

    """
    home, parts = regions[0], kept or KeptParts()
    organization, members = parts.get(("organizations",), lambda: read_organization(clients, memory, accounts, home))
    found: dict[str, Account] = {}
    for account in accounts:
        found[account] = _read_account(account, members[account], clients, memory, regions, parts)
    return World(found, home, organization, dict(memory.vpc_endpoints))


def _read_account(
    account: str, member: Membership, clients: Clients, memory: Memory, regions: Sequence[str], parts: KeptParts
) -> Account:
    home = regions[0]
    identities = parts.get(("iam", account), lambda: read_identities(account, clients("iam", account, home), memory))
    return Account(
        id=account,
        unit=member.unit,
        scps=member.scps,
        rcps=member.rcps,
        users=identities.users,
        groups=identities.groups,
        roles=identities.roles,
        keys=read_keys(account, clients, memory, regions, parts),
        buckets=parts.get(("s3", account), lambda: read_buckets(account, clients, home)),
        secrets=parts.get(
            ("secretsmanager", account, *regions), lambda: read_secrets(account, clients, memory, regions)
        ),
    )
