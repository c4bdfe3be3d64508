"""What a witness may need beside the audited world: somebody of another account, a key of an account's own.

A key policy that trusts another account leaves it to that account who may call. So a witness from outside brings along
an IAM policy that allows it, as anybody can write in an account of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from kmssim.access import ANY_SESSION, STRANGER
from kmssim.evaluator.policy import Policy, PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal, partition_of
from kmssim.evaluator.world import Account, Key, Role, User, World

Beside = Mapping[str, Account]

_STAND_IN = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def stranger_account(world: World) -> str:
    """An account that the world neither declares nor takes for its management account."""
    taken = {*world.accounts, world.organization.management_account if world.organization else None}
    return next(name for name in (f"{int(STRANGER) + step:012}" for step in range(len(taken) + 1)) if name not in taken)


@cache
def everything_in_kms() -> Policy:
    """An IAM policy that allows all of KMS."""
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return parse_policy(document, PolicyKind.IDENTITY, "beside.policies.kmssim-witness")


def root_of(account: str, partition: str) -> Principal:
    """The root user of an account: whoever opened it."""
    found = parse_principal(f"arn:{partition}:iam::{account}:root")
    assert found is not None  # noqa: S101 - written above
    return found


def visitor(arn: str, world: World) -> tuple[Principal, Beside] | None:
    """Whoever the ARN of another account's principal means, with all of KMS allowed on its own side.

    None: the ARN is none of a caller.
    """
    principal = parse_principal(arn)
    if principal is None:
        return None
    declared = world.accounts.get(principal.account) or Account(principal.account)
    if principal.kind is PrincipalKind.USER:
        user = declared.users.get(principal.name) or User(arn, principal.name)
        allowed = replace(user, policies=(*user.policies, everything_in_kms()))
        return principal, {declared.id: replace(declared, users={**declared.users, user.name: allowed})}
    if principal.kind is PrincipalKind.ROLE_SESSION and ":" not in principal.name:
        role = declared.roles.get(principal.name) or Role(_role_arn(arn, principal), principal.name)
        widened = replace(role, policies=(*role.policies, everything_in_kms()))
        return principal, {declared.id: replace(declared, roles={**declared.roles, role.name: widened})}
    return principal, {declared.id: declared}


def _role_arn(arn: str, principal: Principal) -> str:
    if ":role/" in arn:
        return arn
    return f"arn:{arn.split(':')[1]}:iam::{principal.account}:role/{principal.name}"


def with_key(world: World, account: str, region: str, policy: Policy | None = None) -> tuple[Key, Beside]:
    """One more key in an account, with the policy that a new key has unless another is given."""
    declared = world.accounts.get(account) or Account(account)
    partition = partition_of(region)
    policy = policy or default_key_policy(account, partition, "beside.policy")
    key = Key(_STAND_IN, region, account, policy, partition, label="kmssim-witness")
    return key, {account: replace(declared, keys=(*declared.keys, key))}


def world_with(world: World, beside: Beside) -> World:
    """The world with these accounts in place of its own of the same number, or besides."""
    return replace(world, accounts={**world.accounts, **beside}) if beside else world


def session_of(role: str) -> Principal:
    """A session of a role by its ARN."""
    found = parse_principal(role)
    assert found is not None, role  # noqa: S101 - a declared role's ARN
    assert found.session_name == ANY_SESSION  # noqa: S101 - as `access` calls them
    return found
