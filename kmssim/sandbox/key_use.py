"""What a key does with bytes: encrypt, decrypt, sign, verify, authenticate; and how that fails in AWS's words.

The decision has settled by now that operation, algorithm and key go together. Where pyca lacks the algorithm, each
function raises UnsupportedError.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kmssim.evaluator.world import Key
from kmssim.sandbox import asymmetric
from kmssim.sandbox.answers import Refusal
from kmssim.sandbox.ciphertext import Context, Header, read_header, seal, unseal
from kmssim.sandbox.material import Materials, material_name

SYMMETRIC = "SYMMETRIC_DEFAULT"

INVALID_CIPHERTEXT = Refusal("InvalidCiphertextException", "")  # AWS says no more (EM-27)
INVALID_SIGNATURE = Refusal("KMSInvalidSignatureException", "")
INVALID_MAC = Refusal("KMSInvalidMacException", "")


@dataclass(frozen=True)
class Message:
    """What is signed. `type` is `RAW`, `DIGEST` or `EXTERNAL_MU`."""

    content: bytes
    type: str = "RAW"


@dataclass(frozen=True)
class Opened:
    """A decrypted ciphertext, and of a symmetric key the id of the material that made it."""

    plaintext: bytes
    material: str | None = None


@dataclass(frozen=True)
class KeyUse:
    """One key with its material."""

    key: Key
    materials: Materials

    def encrypt(self, plaintext: bytes, context: Context, algorithm: str = SYMMETRIC) -> bytes | Refusal:
        """A ciphertext; of an asymmetric key one that names no key, and a Refusal where the plaintext is too long."""
        current = self.materials.current(self.key)
        if algorithm == SYMMETRIC:
            return seal(Header(material_name(self.key), current.id), current.secret, plaintext, context)
        longest = asymmetric.longest_plaintext(current.private, algorithm)
        if len(plaintext) > longest:
            which = f"Algorithm {algorithm} and key spec {self.key.spec}"
            return Refusal("ValidationException", f"{which} cannot encrypt data larger than {longest} bytes.")  # EM-35
        return asymmetric.encrypt(current.private, algorithm, plaintext)

    def decrypt(self, blob: bytes, context: Context, algorithm: str = SYMMETRIC) -> Opened | Refusal:
        """What a ciphertext holds (EC-1, EC-2)."""
        if algorithm != SYMMETRIC:
            plaintext = asymmetric.decrypt(self.materials.current(self.key).private, algorithm, blob)
            return INVALID_CIPHERTEXT if plaintext is None else Opened(plaintext)
        header = read_header(blob)
        if header is None or header.name != material_name(self.key):
            return INVALID_CIPHERTEXT
        made_under = self.materials.version(self.key, header.material)
        plaintext = unseal(blob, made_under.secret, context) if made_under else None
        return INVALID_CIPHERTEXT if plaintext is None else Opened(plaintext, header.material)

    def sign(self, message: Message, algorithm: str) -> bytes | Refusal:
        """A signature."""
        private = self.materials.current(self.key).private
        refused = _misfit(message, algorithm)
        return refused or asymmetric.sign(private, algorithm, message.content, message.type)

    def verify(self, message: Message, algorithm: str, signature: bytes) -> Refusal | None:
        """None: it is the key's signature. AWS never answers that a signature is not valid, it fails."""
        private = self.materials.current(self.key).private
        refused = _misfit(message, algorithm)
        if refused or asymmetric.verifies(private, algorithm, message.content, message.type, signature):
            return refused
        return INVALID_SIGNATURE

    def mac(self, message: bytes, algorithm: str) -> bytes:
        """An HMAC; `algorithm` is e.g. `HMAC_SHA_256`."""
        secret = self.materials.current(self.key).secret
        return hmac.digest(secret, message, algorithm.removeprefix("HMAC_").replace("_", "").lower())

    def verify_mac(self, message: bytes, algorithm: str, claimed: bytes) -> Refusal | None:
        """None: it is the key's HMAC of the message, whole."""
        return None if hmac.compare_digest(self.mac(message, algorithm), claimed) else INVALID_MAC

    @property
    def public_key(self) -> bytes:
        """The public key in DER."""
        return asymmetric.public_bytes(self.materials.current(self.key).private)


def _misfit(message: Message, algorithm: str) -> Refusal | None:
    """A message whose type or length does not go with the algorithm."""
    if message.type not in asymmetric.message_types(algorithm):
        text = f"MessageType {message.type} is not valid for algorithm {algorithm}."
        return Refusal("ValidationException", text)
    length = asymmetric.digest_length(algorithm, message.type)
    if length is not None and len(message.content) != length:
        return Refusal("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")  # EM-35
    return None
