"""How authorized calls end: AWS's sentences word for word (EM-24 to EM-37), and which error comes first (CH-1 to CH-10)."""

from __future__ import annotations

import pytest
from building import ACCOUNT, DELEGATION, EVERYTHING, KEY_ARN, REGION, ROOT, WORKER, allow, decided, grant, key, world

from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Ciphertext

TOO_LONG = "v" * 257
ORDERS = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/orders"
OTHER_KEY = KEY_ARN.replace("1234abcd", "9999abcd")


def end(operation, *, parameters=None, ciphertext=None, grant_tokens=(), **kind):
    """How the call of an administrator ends on a key of that kind."""
    a_world = world(key(*DELEGATION, **kind), mine=EVERYTHING)
    given = {"KeyId": KEY_ARN, **(parameters or {})}
    return decided(
        a_world, operation=f"kms:{operation}", parameters=given, ciphertext=ciphertext, grant_tokens=grant_tokens
    ).failure


SIGN = {"spec": "RSA_2048", "usage": "SIGN_VERIFY"}
HMAC = {"spec": "HMAC_224", "usage": "GENERATE_VERIFY_MAC"}
NEW_TAGS = [{"TagKey": f"k{number}", "TagValue": "v"} for number in range(51)]
SENTENCES = [
    ("EM-24", "GenerateDataKeyPair", {"KeyPairSpec": "RSA_2048", "DryRun": True}, {}, "DryRunOperationException",
     "The request would have succeeded, but the DryRun option is set."),
    ("ST-1", "RotateKeyOnDemand", {}, {"state": "Disabled"}, "DisabledException", f"{KEY_ARN} is disabled."),
    ("ST-1", "Encrypt", {}, {"state": "PendingImport", "origin": "EXTERNAL"}, "KMSInvalidStateException",
     f"{KEY_ARN} is pending import."),
    ("EM-29", "Encrypt", {}, SIGN, "InvalidKeyUsageException",
     f"{KEY_ARN} key usage is SIGN_VERIFY which is not valid for Encrypt."),
    ("EM-29", "Sign", {"SigningAlgorithm": "RSASSA_PSS_SHA_256"}, HMAC, "InvalidKeyUsageException",
     f"{KEY_ARN} key usage is GENERATE_VERIFY_MAC which is not valid for Sign."),
    ("EM-29", "DeriveSharedSecret", {"KeyAgreementAlgorithm": "ECDH"}, {}, "InvalidKeyUsageException",
     f"{KEY_ARN} key usage is ENCRYPT_DECRYPT which is not valid for DeriveSharedSecret."),
    ("EM-29", "GenerateMac", {"MacAlgorithm": "HMAC_SHA_256"}, HMAC, "InvalidKeyUsageException",
     "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224."),
    ("ST-1", "GetParametersForImport", {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}, {},
     "UnsupportedOperationException", f"{KEY_ARN} origin is AWS_KMS which is not valid for this operation."),
    ("EM-33", "ReplicateKey", {"ReplicaRegion": "eu-west-1"}, {"multi_region": "REPLICA"},
     "UnsupportedOperationException", f"{KEY_ARN} is not a multi-region primary key."),
    ("ST-1", "RotateKeyOnDemand", {}, HMAC, "UnsupportedOperationException", ""),
    ("EM-38", "RotateKeyOnDemand", {}, {"origin": "EXTERNAL"}, "KMSInvalidStateException",
     f"No available key material pending rotation for the key: {KEY_ARN}."),
    ("EM-34", "GenerateDataKey", {"NumberOfBytes": 1025}, {}, "ValidationException",
     ("1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have "
     "value less than or equal to 1024")),
    ("EM-34", "GenerateRandom", {"NumberOfBytes": 0}, {}, "ValidationException",
     ("1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value "
     "greater than or equal to 1")),
    ("EM-34", "DeriveSharedSecret", {"KeyAgreementAlgorithm": "INVALID"}, {}, "ValidationException",
     ("1 validation error detected: Value 'INVALID' at 'keyAgreementAlgorithm' failed to satisfy constraint: Member must "
     "satisfy enum value set: [ECDH]")),
    ("EM-34", "TagResource", {"Tags": [{"TagKey": "k", "TagValue": TOO_LONG}]}, {}, "ValidationException",
     (f"1 validation error detected: Value '{TOO_LONG}' at 'tags.1.member.tagValue' failed to satisfy constraint: Member "
     "must have length less than or equal to 256")),
    ("EM-35", "CreateAlias", {"AliasName": "orders", "TargetKeyId": KEY_ARN}, {}, "ValidationException",
     ('Alias must start with the prefix "alias/". Please see '
     "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")),
    ("EM-35", "CreateKey", {"KeySpec": "HMAC_256"}, {}, "ValidationException",
     "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."),
    ("EM-35", "CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"}, {}, "ValidationException",
     "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"),
    ("EM-36", "TagResource", {"Tags": [{"TagKey": "a", "TagValue": "1"}] * 2}, {}, "TagException",
     "Duplicate tag keys"),
    ("EM-36", "TagResource", {"Tags": [{"TagKey": "aws:a", "TagValue": "1"}]}, {}, "TagException",
     "Tags beginning with aws: are reserved"),
    ("EM-36", "CreateKey", {"Tags": NEW_TAGS}, {}, "TagException", "Too many tags"),
    ("EM-30", "PutKeyPolicy",
     {"Policy": {"Statement": [allow(to=ROOT), allow(to=f"arn:aws:iam::{ACCOUNT}:role/ghost")]}}, {},
     "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."),
    ("EM-31", "PutKeyPolicy", {"Policy": {"Statement": [allow("kms:Get*", to=WORKER)]}}, {},
     "MalformedPolicyDocumentException",
     "The new key policy will not allow you to update the key policy in the future."),
    ("EM-32", "PutKeyPolicy", {"PolicyName": "AWS_RAM", "Policy": {"Statement": [allow(to=ROOT)]}}, {},
     "ValidationException", "The AWS_RAM policy can only be managed by the RAM service"),
    ("GR-18", "CreateGrant", {"GranteePrincipal": WORKER, "Operations": ["CreateGrant"]}, {}, "ValidationException",
     "Grants must not contain only the CreateGrant operation."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "operation", "parameters", "kind", "code", "message"), SENTENCES, ids=[f"{s[0]}-{s[1]}" for s in SENTENCES]
)
def test_errors_are_told_in_the_words_of_aws(rule, operation, parameters, kind, code, message):
    failure = end(operation, parameters=parameters, **kind)
    assert (failure.code, failure.message, failure.status) == (code, message, 400)
    assert failure.rule == rule


