"""Imported key material as AWS keeps account of it: what came when, what is there, what is current, what waits.

The bytes are in `kmssim.sandbox.material`; here stands what ListKeyRotations and DescribeKey tell of them. A key with
imported material that the world declares has its first material from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from kmssim.evaluator.world import Key, World
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.material import Material, Materials
from kmssim.sandbox.memory import KeyNote, Memory

NEVER = "KEY_MATERIAL_DOES_NOT_EXPIRE"
EXPIRES = "KEY_MATERIAL_EXPIRES"


@dataclass(frozen=True)
class Terms:
    """On which terms material is there; `valid_to` in seconds since the epoch."""

    expiration_model: str = NEVER
    valid_to: float | None = None
    description: str | None = None


@dataclass(frozen=True)
class ImportedMaterial:
    """One material of one key. `present`: it is neither deleted nor expired."""

    id: str
    terms: Terms
    present: bool = True


@dataclass
class ImportedKey:
    """The materials of one key, in the order in which they first came; `pending` waits for rotation."""

    key: Key
    materials: dict[str, ImportedMaterial] = field(default_factory=dict)
    current: str = ""
    pending: str = ""

    @property
    def complete(self) -> bool:
        """Whether all that decrypts is there; otherwise the key waits for import (outcome 5 of the state table)."""
        used = [material for material in self.materials.values() if material.id != self.pending]
        return bool(used) and all(material.present for material in used)


@dataclass
class ImportNotes:
    """The imported material of one runtime, by key ARN."""

    keys: dict[str, ImportedKey] = field(default_factory=dict)

    def current(self, arn: str) -> ImportedMaterial | None:
        """The current material of a key, as long as it is there."""
        known = self.keys.get(arn)
        found = known.materials.get(known.current) if known else None
        return found if found is not None and found.present else None

    def holding(self, material: str) -> Iterator[ImportedKey]:
        """The keys in which a material is there: related multi-Region keys each have their own import of it."""
        for known in self.keys.values():
            if material in known.materials and known.materials[material].present:
                yield known


def imported_key(memory: Memory, key: Key, related: Iterable[Key] = ()) -> ImportedKey:
    """The account of one key. A declared key that does not wait for import begins with what it has.

    `related` are the multi-Region keys with its id: a replica takes only what its primary has.
    """
    keys = memory.notes(ImportNotes).keys
    if key.arn not in keys:
        keys[key.arn] = _first_account(memory, key, related)
    return keys[key.arn]


def _first_account(memory: Memory, key: Key, related: Iterable[Key]) -> ImportedKey:
    present = key.state != "PendingImport"
    primary = next((other for other in related if other.multi_region == "PRIMARY"), None)
    if primary is not None and primary.arn != key.arn:
        theirs = imported_key(memory, primary)
        used = [material for material in theirs.materials.values() if material.id != theirs.pending]
        return ImportedKey(key, {each.id: replace(each, present=present) for each in used}, theirs.current)
    if not present:
        return ImportedKey(key)
    first = memory.notes(Materials).current(key).id
    return ImportedKey(key, {first: ImportedMaterial(first, Terms())}, first)


def current_material_id(memory: Memory, key: Key, related: Iterable[Key] = ()) -> str | None:
    """The id of the material in use, which only symmetric encryption keys tell; None while there never was any."""
    if not key.symmetric_encryption:
        return None
    if key.origin == "EXTERNAL":
        return imported_key(memory, key, related).current or None
    return memory.notes(Materials).current(key).id if key.origin == "AWS_KMS" else None


def take(memory: Memory, known: ImportedKey, material: Material, terms: Terms) -> None:
    """Material comes into a key, for the first time or again: the first is current at once, a new one waits."""
    held = known.materials.get(material.id)
    if terms.description is None and held is not None:
        terms = replace(terms, description=held.terms.description)
    known.materials[material.id] = ImportedMaterial(material.id, terms)
    if not known.current:
        known.current = material.id
    elif held is None:
        known.pending = material.id
    memory.notes(Materials).add(known.key, material, current=known.current == material.id)


def lose(memory: Memory, known: ImportedKey, material: str) -> None:
    """Material is deleted or has expired. Its bytes go when no related key has them any more.

    Material that waits for rotation was never used: it is forgotten, with a primary's also that of its replicas.
    """
    if known.pending == material:
        replicas = known.key.multi_region == "PRIMARY"
        related = [other for other in memory.notes(ImportNotes).keys.values() if replicas and _is_related(other, known)]
        for account in [known, *related]:
            account.materials.pop(material, None)
            account.pending = "" if account.pending == material else account.pending
    else:
        known.materials[material] = replace(known.materials[material], present=False)
    if next(memory.notes(ImportNotes).holding(material), None) is None:
        memory.notes(Materials).remove(known.key, material)


def _is_related(one: ImportedKey, other: ImportedKey) -> bool:
    return (one.key.id, one.key.account) == (other.key.id, other.key.account)


def settle_state(memory: Memory, known: ImportedKey, state: str) -> None:
    """PendingImport while something is missing, else as it was; a key pending deletion stays so (ST-1)."""
    if state in {"PendingDeletion", "PendingReplicaDeletion"}:
        return
    note = memory.keys.get(known.key.arn, KeyNote())
    waiting = "PendingImport" if not known.complete else None
    if waiting or note.state == "PendingImport":
        memory.keys[known.key.arn] = replace(note, state=waiting)


def expire(memory: Memory, world: World) -> bool:
    """Let go what has expired by now; whether anything had."""
    if not memory.notes(ImportNotes).keys:
        return False
    now = memory.notes(Clock).now()
    gone = [
        (known, material.id)
        for known in memory.notes(ImportNotes).keys.values()
        for material in known.materials.values()
        if material.present and material.terms.valid_to is not None and material.terms.valid_to <= now
    ]
    for known, material in gone:
        lose(memory, known, material)
        settle_state(memory, known, world.keys_by_arn[known.key.arn].state)
    return bool(gone)
