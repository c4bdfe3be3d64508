"""How key material travels into KMS: wrapped under an RSA key that GetParametersForImport gave out, and unwrapped.

An import token is random: what it stands for is noted here, and nowhere in it. It holds for 24 hours (TP-14).

Short material is encrypted under the RSA key itself (RSAES_OAEP_…); a key pair is too long for that, so it is wrapped
under an AES key (RFC 5649), which the RSA key wraps (RSA_AES_KEY_WRAP_…).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

_OAEP_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "RSAES_OAEP_SHA_1": hashes.SHA1,
    "RSAES_OAEP_SHA_256": hashes.SHA256,
    "RSA_AES_KEY_WRAP_SHA_1": hashes.SHA1,
    "RSA_AES_KEY_WRAP_SHA_256": hashes.SHA256,
}
WRAPPING_ALGORITHMS = frozenset(_OAEP_HASHES)
"""What is simulated. RSAES_PKCS1_V1_5 AWS supports no longer; SM2PKE exists in China Regions only."""

_AES_KEY = 32
_TOKEN_LENGTH = 256
_VALID_FOR = 24 * 60 * 60


@dataclass(frozen=True, eq=False, repr=False)
class ImportToken:
    """What a token stands for: material for this key, wrapped by this algorithm under this key, until then."""

    key: str
    algorithm: str
    wrapping: rsa.RSAPrivateKey
    valid_to: float


@dataclass
class ImportTokens:
    """The tokens that were given out in one runtime."""

    issued: dict[bytes, ImportToken] = field(default_factory=dict)

    def issue(self, arn: str, algorithm: str, spec: str, now: float) -> tuple[bytes, ImportToken]:
        """Give out a token with a new wrapping key. Those that have expired stay known, to be refused by that name."""
        token = secrets.token_bytes(_TOKEN_LENGTH)
        wrapping = rsa.generate_private_key(public_exponent=65537, key_size=int(spec.removeprefix("RSA_")))
        self.issued[token] = ImportToken(arn, algorithm, wrapping, now + _VALID_FOR)
        return token, self.issued[token]


def wrap(public: rsa.RSAPublicKey, algorithm: str, material: bytes) -> bytes:
    """Wrap as the owner of the material does. Raises ValueError when it is too long for the algorithm."""
    if not _by_aes(algorithm):
        return public.encrypt(material, _oaep(algorithm))
    key = secrets.token_bytes(_AES_KEY)
    return public.encrypt(key, _oaep(algorithm)) + aes_key_wrap_with_padding(key, material)


def unwrap(private: rsa.RSAPrivateKey, algorithm: str, wrapped: bytes) -> bytes | None:
    """The material; None when it was not wrapped under this key by this algorithm."""
    size = private.key_size // 8
    try:
        if not _by_aes(algorithm):
            return private.decrypt(wrapped, _oaep(algorithm))
        return aes_key_unwrap_with_padding(private.decrypt(wrapped[:size], _oaep(algorithm)), wrapped[size:])
    except (ValueError, InvalidUnwrap):
        return None


def _by_aes(algorithm: str) -> bool:
    return algorithm.startswith("RSA_AES_KEY_WRAP")


def _oaep(algorithm: str) -> padding.OAEP:
    make = _OAEP_HASHES[algorithm]
    return padding.OAEP(mgf=padding.MGF1(make()), algorithm=make(), label=None)
