"""The 56 KMS operations of botocore 1.44.5, one row each (OP-1 to OP-56), and the shape of a row.

A row is what AWS documents about an operation, nothing derived: which permissions it needs and on what, whether it
crosses accounts, whether a grant can carry it, which keys it takes, which errors it declares. Look-ups are in
`operations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class On(Enum):
    """What a permission is asked on; `Permission.parameter` is the request parameter that names it."""

    KEY = "the key that the parameter names"
    ALIAS = "the alias that the parameter names; only IAM policies allow it (TP-2)"
    ALIAS_TARGET = "the key that the alias in the parameter points at now"
    NEW_KEY = "a key that does not exist yet: `*` or `key/*` in an IAM policy (TP-5)"
    NOTHING = "no resource: `*` in an IAM policy (PG-24)"
    GRANT = "the grant itself; on the key only where the issuing account delegates (GR-60)"


class CrossAccount(Enum):
    """Whether an operation works on a key of another account (XA-9)."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not applicable"
    OWN_ACCOUNT = "asked in the caller's account, about keys of any account"


class KeyKind(Enum):
    """The kinds of key that operations and grants tell apart (GR-5); the value ends with the kind's key usage."""

    SYMMETRIC = ("symmetric encryption", "ENCRYPT_DECRYPT")
    ASYMMETRIC_ENCRYPT = ("asymmetric encryption", "ENCRYPT_DECRYPT")
    SIGN = ("signing", "SIGN_VERIFY")
    KEY_AGREEMENT = ("key agreement", "KEY_AGREEMENT")
    HMAC = ("HMAC", "GENERATE_VERIFY_MAC")
    KEM = ("ML-KEM", "ENCAPSULATE_DECAPSULATE")

    @property
    def usage(self) -> str:
        """The `KeyUsage` of every key of this kind."""
        return self.value[1]


@dataclass(frozen=True)
class Permission:
    """One permission that an operation needs.

    `region_parameter` names the Region in which it is needed, when that is not the call's own. `when`: needed only if
    that parameter is present. `ciphertext`: without `parameter` the ciphertext says which key it is (XA-6).
    `context_parameter` and `algorithm_parameter` carry this key's encryption context and algorithm.
    """

    action: str
    on: On
    parameter: str | None = None
    region_parameter: str | None = None
    when: str | None = None
    ciphertext: bool = False
    context_parameter: str | None = None
    algorithm_parameter: str | None = None


@dataclass(frozen=True)
class Operation:
    """One row. `rule` is its id in the rule book, `errors` the declared error codes in the service model's order.

    `grantable`: the grant operations that stand for it. `alias_allowed`: its key parameters take alias names and ARNs
    (OP-58). `key_kinds`: the keys it takes, empty for any. `usages`: a key of another usage fails with
    `InvalidKeyUsageException`, empty for operations that do not fail so. `also_needs`: permissions of other services,
    which are not evaluated.
    """

    name: str
    rule: str
    permissions: tuple[Permission, ...]
    errors: tuple[str, ...]
    cross_account: CrossAccount = CrossAccount.NO
    grantable: tuple[str, ...] = ()
    dry_run: bool = False
    grant_tokens: bool = False
    alias_allowed: bool = False
    usages: frozenset[str] = frozenset()
    key_kinds: frozenset[KeyKind] = frozenset()
    customer_managed_only: bool = False
    also_needs: tuple[str, ...] = ()

    @property
    def context_parameters(self) -> Mapping[str, str]:
        """The parameter that carries the encryption context, by the action whose key it belongs to (EC-4, EC-10)."""
        return {need.action: need.context_parameter for need in self.permissions if need.context_parameter}


