"""Who makes a request: the stated principal, which in a declared account must be one that the scenario declares."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import (
    Principal,
    PrincipalKind,
    Session,
    parse_arn,
    parse_principal,
    service_principal,
)
from kmssim.evaluator.world import Account, Role, User, World
from kmssim.scenario_file.accounts import read_optional
from kmssim.scenario_file.models import ServiceDocument, SessionDocument
from kmssim.scenario_file.places import Place

_A_SLIP = 2
"""How many digits of an account may be mistyped."""
_FORMS = "write the ARN of a user, an assumed-role session, a federated user or an account root"


def read_caller(given: str | ServiceDocument, session: SessionDocument | None, world: World, place: Place) -> Principal:
    """Make the caller of the request at `place`.

    Raises:
        InputError: no ARN of a caller; a user or role that its account does not declare; an account that is nearly a
            declared one; a session that this caller cannot have.

    """
    if isinstance(given, ServiceDocument):
        if session is not None and session != SessionDocument():
            raise place.at("session").refusal("a service that calls for itself has no session")
        return service_principal(given.service, given.source_arn, given.source_account)
    here = place.at("principal")
    principal = parse_principal(given, _read_session(session or SessionDocument(), place.at("session")))
    if principal is None:
        raise here.refusal(f"`{given}` is no ARN of a caller", _FORMS)
    account = world.accounts.get(principal.account)
    if account is None:
        _check_stranger(principal.account, world, here)
        return principal
    _check_declared(given, principal, account, here)
    _check_federation(principal, account, place.at("session", "federated_by"))
    return principal


def _check_stranger(account: str, world: World, place: Place) -> None:
    """Somebody of an account that nobody declared has no policies; an account that is nearly declared is a mistake."""
    management = world.organization.management_account if world.organization else None
    for known in world.accounts:
        differing = sum(one != other for one, other in zip(account, known, strict=False))
        if account != management and differing <= _A_SLIP:
            raise place.unknown(f"no account `{account}` in this scenario", account, world.accounts)


def _read_session(document: SessionDocument, place: Place) -> Session:
    policy = read_optional(document.policy, PolicyKind.SESSION, place.at("policy"))
    return Session(
        policies=() if policy is None else (policy,),
        tags=document.tags,
        mfa=document.mfa,
        source_identity=document.source_identity,
        federated_by=document.federated_by,
    )


def _check_declared(given: str, principal: Principal, account: Account, place: Place) -> None:
    """The user or role exists, and an IAM ARN has its path; federated users and roots need no declaration."""
    declared: Mapping[str, User | Role]
    if principal.kind is PrincipalKind.USER:
        word, declared = "user", account.users
    elif principal.kind is PrincipalKind.ROLE_SESSION:
        word, declared = "role", account.roles
    else:
        return
    found = declared.get(principal.name)
    if found is None and word == "role" and ":" in principal.name:
        return  # OR-8: a role of AWS's own, such as EC2's identity-only one, which has no policies
    if found is None:
        raise place.unknown(f"no {word} `{principal.name}` in account {account.id}", principal.name, declared)
    arn = parse_arn(given)
    if arn is not None and arn.service == "iam" and given != found.arn:
        raise place.refusal(f"no {word} has the ARN `{given}`", f"that of `{found.name}` is {found.arn}")


def _check_federation(principal: Principal, account: Account, place: Place) -> None:
    broker = principal.session.federated_by
    if broker is None:
        return
    if principal.kind is not PrincipalKind.FEDERATED_USER:
        raise place.refusal("only federated users have one", "the caller is none")
    known = [user.arn for user in account.users.values()]
    if broker not in known:
        raise place.unknown(f"no user has the ARN `{broker}`", broker, known)
