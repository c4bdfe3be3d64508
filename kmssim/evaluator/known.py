"""Whether a principal that a call names exists: in a new key policy (PG-43) and in a new grant (GR-3)."""

from __future__ import annotations

from kmssim.evaluator.principals import InvalidPrincipalError, PrincipalEntry, PrincipalForm, parse_principals
from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import World

_OF_POLICIES_ONLY = {PrincipalForm.ANYONE, PrincipalForm.UNIQUE_ID}
"""What can stand in a policy and is no principal that a grant could name (GR-3)."""


def is_unknown(world: World, entry: PrincipalEntry, partition: str) -> bool:
    """Whether no such principal exists in the partition. Of accounts that the world does not declare nobody can say."""
    if entry.form is PrincipalForm.UNIQUE_ID:
        return True  # the stored form of somebody who is gone
    if entry.partition not in {None, partition}:
        return True  # PG-48
    arn = parse_arn(entry.text)
    account = world.accounts.get(arn.account) if arn else None
    if arn is None or account is None:
        return False
    if entry.form is PrincipalForm.USER:
        return entry.text not in {user.arn for user in account.users.values()}
    if entry.form is PrincipalForm.ROLE:
        return entry.text not in {role.arn for role in account.roles.values()}
    role = arn.resource.split("/")[1] if entry.form is PrincipalForm.ROLE_SESSION else ""
    return bool(role) and ":" not in role and role not in account.roles


def names_nobody(world: World, text: str, partition: str) -> bool:
    """Whether `text` is no principal that a grant can name, or one that does not exist."""
    try:
        (entry,) = parse_principals({"AWS": text})
    except InvalidPrincipalError:
        return True
    return entry.form in _OF_POLICIES_ONLY or is_unknown(world, entry, partition)
