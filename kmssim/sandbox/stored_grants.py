"""Grants as moto holds them under AWS's own ids, and beside them what moto forgets: read and written here only.

moto keeps a grant's names, operations and constraints, and is asked for nothing else. Reading goes past its API, to the
objects behind it: ListGrants of 50,000 grants, as many as a key may have (GR-6), takes a second, and after every
change the world is read again. Grants never change; so one that was read once is read no more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from kmssim.evaluator.grants import read_constraints
from kmssim.evaluator.world import Constraints, Grant, Key
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.repairs import grant_made_as
from kmssim.sandbox.seams import find_seam

_MAC_BYTES, _NONCE_BYTES = 16, 24
_TOKEN_START = b"\x01\x0a"


@dataclass(frozen=True)
class GrantNote:
    """What moto forgets about one grant, and the token that moto knows.

    `serial` is its place among all grants, in the order in which they came.
    """

    token: str
    issuing_account: str
    created: float
    serial: int
    grantee_service: str | None = None
    retiring_service: str | None = None
    pending: bool = False


@dataclass
class _Read:
    """What was read of one key: moto's objects, the grants that they are, and the key that holds these."""

    stored: tuple[Any, ...] = ()
    grants: tuple[Grant, ...] = ()
    key: Key | None = None


@dataclass
class GrantNotes:
    """The notes by key ARN and grant id, and what signs the tokens of this runtime.

    `slow`: a new grant is pending, until `settle` (GR-50).
    """

    by_grant: dict[tuple[str, str], GrantNote] = field(default_factory=dict)
    read: dict[str, _Read] = field(default_factory=dict)
    serial: int = 0
    slow: bool = False
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def keep(self, key_arn: str, grant: Grant, token: str) -> None:
        """Note a grant that is made now."""
        self.serial += 1
        self.by_grant[key_arn, grant.id] = GrantNote(
            token,
            grant.issuing_account,
            time.time(),
            self.serial,
            grant.grantee_service,
            grant.retiring_service,
            grant.pending,
        )

    def settle(self) -> None:
        """Every grant counts from now on, with its token or without."""
        self.slow = False
        self.by_grant = {place: replace(note, pending=False) for place, note in self.by_grant.items()}
        self.read.clear()

    def token_of(self, grant_id: str) -> str | None:
        """The first token of a grant; None when there is no such grant."""
        return next((note.token for (_, known), note in self.by_grant.items() if known == grant_id), None)

    def new_token(self, grant_id: str) -> str:
        """A token of the grant; all of them mean the same (GR-7), and none has to be kept."""
        name = grant_id.encode()
        start = _TOKEN_START + bytes([len(name)]) + name + secrets.token_bytes(_NONCE_BYTES)
        return base64.urlsafe_b64encode(start + self._seal(start)).decode()

    def grant_of(self, token: str) -> str | None:
        """The id of the grant behind a token, whether or not that is there any more; None: it is no token of ours."""
        try:
            content = base64.urlsafe_b64decode(token.encode("ascii"))
        except (binascii.Error, ValueError):
            return None
        start, seal = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
        if not start.startswith(_TOKEN_START) or not hmac.compare_digest(seal, self._seal(start)):
            return None
        return start[len(_TOKEN_START) + 1 : -_NONCE_BYTES].decode()

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, hashlib.sha256)[:_MAC_BYTES]


def new_grant_id() -> str:
    """An id as AWS gives it: 64 hex digits."""
    return secrets.token_hex(32)


def store_grant(grant: Grant, key: Key, clients: Clients, memory: Memory) -> None:
    """Make the grant in moto, under its id, and note what moto forgets of it."""
    notes = memory.notes(GrantNotes)
    arguments = {
        "Name": grant.name,
        "GranteePrincipal": grant.grantee,
        "RetiringPrincipal": grant.retiring,
        "Constraints": write_constraints(grant.constraints) or None,
    }
    stated = {name: value for name, value in arguments.items() if value is not None}
    token = notes.new_token(grant.id)
    with grant_made_as(grant.id, token):
        kms = clients("kms", key.account, key.region)
        kms.create_grant(KeyId=key.id, Operations=list(grant.operations), **stated)
    notes.keep(key.arn, grant, token)


def drop_grant(grant_id: str, key: Key, clients: Clients, memory: Memory) -> None:
    """The grant is gone, with its note and all of its tokens."""
    clients("kms", key.account, key.region).retire_grant(KeyId=key.id, GrantId=grant_id)
    memory.notes(GrantNotes).by_grant.pop((key.arn, grant_id), None)


def read_grants(key_arn: str, account: str, region: str, memory: Memory) -> tuple[Grant, ...]:
    """The key's grants in the order in which they were made; the same tuple as before when they are the same."""
    backend = find_seam("moto.kms.models", "kms_backends")[account][region]
    stored = tuple(backend.keys[key_arn.rpartition("/")[2]].grants.values())
    notes = memory.notes(GrantNotes)
    before = notes.read.setdefault(key_arn, _Read())
    if stored != before.stored:  # compared by identity: moto's grants know no other equality
        known = dict(zip(before.stored, before.grants, strict=True))
        grants = tuple(known.get(one) or _read_grant(one, key_arn, account, notes) for one in stored)
        notes.read[key_arn] = _Read(stored, grants)
    return notes.read[key_arn].grants


def with_known_index(key: Key, memory: Memory) -> Key:
    """The key, its grants indexed from what the key had before by what came and went, where that was indexed."""
    read = memory.notes(GrantNotes).read[key.arn]
    if read.key is not None:
        key.index_from(read.key)
    read.key = key
    return key


def _read_grant(stored: Any, key_arn: str, account: str, notes: GrantNotes) -> Grant:  # noqa: ANN401 (moto's grant)
    """A grant that nobody noted was issued by the key's own account, under moto's id."""
    note = notes.by_grant.get((key_arn, stored.id))
    grant = Grant(
        id=stored.id,
        name=stored.name,
        operations=tuple(stored.operations),
        issuing_account=note.issuing_account if note else account,
        grantee=stored.grantee_principal,
        grantee_service=note.grantee_service if note else None,
        retiring=stored.retiring_principal,
        retiring_service=note.retiring_service if note else None,
        constraints=read_constraints(stored.constraints),
        pending=note.pending if note else False,
    )
    if note is None:
        notes.keep(key_arn, grant, stored.token)
    return grant


def write_constraints(constraints: Constraints) -> dict[str, object]:
    """Constraints as the API shows them."""
    members: Iterable[tuple[str, object]] = (
        ("EncryptionContextEquals", constraints.encryption_context_equals),
        ("EncryptionContextSubset", constraints.encryption_context_subset),
        ("SourceArn", constraints.source_arn),
    )
    return {name: value for name, value in members if value is not None}
