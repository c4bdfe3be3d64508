"""Key states: what each operation does in each, as AWS's table of key states has it (ST-1 to ST-6)."""

from __future__ import annotations

from itertools import product

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from kmssim.evaluator.operations import KEY_SPECS, OPERATIONS, On
from kmssim.evaluator.states import KEY_STATES, STATEFUL, state_failure

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
DISABLED, INVALID, UNSUPPORTED = "DisabledException", "KMSInvalidStateException", "UnsupportedOperationException"
ORIGINS = ("AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE")
SPECS = sorted({spec for specs in KEY_SPECS.values() for spec in specs})

MODEL = ServiceModel(Loader().load_service_model("kms", "service-2"), "kms")


def outcome(operation, state, **key):
    failure = state_failure(operation, state, **key)
    return failure and failure.code


def test_the_states_are_those_of_the_model():
    assert set(KEY_STATES) == set(MODEL.shape_for("KeyState").enum)


def test_every_operation_on_an_existing_key_has_a_row():
    on_existing_key = {
        name
        for name, row in OPERATIONS.items()
        if any(need.on in {On.KEY, On.ALIAS_TARGET, On.GRANT} for need in row.permissions)
    }
    # ListAliases asks for no permission on the key that it may name, but the key has a state.
    assert on_existing_key | {"ListAliases"} == STATEFUL


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_fails_only_with_errors_that_it_declares(name):
    for state, origin, spec, on in product(KEY_STATES, ORIGINS, SPECS, (On.KEY, On.ALIAS_TARGET)):
        failure = state_failure(name, state, origin=origin, spec=spec, on=on)
        while failure is not None:
            assert failure.code in OPERATIONS[name].errors
            failure = failure.other


CRYPTOGRAPHIC = sorted(name for name, row in OPERATIONS.items() if row.usages)
READING = [
    "DescribeKey",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListResourceTags",
]


@pytest.mark.parametrize("operation", CRYPTOGRAPHIC)
def test_use_needs_an_enabled_key(operation):
    answers = {
        state: outcome(operation, state) for state in KEY_STATES if state not in {"PendingImport", "Unavailable"}
    }
    assert answers == {
        "Enabled": None,
        "Updating": None,
        "Disabled": DISABLED,
        "Creating": INVALID,
        "PendingDeletion": INVALID,
        "PendingReplicaDeletion": INVALID,
    }


@pytest.mark.parametrize("operation", [*READING, "DeleteAlias", "PutKeyPolicy", "RetireGrant", "RevokeGrant"])
@pytest.mark.parametrize("state", KEY_STATES)
def test_reading_and_taking_back_work_in_every_state(operation, state):
    assert state_failure(operation, state) is None


@pytest.mark.parametrize("operation", ["CreateKey", "GenerateRandom", "ListKeys", "ConnectCustomKeyStore"])
def test_operations_without_a_key_know_no_state(operation):
    assert state_failure(operation, "PendingDeletion") is None


def test_an_unknown_state_is_refused():
    with pytest.raises(KeyError):
        state_failure("Encrypt", "Tired")


# Enabled, Disabled, PendingDeletion, PendingImport, Unavailable, Creating, Updating.
ORIGIN_IN = {"PendingImport": "EXTERNAL", "Unavailable": "AWS_CLOUDHSM"}
LETTERS = {None: ".", DISABLED: "D", INVALID: "I", UNSUPPORTED: "U"}


