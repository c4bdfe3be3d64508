"""A key's life: made, described, scheduled for deletion and back, replicated, made primary; and its policies shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kmssim.evaluator.context_kms import request_tags
from kmssim.evaluator.keys import home_account
from kmssim.evaluator.policy import PolicyKind, default_key_policy
from kmssim.evaluator.request import partition_of
from kmssim.evaluator.world import Key
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.imported import ImportNotes, imported_key
from kmssim.sandbox.key_metadata import DeletionNotes, key_metadata, related_keys
from kmssim.sandbox.make_key import Blueprint, make_key, new_key_id, noted_spec
from kmssim.sandbox.memory import KeyNote
from kmssim.sandbox.read_policy import read_policy
from kmssim.sandbox.served import Finish, Serve, Served
from kmssim.sandbox.service_models import regions_of

_LONGEST_WAIT = 30
_POLICY_INDENT = 2


def create(served: Served) -> Answer | Refusal:
    """Make a key of any spec; without material of its own it waits for import."""
    given = served.wire.parameters
    origin = str(given.get("Origin") or "AWS_KMS")
    if origin not in {"AWS_KMS", "EXTERNAL"} or "CustomKeyStoreId" in given:
        message = "kmssim: the call is authorized, but the sandbox has no custom key stores to make the key in"
        return Refusal("UnsupportedOperationException", message)
    multi_region = given.get("MultiRegion") is True
    text = _policy_text(served, served.wire.region)
    new = Key(
        id=new_key_id(multi_region=multi_region),
        region=served.wire.region,
        account=home_account(served.call),
        policy=read_policy(text, PolicyKind.KEY_POLICY, "Policy"),
        partition=partition_of(served.wire.region),
        spec=str(given.get("KeySpec") or given.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"),
        usage=str(given.get("KeyUsage") or "ENCRYPT_DECRYPT"),
        origin=origin,
        state="PendingImport" if origin == "EXTERNAL" else "Enabled",
        multi_region="PRIMARY" if multi_region else None,
        tags=dict(request_tags(served.call)),
    )
    made = _make(served, new, text)
    return answer_json({"KeyMetadata": key_metadata(made, new, [new], served.memory)})


def replicate(served: Served) -> Answer | Refusal:
    """Make a key with the same material in another Region, with a policy, tags and a description of its own (TP-3)."""
    primary, region = served.key, str(served.wire.parameters["ReplicaRegion"])
    if region not in regions_of("kms") or partition_of(region) != primary.partition:
        text = f"kmssim: {region} is no Region of the partition {primary.partition}, in which replicas are (OP-43)"
        return Refusal("ValidationException", text)
    text = _policy_text(served, region)
    replica = replace(
        primary,
        region=region,
        policy=read_policy(text, PolicyKind.KEY_POLICY, "Policy"),
        state="PendingImport" if primary.origin == "EXTERNAL" else "Enabled",
        multi_region="REPLICA",
        ram_policy=None,
        aliases=(),
        tags=dict(request_tags(served.call)),
        grants=(),
        label="",
    )
    made = _make(served, replica, text)
    related = [*related_keys(served.world, primary), replica]
    if replica.origin == "EXTERNAL":
        imported_key(served.memory, replica, related)
    described = key_metadata(made, replace(replica, state="Creating"), related, served.memory)
    described.pop("CurrentKeyMaterialId", None)  # AWS names it once the replica is there, which here is at once
    tags = [{"TagKey": name, "TagValue": value} for name, value in replica.tags.items()]
    answer = {"ReplicaKeyMetadata": described, "ReplicaPolicy": _shown(text)}
    return answer_json({**answer, "ReplicaTags": tags} if tags else answer)


def _policy_text(served: Served, region: str) -> str:
    """The policy that the call states, else the default one (KP-6)."""
    stated = served.wire.parameters.get("Policy")
    if stated is not None:
        return str(stated)
    return json.dumps(default_key_policy(home_account(served.call), partition_of(region)).document)


def _make(served: Served, key: Key, policy: str) -> dict[str, Any]:
    """Make a key in moto, and note what moto cannot hold of it. Returns moto's metadata as it is on the wire."""
    blueprint = Blueprint(
        id=key.id,
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        multi_region=key.multi_region is not None,
        policy=policy,
        description=str(served.wire.parameters.get("Description") or ""),
        tags=key.tags,
    )
    made = make_key(served.clients("kms", key.account, key.region), blueprint)
    served.memory.keys[key.arn] = KeyNote(
        spec=noted_spec(key.spec),
        state="PendingImport" if key.state == "PendingImport" else None,
        replica=key.multi_region == "REPLICA",
    )
    return {**made, "CreationDate": made["CreationDate"].timestamp()}


