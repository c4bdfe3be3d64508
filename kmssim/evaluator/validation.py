"""What AWS refuses before it looks at key or caller: parameters that its service model does not admit (CH-1, EM-34).

Step 1 of the order of checks: whoever calls, with whatever key, is told of the parameter first. What a parameter has to
do with its key is asked later (`outcome`). Only what a call states is looked at, and of members that are missing only
those that say what the call is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from kmssim.evaluator.decision import Failure
from kmssim.evaluator.operations import ALGORITHMS, GRANT_OPERATIONS, KEY_SPECS, OPERATIONS, On
from kmssim.evaluator.request import Call

_ALIAS_HELP = "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"


def _algorithms(*usages: str) -> tuple[str, ...]:
    names = (name for usage in usages for of_spec in ALGORITHMS[usage].values() for name in of_spec)
    return tuple(dict.fromkeys(names))


_SPECS = tuple(dict.fromkeys(spec for specs in KEY_SPECS.values() for spec in specs))
_PAIR_SPECS = tuple(spec for spec in _SPECS if not spec.startswith(("SYMMETRIC", "HMAC", "ML_DSA")))
_DATA_KEY_SPECS = ("AES_256", "AES_128")
_ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "KeyUsage": tuple(KEY_SPECS),
    "KeySpec": _SPECS,
    "CustomerMasterKeySpec": _SPECS,
    "KeyPairSpec": _PAIR_SPECS,
    "Origin": ("AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"),
    "EncryptionAlgorithm": _algorithms("ENCRYPT_DECRYPT"),
    "SourceEncryptionAlgorithm": _algorithms("ENCRYPT_DECRYPT"),
    "DestinationEncryptionAlgorithm": _algorithms("ENCRYPT_DECRYPT"),
    "SigningAlgorithm": _algorithms("SIGN_VERIFY"),
    "MacAlgorithm": _algorithms("GENERATE_VERIFY_MAC"),
    "KeyAgreementAlgorithm": _algorithms("KEY_AGREEMENT"),
    "EncapsulationAlgorithm": _algorithms("ENCAPSULATE_DECAPSULATE"),
    "MessageType": ("RAW", "DIGEST", "EXTERNAL_MU"),
    "WrappingAlgorithm": (
        "RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1",
        "RSA_AES_KEY_WRAP_SHA_256", "SM2PKE",
    ),
    "WrappingKeySpec": ("RSA_2048", "RSA_3072", "RSA_4096", "SM2"),
    "ExpirationModel": ("KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"),
    "ImportType": ("NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"),
    "IncludeKeyMaterial": ("ALL_KEY_MATERIAL", "ROTATIONS_ONLY"),
    "CustomKeyStoreType": ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"),
    "XksProxyConnectivity": ("PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"),
    "Operations": tuple(dict.fromkeys(name for names in GRANT_OPERATIONS.values() for name in sorted(names))),
    "ResourceOwners": ("SELF", "OTHER_ACCOUNTS_VIA_RAM"),
    "DryRunModifiers": ("IGNORE_CIPHERTEXT",),
}  # fmt: skip
_RANGES: Mapping[str, tuple[int, int]] = {
    "NumberOfBytes": (1, 1024),
    "RotationPeriodInDays": (90, 2560),
    "PendingWindowInDays": (1, 365),  # the service itself asks for 7 to 30, later (ST-4)
    "Limit": (1, 1000),
}
_LENGTHS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"), (1, 2048)),
    **dict.fromkeys(("GranteePrincipal", "RetiringPrincipal", "Name"), (1, 256)),
    **dict.fromkeys(("GranteeServicePrincipal", "RetiringServicePrincipal"), (1, 128)),
    **dict.fromkeys(("TagKey", "TagKeys", "GrantId", "PolicyName"), (1, 128)),
    "AliasName": (1, 256),
    "TagValue": (0, 256),
    "SourceArn": (20, 512),
    "Description": (0, 8192),
    "CustomKeyStoreId": (1, 64),
}
_PRINCIPAL = r"^[\w+=,.@:/-]+$"
_REGION = r"^([a-z]+-){2,3}\d+$"
_PATTERNS: Mapping[str, str] = {
    "GranteePrincipal": _PRINCIPAL,
    "RetiringPrincipal": _PRINCIPAL,
    "Name": r"^[a-zA-Z0-9:/_-]+$",
    "ReplicaRegion": _REGION,
    "PrimaryRegion": _REGION,
}
_MOST_GRANT_TOKENS = 10


def find_invalid_parameter(call: Call) -> Failure | None:
    """The ValidationException with which AWS ends a KMS call before anything else; None when it goes on."""
    problems = [*_missing_members(call), *_misfits(call)]
    if problems:
        noun = "error" if len(problems) == 1 else "errors"
        text = "; ".join(f"{at} failed to satisfy constraint: {wanted}" for at, wanted in problems)
        return Failure("ValidationException", f"{len(problems)} validation {noun} detected: {text}", "EM-34")
    return _in_words_of_its_own(call)


def _missing_members(call: Call) -> Iterator[tuple[str, str]]:
    """Members without which a call is about nothing. A ciphertext can stand for its key (XA-6)."""
    for name in _needed_members(call.name):
        if call.parameters.get(name) is None:
            yield f"Value null at '{_camel(name)}'", "Member must not be null"


@cache
def _needed_members(operation: str) -> tuple[str, ...]:
    needs = [need for need in OPERATIONS[operation].permissions if need.on is not On.GRANT and not need.ciphertext]
    names = [name for need in needs for name in (need.parameter, need.region_parameter) if name]
    return tuple(dict.fromkeys(names))


def _misfits(call: Call) -> Iterator[tuple[str, str]]:
    if len(call.grant_tokens) > _MOST_GRANT_TOKENS:
        yield "Value at 'grantTokens'", f"Member must have length less than or equal to {_MOST_GRANT_TOKENS}"
    for name, place, value in _stated(call.parameters):
        if isinstance(value, list | tuple):
            inner = next((wanted for member in value if (wanted := _misfit(call, name, member))), None)
            wanted = f"Member must satisfy constraint: [{inner}]" if inner else None
            shown = f"'[{', '.join(str(member) for member in value)}]'" if inner else ""
        else:
            wanted = _misfit(call, name, value)
            shown = f"'{value}'" if wanted else ""
        if wanted:
            yield f"Value {shown} at '{place}'", wanted


def _stated(parameters: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
    """Each value of a call with its member's name and its place, e.g. `tags.1.member.tagKey`."""
    for name, value in parameters.items():
        if name == "Tags" and isinstance(value, list | tuple):
            for number, tag in enumerate(value, 1):
                for part in ("TagKey", "TagValue"):
                    if isinstance(tag, Mapping) and part in tag:
                        yield part, f"tags.{number}.member.{_camel(part)}", tag[part]
        elif name == "Constraints" and isinstance(value, Mapping):
            yield "SourceArn", "constraints.sourceArn", value.get("SourceArn")
        else:
            yield name, _camel(name), value