# The short error codes of the rule book (8.1); each ends in `Exception`.
_SHORT_CODES = (
    "AE=AlreadyExists ARN=InvalidArn CHC=CloudHsmClusterInvalidConfiguration CHNA=CloudHsmClusterNotActive "
    "CHNF=CloudHsmClusterNotFound CKIS=CustomKeyStoreInvalidState CKNF=CustomKeyStoreNotFound "
    "CKNU=CustomKeyStoreNameInUse CON=Conflict DIS=Disabled DRY=DryRunOperation DT=DependencyTimeout "
    "EIT=ExpiredImportToken IAN=InvalidAliasName ICT=InvalidCiphertext IGI=InvalidGrantId IGT=InvalidGrantToken "
    "IIT=InvalidImportToken IKE=IncorrectKey IKM=IncorrectKeyMaterial IKU=InvalidKeyUsage INT=KMSInternal "
    "KIS=KMSInvalidState KU=KeyUnavailable LIM=LimitExceeded MAC=KMSInvalidMac MAL=MalformedPolicyDocument "
    "MRK=InvalidMarker NF=NotFound SIG=KMSInvalidSignature TAG=Tag UNS=UnsupportedOperation"
)
_ERRORS = dict(code.split("=") for code in _SHORT_CODES.split())
_XKS_PROXY = (
    "XksProxyUriInUse XksProxyUriEndpointInUse XksProxyUriUnreachable XksProxyIncorrectAuthenticationCredential "
    "XksProxyVpcEndpointServiceInUse XksProxyVpcEndpointServiceNotFound XksProxyVpcEndpointServiceInvalidConfiguration "
    "XksProxyInvalidResponse XksProxyInvalidConfiguration"
)


def _codes(errors: str) -> tuple[str, ...]:
    """Write out the rule book's short error codes; a word that is none of them stands for itself."""
    return tuple(f"{_ERRORS.get(code, code)}Exception" for code in errors.split())


_ENCRYPTING = frozenset({KeyKind.SYMMETRIC, KeyKind.ASYMMETRIC_ENCRYPT})
_SYMMETRIC = frozenset({KeyKind.SYMMETRIC})
_SIGNING = frozenset({KeyKind.SIGN})
_HMAC = frozenset({KeyKind.HMAC})
_KEM = frozenset({KeyKind.KEM})
_AGREEING = frozenset({KeyKind.KEY_AGREEMENT})
_ASYMMETRIC = frozenset(KeyKind) - _SYMMETRIC - _HMAC


def _use(  # noqa: PLR0913 - a row has that many columns
    rule: str,
    name: str,
    kinds: frozenset[KeyKind],
    errors: str,
    *,
    context: str | None = None,
    algorithm: str | None = None,
    ciphertext: bool = False,
) -> Operation:
    """Make the row of a cryptographic operation on one key: all of them cross accounts and take aliases and grants."""
    need = Permission(
        f"kms:{name}",
        On.KEY,
        "KeyId",
        ciphertext=ciphertext,
        context_parameter=context,
        algorithm_parameter=algorithm,
    )
    return Operation(
        name,
        rule,
        (need,),
        _codes(errors),
        CrossAccount.YES,
        grantable=(name,),
        dry_run=True,
        grant_tokens=True,
        alias_allowed=True,
        usages=frozenset(kind.usage for kind in kinds),
        key_kinds=kinds,
    )


def _on_key(  # noqa: PLR0913 - a row has that many columns
    rule: str,
    name: str,
    errors: str,
    *,
    cross: bool = False,
    kinds: frozenset[KeyKind] = frozenset(),
    customer: bool = False,
    grantable: bool = False,
    dry_run: bool = False,
    tokens: bool = False,
    alias: bool = False,
) -> Operation:
    """Make the row of an operation that reads or manages the key in `KeyId`."""
    return Operation(
        name,
        rule,
        (Permission(f"kms:{name}", On.KEY, "KeyId"),),
        _codes(errors),
        CrossAccount.YES if cross else CrossAccount.NO,
        grantable=(name,) if grantable else (),
        dry_run=dry_run,
        grant_tokens=tokens,
        alias_allowed=alias,
        key_kinds=kinds,
        customer_managed_only=customer,
    )


def _on_nothing(
    rule: str,
    name: str,
    errors: str,
    *,
    cross: CrossAccount = CrossAccount.NO,
    also_needs: tuple[str, ...] = (),
) -> Operation:
    """Make the row of an operation without a resource, which IAM policies alone allow (PG-24, DA-39)."""
    return Operation(name, rule, (Permission(f"kms:{name}", On.NOTHING),), _codes(errors), cross, also_needs=also_needs)


