"""KMS keys with their aliases, tags, states and grants."""

from __future__ import annotations

import json
from typing import Any

from kmssim.evaluator.world import Account, Key
from kmssim.sandbox.alias_dates import AliasNotes
from kmssim.sandbox.make_key import Blueprint, make_key, noted_spec
from kmssim.sandbox.memory import Clients, KeyNote, Memory
from kmssim.sandbox.repairs import keys_as_aws_has_them, reserved_aliases_free
from kmssim.sandbox.stored_grants import store_grant

_SHORTEST_WAIT = 7
_STATES_OF_MOTO = {"Enabled", "Disabled", "PendingDeletion"}


def seed_keys(account: Account, clients: Clients, memory: Memory) -> None:
    """Make the account's keys, each under its own id; a replica is a key of its own with the primary's id."""
    memory.notes(AliasNotes)  # made now: aliases of the world have the date of these notes
    with keys_as_aws_has_them(), reserved_aliases_free():
        for key in account.keys:
            kms = clients("kms", account.id, key.region)
            memory.keys[key.arn] = _note(key)
            make_key(kms, _blueprint(key))
            for alias in key.aliases:
                kms.create_alias(AliasName=alias, TargetKeyId=key.arn)
            for grant in key.grants:
                store_grant(grant, key, clients, memory)
            _set_state(key, kms)


def _note(key: Key) -> KeyNote:
    return KeyNote(
        label=key.label,
        spec=noted_spec(key.spec),
        state=None if key.state in _STATES_OF_MOTO else key.state,
        replica=key.multi_region == "REPLICA",
        aws_managed=key.manager == "AWS",
        ram_policy=key.ram_policy,
    )


def _blueprint(key: Key) -> Blueprint:
    return Blueprint(
        id=key.id,
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        multi_region=key.multi_region is not None,
        policy=json.dumps(key.policy.document),
        description=key.label,
        tags=key.tags,
    )


def _set_state(key: Key, kms: Any) -> None:  # noqa: ANN401 (a boto3 client)
    """By id: moto fails on an ARN here."""
    if key.state == "Disabled":
        kms.disable_key(KeyId=key.id)
    elif key.state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key.id, PendingWindowInDays=_SHORTEST_WAIT)
