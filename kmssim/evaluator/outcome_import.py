"""What ImportKeyMaterial asks of the parameters that go together: how long the material lasts, and which one it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure
from kmssim.evaluator.world import Key

_FOR_SYMMETRIC_KEYS = ("ImportType", "KeyMaterialId", "KeyMaterialDescription")


def check_import(at_hand: Authorized) -> Failure | None:
    """The first mistake in an ImportKeyMaterial (OP-33); of token, material and date only the runtime can say."""
    key = at_hand.key_legs[0].key
    assert key is not None  # noqa: S101 - key_legs have keys
    given = {name: value for name, value in at_hand.call.parameters.items() if value is not None}
    return next(chain(_mistaken_term(given), _mistaken_material(given, key)), None)


def _mistaken_term(given: Mapping[str, object]) -> Iterator[Failure]:
    """Model and date belong together. Where a call states neither, its date is left out as its bytes are."""
    model, dated = given.get("ExpirationModel"), "ValidTo" in given
    if model == "KEY_MATERIAL_EXPIRES" and not dated:
        text = "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"  # AWS's own words
        yield Failure("ValidationException", text, "OP-33")
    if model == "KEY_MATERIAL_DOES_NOT_EXPIRE" and dated:
        text = "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"
        yield Failure("ValidationException", text, "OP-33")


def _mistaken_material(given: Mapping[str, object], key: Key) -> Iterator[Failure]:
    limited = [name for name in _FOR_SYMMETRIC_KEYS if name in given]
    if limited and not key.symmetric_encryption:
        text = f"{limited[0]} is for symmetric encryption keys only."
        yield Failure("UnsupportedOperationException", text, "OP-33")
    if given.get("ImportType") != "NEW_KEY_MATERIAL":
        return
    if "KeyMaterialId" in given:
        text = "KeyMaterialId cannot be given with the ImportType NEW_KEY_MATERIAL"
        yield Failure("ValidationException", text, "OP-33")
    if key.multi_region == "REPLICA":  # it takes what its primary has
        yield Failure("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.", "EM-33")
