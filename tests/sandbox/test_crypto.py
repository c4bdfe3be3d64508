"""What the sandbox's KMS does with bytes: ciphertexts, signatures, MACs, shared secrets, each checked from outside."""

from __future__ import annotations

import hashlib
import hmac
from itertools import combinations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.sandbox import asymmetric
from kmssim.sandbox.asymmetric import UnsupportedError
from kmssim.sandbox.ciphertext import Header, canonical, read_header, seal, unseal
from kmssim.sandbox.material import Materials, secret_material
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE = "111122223333", "444455556666"
HOME, AWAY = "us-east-1", "eu-central-1"
ADMIN = f"arn:aws:sts::{HERE}:assumed-role/admin/job"
NOBODY = f"arn:aws:sts::{HERE}:assumed-role/nobody/job"
MRK = "mrk-" + "5" * 32

SPECS = {
    "plain": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "other": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "rsa": ("RSA_2048", "ENCRYPT_DECRYPT"),
    "rsa3": ("RSA_3072", "ENCRYPT_DECRYPT"),
    "rsa_sign": ("RSA_2048", "SIGN_VERIFY"),
    "p256": ("ECC_NIST_P256", "SIGN_VERIFY"),
    "p384": ("ECC_NIST_P384", "SIGN_VERIFY"),
    "p521": ("ECC_NIST_P521", "SIGN_VERIFY"),
    "k1": ("ECC_SECG_P256K1", "SIGN_VERIFY"),
    "ed": ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
    "mldsa": ("ML_DSA_44", "SIGN_VERIFY"),
    "sm2": ("SM2", "SIGN_VERIFY"),
    "kem": ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    "agree": ("ECC_NIST_P256", "KEY_AGREEMENT"),
    "h224": ("HMAC_224", "GENERATE_VERIFY_MAC"),
    "h256": ("HMAC_256", "GENERATE_VERIFY_MAC"),
    "h384": ("HMAC_384", "GENERATE_VERIFY_MAC"),
    "h512": ("HMAC_512", "GENERATE_VERIFY_MAC"),
}
IDS = {name: f"1234abcd-12ab-34cd-56ef-{number:012x}" for number, name in enumerate(SPECS)}
ARNS = {name: f"arn:aws:kms:{HOME}:{HERE}:key/{key_id}" for name, key_id in IDS.items()}
FAR_ARN = f"arn:aws:kms:{HOME}:{THERE}:key/1234abcd-12ab-34cd-56ef-ffffffffffff"


def world() -> World:
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [everything]}, PolicyKind.IDENTITY)
    shared = {**everything, "Principal": {"AWS": [HERE, THERE]}}
    far_policy = parse_policy({"Version": "2012-10-17", "Statement": [shared]}, PolicyKind.KEY_POLICY)
    roles = {
        "admin": Role(f"arn:aws:iam::{HERE}:role/admin", "admin", policies=(policy,)),
        "nobody": Role(f"arn:aws:iam::{HERE}:role/nobody", "nobody"),
    }
    keys = [
        Key(IDS[name], HOME, HERE, default_key_policy(HERE), spec=spec, usage=usage, aliases=(f"alias/{name}",))
        for name, (spec, usage) in SPECS.items()
    ]
    keys += [
        Key(MRK, region, HERE, default_key_policy(HERE), multi_region=kind)
        for region, kind in ((HOME, "PRIMARY"), (AWAY, "REPLICA"))
    ]
    far = Account(THERE, keys=(Key(FAR_ARN.rpartition("/")[2], HOME, THERE, far_policy),))
    return World({HERE: Account(HERE, roles=roles, keys=tuple(keys)), THERE: far}, HOME)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(world()) as opened:
        yield opened


@pytest.fixture(scope="module")
def kms(sandbox):
    return sandbox.client("kms", as_=ADMIN)


@pytest.fixture(scope="module")
def raw(sandbox):
    """A client that leaves the checks of parameters to KMS."""
    return unchecked(sandbox, ADMIN)


