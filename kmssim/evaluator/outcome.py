"""How an authorized call ends: the error that it still meets, or none (rule book 8.3, 13.2, 14).

AWS's order as far as it is known (section 14): grant tokens, key state, whether the key is of the kind that the
operation takes, what is particular to the operation, the ciphertext, and last `DryRun`. Each check is a function (call
at hand) → failure or None; `_KEY_CHECKS` and `_CHECKS` are the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from unicodedata import normalize

from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure
from kmssim.evaluator.operations import KEY_SPECS, OPERATIONS, KeyKind, algorithms
from kmssim.evaluator.outcome_admin import (
    check_alias,
    check_new_policy,
    check_policy_name,
    check_primary,
    check_replica,
    check_tags,
)
from kmssim.evaluator.outcome_grants import check_grant, check_token_count
from kmssim.evaluator.outcome_import import check_import
from kmssim.evaluator.outcome_lists import check_list
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, parse_arn
from kmssim.evaluator.states import StateOutcome, state_failure

Check = Callable[[Authorized], Failure | None]


def find_failure(at_hand: Authorized) -> Failure | None:
    """The first error that the call meets after authorization; None when it succeeds."""
    token = check_token_count(at_hand) or check_grant_tokens(at_hand)
    if token:
        return token
    state, kind = check_state(at_hand), _first(_KEY_CHECKS, at_hand)
    if state and kind and at_hand.questions.other_reading("UN-11"):
        state = None  # CH-8: by the other reading the kind of key is looked at first
    return state or kind or _first(_checks_of(at_hand.call.name), at_hand)


def _first(checks: Iterable[Check], at_hand: Authorized) -> Failure | None:
    for check in checks:
        failure = check(at_hand)
        if failure is not None:
            return failure
    return None


def check_grant_tokens(at_hand: Authorized) -> Failure | None:
    """A token that stands for no grant at all; that of another key's grant is merely of no use (GR-50, GR-51)."""
    if not OPERATIONS[at_hand.call.name].grant_tokens:
        return None
    if all(at_hand.world.key_of_grant(token) for token in at_hand.call.grant_tokens):
        return None
    return Failure("InvalidGrantTokenException", "Grant token is invalid.", "GR-51")


def check_state(at_hand: Authorized) -> Failure | None:
    """The key-state table (ST-1), for each key that takes part: source before destination (CH-9)."""
    for leg in at_hand.key_legs:
        key = leg.key
        assert key is not None  # noqa: S101 - key_legs have keys
        waits = key.pending_material
        found = state_failure(
            at_hand.call.name, key.state, spec=key.spec, origin=key.origin, pending_material=waits, on=leg.on
        )
        read = _read(found, at_hand.questions)
        if read is not None:
            return Failure(read.code, read.message(key.arn), read.rule)
    return None


def _read(outcome: StateOutcome | None, questions: OpenQuestions) -> StateOutcome | None:
    """The outcome by the readings at hand of the questions on which it rests."""
    if outcome is None or outcome.question is None:
        return outcome
    if questions.other_reading(outcome.question):
        return outcome.other
    return _read(outcome.beneath, questions) or outcome


def check_usage(at_hand: Authorized) -> Failure | None:
    """Key usage, then algorithm against key spec (CH-6, EM-28, EM-29)."""
    return _wrong_source_key(at_hand) or next(_usage_failures(at_hand), None)


def _wrong_source_key(at_hand: Authorized) -> Failure | None:
    """A key that the call names although another one made the ciphertext."""
    call = at_hand.call
    if call.name not in {"Decrypt", "ReEncrypt"} or call.ciphertext is None or _ignores_ciphertext(call):
        return None
    source = at_hand.key_legs[0].key
    if source is None or source.arn == call.ciphertext.key or _related(source.arn, call.ciphertext.key):
        return None
    message = "The key ID in the request does not identify a CMK that can perform this operation."
    return Failure("IncorrectKeyException", message, "EM-28")


def _related(one: str, other: str) -> bool:
    """Related multi-Region keys decrypt each other's ciphertexts (PG-28); their ARNs differ in the Region."""
    first, second = parse_arn(one), parse_arn(other)
    if first is None or second is None or not first.resource.startswith("key/mrk-"):
        return False
    return first._replace(region="") == second._replace(region="")


def _ignores_ciphertext(call: Call) -> bool:
    """A dry run that asks for authorization only, without a valid ciphertext (OP-59)."""
    modifiers = call.parameters.get("DryRunModifiers")
    listed = modifiers if isinstance(modifiers, list | tuple) else ()
    return call.parameters.get("DryRun") is True and "IGNORE_CIPHERTEXT" in listed


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
        # Data keys come from symmetric keys only (OP-22 to OP-25), whose usage an RSA key for encryption has as well.
        for_symmetric_only = operation.key_kinds == {KeyKind.SYMMETRIC} and not key.symmetric_encryption
        if operation.usages and (key.usage not in operation.usages or for_symmetric_only):
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


