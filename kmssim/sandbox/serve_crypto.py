"""Encrypting and decrypting, data keys and random bytes, with our key material in place of moto's."""

from __future__ import annotations

import base64
import functools
import json
import secrets
from collections.abc import Mapping

from kmssim.evaluator.world import Key
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.asymmetric import UnsupportedError, make_private_key, private_bytes, public_bytes
from kmssim.sandbox.ciphertext import Context
from kmssim.sandbox.key_use import SYMMETRIC, KeyUse, Opened
from kmssim.sandbox.material import Materials
from kmssim.sandbox.served import Serve, Served
from kmssim.sandbox.wire_bytes import decoded, ignores_ciphertext

_AES_LENGTHS = {"AES_256": 32, "AES_128": 16}


def use_of(served: Served, key: Key | None = None) -> KeyUse:
    """The key that the call is about, or another one that takes part, ready for use."""
    return KeyUse(key or served.key, served.memory.notes(Materials))


def text_of(served: Served, name: str, default: str) -> str:
    """A parameter that is a word; `default` where the call leaves it out."""
    return str(served.wire.parameters.get(name) or default)


def in_base64(content: bytes) -> str:
    """Bytes as they travel."""
    return base64.b64encode(content).decode()


def as_far_as_pyca_goes(serve: Serve) -> Serve:
    """Say so where the installed pyca/cryptography lacks the algorithm, or an answer would be for an enclave."""

    def answer(served: Served) -> Answer | Refusal:
        if served.wire.parameters.get("Recipient") is not None:
            text = "kmssim: the call is authorized, but the sandbox reads no attestation document, so no Recipient"
            return Refusal("UnsupportedOperationException", text)
        try:
            return serve(served)
        except UnsupportedError as error:
            return Refusal("UnsupportedOperationException", f"kmssim: the call is authorized, but {error}")

    return answer


def _context(served: Served, name: str = "EncryptionContext") -> Context:
    """The claimed context; numbers and booleans as JSON writes them (EC-14)."""
    stated = served.wire.parameters.get(name)
    pairs = stated.items() if isinstance(stated, Mapping) else ()
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in pairs}


def _material(name: str, key: Key, material: str | None) -> dict[str, object]:
    """Which material was used: AWS says it of symmetric keys only."""
    return {name: material} if material and key.symmetric_encryption else {}


def _current(served: Served, key: Key) -> str:
    return served.memory.notes(Materials).current(key).id


def _encrypt(served: Served) -> Answer | Refusal:
    algorithm = text_of(served, "EncryptionAlgorithm", SYMMETRIC)
    made = use_of(served).encrypt(decoded(served.wire, "Plaintext"), _context(served), algorithm)
    if isinstance(made, Refusal):
        return made
    answer = {"CiphertextBlob": in_base64(made), "KeyId": served.key.arn, "EncryptionAlgorithm": algorithm}
    return answer_json(answer)


def _open(served: Served, prefix: str = "") -> Opened | Refusal:
    algorithm = text_of(served, f"{prefix}EncryptionAlgorithm", SYMMETRIC)
    blob = decoded(served.wire, "CiphertextBlob")
    return use_of(served).decrypt(blob, _context(served, f"{prefix}EncryptionContext"), algorithm)


def _decrypt(served: Served) -> Answer | Refusal:
    opened = _open(served)
    if isinstance(opened, Refusal):
        return opened
    answer = {
        "KeyId": served.key.arn,
        "Plaintext": in_base64(opened.plaintext),
        "EncryptionAlgorithm": text_of(served, "EncryptionAlgorithm", SYMMETRIC),
    }
    return answer_json({**answer, **_material("KeyMaterialId", served.key, opened.material)})


