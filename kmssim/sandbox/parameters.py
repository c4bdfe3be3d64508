"""From a scenario's words to what a boto3 call takes: the parts that a scenario leaves out are made here.

A scenario leaves out whatever must be bytes, and what only the runtime knows: ciphertexts, signatures, MACs, tokens,
the runtime's grant ids. All of it is made for real, by calls that pass the gate unasked (`Maker.kms`), under the key
that the scenario names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from kmssim.evaluator.operations import algorithms
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Key, World

Parameters = dict[str, Any]

_MESSAGE = b"kmssim"
_DIGEST_SIZES = {"SHA_256": "sha256", "SHA_384": "sha384", "SHA_512": "sha512"}
_UNREADABLE = b"\0" * 96


@dataclass(frozen=True)
class Maker:
    """What is needed to make the missing parts.

    `kms(account, region)` is a client that is asked nothing; `token_of` and `id_of` give the runtime's token and id of
    a grant by its id in the world.
    """

    world: World
    kms: Callable[[str, str], Any]
    token_of: Callable[[str], str]
    id_of: Callable[[str], str]

    def complete(self, call: Call) -> Parameters:
        """All parameters of the call, ready for boto3."""
        given = {name: _as_boto3_takes_it(name, value) for name, value in call.parameters.items()}
        made = {name: make(self, call) for name, make in _MADE.get(call.name, {}).items() if name not in given}
        parameters = {name: value for name, value in {**given, **made}.items() if value is not None}
        named = parameters.get("GrantId")
        if isinstance(named, str):
            parameters["GrantId"] = self.id_of(named)
        if call.grant_tokens:
            tokens = [self.token_of(grant) for grant in call.grant_tokens]
            parameters.update({"GrantToken": tokens[0]} if call.name == "RetireGrant" else {"GrantTokens": tokens})
        return parameters

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
    if key is None or key.usage != "ENCRYPT_DECRYPT":
        return _UNREADABLE
    stated = origin.encryption_context if origin else None
    claimed = call.parameters.get("SourceEncryptionContext" if call.name == "ReEncrypt" else "EncryptionContext")
    context = claimed if stated is None else stated
    parameters: Parameters = {"KeyId": key.id, "Plaintext": _MESSAGE}
    if key.symmetric_encryption:
        parameters["EncryptionContext"] = dict(context) if isinstance(context, Mapping) else {}
    else:
        parameters["EncryptionAlgorithm"] = _algorithm(call, key, "EncryptionAlgorithm")
    return bytes(maker.kms(key.account, key.region).encrypt(**parameters)["CiphertextBlob"])


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
    """A message, or where the call says DIGEST a digest of the length that its algorithm takes."""
    if call.parameters.get("MessageType") != "DIGEST":
        return _MESSAGE
    algorithm = _signing_algorithm(maker, call) or ""
    hash_name = next((name for suffix, name in _DIGEST_SIZES.items() if algorithm.endswith(suffix)), "sha256")
    return hashlib.new(hash_name, _MESSAGE).digest()


def _signature(maker: Maker, call: Call) -> bytes:
    key = maker.key(call)
    if key is None or key.usage != "SIGN_VERIFY":
        return _UNREADABLE
    message = {"Message": _message(maker, call), "MessageType": call.parameters.get("MessageType", "RAW")}
    kms = maker.kms(key.account, key.region)
    return bytes(kms.sign(KeyId=key.id, SigningAlgorithm=_signing_algorithm(maker, call), **message)["Signature"])


def _mac(maker: Maker, call: Call) -> bytes:
    key = maker.key(call)
    if key is None or key.usage != "GENERATE_VERIFY_MAC":
        return _UNREADABLE
    kms = maker.kms(key.account, key.region)
    try:
        return bytes(kms.generate_mac(KeyId=key.id, Message=_MESSAGE, MacAlgorithm=_mac_algorithm(maker, call))["Mac"])
    except ClientError:
        return _UNREADABLE


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
    "DeriveSharedSecret": {"PublicKey": _BYTES, "KeyAgreementAlgorithm": _always("ECDH")},
    "Encapsulate": {"EncapsulationAlgorithm": _always("ML_KEM")},
    "Decapsulate": {"SharedSecretCiphertextBlob": _BYTES, "EncapsulationAlgorithm": _always("ML_KEM")},
    "GetParametersForImport": {
        "WrappingAlgorithm": _always("RSAES_OAEP_SHA_256"),
        "WrappingKeySpec": _always("RSA_2048"),
    },
    "ImportKeyMaterial": {"ImportToken": _BYTES, "EncryptedKeyMaterial": _BYTES},
}
