"""Imported key material: wrapped as its owner wraps it, taken, lost, brought back, rotated."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from evaluator.building import DELEGATION, WORKER_SESSION, allow, key
from evaluator.building import world as build

from kmssim.sandbox import imported
from kmssim.sandbox.asymmetric import private_bytes, public_bytes
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.wrapping import WRAPPING_ALGORITHMS, wrap

HAS_ID, WAITS_ID = "aaaaaaaa-12ab-34cd-56ef-1234567890ab", "bbbbbbbb-12ab-34cd-56ef-1234567890ab"
FAR = "eu-west-1"
NEVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def opened():
    keys = (
        key(*DELEGATION),
        key(*DELEGATION, id=HAS_ID, origin="EXTERNAL"),
        key(*DELEGATION, id=WAITS_ID, origin="EXTERNAL", state="PendingImport"),
    )
    with Sandbox(build(*keys, mine=[allow("*")])) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(opened):
    yield opened
    opened.restore()


@pytest.fixture
def kms(sandbox):
    return sandbox.client("kms", as_=WORKER_SESSION)


def refused(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def new(kms, **parameters) -> str:
    return kms.create_key(Origin="EXTERNAL", **parameters)["KeyMetadata"]["Arn"]


def wrapped(kms, key_id, content, algorithm="RSA_AES_KEY_WRAP_SHA_256", spec="RSA_2048") -> dict[str, object]:
    """What ImportKeyMaterial takes, made as somebody with nothing but the two answers would make it."""
    given = kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    public = load_der_public_key(given["PublicKey"])
    assert public.key_size == int(spec.removeprefix("RSA_"))
    return {
        "KeyId": key_id,
        "ImportToken": given["ImportToken"],
        "EncryptedKeyMaterial": wrap(public, algorithm, content),
    }


def bring(kms, key_id, content=SECRET, **parameters) -> dict:
    return kms.import_key_material(**wrapped(kms, key_id, content), **{**NEVER, **parameters})


def state(kms, key_id) -> str:
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]


def test_the_parameters_for_an_import_hold_for_a_day(kms):
    given = kms.get_parameters_for_import(
        KeyId=WAITS_ID, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_3072"
    )
    assert given["KeyId"].endswith(WAITS_ID)
    assert abs(given["ParametersValidTo"] - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=1)
    assert load_der_public_key(given["PublicKey"]).key_size == 3072


@pytest.mark.parametrize(("algorithm", "spec"), [("RSAES_PKCS1_V1_5", "RSA_2048"), ("SM2PKE", "SM2")])
def test_wrapping_that_is_not_simulated_says_so(kms, algorithm, spec):
    code, message = refused(
        kms.get_parameters_for_import, KeyId=WAITS_ID, WrappingAlgorithm=algorithm, WrappingKeySpec=spec
    )
    assert (code, message.startswith("kmssim: ")) == ("UnsupportedOperationException", True)


@pytest.mark.parametrize("algorithm", sorted(WRAPPING_ALGORITHMS))
def test_material_is_taken_by_every_algorithm_and_the_key_works_with_it(kms, sandbox, algorithm):
    arn = new(kms)
    answer = kms.import_key_material(**wrapped(kms, arn, SECRET, algorithm), **NEVER)
    assert answer["KeyId"] == arn
    about = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (about["KeyState"], about["Enabled"], about["ExpirationModel"]) == (
        "Enabled",
        True,
        NEVER["ExpirationModel"],
    )
    assert about["CurrentKeyMaterialId"] == answer["KeyMaterialId"]
    assert "ValidTo" not in about
    assert sandbox.world.keys_by_arn[arn].state == "Enabled"
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


PRIVATE = {
    "ECC_NIST_P256": ec.generate_private_key(ec.SECP256R1()),
    "ECC_NIST_P384": ec.generate_private_key(ec.SECP384R1()),
    "ECC_NIST_P521": ec.generate_private_key(ec.SECP521R1()),
    "ECC_SECG_P256K1": ec.generate_private_key(ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA_2048": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("spec", PRIVATE)
def test_an_imported_key_pair_is_the_one_that_the_world_sees(kms, spec):
    arn = new(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY")
    answer = bring(kms, arn, private_bytes(PRIVATE[spec]))
    assert "KeyMaterialId" not in answer
    assert kms.get_public_key(KeyId=arn)["PublicKey"] == public_bytes(PRIVATE[spec])


def test_an_imported_hmac_key_makes_the_macs_that_its_bytes_make(kms):
    arn, content = new(kms, KeySpec="HMAC_384", KeyUsage="GENERATE_VERIFY_MAC"), secrets.token_bytes(48)
    bring(kms, arn, content)
    made = kms.generate_mac(KeyId=arn, Message=b"m", MacAlgorithm="HMAC_SHA_384")["Mac"]
    assert made == hmac.new(content, b"m", hashlib.sha384).digest()


def other_token(kms):
    return {"ImportToken": wrapped(kms, HAS_ID, SECRET)["ImportToken"]}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ImportToken": b"made up"}, "InvalidImportTokenException"),
        (other_token, "InvalidImportTokenException"),
        ({"EncryptedKeyMaterial": b"x" * 300}, "InvalidCiphertextException"),
        ({"EncryptedKeyMaterial": b"x"}, "InvalidCiphertextException"),
    ],
)
def test_what_does_not_belong_together_is_refused(kms, changed, code):
    given = wrapped(kms, WAITS_ID, SECRET)
    wrong = changed(kms) if callable(changed) else changed
    assert refused(kms.import_key_material, **{**given, **wrong}, **NEVER)[0] == code
    assert state(kms, WAITS_ID) == "PendingImport"


def test_an_import_token_expires(kms, monkeypatch):
    given = wrapped(kms, WAITS_ID, SECRET)
    later = time.time() + 24 * 60 * 60 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert refused(kms.import_key_material, **given, **NEVER)[0] == "ExpiredImportTokenException"


@pytest.mark.parametrize(
    ("spec", "usage", "content"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", b"x" * 16),
        ("HMAC_256", "GENERATE_VERIFY_MAC", b"x" * 31),
        ("ECC_NIST_P256", "SIGN_VERIFY", b"no key at all"),
        ("ECC_NIST_P256", "SIGN_VERIFY", private_bytes(PRIVATE["ECC_NIST_P384"])),
        ("RSA_3072", "SIGN_VERIFY", private_bytes(PRIVATE["RSA_2048"])),
    ],
    ids=["too short", "too short a MAC key", "no key", "another curve", "another size"],
)
def test_material_that_is_none_of_the_keys_spec_is_refused(kms, spec, usage, content):
    arn = new(kms, KeySpec=spec, KeyUsage=usage)
    assert refused(kms.import_key_material, **wrapped(kms, arn, content), **NEVER)[0] == "IncorrectKeyMaterialException"


EARLIER = datetime.now(UTC) - timedelta(days=1)
MUCH_LATER = datetime.now(UTC) + timedelta(days=366)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
        (
            {"ExpirationModel": "KEY_MATERIAL_EXPIRES"},
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        ),
        ({**NEVER, "ValidTo": MUCH_LATER}, "A validTo date cannot be set"),
        ({"ValidTo": EARLIER}, "The validTo date must be in the future"),
        ({"ValidTo": MUCH_LATER}, "The validTo date must be in the future"),
    ],
)
def test_expiration_model_and_date_belong_together(kms, terms, message):
    code, said = refused(kms.import_key_material, **wrapped(kms, WAITS_ID, SECRET), **terms)
    assert code == "ValidationException"
    assert said.startswith(message)


def test_material_that_expires_goes_by_itself_and_comes_back(kms, monkeypatch):
    arn, until = new(kms), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    bring(kms, arn, ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    about = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (about["ExpirationModel"], about["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    later = time.time() + 2 * 60 * 60
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: later)
        assert refused(kms.decrypt, CiphertextBlob=blob) == ("KMSInvalidStateException", f"{arn} is pending import.")
    assert state(kms, arn) == "PendingImport"
    bring(kms, arn)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_deleted_material_makes_the_key_wait_until_the_same_material_comes_back(kms, sandbox):
    arn = new(kms)
    material = bring(kms, arn)["KeyMaterialId"]
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert kms.delete_imported_key_material(KeyId=arn)["KeyMaterialId"] == material
    about = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (about["KeyState"], about["Enabled"], about["CurrentKeyMaterialId"]) == ("PendingImport", False, material)
    assert "ExpirationModel" not in about
    assert sandbox.world.keys_by_arn[arn].state == "PendingImport"
    assert refused(kms.decrypt, CiphertextBlob=blob)[0] == "KMSInvalidStateException"
    wrong = refused(kms.import_key_material, **wrapped(kms, arn, b"y" * 32), **NEVER)
    assert wrong[0] == "IncorrectKeyMaterialException"
    assert bring(kms, arn)["KeyMaterialId"] == material
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_deleting_twice_or_what_was_never_there_changes_nothing(kms):
    assert "KeyMaterialId" not in kms.delete_imported_key_material(KeyId=WAITS_ID)
    assert state(kms, WAITS_ID) == "PendingImport"
    unknown = refused(kms.delete_imported_key_material, KeyId=HAS_ID, KeyMaterialId="0" * 64)
    assert unknown[0] == "IncorrectKeyMaterialException"


def test_a_declared_key_with_imported_material_has_some_from_the_start(kms):
    about = kms.describe_key(KeyId=HAS_ID)["KeyMetadata"]
    assert (about["KeyState"], about["ExpirationModel"]) == ("Enabled", NEVER["ExpirationModel"])
    blob = kms.encrypt(KeyId=HAS_ID, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == about["CurrentKeyMaterialId"]
    kms.delete_imported_key_material(KeyId=HAS_ID)
    assert state(kms, HAS_ID) == "PendingImport"


def test_a_key_pending_deletion_stays_so_when_its_material_goes(kms):
    kms.schedule_key_deletion(KeyId=HAS_ID)
    kms.delete_imported_key_material(KeyId=HAS_ID)
    assert state(kms, HAS_ID) == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=HAS_ID)
    assert state(kms, HAS_ID) == "PendingImport"


def listed(kms, arn) -> list[tuple[str, str, str]]:
    found = kms.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    return [(each["KeyMaterialId"], each["KeyMaterialState"], each["ImportState"]) for each in found]


def test_waiting_material_becomes_current_by_rotation_on_demand_and_the_old_still_decrypts(kms):
    """EM-38: without material that waits there is nothing to rotate to."""
    arn = new(kms)
    bring(kms, arn, b"1" * 32)
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert refused(kms.rotate_key_on_demand, KeyId=arn)[0] == "KMSInvalidStateException"
    second = bring(kms, arn, b"2" * 32, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=arn)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"] == second
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert refused(kms.rotate_key_on_demand, KeyId=arn)[0] == "KMSInvalidStateException"


def test_new_material_waits_for_rotation_and_only_one_at_a_time(kms):
    arn = new(kms)
    first = bring(kms, arn)["KeyMaterialId"]
    second = bring(kms, arn, b"2" * 32, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="next")["KeyMaterialId"]
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["CurrentKeyMaterialId"] == first
    assert listed(kms, arn) == [(first, "CURRENT", "IMPORTED"), (second, "PENDING_ROTATION", "IMPORTED")]
    code, message = refused(
        kms.import_key_material, **wrapped(kms, arn, b"3" * 32), **NEVER, ImportType="NEW_KEY_MATERIAL"
    )
    assert code == "KMSInvalidStateException"
    assert message.startswith("New key material (id: ")
    assert message.endswith(
        f") cannot be imported into KMS key {arn}, because another key material (id: {second}) is pending rotation."
    )
    kms.delete_imported_key_material(KeyId=arn, KeyMaterialId=second)
    assert (listed(kms, arn), state(kms, arn)) == ([(first, "CURRENT", "IMPORTED")], "Enabled")


@pytest.mark.parametrize(
    ("content", "parameters", "code"),
    [
        (SECRET, {"ImportType": "NEW_KEY_MATERIAL"}, "IncorrectKeyMaterialException"),
        (b"2" * 32, {"ImportType": "EXISTING_KEY_MATERIAL"}, "IncorrectKeyMaterialException"),
        (b"2" * 32, {}, "IncorrectKeyMaterialException"),
        (SECRET, {"KeyMaterialId": "0" * 64}, "IncorrectKeyMaterialException"),
        (b"2" * 32, {"ImportType": "NEW_KEY_MATERIAL", "KeyMaterialId": "0" * 64}, "ValidationException"),
    ],
)
def test_the_import_type_and_the_material_id_are_held_to(kms, content, parameters, code):
    arn = new(kms)
    bring(kms, arn)
    assert refused(kms.import_key_material, **wrapped(kms, arn, content), **NEVER, **parameters)[0] == code
    assert state(kms, arn) == "Enabled"


def test_a_replica_takes_what_its_primary_has_and_nothing_else(sandbox, kms):
    primary = new(kms, MultiRegion=True)
    material = bring(kms, primary)["KeyMaterialId"]
    replica = kms.replicate_key(KeyId=primary, ReplicaRegion=FAR)["ReplicaKeyMetadata"]["Arn"]
    there = sandbox.client("kms", as_=WORKER_SESSION, region=FAR)
    assert state(there, replica) == "PendingImport"
    assert refused(there.import_key_material, **wrapped(there, replica, b"2" * 32), **NEVER)[0] == (
        "IncorrectKeyMaterialException"
    )
    assert bring(there, replica)["KeyMaterialId"] == material
    blob = kms.encrypt(KeyId=primary, Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    there.delete_imported_key_material(KeyId=replica)
    assert (state(kms, primary), state(there, replica)) == ("Enabled", "PendingImport")
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_new_material_of_related_keys_waits_until_each_of_them_has_it(sandbox, kms):
    primary = new(kms, MultiRegion=True)
    bring(kms, primary)
    replica = kms.replicate_key(KeyId=primary, ReplicaRegion=FAR)["ReplicaKeyMetadata"]["Arn"]
    there = sandbox.client("kms", as_=WORKER_SESSION, region=FAR)
    bring(there, replica)
    bring(kms, primary, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    assert listed(kms, primary)[-1][1] == "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    bring(there, replica, b"2" * 32)
    assert listed(kms, primary)[-1][1] == "PENDING_ROTATION"


def test_keys_with_material_of_awss_own_take_none(kms):
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    wanted = ("UnsupportedOperationException", f"{arn} origin is AWS_KMS which is not valid for this operation.")
    asked = {"KeyId": arn, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    assert refused(kms.get_parameters_for_import, **asked) == wanted
    assert refused(kms.import_key_material, KeyId=arn, ImportToken=b"x", EncryptedKeyMaterial=b"x") == wanted
    assert refused(kms.delete_imported_key_material, KeyId=arn) == wanted


def test_material_that_no_key_needs_any_more_is_forgotten(kms, sandbox):
    arn = new(kms)
    bring(kms, arn)
    notes = sandbox.memory.notes(imported.ImportNotes)
    assert len(list(notes.holding(notes.keys[arn].current))) == 1
    kms.delete_imported_key_material(KeyId=arn)
    materials = sandbox.memory.notes(imported.Materials)
    assert materials.versions(notes.keys[arn].key) == ()
