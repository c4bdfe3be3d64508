"""Signatures, MACs, public keys and shared secrets, with our key material in place of moto's."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.evaluator.operations import algorithms
from kmssim.sandbox import asymmetric
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.key_use import INVALID_CIPHERTEXT, Message
from kmssim.sandbox.material import Materials
from kmssim.sandbox.serve_crypto import as_far_as_pyca_goes, in_base64, text_of, use_of
from kmssim.sandbox.served import Serve, Served
from kmssim.sandbox.wire_bytes import decoded

_ALGORITHMS_SHOWN = {
    "ENCRYPT_DECRYPT": "EncryptionAlgorithms",
    "SIGN_VERIFY": "SigningAlgorithms",
    "KEY_AGREEMENT": "KeyAgreementAlgorithms",
    "ENCAPSULATE_DECAPSULATE": "EncapsulationAlgorithms",
}


def _message(served: Served) -> Message:
    return Message(decoded(served.wire, "Message"), text_of(served, "MessageType", "RAW"))


def _sign(served: Served) -> Answer | Refusal:
    algorithm = text_of(served, "SigningAlgorithm", "")
    made = use_of(served).sign(_message(served), algorithm)
    if isinstance(made, Refusal):
        return made
    return answer_json({"KeyId": served.key.arn, "Signature": in_base64(made), "SigningAlgorithm": algorithm})


def _verify(served: Served) -> Answer | Refusal:
    algorithm = text_of(served, "SigningAlgorithm", "")
    refused = use_of(served).verify(_message(served), algorithm, decoded(served.wire, "Signature"))
    return refused or answer_json({"KeyId": served.key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})


def _generate_mac(served: Served) -> Answer | Refusal:
    algorithm = text_of(served, "MacAlgorithm", "")
    mac = use_of(served).mac(decoded(served.wire, "Message"), algorithm)
    return answer_json({"Mac": in_base64(mac), "MacAlgorithm": algorithm, "KeyId": served.key.arn})


def _verify_mac(served: Served) -> Answer | Refusal:
    algorithm = text_of(served, "MacAlgorithm", "")
    refused = use_of(served).verify_mac(decoded(served.wire, "Message"), algorithm, decoded(served.wire, "Mac"))
    return refused or answer_json({"KeyId": served.key.arn, "MacValid": True, "MacAlgorithm": algorithm})


def _get_public_key(served: Served) -> Answer | Refusal:
    key = served.key
    answer = {
        "KeyId": key.arn,
        "PublicKey": in_base64(use_of(served).public_key),
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        _ALGORITHMS_SHOWN[key.usage]: list(algorithms(key.spec, key.usage)),
    }
    return answer_json(answer)


def _derive_shared_secret(served: Served) -> Answer | Refusal:
    key, private = served.key, served.memory.notes(Materials).current(served.key).private
    secret = asymmetric.agree(private, decoded(served.wire, "PublicKey"))
    if secret is None:
        return Refusal("ValidationException", "")  # as recorded, without a text
    answer = {"KeyId": key.arn, "SharedSecret": in_base64(secret), "KeyAgreementAlgorithm": "ECDH"}
    return answer_json({**answer, "KeyOrigin": key.origin})


def _encapsulate(served: Served) -> Answer | Refusal:
    secret, sealed = asymmetric.encapsulate(served.memory.notes(Materials).current(served.key).private)
    answer = {"SharedSecret": in_base64(secret), "SharedSecretCiphertextBlob": in_base64(sealed)}
    return answer_json({"KeyId": served.key.arn, **answer, "EncapsulationAlgorithm": "ML_KEM"})


def _decapsulate(served: Served) -> Answer | Refusal:
    private = served.memory.notes(Materials).current(served.key).private
    secret = asymmetric.decapsulate(private, decoded(served.wire, "SharedSecretCiphertextBlob"))
    if secret is None:
        return INVALID_CIPHERTEXT
    answer = {"KeyId": served.key.arn, "SharedSecret": in_base64(secret), "EncapsulationAlgorithm": "ML_KEM"}
    return answer_json(answer)


SERVES: Mapping[str, Serve] = {
    name: as_far_as_pyca_goes(serve)
    for name, serve in {
        "Sign": _sign,
        "Verify": _verify,
        "GenerateMac": _generate_mac,
        "VerifyMac": _verify_mac,
        "GetPublicKey": _get_public_key,
        "DeriveSharedSecret": _derive_shared_secret,
        "Encapsulate": _encapsulate,
        "Decapsulate": _decapsulate,
    }.items()
}
REHEARSES: Mapping[str, Serve] = {
    name: SERVES[name] for name in ("Sign", "Verify", "VerifyMac", "DeriveSharedSecret", "Decapsulate")
}
"""What a dry run tries, as in `serve_crypto`."""