def unchecked(sandbox, who):
    credentials = sandbox.sign_in(parse_principal(who))
    return boto3.client(
        "kms",
        HOME,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret,
        aws_session_token=credentials.token,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


def error(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    said = caught.value.response["Error"]
    return said["Code"], said.get("Message", "")


def members(answer) -> dict:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


INVALID = ("InvalidCiphertextException", "")
DRY = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")

# --- symmetric keys


def test_encrypt_and_decrypt_answer_as_aws_does(kms):
    made = members(kms.encrypt(KeyId="alias/plain", Plaintext=b"x", EncryptionContext={"a": "b"}))
    blob = made.pop("CiphertextBlob")
    assert made == {"KeyId": ARNS["plain"], "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    read = members(kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"}))
    assert len(bytes.fromhex(read.pop("KeyMaterialId"))) == 32
    assert read == {"KeyId": ARNS["plain"], "Plaintext": b"x", "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}


BOUND = {"tenant": "a", "Case": "x", "é": "ü"}


@pytest.mark.parametrize(
    ("claimed", "reads"),
    [
        (BOUND, True),
        (dict(reversed(BOUND.items())), True),
        ({}, False),
        ({**BOUND, "more": "y"}, False),
        ({**BOUND, "tenant": "A"}, False),
        ({"tenant": "a", "case": "x", "é": "ü"}, False),
        ({"tenant": "a", "Case": "x", "e\u0301": "ü"}, False),
    ],
)
def test_a_ciphertext_opens_with_exactly_its_own_context_in_any_order(kms, claimed, reads):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x", EncryptionContext=BOUND)["CiphertextBlob"]
    if reads:
        assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=claimed)["Plaintext"] == b"x"
    else:
        assert error(kms.decrypt, CiphertextBlob=blob, EncryptionContext=claimed) == INVALID
        assert error(kms.decrypt, CiphertextBlob=blob, EncryptionContext=claimed, DryRun=True) == INVALID


