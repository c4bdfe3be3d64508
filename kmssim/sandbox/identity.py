"""Which principal an access key and its session token stand for.

moto forgets most of it: session policies, tags, MFA, federated sessions, inactive keys. `Identities` learns it from the
calls that pass the gate (`access_keys`, `sessions`). Signatures are not checked: who has the key's id is the caller.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from kmssim.errors import InputError
from kmssim.evaluator.request import Principal, PrincipalKind, Session

_ROOT_KEY = re.compile(r"AKIAROOT(\d{12})", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Credentials(NamedTuple):
    """What a boto3 client is made with; no token: long-term credentials."""

    access_key: str
    secret: str
    token: str | None


@dataclass(frozen=True)
class Identity:
    """A principal as its credentials know it. `transitive`: the session tags that pass on when it assumes a role.

    `expires` in seconds of the clock of `Identities`; None: never.
    """

    principal: Principal
    token: str | None = None
    active: bool = True
    transitive: frozenset[str] = frozenset()
    expires: float | None = None


def root_access_key(account: str) -> str:
    """The access key id that stands for the root user of an account; any secret goes with it.

    Raises InputError when `account` is no account id.
    """
    if not _ACCOUNT.fullmatch(account):
        raise InputError(f"`{account}` is no account id; write its 12 digits")
    return f"AKIAROOT{account}"


def root_user(account: str) -> Principal:
    """The root user of an account."""
    return Principal(PrincipalKind.ROOT, f"arn:aws:iam::{account}:root", account, "")


def invent_credentials(*, temporary: bool) -> Credentials:
    """Credentials of the form that AWS gives out, never given out before."""
    key = ("ASIA" if temporary else "AKIA") + _random(16)
    return Credentials(key, _random(40), "IQoJb3JpZ2luX2Vj" + _random(200) if temporary else None)


class Identities:
    """The access keys of one sandbox. Any thread may learn and ask."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Only the root users' keys are known. `clock` gives epoch seconds, by which temporary credentials expire."""
        self.clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Identity] = {}
        self.stranger: Identity | None = None
        """For whom an access key stands that is not known at all; None: for nobody, as with AWS."""

    def find(self, access_key: str, token: str | None) -> Identity | None:
        """Who calls with this key and token; None when AWS would not know either."""
        root = _ROOT_KEY.fullmatch(access_key)
        if root:
            return Identity(root_user(root[1])) if token is None else None
        with self._lock:
            known = self._known.get(access_key)
        if known is None:
            return self.stranger
        return known if known.active and known.token == token else None

    def has_expired(self, identity: Identity) -> bool:
        """Whether the credentials stood for somebody once and do no longer."""
        return identity.expires is not None and identity.expires <= self.clock()

    def register(self, access_key: str, identity: Identity) -> None:
        """From now on the key stands for this identity."""
        with self._lock:
            self._known[access_key] = identity

    def mint(self, principal: Principal, transitive: frozenset[str] = frozenset()) -> Credentials:
        """Credentials for any principal, with the session that it carries: a role's, a service's that calls for itself.

        Long-term ones for a user or root user without a session, temporary ones for everybody else.
        """
        long_term = principal.kind in {PrincipalKind.USER, PrincipalKind.ROOT} and principal.session == Session()
        credentials = invent_credentials(temporary=not long_term)
        self.register(credentials.access_key, Identity(principal, credentials.token, transitive=transitive))
        return credentials

    def set_active(self, access_key: str, *, active: bool) -> None:
        """UpdateAccessKey."""
        with self._lock:
            if access_key in self._known:
                self._known[access_key] = replace(self._known[access_key], active=active)

    def forget(self, access_key: str) -> None:
        """DeleteAccessKey."""
        with self._lock:
            self._known.pop(access_key, None)

    def change_user(self, account: str, name: str, change: Callable[[Principal], Principal | None]) -> None:
        """The user's keys stand for `change(user)` from now on; for nobody when that is None."""
        with self._lock:
            for access_key, identity in list(self._known.items()):
                user = identity.principal
                if (user.kind, user.account, user.name) != (PrincipalKind.USER, account, name):
                    continue
                changed = change(user)
                if changed is None:
                    del self._known[access_key]
                else:
                    self._known[access_key] = replace(identity, principal=changed)

    def forget_sessions(self, matches: Callable[[Principal], bool]) -> None:
        """Credentials of these principals stand for nobody from now on: their role or user is gone."""
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if not matches(one.principal)}

    def clear(self) -> None:
        """Forget all but the root users."""
        with self._lock:
            self._known.clear()


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