@pytest.mark.parametrize(
    ("operations", "origin", "row"),
    [
        ("Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext", "AWS_KMS", ".DIIII."),
        ("GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext", "AWS_KMS", ".DIIUI."),
        ("Sign Verify GenerateMac VerifyMac DeriveSharedSecret", "AWS_KMS", ".DII.I."),
        ("Encapsulate Decapsulate", "AWS_KMS", ".DI..I."),
        ("GetPublicKey", "AWS_KMS", "..I..I."),
        ("CreateGrant", "AWS_KMS", ".DII.I."),
        ("CreateAlias UpdateAlias TagResource UntagResource UpdateKeyDescription", "AWS_KMS", "..I...."),
        ("EnableKey DisableKey", "AWS_KMS", "..II.II"),
        ("EnableKeyRotation DisableKeyRotation", "AWS_KMS", ".DIUUI."),
        ("EnableKeyRotation DisableKeyRotation", "EXTERNAL", "UUUUUIU"),
        ("RotateKeyOnDemand", "AWS_KMS", ".DIIUI."),
        ("RotateKeyOnDemand", "EXTERNAL", "IDIIUII"),
        ("RotateKeyOnDemand", "AWS_CLOUDHSM", "UUUIUIU"),
        ("GetKeyRotationStatus", "AWS_KMS", "...UU.."),
        ("GetKeyRotationStatus", "EXTERNAL", "UUUUUUU"),
        ("ListKeyRotations", "AWS_KMS", "....U.."),
        ("ListKeyRotations", "AWS_CLOUDHSM", "UUU.UUU"),
        ("GetParametersForImport", "AWS_KMS", "UUU.UII"),
        ("GetParametersForImport", "EXTERNAL", "..I.UII"),
        ("ImportKeyMaterial", "AWS_KMS", "UUU.UIU"),
        ("ImportKeyMaterial", "EXTERNAL", "..I.UI."),
        ("DeleteImportedKeyMaterial", "AWS_KMS", "UUU.UII"),
        ("DeleteImportedKeyMaterial", "EXTERNAL", "....UII"),
        ("ScheduleKeyDeletion", "AWS_KMS", "..I...I"),
        ("CancelKeyDeletion", "AWS_KMS", "II.IIII"),
        ("ReplicateKey", "AWS_KMS", ".DII.II"),
        ("UpdatePrimaryRegion", "AWS_KMS", ".DII.I."),
    ],
)
def test_rows_of_the_table(operations, origin, row):
    for operation in operations.split():
        found = [outcome(operation, state, origin=ORIGIN_IN.get(state, origin)) for state in KEY_STATES[:7]]
        assert "".join(LETTERS[code] for code in found) == row, operation


