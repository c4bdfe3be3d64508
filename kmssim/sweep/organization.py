"""An organization made from a seed, account by account: nobody ever has to hold it whole.

It is made up, and made as grown organizations are: most keys have the default policy, most roles come from templates
that every account has, and the rest differs: named keys, tags, boundaries, guardrails, partners in other accounts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from kmssim.errors import InputError
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Constraints, Grant, Key, Organization, Role, Unit, World
from kmssim.strict_json import printable
from kmssim.wording import listed

REGION = "us-east-1"
ORGANIZATION_ID = "o-kmssimsweep"
TEAMS = tuple(f"team-{number}" for number in range(12))
STAGES = ("dev", "test", "prod")
UNITS = ("production", "development", "security")
_FIRST_ACCOUNT = 100_000_000_000
_OPEN_TO_ALL = 250
"""One account in so many has a key that the whole organization may use."""
_EVERYWHERE: Mapping[str, object] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_USES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:*")


@dataclass(frozen=True)
class Plan:
    """How large the organization is, and the seed that makes it: the same plan, the same organization."""

    accounts: int
    roles: int
    keys: int
    seed: int = 7

    @cached_property
    def account_ids(self) -> tuple[str, ...]:
        """The ids of all accounts, in order."""
        return tuple(str(_FIRST_ACCOUNT + number) for number in range(self.accounts))

    @property
    def callers(self) -> int:
        """How many can call: the roles and the root user of every account."""
        return self.accounts * (self.roles + 1)

    def world(self, accounts: Iterable[Account] | None = None) -> World:
        """These accounts under the organization's guardrails; None: all of them."""
        made = map(self.account, self.account_ids) if accounts is None else accounts
        return World({one.id: one for one in made}, REGION, _organization())

    def account(self, account: str) -> Account:
        """One account, made from the seed and its number alone."""
        return replace(self.people(account), keys=self.keys_of(account))

    def people(self, account: str) -> Account:
        """The same account without its keys."""
        making, number = self._making(account, "roles"), int(account) - _FIRST_ACCOUNT
        roles = (making.role(which) for which in range(self.roles))
        everything = _policy(PolicyKind.SCP, _EVERYWHERE)
        return Account(account, UNITS[number % len(UNITS)], (everything,), roles={role.name: role for role in roles})

    def keys_of(self, account: str) -> tuple[Key, ...]:
        """The keys of an account."""
        making, opens = self._making(account, "keys"), (int(account) - _FIRST_ACCOUNT) % _OPEN_TO_ALL == 0
        return tuple(making.key(which, open_to_all=opens and which == 0) for which in range(self.keys))

    def _making(self, account: str, what: str) -> _Making:
        number = int(account) - _FIRST_ACCOUNT
        partners = [self.account_ids[(number + step) % self.accounts] for step in (1, 7)]
        chance = random.Random(f"{self.seed}/{number}/{what}")  # noqa: S311 - made up, and the same each time
        return _Making(account, self, partners, chance)


_SMALLEST, _LARGEST = 1, 100_000


def parse_plan(text: str) -> Plan:
    """A plan as it is written: `accounts=50,roles=500,keys=100`, and `seed=7` where another is wanted.

    Raises:
        InputError: a word or a number is not one.

    """
    given: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in {"accounts", "roles", "keys", "seed"} or not number.isdecimal():
            raise InputError(
                printable(f"`{part}` says nothing of an organization"),
                hint="write accounts=50,roles=500,keys=100,seed=7",
            )
        if name != "seed" and not _SMALLEST <= int(number) <= _LARGEST:
            raise InputError(f"`{name}` is from {_SMALLEST:,} to {_LARGEST:,}")
        given[name] = int(number)
    missing = [name for name in ("accounts", "roles", "keys") if name not in given]
    if missing:
        raise InputError(f"an organization needs {listed(missing)}", hint="write accounts=50,roles=500,keys=100")
    return Plan(**given)


def key_arn(account: str, number: int) -> str:
    """The ARN of a key by its number."""
    return f"arn:aws:kms:{REGION}:{account}:key/{_key_id(number)}"


def _key_id(number: int) -> str:
    return f"{number:08x}-12ab-34cd-56ef-1234567890ab"


def role_arn(account: str, number: int) -> str:
    """The ARN of a role by its number."""
    return f"arn:aws:iam::{account}:role/role-{number}"


