"""The table of operations against the service model that botocore ships: its lists, and what its documentation says."""

from __future__ import annotations

import html
import re
from collections import Counter

import botocore
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from kmssim.errors import InputError
from kmssim.evaluator.operations import (
    ACTIONS,
    ALGORITHMS,
    GRANT_OPERATIONS,
    KEY_SPECS,
    OPERATIONS,
    CrossAccount,
    KeyKind,
    On,
    algorithms,
    key_kind,
    operation,
)

TABLE_OF = (1, 44, 5)
# What the table's version of the model has and the oldest botocore that the project installs with has not.
LATER_OPERATIONS = {"Encapsulate", "Decapsulate", "GetKeyLastUsage"}
LATER_VALUES = {"Encapsulate", "Decapsulate", "ENCAPSULATE_DECAPSULATE", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"}

MODEL = ServiceModel(Loader().load_service_model("kms", "service-2"), "kms")
OLDER_MODEL = tuple(int(part) for part in botocore.__version__.split(".")[:3]) < TABLE_OF
NAMES = sorted(MODEL.operation_names)

# Their "Required permissions" are prose without "(key policy)" or "(IAM policy)" behind each action.
PERMISSIONS_IN_PROSE = {
    "ReplicateKey": "names the Region and the kind of policy in a sentence for each permission",
    "RetireGrant": "says that the grant decides, and names no permission",
    "UpdatePrimaryRegion": "names the Region and the kind of policy in a sentence for each permission",
}
POLICY_THAT_ALLOWS = {
    On.KEY: "key",
    On.ALIAS_TARGET: "key",
    On.ALIAS: "IAM",
    On.NEW_KEY: "IAM",
    On.NOTHING: "IAM",
}
FIRST_WORDS = {
    "Yes.": CrossAccount.YES,
    "No.": CrossAccount.NO,
    "Not applicable.": CrossAccount.NOT_APPLICABLE,
    "You must specify a principal in your Amazon Web Services account.": CrossAccount.OWN_ACCOUNT,
}


def text_of(documentation):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", documentation))).strip()


def section(name, title):
    """What follows `title:` in an operation's documentation, up to the next title."""
    text = text_of(MODEL.operation_model(name).documentation)
    titles = "Cross-account use|Required permissions|Related operations|Eventual consistency"
    found = re.search(rf"{title} ?:? (.*?) ?(?:(?:{titles}) ?:|$)", text)
    assert found, f"{name} has no section {title}"
    return found[1]


def members(name):
    shape = MODEL.operation_model(name).input_shape
    return shape.members if shape else {}


def documented(values):
    """The table's values, without those that an older model cannot have."""
    return set(values) - (LATER_VALUES if OLDER_MODEL else set())


def enum(shape):
    return set(MODEL.shape_for(shape).enum)


def test_the_table_has_every_operation_of_the_model_and_no_other():
    absent = LATER_OPERATIONS if OLDER_MODEL else set()
    assert set(NAMES) - set(OPERATIONS) == set()
    assert set(OPERATIONS) - set(NAMES) <= absent
    assert len(OPERATIONS) == 56


def test_rule_ids_count_the_operations_in_alphabetical_order():
    assert [OPERATIONS[name].rule for name in sorted(OPERATIONS)] == [f"OP-{number}" for number in range(1, 57)]


@pytest.mark.parametrize("name", NAMES)
def test_declared_errors_are_those_of_the_model_in_its_order(name):
    assert list(OPERATIONS[name].errors) == [shape.name for shape in MODEL.operation_model(name).error_shapes]


@pytest.mark.parametrize("name", NAMES)
def test_dry_run_and_grant_tokens_are_members_of_the_input(name):
    row = OPERATIONS[name]
    assert (row.dry_run, row.grant_tokens) == ("DryRun" in members(name), "GrantTokens" in members(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_the_table_is_a_member_of_the_input(name):
    named = {
        parameter
        for need in OPERATIONS[name].permissions
        for parameter in (need.parameter, need.region_parameter, need.when)
        if parameter
    }
    assert named <= set(members(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_encryption_context_and_algorithm_of_the_input_belongs_to_a_key(name):
    needs = OPERATIONS[name].permissions
    contexts = {member for member in members(name) if member.endswith("EncryptionContext")}
    assert {need.context_parameter for need in needs if need.context_parameter} == contexts
    assert set(OPERATIONS[name].context_parameters.values()) == contexts
    # The wrapping algorithm is not the key's: it protects material on its way into it.
    used = {member for member in members(name) if member.endswith("Algorithm")} - {"WrappingAlgorithm"}
    assert {need.algorithm_parameter for need in needs if need.algorithm_parameter} == used


@pytest.mark.parametrize("name", NAMES)
def test_a_key_may_be_left_out_only_where_the_ciphertext_names_it(name):
    shape = MODEL.operation_model(name).input_shape
    for need in OPERATIONS[name].permissions:
        if need.on is On.KEY:
            assert need.ciphertext == (need.parameter not in shape.required_members)
            assert need.ciphertext <= ("CiphertextBlob" in shape.members)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PERMISSIONS_IN_PROSE])
def test_required_permissions_are_the_documented_ones(name):
    stated = re.findall(r"(kms:\w+)(?:(?!kms:)[^()])*\((key|IAM) policy\)", section(name, "Required permissions"))
    needed = [(need.action, POLICY_THAT_ALLOWS[need.on]) for need in OPERATIONS[name].permissions]
    assert Counter(needed) == Counter(stated)


@pytest.mark.parametrize("name", PERMISSIONS_IN_PROSE)
def test_required_permissions_in_prose_name_the_same_actions(name):
    actions = re.findall(r"kms:\w+", section(name, "Required permissions"))
    in_table = [need.action for need in OPERATIONS[name].permissions if need.on is not On.GRANT]
    assert in_table == actions


def test_the_second_region_is_where_the_prose_says():
    assert "kms:CreateKey in an IAM policy in the replica Region" in section("ReplicateKey", "Required permissions")
    assert [need.region_parameter for need in OPERATIONS["ReplicateKey"].permissions] == [
        None,
        "ReplicaRegion",
        "ReplicaRegion",
    ]
    assert "(in the replica key's Region)" in section("UpdatePrimaryRegion", "Required permissions")
    assert [need.region_parameter for need in OPERATIONS["UpdatePrimaryRegion"].permissions] == [None, "PrimaryRegion"]


@pytest.mark.parametrize("name", NAMES)
def test_tag_permissions_are_needed_only_with_tags(name):
    asks_for_tags = "To use the Tags parameter" in section(name, "Required permissions")
    conditional = {need.action: need.when for need in OPERATIONS[name].permissions if need.when}
    assert conditional == ({"kms:TagResource": "Tags"} if asks_for_tags else {})


@pytest.mark.parametrize("name", NAMES)
def test_cross_account_use_is_the_documented_one(name):
    line = section(name, "Cross-account use")
    said = [meaning for words, meaning in FIRST_WORDS.items() if line.startswith(words)]
    assert said == [OPERATIONS[name].cross_account]


@pytest.mark.parametrize("name", NAMES)
def test_aliases_are_allowed_where_the_model_says_so(name):
    # GenerateMac and VerifyMac say it in the cross-account line alone.
    said = [section(name, "Cross-account use")] + [
        text_of(members(name)[need.parameter].documentation)
        for need in OPERATIONS[name].permissions
        if need.on is On.KEY
    ]
    assert OPERATIONS[name].alias_allowed == any(re.search(r"alias ARN", words) for words in said)


def test_grantable_operations_are_those_of_the_model():
    grantable = [granted for row in OPERATIONS.values() for granted in row.grantable]
    assert documented(grantable) == enum("GrantOperation")
    assert len(grantable) == len(set(grantable))
    assert set(grantable) == frozenset().union(*GRANT_OPERATIONS.values())


COMMON = {"CreateGrant", "DescribeKey", "RetireGrant"}
ENCRYPTION = {"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}
DATA_KEYS = {
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
}


@pytest.mark.parametrize(
    ("kind", "granted"),
    [
        (KeyKind.SYMMETRIC, ENCRYPTION | DATA_KEYS),
        (KeyKind.ASYMMETRIC_ENCRYPT, ENCRYPTION | {"GetPublicKey"}),
        (KeyKind.SIGN, {"Sign", "Verify", "GetPublicKey"}),
        (KeyKind.KEY_AGREEMENT, {"DeriveSharedSecret", "GetPublicKey"}),
        (KeyKind.KEM, {"Encapsulate", "Decapsulate", "GetPublicKey"}),
        (KeyKind.HMAC, {"GenerateMac", "VerifyMac"}),
    ],
)
def test_a_grant_may_list_what_its_kind_of_key_can_do(kind, granted):
    assert GRANT_OPERATIONS[kind] == granted | COMMON


def test_a_wrong_usage_is_a_declared_error_wherever_the_table_has_usages():
    # GetPublicKey declares it too, but tells keys apart by having a public part, not by usage.
    declaring = {name for name, row in OPERATIONS.items() if "InvalidKeyUsageException" in row.errors}
    assert {name for name, row in OPERATIONS.items() if row.usages} == declaring - {"GetPublicKey"}


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ("For encrypting, decrypting, re-encrypting, and generating data keys", ["Encrypt", "ReEncrypt", *DATA_KEYS]),
        ("For signing and verifying messages", ["Sign", "Verify"]),
        ("For generating and verifying message authentication codes (MACs)", ["GenerateMac", "VerifyMac"]),
        ("For deriving key agreement secrets", ["DeriveSharedSecret"]),
    ],
)
def test_usages_are_those_that_the_error_names(stated, names):
    text = text_of(MODEL.shape_for("InvalidKeyUsageException").documentation)
    found = re.search(rf"{re.escape(stated)}, the KeyUsage must be (\w+)", text)
    assert found
    assert {usage for name in names for usage in OPERATIONS[name].usages} == {found[1]}


def test_key_specs_and_usages_are_those_of_the_model():
    assert documented(KEY_SPECS) == enum("KeyUsageType")
    assert documented(spec for specs in KEY_SPECS.values() for spec in specs) == enum("KeySpec")


@pytest.mark.parametrize(
    ("usage", "shape"),
    [
        ("ENCRYPT_DECRYPT", "EncryptionAlgorithmSpec"),
        ("SIGN_VERIFY", "SigningAlgorithmSpec"),
        ("GENERATE_VERIFY_MAC", "MacAlgorithmSpec"),
        ("KEY_AGREEMENT", "KeyAgreementAlgorithmSpec"),
        pytest.param(
            "ENCAPSULATE_DECAPSULATE",
            "EncapsulationAlgorithmSpec",
            marks=pytest.mark.skipif(OLDER_MODEL, reason="this botocore is older than ML-KEM in KMS"),
        ),
    ],
)
def test_every_key_has_algorithms_and_every_algorithm_of_the_model_has_a_key(usage, shape):
    assert set(ALGORITHMS[usage]) == set(KEY_SPECS[usage])
    assert {algorithm for spec in KEY_SPECS[usage] for algorithm in algorithms(spec, usage)} == enum(shape)


@pytest.mark.parametrize(
    ("spec", "usage", "kind"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", KeyKind.SYMMETRIC),
        ("RSA_2048", "ENCRYPT_DECRYPT", KeyKind.ASYMMETRIC_ENCRYPT),
        ("RSA_2048", "SIGN_VERIFY", KeyKind.SIGN),
        ("ECC_NIST_P384", "KEY_AGREEMENT", KeyKind.KEY_AGREEMENT),
        ("HMAC_512", "GENERATE_VERIFY_MAC", KeyKind.HMAC),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", KeyKind.KEM),
    ],
)
def test_spec_and_usage_make_the_kind_of_key(spec, usage, kind):
    assert key_kind(spec, usage) is kind


def test_every_kind_belongs_to_the_usage_that_it_is_made_from():
    for usage, specs in KEY_SPECS.items():
        assert {key_kind(spec, usage).usage for spec in specs} == {usage}


@pytest.mark.parametrize(
    ("spec", "usage", "words"),
    [
        ("RSA_2048", "KEY_AGREEMENT", "goes with ENCRYPT_DECRYPT or SIGN_VERIFY"),
        ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT", "goes with SIGN_VERIFY"),
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY", "goes with ENCRYPT_DECRYPT"),
        ("AES_256", "ENCRYPT_DECRYPT", "there is no key spec `AES_256`"),
    ],
)
def test_a_key_that_aws_does_not_make_is_broken_input(spec, usage, words):
    with pytest.raises(InputError, match=re.escape(words)):
        key_kind(spec, usage)
    assert algorithms(spec, usage) == ()


def test_actions_are_the_operations_but_for_reencrypt_and_the_one_without_operation():
    names = {action.removeprefix("kms:") for action in ACTIONS}
    assert set(OPERATIONS) - names == {"ReEncrypt"}
    assert names - set(OPERATIONS) == {"ReEncryptFrom", "ReEncryptTo", "SynchronizeMultiRegionKey"}


def test_aws_managed_keys_can_be_read_and_used_but_not_changed():
    customer_only = {name for name, row in OPERATIONS.items() if row.customer_managed_only}
    changing = re.compile(r"^(Cancel|Create|Disable|Enable|Put|Rotate|Schedule|Tag|Untag|Update)")
    assert all(changing.match(name) for name in customer_only)
    assert {"DisableKey", "PutKeyPolicy", "RotateKeyOnDemand", "ScheduleKeyDeletion", "TagResource"} <= customer_only
    assert not customer_only & {"CreateGrant", "CreateKey"}


def test_an_operation_is_found_by_its_exact_name():
    assert operation("ReEncrypt") is OPERATIONS["ReEncrypt"]
    assert operation("decrypt") is None
