"""Which permission carries which condition key, and with what value: tables 7.1 and 7.2 of the rule book, typed here.

Every operation is called twice: with the parameters that it must have (BARE) and with all that a key is made of (FULL).
Each permission that the call needs, a *leg*, is looked at under each key: it is there exactly where a row says so.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    ANA,
    DELEGATION,
    KEY_ARN,
    REGION,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    grant,
    key,
    organization,
    policy,
    with_account,
    world,
)

from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.conditions import Ambiguous, Doubtful
from kmssim.evaluator.context import derive_global_keys, session_keys
from kmssim.evaluator.context_kms import carries, derive_kms_keys, stated_keys
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.permissions import legs_of
from kmssim.evaluator.request import Network, service_principal
from kmssim.evaluator.world import VpcEndpoint

THERE = "eu-west-1"
IDS = {
    "sym": "1234abcd-12ab-34cd-56ef-1234567890ab",
    "sign": "22222222-12ab-34cd-56ef-1234567890ab",
    "mac": "33333333-12ab-34cd-56ef-1234567890ab",
    "agree": "44444444-12ab-34cd-56ef-1234567890ab",
    "kem": "55555555-12ab-34cd-56ef-1234567890ab",
    "import": "66666666-12ab-34cd-56ef-1234567890ab",
    "other": "77777777-12ab-34cd-56ef-1234567890ab",
    "primary": "mrk-1234abcd12ab34cd56ef1234567890ab",
    "replica": "mrk-1234abcd12ab34cd56ef1234567890ab",
}
ARNS = {
    label: f"arn:aws:kms:{THERE if label == 'replica' else REGION}:{ACCOUNT}:key/{key_id}"
    for label, key_id in IDS.items()
}
# label: origin, spec, usage, multi-Region type
PROPERTIES = {
    "sym": ("AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", None),
    "sign": ("AWS_KMS", "RSA_2048", "SIGN_VERIFY", None),
    "mac": ("AWS_KMS", "HMAC_256", "GENERATE_VERIFY_MAC", None),
    "agree": ("AWS_KMS", "ECC_NIST_P256", "KEY_AGREEMENT", None),
    "kem": ("AWS_KMS", "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", None),
    "import": ("EXTERNAL", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", None),
    "other": ("AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", None),
    "primary": ("AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "PRIMARY"),
    "replica": ("AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "REPLICA"),
}

PAIRS = {"dept": "it", "aws:s3:arn": "arn:aws:s3:::b/o"}
CONSTRAINTS = {"EncryptionContextSubset": {"tenant": "a"}, "SourceArn": "arn:aws:s3:::b"}
TAGS = [{"TagKey": "Team", "TagValue": "shop"}]
ENCRYPTING = {"EncryptionContext": PAIRS}

# leg: the key that it is on. Where a call has one permission its leg is the operation.
LEGS = {
    "CancelKeyDeletion": "sym", "CreateAlias/alias": None, "CreateAlias/key": "sym", "CreateGrant": "sym",
    "CreateKey": None, "CreateKey/tag": None, "Decapsulate": "kem", "Decrypt": "sym", "DeleteAlias/alias": None,
    "DeleteAlias/key": "sym", "DeleteImportedKeyMaterial": "import", "DeriveSharedSecret": "agree",
    "DescribeKey": "sym", "DisableKey": "sym", "DisableKeyRotation": "sym", "EnableKey": "sym",
    "EnableKeyRotation": "sym", "Encapsulate": "kem", "Encrypt": "sym", "GenerateDataKey": "sym",
    "GenerateDataKeyPair": "sym", "GenerateDataKeyPairWithoutPlaintext": "sym",
    "GenerateDataKeyWithoutPlaintext": "sym", "GenerateMac": "mac", "GetKeyLastUsage": "sym", "GetKeyPolicy": "sym",
    "GetKeyRotationStatus": "sym", "GetParametersForImport": "import", "GetPublicKey": "sign",
    "ImportKeyMaterial": "import", "ListGrants": "sym", "ListKeyPolicies": "sym", "ListKeyRotations": "sym",
    "ListResourceTags": "sym", "PutKeyPolicy": "sym", "ReEncrypt/from": "sym", "ReEncrypt/to": "other",
    "ReplicateKey/key": "primary", "ReplicateKey/new": None, "ReplicateKey/tag": None, "RetireGrant": "sym",
    "RevokeGrant": "sym", "RotateKeyOnDemand": "sym", "ScheduleKeyDeletion": "sym", "Sign": "sign",
    "TagResource": "sym", "UntagResource": "sym", "UpdateAlias/alias": None, "UpdateAlias/old": "sym",
    "UpdateAlias/new": "other", "UpdateKeyDescription": "sym", "UpdatePrimaryRegion/old": "primary",
    "UpdatePrimaryRegion/new": "replica", "Verify": "sign", "VerifyMac": "mac", "ConnectCustomKeyStore": None,
    "CreateCustomKeyStore": None, "DeleteCustomKeyStore": None, "DescribeCustomKeyStores": None,
    "DisconnectCustomKeyStore": None, "UpdateCustomKeyStore": None, "GenerateRandom": None, "ListAliases": None,
    "ListKeys": None, "ListRetirableGrants": None,
}  # fmt: skip

# What is sent beside the key: FULL, and of it what a BARE call leaves out.
FULL = {
    "CreateAlias": {"AliasName": "alias/new"},
    "CreateGrant": {
        "GranteePrincipal": WORKER, "RetiringPrincipal": ANA, "Operations": ["Encrypt", "Decrypt"],
        "GranteeServicePrincipal": "ec2.amazonaws.com", "RetiringServicePrincipal": "rds.amazonaws.com",
        "Constraints": CONSTRAINTS,
    },
    "CreateKey": {
        "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC", "Origin": "EXTERNAL", "MultiRegion": True,
        "BypassPolicyLockoutSafetyCheck": True, "Tags": TAGS,
    },
    "Decapsulate": {"EncapsulationAlgorithm": "ML_KEM"},
    "Decrypt": {**ENCRYPTING, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "DeleteAlias": {"AliasName": "alias/sym"},
    "DeriveSharedSecret": {"KeyAgreementAlgorithm": "ECDH"},
    "EnableKeyRotation": {"RotationPeriodInDays": 180},
    "Encapsulate": {"EncapsulationAlgorithm": "ML_KEM"},
    "Encrypt": {**ENCRYPTING, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "GenerateDataKey": {**ENCRYPTING, "KeySpec": "AES_256"},
    "GenerateDataKeyPair": {**ENCRYPTING, "KeyPairSpec": "RSA_3072"},
    "GenerateDataKeyPairWithoutPlaintext": {**ENCRYPTING, "KeyPairSpec": "RSA_3072"},
    "GenerateDataKeyWithoutPlaintext": {**ENCRYPTING, "KeySpec": "AES_256"},
    "GenerateMac": {"MacAlgorithm": "HMAC_SHA_256"},
    "GenerateRandom": {"NumberOfBytes": 32},
    "GetKeyPolicy": {"PolicyName": "AWS_RAM"},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"},
    "ImportKeyMaterial": {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": "2026-06-01T00:00:00Z"},
    "PutKeyPolicy": {
        "Policy": policy("key_policy", *DELEGATION).document, "PolicyName": "default",
        "BypassPolicyLockoutSafetyCheck": False,
    },
    "ReEncrypt": {
        "SourceEncryptionContext": PAIRS, "DestinationEncryptionContext": {"stage": "two"},
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    },
    "ReplicateKey": {"ReplicaRegion": "us-west-2", "BypassPolicyLockoutSafetyCheck": True, "Tags": TAGS},
    "RetireGrant": {"GrantId": "id-of-bound"},
    "RevokeGrant": {"GrantId": "id-of-bound"},
    "ScheduleKeyDeletion": {"PendingWindowInDays": 10},
    "Sign": {"SigningAlgorithm": "RSASSA_PSS_SHA_256", "MessageType": "DIGEST"},
    "TagResource": {"Tags": TAGS},
    "UntagResource": {"TagKeys": ["Team", "Stage"]},
    "UpdateAlias": {"AliasName": "alias/sym"},
    "UpdatePrimaryRegion": {"PrimaryRegion": THERE},
    "Verify": {"SigningAlgorithm": "RSASSA_PSS_SHA_256", "MessageType": "EXTERNAL_MU"},
    "VerifyMac": {"MacAlgorithm": "HMAC_SHA_256"},
}  # fmt: skip
OPTIONAL = {
    "EncryptionContext", "EncryptionAlgorithm", "SourceEncryptionContext", "DestinationEncryptionContext",
    "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm", "MessageType", "PolicyName",
    "BypassPolicyLockoutSafetyCheck", "PendingWindowInDays", "RotationPeriodInDays", "ExpirationModel", "ValidTo",
    "KeyUsage", "Origin", "MultiRegion", "RetiringPrincipal", "GranteeServicePrincipal", "RetiringServicePrincipal",
    "Constraints",
}  # fmt: skip

ON_KEYS = {leg for leg, label in LEGS.items() if label}
ON_NEW_KEYS = {"CreateKey", "CreateKey/tag", "ReplicateKey/new", "ReplicateKey/tag"}
STORES = {
    "ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore", "UpdateCustomKeyStore",
}  # fmt: skip
DATA_KEYS = {
    "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
}  # fmt: skip
CLAIMING = {"Encrypt", "Decrypt", "ReEncrypt/from", *DATA_KEYS}
NAMING_ALIASES = {
    "Encrypt", "Decrypt", "ReEncrypt/from", "ReEncrypt/to", *DATA_KEYS, "Sign", "Verify", "GenerateMac", "VerifyMac",
    "DeriveSharedSecret", "DescribeKey", "GetPublicKey", "Encapsulate", "Decapsulate",
}  # fmt: skip


def each(legs, value):
    return dict.fromkeys(legs, value)


def of_keys(part):
    """A property of the key that the leg is on; of a key that is to be made, what the call asks for."""
    rows = {leg: PROPERTIES[label][part] for leg, label in LEGS.items() if label}
    made = ("EXTERNAL", "HMAC_256", "GENERATE_VERIFY_MAC", "PRIMARY")[part]
    copied = ("AWS_KMS", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "REPLICA")[part]
    rows |= each({"CreateKey", "CreateKey/tag"}, made) | each({"ReplicateKey/new", "ReplicateKey/tag"}, copied)
    return {leg: value for leg, value in rows.items() if value is not None}


IT, ARN = each(CLAIMING, "it"), each(CLAIMING, "arn:aws:s3:::b/o")
TYPES = of_keys(3)
# key: leg → value, for FULL calls
TABLE = {
    "kms:BypassPolicyLockoutSafetyCheck": {"CreateKey": "true", "PutKeyPolicy": "false"},
    "kms:CallerAccount": each(ON_KEYS | ON_NEW_KEYS | STORES, ACCOUNT),
    "kms:CustomerMasterKeySpec": {},
    "kms:CustomerMasterKeyUsage": {},
    "kms:DataKeyPairSpec": each({"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}, "RSA_3072"),
    "kms:EncryptionAlgorithm": each({*CLAIMING, "ReEncrypt/to"}, "SYMMETRIC_DEFAULT"),
    "kms:EncryptionContext:dept": IT,
    "kms:EncryptionContext:aws:s3:arn": ARN,
    "kms:EncryptionContext:stage": {"ReEncrypt/to": "two"},
    "kms:EncryptionContext:tenant": each({"CreateGrant", "RetireGrant"}, "a"),
    "kms:EncryptionContextKey": {},
    "kms:EncryptionContextKeys": (
        each(CLAIMING, ("dept", "aws:s3:arn")) | {"ReEncrypt/to": ("stage",)}
        | each({"CreateGrant", "RetireGrant"}, ("tenant",))
    ),
    "kms:ExpirationModel": {"ImportKeyMaterial": "KEY_MATERIAL_EXPIRES"},
    "kms:GrantConstraintSourceArn": {"CreateGrant": "arn:aws:s3:::b"},
    "kms:GrantConstraintType": each({"CreateGrant", "RetireGrant"}, "EncryptionContextSubset"),
    "kms:GranteePrincipal": {"CreateGrant": WORKER},
    "kms:GranteeServicePrincipal": {"CreateGrant": "ec2.amazonaws.com"},
    "kms:GrantIsForAWSResource": each({"CreateGrant", "ListGrants", "RevokeGrant"}, "false"),
    "kms:GrantOperations": {"CreateGrant": ("Encrypt", "Decrypt")},
    "kms:KeyAgreementAlgorithm": {"DeriveSharedSecret": "ECDH"},
    "kms:KeyOrigin": of_keys(0),
    "kms:KeySpec": of_keys(1),
    "kms:KeyUsage": of_keys(2),
    "kms:MacAlgorithm": each({"GenerateMac", "VerifyMac"}, "HMAC_SHA_256"),
    "kms:MessageType": {"Sign": "DIGEST", "Verify": "EXTERNAL_MU"},
    "kms:MultiRegion": each(ON_KEYS | ON_NEW_KEYS, "false") | each(TYPES, "true"),
    "kms:MultiRegionKeyType": TYPES,
    "kms:PolicyName": {"GetKeyPolicy": "AWS_RAM", "PutKeyPolicy": "default"},
    "kms:PrimaryRegion": each({"UpdatePrimaryRegion/old", "UpdatePrimaryRegion/new"}, THERE),
    "kms:RecipientAttestation:ImageSha384": {},
    "kms:RecipientAttestation:PCR0": {},
    "kms:RecipientAttestation:NitroTPMPCR4": {},
    "kms:ReEncryptOnSameKey": each({"ReEncrypt/from", "ReEncrypt/to"}, "false"),
    "kms:ReplicaRegion": {"ReplicateKey/key": "us-west-2"},
    "kms:RequestAlias": {},
    "kms:ResourceAliases": {
        leg: ("alias/sym", "alias/too") if label == "sym" else (f"alias/{label}",) for leg, label in LEGS.items() if label
    },
    "kms:RetiringPrincipal": {"CreateGrant": ANA},
    "kms:RetiringServicePrincipal": {"CreateGrant": "rds.amazonaws.com"},
    "kms:RotationPeriodInDays": {"EnableKeyRotation": "180"},
    "kms:ScheduleKeyDeletionPendingWindowInDays": {"ScheduleKeyDeletion": "10"},
    "kms:SigningAlgorithm": each({"Sign", "Verify"}, "RSASSA_PSS_SHA_256"),
    "kms:TrailingDaysWithoutKeyUsage": {},
    "kms:ValidTo": {"ImportKeyMaterial": "1780272000"},
    "kms:ViaService": {},
    "kms:WrappingAlgorithm": {"GetParametersForImport": "RSAES_OAEP_SHA_256"},
    "kms:WrappingKeySpec": {"GetParametersForImport": "RSA_4096"},
    "aws:RequestTag/team": each(ON_NEW_KEYS | {"TagResource"}, "shop"),
    "aws:TagKeys": each(ON_NEW_KEYS | {"TagResource"}, ("Team",)) | {"UntagResource": ("Team", "Stage")},
    "aws:ResourceTag/stage": each({leg for leg, label in LEGS.items() if label == "sym"}, "prod"),
    "aws:ResourceTag/team": each(ON_NEW_KEYS, "shop"),
    "aws:ResourceAccount": each(LEGS, ACCOUNT),
    "aws:RequestedRegion": each(LEGS, REGION) | {"UpdatePrimaryRegion/new": THERE}
    | each({"ReplicateKey/new", "ReplicateKey/tag"}, "us-west-2"),
    "aws:ViaAWSService": each(LEGS, "false"),
    "aws:CalledVia": {},
    "aws:PrincipalArn": each(LEGS, WORKER),
    "aws:PrincipalAccount": each(LEGS, ACCOUNT),
    "aws:PrincipalIsAWSService": each(LEGS, "false"),
    "aws:SecureTransport": each(LEGS, "true"),
    "aws:MultiFactorAuthPresent": each(LEGS, "false"),
    "aws:MultiFactorAuthAge": {},
    "aws:SourceArn": {},
    "aws:SourceAccount": {},
    "aws:PrincipalOrgID": {},
    "aws:username": {},
}  # fmt: skip

# the same rows for BARE calls, where they are others
CREATED = {"CreateKey", "CreateKey/tag"}
BARE_TABLE = TABLE | {
    "kms:BypassPolicyLockoutSafetyCheck": {},
    "kms:EncryptionContext:dept": {},
    "kms:EncryptionContext:aws:s3:arn": {},
    "kms:EncryptionContext:stage": {},
    "kms:EncryptionContext:tenant": {"RetireGrant": "a"},
    "kms:EncryptionContextKeys": {"RetireGrant": ("tenant",)},
    "kms:ExpirationModel": {},
    "kms:GrantConstraintSourceArn": {},
    "kms:GrantConstraintType": {"RetireGrant": "EncryptionContextSubset"},
    "kms:GranteeServicePrincipal": {},
    "kms:KeyOrigin": of_keys(0) | each(CREATED, "AWS_KMS"),
    "kms:KeyUsage": of_keys(2) | each(CREATED, "ENCRYPT_DECRYPT"),
    "kms:MessageType": each({"Sign", "Verify"}, "RAW"),
    "kms:MultiRegion": TABLE["kms:MultiRegion"] | each(CREATED, "false"),
    "kms:MultiRegionKeyType": {leg: value for leg, value in TYPES.items() if leg not in CREATED},
    "kms:PolicyName": each({"GetKeyPolicy", "PutKeyPolicy"}, "default"),
    "kms:RetiringPrincipal": {},
    "kms:RetiringServicePrincipal": {},
    "kms:RotationPeriodInDays": {},
    "kms:ScheduleKeyDeletionPendingWindowInDays": {},
    "kms:ValidTo": {},
}


def a_key(label):
    origin, spec, usage, multi_region = PROPERTIES[label]
    parts = {"label": label, "id": IDS[label], "origin": origin, "spec": spec, "usage": usage}
    parts |= {"aliases": (f"alias/{label}",)}
    if label == "sym":
        constraints = {"encryption_context_subset": {"tenant": "a"}}
        bound = grant("Decrypt", name="bound", retiring=WORKER, constraints=constraints)
        parts |= {"aliases": ("alias/sym", "alias/too"), "tags": {"Stage": "prod"}, "grants": (bound,)}
    if label == "replica":
        parts |= {"region": THERE}
    return key(*DELEGATION, multi_region=multi_region, **parts)


WORLD = world(*(a_key(label) for label in PROPERTIES), mine=(allow(),))


def the_call(operation, *, bare=False, named="{arn}", **parts):
    sent = {name: value for name, value in FULL.get(operation, {}).items() if not (bare and name in OPTIONAL)}
    on = [label for leg, label in LEGS.items() if leg.split("/")[0] == operation and label]
    names = {
        "ReEncrypt": ("SourceKeyId", "DestinationKeyId"), "CreateAlias": ("TargetKeyId",), "DeleteAlias": (),
        "UpdateAlias": (None, "TargetKeyId"), "UpdatePrimaryRegion": ("KeyId",),
    }.get(operation, ("KeyId",))  # fmt: skip
    forms = [(name, named.format(arn=ARNS[label], label=label)) for name, label in zip(names, on, strict=False)]
    sent |= {name: form for name, form in forms if name}
    return call(f"kms:{operation}", parameters=sent, **parts)


def legs_by_name(operation, **parts):
    """Each leg of a call with its condition keys by the default reading."""
    decision = decide(WORLD, the_call(operation, **parts))
    names = [leg for leg in LEGS if leg.split("/")[0] == operation]
    assert len(decision.permissions) == len(names), operation
    return {name: permission.context for name, permission in zip(names, decision.permissions, strict=True)}


def test_the_tables_speak_of_every_operation_and_its_legs():
    assert {leg.split("/")[0] for leg in LEGS} == set(OPERATIONS)
    assert all(set(rows) <= set(LEGS) for rows in [*TABLE.values(), *BARE_TABLE.values()])


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("bare", [False, True], ids=["full", "bare"])
def test_a_key_is_there_exactly_where_the_table_says(operation, bare):
    table = BARE_TABLE if bare else TABLE
    for leg, context in legs_by_name(operation, bare=bare).items():
        found = {name: context.get(name.lower()) for name in table}
        assert found == {name: rows.get(leg) for name, rows in table.items()}, leg


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_no_kms_key_that_the_table_does_not_have(operation):
    known = {name.lower() for name in TABLE}
    for leg, context in legs_by_name(operation).items():
        assert {name for name in context if name.startswith("kms:")} <= known, leg


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_forwarded_call_names_its_service_on_keys_alone(operation):
    """CK-37, CK-13, CK-67, CK-68."""
    for leg, context in legs_by_name(operation, via="ec2.us-east-1.amazonaws.com").items():
        on_key = leg in ON_KEYS | ON_NEW_KEYS
        assert context.get("kms:viaservice") == ("ec2.us-east-1.amazonaws.com" if on_key else None), leg
        assert context.get("kms:grantisforawsresource") == (
            "true" if leg in {"CreateGrant", "ListGrants", "RevokeGrant"} else None
        )
        assert context["aws:viaawsservice"] == "true"
        assert context["aws:calledvia"] == ("ec2.amazonaws.com",)
        assert context["aws:calledviafirst"] == context["aws:calledvialast"] == "ec2.amazonaws.com"
        assert context["aws:principalisawsservice"] == "false"


@pytest.mark.parametrize("named", ["alias/{label}", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/{{label}}"])
@pytest.mark.parametrize("operation", sorted({leg.split("/")[0] for leg in NAMING_ALIASES}))
def test_the_alias_that_the_call_names(operation, named):
    """CK-28: the alias name, never its ARN."""
    for leg, context in legs_by_name(operation, named=named).items():
        assert leg in NAMING_ALIASES
        assert context.get("kms:requestalias") == f"alias/{LEGS[leg]}", leg


ANY_VALUE = {
    "kms:BypassPolicyLockoutSafetyCheck": {"CreateKey", "PutKeyPolicy"},
    "kms:CallerAccount": ON_KEYS | ON_NEW_KEYS | STORES,
    "kms:DataKeyPairSpec": {"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"},
    "kms:EncryptionAlgorithm": CLAIMING | {"ReEncrypt/to"},
    "kms:EncryptionContext:Other": CLAIMING | {"ReEncrypt/to", "CreateGrant", "RetireGrant"},
    "kms:GrantIsForAWSResource": {"CreateGrant", "ListGrants", "RevokeGrant"},
    "kms:KeySpec": ON_KEYS | ON_NEW_KEYS,
    "kms:MessageType": {"Sign", "Verify"},
    "kms:RecipientAttestation:ImageSha384": {
        "Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom",
    },
    "kms:RecipientAttestation:NitroTPMPCR4": {
        "Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom",
    },
    "kms:ReEncryptOnSameKey": {"ReEncrypt/from", "ReEncrypt/to"},
    "kms:RequestAlias": NAMING_ALIASES,
    "kms:TrailingDaysWithoutKeyUsage": {"DisableKey", "ScheduleKeyDeletion"},
    "kms:ViaService": ON_KEYS | ON_NEW_KEYS,
    "aws:FederatedProvider": set(LEGS),
    "ec2:SourceInstanceArn": set(LEGS),
}  # fmt: skip


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_stated_key_wins_where_the_operation_can_carry_it_and_is_nowhere_else(operation):
    stated = {name.lower(): "stated" for name in ANY_VALUE}
    for leg, context in legs_by_name(operation, context=stated).items():
        for name, legs in ANY_VALUE.items():
            assert (context.get(name.lower()) == "stated") == (leg in legs), (leg, name)


def test_a_stated_value_has_the_form_of_its_key():
    """Multivalued keys are lists however they are stated, other keys of AWS's are not; ours stay as they are."""
    context = legs_by_name(
        "Decrypt",
        context={
            "aws:principalorgpaths": "o-a/r-b/", "kms:encryptioncontextkeys": "dept", "aws:principaltag/team": ("shop",),
            "kms:keyspec": ("SM2",), "my:groups": ("a",), "my:group": "a", "aws:federatedprovider": ("a", "b"),
        },
    )["Decrypt"]  # fmt: skip
    assert context["aws:principalorgpaths"] == ("o-a/r-b/",)
    assert context["kms:encryptioncontextkeys"] == ("dept",)
    assert context["aws:principaltag/team"] == "shop"
    assert context["kms:keyspec"] == "SM2"
    assert (context["my:groups"], context["my:group"]) == (("a",), "a")
    assert context["aws:federatedprovider"] == ("a", "b")