def test_a_context_is_not_another_one_with_the_same_letters(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x", EncryptionContext={"a": "bc"})["CiphertextBlob"]
    assert error(kms.decrypt, CiphertextBlob=blob, EncryptionContext={"ab": "c"}) == INVALID


def test_no_two_contexts_have_the_same_canonical_bytes():
    contexts = [
        {},
        {"": ""},
        {"a": "bc"},
        {"ab": "c"},
        {"abc": ""},
        {"": "abc"},
        {"a": "b", "c": ""},
        {"a": "b", "": "c"},
    ]
    assert all(canonical(one) != canonical(other) for one, other in combinations(contexts, 2))
    assert canonical({"a": "1", "b": "2"}) == canonical({"b": "2", "a": "1"})


def test_numbers_and_booleans_of_a_context_become_text(kms, raw):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x", EncryptionContext={"n": "1", "b": "true"})["CiphertextBlob"]
    assert raw.decrypt(CiphertextBlob=blob, EncryptionContext={"n": 1, "b": True})["Plaintext"] == b"x"


def test_every_damaged_byte_and_every_cut_makes_a_ciphertext_invalid(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"secret")["CiphertextBlob"]
    places = [*range(0, len(blob), 9), len(blob) - 1]
    for place in places:
        damaged = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        assert error(kms.decrypt, CiphertextBlob=damaged) == INVALID, place
        assert error(kms.decrypt, CiphertextBlob=damaged, KeyId=IDS["plain"]) == INVALID, place
    for length in (1, 5, 60, len(blob) - 20, len(blob) - 1):
        assert error(kms.decrypt, CiphertextBlob=blob[:length], KeyId=IDS["plain"]) == INVALID, length


@pytest.mark.parametrize(
    "foreign", [b"garbage", bytes(200), b"\x01\x02\x02\x00x" + bytes(100), IDS["plain"].encode() + bytes(60)]
)
def test_what_never_was_a_ciphertext_is_invalid(kms, foreign):
    assert error(kms.decrypt, CiphertextBlob=foreign) == INVALID
    assert error(kms.re_encrypt, CiphertextBlob=foreign, DestinationKeyId=IDS["plain"]) == INVALID
    assert error(kms.decrypt, CiphertextBlob=foreign, KeyId=IDS["plain"], DryRun=True) == INVALID


def test_another_key_named_for_a_ciphertext_is_the_incorrect_one(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x")["CiphertextBlob"]
    wrong = (
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
    for name in ("other", "rsa", "h256"):
        assert error(kms.decrypt, CiphertextBlob=blob, KeyId=IDS[name]) == wrong, name
    assert error(kms.re_encrypt, CiphertextBlob=blob, SourceKeyId=IDS["other"], DestinationKeyId=IDS["plain"]) == wrong


def test_a_ciphertext_of_another_account_needs_no_key_id(kms):
    blob = kms.encrypt(KeyId=FAR_ARN, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyId"] == FAR_ARN


def test_related_multi_region_keys_read_each_others_ciphertexts(sandbox, kms):
    away = sandbox.client("kms", as_=ADMIN, region=AWAY)
    for maker, reader, region in ((kms, away, AWAY), (away, kms, HOME)):
        blob = maker.encrypt(KeyId=MRK, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
        for named in ({}, {"KeyId": MRK}):
            read = reader.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"}, **named)
            assert (read["Plaintext"], read["KeyId"]) == (b"x", f"arn:aws:kms:{region}:{HERE}:key/{MRK}")


def test_re_encrypt_takes_source_and_destination_in_two_accounts(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    made = members(
        kms.re_encrypt(
            CiphertextBlob=blob,
            SourceEncryptionContext={"a": "b"},
            DestinationKeyId=FAR_ARN,
            DestinationEncryptionContext={"c": "d"},
        )
    )
    assert (made["SourceKeyId"], made["KeyId"]) == (ARNS["plain"], FAR_ARN)
    assert made["SourceEncryptionAlgorithm"] == made["DestinationEncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert made["SourceKeyMaterialId"] != made["DestinationKeyMaterialId"]
    read = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"c": "d"})
    assert (read["Plaintext"], read["KeyMaterialId"]) == (b"x", made["DestinationKeyMaterialId"])


def test_re_encrypt_moves_between_rsa_and_symmetric_keys(kms):
    algorithm = "RSAES_OAEP_SHA_256"
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x")["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=IDS["rsa"], DestinationEncryptionAlgorithm=algorithm)
    assert "DestinationKeyMaterialId" not in moved
    back = kms.re_encrypt(
        CiphertextBlob=moved["CiphertextBlob"],
        SourceKeyId=IDS["rsa"],
        SourceEncryptionAlgorithm=algorithm,
        DestinationKeyId=IDS["other"],
    )
    assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"x"
    long = kms.encrypt(KeyId=IDS["plain"], Plaintext=bytes(191))["CiphertextBlob"]
    call = {"CiphertextBlob": long, "DestinationKeyId": IDS["rsa"], "DestinationEncryptionAlgorithm": algorithm}
    assert error(kms.re_encrypt, **call)[0] == "ValidationException"


def test_older_versions_of_rotated_material_stay_readable(sandbox, kms):
    key = sandbox.world.keys_by_arn[ARNS["other"]]
    old = kms.encrypt(KeyId=key.id, Plaintext=b"old")["CiphertextBlob"]
    sandbox.memory.notes(Materials).rotate(key)
    new = kms.encrypt(KeyId=key.id, Plaintext=b"new")["CiphertextBlob"]
    read_old, read_new = kms.decrypt(CiphertextBlob=old), kms.decrypt(CiphertextBlob=new)
    assert (read_old["Plaintext"], read_new["Plaintext"]) == (b"old", b"new")
    assert read_old["KeyMaterialId"] != read_new["KeyMaterialId"]


def test_a_dry_run_says_what_would_have_happened(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x")["CiphertextBlob"]
    assert error(kms.decrypt, CiphertextBlob=blob, DryRun=True) == DRY
    assert error(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=FAR_ARN, DryRun=True) == DRY
    bad = {"CiphertextBlob": blob, "SourceEncryptionContext": {"a": "b"}, "DestinationKeyId": FAR_ARN, "DryRun": True}
    assert error(kms.re_encrypt, **bad) == INVALID
    ignored = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"], "KeyId": IDS["plain"]}
    assert error(kms.decrypt, **ignored) == DRY
    assert error(kms.decrypt, CiphertextBlob=b"anything", **ignored) == DRY
    assert error(kms.encrypt, KeyId=IDS["plain"], Plaintext=b"x", DryRun=True) == DRY
    assert error(kms.generate_data_key_pair, KeyId=IDS["plain"], KeyPairSpec="RSA_2048", DryRun=True) == DRY


def test_the_log_shows_how_the_call_ended(sandbox, kms):
    assert error(kms.decrypt, CiphertextBlob=bytes(200), KeyId=IDS["plain"]) == INVALID
    decision = sandbox.decisions[-1]
    assert (decision.word, decision.failure.code) == ("ALLOW", "InvalidCiphertextException")


# --- bytes that KMS does not take


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        (
            "encrypt",
            {"Plaintext": bytes(4097)},
            "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
        ),
        (
            "encrypt",
            {"Plaintext": b""},
            "Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        ("encrypt", {}, "Value null at 'plaintext' failed to satisfy constraint: Member must not be null"),
        ("decrypt", {}, "Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"),
        (
            "sign",
            {"Message": bytes(4097), "SigningAlgorithm": "ECDSA_SHA_256"},
            "Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096",
        ),
        (
            "sign",
            {"Message": b"x"},
            "Value null at 'signingAlgorithm' failed to satisfy constraint: Member must not be null",
        ),
        (
            "generate_mac",
            {"Message": b"x"},
            "Value null at 'macAlgorithm' failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_bytes_are_validated_before_anybody_is_authorized(sandbox, raw, operation, parameters, message):
    wanted = ("ValidationException", f"1 validation error detected: {message}")
    assert error(getattr(raw, operation), KeyId=IDS["plain"], **parameters) == wanted
    stranger = unchecked(sandbox, NOBODY)
    assert error(getattr(stranger, operation), KeyId=IDS["plain"], **parameters) == wanted
    assert sandbox.decisions[-1].word == "DENY"


def test_4096_bytes_are_taken(kms):
    blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=bytes(4096))["CiphertextBlob"]
    assert len(blob) <= 6144
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == bytes(4096)


# --- RSA encryption


@pytest.mark.parametrize(
    ("name", "algorithm", "longest"),
    [
        ("rsa", "RSAES_OAEP_SHA_1", 214),
        ("rsa", "RSAES_OAEP_SHA_256", 190),
        ("rsa3", "RSAES_OAEP_SHA_1", 342),
        ("rsa3", "RSAES_OAEP_SHA_256", 318),
    ],
)
def test_rsa_encrypts_up_to_its_limit(kms, name, algorithm, longest):
    call = {"KeyId": IDS[name], "EncryptionAlgorithm": algorithm}
    made = kms.encrypt(**call, Plaintext=bytes(longest))
    assert made["EncryptionAlgorithm"] == algorithm
    read = members(kms.decrypt(**call, CiphertextBlob=made["CiphertextBlob"]))
    assert read == {"KeyId": ARNS[name], "Plaintext": bytes(longest), "EncryptionAlgorithm": algorithm}
    refused = f"Algorithm {algorithm} and key spec {SPECS[name][0]} cannot encrypt data larger than {longest} bytes."
    assert error(kms.encrypt, **call, Plaintext=bytes(longest + 1)) == ("ValidationException", refused)
    assert error(kms.encrypt, **call, Plaintext=bytes(longest + 1), DryRun=True) == ("ValidationException", refused)


def test_what_is_encrypted_outside_under_the_public_key_is_decrypted_inside(kms):
    public = load_der_public_key(kms.get_public_key(KeyId=IDS["rsa"])["PublicKey"])
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    call = {"CiphertextBlob": public.encrypt(b"x", oaep), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    assert kms.decrypt(KeyId=IDS["rsa"], **call)["Plaintext"] == b"x"
    assert error(kms.decrypt, KeyId=IDS["rsa3"], **call) == INVALID
    assert error(kms.decrypt, **call) == INVALID  # such a ciphertext names no key


# --- data keys and random bytes


@pytest.mark.parametrize(
    ("asked", "length"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)]
)
def test_data_keys_come_with_their_ciphertext(kms, asked, length):
    call = {"KeyId": "alias/plain", "EncryptionContext": {"a": "b"}, **asked}
    made, hidden = members(kms.generate_data_key(**call)), members(kms.generate_data_key_without_plaintext(**call))
    assert made.keys() == {"CiphertextBlob", "Plaintext", "KeyId", "KeyMaterialId"}
    assert hidden.keys() == {"CiphertextBlob", "KeyId", "KeyMaterialId"}
    read = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert (read["Plaintext"], read["KeyMaterialId"]) == (made["Plaintext"], made["KeyMaterialId"])
    assert (
        len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"]) == length
    )


def test_a_data_key_needs_a_length_and_only_one(kms):
    wanted = ("ValidationException", "Please specify either number of bytes or key spec.")
    assert error(kms.generate_data_key, KeyId=IDS["plain"]) == wanted
    assert error(kms.generate_data_key, KeyId=IDS["plain"], KeySpec="AES_256", NumberOfBytes=4) == wanted


@pytest.mark.parametrize(
    "spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"]
)
def test_a_data_key_pair_is_a_pair_and_its_private_half_is_encrypted(kms, spec):
    made = members(kms.generate_data_key_pair(KeyId="alias/plain", KeyPairSpec=spec, EncryptionContext={"a": "b"}))
    assert made.keys() == {
        "PrivateKeyCiphertextBlob", "PrivateKeyPlaintext", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId",
    }  # fmt: skip
    private = load_der_private_key(made["PrivateKeyPlaintext"], None)
    assert private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made["PublicKey"]
    read = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})
    assert read["Plaintext"] == made["PrivateKeyPlaintext"]


def test_a_data_key_pair_can_hide_its_private_half(kms):
    made = members(kms.generate_data_key_pair_without_plaintext(KeyId="alias/plain", KeyPairSpec="ECC_NIST_P256"))
    assert made.keys() == {"PrivateKeyCiphertextBlob", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"}


def test_random_bytes(kms, raw):
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
    assert kms.generate_random(NumberOfBytes=16)["Plaintext"] != kms.generate_random(NumberOfBytes=16)["Plaintext"]
    assert error(raw.generate_random) == ("ValidationException", "NumberOfBytes is required.")
    assert error(raw.generate_random, NumberOfBytes=0)[1].endswith("Member must have value greater than or equal to 1")
    assert error(kms.generate_random, NumberOfBytes=1, CustomKeyStoreId="cks-1")[0] == "CustomKeyStoreNotFoundException"


def test_an_answer_for_an_enclave_is_not_simulated_and_says_so(kms):
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    code, message = error(kms.generate_random, NumberOfBytes=16, Recipient=recipient)
    assert code == "UnsupportedOperationException"
    assert message.startswith("kmssim: ")


# --- signatures

ECDSA = [("p256", "ECDSA_SHA_256"), ("p384", "ECDSA_SHA_384"), ("p521", "ECDSA_SHA_512"), ("k1", "ECDSA_SHA_256")]
RSA = [("rsa_sign", f"RSASSA_{scheme}_SHA_{size}") for scheme in ("PSS", "PKCS1_V1_5") for size in (256, 384, 512)]
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def check_outside(kms, name, algorithm, message, signature):
    """Verify with the public key and pyca alone. Raises InvalidSignature."""
    public = load_der_public_key(kms.get_public_key(KeyId=IDS[name])["PublicKey"])
    digest = HASHES[algorithm[-3:]]
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, message, ec.ECDSA(digest))
    elif "PSS" in algorithm:
        public.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    else:
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signature, message, padding.PKCS1v15(), digest)


@pytest.mark.parametrize(("name", "algorithm"), ECDSA + RSA)
def test_a_message_and_its_digest_are_signed_alike(kms, name, algorithm):
    digest = hashlib.new(f"sha{algorithm[-3:]}", b"message").digest()
    call = {"KeyId": IDS[name], "SigningAlgorithm": algorithm}
    ways = {"RAW": b"message", "DIGEST": digest}
    for signed_as, content in ways.items():
        made = members(kms.sign(**call, Message=content, MessageType=signed_as))
        signature = made.pop("Signature")
        assert made == {"KeyId": ARNS[name], "SigningAlgorithm": algorithm}
        check_outside(kms, name, algorithm, b"message", signature)
        for verified_as, claimed in ways.items():
            answer = kms.verify(**call, Message=claimed, MessageType=verified_as, Signature=signature)
            assert members(answer) == {"KeyId": ARNS[name], "SigningAlgorithm": algorithm, "SignatureValid": True}


@pytest.mark.parametrize(("name", "algorithm"), [*ECDSA, RSA[0]])
def test_a_signature_of_something_else_is_invalid_with_an_empty_message(kms, name, algorithm):
    call = {"KeyId": IDS[name], "SigningAlgorithm": algorithm}
    signature = kms.sign(**call, Message=b"message")["Signature"]
    wrong = ("KMSInvalidSignatureException", "")
    assert error(kms.verify, **call, Message=b"another", Signature=signature) == wrong
    assert error(kms.verify, **call, Message=b"message", Signature=b"garbage") == wrong
    assert error(kms.verify, **call, Message=b"message", Signature=signature[:-1]) == wrong
    assert error(kms.verify, **call, Message=b"another", Signature=signature, DryRun=True) == wrong
    assert error(kms.verify, **call, Message=b"message", Signature=signature, DryRun=True) == DRY
    with pytest.raises(InvalidSignature):
        check_outside(kms, name, algorithm, b"another", signature)


@pytest.mark.parametrize(("name", "algorithm"), [ECDSA[0], ECDSA[1], RSA[0], RSA[5]])
def test_a_digest_has_the_length_of_its_algorithm(kms, name, algorithm):
    call = {"KeyId": IDS[name], "SigningAlgorithm": algorithm, "Message": bytes(20), "MessageType": "DIGEST"}
    wanted = ("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
    assert error(kms.sign, **call) == wanted
    assert error(kms.sign, **call, DryRun=True) == wanted
    assert error(kms.verify, **call, Signature=b"x") == wanted


def test_ed25519_signs_messages(kms):
    call = {"KeyId": IDS["ed"], "SigningAlgorithm": "ED25519_SHA_512", "Message": b"message"}
    signature = kms.sign(**call)["Signature"]
    load_der_public_key(kms.get_public_key(KeyId=IDS["ed"])["PublicKey"]).verify(signature, b"message")
    assert kms.verify(**call, Signature=signature)["SignatureValid"] is True
    assert error(kms.sign, **call, MessageType="DIGEST")[0] == "ValidationException"


def pyca_has(spec: str) -> bool:
    try:
        asymmetric.make_private_key(spec)
    except UnsupportedError:
        return False
    return True


@pytest.mark.skipif(not pyca_has("ML_DSA_44"), reason="this pyca/cryptography has no ML-DSA")
def test_ml_dsa_signs_messages_and_their_representatives(kms):
    for kind, message in (("RAW", b"message"), ("EXTERNAL_MU", bytes(64))):
        call = {"KeyId": IDS["mldsa"], "SigningAlgorithm": "ML_DSA_SHAKE_256", "Message": message, "MessageType": kind}
        signature = kms.sign(**call)["Signature"]
        assert kms.verify(**call, Signature=signature)["SignatureValid"] is True
        assert error(kms.verify, **call, Signature=signature[:-1] + b"x")[0] == "KMSInvalidSignatureException"


@pytest.mark.skipif(not pyca_has("ML_KEM_768"), reason="this pyca/cryptography has no ML-KEM")
def test_an_encapsulated_secret_is_decapsulated(kms):
    call = {"KeyId": IDS["kem"], "EncapsulationAlgorithm": "ML_KEM"}
    made = kms.encapsulate(**call)
    read = kms.decapsulate(**call, SharedSecretCiphertextBlob=made["SharedSecretCiphertextBlob"])
    assert (read["SharedSecret"], read["KeyId"]) == (made["SharedSecret"], ARNS["kem"])
    assert error(kms.decapsulate, **call, SharedSecretCiphertextBlob=b"x") == INVALID


def test_a_spec_that_pyca_lacks_says_so_and_only_to_those_who_may(sandbox, kms):
    call = {"KeyId": IDS["sm2"], "SigningAlgorithm": "SM2DSA", "Message": b"x"}
    code, message = error(kms.sign, **call)
    assert code == "UnsupportedOperationException"
    assert message == "kmssim: the call is authorized, but the installed pyca/cryptography has no SM2"
    assert error(sandbox.client("kms", as_=NOBODY).sign, **call)[0] == "AccessDeniedException"


# --- MACs, public keys, agreement


@pytest.mark.parametrize("size", [224, 256, 384, 512])
def test_a_mac_is_the_hmac_of_its_key_whole(sandbox, kms, size):
    name, algorithm = f"h{size}", f"HMAC_SHA_{size}"
    call = {"KeyId": IDS[name], "MacAlgorithm": algorithm}
    made = members(kms.generate_mac(**call, Message=b"m"))
    secret = sandbox.memory.notes(Materials).current(sandbox.world.keys_by_arn[ARNS[name]]).secret
    assert made == {"KeyId": ARNS[name], "MacAlgorithm": algorithm, "Mac": hmac.digest(secret, b"m", f"sha{size}")}
    verified = members(kms.verify_mac(**call, Message=b"m", Mac=made["Mac"]))
    assert verified == {"KeyId": ARNS[name], "MacAlgorithm": algorithm, "MacValid": True}
    wrong = ("KMSInvalidMacException", "")
    assert error(kms.verify_mac, **call, Message=b"n", Mac=made["Mac"]) == wrong
    assert error(kms.verify_mac, **call, Message=b"m", Mac=made["Mac"][:-1]) == wrong
    assert error(kms.verify_mac, **call, Message=b"n", Mac=made["Mac"], DryRun=True) == wrong
    assert error(kms.verify_mac, **call, Message=b"m", Mac=made["Mac"], DryRun=True) == DRY


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("rsa", {"EncryptionAlgorithms": ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]}),
        ("p384", {"SigningAlgorithms": ["ECDSA_SHA_384"]}),
        ("agree", {"KeyAgreementAlgorithms": ["ECDH"]}),
    ],
)
def test_a_public_key_comes_with_what_it_is_for(kms, name, shown):
    answer = members(kms.get_public_key(KeyId=f"alias/{name}"))
    load_der_public_key(answer.pop("PublicKey"))
    spec, usage = SPECS[name]
    expected = {"KeyId": ARNS[name], "KeySpec": spec, "CustomerMasterKeySpec": spec, "KeyUsage": usage}
    assert answer == {**expected, **shown}


