"""The calls behind AWS's recorded KMS answers: by the recording's test, what makes them and under which label.

A replay is a generator of `(label, answer)`; an answer is what boto3 returns, or the part of it that was recorded, or
for an error boto3's response.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kmssim.sandbox.asymmetric import private_bytes
from kmssim.sandbox.wrapping import wrap

Replays = Iterator[tuple[str, Any]]
NEVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
CURVES = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
MESSAGE = b"test message !%$@ 1234567890"


@dataclass(frozen=True)
class Kms:
    """Clients that check nothing before they send, one for each Region that is asked for."""

    of: Callable[[str], Any]
    region: str = "us-east-1"
    account: str = "111111111111"

    def call(self, operation: str, region: str | None = None, **parameters: Any) -> Any:
        """What boto3 returns; for an error its response."""
        try:
            return getattr(self.of(region or self.region), operation)(**parameters)
        except ClientError as error:
            return error.response

    def key(self, region: str | None = None, **parameters: Any) -> dict[str, Any]:
        return self.call("create_key", region, **parameters)["KeyMetadata"]

    def bring(self, key_id: str, content: bytes, **parameters: Any) -> Any:
        """Import key material."""
        algorithm = "RSA_AES_KEY_WRAP_SHA_256"
        given = self.call(
            "get_parameters_for_import", KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048"
        )
        material = wrap(load_der_public_key(given["PublicKey"]), algorithm, content)
        sent = {"ImportToken": given["ImportToken"], "EncryptedKeyMaterial": material}
        return self.call("import_key_material", KeyId=key_id, **sent, **{**NEVER, **parameters})


def _random_error(kms: Kms, asked: str) -> Replays:
    yield (
        "generate-random-exc",
        kms.call("generate_random", **({} if asked == "None" else {"NumberOfBytes": int(asked)})),
    )


def _random(kms: Kms, asked: str) -> Replays:
    yield "result_length", len(kms.call("generate_random", NumberOfBytes=int(asked))["Plaintext"])


_SIZES = {"SHA_1": 42, "SHA_256": 66}


def _too_long(kms: Kms, spec: str, algorithm: str) -> Replays:
    key = kms.key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")
    longest = int(spec.removeprefix("RSA_")) // 8 - _SIZES[algorithm.removeprefix("RSAES_OAEP_")]
    sent = {"KeyId": key["KeyId"], "EncryptionAlgorithm": algorithm}
    assert "Error" not in kms.call("encrypt", Plaintext=b"p" * longest, **sent)
    yield "generate-random-exc", kms.call("encrypt", Plaintext=b"p" * (longest + 1), **sent)


def _described(description: str, label: str, **parameters: Any) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        key = kms.key(Description=description, **parameters)
        yield label, kms.call("describe_key", KeyId=key["KeyId"])["KeyMetadata"]

    return replay


def _created(description: str, label: str, **parameters: Any) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        yield label, kms.key(Description=description, **parameters)

    return replay


def _different_region(kms: Kms) -> Replays:
    far = "eu-west-1"
    key = kms.key(far, Description="test key 123", KeyUsage="ENCRYPT_DECRYPT")
    yield "describe-key-diff-region-with-id", kms.call("describe_key", KeyId=key["KeyId"])
    yield "describe-key-diff-region-with-arn", kms.call("describe_key", KeyId=key["Arn"])
    yield "describe-key-same-specific-region-with-id", kms.call("describe_key", far, KeyId=key["KeyId"])
    yield "describe-key-same-specific-region-with-arn", kms.call("describe_key", far, KeyId=key["Arn"])


def _missing_key(kms: Kms) -> Replays:
    missing = str(uuid.uuid4())
    arn = f"arn:aws:kms:{kms.region}:{kms.account}:key/{missing}"
    yield "describe-nonexistent-key-with-id", kms.call("describe_key", KeyId=missing)
    yield "describe-nonexistent-with-arn", kms.call("describe_key", KeyId=arn)
    yield "describe-key-with-valid-id-mrk", kms.call("describe_key", KeyId="mrk-" + "d3b9562917b1" * 2 + "d3b95629")


def _invalid_ids(kms: Kms) -> Replays:
    yield "describe-key-with-invalid-uuid", kms.call("describe_key", KeyId="fake-key-id")
    yield "describe-key-with-invalid-uuid-2", kms.call("describe_key", KeyId="134f2428cec14b25a1ae9048164dba47")
    yield "describe-key-with-invalid-uuid-mrk", kms.call("describe_key", KeyId="mrk-fake-key-id")


def _replicate(kms: Kms) -> Replays:
    far = "ap-southeast-1"
    key = kms.key(MultiRegion=True, Description="test replicated key")["KeyId"]
    yield "describe-key-from-different-region", kms.call("describe_key", far, KeyId=key)
    yield "replicate-key", kms.call("replicate_key", KeyId=key, ReplicaRegion=far)
    yield "describe-key-from-region", kms.call("describe_key", KeyId=key)
    yield "describe-replicated-key", kms.call("describe_key", far, KeyId=key)


def _replicate_replica(kms: Kms) -> Replays:
    far = "ap-southeast-1"
    key = kms.key(MultiRegion=True)["KeyId"]
    kms.call("replicate_key", KeyId=key, ReplicaRegion=far)
    answer = kms.call("replicate_key", far, KeyId=key, ReplicaRegion="eu-west-1")
    yield "fail-replicate-non-primary-key", answer


def _alias(kms: Kms) -> Replays:
    yield "create_alias", kms.call("create_alias", AliasName="no-prefix", TargetKeyId=kms.key()["KeyId"])


def _sign(kms: Kms, spec: str, algorithm: str) -> Replays:
    sent = {"KeyId": kms.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyId"], "SigningAlgorithm": algorithm}
    signed = kms.call("sign", MessageType="RAW", Message=MESSAGE, **sent)
    yield "signature", signed
    verified = {"MessageType": "RAW", "Signature": signed["Signature"], **sent}
    yield "verification", kms.call("verify", Message=MESSAGE, **verified)
    yield "bad-digest", kms.call("sign", MessageType="DIGEST", Message=MESSAGE, **sent)
    yield "bad-signature", kms.call("verify", Message=b"bad message", **verified)


def _hmac_created(kms: Kms) -> Replays:
    key = kms.key(Description="test key", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    yield "create-hmac-key", key
    yield "describe-key", kms.call("describe_key", KeyId=key["KeyId"])["KeyMetadata"]


def _hmac_refused(kms: Kms) -> Replays:
    yield "create-hmac-key-without-key-usage", kms.call("create_key", KeySpec="HMAC_256")
    yield "create-hmac-key-invalid-spec", kms.call("create_key", KeySpec="HMAC_random", KeyUsage="GENERATE_VERIFY_MAC")
    yield "create-hmac-key-invalid-key-usage", kms.call("create_key", KeySpec="HMAC_256", KeyUsage="RANDOM")


def _mac_key(kms: Kms, spec: str) -> str:
    return str(kms.key(KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")["KeyId"])


def _macs(kms: Kms, spec: str, algorithm: str) -> Replays:
    key, sent = _mac_key(kms, spec), {"Message": b"some important message", "MacAlgorithm": algorithm}
    made = kms.call("generate_mac", KeyId=key, **sent)
    yield "generate-mac", made
    yield "verify-mac", kms.call("verify_mac", KeyId=key, Mac=made["Mac"], **sent)
    yield "generate-mac-invalid-key-id", kms.call("generate_mac", KeyId="key_id", **sent)
    yield "verify-mac-invalid-key-id", kms.call("verify_mac", KeyId="key_id", Mac=made["Mac"], **sent)


def _mac_refused(kms: Kms, spec: str, algorithm: str) -> Replays:
    sent = {"KeyId": _mac_key(kms, spec), "Message": b"some important message", "MacAlgorithm": algorithm}
    yield "generate-mac", kms.call("generate_mac", **sent)


def _verify_mac_refused(kms: Kms, spec: str, algorithm: str, message: str) -> Replays:
    key = _mac_key(kms, spec)
    made = kms.call("generate_mac", KeyId=key, Message=b"some important message", MacAlgorithm="HMAC_SHA_256")
    yield "generate-mac", made
    sent = {"Message": message.encode(), "MacAlgorithm": algorithm, "Mac": made["Mac"]}
    yield "verify-mac", kms.call("verify_mac", KeyId=key, **sent)


def _import_symmetric(kms: Kms) -> Replays:
    created = kms.key(Origin="EXTERNAL", Description="a description")
    key = created["KeyId"]
    yield "created-key", created
    yield "encrypt-before-import-error", kms.call("encrypt", KeyId=key, Plaintext=b"x")
    yield "describe-key-before-import", kms.call("describe_key", KeyId=key)
    content = b"s" * 32
    wrong = kms.bring(key, content, ExpirationModel="KEY_MATERIAL_EXPIRES")
    yield "import-expiring-key-without-valid-to", wrong
    kms.bring(key, content)
    yield "describe-key-after-import", kms.call("describe_key", KeyId=key)
    kms.call("delete_imported_key_material", KeyId=key)
    yield "describe-key-after-deleted-import", kms.call("describe_key", KeyId=key)
    yield "encrypt-after-delete-error", kms.call("encrypt", KeyId=key, Plaintext=b"x")


def _around_import(kms: Kms, key: str, content: bytes, labels: tuple[str, str, str], between: Any = None) -> Replays:
    before, after, deleted = labels
    yield before, kms.call("describe_key", KeyId=key)
    kms.bring(key, content)
    yield after, kms.call("describe_key", KeyId=key)
    if between is not None:
        yield from between
    kms.call("delete_imported_key_material", KeyId=key)
    yield deleted, kms.call("describe_key", KeyId=key)


_LABELS = ("describe-key-before-import", "describe-key-after-import", "describe-key-after-deleted-import")


def _import_asymmetric(kms: Kms) -> Replays:
    created = kms.key(Origin="EXTERNAL", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Description="a description")
    yield "created-key", created
    content = private_bytes(ec.generate_private_key(ec.SECP256R1()))
    yield from _around_import(kms, created["KeyId"], content, _LABELS)


def _import_rsa(kms: Kms) -> Replays:
    sent = {"KeySpec": "RSA_4096", "KeyUsage": "ENCRYPT_DECRYPT", "Description": "test-key"}
    key = kms.key(Origin="EXTERNAL", **sent)["KeyId"]
    labels = ("describe-before-import", "import-key-material-response", "describe-key-after-deleted-import")
    yield from _around_import(kms, key, private_bytes(rsa.generate_private_key(65537, 4096)), labels)


def _import_curve(kms: Kms, spec: str) -> Replays:
    key = kms.key(Origin="EXTERNAL", KeySpec=spec, KeyUsage="SIGN_VERIFY", Description="test ecc key import")
    hashed = {"ECC_NIST_P384": "384", "ECC_NIST_P521": "512"}.get(spec, "256")

    def use() -> Replays:
        sent = {"KeyId": key["KeyId"], "Message": MESSAGE, "SigningAlgorithm": f"ECDSA_SHA_{hashed}"}
        signed = kms.call("sign", **sent)
        yield "sign-result", signed
        yield "verify-result", kms.call("verify", Signature=signed["Signature"], **sent)

    content = private_bytes(ec.generate_private_key(CURVES[spec]()))
    yield from _around_import(kms, key["KeyId"], content, _LABELS, use())


def _import_hmac(kms: Kms, spec: str) -> Replays:
    sent = {"KeySpec": spec, "KeyUsage": "GENERATE_VERIFY_MAC", "Description": "test import hmac key"}
    key, size = kms.key(Origin="EXTERNAL", **sent)["KeyId"], int(spec.removeprefix("HMAC_"))

    def use() -> Replays:
        call = {"KeyId": key, "Message": MESSAGE, "MacAlgorithm": f"HMAC_SHA_{size}"}
        made = kms.call("generate_mac", **call)
        yield "generate-mac-response", made
        yield "verify-mac-response", kms.call("verify_mac", Mac=made["Mac"], **call)

    yield from _around_import(kms, key, b"h" * (size // 8), _LABELS, use())


def _wrong_keys(kms: Kms) -> Replays:
    symmetric, mac = kms.key()["KeyId"], _mac_key(kms, "HMAC_224")
    pair = kms.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyId"]
    signing = kms.key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyId"]
    sent = {"Message": b"test message 123!@#", "SigningAlgorithm": "RSASSA_PSS_SHA_256", "MessageType": "RAW"}
    call = kms.call("generate_mac", KeyId=symmetric, Message=b"m", MacAlgorithm="HMAC_SHA_224")
    yield "generate-mac-invalid-key-id", call
    yield "sign-invalid-key-id", kms.call("sign", KeyId=mac, **sent)
    yield "verify-invalid-key-id", kms.call("verify", KeyId=pair, Signature=b"s", **sent)
    yield "encrypt-invalid-key-id", kms.call("encrypt", KeyId=signing, Plaintext=b"x")
    blob = kms.call("encrypt", KeyId=symmetric, Plaintext=b"x")["CiphertextBlob"]
    yield "decrypt-invalid-key-id", kms.call("decrypt", KeyId=mac, CiphertextBlob=blob)


def _plaintext_size(kms: Kms) -> Replays:
    yield "invalid-plaintext-size-encrypt", kms.call("encrypt", KeyId=kms.key()["KeyId"], Plaintext=b"p" * 4097)


_DATA = {"KeySpec": "AES_256"}
_PAIR = {"KeyPairSpec": "RSA_2048"}


def _data_key(label: str, operation: str, **parameters: Any) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        yield label, kms.call(operation, KeyId=kms.key()["KeyId"], **parameters)

    return replay


def _data_key_context(operation: str, blob: str, **parameters: Any) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        key = kms.key()["KeyId"]
        made = kms.call(operation, KeyId=key, EncryptionContext={"context-key": "value"}, **parameters)
        yield "decrypt-without-encryption-context", kms.call("decrypt", KeyId=key, CiphertextBlob=made[blob])

    return replay


def _context(kms: Kms) -> Replays:
    sent = {"KeyId": kms.key()["KeyId"], "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    bound = {"EncryptionContext": {"context-key": "value"}}
    made = kms.call("encrypt", Plaintext=b"some message", **sent, **bound)
    blob = made["CiphertextBlob"]
    yield "encrypt_response", made
    yield "decrypt_response_with_encryption_context", kms.call("decrypt", CiphertextBlob=blob, **sent, **bound)
    yield "decrypt_response_without_encryption_context", kms.call("decrypt", CiphertextBlob=blob, **sent)
    damaged = kms.call("decrypt", CiphertextBlob=blob[60:], **sent, **bound)
    yield "decrypt_response_with_invalid_ciphertext", damaged


def _not_external(label: str) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        sent = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
        yield label, kms.call("get_parameters_for_import", KeyId=kms.key()["KeyId"], **sent)

    return replay


def _agreement(kms: Kms, label: str, key: str, peer: bytes, algorithm: str = "ECDH") -> tuple[str, Any]:
    sent = {"KeyAgreementAlgorithm": algorithm, "PublicKey": peer}
    return label, kms.call("derive_shared_secret", KeyId=key, **sent)


def _public(curve: ec.EllipticCurve) -> bytes:
    key = ec.generate_private_key(curve).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _derive(kms: Kms) -> Replays:
    agreeing = kms.key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyId"]
    signing = kms.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    peer = _public(ec.SECP256R1())
    yield _agreement(kms, "response", agreeing, peer)
    yield _agreement(kms, "response-invalid-key-usage", signing, peer)
    yield "response-invalid-key-spec", kms.call("create_key", KeySpec="RSA_2048", KeyUsage="KEY_AGREEMENT")
    yield _agreement(kms, "response-invalid-key-agreement-algo", agreeing, peer, "INVALID")
    yield _agreement(kms, "response-invalid-key", kms.key()["KeyId"], peer)
    yield _agreement(kms, "response-invalid-public-key", agreeing, b"InvalidPublicKey")


def _derive_once(kms: Kms) -> Replays:
    key = kms.key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyId"]
    yield _agreement(kms, "derived-shared-key-resp", key, _public(ec.SECP256R1()))


def _tags(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in pairs]


def _numbered(*numbers: int) -> list[dict[str, str]]:
    return _tags(*((f"tag{number}", f"value{number}") for number in numbers))


def _tagged(count: int, change: Mapping[str, Any], label: str, *, at_once: bool = False) -> Callable[[Kms], Replays]:
    """A key with tags, changed by TagResource or UntagResource."""

    def replay(kms: Kms) -> Replays:
        tags = _numbered(*range(1, count + 1))
        key = kms.key(**({"Tags": tags} if at_once else {}))["KeyId"]
        if not at_once:
            kms.call("tag_resource", KeyId=key, Tags=tags)
        yield "list-resource-tags", kms.call("list_resource_tags", KeyId=key)["Tags"]
        for operation, parameters in change.items():
            kms.call(operation, KeyId=key, **parameters)
        yield label, kms.call("list_resource_tags", KeyId=key)["Tags"]

    return replay


def _wrong_tags(label: str, tags: list[dict[str, str]], *, later: bool = False) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        if later:
            yield label, kms.call("tag_resource", KeyId=kms.key()["KeyId"], Tags=tags)
        else:
            yield label, kms.call("create_key", KeyUsage="ENCRYPT_DECRYPT", Tags=tags)

    return replay


def _wrong_tag_key(kms: Kms, kind: str) -> Replays:
    name = {"lowercase_prefix": "aws:key1", "uppercase_prefix": "AWS:key1", "too_long_key": "a" * 129}[kind]
    yield from _wrong_tags("invalid-tag-key", _tags((name, "value1")))(kms)


def _schedule(kms: Kms, days: str) -> Replays:
    key = kms.key()["KeyId"]
    kms.call("enable_key_rotation", KeyId=key, RotationPeriodInDays=int(days))
    yield "match_response", kms.call("get_key_rotation_status", KeyId=key)


def _rotate(*, automatic: bool | None = None, label: str = "rotate-on-demand-response") -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        key = kms.key()["KeyId"]
        if automatic:
            kms.call("enable_key_rotation", KeyId=key)
        yield label, kms.call("rotate_key_on_demand", KeyId=key)
        if automatic is not None:
            yield "rotation-status-response-after-rotation", kms.call("get_key_rotation_status", KeyId=key)

    return replay


def _rotate_refused(before: str, label: str = "error-response", **parameters: Any) -> Callable[[Kms], Replays]:
    def replay(kms: Kms) -> Replays:
        key = kms.key(**parameters)["KeyId"]
        if before == "disable":
            kms.call("disable_key", KeyId=key)
        if before == "import":
            kms.bring(key, b"s" * 32)
        yield label, kms.call("rotate_key_on_demand", KeyId=str(uuid.uuid4()) if before == "missing" else key)

    return replay


def _rotation_limit(kms: Kms) -> Replays:
    key = kms.key()["KeyId"]
    answers = iter(lambda: kms.call("rotate_key_on_demand", KeyId=key), None)
    yield "error-response", next(answer for answer in answers if "Error" in answer)


def _rotation_ciphertext(kms: Kms) -> Replays:
    key = kms.key()["KeyId"]
    blob = kms.call("encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.call("rotate_key_on_demand", KeyId=key)
    assert kms.call("decrypt", CiphertextBlob=blob)["Plaintext"] == b"x"
    sent = {"KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    yield "bad-ciphertext", kms.call("decrypt", CiphertextBlob=blob[:-20] + b"bad-ciphertext-bytes", **sent)


def _external(kms: Kms) -> Any:
    return kms.key(Origin="EXTERNAL", Description="test-key")


def _rotate_empty(kms: Kms, spec: str) -> Replays:
    key = _external(kms)
    yield "create-kms-external-key", key
    yield f"rotate-key-on-demand-error-response-{spec}", kms.call("rotate_key_on_demand", KeyId=key["KeyId"])


def _rotate_imported(kms: Kms) -> Replays:
    created = _external(kms)
    key, sent = created["KeyId"], {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    yield "create-kms-external-key", created
    yield "get-import-parameters-response", kms.call("get_parameters_for_import", KeyId=key, **sent)
    yield "describe-empty-key-response", kms.call("describe_key", KeyId=key)
    yield "import-key-material-response", kms.bring(key, b"1" * 32)
    yield "describe-key-with-material-response", kms.call("describe_key", KeyId=key)
    yield "kms-encrypt-initial-response", kms.call("encrypt", KeyId=key, Plaintext=b"x")
    yield "import-new-key-material-response", kms.bring(key, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    yield "describe-key-with-new-material-response", kms.call("describe_key", KeyId=key)
    yield "rotate-key-on-demand-response", kms.call("rotate_key_on_demand", KeyId=key)
    yield "describe-key-after-rotation", kms.call("describe_key", KeyId=key)
    yield "kms-encrypt-rotated-key-response", kms.call("encrypt", KeyId=key, Plaintext=b"x")


def _rotate_imported_decrypts(kms: Kms) -> Replays:
    created = _external(kms)
    key = created["KeyId"]
    yield "create-kms-external-key", created
    yield "import-key-material-response", kms.bring(key, b"1" * 32)
    made = kms.call("encrypt", KeyId=key, Plaintext=b"x")
    yield "kms-encrypt-initial-response", made
    kms.bring(key, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    yield "rotate-key-on-demand-response", kms.call("rotate_key_on_demand", KeyId=key)
    assert kms.call("decrypt", CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == b"x"


def _pending(kms: Kms) -> Replays:
    key = _external(kms)["KeyId"]
    yield "import-initial-material-response", kms.bring(key, b"1" * 32)
    yield "import-pending-material-response", kms.bring(key, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    yield "existing-pending-material-error", kms.bring(key, b"3" * 32, ImportType="NEW_KEY_MATERIAL")


def _rotated_metadata(kms: Kms) -> Replays:
    key = kms.key(Description="test-key")["KeyId"]
    yield "describe-key-before-rotation", kms.call("describe_key", KeyId=key)
    kms.call("rotate_key_on_demand", KeyId=key)
    yield "describe-key-after-rotation", kms.call("describe_key", KeyId=key)


def _re_encrypt(kms: Kms, spec: str, algorithm: str) -> Replays:
    source, target = (kms.key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")["KeyId"] for _ in range(2))
    blob = kms.call("encrypt", KeyId=source, Plaintext=b"x", EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    sent = {"SourceKeyId": source, "DestinationKeyId": target, "CiphertextBlob": blob}
    both = {"SourceEncryptionAlgorithm": algorithm, "DestinationEncryptionAlgorithm": algorithm}
    yield "test_re_encrypt", kms.call("re_encrypt", **sent, **both)


def _re_encrypt_wrong(kms: Kms) -> Replays:
    made, other = kms.key()["KeyId"], kms.key()["KeyId"]
    blob = kms.call("encrypt", KeyId=made, Plaintext=b"x")["CiphertextBlob"]
    sent = {"SourceKeyId": other, "DestinationKeyId": made, "CiphertextBlob": blob}
    yield "incorrect-source-key", kms.call("re_encrypt", **sent)


def _alias_arn(kms: Kms) -> Replays:
    key, name = kms.key(Description="test - description"), f"alias/{uuid.uuid4().hex}"
    yield "created-key", key
    kms.call("create_alias", AliasName=name, TargetKeyId=key["KeyId"])
    arn = key["Arn"].replace(f"key/{key['KeyId']}", name)
    yield "describe-key", kms.call("describe_key", KeyId=arn)


_EXTERNAL = {"Origin": "EXTERNAL"}
_REPLAYS: Mapping[str, Callable[..., Replays]] = {
    "test_generate_random_invalid_number_of_bytes": _random_error,
    "test_encrypt_validate_plaintext_size_per_key_type": _too_long,
    "test_generate_random": _random,
    "test_create_key": _described("test key 123", "describe-key"),
    "test_get_key_in_different_region": _different_region,
    "test_get_key_does_not_exist": _missing_key,
    "test_get_key_invalid_uuid": _invalid_ids,
    "test_replicate_key": _replicate,
    "test_create_alias": _alias,
    "test_sign_verify": _sign,
    "test_hmac_create_key": _hmac_created,
    "test_hmac_create_key_invalid_operations": _hmac_refused,
    "test_generate_and_verify_mac": _macs,
    "test_invalid_generate_mac": _mac_refused,
    "test_invalid_verify_mac": _verify_mac_refused,
    "test_import_key_symmetric": _import_symmetric,
    "test_import_key_asymmetric": _import_asymmetric,
    "test_import_key_rsa_aes_wrap_sha256": _import_rsa,
    "test_import_key_ecc_keys": _import_curve,
    "test_import_key_hmac_keys": _import_hmac,
    "test_error_messaging_for_invalid_keys": _wrong_keys,
    "test_plaintext_size_for_encrypt": _plaintext_size,
    "test_generate_data_key_pair_without_plaintext": _data_key(
        "generate-data-key-pair-without-plaintext", "generate_data_key_pair_without_plaintext", **_PAIR
    ),
    "test_generate_data_key_pair": _data_key("generate-data-key-pair", "generate_data_key_pair", **_PAIR),
    "test_generate_data_key": _data_key("generate-data-key-result", "generate_data_key", **_DATA),
    "test_generate_data_key_without_plaintext": _data_key(
        "generate-data-key-without-plaintext", "generate_data_key_without_plaintext", **_DATA
    ),
    "test_encrypt_decrypt_encryption_context": _context,
    "test_encryption_context_generate_data_key": _data_key_context("generate_data_key", "CiphertextBlob", **_DATA),
    "test_encryption_context_generate_data_key_without_plaintext": _data_key_context(
        "generate_data_key_without_plaintext", "CiphertextBlob", **_DATA
    ),
    "test_encryption_context_generate_data_key_pair": _data_key_context(
        "generate_data_key_pair", "PrivateKeyCiphertextBlob", **_PAIR
    ),
    "test_encryption_context_generate_data_key_pair_without_plaintext": _data_key_context(
        "generate_data_key_pair_without_plaintext", "PrivateKeyCiphertextBlob", **_PAIR
    ),
    "test_get_parameters_for_import": _not_external("response-error"),
    "test_create_multi_region_key": _created("test multi region key", "create_multi_region_key", MultiRegion=True),
    "test_non_multi_region_keys_should_not_have_multi_region_properties": _created(
        "test non multi region key", "non_multi_region_keys_should_not_have_multi_region_properties", MultiRegion=False
    ),
    "test_derive_shared_secret": _derive,
    "test_derive_shared_secret_matches_openssl": _derive_once,
    "test_tag_existing_key_and_untag": _tagged(
        2, {"untag_resource": {"TagKeys": ["tag1", "tag2"]}}, "list-resource-tags-after-all-untagged"
    ),
    "test_create_key_with_tag_and_untag": _tagged(
        2, {"untag_resource": {"TagKeys": ["tag1", "tag2"]}}, "list-resource-tags-after-all-untagged", at_once=True
    ),
    "test_untag_key_partially": _tagged(
        3, {"untag_resource": {"TagKeys": ["tag2"]}}, "list-resource-tags-after-partially-untagged", at_once=True
    ),
    "test_update_and_add_tags_on_tagged_key": _tagged(
        3,
        {"tag_resource": {"Tags": [*_tags(("tag2", "updated_value2")), *_numbered(4, 5)]}},
        "list-resource-tags-after-tags-updated",
        at_once=True,
    ),
    "test_tag_key_with_duplicate_tag_keys_raises_error": _wrong_tags(
        "duplicate-tag-keys", _tags(("tag1", "value1"), ("tag1", "another_value1")), later=True
    ),
    "test_create_key_with_too_many_tags_raises_error": _wrong_tags("invalid-tag-key", _numbered(*range(51))),
    "test_tag_existing_key_with_invalid_tag_key": _wrong_tags(
        "invalid-tag-key", _tags(("aws:key1", "value1")), later=True
    ),
    "test_key_with_long_tag_value_raises_error": _wrong_tags("too-long-tag-value", _tags(("tag1", "v" * 257))),
    "test_create_key_with_invalid_tag_key": _wrong_tag_key,
    "test_key_enable_rotation_status": _schedule,
    "test_rotate_key_on_demand_modifies_key_material": _rotate(),
    "test_rotate_key_on_demand_with_symmetric_key_and_automatic_rotation_disabled": _rotate(automatic=False),
    "test_rotate_key_on_demand_with_symmetric_key_and_automatic_rotation_enabled": _rotate(automatic=True),
    "test_rotate_on_demand_returns_arn_for_key_id": _rotate(label="rotate-on-demand-aws-key"),
    "test_rotate_key_on_demand_raises_error_given_key_is_disabled": _rotate_refused("disable"),
    "test_rotate_key_on_demand_raises_error_given_key_that_does_not_exist": _rotate_refused("missing"),
    "test_rotate_key_on_demand_raises_error_given_non_symmetric_key": _rotate_refused(
        "", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"
    ),
    "test_rotate_key_on_demand_raises_error_given_key_with_imported_key_material": _rotate_refused("", **_EXTERNAL),
    "test_rotate_key_on_demand_raises_for_no_pending_key_material": _rotate_refused(
        "import", "rotate-key-on-demand-invalid-state-error", **_EXTERNAL
    ),
    "test_key_rotations_limits": _rotation_limit,
    "test_key_rotations_encryption_decryption": _rotation_ciphertext,
    "test_generate_data_key_pair_dry_run": _data_key(
        "dryrun_exception", "generate_data_key_pair", DryRun=True, **_PAIR
    ),
    "test_generate_data_key_pair_without_plaintext_dry_run": _data_key(
        "dryrun_exception", "generate_data_key_pair_without_plaintext", DryRun=True, **_PAIR
    ),
    "test_re_encrypt": _re_encrypt,
    "test_re_encrypt_incorrect_source_key": _re_encrypt_wrong,
    "test_describe_with_alias_arn": _alias_arn,
    "test_replicate_replica_key_should_fail": _replicate_replica,
    "test_rotate_key_on_demand_on_external_key_with_no_key_material": _rotate_empty,
    "test_rotate_key_on_demand_updates_current_key_material_for_external_keys": _rotate_imported,
    "test_get_parameters_for_import_raises_for_non_external_kms_keys": _not_external("get-import-parameters-error"),
    "test_import_key_material_raises_if_there_is_already_key_material_pending": _pending,
    "test_rotate_key_on_demand_for_external_keys_decrypts_with_previous_material": _rotate_imported_decrypts,
    "test_key_rotation_updates_current_key_material_id_for_aws_symmetric_keys": _rotated_metadata,
}


def replay(kms: Kms, test: str) -> dict[str, Any]:
    """What the calls of a recorded test (its name, with parameters in brackets) end in, by label."""
    name, parameters = re.fullmatch(r"(\w+)(?:\[(.*)\])?", test).groups()
    given = [] if parameters is None else parameters.split("-") if "-" in parameters else [parameters]
    answers: dict[str, Any] = {}
    replays = _REPLAYS[name](kms, *given)
    try:
        answers.update(replays)
    except (AssertionError, KeyError, TypeError) as error:
        answers["the replay ended early"] = repr(error)
    return answers