def test_a_stated_chain_has_a_first_and_a_last_service():
    chain = ("cloudformation.amazonaws.com", "s3.amazonaws.com")
    context = legs_by_name("Decrypt", context={"aws:calledvia": chain})["Decrypt"]
    assert (context["aws:calledviafirst"], context["aws:calledvialast"]) == chain
    assert context["aws:viaawsservice"] == "true"


ANOTHER_READING = {
    "kms:BypassPolicyLockoutSafetyCheck": ("UN-7", "false", {"CreateKey", "PutKeyPolicy"}),
    "kms:ExpirationModel": ("UN-7", "KEY_MATERIAL_EXPIRES", {"ImportKeyMaterial"}),
    "kms:MessageType": ("UN-7", None, {"Sign", "Verify"}),
    "kms:RotationPeriodInDays": ("UN-7", "365", {"EnableKeyRotation"}),
    "kms:ScheduleKeyDeletionPendingWindowInDays": ("UN-26", "30", {"ScheduleKeyDeletion"}),
    "kms:KeyOrigin": ("UN-17", None, {"Encapsulate", "Decapsulate"}),
    "kms:RequestAlias": ("UN-17", None, {"Encapsulate", "Decapsulate"}),
    "kms:CallerAccount": ("UN-17", None, {"Encapsulate", "Decapsulate"}),
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_values_that_rest_on_an_open_question(operation):
    a_call = the_call(operation, bare=True, named="alias/{label}" if operation in NAMING_ALIASES else "{arn}")
    names = [leg for leg in LEGS if leg.split("/")[0] == operation]
    for name, leg in zip(names, legs_of(WORLD, a_call), strict=True):
        keys = derive_kms_keys(a_call, find_caller(WORLD, a_call.principal), leg)
        doubts = {
            written: keys[written.lower()]
            for written in ANOTHER_READING
            if isinstance(keys.get(written.lower()), Doubtful)
        }
        expected = {written for written, (_, _, legs) in ANOTHER_READING.items() if name in legs}
        assert set(doubts) == expected, name
        for written, value in doubts.items():
            question, other, _ = ANOTHER_READING[written]
            assert (value.question, value.other) == (question, other)
        if name in ON_KEYS | ON_NEW_KEYS:
            assert keys["kms:customermasterkeyspec"] == Doubtful("UN-14", None, TABLE["kms:KeySpec"][name])


def test_the_singular_name_of_the_context_keys_is_no_key_today():
    """EC-13, UN-14: absent; by the other reading, the names of the pairs."""
    one, two = the_call("Encrypt"), the_call("Encrypt")
    one = replace(one, parameters={**one.parameters, "EncryptionContext": {"dept": "it"}})
    by = find_caller(WORLD, one.principal)
    single = derive_kms_keys(one, by, legs_of(WORLD, one)[0])["kms:encryptioncontextkey"]
    assert single == Doubtful("UN-14", None, "dept")
    several = derive_kms_keys(two, by, legs_of(WORLD, two)[0])["kms:encryptioncontextkey"]
    assert several == Doubtful("UN-14", None, ("dept", "aws:s3:arn"))


def test_other_keys_than_symmetric_ones_have_no_encryption_context():
    """EC-5."""
    rsa = world(key(*DELEGATION, spec="RSA_2048"), mine=(allow(),))
    sent = {"KeyId": ARNS["sym"], "EncryptionContext": PAIRS, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    context = decide(rsa, call("kms:Encrypt", parameters=sent)).permissions[0].context
    assert not [name for name in context if name.startswith("kms:encryptioncontext")]
    assert context["kms:encryptionalgorithm"] == "RSAES_OAEP_SHA_256"


def test_a_key_with_too_many_aliases_helps_no_allow():
    """CK-29: not even one that ForAllValues would open for an absent key."""
    many = tuple(f"alias/a{number}" for number in range(51))
    relying = allow(when={"ForAllValues:StringLike": {"kms:ResourceAliases": "alias/a*"}})
    for aliases, word in ((many[:50], "ALLOW"), (many, "DENY")):
        crowded = world(key(*DELEGATION, aliases=aliases), mine=(relying,))
        assert decide(crowded, call()).word == word
    by = find_caller(crowded, caller())
    keys = derive_kms_keys(call(), by, legs_of(crowded, call())[0])
    assert isinstance(keys["kms:resourcealiases"], Ambiguous)


USER, ROLE, FEDERATED = caller(ANA), caller(), caller(f"arn:aws:sts::{ACCOUNT}:federated-user/bob")
SIGNED_IN, AS_ROOT = caller(ANA, mfa=True), caller(ROOT)
SERVICE = service_principal("logs.us-east-1.amazonaws.com", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:a", ACCOUNT)
MEMBER = with_account(world(key(*DELEGATION), organization=organization()), ACCOUNT, unit="root")
PATHS = ("o-example/root/",)

WHO = {
    "aws:PrincipalArn": (ANA, ANA, WORKER, FEDERATED.arn, ROOT, None),
    "aws:PrincipalAccount": (ACCOUNT, ACCOUNT, ACCOUNT, ACCOUNT, ACCOUNT, None),
    "aws:PrincipalType": ("User", "User", "AssumedRole", "FederatedUser", "Account", None),
    "aws:PrincipalOrgID": ("o-example", "o-example", "o-example", "o-example", "o-example", None),
    "aws:PrincipalOrgPaths": (PATHS, PATHS, PATHS, PATHS, PATHS, None),
    "aws:username": ("ana", "ana", None, None, None, None),
    "aws:PrincipalIsAWSService": ("false", "false", "false", "false", "false", "true"),
    "aws:PrincipalServiceName": (None, None, None, None, None, SERVICE.name),
    "aws:PrincipalServiceNamesList": (None, None, None, None, None, (SERVICE.name,)),
    "aws:SourceArn": (None, None, None, None, None, SERVICE.source_arn),
    "aws:SourceAccount": (None, None, None, None, None, ACCOUNT),
    "aws:SourceOrgID": (None, None, None, None, None, "o-example"),
    "aws:SourceOrgPaths": (None, None, None, None, None, PATHS),
    "aws:ViaAWSService": ("false", "false", "false", "false", "false", "false"),
    "aws:CalledVia": (None, None, None, None, None, None),
    "aws:MultiFactorAuthPresent": (None, "true", "false", "false", None, None),
    "aws:MultiFactorAuthAge": (None, "0", None, None, None, None),
    "aws:TokenIssueTime": (None, *("2026-01-01T00:00:00Z",) * 3, None, None),
    "aws:ResourceAccount": (ACCOUNT,) * 6,
    "aws:ResourceOrgID": ("o-example",) * 6,
    "aws:ResourceOrgPaths": (PATHS,) * 6,
    "aws:SecureTransport": ("true",) * 6,
    "aws:CurrentTime": ("2026-01-01T00:00:00Z",) * 6,
    "aws:EpochTime": ("1767225600",) * 6,
    "kms:CallerAccount": (ACCOUNT, ACCOUNT, ACCOUNT, ACCOUNT, ACCOUNT, None),
    "kms:ViaService": (None, None, None, None, None, None),
}


@pytest.mark.parametrize(
    ("column", "who"), list(enumerate((USER, SIGNED_IN, ROLE, FEDERATED, AS_ROOT, SERVICE))),
    ids=["user", "user with MFA", "role session", "federated user", "root", "service"],
)  # fmt: skip
def test_the_global_keys_of_each_kind_of_caller(column, who):
    context = decide(MEMBER, call(principal=who)).permissions[0].context
    assert {name: context.get(name.lower()) for name in WHO} == {name: row[column] for name, row in WHO.items()}


def test_a_users_session_without_mfa_says_so_and_an_access_key_says_nothing():
    """CK-76, CK-77."""
    plain = decide(MEMBER, call(principal=caller(ANA, temporary=True))).permissions[0].context
    assert (plain["aws:multifactorauthpresent"], plain["aws:tokenissuetime"]) == ("false", "2026-01-01T00:00:00Z")
    assert "aws:multifactorauthage" not in plain
    assert "aws:multifactorauthpresent" not in decide(MEMBER, call(principal=USER)).permissions[0].context


ENDPOINT = VpcEndpoint("vpce-1", ACCOUNT, "vpc-9")
INSIDE, OUTSIDE = Network("10.0.0.1", "vpce-1"), Network("203.0.113.7")
WHERE = {
    "aws:SourceIp": ("203.0.113.7", "203.0.113.7", None, None, None),
    "aws:SourceVpce": (None, None, "vpce-1", None, None),
    "aws:SourceVpc": (None, None, "vpc-9", None, None),
    "aws:VpcSourceIp": (None, None, "10.0.0.1", None, None),
    "aws:SourceVpcArn": (None, None, f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/vpc-9", None, None),
    "aws:VpceAccount": (None, None, ACCOUNT, None, None),
    "aws:VpceOrgID": (None, None, "o-example", None, None),
    "aws:VpceOrgPaths": (None, None, PATHS, None, None),
    "aws:ViaAWSService": ("false", "true", "false", "true", "false"),
}


@pytest.mark.parametrize(
    ("column", "who", "network", "via"),
    [
        (0, ROLE, OUTSIDE, None), (1, ROLE, OUTSIDE, "s3.us-east-1.amazonaws.com"), (2, ROLE, INSIDE, None),
        (3, ROLE, INSIDE, "s3.us-east-1.amazonaws.com"), (4, SERVICE, OUTSIDE, None),
    ],
    ids=["public", "public, forwarded", "endpoint", "endpoint, forwarded", "service"],
)  # fmt: skip
def test_the_keys_of_the_network(column, who, network, via):
    """CK-69 to CK-71, CK-80."""
    inside = replace(MEMBER, vpc_endpoints={"vpce-1": ENDPOINT})
    context = decide(inside, call(principal=who, network=network, via=via)).permissions[0].context
    assert {name: context.get(name.lower()) for name in WHERE} == {name: row[column] for name, row in WHERE.items()}


def test_what_is_stated_of_the_session_and_the_clock_goes_together():
    stated = {"aws:tokenissuetime": "2026-01-01T00:00:00Z", "aws:currenttime": "2026-01-01T01:00:00Z"}
    context = decide(MEMBER, call(principal=SIGNED_IN, context=stated)).permissions[0].context
    assert context["aws:multifactorauthage"] == "3600"
    assert context["aws:epochtime"] == "1767229200"
    tagged = caller(WORKER_SESSION, source_identity="bea", tags={"Team": "shop"})
    context = decide(MEMBER, call(principal=tagged)).permissions[0].context
    assert (context["aws:sourceidentity"], context["aws:principaltag/team"]) == ("bea", "shop")


def test_the_keys_of_a_session_are_those_of_the_whole_context():
    """CK-76, CK-77: a sweep derives them by themselves."""
    for principal in (caller(), caller(ANA), caller(mfa=True, source_identity="ana")):
        one = call(principal=principal, context={"aws:currenttime": "2026-02-03T04:05:06Z"})
        whole = derive_global_keys(world(), one, find_caller(world(), principal), REGION, ACCOUNT, {})
        names = ("aws:multifactorauthpresent", "aws:tokenissuetime", "aws:multifactorauthage", "aws:sourceidentity")
        assert session_keys(one, find_caller(world(), principal)) == {
            name: whole[name] for name in names if name in whole
        }


def test_what_a_permission_can_carry_is_what_a_call_may_state_for_it():
    names = ("kms:encryptioncontext:dept", "kms:grantisforawsresource", "aws:username", "made:up")
    for operation in ("kms:Decrypt", "kms:CreateGrant"):
        one = call(operation, context=dict.fromkeys(names, "x"))
        (leg,) = legs_of(world(key()), one)
        assert set(stated_keys(one, leg)) == {name for name in names if carries(leg, name)}
        assert carries(leg, "kms:grantisforawsresource") == (operation == "kms:CreateGrant")


def test_untagging_nothing_names_no_tag_keys():
    (trace,) = decide(world(key()), call("kms:UntagResource", parameters={"KeyId": KEY_ARN, "TagKeys": []})).permissions
    assert "aws:tagkeys" not in trace.context
