"""What is replaced inside moto, and for how long: one context manager for each thing that its API cannot be told.

Each stands on a name that `find_seam` looks up, so that a moto release without it is a SetupError and not a wrong
answer. moto is one for the whole process; so one thread at a time may hold a replacement.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from kmssim.evaluator.world import Secret
from kmssim.sandbox.seams import Function, find_seam, replaced

_MULTI_REGION_ID = re.compile(r"mrk-[0-9a-f]{32}")
_lock = threading.RLock()


@contextmanager
def key_made_as(key_id: str) -> Iterator[None]:
    """The next key gets this id."""
    models = find_seam("moto.kms.models")
    with _lock, replaced(models, "generate_key_id", lambda _real: lambda *_args, **_named: key_id):
        yield


class _LatePrivateKey:
    """A private key of moto's that is made when moto first asks something of it, and so hardly ever.

    moto makes one for each key at CreateKey, of symmetric and HMAC keys an RSA key of 2048 bits for nothing, 14 to
    190 ms each. In the sandbox the material is ours; moto's is asked for only where moto answers alone.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None
        self._once = threading.Lock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever moto's key has of that name)
        if name.startswith("_"):
            raise AttributeError(name)
        with self._once:
            if self._made is None:
                self._made = self._make()
        return getattr(self._made, name)


class _Shared:
    """A replacement that several threads may hold at once: made by the first, undone after the last."""

    def __init__(self) -> None:
        self.holders = 0
        self.undo = ExitStack()


_key_ids = _Shared()


@contextmanager
def keys_as_aws_has_them() -> Iterator[None]:
    """The ids of multi-Region keys that AWS gives are taken, keys are made without private halves that nobody asks for.

    And moto refuses no DescribeKey by a rule of its own.
    moto takes `mrk-` and a UUID only. It refuses DescribeKey for a Deny of any principal, and fails on a policy
    whose Statement is a single object. An open sandbox holds this all the time, while any thread may read as well.
    """
    with _lock:
        if _key_ids.holders == 0:
            _replace_key_checks(_key_ids.undo)
        _key_ids.holders += 1
    try:
        yield
    finally:
        with _lock:
            _key_ids.holders -= 1
            if _key_ids.holders == 0:
                _key_ids.undo.close()


def _replace_key_checks(undo: ExitStack) -> None:
    response = find_seam("moto.kms.responses", "KmsResponse")

    def take_aws_ids(real: Function) -> Function:
        def validate(self: Any, key_id: str) -> None:  # noqa: ANN401 (moto's response)
            real(self, self._display_arn(key_id) if _MULTI_REGION_ID.fullmatch(key_id) else key_id)

        return validate

    undo.enter_context(replaced(response, "_validate_cmk_id", take_aws_ids))
    undo.enter_context(replaced(response, "_validate_key_policy", lambda _real: lambda *_args: None))

    def make_late(real: Function) -> Function:
        return lambda key_spec: _LatePrivateKey(lambda: real(key_spec))

    undo.enter_context(replaced(find_seam("moto.kms.models"), "generate_private_key", make_late))
    # moto lists a class's methods anew for each call, which takes a tenth of it
    undo.enter_context(replaced(find_seam("moto.core.responses"), "method_names_from_class", cache))


@contextmanager
def grant_made_as(grant_id: str, token: str) -> Iterator[None]:
    """The next grant gets this id and this token: moto's own have eight hex digits."""

    def named(real: Function) -> Function:
        def make(*args: Any, **named: Any) -> Any:  # noqa: ANN401 (moto's grant)
            grant = real(*args, **named)
            grant.id, grant.token = grant_id, token
            return grant

        return make

    with _lock, replaced(find_seam("moto.kms.models"), "Grant", named):
        yield


@contextmanager
def reserved_aliases_free() -> Iterator[None]:
    """CreateAlias takes the names of AWS managed keys, 14 of which moto refuses."""
    responses = find_seam("moto.kms.responses")
    reserved = find_seam("moto.kms.responses", "RESERVED_ALIASES")
    with _lock:
        responses.RESERVED_ALIASES = []
        try:
            yield
        finally:
            responses.RESERVED_ALIASES = reserved


@contextmanager
def secrets_named_as(arn_of: Callable[[Secret], str]) -> Iterator[None]:
    """A new secret gets this ARN: moto adds six random letters to its name, and scenarios know the ARN before."""
    identifier = find_seam("moto.secretsmanager.utils", "SecretsManagerSecretIdentifier")

    def generate(self: Any, *_args: Any, **_named: Any) -> str:  # noqa: ANN401 (moto's)
        return arn_of(Secret(self.name, self.account_id, self.region, key=None))

    with replaced(identifier, "generate", lambda _real: generate):
        yield


def forget_earlier_organizations() -> None:
    """Members of organizations from before moto's last reset are free: moto keeps them, and then fails on them."""
    find_seam("moto.organizations.models", "organizations_backends", "master_accounts").clear()


@contextmanager
def organization_made_as(organization_id: str) -> Iterator[None]:
    """The next organization gets this id."""
    with (
        _lock,
        replaced(find_seam("moto.organizations.utils"), "make_random_org_id", lambda _: lambda: organization_id),
    ):
        yield


@contextmanager
def account_made_as(account: str) -> Iterator[None]:
    """The next account that the organization creates gets this id."""
    with _lock, replaced(find_seam("moto.organizations.utils"), "make_random_account_id", lambda _: lambda: account):
        yield


@contextmanager
def policies_already_checked() -> Iterator[None]:
    """IAM takes the documents as they are: our own parser accepted them, moto's refuses some that AWS takes."""
    validator = find_seam("moto.iam.policy_validation", "BaseIAMPolicyValidator")
    with _lock, replaced(validator, "validate", lambda _real: lambda _self: None):
        yield