def describe(served: Served, answer: dict[str, Any]) -> Mapping[str, Any]:
    """What moto says of a key, as AWS says it."""
    related = related_keys(served.world, served.key)
    return {"KeyMetadata": key_metadata(answer["KeyMetadata"], served.key, related, served.memory)}


def schedule_deletion(served: Served) -> Answer | Refusal:
    """Schedule; a primary waits for its replicas, and only then its days begin."""
    key, days = served.key, served.wire.parameters.get("PendingWindowInDays", _LONGEST_WAIT)
    related = related_keys(served.world, key)
    if key.origin == "EXTERNAL":
        imported_key(served.memory, key, related)  # whether it waits for import is forgotten with its state
    answer = {"KeyId": key.arn, "PendingWindowInDays": days}
    if key.multi_region == "PRIMARY" and len(related) > 1:
        served.memory.notes(DeletionNotes).waiting_days[key.arn] = int(str(days))
        _note_state(served, key, "PendingReplicaDeletion")
        return answer_json({**answer, "KeyState": "PendingReplicaDeletion"})
    scheduled = _moto(served, key).schedule_key_deletion(KeyId=key.id, PendingWindowInDays=days)
    _note_state(served, key, None)
    date = scheduled["DeletionDate"].timestamp()
    return answer_json({**answer, "DeletionDate": date, "KeyState": "PendingDeletion"})


def cancel_deletion(served: Served) -> Answer | Refusal:
    """Take back: the key is disabled (ST-4), or waits for the import of what it lacks."""
    key = served.key
    _moto(served, key).cancel_key_deletion(KeyId=key.id)
    served.memory.notes(DeletionNotes).waiting_days.pop(key.arn, None)
    known = served.memory.notes(ImportNotes).keys.get(key.arn)
    _note_state(served, key, "PendingImport" if known is not None and not known.complete else None)
    return answer_json({"KeyId": key.arn})


def update_primary(served: Served) -> Answer | Refusal:
    """Two related keys change places."""
    keys = served.keys
    if len({key.arn for key in keys}) > 1:
        for key, replica in zip(keys, (True, False), strict=True):
            note = served.memory.keys.get(key.arn, KeyNote())
            served.memory.keys[key.arn] = replace(note, replica=replica)
    return answer_json({})


def get_policy(served: Served) -> Answer | Refusal:
    """The policy `default`, or the one that a resource share added (PG-50)."""
    key, name = served.key, str(served.wire.parameters.get("PolicyName", "default"))
    if name == "default":
        text = _moto(served, key).get_key_policy(KeyId=key.id, PolicyName=name)["Policy"]
    else:
        text = json.dumps(key.ram_policy.document if key.ram_policy else {})
    return answer_json({"Policy": _shown(text), "PolicyName": name})


def _shown(policy: str) -> str:
    """The document written as AWS writes it: the same JSON, each member on a line of its own."""
    return json.dumps(json.loads(policy), indent=_POLICY_INDENT, separators=(",", " : "), ensure_ascii=False)


def _note_state(served: Served, key: Key, state: str | None) -> None:
    note = served.memory.keys.get(key.arn, KeyNote())
    served.memory.keys[key.arn] = replace(note, state=state)


def _moto(served: Served, key: Key) -> Any:  # noqa: ANN401 (a boto3 client)
    return served.clients("kms", key.account, key.region)


SERVES: Mapping[str, Serve] = {
    "CreateKey": create,
    "ReplicateKey": replicate,
    "ScheduleKeyDeletion": schedule_deletion,
    "CancelKeyDeletion": cancel_deletion,
    "UpdatePrimaryRegion": update_primary,
    "GetKeyPolicy": get_policy,
}
FINISHES: Mapping[str, Finish] = {"DescribeKey": describe}
