"""Which key a call means: key ids in all forms, aliases, and the key behind a ciphertext (OP-58, XA-5, XA-6, CH-7).

A key that cannot be found is an answer, too: it ends the call before authorization, with AWS's words (CH-3, EM-20 to
EM-23).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from kmssim.evaluator.request import Arn, Call, parse_arn, partition_of
from kmssim.evaluator.world import Key, World

_KEY_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}", re.IGNORECASE)


@dataclass(frozen=True)
class FoundKey:
    """A key, and the alias name (`alias/…`) by which the call named it, if it did (CK-28)."""

    key: Key
    alias: str | None = None


class Absence(Enum):
    """Why no key was found; it decides which error the caller sees."""

    INVALID_ID = "invalid id"
    OTHER_REGION = "other region"
    NO_KEY = "no key"
    NO_ALIAS = "no alias"
    FOREIGN = "foreign"
    CIPHERTEXT = "ciphertext"
    INVALID_ARN = "invalid arn"


@dataclass(frozen=True)
class MissingKey:
    """No key: `reference` is what the call gave, `arn` the ARN that it stands for ("" when it stands for none).

    `action`: the permission that the call needs on it (CH-3).
    """

    absence: Absence
    reference: str
    arn: str = ""
    region: str = ""
    action: str = ""


def home_account(call: Call) -> str:
    """Where bare ids and aliases are looked up: the caller's account; for a service, its source's (XA-5, DS-6)."""
    return call.principal.account or call.principal.source_account or ""


def home_arn(call: Call, region: str, resource: str) -> Arn:
    """The ARN of a key or alias in the caller's own account; the Region says which partition it lies in (PG-48)."""
    return Arn(partition_of(region), "kms", region, home_account(call), resource)


def find_key(world: World, call: Call, reference: str, region: str, *, alias_allowed: bool) -> FoundKey | MissingKey:
    """Find the key that `reference` names in a call sent to `region`."""
    if reference.startswith("arn:"):
        return _find_by_arn(world, call, reference, region, alias_allowed=alias_allowed)
    home = home_arn(call, region, "")
    if reference.startswith("alias/"):
        if not alias_allowed:
            return MissingKey(Absence.INVALID_ID, reference)
        return _find_alias(world, home._replace(resource=reference), reference, reference)
    if not _KEY_ID.fullmatch(reference):
        return MissingKey(Absence.INVALID_ID, reference)
    arn = str(home._replace(resource=f"key/{reference}"))
    found = world.keys_by_arn.get(arn)
    return FoundKey(found) if found else MissingKey(Absence.NO_KEY, reference, arn)


def _find_by_arn(
    world: World, call: Call, reference: str, region: str, *, alias_allowed: bool
) -> FoundKey | MissingKey:
    key = world.keys_by_arn.get(reference)
    if key is not None and key.region == region:
        return FoundKey(key)
    arn = parse_arn(reference)
    if arn is None or arn.service != "kms":
        return MissingKey(Absence.INVALID_ARN, reference)
    if arn.region != region:
        return MissingKey(Absence.OTHER_REGION, reference, reference, arn.region)
    if arn.resource.startswith("alias/"):
        if not alias_allowed:
            return MissingKey(Absence.INVALID_ID, reference)
        found: FoundKey | MissingKey = _find_alias(world, arn, reference, arn.resource)
    elif arn.resource.startswith("key/"):
        found = MissingKey(Absence.NO_KEY, reference, reference)
    else:
        return MissingKey(Absence.INVALID_ARN, reference)
    if isinstance(found, MissingKey) and arn.account != home_account(call):
        return MissingKey(Absence.FOREIGN, reference, reference)
    return found


def _find_alias(world: World, arn: Arn, reference: str, name: str) -> FoundKey | MissingKey:
    key = world.keys_by_alias_arn.get(str(arn))
    return FoundKey(key, name) if key else MissingKey(Absence.NO_ALIAS, reference, str(arn))


def find_ciphertext_key(world: World, call: Call) -> FoundKey | MissingKey:
    """The key that made the call's ciphertext, whoever owns it (XA-6, CH-7).

    Of related multi-Region keys it is the one in the Region of the call: they share the id in the ciphertext (PG-28).
    """
    made_by = call.ciphertext.key if call.ciphertext else ""
    arn = parse_arn(made_by)
    if arn and arn.resource.startswith("key/mrk-"):
        arn = arn._replace(region=call.region)
    key = world.keys_by_arn.get(str(arn)) if arn else None
    if key is None or key.region != call.region:
        return MissingKey(Absence.CIPHERTEXT, made_by, made_by)
    return FoundKey(key)


def related_key(world: World, key: Key, region: str) -> Key | None:
    """The multi-Region key with the same id in another Region (PG-28)."""
    return next(
        (
            other
            for other in world.keys_by_arn.values()
            if other.id == key.id and other.account == key.account and other.region == region
        ),
        None,
    )