@pytest.mark.parametrize(
    ("operation", "state", "key", "code"),
    [
        # use
        ("GenerateMac", "Disabled", {}, DISABLED),
        ("Encrypt", "PendingImport", {"origin": "EXTERNAL"}, INVALID),
        ("Encrypt", "Unavailable", {"origin": "AWS_CLOUDHSM"}, INVALID),
        ("GenerateDataKeyPair", "Unavailable", {"origin": "AWS_CLOUDHSM"}, UNSUPPORTED),
        ("GenerateDataKeyPair", "Enabled", {"origin": "EXTERNAL_KEY_STORE"}, UNSUPPORTED),
        ("GenerateDataKeyPair", "Enabled", {"origin": "EXTERNAL"}, None),
        ("GenerateDataKey", "Enabled", {"origin": "EXTERNAL_KEY_STORE"}, None),
        ("GetPublicKey", "Disabled", {"spec": "RSA_2048"}, None),
        ("GetPublicKey", "PendingImport", {"spec": "RSA_2048", "origin": "EXTERNAL"}, None),
        ("GetPublicKey", "PendingDeletion", {"spec": "RSA_2048"}, INVALID),
        # grants
        ("CreateGrant", "Disabled", {}, DISABLED),
        ("CreateGrant", "Unavailable", {"origin": "AWS_CLOUDHSM"}, None),
        ("CreateGrant", "PendingImport", {"origin": "EXTERNAL"}, INVALID),
        # tags, aliases, description
        ("TagResource", "Disabled", {}, None),
        ("TagResource", "PendingDeletion", {}, INVALID),
        ("TagResource", "PendingReplicaDeletion", {}, INVALID),
        ("UpdateKeyDescription", "PendingDeletion", {}, INVALID),
        ("CreateAlias", "PendingDeletion", {}, INVALID),
        ("CreateAlias", "Creating", {}, None),
        ("UpdateAlias", "PendingDeletion", {"on": On.KEY}, INVALID),
        ("UpdateAlias", "PendingDeletion", {"on": On.ALIAS_TARGET}, None),
        ("UpdateAlias", "Disabled", {"on": On.KEY}, None),
        # the state itself
        ("EnableKey", "Disabled", {}, None),
        ("EnableKey", "PendingDeletion", {}, INVALID),
        ("DisableKey", "Unavailable", {"origin": "AWS_CLOUDHSM"}, None),
        ("DisableKey", "Updating", {}, INVALID),
        ("ScheduleKeyDeletion", "Disabled", {}, None),
        ("ScheduleKeyDeletion", "PendingDeletion", {}, INVALID),
        ("ScheduleKeyDeletion", "Updating", {}, INVALID),
        ("CancelKeyDeletion", "PendingDeletion", {}, None),
        ("CancelKeyDeletion", "PendingReplicaDeletion", {}, None),
        ("CancelKeyDeletion", "Enabled", {}, INVALID),
        # automatic rotation
        ("EnableKeyRotation", "Enabled", {}, None),
        ("EnableKeyRotation", "Disabled", {}, DISABLED),
        ("DisableKeyRotation", "Disabled", {}, DISABLED),
        ("EnableKeyRotation", "PendingDeletion", {}, INVALID),
        ("EnableKeyRotation", "PendingImport", {"origin": "EXTERNAL"}, UNSUPPORTED),
        ("EnableKeyRotation", "Enabled", {"origin": "EXTERNAL"}, UNSUPPORTED),
        ("EnableKeyRotation", "Disabled", {"origin": "EXTERNAL"}, UNSUPPORTED),
        ("EnableKeyRotation", "PendingDeletion", {"origin": "AWS_CLOUDHSM"}, UNSUPPORTED),
        ("EnableKeyRotation", "Enabled", {"spec": "HMAC_256"}, UNSUPPORTED),
        ("GetKeyRotationStatus", "Disabled", {}, None),
        ("GetKeyRotationStatus", "Enabled", {"spec": "RSA_2048"}, UNSUPPORTED),
        ("GetKeyRotationStatus", "PendingImport", {"origin": "EXTERNAL"}, UNSUPPORTED),
        # rotation on demand
        ("RotateKeyOnDemand", "Enabled", {}, None),
        ("RotateKeyOnDemand", "Disabled", {}, DISABLED),
        ("RotateKeyOnDemand", "Enabled", {"spec": "ECC_NIST_P256"}, UNSUPPORTED),
        ("RotateKeyOnDemand", "Disabled", {"spec": "ECC_NIST_P256"}, UNSUPPORTED),
        ("RotateKeyOnDemand", "Enabled", {"origin": "EXTERNAL_KEY_STORE"}, UNSUPPORTED),
        ("RotateKeyOnDemand", "PendingImport", {"origin": "EXTERNAL"}, INVALID),
        ("RotateKeyOnDemand", "Enabled", {"origin": "EXTERNAL"}, INVALID),
        ("RotateKeyOnDemand", "Enabled", {"origin": "EXTERNAL", "pending_material": True}, None),
        ("RotateKeyOnDemand", "Disabled", {"origin": "EXTERNAL", "pending_material": True}, DISABLED),
        ("ListKeyRotations", "PendingImport", {"origin": "EXTERNAL"}, None),
        ("ListKeyRotations", "Enabled", {"origin": "EXTERNAL"}, None),
        ("ListKeyRotations", "Enabled", {"spec": "RSA_4096"}, UNSUPPORTED),
        # imported material
        ("GetParametersForImport", "Enabled", {}, UNSUPPORTED),
        ("GetParametersForImport", "Enabled", {"origin": "EXTERNAL"}, None),
        ("GetParametersForImport", "PendingDeletion", {"origin": "EXTERNAL"}, INVALID),
        ("GetParametersForImport", "PendingDeletion", {}, UNSUPPORTED),
        ("ImportKeyMaterial", "PendingImport", {"origin": "EXTERNAL"}, None),
        ("ImportKeyMaterial", "PendingDeletion", {}, UNSUPPORTED),
        ("ImportKeyMaterial", "Updating", {"origin": "EXTERNAL"}, None),
        ("DeleteImportedKeyMaterial", "Enabled", {}, UNSUPPORTED),
        ("DeleteImportedKeyMaterial", "Enabled", {"origin": "EXTERNAL"}, None),
        ("DeleteImportedKeyMaterial", "PendingDeletion", {"origin": "EXTERNAL"}, None),
        ("DeleteImportedKeyMaterial", "Unavailable", {"origin": "AWS_CLOUDHSM"}, UNSUPPORTED),
        # multi-Region keys
        ("ReplicateKey", "Disabled", {}, DISABLED),
        ("ReplicateKey", "Updating", {}, INVALID),
        ("UpdatePrimaryRegion", "Updating", {}, None),
        ("UpdatePrimaryRegion", "PendingDeletion", {}, INVALID),
    ],
)
def test_cells_of_the_table(operation, state, key, code):
    assert outcome(operation, state, **key) == code