@pytest.mark.parametrize("operation", sorted(name for name, row in OPERATIONS.items() if row.dry_run))
def test_each_of_the_17_dry_runs_ends_with_its_exception_and_a_denied_one_with_the_denial(operation):
    """OP-59, CH-5."""
    usage = next(iter(sorted(OPERATIONS[operation].usages)), "ENCRYPT_DECRYPT")
    spec = {"SIGN_VERIFY": "RSA_2048", "GENERATE_VERIFY_MAC": "HMAC_224", "KEY_AGREEMENT": "ECC_NIST_P256",
            "ENCAPSULATE_DECAPSULATE": "ML_KEM_768"}.get(usage, "SYMMETRIC_DEFAULT")  # fmt: skip
    kept = grant("DescribeKey", retiring=WORKER)
    parameters = {"KeyId": KEY_ARN, "DestinationKeyId": KEY_ARN, "GrantId": kept.id, "DryRun": True}
    if operation == "CreateGrant":
        parameters |= {"GranteePrincipal": WORKER, "Operations": ["DescribeKey"]}
    here = world(key(*DELEGATION, spec=spec, usage=usage, grants=(kept,)), mine=EVERYTHING)
    asked = {"operation": f"kms:{operation}", "parameters": parameters, "ciphertext": Ciphertext(KEY_ARN)}
    assert decided(here, **asked).failure.code == "DryRunOperationException"
    nobody = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    assert decided(here, principal=nobody, **asked).failure.code == "AccessDeniedException"
    assert len([row for row in OPERATIONS.values() if row.dry_run]) == 17


def test_a_dry_run_may_leave_the_ciphertext_out_of_account():
    """OP-59: neither the key that made it nor its context is looked at."""
    made = Ciphertext(OTHER_KEY, {"a": "1"})
    dry = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert end("Decrypt", parameters=dry, ciphertext=made).code == "DryRunOperationException"
    assert end("Decrypt", parameters={"DryRun": True}, ciphertext=made).code == "IncorrectKeyException"
    assert end("Decrypt", parameters={**dry, "DryRun": False}, ciphertext=made).code == "IncorrectKeyException"


