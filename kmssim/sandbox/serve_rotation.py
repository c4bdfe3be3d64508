"""Rotation: on a schedule, which only is shown (nobody waits for it), and on demand, which makes new key material.

Related multi-Region keys rotate together, through their primary (a replica was refused before, EM-33); so the notes go
by what they share, account and id.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kmssim.evaluator.world import Key
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.imported import EXPIRES, ImportedKey, current_material_id, imported_key
from kmssim.sandbox.key_metadata import related_keys
from kmssim.sandbox.material import Materials
from kmssim.sandbox.served import Finish, Serve, Served

_MOST_ON_DEMAND = 25
"""AWS's own number of today; when the text of EM-37 was recorded it was 10."""
_DEFAULT_PERIOD = 365
_DEFAULT_PAGE = 100
_DAY = 24 * 60 * 60

_Name = tuple[str, str]


@dataclass(frozen=True)
class Schedule:
    """Rotation every so many days, since a moment in seconds since the epoch."""

    period: int
    since: float

    def next_date(self, now: float) -> float:
        """When it comes the next time."""
        passed = math.floor((now - self.since) / (self.period * _DAY))
        return self.since + (passed + 1) * self.period * _DAY


@dataclass(frozen=True)
class Rotation:
    """A rotation on demand that is done, and the material that came with it."""

    material: str
    date: float


@dataclass
class RotationNotes:
    """The schedules and the rotations of one runtime; `first` is the material that a rotated key began with."""

    schedules: dict[_Name, Schedule] = field(default_factory=dict)
    done: dict[_Name, list[Rotation]] = field(default_factory=dict)
    first: dict[_Name, str] = field(default_factory=dict)


def enable(served: Served) -> Answer:
    """Begin to rotate, or change the period."""
    period = int(str(served.wire.parameters.get("RotationPeriodInDays", _DEFAULT_PERIOD)))
    served.memory.notes(RotationNotes).schedules[_name(served.key)] = Schedule(period, served.memory.notes(Clock).now())
    _moto(served).enable_key_rotation(KeyId=served.key.id)
    return answer_json({})


def disable(served: Served) -> Answer:
    """Rotate no more."""
    served.memory.notes(RotationNotes).schedules.pop(_name(served.key), None)
    _moto(served).disable_key_rotation(KeyId=served.key.id)
    return answer_json({})


def status(served: Served, _answer: dict[str, Any]) -> Mapping[str, Any]:
    """Whether and when the key rotates; of a key pending deletion nothing is planned."""
    schedule = _schedule(served)
    waits = served.key.state in {"PendingDeletion", "PendingReplicaDeletion"}
    told: dict[str, Any] = {"KeyId": served.key.arn, "KeyRotationEnabled": schedule is not None and not waits}
    if schedule is None or waits:
        return told
    return {
        **told,
        "RotationPeriodInDays": schedule.period,
        "NextRotationDate": schedule.next_date(served.memory.notes(Clock).now()),
    }


def _schedule(served: Served) -> Schedule | None:
    """AWS rotates its managed keys every year, always."""
    key = served.key
    if key.manager == "AWS":
        made = _moto(served).describe_key(KeyId=key.id)["KeyMetadata"]["CreationDate"]
        return Schedule(_DEFAULT_PERIOD, made.timestamp())
    return served.memory.notes(RotationNotes).schedules.get(_name(key))


def rotate(served: Served) -> Answer | Refusal:
    """Put new material in the place of the current one: made here, or of an imported key what waits for it."""
    key, notes = served.key, served.memory.notes(RotationNotes)
    done = notes.done.setdefault(_name(key), [])
    if len(done) >= _MOST_ON_DEMAND:
        text = (
            "The on-demand rotations limit has been reached for the given keyId. "
            f"No more on-demand rotations can be performed for this key: {key.arn}"
        )
        return Refusal("LimitExceededException", text)  # EM-37
    related = related_keys(served.world, key)
    first = current_material_id(served.memory, key, related)
    material = _rotate_imported(served, related) if key.origin == "EXTERNAL" else _rotate_own(served)
    if material is None:
        text = f"No available key material pending rotation for the key: {key.arn}."
        return Refusal("KMSInvalidStateException", text)  # EM-38
    notes.first.setdefault(_name(key), first or material)
    done.append(Rotation(material, served.memory.notes(Clock).now()))
    return answer_json({"KeyId": key.arn})


