"""Ciphertexts of symmetric keys: opaque to callers, and to us a header that names key and material, and AES-GCM.

    magic   format   length of the name, name   material   check   nonce   ciphertext and tag
    5       1        2, n                       32         4       12      …

The magic is the start of AWS's own ciphertexts (`AQICAH` in base64). The check is the start of the header's digest: a
header that was damaged names no key, and never another one. Header and encryption context are authenticated (EC-1).
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"\x01\x02\x02\x00x"
_FORMAT = 1
_PREFIX = struct.Struct("!5sBH")
_MATERIAL, _CHECK, _NONCE = 32, 4, 12

Context = Mapping[str, str]


@dataclass(frozen=True)
class Header:
    """What a ciphertext tells of its making: the name of the key's material, and which version of it (hexadecimal)."""

    name: str
    material: str

    def to_bytes(self) -> bytes:
        """The header as it stands in a ciphertext."""
        name = self.name.encode()
        stated = _PREFIX.pack(_MAGIC, _FORMAT, len(name)) + name + bytes.fromhex(self.material)
        return stated + _check(stated)


def read_header(blob: bytes) -> Header | None:
    """The header of a ciphertext; None when it is none of ours, or its header is damaged."""
    if len(blob) < _PREFIX.size:
        return None
    magic, version, length = _PREFIX.unpack_from(blob)
    end_of_name = _PREFIX.size + length
    end = end_of_name + _MATERIAL
    stated, check = blob[:end], blob[end : end + _CHECK]
    if (magic, version) != (_MAGIC, _FORMAT) or check != _check(stated):
        return None
    return Header(stated[_PREFIX.size : end_of_name].decode(), stated[end_of_name:].hex())


def seal(header: Header, secret: bytes, plaintext: bytes, context: Context) -> bytes:
    """Encrypt `plaintext` under `secret`, which `header` names, and bind the context to it."""
    shown, nonce = header.to_bytes(), secrets.token_bytes(_NONCE)
    return shown + nonce + AESGCM(secret).encrypt(nonce, plaintext, shown + canonical(context))


def unseal(blob: bytes, secret: bytes, context: Context) -> bytes | None:
    """What was encrypted; None for another secret, another context or a damaged ciphertext."""
    header = read_header(blob)
    if header is None:
        return None
    shown = header.to_bytes()
    nonce, sealed = blob[len(shown) :][:_NONCE], blob[len(shown) + _NONCE :]
    if len(nonce) < _NONCE:
        return None
    try:
        return AESGCM(secret).decrypt(nonce, sealed, shown + canonical(context))
    except InvalidTag:
        return None


def canonical(context: Context) -> bytes:
    """The context as bytes, alike for the same pairs in any order, and different for any others.

    Each text stands behind its length, so `{"a": "bc"}` is not `{"ab": "c"}`; nothing is folded or normalized (UN-23).
    """
    pairs = sorted((_bytes(name), _bytes(value)) for name, value in context.items())
    texts = (struct.pack("!I", len(text)) + text for pair in pairs for text in pair)
    return struct.pack("!I", len(pairs)) + b"".join(texts)


def _bytes(text: str) -> bytes:
    """JSON can hold half of a surrogate pair, which is no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _check(stated: bytes) -> bytes:
    return hashlib.sha256(stated).digest()[:_CHECK]