def _on_several(
    rule: str,
    name: str,
    permissions: Iterable[Permission],
    errors: str,
    *,
    customer: bool = False,
    also_needs: tuple[str, ...] = (),
) -> Operation:
    """Make the row of an operation that needs several permissions and stays in one account (TP-2 to TP-5)."""
    return Operation(
        name, rule, tuple(permissions), _codes(errors), customer_managed_only=customer, also_needs=also_needs
    )


def _reencrypt_leg(direction: str, side: str, *, ciphertext: bool) -> Permission:
    return Permission(
        f"kms:ReEncrypt{direction}",
        On.KEY,
        f"{side}KeyId",
        ciphertext=ciphertext,
        context_parameter=f"{side}EncryptionContext",
        algorithm_parameter=f"{side}EncryptionAlgorithm",
    )


_REENCRYPT = Operation(
    "ReEncrypt",
    "OP-42",
    (_reencrypt_leg("From", "Source", ciphertext=True), _reencrypt_leg("To", "Destination", ciphertext=False)),
    _codes("NF DIS ICT KU IKE DT IKU IGT INT KIS DRY"),
    CrossAccount.YES,
    grantable=("ReEncryptFrom", "ReEncryptTo"),
    dry_run=True,
    grant_tokens=True,
    alias_allowed=True,
    usages=frozenset({"ENCRYPT_DECRYPT"}),
    key_kinds=_ENCRYPTING,
)

# The grant itself decides (GR-60, GR-61); only its key's ARN or the token is named, never an alias.
_RETIRE_GRANT = Operation(
    "RetireGrant",
    "OP-44",
    (Permission("kms:RetireGrant", On.GRANT, "KeyId"),),
    _codes("ARN IGT IGI NF DT INT KIS DRY"),
    CrossAccount.YES,
    grantable=("RetireGrant",),
    dry_run=True,
)

_CREATE_KEY_NEEDS = (
    Permission("kms:CreateKey", On.NOTHING),
    Permission("kms:TagResource", On.NEW_KEY, when="Tags"),
)
_CREATE_ALIAS_NEEDS = (
    Permission("kms:CreateAlias", On.ALIAS, "AliasName"),
    Permission("kms:CreateAlias", On.KEY, "TargetKeyId"),
)
_DELETE_ALIAS_NEEDS = (
    Permission("kms:DeleteAlias", On.ALIAS, "AliasName"),
    Permission("kms:DeleteAlias", On.ALIAS_TARGET, "AliasName"),
)
_UPDATE_ALIAS_NEEDS = (
    Permission("kms:UpdateAlias", On.ALIAS, "AliasName"),
    Permission("kms:UpdateAlias", On.ALIAS_TARGET, "AliasName"),
    Permission("kms:UpdateAlias", On.KEY, "TargetKeyId"),
)
_REPLICATE_NEEDS = (
    Permission("kms:ReplicateKey", On.KEY, "KeyId"),
    Permission("kms:CreateKey", On.NOTHING, region_parameter="ReplicaRegion"),
    Permission("kms:TagResource", On.NEW_KEY, region_parameter="ReplicaRegion", when="Tags"),
)
_UPDATE_PRIMARY_NEEDS = (
    Permission("kms:UpdatePrimaryRegion", On.KEY, "KeyId"),
    Permission("kms:UpdatePrimaryRegion", On.KEY, "KeyId", region_parameter="PrimaryRegion"),
)

_CONTEXT = "EncryptionContext"
_STORE_NEEDS = ("cloudhsm:DescribeClusters", "iam:CreateServiceLinkedRole")
_DATA_KEY = "NF DIS KU DT IKU IGT INT KIS DRY"
_DATA_KEY_PAIR = "NF DIS KU DT IKU IGT INT KIS UNS DRY"
_CREATE_STORE = f"CloudHsmClusterInUse CKNU CHNF INT CHNA IncorrectTrustAnchor CHC LIM {_XKS_PROXY}"
_UPDATE_STORE = f"CKNF CKNU CHNF CloudHsmClusterNotRelated CKIS INT CHNA CHC {_XKS_PROXY}"
_CREATE_KEY = "MAL DT ARN UNS INT LIM TAG CKNF CKIS CHC XksKeyInvalidConfiguration XksKeyAlreadyInUse XksKeyNotFound"