@pytest.mark.parametrize(
    ("what", "operation", "parameters", "kind", "code"),
    [
        ("a parameter before the key state", "GenerateDataKey", {"KeySpec": "AES_512"}, {"state": "Disabled"},
         "ValidationException"),
        ("the state before the usage", "Encrypt", {}, {**SIGN, "state": "Disabled"}, "DisabledException"),
        ("the usage before the algorithm", "Encrypt", {"EncryptionAlgorithm": "SM2PKE"}, SIGN,
         "InvalidKeyUsageException"),
        ("the state before a dry run", "Encrypt", {"DryRun": True}, {"state": "Creating"}, "KMSInvalidStateException"),
        ("the usage before a dry run", "Encrypt", {"DryRun": True}, SIGN, "InvalidKeyUsageException"),
        ("the state before the tags", "TagResource", {"Tags": [{"TagKey": "aws:a", "TagValue": "1"}]},
         {"state": "PendingDeletion"}, "KMSInvalidStateException"),
        ("principals before the lock-out", "PutKeyPolicy",
         {"Policy": {"Statement": [allow(to=f"arn:aws:iam::{ACCOUNT}:role/ghost")]},
          "BypassPolicyLockoutSafetyCheck": True}, {}, "MalformedPolicyDocumentException"),
    ],
)  # fmt: skip
def test_which_error_comes_first(what, operation, parameters, kind, code):
    """CH-1, CH-5, CH-8, CH-10."""
    assert end(operation, parameters=parameters, **kind).code == code, what


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"KeyId": "nonsense", "MacAlgorithm": "INVALID"}, "ValidationException"),
        ({"KeyId": "nonsense", "MacAlgorithm": "HMAC_SHA_512"}, "NotFoundException"),
        ({"MacAlgorithm": "HMAC_SHA_512"}, "ValidationException"),
    ],
)
def test_a_parameter_comes_before_the_key_and_the_key_before_the_algorithm(parameters, code):
    """CH-1, CH-2, as recorded from AWS."""
    decision = decided(world(mine=EVERYTHING), operation="kms:GenerateMac", parameters=parameters)
    assert (decision.word, decision.layers, decision.failure.code) == ("DENY", frozenset(), code)


def test_who_is_authorized_stays_so_with_a_parameter_that_no_call_may_have_and_nobody_else_is_asked():
    """CH-1."""
    here, parameters = world(key(*DELEGATION), mine=EVERYTHING), {"KeyId": KEY_ARN, "NumberOfBytes": 0}
    asked = {"operation": "kms:GenerateDataKey", "parameters": parameters}
    for principal, allowed in ((WORKER, True), (f"arn:aws:iam::{ACCOUNT}:user/nobody", False)):
        decision = decided(here, principal=principal, **asked)
        assert (decision.allowed, decision.failure.code) == (allowed, "ValidationException")
        assert bool(decision.layers) is allowed
        assert not decision.uncertain


def test_several_mistakes_are_counted():
    """EM-34."""
    text = end("EnableKeyRotation", parameters={"KeyId": "", "RotationPeriodInDays": 1}).message
    assert text.startswith(
        "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must"
    )
    assert "; Value '1' at 'rotationPeriodInDays' failed to satisfy constraint: " in text


def test_a_token_of_no_grant_is_refused_and_that_of_another_grant_is_harmless():
    """GR-50, GR-51."""
    held = grant("Encrypt", to=WORKER)
    assert end("Encrypt", grant_tokens=("nothing",)).code == "InvalidGrantTokenException"
    assert end("Encrypt", grant_tokens=(held.id,), grants=(held,)) is None
    assert end("EnableKey", grant_tokens=("nothing",)) is None, "EnableKey takes no tokens"


def test_empty_messages_are_empty():
    """EM-27."""
    failure = end("Decrypt", ciphertext=Ciphertext(KEY_ARN, {"a": "1"}))
    assert (failure.code, failure.message) == ("InvalidCiphertextException", "")


@pytest.mark.parametrize("name", ["alias/aws/s3", "alias/", "alias/a b", "alias/a:b"])
def test_a_malformed_or_reserved_alias_rests_on_an_open_question(name):
    """UN-21."""
    parameters = {"AliasName": name, "TargetKeyId": KEY_ARN}
    decision = decided(world(key(*DELEGATION), mine=EVERYTHING), operation="kms:CreateAlias", parameters=parameters)
    assert (decision.failure.code, decision.uncertain) == ("InvalidAliasNameException", ("UN-21",))


