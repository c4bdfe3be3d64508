"""The `kms:` condition keys of a request (rule book 7.1): those taken from parameters, and those of the key.

Which operation carries which key, from which parameter, and what is there when the parameter is not (CK-40): read
`_FROM_PARAMETER`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Doubtful, Value
from kmssim.evaluator.context import named_keys
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Key

_DATA_KEYS = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
_DATA_KEY_PAIRS = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
_WITH_CONTEXT = frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", *_DATA_KEYS, *_DATA_KEY_PAIRS})
_WITH_REQUEST_ALIAS = _WITH_CONTEXT | {
    "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "DescribeKey", "GetPublicKey", "Encapsulate",
    "Decapsulate",
}  # fmt: skip
_MOST_ALIASES = 50

Entries = Iterator[tuple[str, Value]]


@dataclass(frozen=True, eq=False, repr=False)
class _Parameter:
    """One condition key that comes from a parameter; `path` may have a dot.

    `fallback` is its value when nothing is sent; with a `question` that is only the other reading.
    """

    key: str
    actions: tuple[str, ...]
    path: str
    fallback: str | None = None
    question: str | None = None


_BYPASS = "BypassPolicyLockoutSafetyCheck"
_FROM_PARAMETER = (
    _Parameter("kms:bypasspolicylockoutsafetycheck", ("CreateKey", "PutKeyPolicy"), _BYPASS, "false", "UN-7"),
    _Parameter("kms:datakeypairspec", _DATA_KEY_PAIRS, "KeyPairSpec"),
    _Parameter("kms:encryptionalgorithm", ("Encrypt", "Decrypt"), "EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    _Parameter("kms:encryptionalgorithm", ("ReEncryptFrom",), "SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    _Parameter("kms:encryptionalgorithm", ("ReEncryptTo",), "DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    _Parameter("kms:encryptionalgorithm", _DATA_KEYS + _DATA_KEY_PAIRS, "", "SYMMETRIC_DEFAULT"),
    _Parameter("kms:expirationmodel", ("ImportKeyMaterial",), "ExpirationModel", "KEY_MATERIAL_EXPIRES", "UN-7"),
    _Parameter("kms:grantconstraintsourcearn", ("CreateGrant",), "Constraints.SourceArn"),
    _Parameter("kms:granteeprincipal", ("CreateGrant",), "GranteePrincipal"),
    _Parameter("kms:granteeserviceprincipal", ("CreateGrant",), "GranteeServicePrincipal"),
    _Parameter("kms:grantoperations", ("CreateGrant",), "Operations"),
    _Parameter("kms:keyagreementalgorithm", ("DeriveSharedSecret",), "KeyAgreementAlgorithm", "ECDH"),
    _Parameter("kms:keyorigin", ("CreateKey",), "Origin", "AWS_KMS"),
    _Parameter("kms:keyusage", ("CreateKey",), "KeyUsage", "ENCRYPT_DECRYPT"),
    _Parameter("kms:macalgorithm", ("GenerateMac", "VerifyMac"), "MacAlgorithm"),
    _Parameter("kms:multiregion", ("CreateKey",), "MultiRegion", "false"),
    _Parameter("kms:policyname", ("GetKeyPolicy", "PutKeyPolicy"), "PolicyName", "default"),
    _Parameter("kms:primaryregion", ("UpdatePrimaryRegion",), "PrimaryRegion"),
    _Parameter("kms:replicaregion", ("ReplicateKey",), "ReplicaRegion"),
    _Parameter("kms:retiringprincipal", ("CreateGrant",), "RetiringPrincipal"),
    _Parameter("kms:retiringserviceprincipal", ("CreateGrant",), "RetiringServicePrincipal"),
    _Parameter("kms:rotationperiodindays", ("EnableKeyRotation",), "RotationPeriodInDays"),
    _Parameter(
        "kms:schedulekeydeletionpendingwindowindays", ("ScheduleKeyDeletion",), "PendingWindowInDays", "30", "UN-26"
    ),
    _Parameter("kms:signingalgorithm", ("Sign", "Verify"), "SigningAlgorithm"),
    _Parameter("kms:validto", ("ImportKeyMaterial",), "ValidTo"),
    _Parameter("kms:wrappingalgorithm", ("GetParametersForImport",), "WrappingAlgorithm"),
    _Parameter("kms:wrappingkeyspec", ("GetParametersForImport",), "WrappingKeySpec"),
)


def derive_kms_keys(call: Call, caller: Caller, leg: Leg) -> dict[str, Value]:
    """The `kms:` keys of one permission of a KMS call; the alias leg has none (CK-41)."""
    if leg.is_alias:
        return {}
    keys = dict(_parameter_keys(call, leg))
    if leg.key is not None:
        keys.update(_keys_of(leg.key))
    if leg.key is not None or leg.action == "kms:CreateKey":
        keys.update(_origin_keys(call, caller))
    elif "CustomKeyStore" in leg.action:
        keys["kms:calleraccount"] = caller.account
    keys.update(_encryption_context_keys(leg))
    keys.update(_grant_keys(call, leg))
    keys.update(_tag_keys(call, leg))
    if leg.alias and leg.name in _WITH_REQUEST_ALIAS:
        keys["kms:requestalias"] = leg.alias  # CK-28
    if leg.same_key is not None:
        keys["kms:reencryptonsamekey"] = "true" if leg.same_key else "false"  # CK-26
    return keys


def _parameter_keys(call: Call, leg: Leg) -> Entries:
    for entry in _FROM_PARAMETER:
        if leg.name not in entry.actions:
            continue
        given = parameter(call.parameters, entry.path)
        if given is not None:
            yield entry.key, _as_value(given)
        elif entry.question:
            yield entry.key, Doubtful(entry.question, None, entry.fallback)
        elif entry.fallback is not None:
            yield entry.key, entry.fallback
    if leg.name in {"Sign", "Verify"}:  # CK-20: RAW is effective when nothing is sent
        sent = call.parameters.get("MessageType")
        yield "kms:messagetype", str(sent) if sent else Doubtful("UN-7", "RAW", None)
    if leg.name == "CreateKey":
        spec = call.parameters.get("KeySpec") or call.parameters.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
        yield "kms:keyspec", str(spec)
        if call.parameters.get("MultiRegion") is True:
            yield "kms:multiregionkeytype", "PRIMARY"


def parameter(parameters: Mapping[str, object], path: str) -> object:
    """The parameter at a dotted path, None when it was not sent."""
    value: object = parameters
    for name in path.split(".") if path else [""]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _as_value(given: object) -> Value:
    if isinstance(given, list | tuple):
        return tuple(str(item) for item in given)
    return str(given).lower() if isinstance(given, bool) else str(given)


def _keys_of(key: Key) -> Entries:
    """CK-16 to CK-22, CK-29: properties of the key; and their deprecated names (CK-3, UN-14)."""
    yield "kms:keyorigin", key.origin
    yield "kms:keyspec", key.spec
    yield "kms:keyusage", key.usage
    yield "kms:multiregion", "true" if key.multi_region else "false"
    yield "kms:customermasterkeyspec", Doubtful("UN-14", None, key.spec)
    yield "kms:customermasterkeyusage", Doubtful("UN-14", None, key.usage)
    if key.multi_region:
        yield "kms:multiregionkeytype", key.multi_region
    if 0 < len(key.aliases) <= _MOST_ALIASES:
        yield "kms:resourcealiases", key.aliases


def _origin_keys(call: Call, caller: Caller) -> Entries:
    """CK-2, CK-37: who calls, and through which service."""
    account = caller.account
    yield "kms:calleraccount", account or Doubtful("UN-30", None, caller.principal.source_account)
    if call.via:
        yield "kms:viaservice", call.via


def _encryption_context_keys(leg: Leg) -> Entries:
    """CK-6, CK-7: the context that the call claims (EC-9); for grants, that of the constraint (GR-72)."""
    pairs = leg.encryption_context
    if not pairs or leg.name not in _WITH_CONTEXT | {"CreateGrant", "RetireGrant"}:
        return
    yield from named_keys("kms:encryptioncontext:", pairs.items()).items()
    yield "kms:encryptioncontextkeys", tuple(pairs)
    yield "kms:encryptioncontextkey", Doubtful("UN-14", None, tuple(pairs))


def _grant_keys(call: Call, leg: Leg) -> Entries:
    """CK-10, CK-13."""
    if leg.constraint_type and leg.name in {"CreateGrant", "RetireGrant"}:
        yield "kms:grantconstrainttype", leg.constraint_type
    if leg.name in {"CreateGrant", "ListGrants", "RevokeGrant"}:
        yield "kms:grantisforawsresource", "true" if call.via else "false"


def _tag_keys(call: Call, leg: Leg) -> Entries:
    """CK-74: tags in the request."""
    if leg.name not in {"CreateKey", "ReplicateKey", "TagResource", "UntagResource"}:
        return
    if leg.name == "UntagResource":
        names = call.parameters.get("TagKeys")
        if isinstance(names, list | tuple) and names:
            yield "aws:tagkeys", tuple(str(name) for name in names)
        return
    tags = request_tags(call)
    if tags:
        yield from named_keys("aws:requesttag/", tags).items()
        yield "aws:tagkeys", tuple(name for name, _ in tags)


def request_tags(call: Call) -> list[tuple[str, str]]:
    """The `Tags` parameter as pairs."""
    tags = call.parameters.get("Tags")
    listed = tags if isinstance(tags, list | tuple) else ()
    return [(str(tag.get("TagKey")), str(tag.get("TagValue", ""))) for tag in listed if isinstance(tag, Mapping)]