ROWS: tuple[Operation, ...] = (
    _on_key("OP-1", "CancelKeyDeletion", "NF ARN DT INT KIS", customer=True),
    _on_nothing("OP-2", "ConnectCustomKeyStore", "CHNA CKIS CKNF INT CHC"),
    _on_several("OP-3", "CreateAlias", _CREATE_ALIAS_NEEDS, "DT AE NF IAN INT LIM KIS", customer=True),
    _on_nothing("OP-4", "CreateCustomKeyStore", _CREATE_STORE, also_needs=_STORE_NEEDS),
    _on_key(
        "OP-5",
        "CreateGrant",
        "NF DIS DT ARN INT IGT LIM KIS DRY",
        cross=True,
        grantable=True,
        dry_run=True,
        tokens=True,
    ),
    _on_several("OP-6", "CreateKey", _CREATE_KEY_NEEDS, _CREATE_KEY, also_needs=("iam:CreateServiceLinkedRole",)),
    _use("OP-7", "Decapsulate", _KEM, "NF DIS KU DT IGT IKU ICT INT KIS DRY", algorithm="EncapsulationAlgorithm"),
    _use(
        "OP-8",
        "Decrypt",
        _ENCRYPTING,
        "NF DIS ICT KU IKE IKU DT IGT INT KIS DRY",
        context=_CONTEXT,
        algorithm="EncryptionAlgorithm",
        ciphertext=True,
    ),
    _on_several("OP-9", "DeleteAlias", _DELETE_ALIAS_NEEDS, "DT NF INT KIS"),
    _on_nothing("OP-10", "DeleteCustomKeyStore", "CustomKeyStoreHasCMKs CKIS CKNF INT"),
    _on_key("OP-11", "DeleteImportedKeyMaterial", "ARN UNS DT NF INT KIS"),
    _use(
        "OP-12", "DeriveSharedSecret", _AGREEING, "NF DIS KU DT IGT IKU INT KIS DRY", algorithm="KeyAgreementAlgorithm"
    ),
    _on_nothing("OP-13", "DescribeCustomKeyStores", "CKNF MRK INT"),
    _on_key("OP-14", "DescribeKey", "NF ARN DT INT", cross=True, grantable=True, tokens=True, alias=True),
    _on_key("OP-15", "DisableKey", "NF ARN DT INT KIS", customer=True),
    _on_key("OP-16", "DisableKeyRotation", "NF DIS ARN DT INT KIS UNS", kinds=_SYMMETRIC, customer=True),
    _on_nothing("OP-17", "DisconnectCustomKeyStore", "CKIS CKNF INT"),
    _on_key("OP-18", "EnableKey", "NF ARN DT INT LIM KIS", customer=True),
    _on_key("OP-19", "EnableKeyRotation", "NF DIS ARN DT INT KIS UNS", kinds=_SYMMETRIC, customer=True),
    _use("OP-20", "Encapsulate", _KEM, "NF DIS KU DT IGT IKU INT KIS DRY", algorithm="EncapsulationAlgorithm"),
    _use(
        "OP-21",
        "Encrypt",
        _ENCRYPTING,
        "NF DIS KU DT IKU IGT INT KIS DRY",
        context=_CONTEXT,
        algorithm="EncryptionAlgorithm",
    ),
    _use("OP-22", "GenerateDataKey", _SYMMETRIC, _DATA_KEY, context=_CONTEXT),
    _use("OP-23", "GenerateDataKeyPair", _SYMMETRIC, _DATA_KEY_PAIR, context=_CONTEXT),
    _use("OP-24", "GenerateDataKeyPairWithoutPlaintext", _SYMMETRIC, _DATA_KEY_PAIR, context=_CONTEXT),
    _use("OP-25", "GenerateDataKeyWithoutPlaintext", _SYMMETRIC, _DATA_KEY, context=_CONTEXT),
    _use("OP-26", "GenerateMac", _HMAC, "NF DIS KU IKU IGT INT KIS DRY", algorithm="MacAlgorithm"),
    _on_nothing("OP-27", "GenerateRandom", "DT INT UNS CKNF CKIS", cross=CrossAccount.NOT_APPLICABLE),
    _on_key("OP-28", "GetKeyLastUsage", "NF ARN DT INT"),
    _on_key("OP-29", "GetKeyPolicy", "NF ARN DT INT KIS"),
    _on_key("OP-30", "GetKeyRotationStatus", "NF ARN DT INT KIS UNS", cross=True),
    _on_key("OP-31", "GetParametersForImport", "ARN UNS DT NF INT KIS"),
    # A key without a public part is an unsupported operation rather than a wrong usage: no `usages`.
    _on_key(
        "OP-32",
        "GetPublicKey",
        "NF DIS KU DT UNS ARN IGT IKU INT KIS",
        cross=True,
        kinds=_ASYMMETRIC,
        grantable=True,
        tokens=True,
        alias=True,
    ),
    _on_key("OP-33", "ImportKeyMaterial", "ARN UNS DT NF INT KIS ICT IKM EIT IIT"),
    _on_nothing("OP-34", "ListAliases", "DT MRK INT ARN NF"),
    _on_key("OP-35", "ListGrants", "NF DT MRK IGI ARN INT KIS", cross=True),
    _on_key("OP-36", "ListKeyPolicies", "NF ARN DT INT KIS"),
    _on_key("OP-37", "ListKeyRotations", "NF ARN MRK INT KIS UNS", kinds=_SYMMETRIC),
    _on_nothing("OP-38", "ListKeys", "DT INT MRK"),
    _on_key("OP-39", "ListResourceTags", "INT NF ARN MRK"),
    _on_nothing("OP-40", "ListRetirableGrants", "DT MRK ARN NF INT", cross=CrossAccount.OWN_ACCOUNT),
    _on_key("OP-41", "PutKeyPolicy", "NF ARN MAL DT UNS INT LIM KIS", customer=True),
    _REENCRYPT,
    _on_several("OP-43", "ReplicateKey", _REPLICATE_NEEDS, "AE DIS ARN KIS INT LIM MAL NF TAG UNS"),
    _RETIRE_GRANT,
    _on_key("OP-45", "RevokeGrant", "NF DT ARN IGI INT KIS DRY", cross=True, dry_run=True),
    _on_key("OP-46", "RotateKeyOnDemand", "NF DIS ARN DT INT KIS UNS LIM CON", kinds=_SYMMETRIC, customer=True),
    _on_key("OP-47", "ScheduleKeyDeletion", "NF ARN DT INT KIS", customer=True),
    _use("OP-48", "Sign", _SIGNING, "NF DIS KU DT IKU IGT INT KIS DRY", algorithm="SigningAlgorithm"),
    _on_key("OP-49", "TagResource", "INT NF ARN KIS LIM TAG", customer=True),
    _on_key("OP-50", "UntagResource", "INT NF ARN KIS TAG", customer=True),
    _on_several("OP-51", "UpdateAlias", _UPDATE_ALIAS_NEEDS, "DT NF INT LIM KIS", customer=True),
    _on_nothing("OP-52", "UpdateCustomKeyStore", _UPDATE_STORE),
    _on_key("OP-53", "UpdateKeyDescription", "NF ARN DT INT KIS", customer=True),
    _on_several("OP-54", "UpdatePrimaryRegion", _UPDATE_PRIMARY_NEEDS, "DIS ARN KIS INT NF UNS"),
    _use("OP-55", "Verify", _SIGNING, "NF DIS KU DT IKU IGT INT KIS SIG DRY", algorithm="SigningAlgorithm"),
    _use("OP-56", "VerifyMac", _HMAC, "NF DIS KU IKU IGT INT MAC KIS DRY", algorithm="MacAlgorithm"),
)
