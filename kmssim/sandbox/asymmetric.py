"""What KMS's asymmetric keys do, by pyca/cryptography: made, shown, signing, encrypting, agreeing, encapsulating.

Of AWS's key specs pyca lacks SM2 and ML-KEM-512, older releases of it ML-DSA and ML-KEM altogether: asked for one of
these, each function here raises UnsupportedError.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from kmssim.errors import KmssimError

PrivateKey = Any
"""One of pyca's private keys. Their common ground is `public_key` and `private_bytes`; the spec says the rest."""

_EXPONENT = 65537
_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
_HASHES: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "SHA_1": hashes.SHA1,
    "SHA_256": hashes.SHA256,
    "SHA_384": hashes.SHA384,
    "SHA_512": hashes.SHA512,
}
_MU_LENGTH = 64
_ONE_TYPE = {"ED25519_SHA_512": ("RAW",), "ED25519_PH_SHA_512": ("DIGEST",)}


class UnsupportedError(KmssimError):
    """The installed pyca/cryptography has no such algorithm."""


def make_private_key(spec: str) -> PrivateKey:
    """A new private key. Raises UnsupportedError when pyca has none of this spec."""
    if spec.startswith("RSA_"):
        return rsa.generate_private_key(public_exponent=_EXPONENT, key_size=int(spec.removeprefix("RSA_")))
    if spec in _CURVES:
        return ec.generate_private_key(_CURVES[spec]())
    if spec == "ECC_NIST_EDWARDS25519":
        return ed25519.Ed25519PrivateKey.generate()
    return _make_post_quantum(spec)


def _make_post_quantum(spec: str) -> PrivateKey:
    """ML_DSA_44 is `mldsa.MLDSA44PrivateKey`, ML_KEM_768 `mlkem.MLKEM768PrivateKey`; pyca has them by and by."""
    family, _, size = spec.rpartition("_")
    name = family.replace("_", "")
    try:
        module = importlib.import_module(f"cryptography.hazmat.primitives.asymmetric.{name.lower()}")
        return getattr(module, f"{name}{size}PrivateKey").generate()
    except (ImportError, AttributeError, UnsupportedAlgorithm) as error:
        raise UnsupportedError(f"the installed pyca/cryptography has no {spec}") from error


def fits_spec(key: PrivateKey, spec: str) -> bool:
    """Whether a private key that somebody brings is one of this spec."""
    if spec.startswith("RSA_"):
        return isinstance(key, rsa.RSAPrivateKey) and key.key_size == int(spec.removeprefix("RSA_"))
    if spec in _CURVES:
        return isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == _CURVES[spec]().name
    if spec == "ECC_NIST_EDWARDS25519":
        return isinstance(key, ed25519.Ed25519PrivateKey)
    return type(key).__name__.startswith(spec.replace("_", ""))  # pyca's MLDSA44PrivateKey for ML_DSA_44


def private_bytes(key: PrivateKey) -> bytes:
    """PKCS #8 in DER, as GenerateDataKeyPair gives it."""
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def public_bytes(key: PrivateKey) -> bytes:
    """The public key's SubjectPublicKeyInfo in DER, as GetPublicKey gives it."""
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def digest_length(algorithm: str, message_type: str) -> int | None:
    """How many bytes a message of this type must have; None: any number."""
    if message_type == "EXTERNAL_MU":
        return _MU_LENGTH
    return _hash_of(algorithm).digest_size if message_type == "DIGEST" else None


def _hash_of(algorithm: str) -> hashes.HashAlgorithm:
    """The hash that an algorithm ends in."""
    return next((make() for suffix, make in _HASHES.items() if algorithm.endswith(suffix)), hashes.SHA256())


def message_types(algorithm: str) -> tuple[str, ...]:
    """Which types of message an algorithm takes."""
    if algorithm.startswith("ML_DSA"):
        return "RAW", "EXTERNAL_MU"
    return _ONE_TYPE.get(algorithm, ("RAW", "DIGEST"))


def sign(key: PrivateKey, algorithm: str, message: bytes, message_type: str) -> bytes:
    """Sign a message of a type and length that the algorithm takes. Raises UnsupportedError for Ed25519ph."""
    scheme = _scheme(algorithm, message_type)
    if message_type == "EXTERNAL_MU":
        return bytes(key.sign_mu(message))
    return bytes(key.sign(message, *scheme))


def verifies(key: PrivateKey, algorithm: str, message: bytes, message_type: str, signature: bytes) -> bool:
    """Whether it is the key's signature of the message. Raises as `sign` does."""
    scheme = _scheme(algorithm, message_type)
    public = key.public_key()
    verify = public.verify_mu if message_type == "EXTERNAL_MU" else public.verify
    try:
        verify(signature, message, *scheme)
    except InvalidSignature:
        return False
    return True


def _scheme(algorithm: str, message_type: str) -> tuple[Any, ...]:
    """What pyca's `sign` and `verify` take after the message."""
    if algorithm == "ED25519_PH_SHA_512":
        raise UnsupportedError("pyca/cryptography has no Ed25519ph")
    if algorithm.startswith(("ML_DSA", "ED25519")):
        return ()
    plain = _hash_of(algorithm)
    hashed = Prehashed(plain) if message_type == "DIGEST" else plain
    if algorithm.startswith("ECDSA"):
        return (ec.ECDSA(hashed),)
    if algorithm.startswith("RSASSA_PSS"):
        return padding.PSS(padding.MGF1(plain), salt_length=plain.digest_size), hashed
    return padding.PKCS1v15(), hashed


def _oaep(algorithm: str) -> padding.OAEP:
    make = functools.partial(_hash_of, algorithm)
    return padding.OAEP(mgf=padding.MGF1(make()), algorithm=make(), label=None)


def longest_plaintext(key: PrivateKey, algorithm: str) -> int:
    """How many bytes RSA-OAEP can encrypt: two hashes and two bytes less than the modulus."""
    return int(key.key_size) // 8 - 2 * _hash_of(algorithm).digest_size - 2


def encrypt(key: PrivateKey, algorithm: str, plaintext: bytes) -> bytes:
    """Encrypt under the public key."""
    return bytes(key.public_key().encrypt(plaintext, _oaep(algorithm)))


def decrypt(key: PrivateKey, algorithm: str, ciphertext: bytes) -> bytes | None:
    """What was encrypted; None when it was not encrypted under this key and algorithm."""
    try:
        return bytes(key.decrypt(ciphertext, _oaep(algorithm)))
    except ValueError:
        return None


def agree(key: PrivateKey, peer: bytes) -> bytes | None:
    """The secret shared with the owner of a public key (DER); None when that is no key on the same curve."""
    own = cast("ec.EllipticCurvePrivateKey", key)
    try:
        public = load_der_public_key(peer)
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != own.curve.name:
            return None
        return own.exchange(ec.ECDH(), public)
    except (ValueError, UnsupportedAlgorithm):
        return None


def encapsulate(key: PrivateKey) -> tuple[bytes, bytes]:
    """A new shared secret, and its encapsulation under the public key."""
    secret, ciphertext = key.public_key().encapsulate()
    return bytes(secret), bytes(ciphertext)


def decapsulate(key: PrivateKey, ciphertext: bytes) -> bytes | None:
    """The shared secret in an encapsulation; None when its length is that of no encapsulation."""
    try:
        return bytes(key.decapsulate(ciphertext))
    except ValueError:
        return None
