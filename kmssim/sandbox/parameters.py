"""From a scenario's words to what a boto3 call takes: the parts that a scenario leaves out are made here.

A scenario leaves out whatever must be bytes, and what only the runtime knows: ciphertexts, signatures, MACs,
tokens. All of it is made for real (`Maker.runtime`), under the key that the scenario names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kmssim.evaluator.operations import algorithms
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Key, World
from kmssim.sandbox.key_use import SYMMETRIC, Message
from kmssim.sandbox.scenario_bytes import UNREADABLE, Bytes

Parameters = dict[str, Any]

_MESSAGE = b"kmssim"
_DIGEST_SIZES = {"SHA_256": "sha256", "SHA_384": "sha384", "SHA_512": "sha512"}
_MU = bytes(64)
_TERM = 24 * 60 * 60
_NOBODYS_KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Maker:
    """What is needed to make the missing parts.

    `runtime` makes bytes for the runtime that is asked; `token_of` gives that runtime's token of a grant by its id.
    """

    world: World
    runtime: Bytes
    token_of: Callable[[str], str]

    def complete(self, call: Call) -> Parameters:
        """All parameters of the call, ready for boto3."""
        given = {name: _as_boto3_takes_it(name, value) for name, value in call.parameters.items()}
        made = {name: make(self, call) for name, make in _MADE.get(call.name, {}).items() if name not in given}
        parameters = {name: value for name, value in {**given, **made}.items() if value is not None}
        if call.name == "ImportKeyMaterial":
            parameters = {**self._import(call, given), **parameters}
        if isinstance(parameters.get("GrantToken"), str):
            parameters["GrantToken"] = self.token_of(str(parameters["GrantToken"]))
        if call.grant_tokens:
            tokens = [self.token_of(grant) for grant in call.grant_tokens]
            parameters.update({"GrantToken": tokens[0]} if call.name == "RetireGrant" else {"GrantTokens": tokens})
        return parameters

    def _import(self, call: Call, given: Parameters) -> Parameters:
        """Token and material belong together; a call that says nothing of their end gets a date for it, too."""
        key = self.key(call)
        token, material = self.runtime.import_pair(key) if key else (UNREADABLE, UNREADABLE)
        made: Parameters = {"ImportToken": token, "EncryptedKeyMaterial": material}
        return made if "ExpirationModel" in given else {**made, "ValidTo": self.runtime.now() + _TERM}

    def key(self, call: Call, parameter: str = "KeyId") -> Key | None:
        """The key that the call names, if it is in the world."""
        reference = str(call.parameters.get(parameter, ""))
        home = call.principal.account or call.principal.source_account or ""
        keys = self.world.keys_by_arn
        found = keys.get(reference) or self.world.keys_by_alias_arn.get(reference)
        return found or next(
            (
                key
                for key in keys.values()
                if key.account == home and key.region == call.region and reference in {key.id, *key.aliases}
            ),
            None,
        )


def _as_boto3_takes_it(name: str, value: object) -> object:
    return json.dumps(value) if name == "Policy" and isinstance(value, Mapping) else value


def _ciphertext(maker: Maker, call: Call) -> bytes:
    """A ciphertext of the key and context that the scenario states; without any, those that the call names."""
    origin = call.ciphertext
    key = maker.world.keys_by_arn.get(origin.key) if origin else maker.key(call, _source_parameter(call))
    if key is None:
        return maker.runtime.encrypt_under_gone(origin.key if origin else _NOBODYS_KEY)
    if key.usage != "ENCRYPT_DECRYPT":
        return UNREADABLE
    stated = origin.encryption_context if origin else None
    claimed = call.parameters.get("SourceEncryptionContext" if call.name == "ReEncrypt" else "EncryptionContext")
    context = claimed if stated is None else stated
    pairs = dict(context) if isinstance(context, Mapping) and key.symmetric_encryption else {}
    algorithm = SYMMETRIC if key.symmetric_encryption else _algorithm(call, key, _source_algorithm(call))
    return maker.runtime.encrypt(key, _MESSAGE, pairs, algorithm or "")


def _source_algorithm(call: Call) -> str:
    return "SourceEncryptionAlgorithm" if call.name == "ReEncrypt" else "EncryptionAlgorithm"


def _source_parameter(call: Call) -> str:
    return "SourceKeyId" if call.name == "ReEncrypt" else "KeyId"


def _algorithm(call: Call, key: Key | None, parameter: str) -> str | None:
    """The algorithm that the call names, else the first that fits its key."""
    stated = call.parameters.get(parameter)
    fitting = algorithms(key.spec, key.usage) if key else ()
    return str(stated) if stated else next(iter(fitting), None)


def _signing_algorithm(maker: Maker, call: Call) -> str | None:
    return _algorithm(call, maker.key(call), "SigningAlgorithm") or "RSASSA_PSS_SHA_256"


def _mac_algorithm(maker: Maker, call: Call) -> str | None:
    return _algorithm(call, maker.key(call), "MacAlgorithm") or "HMAC_SHA_256"


def _message(maker: Maker, call: Call) -> bytes:
    """A message, or a digest or μ of the length that the algorithm takes, where the call says that it is one."""
    kind = call.parameters.get("MessageType")
    if kind != "DIGEST":
        return _MU if kind == "EXTERNAL_MU" else _MESSAGE
    algorithm = _signing_algorithm(maker, call) or ""
    hash_name = next((name for suffix, name in _DIGEST_SIZES.items() if algorithm.endswith(suffix)), "sha256")
    return hashlib.new(hash_name, _MESSAGE).digest()


def _signature(maker: Maker, call: Call) -> bytes:
    key, algorithm = maker.key(call), _signing_algorithm(maker, call)
    if key is None or algorithm not in algorithms(key.spec, "SIGN_VERIFY") or key.usage != "SIGN_VERIFY":
        return UNREADABLE
    message = Message(_message(maker, call), str(call.parameters.get("MessageType", "RAW")))
    return maker.runtime.sign(key, message, algorithm)


def _mac(maker: Maker, call: Call) -> bytes:
    key, algorithm = maker.key(call), _mac_algorithm(maker, call)
    if key is None or algorithm not in algorithms(key.spec, key.usage):
        return UNREADABLE
    return maker.runtime.mac(key, _MESSAGE, algorithm)


def _peer_key(maker: Maker, call: Call) -> bytes:
    key = maker.key(call)
    return maker.runtime.peer_key(key) if key and key.usage == "KEY_AGREEMENT" else UNREADABLE


def _encapsulated(maker: Maker, call: Call) -> bytes:
    key = maker.key(call)
    return maker.runtime.encapsulate(key) if key and key.usage == "ENCAPSULATE_DECAPSULATE" else UNREADABLE


def _data_key_spec(_maker: Maker, call: Call) -> str | None:
    return None if "NumberOfBytes" in call.parameters else "AES_256"


def _always(value: object) -> Callable[[Maker, Call], object]:
    return lambda _maker, _call: value


_BYTES = _always(_MESSAGE)
_DATA_KEY = {"KeySpec": _data_key_spec}
_KEY_PAIR = {"KeyPairSpec": _always("ECC_NIST_P256")}
_MADE: Mapping[str, Mapping[str, Callable[[Maker, Call], object]]] = {
    "Encrypt": {"Plaintext": _BYTES},
    "Decrypt": {"CiphertextBlob": _ciphertext},
    "ReEncrypt": {"CiphertextBlob": _ciphertext},
    "GenerateDataKey": _DATA_KEY,
    "GenerateDataKeyWithoutPlaintext": _DATA_KEY,
    "GenerateDataKeyPair": _KEY_PAIR,
    "GenerateDataKeyPairWithoutPlaintext": _KEY_PAIR,
    "GenerateRandom": {"NumberOfBytes": _always(32)},
    "Sign": {"Message": _message, "SigningAlgorithm": _signing_algorithm},
    "Verify": {"Message": _message, "Signature": _signature, "SigningAlgorithm": _signing_algorithm},
    "GenerateMac": {"Message": _BYTES, "MacAlgorithm": _mac_algorithm},
    "VerifyMac": {"Message": _BYTES, "Mac": _mac, "MacAlgorithm": _mac_algorithm},
    "DeriveSharedSecret": {"PublicKey": _peer_key, "KeyAgreementAlgorithm": _always("ECDH")},
    "Encapsulate": {"EncapsulationAlgorithm": _always("ML_KEM")},
    "Decapsulate": {"SharedSecretCiphertextBlob": _encapsulated, "EncapsulationAlgorithm": _always("ML_KEM")},
    "GetParametersForImport": {
        "WrappingAlgorithm": _always("RSAES_OAEP_SHA_256"),
        "WrappingKeySpec": _always("RSA_2048"),
    },
    "PutObject": {"Body": _BYTES},
    "PutSecretValue": {"SecretString": _always(_MESSAGE.decode())},
}