@pytest.mark.parametrize("operation", sorted(name for name, row in OPERATIONS.items() if row.customer_managed_only))
def test_what_aws_manages_is_not_the_customers_to_change(operation):
    """MK-3, TP-10, TP-11: whatever its policy says; the error is one that the operation declares, or a validation."""
    aliases = ("alias/orders",)
    given = {
        "KeyId": KEY_ARN,
        "TargetKeyId": KEY_ARN,
        "AliasName": "alias/orders" if operation == "UpdateAlias" else "alias/new",
    }
    here = world(
        key(*DELEGATION, manager="AWS", aliases=aliases, state=_STATE.get(operation, "Enabled")), mine=EVERYTHING
    )
    decision = decided(here, operation=f"kms:{operation}", parameters=given)
    assert decision.allowed
    assert decision.failure.rule == "MK-3"
    assert decision.failure.code in {"ValidationException", *OPERATIONS[operation].errors}


_STATE = {"CancelKeyDeletion": "PendingDeletion"}


@pytest.mark.parametrize("operation", ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
def test_a_data_key_is_asked_for_by_its_spec_or_by_its_length(operation):
    """OP-22, OP-25."""
    failure = end(operation, parameters={"KeySpec": "AES_256", "NumberOfBytes": 32})
    assert (failure.code, failure.rule) == ("ValidationException", "OP-22")
    assert end(operation, parameters={"NumberOfBytes": 32}) is None
    assert end(operation, parameters={"KeySpec": "AES_256"}) is None


NEW_GRANT = {"GranteePrincipal": WORKER, "Operations": ["Decrypt"]}
PAIRS = {"team": "a"}


@pytest.mark.parametrize(
    ("constraints", "kind", "rule"),
    [
        ({"EncryptionContextEquals": PAIRS, "EncryptionContextSubset": PAIRS}, {}, "GR-10"),
        ({"EncryptionContextEquals": {}, "EncryptionContextSubset": {}}, {}, "GR-10"),
        ({"EncryptionContextEquals": PAIRS}, {"spec": "RSA_2048"}, "GR-14"),
        ({"EncryptionContextSubset": {}}, {"spec": "RSA_2048"}, "GR-14"),
        ({"EncryptionContextSubset": PAIRS}, {}, None),
        ({}, {"spec": "RSA_2048"}, None),
    ],
)
def test_a_grant_takes_one_constraint_on_the_context_of_a_symmetric_key(constraints, kind, rule):
    """GR-10, GR-14."""
    failure = end("CreateGrant", parameters={**NEW_GRANT, "Constraints": constraints}, **kind)
    assert (failure and (failure.code, failure.rule)) == (rule and ("ValidationException", rule))


def test_on_a_key_that_aws_does_not_make_nothing_can_be_granted():
    """GR-5: a runtime may hold one nevertheless, and is answered."""
    failure = end("CreateGrant", parameters=NEW_GRANT, spec="HMAC_224", usage="ENCRYPT_DECRYPT")
    assert (failure.code, failure.rule) == ("ValidationException", "GR-5")


STRAY = {**allow(to=ROOT), "Remark": "x"}


@pytest.mark.parametrize(
    ("policy", "rule", "uncertain"),
    [
        (5, "PG-2", ()),
        (["Statement"], "PG-2", ()),
        ("[]", "PG-2", ()),
        ({"Statement": [STRAY]}, "PG-7", ("UN-25",)),
        ({"Statement": [STRAY, {**allow(to=ROOT), "Effect": "allow"}]}, "PG-7", ()),
    ],
    ids=["a number", "a list", "a list in JSON", "a stray element", "a stray element beside a mistake"],
)
def test_what_is_no_policy_is_not_put_on_a_key(policy, rule, uncertain):
    """PG-2, PG-7: a stray element is an open question (UN-25) unless the policy is refused on any reading."""
    asked = {"operation": "kms:PutKeyPolicy", "parameters": {"KeyId": KEY_ARN, "Policy": policy}}
    decision = decided(world(key(*DELEGATION), mine=EVERYTHING), **asked)
    assert (decision.failure.code, decision.failure.rule) == ("MalformedPolicyDocumentException", rule)
    assert decision.uncertain == uncertain


@pytest.mark.parametrize(
    ("named", "account", "exists"),
    [
        ("assumed-role/worker/session", ACCOUNT, True),
        ("assumed-role/ghost/session", ACCOUNT, False),
        ("assumed-role/ghost/session", "999999999999", True),
        ("assumed-role/aws:ec2-infrastructure/i-1", ACCOUNT, True),
        ("federated-user/ana", ACCOUNT, True),
    ],
)
def test_a_policy_names_sessions_of_roles_that_exist(named, account, exists):
    """PG-43: what an undeclared account or AWS itself holds nobody can deny."""
    policy = {"Statement": [allow(to=ROOT), allow(to=f"arn:aws:sts::{account}:{named}")]}
    failure = end("PutKeyPolicy", parameters={"Policy": policy})
    assert (failure and failure.rule) == (None if exists else "EM-30")