@dataclass(frozen=True)
class _Making:
    """One account in the making."""

    account: str
    plan: Plan
    partners: Sequence[str]
    chance: random.Random

    def role(self, number: int) -> Role:
        """A role; every fourth has a boundary."""
        return Role(
            role_arn(self.account, number),
            f"role-{number}",
            policies=(_policy(PolicyKind.IDENTITY, *self._statements_of_role()),),
            boundary=_policy(PolicyKind.BOUNDARY, *_BOUNDARIES[number % 2]) if number % 4 == 0 else None,
            tags={"team": self.chance.choice(TEAMS)},
        )

    def _statements_of_role(self) -> tuple[Mapping[str, object], ...]:
        kind = self._one_of(_KINDS_OF_ROLES)
        if kind == "own keys":
            return self._own_policy()
        return self._partners_policy() if kind == "a partner's keys" else _TEMPLATES[kind]

    def _one_of(self, weights: Mapping[str, int]) -> str:
        return self.chance.choices(tuple(weights), tuple(weights.values()))[0]

    def _own_policy(self) -> tuple[Mapping[str, object], ...]:
        named = [key_arn(self.account, self.chance.randrange(self.plan.keys)) for _ in range(3)]
        allow = {"Effect": "Allow", "Action": [self.chance.choice(_USES), "kms:DescribeKey"], "Resource": named}
        return allow, *_NO_PRODUCTION

    def _partners_policy(self) -> tuple[Mapping[str, object], ...]:
        theirs = f"arn:aws:kms:{REGION}:{self.chance.choice(self.partners)}:key/*"
        return ({"Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": theirs},)

    def key(self, number: int, *, open_to_all: bool) -> Key:
        """A key; one in seven does not hand the account over to IAM for more than its administration."""
        kind = self._one_of(_KINDS_OF_KEYS)
        narrow = self.chance.randrange(7) == 0
        delegation = _delegation(self.account, "kms:Put*", "kms:Describe*") if narrow else _delegation(self.account)
        everybody = [_open({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}})] if open_to_all else []
        policy = _policy(PolicyKind.KEY_POLICY, delegation, *self._further_trust(kind), *everybody)
        tags = {"team": self.chance.choice(TEAMS), "env": self.chance.choice(STAGES)}
        grants = (self._grant(number),) if kind == "grant" else ()
        return Key(_key_id(number), REGION, self.account, policy, tags=tags, grants=grants)

    def _further_trust(self, kind: str) -> Iterator[dict[str, object]]:
        if kind == "by name":
            named = [role_arn(self.account, self.chance.randrange(self.plan.roles)) for _ in range(3)]
            yield _trusting(named, "kms:Decrypt", "kms:GenerateDataKey")
        elif kind == "a partner's account":
            yield _trusting([f"arn:aws:iam::{self.partners[0]}:root"], "kms:Decrypt", "kms:DescribeKey")
        elif kind == "a partner's role":
            yield _trusting([role_arn(self.partners[1], self.chance.randrange(self.plan.roles))], "kms:Decrypt")
        elif kind == "through a service":
            through = {"kms:CallerAccount": self.account, "kms:ViaService": f"s3.{REGION}.amazonaws.com"}
            yield _open({"StringEquals": through})
        elif kind == "one team only":
            others = {"StringNotEquals": {"aws:PrincipalTag/team": self.chance.choice(TEAMS)}}
            yield {**_open(others), "Effect": "Deny"}

    def _grant(self, number: int) -> Grant:
        holder = role_arn(self.chance.choice((self.account, *self.partners)), self.chance.randrange(self.plan.roles))
        bound = Constraints(encryption_context_subset={"tenant": self.chance.choice(TEAMS)})
        constraints = bound if number % 2 else Constraints()
        operations = ("Decrypt", "DescribeKey")
        return Grant(f"grant-{number}", None, operations, self.account, grantee=holder, constraints=constraints)


def _delegation(account: str, *actions: str) -> dict[str, object]:
    return _trusting([f"arn:aws:iam::{account}:root"], *(actions or ("kms:*",)))


def _trusting(names: list[str], *actions: str) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"AWS": names}, "Action": list(actions), "Resource": "*"}


def _open(condition: object) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}


_NO_PRODUCTION = (
    {
        "Effect": "Deny",
        "Action": "kms:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}},
    },
)
_OWN_TEAM = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
_TEMPLATES: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "administrator": (_EVERYWHERE,),
    "auditor": ({"Effect": "Allow", "Action": ["kms:Describe*", "kms:List*", "kms:Get*"], "Resource": "*"},),
    "team": ({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": _OWN_TEAM}, *_NO_PRODUCTION),
    "no keys": ({"Effect": "Allow", "Action": ["s3:GetObject", "logs:*"], "Resource": "*"},),
}
_KINDS_OF_ROLES = {"administrator": 1, "auditor": 2, "team": 2, "no keys": 2, "own keys": 2, "a partner's keys": 1}
_KINDS_OF_KEYS = {
    "default": 12, "by name": 2, "a partner's account": 2, "a partner's role": 1, "through a service": 1,
    "one team only": 1, "grant": 1,
}  # fmt: skip
_BOUNDARIES: tuple[tuple[Mapping[str, object], ...], ...] = (
    ({"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Describe*", "s3:*"], "Resource": "*"},),
    (_EVERYWHERE, {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*", "Condition": _OWN_TEAM}),
)
_PERIMETER = {
    "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
    "Condition": {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORGANIZATION_ID},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    },
}  # fmt: skip


@lru_cache(maxsize=1)
def _organization() -> Organization:
    everything = _policy(PolicyKind.SCP, _EVERYWHERE)
    no_deletion = _policy(PolicyKind.SCP, {"Effect": "Deny", "Action": "kms:ScheduleKeyDeletion", "Resource": "*"})
    no_production = _policy(PolicyKind.SCP, *_NO_PRODUCTION)
    units = {
        "root": Unit("root", None, (everything,), (_policy(PolicyKind.RCP, _PERIMETER),)),
        "production": Unit("production", "root", (everything, no_deletion)),
        "development": Unit("development", "root", (everything, no_production)),
        "security": Unit("security", "root", (everything,)),
    }
    return Organization(ORGANIZATION_ID, None, units)


def _policy(kind: PolicyKind, *statements: Mapping[str, Any]) -> Policy:
    return _parsed(kind, json.dumps(statements))


@lru_cache(maxsize=8192)
def _parsed(kind: PolicyKind, statements: str) -> Policy:
    """One policy for all who have it: what it has shown of itself (`views`) serves each of them."""
    return parse_policy({"Version": "2012-10-17", "Statement": json.loads(statements)}, kind)