def _rotate_own(served: Served) -> str:
    return served.memory.notes(Materials).rotate(served.key).id


def _rotate_imported(served: Served, related: Sequence[Key]) -> str | None:
    """The material that waits in the primary, once every replica has it, too."""
    accounts = [imported_key(served.memory, key, related) for key in related]
    waiting = imported_key(served.memory, served.key, related).pending
    if not waiting or any(account.pending != waiting for account in accounts):
        return None
    for account in accounts:
        account.current, account.pending = waiting, ""
    served.memory.notes(Materials).use(served.key, waiting)
    return waiting


def list_rotations(served: Served) -> Answer | Refusal:
    """The rotations that were done, the oldest first; with ALL_KEY_MATERIAL also the first material and what waits."""
    asked = served.wire.parameters
    everything = _entries(served, complete=asked.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL")
    start = _place(asked.get("Marker"), len(everything))
    if start is None:
        return Refusal("InvalidMarkerException", "The marker is not one that ListKeyRotations gave out.")
    end = start + int(str(asked.get("Limit", _DEFAULT_PAGE)))
    page: dict[str, object] = {"Rotations": everything[start:end], "Truncated": end < len(everything)}
    if end < len(everything):
        page["NextMarker"] = base64.b64encode(str(end).encode()).decode()
    return answer_json(page)


def _place(marker: object, length: int) -> int | None:
    if marker is None:
        return 0
    try:
        place = int(base64.b64decode(str(marker), validate=True))
    except (binascii.Error, ValueError):
        return None
    return place if 0 < place < length else None


def _entries(served: Served, *, complete: bool) -> list[dict[str, object]]:
    key, notes = served.key, served.memory.notes(RotationNotes)
    related = related_keys(served.world, key)
    account = imported_key(served.memory, key, related) if key.origin == "EXTERNAL" else None
    current = current_material_id(served.memory, key, related)
    done = notes.done.get(_name(key), [])
    rotated: list[tuple[str, dict[str, object]]] = [
        (each.material, {"RotationDate": each.date, "RotationType": "ON_DEMAND"}) for each in done
    ]
    if complete:
        first = notes.first.get(_name(key)) or current
        rotated = [*([(first, {})] if first else []), *rotated]
        if account is not None and account.pending:
            rotated.append((account.pending, {}))
    return [
        {
            "KeyId": key.arn,
            "KeyMaterialId": material,
            "KeyMaterialState": _state(served, related, account, material, current=current),
            **_imported(account, material),
            **when,
        }
        for material, when in rotated
    ]


def _state(
    served: Served, related: Sequence[Key], account: ImportedKey | None, material: str, *, current: str | None
) -> str:
    if material == current:
        return "CURRENT"
    if account is None or account.pending != material:
        return "NON_CURRENT"
    everywhere = all(imported_key(served.memory, other, related).pending == material for other in related)
    return "PENDING_ROTATION" if everywhere else "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"


def _imported(account: ImportedKey | None, material: str) -> dict[str, object]:
    """What is told of imported material only."""
    held = account.materials.get(material) if account else None
    if held is None:
        return {}
    told: dict[str, object] = {"ImportState": "IMPORTED" if held.present else "PENDING_IMPORT"}
    if held.terms.description is not None:
        told["KeyMaterialDescription"] = held.terms.description
    if held.present:
        told["ExpirationModel"] = held.terms.expiration_model
        if held.terms.expiration_model == EXPIRES:
            told["ValidTo"] = held.terms.valid_to
    return told


def _name(key: Key) -> _Name:
    return key.account, key.id


def _moto(served: Served) -> Any:  # noqa: ANN401 (a boto3 client)
    return served.clients("kms", served.key.account, served.key.region)


SERVES: Mapping[str, Serve] = {
    "EnableKeyRotation": enable,
    "DisableKeyRotation": disable,
    "RotateKeyOnDemand": rotate,
    "ListKeyRotations": list_rotations,
}
FINISHES: Mapping[str, Finish] = {"GetKeyRotationStatus": status}
