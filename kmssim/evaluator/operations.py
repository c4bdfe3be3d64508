"""Look-ups in the table of KMS operations, and which keys, usages and algorithms go together (OP-57, GR-5, EM-29)."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.errors import InputError
from kmssim.evaluator.operations_table import ROWS, CrossAccount, KeyKind, On, Operation, Permission

__all__ = [
    "ACTIONS",
    "ALGORITHMS",
    "GRANT_OPERATIONS",
    "KEY_SPECS",
    "OPERATIONS",
    "CrossAccount",
    "KeyKind",
    "On",
    "Operation",
    "Permission",
    "algorithms",
    "key_kind",
    "operation",
]

OPERATIONS: Mapping[str, Operation] = {row.name: row for row in ROWS}
"""Every KMS operation by its name, without the service: `Decrypt`."""

ACTIONS: frozenset[str] = frozenset(need.action for row in ROWS for need in row.permissions) | {
    "kms:SynchronizeMultiRegionKey"  # a permission without an operation (PG-14)
}
"""Every action that a policy can allow, as AWS spells it. `kms:ReEncrypt` is none (PG-11)."""

GRANT_OPERATIONS: Mapping[KeyKind, frozenset[str]] = {
    kind: frozenset(
        grantable for row in ROWS if not row.key_kinds or kind in row.key_kinds for grantable in row.grantable
    )
    for kind in KeyKind
}
"""What a grant on a key of each kind may list (GR-5)."""


def operation(name: str) -> Operation | None:
    """The row of an operation; None when KMS has none of that name."""
    return OPERATIONS.get(name)


_RSA = ("RSA_2048", "RSA_3072", "RSA_4096")
_NIST_CURVES = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")
_ML_DSA = ("ML_DSA_44", "ML_DSA_65", "ML_DSA_87")

KEY_SPECS: Mapping[str, tuple[str, ...]] = {
    "ENCRYPT_DECRYPT": ("SYMMETRIC_DEFAULT", *_RSA, "SM2"),
    "SIGN_VERIFY": (*_RSA, *_NIST_CURVES, "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", *_ML_DSA, "SM2"),
    "KEY_AGREEMENT": (*_NIST_CURVES, "SM2"),
    "GENERATE_VERIFY_MAC": ("HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"),
    "ENCAPSULATE_DECAPSULATE": ("ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"),
}
"""The key specs of each key usage (OP-57). SM2 exists in China Regions only, ML-KEM everywhere else."""


def key_kind(spec: str, usage: str) -> KeyKind:
    """The kind of a key of this spec and usage (GR-5).

    Raises InputError when AWS makes no such key.
    """
    if spec not in KEY_SPECS.get(usage, ()):
        fitting = [known for known, specs in KEY_SPECS.items() if spec in specs]
        hint = f"`{spec}` goes with {' or '.join(fitting)}" if fitting else f"there is no key spec `{spec}`"
        raise InputError(f"key usage `{usage}` is not compatible with key spec `{spec}`", hint=hint)
    if spec == "SYMMETRIC_DEFAULT":
        return KeyKind.SYMMETRIC
    return next(kind for kind in KeyKind if kind.usage == usage and kind is not KeyKind.SYMMETRIC)


_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = tuple(f"RSASSA_{scheme}_SHA_{size}" for scheme in ("PSS", "PKCS1_V1_5") for size in (256, 384, 512))

ALGORITHMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ENCRYPT_DECRYPT": {
        "SYMMETRIC_DEFAULT": ("SYMMETRIC_DEFAULT",),
        **dict.fromkeys(_RSA, _RSA_ENCRYPTION),
        "SM2": ("SM2PKE",),
    },
    "SIGN_VERIFY": {
        **dict.fromkeys(_RSA, _RSA_SIGNING),
        "ECC_NIST_P256": ("ECDSA_SHA_256",),
        "ECC_NIST_P384": ("ECDSA_SHA_384",),
        "ECC_NIST_P521": ("ECDSA_SHA_512",),
        "ECC_SECG_P256K1": ("ECDSA_SHA_256",),
        "ECC_NIST_EDWARDS25519": ("ED25519_SHA_512", "ED25519_PH_SHA_512"),
        **dict.fromkeys(_ML_DSA, ("ML_DSA_SHAKE_256",)),
        "SM2": ("SM2DSA",),
    },
    "KEY_AGREEMENT": dict.fromkeys(KEY_SPECS["KEY_AGREEMENT"], ("ECDH",)),
    "GENERATE_VERIFY_MAC": {f"HMAC_{size}": (f"HMAC_SHA_{size}",) for size in (224, 256, 384, 512)},
    "ENCAPSULATE_DECAPSULATE": dict.fromkeys(KEY_SPECS["ENCAPSULATE_DECAPSULATE"], ("ML_KEM",)),
}
"""The algorithms of each key usage and spec; another one "is incompatible with key spec" (EM-29).

The service model says them for RSA encryption, Ed25519, ECDH and ML-KEM, recorded answers of AWS for the curves and
HMAC; for RSA signing, ML-DSA and SM2 the names leave no choice.
"""


def algorithms(spec: str, usage: str) -> tuple[str, ...]:
    """What a key of this spec and usage can be asked to use; empty when AWS makes no such key."""
    return ALGORITHMS.get(usage, {}).get(spec, ())
