"""How an authorized call ends: the error that it still meets, or none (rule book 8.3, 13.2, 14).

AWS's order as far as it is known (section 14): key state, key usage and algorithm, what is particular to the
operation, the ciphertext, and last `DryRun`. Each check is a function (call at hand) → failure or None; `_CHECKS` is
the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure
from kmssim.evaluator.operations import KEY_SPECS, OPERATIONS, algorithms
from kmssim.evaluator.outcome_admin import check_alias, check_grant, check_multi_region, check_new_policy
from kmssim.evaluator.states import state_failure

Check = Callable[[Authorized], Failure | None]


def find_failure(at_hand: Authorized) -> Failure | None:
    """The first error that the call meets after authorization; None when it succeeds."""
    state, usage = check_state(at_hand), check_usage(at_hand)
    if state and usage and at_hand.questions.other_reading("UN-11"):
        state = None  # CH-8: by the other reading the usage is looked at first
    if state or usage:
        return state or usage
    return next((failure for check in _CHECKS if (failure := check(at_hand))), None)


def check_state(at_hand: Authorized) -> Failure | None:
    """The key-state table (ST-1), for each key that takes part: source before destination (CH-9)."""
    for leg in at_hand.key_legs:
        key = leg.key
        assert key is not None  # noqa: S101 - key_legs have keys
        found = state_failure(at_hand.call.name, key.state, spec=key.spec, origin=key.origin, on=leg.on)
        if found is None:
            continue
        if found.question and at_hand.questions.other_reading(found.question):
            if found.other is None:
                continue
            found = found.other
        return Failure(found.code, found.message(key.arn), found.rule)
    return None


def check_usage(at_hand: Authorized) -> Failure | None:
    """Key usage, then algorithm against key spec (CH-6, EM-28, EM-29)."""
    return _wrong_source_key(at_hand) or next(_usage_failures(at_hand), None)


def _wrong_source_key(at_hand: Authorized) -> Failure | None:
    """A key that the call names although another one made the ciphertext."""
    call = at_hand.call
    if call.name not in {"Decrypt", "ReEncrypt"} or call.ciphertext is None or not at_hand.key_legs:
        return None
    source = at_hand.key_legs[0].key
    made_by = at_hand.world.keys_by_arn.get(call.ciphertext.key)
    same = source is not None and (
        source.arn == call.ciphertext.key or (made_by is not None and _related(source.id, made_by.id))
    )
    if same:
        return None
    message = "The key ID in the request does not identify a CMK that can perform this operation."
    return Failure("IncorrectKeyException", message, "EM-28")


def _related(one: str, other: str) -> bool:
    """Related multi-Region keys decrypt each other's ciphertexts (PG-28)."""
    return one.startswith("mrk-") and one == other


_ALGORITHM_PARAMETERS = {
    "kms:Encrypt": "EncryptionAlgorithm",
    "kms:Decrypt": "EncryptionAlgorithm",
    "kms:ReEncryptFrom": "SourceEncryptionAlgorithm",
    "kms:ReEncryptTo": "DestinationEncryptionAlgorithm",
    "kms:Sign": "SigningAlgorithm",
    "kms:Verify": "SigningAlgorithm",
    "kms:GenerateMac": "MacAlgorithm",
    "kms:VerifyMac": "MacAlgorithm",
    "kms:DeriveSharedSecret": "KeyAgreementAlgorithm",
}


def _usage_failures(at_hand: Authorized) -> Iterator[Failure]:
    operation = OPERATIONS[at_hand.call.name]
    for leg in at_hand.key_legs:
        key = leg.key
        assert key is not None  # noqa: S101 - key_legs have keys
        if operation.usages and key.usage not in operation.usages:
            text = f"{key.arn} key usage is {key.usage} which is not valid for {operation.name}."
            yield Failure("InvalidKeyUsageException", text, "EM-29")
        given = at_hand.call.parameters.get(_ALGORITHM_PARAMETERS.get(leg.action, ""))
        if given is None and leg.action in {"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}:
            given = "SYMMETRIC_DEFAULT"
        if given is not None and given not in algorithms(key.spec, key.usage):
            text = f"Algorithm {given} is incompatible with key spec {key.spec}."
            yield Failure("InvalidKeyUsageException", text, "EM-29")


def check_key_kind(at_hand: Authorized) -> Failure | None:
    """Operations that a kind of key does not know at all, whatever its usage says."""
    if at_hand.call.name != "GetPublicKey":
        return None
    key = at_hand.key_legs[0].key
    if key is None or (not key.symmetric_encryption and not key.spec.startswith("HMAC_")):
        return None
    return Failure("UnsupportedOperationException", f"{key.arn} is not an asymmetric key.", "OP-32")


def check_ciphertext(at_hand: Authorized) -> Failure | None:
    """The claimed encryption context against the one that is bound into the ciphertext (EC-1, EC-2, EC-9)."""
    call = at_hand.call
    if call.name not in {"Decrypt", "ReEncrypt"} or call.ciphertext is None:
        return None
    bound, leg = call.ciphertext.encryption_context, at_hand.key_legs[0]
    if bound is None or leg.key is None or not leg.key.symmetric_encryption:
        return None
    if dict(bound) == dict(leg.encryption_context or {}):
        return None
    return Failure("InvalidCiphertextException", "", "EC-2")


def check_dry_run(at_hand: Authorized) -> Failure | None:
    """A DryRun that would have succeeded (OP-59, CH-5)."""
    if not OPERATIONS[at_hand.call.name].dry_run or at_hand.call.parameters.get("DryRun") is not True:
        return None
    message = "The request would have succeeded, but the DryRun option is set."
    return Failure("DryRunOperationException", message, "EM-24")


def check_new_key(at_hand: Authorized) -> Failure | None:
    """What CreateKey checks of spec and usage (OP-57, EM-35)."""
    parameters = at_hand.call.parameters
    if at_hand.call.name != "CreateKey":
        return None
    spec = str(parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT")
    usage = parameters.get("KeyUsage")
    if usage is None and spec != "SYMMETRIC_DEFAULT":
        message = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        return Failure("ValidationException", message, "EM-35")
    if usage is not None and spec not in KEY_SPECS.get(str(usage), ()):
        return Failure("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {spec}", "EM-35")
    return None


_RANGES: Mapping[str, tuple[str, int, int, str]] = {
    "ScheduleKeyDeletion": ("PendingWindowInDays", 7, 30, "ST-4"),
    "EnableKeyRotation": ("RotationPeriodInDays", 90, 2560, "CK-32"),
}


def check_ranges(at_hand: Authorized) -> Failure | None:
    """Numbers that the service model bounds (EM-34)."""
    parameter, least, most, rule = _RANGES.get(at_hand.call.name, ("", 0, 0, ""))
    given = at_hand.call.parameters.get(parameter)
    if not isinstance(given, int) or least <= given <= most:
        return None
    relation, bound = ("greater", least) if given < least else ("less", most)
    message = (
        f"1 validation error detected: Value '{given}' at '{parameter[0].lower()}{parameter[1:]}' failed to satisfy "
        f"constraint: Member must have value {relation} than or equal to {bound}"
    )
    return Failure("ValidationException", message, rule)


_CHECKS: tuple[Check, ...] = (
    check_ranges,
    check_key_kind,
    check_new_key,
    check_grant,
    check_alias,
    check_multi_region,
    check_new_policy,
    check_ciphertext,
    check_dry_run,
)
