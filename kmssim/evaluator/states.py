"""Key states: which operation works in which state, and how it fails in the others (ST-1 to ST-6).

The table is AWS's own, cell by cell. A number is one of AWS's outcomes; with a question mark it comes about only for
some keys; of several, the first that comes about is the answer. Key state is no input to authorization (ST-5): ask here
afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmssim.evaluator.operations import On

_COLUMNS = ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Unavailable", "Creating", "Updating")

KEY_STATES: tuple[str, ...] = (*_COLUMNS, "PendingReplicaDeletion")
"""Every key state that AWS knows; `PendingReplicaDeletion` is treated like `PendingDeletion`."""

# `ok` works; `-` cannot come up, since no key that the operation takes has that state; `2/3`: AWS lists both (ST-3).
_TABLE = (
    ("Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext", "ok 1 2/3 5 11 14 ok"),
    # 7? when enabled: a custom key store makes no key pairs, whatever the state (OP-60).
    ("GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext", "7? 1 2/3 5 7 14 ok"),
    ("Sign Verify GenerateMac VerifyMac DeriveSharedSecret", "ok 1 2/3 5 - 14 ok"),
    ("Encapsulate Decapsulate", "ok 1 2/3 - - 14 ok"),
    ("GetPublicKey", "ok ok 2/3 ok - 14 ok"),
    ("CreateGrant", "ok 1 2/3 5 ok 14 ok"),
    ("RetireGrant RevokeGrant ListGrants DescribeKey GetKeyLastUsage GetKeyPolicy", "ok ok ok ok ok ok ok"),
    ("PutKeyPolicy ListKeyPolicies ListResourceTags ListAliases DeleteAlias", "ok ok ok ok ok ok ok"),
    ("CreateAlias TagResource UntagResource UpdateKeyDescription", "ok ok 3 ok ok ok ok"),
    ("UpdateAlias", "ok ok 10? ok ok ok ok"),
    ("EnableKey DisableKey", "ok ok 3 5 ok 14 15"),
    ("EnableKeyRotation DisableKeyRotation", "7? 7?|1 7?|3 6 7 14 7?"),
    # 16 is not AWS's number: imported material can rotate on demand, but only to material that waits for it (EM-38).
    ("RotateKeyOnDemand", "7?|16? 7?|1 7?|3 5 7 14 7?|16?"),
    ("GetKeyRotationStatus", "7? 7? 7? 6 7 7? 7?"),
    ("ListKeyRotations", "7? 7? 7? ok 7 7? 7?"),
    ("GetParametersForImport", "9? 9? 9?|8 ok 9 14 15"),
    # Where AWS's table says 9 (pending deletion) or works (updating) it has keys in mind that the other operations on
    # imported material treat as 8 or 9, and as ?9.
    ("ImportKeyMaterial", "9? 9? 9?|8 ok 9 14 9?"),
    # 9 when unavailable: a custom key store holds no imported material (OP-11, OP-60).
    ("DeleteImportedKeyMaterial", "9? 9? 9? ok 9 14 15"),
    ("ScheduleKeyDeletion", "ok ok 3 ok ok ok 15"),
    ("CancelKeyDeletion", "4 4 ok 4 4 4 4"),
    ("ReplicateKey", "ok 1 2/3 5 - 14 15"),
    ("UpdatePrimaryRegion", "ok 1 2/3 5 - 14 ok"),
)
_WORKS = {"ok", "-"}
_CELLS: Mapping[tuple[str, str], str] = {
    (name, state): cell
    for names, cells in _TABLE
    for name in names.split()
    for state, cell in zip(_COLUMNS, cells.split(), strict=True)
}

STATEFUL: frozenset[str] = frozenset(name for name, _ in _CELLS)
"""The operations that work on an existing key, which has a state."""

# AWS's table has no row for them; theirs are those of Sign (ST-2).
_ASSUMED = {"Encapsulate", "Decapsulate"}

_INVALID_STATE = "KMSInvalidStateException"
_DISABLED = "DisabledException"
_UNSUPPORTED = "UnsupportedOperationException"


@dataclass(frozen=True)
class StateOutcome:
    """How a call fails because of its key. `text` has `{arn}` where the key ARN stands; AWS sends some without text.

    `question` is the open question (UN-…) on which this rests, `other` the outcome by its other reading; None: it
    works. `beneath`: the same outcome as far as it rests on a second question.
    """

    code: str
    text: str
    rule: str = "ST-1"
    question: str | None = None
    other: StateOutcome | None = None
    beneath: StateOutcome | None = None

    def message(self, arn: str) -> str:
        """Say the sentence that the caller sees."""
        return self.text.replace("{arn}", arn)


@dataclass(frozen=True)
class _Asked:
    """One operation on one key, as far as the question marks of the table look at it."""

    operation: str
    state: str
    spec: str
    origin: str
    pending_material: bool
    on: On


def state_failure(
    operation: str,
    state: str,
    *,
    spec: str = "SYMMETRIC_DEFAULT",
    origin: str = "AWS_KMS",
    pending_material: bool = False,
    on: On = On.KEY,
) -> StateOutcome | None:
    """How `operation` fails on a key in `state`; None when the state does not stand in its way, or it takes no key.

    `pending_material`: imported key material waits for on-demand rotation. `on`: as which of the operation's resources
    the key takes part; UpdateAlias minds the state of the new key only. `state` is one of KEY_STATES, else KeyError.
    """
    if operation not in STATEFUL:
        return None
    asked = _Asked(operation, state, spec, origin, pending_material, on)
    cell = _CELLS[operation, "PendingDeletion" if state == "PendingReplicaDeletion" else state]
    if cell in _WORKS:
        return None
    failure = next(
        (_outcome(entry.rstrip("?"), asked) for entry in cell.split("|") if _comes_about(entry, asked)), None
    )
    if failure is not None and operation in _ASSUMED:
        beneath = failure if failure.question else None
        return StateOutcome(failure.code, failure.text, rule="ST-2", question="UN-17", beneath=beneath)
    return failure


def _comes_about(entry: str, asked: _Asked) -> bool:
    """Whether an entry of a cell holds for this key; without a question mark it always does."""
    match entry:
        case "7?":
            return _cannot_rotate(asked)
        case "9?":
            return asked.origin != "EXTERNAL"
        case "10?":
            return asked.on is On.KEY
        case "16?":
            return asked.origin == "EXTERNAL" and not asked.pending_material
    return True


def _cannot_rotate(asked: _Asked) -> bool:
    """Whether the key cannot rotate, or for data key pairs: cannot make any."""
    in_custom_store = asked.origin in {"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}
    if asked.operation.startswith("GenerateDataKeyPair"):
        return in_custom_store
    if asked.spec != "SYMMETRIC_DEFAULT" or in_custom_store:
        return True
    # Imported material rotates on demand, and shows its rotations; automatically it does not (ST-6).
    return asked.origin == "EXTERNAL" and asked.operation not in {"RotateKeyOnDemand", "ListKeyRotations"}


_FIXED: Mapping[str, StateOutcome] = {
    "1": StateOutcome(_DISABLED, "{arn} is disabled."),
    "4": StateOutcome(_INVALID_STATE, "{arn} is not pending deletion (or pending replica deletion)."),
    "5": StateOutcome(_INVALID_STATE, "{arn} is pending import."),
    "6": StateOutcome(_UNSUPPORTED, "{arn} origin is EXTERNAL which is not valid for this operation."),
    "11": StateOutcome(_INVALID_STATE, "{arn} is unavailable."),
    "14": StateOutcome(_INVALID_STATE, "{arn} is creating."),
    "15": StateOutcome(_INVALID_STATE, "{arn} is updating."),
    "16": StateOutcome(_INVALID_STATE, "No available key material pending rotation for the key: {arn}.", rule="EM-38"),
}


def _outcome(number: str, asked: _Asked) -> StateOutcome:
    """AWS's outcomes by their numbers."""
    match number:
        case "2/3":
            disabled = StateOutcome(_DISABLED, _pending_deletion(asked))
            return StateOutcome(_INVALID_STATE, _pending_deletion(asked), "ST-3", question="UN-22", other=disabled)
        case "3" | "8" | "10":
            return StateOutcome(_INVALID_STATE, _pending_deletion(asked))
        case "7" | "9":
            return StateOutcome(_UNSUPPORTED, _wrong_key(asked))
    return _FIXED[number]


def _pending_deletion(asked: _Asked) -> str:
    replica = "replica " if asked.state == "PendingReplicaDeletion" else ""
    return f"{{arn}} is pending {replica}deletion."


def _wrong_key(asked: _Asked) -> str:
    """Say which origin is in the way; of a key that cannot rotate for its spec AWS says nothing at all (EM-33)."""
    if "Rotat" in asked.operation and asked.spec != "SYMMETRIC_DEFAULT":
        return ""
    return f"{{arn}} origin is {asked.origin} which is not valid for this operation."