def _re_encrypt(served: Served) -> Answer | Refusal:
    """Source and destination may stand in different accounts: each is used as the key that the decision found."""
    source, destination = served.keys
    opened = _open(served, "Source")
    if isinstance(opened, Refusal):
        return opened
    algorithm = text_of(served, "DestinationEncryptionAlgorithm", SYMMETRIC)
    context = _context(served, "DestinationEncryptionContext")
    made = use_of(served, destination).encrypt(opened.plaintext, context, algorithm)
    if isinstance(made, Refusal):
        return made
    answer = {
        "CiphertextBlob": in_base64(made),
        "SourceKeyId": source.arn,
        "KeyId": destination.arn,
        "SourceEncryptionAlgorithm": text_of(served, "SourceEncryptionAlgorithm", SYMMETRIC),
        "DestinationEncryptionAlgorithm": algorithm,
        **_material("SourceKeyMaterialId", source, opened.material),
        **_material("DestinationKeyMaterialId", destination, _current(served, destination)),
    }
    return answer_json(answer)


def _sealed(served: Served, plaintext: bytes) -> str:
    """A new data key under the key; data keys are short enough for every symmetric key."""
    made = use_of(served).encrypt(plaintext, _context(served))
    assert isinstance(made, bytes)  # noqa: S101 - only RSA has a limit, and makes no data keys (OP-22)
    return in_base64(made)


def _data_key(served: Served, *, shown: bool) -> Answer | Refusal:
    spec, number = served.wire.parameters.get("KeySpec"), served.wire.parameters.get("NumberOfBytes")
    length = number if isinstance(number, int) else _AES_LENGTHS.get(str(spec))
    if length is None:
        return Refusal("ValidationException", "Please specify either number of bytes or key spec.")  # OP-22
    plaintext = secrets.token_bytes(length)
    answer = {
        "CiphertextBlob": _sealed(served, plaintext),
        "KeyId": served.key.arn,
        **_material("KeyMaterialId", served.key, _current(served, served.key)),
    }
    return answer_json({**answer, "Plaintext": in_base64(plaintext)} if shown else answer)


def _data_key_pair(served: Served, *, shown: bool) -> Answer | Refusal:
    spec = text_of(served, "KeyPairSpec", "")
    pair = make_private_key(spec)
    private = private_bytes(pair)
    answer = {
        "PrivateKeyCiphertextBlob": _sealed(served, private),
        "PublicKey": in_base64(public_bytes(pair)),
        "KeyId": served.key.arn,
        "KeyPairSpec": spec,
        **_material("KeyMaterialId", served.key, _current(served, served.key)),
    }
    return answer_json({**answer, "PrivateKeyPlaintext": in_base64(private)} if shown else answer)


def _random(served: Served) -> Answer | Refusal:
    number, store = served.wire.parameters.get("NumberOfBytes"), served.wire.parameters.get("CustomKeyStoreId")
    if not isinstance(number, int) or isinstance(number, bool):
        return Refusal("ValidationException", "NumberOfBytes is required.")  # EM-35
    if store is not None:
        return Refusal("CustomKeyStoreNotFoundException", f"The sandbox has no custom key store {store}.")
    return answer_json({"Plaintext": in_base64(secrets.token_bytes(number))})


def _unless_ignored(serve: Serve) -> Serve:
    """A dry run that ignores the ciphertext has nothing more to try."""

    def answer(served: Served) -> Answer | Refusal:
        return answer_json({}) if ignores_ciphertext(served.wire) else serve(served)

    return answer


_TABLE: Mapping[str, Serve] = {
    "Encrypt": _encrypt,
    "Decrypt": _decrypt,
    "ReEncrypt": _re_encrypt,
    "GenerateDataKey": functools.partial(_data_key, shown=True),
    "GenerateDataKeyWithoutPlaintext": functools.partial(_data_key, shown=False),
    "GenerateDataKeyPair": functools.partial(_data_key_pair, shown=True),
    "GenerateDataKeyPairWithoutPlaintext": functools.partial(_data_key_pair, shown=False),
    "GenerateRandom": _random,
}
SERVES: Mapping[str, Serve] = {name: as_far_as_pyca_goes(serve) for name, serve in _TABLE.items()}
REHEARSES: Mapping[str, Serve] = {
    "Encrypt": SERVES["Encrypt"],
    "Decrypt": _unless_ignored(SERVES["Decrypt"]),
    "ReEncrypt": _unless_ignored(SERVES["ReEncrypt"]),
}
"""What a dry run tries, since only the bytes say whether it would have succeeded (CH-5); nothing of it stays."""
