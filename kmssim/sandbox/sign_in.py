"""A principal's own credentials, got as a person would get them: an access key, AssumeRole, GetFederationToken.

Only a service that calls for itself has no such way, nor a session with several session policies; their credentials
are minted. Every call here is a real boto3 call through the gate, which learns from it whom the credentials stand for.
They are the sandbox's own: no trust policy is asked, and the sessions do not expire.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from kmssim.errors import InputError
from kmssim.evaluator.request import Principal, PrincipalKind, parse_arn
from kmssim.evaluator.world import World
from kmssim.sandbox.identity import Credentials, Identities, root_access_key
from kmssim.sandbox.reader import bypassed

ClientFor = Callable[[str, Credentials], Any]
"""`(service, credentials)` → a boto3 client that holds them."""
RootOf = Callable[[str, str], Any]
"""`(service, account)` → a boto3 client that calls as the account's root user."""

_MFA = {"SerialNumber": "arn:aws:iam::{account}:mfa/{name}", "TokenCode": "123456"}


def root_credentials(account: str) -> Credentials:
    """The access key of an account's root user."""
    return Credentials(root_access_key(account), "kmssim", None)


class SignIn:
    """Gets credentials for principals of one seeded world."""

    def __init__(
        self,
        world: World,
        user_keys: dict[tuple[str, str], tuple[str, str]],
        identities: Identities,
        client: ClientFor,
        root_of: RootOf,
    ) -> None:
        """`user_keys` are the access keys that seeding made, by account and user name."""
        self._world = world
        self._user_keys = user_keys
        self._identities = identities
        self._client = client
        self._root_of = root_of

    def as_principal(self, principal: Principal) -> Credentials:
        """Credentials of a principal with its session.

        Raises InputError when the world has no such principal, and when STS hands out no such session.
        """
        _check_session(principal)
        if principal.kind is PrincipalKind.SERVICE:
            return self._identities.mint(principal)
        if principal.kind is PrincipalKind.ROOT and not principal.arn.startswith("arn:aws:"):
            return self._identities.mint(principal)  # of another partition, which an access key does not tell
        try:
            with bypassed():
                return self._ask(principal)
        except ParamValidationError as error:
            raise _no_such_session(principal, "; ".join(str(error.kwargs["report"]).splitlines())) from error
        except ClientError as error:
            raise _no_such_session(principal, error.response["Error"].get("Message", "")) from error

    def _ask(self, principal: Principal) -> Credentials:
        if principal.kind is PrincipalKind.ROOT:
            return self._with_long_term(root_credentials(principal.account), principal)
        if principal.kind is PrincipalKind.USER:
            return self._with_long_term(self._user_key(principal.account, principal.name), principal)
        if principal.kind is PrincipalKind.ROLE_SESSION:
            return self._as_role(principal)
        return self._as_federated_user(principal)

    def _user_key(self, account: str, name: str) -> Credentials:
        key = self._user_keys.get((account, name))
        if key is None:
            raise InputError(f"there is no user `{name}` in account {account}", hint="declare it in the scenario")
        return Credentials(*key, None)

    def _with_long_term(self, key: Credentials, principal: Principal) -> Credentials:
        """A user or root user: the access key itself, or what GetSessionToken gives for it (CK-76)."""
        session = principal.session
        if not session.mfa and not session.temporary:
            return key
        passed = _mfa(principal) if session.mfa else {}
        return _credentials(self._client("sts", key).get_session_token(**passed))

    def _as_role(self, principal: Principal) -> Credentials:
        """AssumeRole, asked by the root user of the role's account: who else may assume it is another question."""
        account = self._world.accounts.get(principal.account)
        role = account.roles.get(principal.name) if account else None
        if role is None:
            message = f"there is no role `{principal.name}` in account {principal.account}"
            raise InputError(message, hint="declare it in the scenario")
        session = principal.session
        if len(session.policies) > 1:
            return self._identities.mint(principal)
        passed: dict[str, Any] = {"RoleArn": role.arn, "RoleSessionName": principal.session_name, **_scope(principal)}
        if session.source_identity:
            passed["SourceIdentity"] = session.source_identity
        if session.mfa:
            passed.update(_mfa(principal))
        return _credentials(self._root_of("sts", principal.account).assume_role(**passed))

    def _as_federated_user(self, principal: Principal) -> Credentials:
        asker = parse_arn(principal.session.federated_by or "")
        if asker is None or asker.resource == "root":
            key = root_credentials(principal.account)
        else:
            key = self._user_key(asker.account, asker.resource.rpartition("/")[2])
        return _credentials(self._client("sts", key).get_federation_token(Name=principal.name, **_scope(principal)))


def _check_session(principal: Principal) -> None:
    """Which sessions STS has no way to ask for, whatever is passed."""
    session = principal.session
    if principal.kind in {PrincipalKind.USER, PrincipalKind.ROOT}:
        if session.policies or session.tags or session.source_identity:
            message = "GetSessionToken takes no session policy, session tags or source identity"
            raise _no_such_session(principal, message)
    elif principal.kind is PrincipalKind.FEDERATED_USER and (session.mfa or session.source_identity):
        raise _no_such_session(principal, "GetFederationToken takes neither MFA nor a source identity")


def _no_such_session(principal: Principal, why: str) -> InputError:
    hint = "change the request's `principal` or `session`"
    return InputError(f"nobody can sign in as {principal.arn}: {why}", hint=hint)


def _mfa(principal: Principal) -> dict[str, str]:
    name = principal.name or "root-account-mfa-device"
    return {key: text.format(account=principal.account, name=name) for key, text in _MFA.items()}


def _scope(principal: Principal) -> dict[str, Any]:
    """The session policy and the session tags."""
    session, scope = principal.session, dict[str, Any]()
    if session.policies:
        scope["Policy"] = json.dumps(session.policies[0].document)
    if session.tags:
        scope["Tags"] = [{"Key": name, "Value": value} for name, value in session.tags.items()]
    return scope


def _credentials(answer: dict[str, Any]) -> Credentials:
    made = answer["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