def check_manager(at_hand: Authorized) -> Failure | None:
    """Keys that AWS manages can be read and used, not changed, whatever their policy says (MK-3, TP-10, TP-11)."""
    operation = OPERATIONS[at_hand.call.name]
    theirs = next((leg.key for leg in at_hand.key_legs if leg.key and leg.key.manager == "AWS"), None)
    if theirs is None or not operation.customer_managed_only:
        return None
    unsupported = "UnsupportedOperationException"
    code = unsupported if unsupported in operation.errors else "ValidationException"
    return Failure(code, f"{theirs.arn} is an AWS managed key, which {operation.name} does not change.", "MK-3")


def check_ciphertext(at_hand: Authorized) -> Failure | None:
    """The claimed encryption context against the one that is bound into the ciphertext (EC-1, EC-2, EC-9)."""
    call = at_hand.call
    if call.name not in {"Decrypt", "ReEncrypt"} or call.ciphertext is None:
        return None
    bound, leg = call.ciphertext.encryption_context, at_hand.key_legs[0]
    if bound is None or _ignores_ciphertext(call) or leg.key is None or not leg.key.symmetric_encryption:
        return None
    claimed = dict(leg.encryption_context or {})
    if dict(bound) == claimed:
        return None
    if _composed(bound) == _composed(claimed) and at_hand.questions.other_reading("UN-23"):
        return None  # EC-14: whether two spellings of the same Unicode text are the same is not described
    return Failure("InvalidCiphertextException", "", "EC-2")


def _composed(pairs: Mapping[str, str]) -> dict[str, str]:
    return {normalize("NFC", name): normalize("NFC", value) for name, value in pairs.items()}


def check_dry_run(at_hand: Authorized) -> Failure | None:
    """A DryRun that would have succeeded (OP-59, CH-5)."""
    if not OPERATIONS[at_hand.call.name].dry_run or at_hand.call.parameters.get("DryRun") is not True:
        return None
    message = "The request would have succeeded, but the DryRun option is set."
    return Failure("DryRunOperationException", message, "EM-24")


def check_new_key(at_hand: Authorized) -> Failure | None:
    """What CreateKey checks of spec and usage (OP-57, EM-35)."""
    parameters = at_hand.call.parameters
    spec = str(parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT")
    usage = parameters.get("KeyUsage")
    if usage is None and spec != "SYMMETRIC_DEFAULT":
        message = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        return Failure("ValidationException", message, "EM-35")
    if usage is not None and spec not in KEY_SPECS.get(str(usage), ()):
        return Failure("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {spec}", "EM-35")
    in_store = str(parameters.get("Origin")) in {"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}
    if in_store and (spec != "SYMMETRIC_DEFAULT" or parameters.get("MultiRegion") is True):
        message = "A custom key store holds symmetric encryption keys of one Region only."
        return Failure("UnsupportedOperationException", message, "OP-60")
    return None


def _makes_data_keys(operation: str) -> bool:
    return operation.startswith("GenerateDataKey")


_SHORTEST_WAIT, _LONGEST_WAIT = 7, 30


def check_numbers(at_hand: Authorized) -> Failure | None:
    """Numbers that the service bounds more tightly than its model does (ST-4), and numbers that exclude each other."""
    parameters = at_hand.call.parameters
    wait = parameters.get("PendingWindowInDays") if at_hand.call.name == "ScheduleKeyDeletion" else None
    if isinstance(wait, int) and not _SHORTEST_WAIT <= wait <= _LONGEST_WAIT:
        message = f"PendingWindowInDays must be between {_SHORTEST_WAIT} and {_LONGEST_WAIT}; it is {wait}."
        return Failure("ValidationException", message, "ST-4")
    if _makes_data_keys(at_hand.call.name) and {"KeySpec", "NumberOfBytes"} <= parameters.keys():
        return Failure("ValidationException", "Please specify either number of bytes or key spec.", "OP-22")
    return None


_KEY_CHECKS: tuple[Check, ...] = (check_usage, check_key_kind, check_primary, check_manager)
_NEW_KEY = frozenset({"CreateKey", "ReplicateKey"})
_CHECKS: tuple[tuple[Check, frozenset[str]], ...] = (
    (check_numbers, frozenset({"ScheduleKeyDeletion", *filter(_makes_data_keys, OPERATIONS)})),
    (check_new_key, frozenset({"CreateKey"})),
    (check_tags, _NEW_KEY | {"TagResource"}),
    (check_grant, frozenset({"CreateGrant", "RevokeGrant"})),
    (check_alias, frozenset({"CreateAlias", "UpdateAlias", "DeleteAlias"})),
    (check_replica, frozenset({"ReplicateKey"})),
    (check_import, frozenset({"ImportKeyMaterial"})),
    (check_list, frozenset(name for name in OPERATIONS if name.startswith("List"))),
    (check_policy_name, frozenset({"GetKeyPolicy", "PutKeyPolicy"})),
    (check_new_policy, _NEW_KEY | {"PutKeyPolicy"}),
    (check_ciphertext, frozenset({"Decrypt", "ReEncrypt"})),
    (check_dry_run, frozenset(row.name for row in OPERATIONS.values() if row.dry_run)),
)
"""The checks in their order, each with the operations that it is about."""


@cache
def _checks_of(operation: str) -> tuple[Check, ...]:
    return tuple(check for check, about in _CHECKS if operation in about)
