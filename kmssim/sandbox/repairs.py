"""What is replaced inside moto, and for how long: one context manager for each thing that its API cannot be told.

Each stands on a name that `find_seam` looks up, so that a moto release without it is a SetupError and not a wrong
answer. moto is one for the whole process; so one thread at a time may hold a replacement.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kmssim.sandbox.seams import Function, find_seam, replaced

_MULTI_REGION_ID = re.compile(r"mrk-[0-9a-f]{32}")
_CHEAP_SPEC = "ECC_NIST_P256"
_lock = threading.RLock()


@contextmanager
def key_made_as(key_id: str) -> Iterator[None]:
    """The next key gets this id, and a key without a private half is made without an RSA key of 2048 bits beside it.

    moto makes one for symmetric and HMAC keys too, 14 to 190 ms each; a key on a curve takes its place.
    """
    models = find_seam("moto.kms.models")

    def cheap(real: Function) -> Function:
        def generate(key_spec: str) -> Any:  # noqa: ANN401 (moto's private key)
            return real(key_spec if key_spec.startswith(("RSA_", "ECC_", "SM2")) else _CHEAP_SPEC)

        return generate

    with (
        _lock,
        replaced(models, "generate_key_id", lambda _real: lambda *_args, **_named: key_id),
        replaced(models, "generate_private_key", cheap),
    ):
        yield


class _Shared:
    """A replacement that several threads may hold at once: made by the first, undone after the last."""

    def __init__(self) -> None:
        self.holders = 0
        self.undo = ExitStack()


_key_ids = _Shared()


@contextmanager
def keys_as_aws_has_them() -> Iterator[None]:
    """The ids of multi-Region keys that AWS gives are taken, and moto refuses no DescribeKey by a rule of its own.

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
