"""Key material: ours, since moto's cannot be rotated, imported, shared between Regions or used as AWS uses it.

A key's material is made when it is first asked for, so a key that nobody uses costs nothing. Related multi-Region keys
share theirs (PG-28). Symmetric keys can have several versions: new ciphertexts are made under the current one, and each
ciphertext names its own, so older ones stay readable.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Key
from kmssim.sandbox.asymmetric import PrivateKey, make_private_key, private_bytes

_LENGTHS: Mapping[str, int] = {
    "SYMMETRIC_DEFAULT": 32,
    "HMAC_224": 28,
    "HMAC_256": 32,
    "HMAC_384": 48,
    "HMAC_512": 64,
}
"""The bytes of a secret that has no public half."""


@dataclass(frozen=True, eq=False, repr=False)
class Material:
    """One version. `secret` is that of a symmetric or HMAC key, `private` the key pair of the others.

    `id` is what AWS calls the key material id: 64 hexadecimal digits, the same ones for the same bytes in the same key.
    """

    id: str
    secret: bytes = b""
    private: PrivateKey = None


def material_name(key: Key) -> str:
    """What related multi-Region keys have in common, and no two other keys: the key ARN, theirs without Region."""
    arn = parse_arn(key.arn)
    assert arn is not None  # noqa: S101 - a key's own ARN is one
    return str(arn._replace(region="")) if key.id.startswith("mrk-") else key.arn


def named_key_arn(name: str, region: str) -> str:
    """The ARN of the key with this material that stands in a Region; `material_name` of it is `name`."""
    arn = parse_arn(name)
    return str(arn._replace(region=region)) if arn is not None and not arn.region else name


@dataclass
class _Held:
    """The versions of one key in the order in which they came, and which is current."""

    versions: dict[str, Material] = field(default_factory=dict)
    current: str = ""


class Materials:
    """The key material of one runtime."""

    def __init__(self) -> None:
        """Nothing is made before it is asked for."""
        self._held: dict[str, _Held] = {}
        self._lock = threading.RLock()

    def current(self, key: Key) -> Material:
        """The version that encrypts, signs and is shown. Raises UnsupportedError when pyca has no key of this spec."""
        with self._lock:
            held = self._of(key)
            if not held.current:
                made = new_material(key)
                held.versions[made.id], held.current = made, made.id
            return held.versions[held.current]

    def version(self, key: Key, material_id: str) -> Material | None:
        """The version that a ciphertext names; None when the key has no such version, or has it no longer."""
        with self._lock:
            return self._of(key).versions.get(material_id)

    def versions(self, key: Key) -> tuple[Material, ...]:
        """All versions that there are, the oldest first; none for a key that was never used."""
        with self._lock:
            return tuple(self._of(key).versions.values())

    def rotate(self, key: Key) -> Material:
        """Make new material and let it be the current; what there was stays, for the ciphertexts made under it."""
        with self._lock:
            self.current(key)
            return self.add(key, new_material(key))

    def add(self, key: Key, material: Material, *, current: bool = True) -> Material:
        """Take material, e.g. imported; `current` says whether it is used from now on."""
        with self._lock:
            held = self._of(key)
            held.versions[material.id] = material
            if current:
                held.current = material.id
            return material

    def use(self, key: Key, material_id: str) -> None:
        """Let a version that the key has be the current one. Raises KeyError when it has none of this id."""
        with self._lock:
            held = self._of(key)
            held.current = held.versions[material_id].id

    def remove(self, key: Key, material_id: str | None = None) -> None:
        """Forget one version, None: the current one. What was made under it is unreadable until it comes back."""
        with self._lock:
            held = self._of(key)
            gone = material_id or held.current
            held.versions.pop(gone, None)
            if held.current == gone:
                held.current = ""

    def _of(self, key: Key) -> _Held:
        return self._held.setdefault(material_name(key), _Held())


def secret_material(key: Key, secret: bytes) -> Material:
    """Material of a symmetric or HMAC key out of the bytes that somebody brings."""
    return Material(_material_id(key, secret), secret=secret)


def private_material(key: Key, private: PrivateKey) -> Material:
    """Material of a key pair that somebody brings."""
    return Material(_material_id(key, private_bytes(private)), private=private)


def secret_length(spec: str) -> int | None:
    """How many bytes the secret of a symmetric or HMAC key has; None for a key pair."""
    return _LENGTHS.get(spec)


def new_material(key: Key) -> Material:
    """Material as KMS makes it, which nobody has yet. Raises UnsupportedError when pyca has no key of this spec."""
    length = secret_length(key.spec)
    if length is None:
        return private_material(key, make_private_key(key.spec))
    return secret_material(key, secrets.token_bytes(length))


def _material_id(key: Key, content: bytes) -> str:
    return hashlib.sha256(b"\0".join((b"kmssim key material", material_name(key).encode(), content))).hexdigest()
