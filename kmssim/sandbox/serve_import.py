"""GetParametersForImport, ImportKeyMaterial and DeleteImportedKeyMaterial, with real wrapping keys."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.serialization import load_der_private_key

from kmssim.evaluator.world import Key
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.asymmetric import fits_spec, public_bytes
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.imported import (
    EXPIRES,
    NEVER,
    ImportedKey,
    Terms,
    imported_key,
    lose,
    settle_state,
    take,
)
from kmssim.sandbox.key_metadata import related_keys
from kmssim.sandbox.material import Material, private_material, secret_length, secret_material
from kmssim.sandbox.serve_crypto import as_far_as_pyca_goes, in_base64
from kmssim.sandbox.served import Serve, Served
from kmssim.sandbox.wire_bytes import decoded
from kmssim.sandbox.wrapping import WRAPPING_ALGORITHMS, ImportTokens, unwrap

_LONGEST_TERM = 365 * 24 * 60 * 60
_NEW, _EXISTING = "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"


def get_parameters(served: Served) -> Answer | Refusal:
    """Give out a wrapping key and the token that belongs to it."""
    asked = served.wire.parameters
    algorithm, spec = str(asked.get("WrappingAlgorithm")), str(asked.get("WrappingKeySpec"))
    if algorithm not in WRAPPING_ALGORITHMS or not spec.startswith("RSA_"):
        message = f"kmssim: the sandbox does not wrap key material by {algorithm} under {spec}"
        return Refusal("UnsupportedOperationException", message)
    token, issued = served.memory.notes(ImportTokens).issue(served.key.arn, algorithm, spec, _now(served))
    return answer_json(
        {
            "KeyId": served.key.arn,
            "ImportToken": in_base64(token),
            "PublicKey": in_base64(public_bytes(issued.wrapping)),
            "ParametersValidTo": issued.valid_to,
        }
    )


def import_material(served: Served) -> Answer | Refusal:
    """Unwrap the material and take it, when it is what the key expects."""
    key = served.key
    known = imported_key(served.memory, key, related_keys(served.world, key))
    terms = _terms(served.wire.parameters, _now(served))
    if isinstance(terms, Refusal):
        return terms
    material = _unwrapped(served)
    if isinstance(material, Refusal):
        return material
    refused = _unwanted(served, known, material)
    if refused:
        return refused
    take(served.memory, known, material, terms)
    settle_state(served.memory, known, key.state)
    return _told(key, material.id)


def delete_material(served: Served) -> Answer | Refusal:
    """Forget one material, by default the current one; the key waits for it to come back."""
    key = served.key
    known = imported_key(served.memory, key, related_keys(served.world, key))
    named = served.wire.parameters.get("KeyMaterialId")
    material = str(named) if named is not None else known.current
    if named is not None and material not in known.materials:
        return _incorrect(f"The key material ID {material} is not associated with {key.arn}.")
    if material:
        lose(served.memory, known, material)
        settle_state(served.memory, known, key.state)
    return _told(key, material)


def _terms(asked: Mapping[str, object], now: float) -> Terms | Refusal:
    """The expiration model and date; without any, material expires. That they go together was decided before."""
    valid_to, description = asked.get("ValidTo"), asked.get("KeyMaterialDescription")
    described = None if description is None else str(description)
    if asked.get("ExpirationModel") == NEVER:
        return Terms(NEVER, None, described)
    if not isinstance(valid_to, int | float):
        # these words are AWS's own, those of the other refusals here are not known
        wrong = "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"
        return Refusal("ValidationException", wrong)
    if not 0 < valid_to - now <= _LONGEST_TERM:
        return Refusal("ValidationException", "The validTo date must be in the future, within 365 days from now")
    return Terms(EXPIRES, float(valid_to), described)


def _unwrapped(served: Served) -> Material | Refusal:
    token = served.memory.notes(ImportTokens).issued.get(decoded(served.wire, "ImportToken"))
    if token is None or token.key != served.key.arn:
        return Refusal("InvalidImportTokenException", "The import token is not valid for this KMS key.")
    if token.valid_to <= _now(served):
        return Refusal("ExpiredImportTokenException", "The import token has expired.")
    content = unwrap(token.wrapping, token.algorithm, decoded(served.wire, "EncryptedKeyMaterial"))
    if content is None:
        return Refusal("InvalidCiphertextException", "")
    return _material(served.key, content)


def _material(key: Key, content: bytes) -> Material | Refusal:
    """The bytes as material of this key: a secret of the right length, or a private key of its spec (PKCS #8, DER)."""
    length = secret_length(key.spec)
    if length is not None:
        if len(content) != length:
            return _incorrect(f"Key material of a {key.spec} key has {length} bytes.")
        return secret_material(key, content)
    try:
        private = load_der_private_key(content, None)
    except (ValueError, TypeError):
        private = None
    if private is None or not fits_spec(private, key.spec):
        return _incorrect(f"The key material is no private key of the spec {key.spec}.")
    return private_material(key, private)


def _unwanted(served: Served, known: ImportedKey, material: Material) -> Refusal | None:
    """Whether the key expects other material: by ImportType, by the id that the call states, by what it had before."""
    asked, key = served.wire.parameters, served.key
    stated, replica = asked.get("KeyMaterialId"), key.multi_region == "REPLICA"
    kind = asked.get("ImportType", _EXISTING if known.materials or replica else _NEW)
    if kind == _NEW and stated is not None:
        return Refusal("ValidationException", f"KeyMaterialId cannot be given with the ImportType {_NEW}")
    expected = _expected(served, known)
    if (kind == _NEW) == (material.id in expected) or stated not in {None, material.id}:
        return _incorrect("The key material in the request is not the key material that the KMS key expects.")
    if kind == _NEW and known.materials and known.pending:
        text = (
            f"New key material (id: {material.id}) cannot be imported into KMS key {key.arn}, "
            f"because another key material (id: {known.pending}) is pending rotation."
        )
        return Refusal("KMSInvalidStateException", text)  # EM-38
    return None


def _expected(served: Served, known: ImportedKey) -> set[str]:
    """The materials that can come (back): the key's own, of a replica all that its primary has."""
    primaries = [other for other in related_keys(served.world, served.key) if other.multi_region == "PRIMARY"]
    theirs = [imported_key(served.memory, primary).materials for primary in primaries]
    return {*known.materials, *(material for materials in theirs for material in materials)}


def _now(served: Served) -> float:
    return served.memory.notes(Clock).now()


def _incorrect(message: str) -> Refusal:
    return Refusal("IncorrectKeyMaterialException", message)


def _told(key: Key, material: str) -> Answer:
    """Only symmetric encryption keys name their material."""
    named = {"KeyMaterialId": material} if key.symmetric_encryption and material else {}
    return answer_json({"KeyId": key.arn, **named})


SERVES: Mapping[str, Serve] = {
    "GetParametersForImport": get_parameters,
    "ImportKeyMaterial": as_far_as_pyca_goes(import_material),
    "DeleteImportedKeyMaterial": as_far_as_pyca_goes(delete_material),
}
