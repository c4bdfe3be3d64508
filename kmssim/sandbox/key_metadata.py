"""What AWS tells of a key: the KeyMetadata of CreateKey, DescribeKey and ReplicateKey.

moto keeps id, dates and description. Usage, state, origin and who manages it come from the world; algorithms follow
from spec and usage; what a multi-Region key is related to is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kmssim.evaluator.operations import algorithms
from kmssim.evaluator.world import Key, World
from kmssim.sandbox.imported import NEVER, ImportNotes, current_material_id
from kmssim.sandbox.memory import Memory

_ALGORITHMS_OF = {
    "ENCRYPT_DECRYPT": "EncryptionAlgorithms",
    "SIGN_VERIFY": "SigningAlgorithms",
    "GENERATE_VERIFY_MAC": "MacAlgorithms",
    "KEY_AGREEMENT": "KeyAgreementAlgorithms",
    "ENCAPSULATE_DECAPSULATE": "EncapsulationAlgorithms",
}


@dataclass
class DeletionNotes:
    """By key ARN the days for which a primary will wait once its last replica is gone."""

    waiting_days: dict[str, int] = field(default_factory=dict)


def related_keys(world: World, key: Key) -> list[Key]:
    """The keys that share a multi-Region key's id, itself among them."""
    if key.multi_region is None:
        return [key]
    return [other for other in world.keys_by_arn.values() if (other.id, other.account) == (key.id, key.account)]


def key_metadata(moto: Mapping[str, Any], key: Key, related: list[Key], memory: Memory) -> dict[str, Any]:
    """The metadata of `key`; `moto` is what moto says of it on the wire, `related` as `related_keys` finds them."""
    described = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": moto["CreationDate"],
        "Enabled": key.state == "Enabled",
        "Description": moto["Description"],
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        _ALGORITHMS_OF[key.usage]: sorted(algorithms(key.spec, key.usage)),
        "MultiRegion": key.multi_region is not None,
    }
    if key.multi_region is not None:
        described["MultiRegionConfiguration"] = _configuration(key, related)
    return {**described, **_deletion(moto, key, memory), **_material(key, related, memory)}


def _configuration(key: Key, related: list[Key]) -> dict[str, object]:
    """Alike in every Region. Of a replica whose primary no world declares, nothing is said of the primary."""
    configuration: dict[str, object] = {
        "MultiRegionKeyType": key.multi_region,
        "ReplicaKeys": [_place(other) for other in related if other.multi_region == "REPLICA"],
    }
    primary = next((other for other in related if other.multi_region == "PRIMARY"), None)
    return {**configuration, "PrimaryKey": _place(primary)} if primary else configuration


def _place(key: Key) -> dict[str, str]:
    return {"Arn": key.arn, "Region": key.region}


def _deletion(moto: Mapping[str, Any], key: Key, memory: Memory) -> dict[str, object]:
    if key.state == "PendingDeletion" and "DeletionDate" in moto:
        return {"DeletionDate": moto["DeletionDate"]}
    days = memory.notes(DeletionNotes).waiting_days.get(key.arn)
    if key.state == "PendingReplicaDeletion" and days is not None:
        return {"PendingDeletionWindowInDays": days}
    return {}


def _material(key: Key, related: list[Key], memory: Memory) -> dict[str, object]:
    """Only symmetric encryption keys name their material; only imported material that is there can expire."""
    told: dict[str, object] = {}
    identifier = current_material_id(memory, key, related)
    if identifier:
        told["CurrentKeyMaterialId"] = identifier
    notes = memory.notes(ImportNotes)
    imported = notes.current(key.arn)
    if imported is not None:
        told["ExpirationModel"] = imported.terms.expiration_model
        if imported.terms.valid_to is not None:
            told["ValidTo"] = imported.terms.valid_to
    elif key.origin == "EXTERNAL" and key.arn not in notes.keys and key.state != "PendingImport":
        told["ExpirationModel"] = NEVER  # declared with its material, of which nobody has asked yet
    return told