def _misfit(call: Call, name: str, value: object) -> str | None:
    """What AWS says a value must be, when it is not that."""
    if isinstance(value, str):
        known = _DATA_KEY_SPECS if (name, call.name) in _DATA_KEYS else _ENUMERATIONS.get(name)
        if known and value not in known:
            return f"Member must satisfy enum value set: [{', '.join(known)}]"
        return _misfit_bounds("length", len(value), _LENGTHS.get(name)) or _misfit_pattern(name, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _misfit_bounds("value", value, _RANGES.get(name))
    return None


_DATA_KEYS = {("KeySpec", "GenerateDataKey"), ("KeySpec", "GenerateDataKeyWithoutPlaintext")}


def _misfit_bounds(what: str, given: int, bounds: tuple[int, int] | None) -> str | None:
    if bounds is None or bounds[0] <= given <= bounds[1]:
        return None
    relation, bound = ("greater", bounds[0]) if given < bounds[0] else ("less", bounds[1])
    return f"Member must have {what} {relation} than or equal to {bound}"


def _misfit_pattern(name: str, value: str) -> str | None:
    pattern = _PATTERNS.get(name)
    if pattern is None or re.fullmatch(pattern, value, re.ASCII):
        return None
    return f"Member must satisfy regular expression pattern: {pattern}"


def _in_words_of_its_own(call: Call) -> Failure | None:
    """Of a few parameters AWS speaks in other words (EM-35)."""
    name = call.parameters.get("AliasName")
    if isinstance(name, str) and not name.startswith("alias/"):
        return Failure("ValidationException", f'Alias must start with the prefix "alias/". {_ALIAS_HELP}', "EM-35")
    if call.name == "RetireGrant" and not _names_a_grant(call):
        return Failure("ValidationException", "A grant is named by its token, or by key ARN and grant ID.", "GR-60")
    return None


def _names_a_grant(call: Call) -> bool:
    if call.grant_tokens or call.parameters.get("GrantToken") is not None:
        return True
    return call.parameters.get("KeyId") is not None and call.parameters.get("GrantId") is not None


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
