"""KMS keys with their aliases, tags, states and grants."""

from __future__ import annotations

import json
from typing import Any

from kmssim.evaluator.world import Account, Constraints, Grant, Key
from kmssim.sandbox.memory import Clients, GrantNote, KeyNote, Memory
from kmssim.sandbox.repairs import key_made_as, keys_as_aws_has_them, reserved_aliases_free
from kmssim.sandbox.seams import find_seam

_SHORTEST_WAIT = 7
_STATES_OF_MOTO = {"Enabled", "Disabled", "PendingDeletion"}
_FALLBACK_SPEC = "SYMMETRIC_DEFAULT"


def seed_keys(account: Account, clients: Clients, memory: Memory) -> None:
    """Make the account's keys, each under its own id; a replica is a key of its own with the primary's id."""
    specs = frozenset(find_seam("moto.kms.utils", "KeySpec").key_specs())
    with keys_as_aws_has_them(), reserved_aliases_free():
        for key in account.keys:
            kms = clients("kms", account.id, key.region)
            memory.keys[key.arn] = _note(key, specs)
            _make_key(key, key.spec if key.spec in specs else _FALLBACK_SPEC, kms)
            for alias in key.aliases:
                kms.create_alias(AliasName=alias, TargetKeyId=key.arn)
            for grant in key.grants:
                _make_grant(grant, key, kms, memory)
            _set_state(key, kms)


def _note(key: Key, specs: frozenset[str]) -> KeyNote:
    return KeyNote(
        label=key.label,
        spec=None if key.spec in specs else key.spec,
        state=None if key.state in _STATES_OF_MOTO else key.state,
        replica=key.multi_region == "REPLICA",
        aws_managed=key.manager == "AWS",
        ram_policy=key.ram_policy,
    )


def _make_key(key: Key, spec: str, kms: Any) -> None:  # noqa: ANN401 (a boto3 client)
    with key_made_as(key.id):
        kms.create_key(
            KeySpec=spec,
            KeyUsage=key.usage,
            Origin=key.origin,
            MultiRegion=key.multi_region is not None,
            Policy=json.dumps(key.policy.document),
            Description=key.label,
            Tags=[{"TagKey": name, "TagValue": value} for name, value in key.tags.items()],
        )


def _set_state(key: Key, kms: Any) -> None:  # noqa: ANN401 (a boto3 client)
    """By id: moto fails on an ARN here."""
    if key.state == "Disabled":
        kms.disable_key(KeyId=key.id)
    elif key.state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key.id, PendingWindowInDays=_SHORTEST_WAIT)


def _make_grant(grant: Grant, key: Key, kms: Any, memory: Memory) -> None:  # noqa: ANN401 (a boto3 client)
    arguments = {
        "Name": grant.name,
        "GranteePrincipal": grant.grantee,
        "GranteeServicePrincipal": grant.grantee_service,
        "RetiringPrincipal": grant.retiring,
        "RetiringServicePrincipal": grant.retiring_service,
        "Constraints": _constraints(grant.constraints),
    }
    stated = {name: value for name, value in arguments.items() if value is not None}
    made = kms.create_grant(KeyId=key.arn, Operations=list(grant.operations), **stated)
    memory.grants[made["GrantId"]] = GrantNote(
        grant.id,
        made["GrantToken"],
        grant.issuing_account,
        grant.grantee_service,
        grant.retiring_service,
        grant.pending,
    )


def _constraints(constraints: Constraints) -> dict[str, object] | None:
    members = {
        "EncryptionContextEquals": constraints.encryption_context_equals,
        "EncryptionContextSubset": constraints.encryption_context_subset,
        "SourceArn": constraints.source_arn,
    }
    return {name: value for name, value in members.items() if value is not None} or None
