"""The `kms:` condition keys of a request (rule book 7.1): those taken from parameters, and those of the key.

Which operation carries which key, from which parameter, and what is there when the parameter is not (CK-40): read
`_FROM_PARAMETER`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Ambiguous, Doubtful, Value, read_date
from kmssim.evaluator.context import account_behind, named_keys, stated
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.request import Call, ContextValue
from kmssim.evaluator.world import Key

_DATA_KEYS = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
_DATA_KEY_PAIRS = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
_WITH_CONTEXT = frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", *_DATA_KEYS, *_DATA_KEY_PAIRS})
_WITH_REQUEST_ALIAS = _WITH_CONTEXT | {
    "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "DescribeKey", "GetPublicKey", "Encapsulate",
    "Decapsulate",
}  # fmt: skip
_WITH_CONSTRAINED_CONTEXT = _WITH_CONTEXT | {"CreateGrant", "RetireGrant"}
_ABOUT_GRANTS = frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
_ATTESTED = frozenset({"Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"})
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
    _Parameter("kms:macalgorithm", ("GenerateMac", "VerifyMac"), "MacAlgorithm"),
    _Parameter("kms:policyname", ("GetKeyPolicy", "PutKeyPolicy"), "PolicyName", "default"),
    _Parameter("kms:primaryregion", ("UpdatePrimaryRegion",), "PrimaryRegion"),
    _Parameter("kms:replicaregion", ("ReplicateKey",), "ReplicaRegion"),
    _Parameter("kms:retiringprincipal", ("CreateGrant",), "RetiringPrincipal"),
    _Parameter("kms:retiringserviceprincipal", ("CreateGrant",), "RetiringServicePrincipal"),
    _Parameter("kms:rotationperiodindays", ("EnableKeyRotation",), "RotationPeriodInDays", "365", "UN-7"),
    _Parameter(
        "kms:schedulekeydeletionpendingwindowindays", ("ScheduleKeyDeletion",), "PendingWindowInDays", "30", "UN-26"
    ),
    _Parameter("kms:signingalgorithm", ("Sign", "Verify"), "SigningAlgorithm"),
    _Parameter("kms:validto", ("ImportKeyMaterial",), "ValidTo"),
    _Parameter("kms:wrappingalgorithm", ("GetParametersForImport",), "WrappingAlgorithm"),
    _Parameter("kms:wrappingkeyspec", ("GetParametersForImport",), "WrappingKeySpec"),
)


_TAGGING = frozenset({"CreateKey", "TagResource", "UntagResource"})
_PARAMETERS_OF = {
    name: tuple(entry for entry in _FROM_PARAMETER if name in entry.actions)
    for entry in _FROM_PARAMETER
    for name in entry.actions
}


def derive_kms_keys(call: Call, caller: Caller, leg: Leg) -> dict[str, Value]:
    """The keys of one permission of a KMS call that KMS itself knows: `kms:` keys, and the tags in the request."""
    keys = _keys_of(leg.key) if leg.key is not None else _keys_of_new(call, leg)
    keys.update(_parameter_keys(call, leg))
    keys.update(_origin_keys(call, caller, leg))
    if leg.encryption_context:
        keys.update(_encryption_context_keys(leg, leg.encryption_context))
    keys.update(_grant_keys(call, leg))
    if leg.alias and leg.name in _WITH_REQUEST_ALIAS:
        keys["kms:requestalias"] = leg.alias  # CK-28
    if leg.same_key is not None:
        keys["kms:reencryptonsamekey"] = "true" if leg.same_key else "false"  # CK-26
    if leg.name in {"Encapsulate", "Decapsulate"}:  # CK-44: what they carry is an expectation only
        keys = {key: _expected(value) for key, value in keys.items()}
    if leg.name in _TAGGING and not leg.is_alias:
        keys.update(_tag_keys(call, leg))
    return keys


def _expected(value: Value) -> Value:
    return value if isinstance(value, Doubtful) else Doubtful("UN-17", value, None)


def stated_keys(call: Call, leg: Leg) -> dict[str, ContextValue]:
    """What the call states outright, as far as this permission can carry it at all."""
    if not call.context:
        return {}
    carrying = _carrying(leg)
    values = [(key, stated(call, key)) for key in call.context if _carries(key, *carrying)]
    return {key: value for key, value in values if value is not None}


def carries(leg: Leg, key: str) -> bool:
    """Whether a permission can carry a condition key, by the table of 7.1; a key that is not there may be stated."""
    return _carries(key, *_carrying(leg))


def _carrying(leg: Leg) -> tuple[str, bool, bool, bool]:
    """What there is to know of a permission; a leg itself has too much to be remembered by."""
    return leg.action, _is_on_a_key(leg), leg.is_alias, leg.replica_of is not None


@lru_cache(maxsize=4096)
def _carries(key: str, action: str, on_a_key: bool, is_alias: bool, of_replica: bool) -> bool:  # noqa: FBT001
    if not (action.startswith("kms:") and key.startswith("kms:")):
        return True
    if is_alias or (of_replica and key in _BY_PARAMETER):
        return False  # CK-41, CK-1
    if key == "kms:calleraccount" and "CustomKeyStore" in action:
        return True
    name = action.partition(":")[2]
    if key in _OF_KEYS:
        return on_a_key or (name == "CreateKey" and key != "kms:resourcealiases")
    names = next((names for start, names in _CARRIED_BY.items() if key.startswith(start)), None)
    return names is None or name in names


def _is_on_a_key(leg: Leg) -> bool:
    """Whether the resource is a KMS key, be there such a key or not: a new one, or one that cannot be found."""
    return leg.key is not None or ":key/" in leg.resource


def _parameter_keys(call: Call, leg: Leg) -> Entries:
    if call.name == "ReplicateKey" and leg.name != "ReplicateKey":
        return  # CK-1: its parameters count for kms:ReplicateKey only
    for entry in _PARAMETERS_OF.get(leg.name, ()):
        given = parameter(call.parameters, entry.path)
        if given is not None:
            yield entry.key, _epoch(given) if entry.path == "ValidTo" else _as_value(given)
        elif entry.question:
            yield entry.key, Doubtful(entry.question, None, entry.fallback)
        elif entry.fallback is not None:
            yield entry.key, entry.fallback
    if leg.name in {"Sign", "Verify"}:  # CK-20: RAW is effective when nothing is sent
        sent = call.parameters.get("MessageType")
        yield "kms:messagetype", str(sent) if sent else Doubtful("UN-7", "RAW", None)


def _epoch(moment: object) -> Value:
    """CK-36: a moment as epoch seconds, which `Numeric` and `Date` operators alike can read."""
    seconds = read_date(str(moment))
    return _as_value(moment) if seconds is None else str(int(seconds))


def parameter(parameters: Mapping[str, object], path: str) -> object:
    """The parameter at a dotted path, None when it was not sent."""
    if "." not in path:
        return parameters.get(path)
    value: object = parameters
    for name in path.split(".") if path else [""]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _as_value(given: object) -> Value:
    if isinstance(given, list | tuple):
        return tuple(str(item) for item in given)
    return str(given).lower() if isinstance(given, bool) else str(given)


def _keys_of(key: Key) -> dict[str, Value]:
    """CK-16 to CK-22, CK-29: properties of the key; and their deprecated names (CK-3, UN-14)."""
    keys = dict(_properties(key.origin, key.spec, key.usage, key.multi_region))
    if len(key.aliases) > _MOST_ALIASES:
        keys["kms:resourcealiases"] = Ambiguous(key.aliases, "more aliases than a key may have", "CK-29")
    elif key.aliases:
        keys["kms:resourcealiases"] = key.aliases
    return keys


def _keys_of_new(call: Call, leg: Leg) -> dict[str, Value]:
    """The properties of the key that is about to be: of a replica those of its primary, else as the call has them."""
    if leg.replica_of is not None:
        primary = leg.replica_of
        return dict(_properties(primary.origin, primary.spec, primary.usage, "REPLICA"))
    if call.name != "CreateKey":
        return {}
    sent = call.parameters
    return dict(
        _properties(
            str(sent.get("Origin") or "AWS_KMS"),
            str(sent.get("KeySpec") or sent.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"),
            str(sent.get("KeyUsage") or "ENCRYPT_DECRYPT"),
            "PRIMARY" if sent.get("MultiRegion") is True else None,
        )
    )


@lru_cache(maxsize=1024)
def _properties(origin: str, spec: str, usage: str, multi_region: str | None) -> Mapping[str, Value]:
    keys: dict[str, Value] = {
        "kms:keyorigin": origin,
        "kms:keyspec": spec,
        "kms:keyusage": usage,
        "kms:multiregion": "true" if multi_region else "false",
        "kms:customermasterkeyspec": Doubtful("UN-14", None, spec),
        "kms:customermasterkeyusage": Doubtful("UN-14", None, usage),
    }
    return {**keys, "kms:multiregionkeytype": multi_region} if multi_region else keys


def _origin_keys(call: Call, caller: Caller, leg: Leg) -> dict[str, Value]:
    """CK-2, CK-37: who calls, and through which service; not on an alias, and hardly where there is no key (CK-41)."""
    on_a_key = (_is_on_a_key(leg) and not leg.is_alias) or leg.name == "CreateKey"
    keys: dict[str, Value] = {}
    if on_a_key or "CustomKeyStore" in leg.action:
        keys["kms:calleraccount"] = account_behind(caller, leg.owner) if caller.is_service else caller.account
    if on_a_key and call.via:
        keys["kms:viaservice"] = call.via
    return keys


def _encryption_context_keys(leg: Leg, pairs: Mapping[str, str]) -> dict[str, Value]:
    """CK-6, CK-7: the context that the call claims (EC-9); for grants, that of the constraint (GR-72)."""
    if leg.name in _WITH_CONTEXT and leg.key is not None and not leg.key.symmetric_encryption:
        return {}  # EC-5: other keys take none
    names = tuple(pairs)
    keys = named_keys("kms:encryptioncontext:", pairs.items())
    keys["kms:encryptioncontextkeys"] = names
    keys["kms:encryptioncontextkey"] = Doubtful("UN-14", None, names if len(names) > 1 else names[0])
    return keys


def _grant_keys(call: Call, leg: Leg) -> Entries:
    """CK-10, CK-13."""
    if leg.constraint_type and leg.name in {"CreateGrant", "RetireGrant"}:
        yield "kms:grantconstrainttype", leg.constraint_type
    if leg.name in _ABOUT_GRANTS:
        yield "kms:grantisforawsresource", "true" if call.via else "false"


def _tag_keys(call: Call, leg: Leg) -> Entries:
    """CK-74: tags in the request."""
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


_OF_KEYS = frozenset({
    "kms:calleraccount", "kms:keyorigin", "kms:keyspec", "kms:keyusage", "kms:multiregion", "kms:multiregionkeytype",
    "kms:resourcealiases", "kms:viaservice",
})  # fmt: skip
_BY_PARAMETER = {
    entry.key: frozenset(name for other in _FROM_PARAMETER if other.key == entry.key for name in other.actions)
    for entry in _FROM_PARAMETER
}
_CARRIED_BY: Mapping[str, frozenset[str]] = {
    **_BY_PARAMETER,
    "kms:encryptioncontext:": _WITH_CONSTRAINED_CONTEXT,
    "kms:encryptioncontextkeys": _WITH_CONSTRAINED_CONTEXT,
    "kms:grantconstrainttype": frozenset({"CreateGrant", "RetireGrant"}),
    "kms:grantisforawsresource": _ABOUT_GRANTS,
    "kms:messagetype": frozenset({"Sign", "Verify"}),
    "kms:recipientattestation:": _ATTESTED,
    "kms:reencryptonsamekey": frozenset({"ReEncryptFrom", "ReEncryptTo"}),
    "kms:requestalias": _WITH_REQUEST_ALIAS,
    "kms:trailingdayswithoutkeyusage": frozenset({"DisableKey", "ScheduleKeyDeletion"}),
}