def test_both_sides_derive_the_same_secret(kms):
    own = ec.generate_private_key(ec.SECP256R1())
    public = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    call = {"KeyId": IDS["agree"], "KeyAgreementAlgorithm": "ECDH"}
    made = members(kms.derive_shared_secret(**call, PublicKey=public))
    theirs = load_der_public_key(kms.get_public_key(KeyId=IDS["agree"])["PublicKey"])
    assert made.pop("SharedSecret") == own.exchange(ec.ECDH(), theirs)
    assert made == {"KeyId": ARNS["agree"], "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS"}
    elsewhere = ec.generate_private_key(ec.SECP384R1()).public_key()
    for wrong in (b"garbage", elsewhere.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)):
        assert error(kms.derive_shared_secret, **call, PublicKey=wrong) == ("ValidationException", "")


# --- material


def test_material_is_made_at_first_use_and_can_be_brought_and_lost():
    materials = Materials()
    key = Key(IDS["plain"], HOME, HERE, default_key_policy(HERE))
    assert materials.versions(key) == ()
    first = materials.current(key)
    assert materials.current(key) is first
    brought = materials.add(key, secret_material(key, bytes(32)), current=False)
    assert materials.current(key) is first
    materials.use(key, brought.id)
    assert materials.current(key) is brought
    materials.remove(key)
    assert materials.version(key, brought.id) is None
    assert materials.add(key, secret_material(key, bytes(32))).id == brought.id


