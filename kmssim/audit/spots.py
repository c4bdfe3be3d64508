"""The statements of a world, each where it stands and with whom it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kmssim.audit.beside import session_of
from kmssim.evaluator.request import Principal, parse_principal
from kmssim.evaluator.statements import Effect, Policy, Statement
from kmssim.evaluator.world import Account, Key, Role, User
from kmssim.strict_json import join_path


@dataclass(frozen=True)
class Spot:
    """A statement where it stands. `key`: that of a key policy; None: an identity policy of `holder` (an ARN).

    `attached` is the JSON path at which the policy is attached, `callers` are those that an identity policy is of.
    """

    policy: Policy
    statement: Statement
    attached: str
    account: str
    key: Key | None = None
    holder: str = ""
    callers: tuple[Principal, ...] = ()

    @property
    def allows(self) -> bool:
        """Whether the statement is an Allow."""
        return self.statement.effect is Effect.ALLOW

    @property
    def label(self) -> str:
        """The statement as people call it: by its Sid."""
        return f'statement "{self.statement.sid}"' if self.statement.sid else f"the statement {self.statement.path}"


def spots_of_key(key: Key, path: str, ram_path: str) -> Iterator[Spot]:
    """The statements of a key's own policy, and of that which a resource share added."""
    for policy, where in ((key.policy, path), (key.ram_policy, ram_path)):
        for statement in policy.statements if policy else ():
            assert policy is not None  # noqa: S101 - it has statements
            yield Spot(policy, statement, where, key.account, key)


def spots_of_account(account: Account, partition: str) -> Iterator[Spot]:
    """The statements of the identity policies of an account."""
    here = join_path("accounts", account.id)
    holders: Mapping[str, Mapping[str, User | Role]] = {"users": account.users, "roles": account.roles}
    for kind, held in holders.items():
        for name, holder in held.items():
            if not (isinstance(holder, Role) and holder.service_linked):
                path = join_path(here, kind, name)
                yield from _spots_of(holder.policies, path, account.id, holder.arn, (caller_of(holder),))
    for name, group in account.groups.items():
        members = tuple(caller_of(user) for user in account.users.values() if name in user.groups)
        arn = f"arn:{partition}:iam::{account.id}:group/{name}"
        yield from _spots_of(group.policies, join_path(here, "groups", name), account.id, arn, members)


def caller_of(holder: User | Role) -> Principal:
    """The user, or a session of the role, as a caller."""
    if isinstance(holder, Role):
        return session_of(holder.arn)
    found = parse_principal(holder.arn)
    assert found is not None  # noqa: S101 - a declared user's ARN
    return found


def _spots_of(
    policies: Iterable[Policy], path: str, account: str, holder: str, callers: tuple[Principal, ...]
) -> Iterator[Spot]:
    for policy in policies:
        for statement in policy.statements:
            yield Spot(policy, statement, path, account, holder=holder, callers=callers)
