"""A key made in moto as AWS would make it: under the id that it shall have, and of specs that moto does not know."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kmssim.sandbox.repairs import key_made_as
from kmssim.sandbox.seams import find_seam

_FALLBACK_SPEC = "SYMMETRIC_DEFAULT"


@dataclass(frozen=True)
class Blueprint:
    """What moto is told of a key that is to be made; `policy` is the document's text."""

    id: str
    spec: str
    usage: str
    origin: str
    multi_region: bool
    policy: str
    description: str
    tags: Mapping[str, str]


def new_key_id(*, multi_region: bool) -> str:
    """An id as AWS gives it: a UUID, of a multi-Region key `mrk-` and 32 hex digits (PG-28)."""
    identifier = uuid.uuid4()
    return f"mrk-{identifier.hex}" if multi_region else str(identifier)


def noted_spec(spec: str) -> str | None:
    """The spec as a note has it: None where moto keeps it itself."""
    return None if spec in _specs_of_moto() else spec


def make_key(kms: Any, key: Blueprint) -> Mapping[str, Any]:  # noqa: ANN401 (a boto3 client)
    """Make the key; a spec that moto does not know is `noted_spec`'s to keep. Returns moto's metadata."""
    with key_made_as(key.id):
        made = kms.create_key(
            KeySpec=key.spec if noted_spec(key.spec) is None else _FALLBACK_SPEC,
            KeyUsage=key.usage,
            Origin=key.origin,
            MultiRegion=key.multi_region,
            Policy=key.policy,
            Description=key.description,
            Tags=[{"TagKey": name, "TagValue": value} for name, value in key.tags.items()],
        )
    metadata: Mapping[str, Any] = made["KeyMetadata"]
    return metadata


@cache
def _specs_of_moto() -> frozenset[str]:
    return frozenset(find_seam("moto.kms.utils", "KeySpec").key_specs())