def test_a_ciphertext_is_bound_to_its_header_too():
    header = Header(ARNS["plain"], "ab" * 32)
    blob = seal(header, bytes(32), b"x", {})
    assert read_header(blob) == header
    assert unseal(blob, bytes(32), {}) == b"x"
    moved = Header(ARNS["other"], "ab" * 32).to_bytes() + blob[len(header.to_bytes()) :]
    assert unseal(moved, bytes(32), {}) is None


def test_a_symmetric_key_is_made_without_a_key_pair_beside_it(kms, monkeypatch):
    made = []
    monkeypatch.setattr(rsa, "generate_private_key", lambda **stated: made.append(stated))
    created = kms.create_key()["KeyMetadata"]
    assert kms.encrypt(KeyId=created["KeyId"], Plaintext=b"x")["KeyId"] == created["Arn"]
    assert made == []


def test_moto_alone_still_has_private_keys_of_its_own(sandbox, kms):
    with sandbox.moto_alone():
        call = {"KeyId": IDS["p256"], "SigningAlgorithm": "ECDSA_SHA_256", "Message": b"x"}
        assert kms.verify(**call, Signature=kms.sign(**call)["Signature"])["SignatureValid"] is True
        blob = kms.encrypt(KeyId=IDS["plain"], Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert error(kms.decrypt, CiphertextBlob=blob) == INVALID
