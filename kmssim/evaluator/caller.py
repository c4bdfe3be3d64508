"""The caller as the world knows it: which policies are its own, and by which names a policy can mean it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.policy import Policy
from kmssim.evaluator.principals import PrincipalEntry, PrincipalForm
from kmssim.evaluator.request import Principal, PrincipalKind, parse_arn
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

    @property
    def kind(self) -> PrincipalKind:
        """The kind of caller."""
        return self.principal.kind

    @property
    def account(self) -> str:
        """The caller's account; "" for a service that calls for itself."""
        return self.principal.account

    @property
    def is_root(self) -> bool:
        """Whether this is an account's root user."""
        return self.kind is PrincipalKind.ROOT

    @property
    def is_service(self) -> bool:
        """Whether an AWS service calls for itself (DA-35)."""
        return self.kind is PrincipalKind.SERVICE


def find_caller(world: World, principal: Principal) -> Caller:
    """Look the principal up in the world; who is not declared there has no policies of its own."""
    account = world.accounts.get(principal.account)
    if account is None or principal.kind in {PrincipalKind.SERVICE, PrincipalKind.ROOT}:
        return Caller(principal, principal.arn, tags=principal.session.tags)
    if principal.kind is PrincipalKind.USER:
        return _user_caller(principal, account, account.users.get(principal.name))
    if principal.kind is PrincipalKind.FEDERATED_USER:
        return _federated_caller(principal, account)
    return _role_caller(principal, account.roles.get(principal.name))


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
        return Caller(principal, f"arn:aws:iam::{principal.account}:role/{principal.name}", tags=principal.session.tags)
    tags = {**role.tags, **principal.session.tags}
    boundary = None if role.service_linked else role.boundary
    return Caller(principal, role.arn, role.policies, boundary, tags, role.service_linked)


def is_meant(entry: PrincipalEntry, caller: Caller) -> bool:
    """Whether one principal of a policy means this caller (PG-30 to PG-40)."""
    form, text = entry.form, entry.text
    if form is PrincipalForm.ANYONE:
        return True
    if form is PrincipalForm.ACCOUNT:
        return text == caller.account
    if form is PrincipalForm.SERVICE:
        return caller.is_service and text == caller.principal.name
    if form is PrincipalForm.USER:
        return text in {caller.issuer_arn, caller.principal.session.federated_by}
    if form is PrincipalForm.ROLE:
        return text == caller.issuer_arn
    return form in {PrincipalForm.ROLE_SESSION, PrincipalForm.FEDERATED_USER} and text == caller.principal.arn


def is_exempt(entries: tuple[PrincipalEntry, ...], caller: Caller) -> bool:
    """Whether a `NotPrincipal` list exempts the caller: each of its forms must be listed (PG-45, PG-46)."""
    if any(entry.form is PrincipalForm.ANYONE for entry in entries):
        return True
    if caller.boundary is not None:
        return False  # PG-46: principals with a boundary are always denied
    listed = {entry.text for entry in entries}
    return {text for text in (caller.account, caller.issuer_arn, caller.principal.arn) if text} <= listed | _root_of(
        caller
    )


def _root_of(caller: Caller) -> set[str]:
    """The root user appears as its account only, which policies write as account id or root ARN alike."""
    return {caller.principal.arn} if caller.is_root else set()
