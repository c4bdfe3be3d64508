"""The bytes that a scenario leaves out: ciphertexts, signatures and MACs, under the key that it names.

The sandbox and moto have different key material and ciphertexts, so each makes its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Key
from kmssim.sandbox import asymmetric
from kmssim.sandbox.asymmetric import UnsupportedError
from kmssim.sandbox.ciphertext import Context, Header, seal
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.key_use import SYMMETRIC, KeyUse, Message
from kmssim.sandbox.material import Materials, new_material
from kmssim.sandbox.wrapping import ImportTokens, wrap

UNREADABLE = b"\0" * 96
"""What is no ciphertext, signature or MAC of any key."""


class Bytes(Protocol):
    """Makes what one runtime takes for real. UNREADABLE where it cannot."""

    def encrypt(self, key: Key, plaintext: bytes, context: Context, algorithm: str) -> bytes:
        """A ciphertext."""

    def encrypt_under_gone(self, arn: str) -> bytes:
        """A ciphertext of a key that is not there."""

    def sign(self, key: Key, message: Message, algorithm: str) -> bytes:
        """A signature."""

    def mac(self, key: Key, message: bytes, algorithm: str) -> bytes:
        """An HMAC."""

    def peer_key(self, key: Key) -> bytes:
        """The public key of somebody with whom the key can agree on a secret."""

    def encapsulate(self, key: Key) -> bytes:
        """A shared secret, encapsulated under the key."""

    def now(self) -> float:
        """What time it is in the runtime."""

    def import_pair(self, key: Key) -> tuple[bytes, bytes]:
        """An import token, and key material that the key takes, wrapped under the key that belongs to the token."""


def _or_unreadable(make: Callable[[], object]) -> bytes:
    try:
        made = make()
    except (ClientError, UnsupportedError, AttributeError):
        return UNREADABLE
    return made if isinstance(made, bytes) else UNREADABLE


@dataclass(frozen=True)
class SandboxBytes:
    """With the sandbox's own key material, and import tokens that it gave out."""

    materials: Materials
    tokens: ImportTokens
    clock: Clock

    def encrypt(self, key: Key, plaintext: bytes, context: Context, algorithm: str) -> bytes:
        """A ciphertext in our format."""
        return _or_unreadable(lambda: KeyUse(key, self.materials).encrypt(plaintext, context, algorithm))

    def encrypt_under_gone(self, arn: str) -> bytes:
        """Under material that nobody keeps."""
        parsed = parse_arn(arn)
        if parsed is None:
            return UNREADABLE
        name = str(parsed._replace(region="")) if parsed.resource.startswith("key/mrk-") else arn
        material = hashlib.sha256(arn.encode()).hexdigest()
        return seal(Header(name, material), secrets.token_bytes(32), b"gone", {})

    def sign(self, key: Key, message: Message, algorithm: str) -> bytes:
        """A signature."""
        return _or_unreadable(lambda: KeyUse(key, self.materials).sign(message, algorithm))

    def mac(self, key: Key, message: bytes, algorithm: str) -> bytes:
        """An HMAC."""
        return KeyUse(key, self.materials).mac(message, algorithm)

    def peer_key(self, key: Key) -> bytes:
        """Of a new key pair on the same curve."""
        return _or_unreadable(lambda: asymmetric.public_bytes(asymmetric.make_private_key(key.spec)))

    def encapsulate(self, key: Key) -> bytes:
        """An encapsulation."""
        return _or_unreadable(lambda: asymmetric.encapsulate(self.materials.current(key).private)[1])

    def now(self) -> float:
        """By the runtime's clock."""
        return self.clock.now()

    def import_pair(self, key: Key) -> tuple[bytes, bytes]:
        """With the material that the key has; new material for a key that waits for some."""
        token, issued = self.tokens.issue(key.arn, "RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", self.clock.now())
        try:
            material = new_material(key) if key.state == "PendingImport" else self.materials.current(key)
        except UnsupportedError:
            return token, UNREADABLE
        content = material.secret or asymmetric.private_bytes(material.private)
        return token, wrap(issued.wrapping.public_key(), issued.algorithm, content)


@dataclass(frozen=True)
class MotoBytes:
    """With moto's key material; `kms(account, region)` is a client that is asked nothing."""

    kms: Callable[[str, str], Any]

    def encrypt(self, key: Key, plaintext: bytes, context: Context, algorithm: str) -> bytes:
        """A ciphertext in moto's format."""
        bound = {"EncryptionContext": dict(context)} if algorithm == SYMMETRIC else {"EncryptionAlgorithm": algorithm}
        return self._made(key, "encrypt", "CiphertextBlob", {"Plaintext": plaintext, **bound})

    def encrypt_under_gone(self, arn: str) -> bytes:  # noqa: ARG002 (as all of them)
        """Without a key moto makes no ciphertext."""
        return UNREADABLE

    def sign(self, key: Key, message: Message, algorithm: str) -> bytes:
        """A signature; of a digest it is one of the digest's digest."""
        stated = {"Message": message.content, "MessageType": message.type, "SigningAlgorithm": algorithm}
        return self._made(key, "sign", "Signature", stated)

    def mac(self, key: Key, message: bytes, algorithm: str) -> bytes:
        """An HMAC."""
        return self._made(key, "generate_mac", "Mac", {"Message": message, "MacAlgorithm": algorithm})

    def peer_key(self, key: Key) -> bytes:  # noqa: ARG002 (as all of them)
        """With moto one agrees on nothing."""
        return UNREADABLE

    def encapsulate(self, key: Key) -> bytes:  # noqa: ARG002 (as all of them)
        """None: moto encapsulates nothing."""
        return UNREADABLE

    def now(self) -> float:
        """By the machine's clock."""
        return time.time()

    def import_pair(self, key: Key) -> tuple[bytes, bytes]:  # noqa: ARG002 (as all of them)
        """Neither: moto imports nothing."""
        return UNREADABLE, UNREADABLE

    def _made(self, key: Key, operation: str, member: str, stated: Mapping[str, object]) -> bytes:
        client = self.kms(key.account, key.region)
        return _or_unreadable(lambda: bytes(getattr(client, operation)(KeyId=key.id, **stated)[member]))