@pytest.mark.parametrize(
    ("operation", "state", "key", "sentence"),
    [
        ("Encrypt", "Disabled", {}, f"{ARN} is disabled."),
        ("EnableKey", "PendingDeletion", {}, f"{ARN} is pending deletion."),
        ("EnableKey", "PendingReplicaDeletion", {}, f"{ARN} is pending replica deletion."),
        ("CancelKeyDeletion", "Enabled", {}, f"{ARN} is not pending deletion (or pending replica deletion)."),
        ("Encrypt", "PendingImport", {}, f"{ARN} is pending import."),
        ("Encrypt", "Unavailable", {}, f"{ARN} is unavailable."),
        ("Encrypt", "Creating", {}, f"{ARN} is creating."),
        ("DisableKey", "Updating", {}, f"{ARN} is updating."),
        (
            "GetParametersForImport",
            "Enabled",
            {},
            f"{ARN} origin is AWS_KMS which is not valid for this operation.",
        ),
        (
            "EnableKeyRotation",
            "Enabled",
            {"origin": "EXTERNAL"},
            f"{ARN} origin is EXTERNAL which is not valid for this operation.",
        ),
        (
            "RotateKeyOnDemand",
            "Enabled",
            {"origin": "EXTERNAL"},
            f"No available key material pending rotation for the key: {ARN}.",
        ),
        ("RotateKeyOnDemand", "Enabled", {"spec": "RSA_2048"}, ""),
    ],
)
def test_sentences_are_those_of_aws(operation, state, key, sentence):
    assert state_failure(operation, state, **key).message(ARN) == sentence


EITHER = [*CRYPTOGRAPHIC, "CreateGrant", "GetPublicKey", "ReplicateKey", "UpdatePrimaryRegion"]


@pytest.mark.parametrize("operation", [name for name in EITHER if name not in {"Encapsulate", "Decapsulate"}])
@pytest.mark.parametrize("state", ["PendingDeletion", "PendingReplicaDeletion"])
def test_where_aws_lists_two_errors_the_answer_rests_on_an_open_question(operation, state):
    failure = state_failure(operation, state)
    assert (failure.code, failure.rule, failure.question) == (INVALID, "ST-3", "UN-22")
    assert (failure.other.code, failure.other.text) == (DISABLED, failure.text)


@pytest.mark.parametrize("operation", ["Encapsulate", "Decapsulate"])
@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Creating"])
def test_rows_that_aws_has_not_written_rest_on_an_open_question(operation, state):
    failure = state_failure(operation, state, spec="ML_KEM_768")
    assert (failure.rule, failure.question, failure.other) == ("ST-2", "UN-17", None)


def test_every_other_failure_rests_on_the_table_alone():
    certain = STATEFUL - set(EITHER)
    failures = [
        state_failure(name, state, origin=origin) for name, state, origin in product(certain, KEY_STATES, ORIGINS)
    ]
    assert {failure.question for failure in failures if failure} == {None}


@pytest.mark.parametrize(("name", "origin"), list(product(sorted(STATEFUL), ORIGINS)))
def test_pending_replica_deletion_is_treated_like_pending_deletion(name, origin):
    replica = outcome(name, "PendingReplicaDeletion", origin=origin)
    assert replica == outcome(name, "PendingDeletion", origin=origin)
