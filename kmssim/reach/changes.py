"""A world as somebody has made it: one change, one copy. Nothing here asks whether the change is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kmssim.evaluator.context import unique_id
from kmssim.evaluator.grants import read_constraints
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.request import Call, Principal, PrincipalKind
from kmssim.evaluator.statements import Policy, PolicyKind
from kmssim.evaluator.world import Account, Grant, Group, Key, Role, User, World

MADE = "kmssim"
"""What a search calls the things that it makes: a grant, a tag's value, a function."""

_VERSION = "2012-10-17"


def statement(principal: str | None, action: str | list[str]) -> dict[str, object]:
    """An Allow for everything named, to one principal or, in an identity policy, to whoever holds it."""
    whom: dict[str, object] = {} if principal is None else {"Principal": {"AWS": principal}}
    return {"Sid": MADE, "Effect": "Allow", **whom, "Action": action, "Resource": "*"}


def own_key_policy(principal: str) -> dict[str, object]:
    """A key policy that trusts one principal with everything and nobody else."""
    return {"Version": _VERSION, "Statement": [statement(principal, "kms:*")]}


def everything() -> Policy:
    """An identity policy that allows everything."""
    document = {"Version": _VERSION, "Statement": [statement(None, "*")]}
    return parse_policy(document, PolicyKind.IDENTITY, "a policy of one's own")


def trust_in(principal: str) -> Policy:
    """A trust policy that lets one principal assume the role."""
    trusting = statement(principal, "sts:AssumeRole")
    del trusting["Resource"]
    return parse_policy({"Version": _VERSION, "Statement": [trusting]}, PolicyKind.TRUST, "a trust policy of one's own")


def with_account(world: World, account: Account) -> World:
    """The world with this account in place of the one of its id, or beside the others."""
    return replace(world, accounts={**world.accounts, account.id: account})


def with_key(world: World, key: Key) -> World:
    """The world with this key in place of the one of its ARN, or beside the others."""
    account = world.accounts[key.account]
    others = [key if known.arn == key.arn else known for known in account.keys]
    keys = others if any(known is key for known in others) else [*others, key]
    return with_account(world, replace(account, keys=tuple(keys)))


def with_grant(world: World, key: Key, call: Call) -> World:
    """The grant that a CreateGrant makes."""
    given: Mapping[str, Any] = call.parameters
    grant = Grant(
        id=f"{len(key.grants) + 1:064x}",
        name=MADE,
        operations=tuple(given["Operations"]),
        issuing_account=call.principal.account,
        grantee=str(given["GranteePrincipal"]),
        constraints=read_constraints(given.get("Constraints")),
    )
    return with_key(world, replace(key, grants=(*key.grants, grant)))


def with_key_policy(world: World, key: Key, document: Mapping[str, object]) -> World:
    """The key policy that a PutKeyPolicy puts."""
    return with_key(world, replace(key, policy=parse_policy(document, PolicyKind.KEY_POLICY, "a key policy put")))


def with_holder(world: World, principal: Principal, change: Callable[[User | Role], User | Role]) -> World:
    """The user or role behind a caller, changed. It must be declared."""
    account = world.accounts[principal.account]
    if principal.kind is PrincipalKind.USER:
        user = change(account.users[principal.name])
        assert isinstance(user, User)  # noqa: S101 - what changes a user gives a user
        return with_account(world, replace(account, users={**account.users, user.name: user}))
    role = change(account.roles[principal.name])
    assert isinstance(role, Role)  # noqa: S101 - the same
    return with_role(world, principal.account, role)


def with_role(world: World, account_id: str, role: Role) -> World:
    """The world with this role in place of the one of its name."""
    account = world.accounts[account_id]
    return with_account(world, replace(account, roles={**account.roles, role.name: role}))


def with_member(world: World, principal: Principal, group: Group) -> World:
    """The user as a member of a group more."""
    account = world.accounts[principal.account]
    user = account.users[principal.name]
    user = replace(user, groups=(*user.groups, group.name))
    return with_account(world, replace(account, users={**account.users, user.name: user}))


def with_new_role_of_that_name(world: World, account_id: str, role: Role, trusting: str) -> World:
    """A role deleted and made again (PE-8): it trusts `trusting`, has no policies, and is not whom `Principal`s meant.

    PG-42: a `Principal`, or a grantee, that named the old role now holds its unique id, and names nobody.
    """
    renewed = replace(role, trust=trust_in(trusting), policies=(), boundary=None, tags={})
    gone = unique_id("AROA", role.arn)
    accounts = {
        name: replace(
            account,
            keys=tuple(_key_without(key, role.arn, gone) for key in account.keys),
            roles={known: _role_without(other, role.arn, gone) for known, other in account.roles.items()},
        )
        for name, account in world.accounts.items()
    }
    return with_role(replace(world, accounts=accounts), account_id, renewed)


def _key_without(key: Key, arn: str, gone: str) -> Key:
    grants = tuple(replace(grant, grantee=gone) if grant.grantee == arn else grant for grant in key.grants)
    shared = None if key.ram_policy is None else _policy_without(key.ram_policy, arn, gone)
    return replace(key, policy=_policy_without(key.policy, arn, gone), ram_policy=shared, grants=grants)


def _role_without(role: Role, arn: str, gone: str) -> Role:
    return role if role.trust is None else replace(role, trust=_policy_without(role.trust, arn, gone))


def _policy_without(policy: Policy, arn: str, gone: str) -> Policy:
    named = any(
        entry.text == arn for found in policy.statements if found.principal for entry in found.principal.entries
    )
    if not named:
        return policy
    listed = policy.document["Statement"]
    statements: Any = listed if isinstance(listed, list | tuple) else [listed]
    document = {**policy.document, "Statement": [_statement_without(found, arn, gone) for found in statements]}
    return parse_policy(document, policy.kind, policy.source, lenient=True)


def _statement_without(written: Mapping[str, Any], arn: str, gone: str) -> dict[str, Any]:
    return {
        name: {"AWS": _replaced(value["AWS"], arn, gone), **{k: v for k, v in value.items() if k != "AWS"}}
        if name in {"Principal", "NotPrincipal"} and isinstance(value, Mapping) and "AWS" in value
        else value
        for name, value in written.items()
    }


def _replaced(named: object, arn: str, gone: str) -> list[object]:
    listed = named if isinstance(named, list | tuple) else [named]
    return [gone if text == arn else text for text in listed]
