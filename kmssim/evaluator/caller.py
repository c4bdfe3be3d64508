"""The caller as the world knows it: which policies are its own, and by which names a policy can mean it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from kmssim.evaluator.policy import Policy
from kmssim.evaluator.principals import PrincipalEntry, PrincipalForm, PrincipalName
from kmssim.evaluator.request import Principal, PrincipalKind, parse_arn
from kmssim.evaluator.unlocked import cached_property
from kmssim.evaluator.world import Account, Role, User, World


@dataclass(frozen=True)
class Caller:
    """A principal with everything that the evaluation needs to know about it.

    `issuer_arn` is the user's or role's ARN behind the credentials, with its path: the value of `aws:PrincipalArn` and
    the text that a policy's user or role principal is compared with. `policies` are the identity policies (DA-36).
    """

    principal: Principal
    issuer_arn: str
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    service_linked: bool = False

    @cached_property
    def itself(self) -> object:
        """Stands for this very caller where something is remembered of it, also when the caller is gone."""
        return object()

    @cached_property
    def kind(self) -> PrincipalKind:
        """The kind of caller."""
        return self.principal.kind

    @cached_property
    def account(self) -> str:
        """The caller's account; "" for a service that calls for itself."""
        return self.principal.account

    @property
    def partition(self) -> str:
        """The partition that the caller belongs to (PG-48); "" for a service that calls for itself."""
        return "" if self.is_service else self.principal.arn.split(":")[1]

    @cached_property
    def is_root(self) -> bool:
        """Whether this is an account's root user."""
        return self.kind is PrincipalKind.ROOT

    @cached_property
    def is_service(self) -> bool:
        """Whether an AWS service calls for itself (DA-35)."""
        return self.kind is PrincipalKind.SERVICE

    @cached_property
    def names(self) -> frozenset[PrincipalName]:
        """Every name by which a policy's principal can mean this caller."""
        principal = self.principal
        if self.is_service:
            return frozenset({_ANYONE, PrincipalName(PrincipalForm.SERVICE, principal.name)})
        return _names_of(principal.arn, self.issuer_arn, self.account, principal.session.federated_by)


_ANYONE = PrincipalName(PrincipalForm.ANYONE, "*")


@lru_cache(maxsize=4096)
def _names_of(arn: str, issuer: str, account: str, federated_by: str | None) -> frozenset[PrincipalName]:
    """One set for each caller, however often it calls: sets that are the same object compare at once."""
    partition = arn.split(":")[1]
    return frozenset({
        _ANYONE,
        PrincipalName(PrincipalForm.ACCOUNT, account),
        PrincipalName(PrincipalForm.ACCOUNT, account, partition),
        PrincipalName(PrincipalForm.ROLE, issuer),
        PrincipalName(PrincipalForm.ROLE_SESSION, arn),
        PrincipalName(PrincipalForm.FEDERATED_USER, arn),
        *(PrincipalName(PrincipalForm.USER, user) for user in (issuer, federated_by) if user),
    })  # fmt: skip


def find_caller(world: World, principal: Principal) -> Caller:
    """Look the principal up in the world; who is not declared there has no policies of its own."""
    account = world.accounts.get(principal.account)
    if principal.kind is PrincipalKind.ROLE_SESSION:
        return _role_caller(principal, account.roles.get(principal.name) if account else None)
    if account is None or principal.kind in {PrincipalKind.SERVICE, PrincipalKind.ROOT}:
        return Caller(principal, principal.arn, tags=principal.session.tags)
    if principal.kind is PrincipalKind.USER:
        return _user_caller(principal, account, account.users.get(principal.name))
    return _federated_caller(principal, account)


def _user_caller(principal: Principal, account: Account, user: User | None) -> Caller:
    if user is None:
        return Caller(principal, principal.arn)
    tags = {**user.tags, **principal.session.tags}
    return Caller(principal, user.arn, _policies_of(user, account), user.boundary, tags)


def _policies_of(user: User, account: Account) -> tuple[Policy, ...]:
    groups = (account.groups[name] for name in user.groups if name in account.groups)
    return user.policies + tuple(policy for group in groups for policy in group.policies)


def _federated_caller(principal: Principal, account: Account) -> Caller:
    """A GetFederationToken session acts on the policies of the user who asked for it (DA-24, DA-31)."""
    arn = parse_arn(principal.session.federated_by or "")
    user = account.users.get(arn.resource.rpartition("/")[2]) if arn else None
    if user is None:
        return Caller(principal, principal.arn, tags=principal.session.tags)
    tags = {**user.tags, **principal.session.tags}
    return Caller(principal, principal.arn, _policies_of(user, account), user.boundary, tags)


def _role_caller(principal: Principal, role: Role | None) -> Caller:
    if role is None:
        partition = principal.arn.split(":")[1]
        arn = f"arn:{partition}:iam::{principal.account}:role/{principal.name}"
        return Caller(principal, arn, tags=principal.session.tags)
    tags = {**role.tags, **principal.session.tags}
    boundary = None if role.service_linked else role.boundary
    return Caller(principal, role.arn, role.policies, boundary, tags, role.service_linked)


def is_meant(entry: PrincipalEntry, caller: Caller) -> bool:
    """Whether one principal of a policy means this caller (PG-30 to PG-40), never across partitions (PG-48)."""
    return entry.name in caller.names


def is_exempt(entries: tuple[PrincipalEntry, ...], caller: Caller) -> bool:
    """Whether a `NotPrincipal` list exempts the caller: each of its forms must be listed (PG-45, PG-46)."""
    if caller.boundary is not None:
        return False  # PG-46: principals with a boundary are always denied, whatever is listed
    meant = [entry for entry in entries if is_meant(entry, caller)]
    if caller.is_service or any(entry.form is PrincipalForm.ANYONE for entry in meant):
        return bool(meant)
    needed = {caller.account} if caller.is_root else {caller.account, caller.issuer_arn, caller.principal.arn}
    return needed <= {entry.text for entry in meant}
