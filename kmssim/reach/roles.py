"""What a search wants to know of a world's roles, read once: who is trusted, which sessions and tags are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kmssim.circumstances import policies_of
from kmssim.evaluator.assume import ASSUME
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.principals import PrincipalForm, PrincipalName
from kmssim.evaluator.request import PrincipalKind, parse_arn, parse_principal
from kmssim.evaluator.statements import Effect, Policy
from kmssim.evaluator.world import Role, World
from kmssim.reach.situation import wanted_pairs

_MOST_TAGGINGS = 4
_SESSION_PARTS = 3
_OF_A_PERSON = frozenset({"aws:userid", "aws:username", "aws:principaltype"})

Owned = tuple[str, Role]
"""A role and the account that it is in."""
_Holder = tuple[PrincipalKind, str, str]
"""Of a user or role its kind, account and name."""


@dataclass(frozen=True, eq=False, repr=False)
class Roles:
    """The roles of a world; what a search changes on its way adds none.

    `tags` are what policies ask of `aws:PrincipalTag`, one dictionary for a statement.
    """

    all: tuple[Owned, ...]
    tags: tuple[dict[str, str], ...]
    _sessions: Mapping[str, tuple[str, ...]]
    _principal_arns: frozenset[str]
    _by_name: Mapping[PrincipalName | None, tuple[int, ...]]
    _unstated: Mapping[str, tuple[int, ...]]
    _of_account: Mapping[str, tuple[Owned, ...]]
    _named: frozenset[_Holder]
    _by_person: bool

    def of(self, account: str) -> tuple[Owned, ...]:
        """The roles of one account."""
        return self._of_account.get(account, ())

    def trusting(self, caller: Caller, *, by_iam: bool) -> Iterator[Owned]:
        """The roles that it is worth asking for: their trust policy may mean the caller.

        `by_iam`: an identity policy of the caller's may allow it, which a role without a stated trust policy asks for,
        and every role of another account (XA-1).
        """
        meant = {at for name in (None, *caller.names) for at in self._by_name.get(name, ())}
        for at in sorted(meant.union(self._unstated.get(caller.account, ())) if by_iam else meant):
            if by_iam or self.all[at][0] == caller.account or caller.is_service:
                yield self.all[at]

    def sessions(self, account: str, role: Role) -> tuple[str, ...]:
        """The names of a role's sessions that key policies or grants mean by their ARN (PG-33)."""
        return self._sessions.get(f"{account}/{role.name}", ())

    def is_asked_for(self, arn: str) -> bool:
        """Whether some policy asks for this role by `aws:PrincipalArn` (PG-42)."""
        return any(fnmatchcase(arn, pattern) for pattern in self._principal_arns)

    def is_singled_out(self, caller: Caller) -> bool:
        """Whether some policy may give or deny this caller what it does not give or deny others of its account."""
        by_tag = bool(self.tags and caller.tags)
        named = (caller.kind, caller.account, caller.principal.name) in self._named
        return self._by_person or by_tag or named or self.is_asked_for(caller.issuer_arn)


def look_at_roles(world: World) -> Roles:
    """Read a world's roles."""
    roles = tuple((account.id, role) for account in world.accounts.values() for role in account.roles.values())
    policies = (*policies_of(world), *(role.trust for _, role in roles if role.trust is not None))
    by_name: dict[PrincipalName | None, list[int]] = {}
    for at, (_, role) in enumerate(roles):
        for name in _trusted(role):
            by_name.setdefault(name, []).append(at)
    unstated: dict[str, list[int]] = {}
    of_account: dict[str, list[Owned]] = {}
    for at, (account, role) in enumerate(roles):
        of_account.setdefault(account, []).append((account, role))
        if role.trust is None:
            unstated.setdefault(account, []).append(at)
    wanted = list(wanted_pairs(policies, "aws:principaltag/", {}))
    tags = [pairs for at, pairs in enumerate(wanted) if pairs not in wanted[:at]]
    return Roles(
        roles,
        tuple(tags[:_MOST_TAGGINGS]),
        _sessions_named(world),
        frozenset(_principal_arns(policies)),
        {name: tuple(found) for name, found in by_name.items()},
        {account: tuple(found) for account, found in unstated.items()},
        {account: tuple(found) for account, found in of_account.items()},
        frozenset(filter(None, map(_owner, (*_named(world), *_trusted_elsewhere(roles))))),
        any(_looks_at_person(condition) for condition in _conditions(policies)),
    )


def _trusted(role: Role) -> Iterator[PrincipalName | None]:
    """By which names the trust policy lets callers in; None where it says whom it does not mean."""
    for statement in role.trust.statements if role.trust else ():
        if statement.effect is Effect.ALLOW and statement.covers(ASSUME) and statement.principal is not None:
            yield from (None,) if statement.principal.negated else statement.principal.names


def may_run_as(role: Role, host: str) -> bool:
    """Whether a role's trust policy may mean a service."""
    names = {None, PrincipalName(PrincipalForm.SERVICE, host), PrincipalName(PrincipalForm.ANYONE, "*")}
    return not names.isdisjoint(_trusted(role))


def _conditions(policies: Iterable[Policy]) -> Iterator[Condition]:
    for policy in policies:
        for statement in policy.statements:
            yield from statement.conditions


def _principal_arns(policies: Iterable[Policy]) -> Iterator[str]:
    for condition in _conditions(policies):
        if condition.key == "aws:principalarn":
            yield from condition.values


def _looks_at_person(condition: Condition) -> bool:
    """Whether a condition tells callers apart by what is theirs alone, beside their ARN and tags."""
    return not _OF_A_PERSON.isdisjoint((condition.key, *condition.variables))


def _owner(name: str) -> _Holder | None:
    """The user or role behind a principal that is named."""
    found = parse_principal(name)
    return None if found is None else (found.kind, found.account, found.name)


def _trusted_elsewhere(roles: Iterable[Owned]) -> Iterator[str]:
    """Whom the roles of other accounts name: these ask for an Allow of IAM as well (XA-1)."""
    for account, role in roles:
        for name in _trusted(role):
            if name is not None and f"::{account}:" not in name.text:
                yield name.text


def _sessions_named(world: World) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name in _named(world):
        arn = parse_arn(name)
        parts = arn.resource.split("/") if arn is not None and arn.service == "sts" else []
        if arn is not None and len(parts) == _SESSION_PARTS:
            found.setdefault(f"{arn.account}/{parts[1]}", {})[parts[2]] = None
    return {role: tuple(sessions) for role, sessions in found.items()}


def _named(world: World) -> Iterator[str]:
    for key in world.keys_by_arn.values():
        for policy in filter(None, (key.policy, key.ram_policy)):
            for statement in policy.statements:
                yield from (entry.text for entry in statement.principal.entries) if statement.principal else ()
        yield from (grant.grantee for grant in key.grants if grant.grantee)
