"""A crowd for sweeps: principals with policies of their own, tags and boundaries, and keys with policies of their own.

Made from a seed; a third of the statements differ from principal to principal, as in accounts that grew.
"""

from __future__ import annotations

import random

from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Key, Role, World

ACCOUNT, REGION = "111122223333", "us-east-1"
TEAMS = tuple(f"team-{number}" for number in range(12))
_USES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:*")


def _statement(effect: str, action: object, resource: object = "*", **more: object) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def _policy(kind: PolicyKind, *statements: dict[str, object]) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind)


def key_id(number: int) -> str:
    return f"{number:08x}-12ab-34cd-56ef-1234567890ab"


def arn(number: int, account: str = ACCOUNT) -> str:
    return f"arn:aws:kms:{REGION}:{account}:key/{key_id(number)}"


def _role(number: int, keys: int, boundaries: tuple[Policy, ...], chance: random.Random, account: str) -> Role:
    named = [arn(chance.randrange(keys), account) for _ in range(3)]
    by_team = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    own = _policy(
        PolicyKind.IDENTITY,
        _statement("Allow", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::data/*"),
        _statement("Allow", [chance.choice(_USES), "kms:DescribeKey"], named),
        _statement("Allow", "kms:Decrypt", Condition=by_team),
        _statement("Deny", "kms:*", Condition={"StringEquals": {"aws:ResourceTag/env": "prod"}})
        if number % 3
        else _statement("Allow", "logs:*"),
    )
    name = f"role-{number}"
    return Role(
        f"arn:aws:iam::{account}:role/{name}",
        name,
        policies=(own,),
        boundary=boundaries[number % len(boundaries)] if number % 4 else None,
        tags={"team": chance.choice(TEAMS)},
    )


def _key(number: int, roles: int, chance: random.Random, account: str) -> Key:
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    direct = [f"arn:aws:iam::{account}:role/role-{chance.randrange(roles)}" for _ in range(4)]
    statements = [
        _statement("Allow", "kms:*", Principal=root) if number % 5 else _statement("Allow", "kms:Put*", Principal=root),
        _statement("Allow", ["kms:Decrypt", "kms:GenerateDataKey"], Principal={"AWS": direct}),
    ]
    if number % 7 == 0:
        apart = {"StringNotEquals": {"aws:PrincipalTag/team": chance.choice(TEAMS)}}
        statements.append(_statement("Deny", "kms:Decrypt", Principal="*", Condition=apart))
    tags = {"team": chance.choice(TEAMS), "env": chance.choice(("dev", "test", "prod"))}
    return Key(key_id(number), REGION, account, _policy(PolicyKind.KEY_POLICY, *statements), tags=tags)


def crowd(principals: int, keys: int, seed: int = 7, account: str = ACCOUNT) -> World:
    """One account with that many roles and keys."""
    chance = random.Random(seed)  # noqa: S311 - made up, and the same each time
    boundaries = (
        _policy(PolicyKind.BOUNDARY, _statement("Allow", ["kms:*", "s3:*"])),
        _policy(PolicyKind.BOUNDARY, _statement("Allow", ["kms:Decrypt", "kms:DescribeKey"])),
        _policy(
            PolicyKind.BOUNDARY,
            _statement("Allow", "*"),
            _statement("Deny", "kms:Decrypt", Condition={"StringEquals": {"aws:ResourceTag/team": TEAMS[0]}}),
        ),
    )
    roles = {role.name: role for role in (_role(n, keys, boundaries, chance, account) for n in range(principals))}
    made = tuple(_key(number, principals, chance, account) for number in range(keys))
    return World({account: Account(account, roles=roles, keys=made)}, REGION)
