"""The checks of this lab that run the attack: in the world as shipped, and under the learner's key policy."""

from botocore.exceptions import ClientError

KEY = "arn:aws:kms:us-east-1:111122223333:key/7b6a5948-1700-4d3c-8b2a-000000000171"
SETTINGS = "arn:aws:iam::111122223333:role/settings"
TESTER = "arn:aws:iam::111122223333:role/tester"
CONTEXT = {"settings": "production"}
TEXT = b"database: orders-7.internal, password: correct-horse"
MOST_CALLS = 3


def reads_the_settings(lab):
    """The attack returns what the settings service sealed."""
    found = lab.attack(TESTER, MOST_CALLS, ciphertext=_sealed(lab), context=CONTEXT)
    lab.expect(found == TEXT, "`attack` does not return the plaintext of the settings.")


def attack_fails(lab):
    """KMS refuses it."""
    try:
        lab.attack(TESTER, MOST_CALLS, ciphertext=_sealed(lab), context=CONTEXT)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        lab.expect(code == "AccessDeniedException", f"The attack ends in {code}, not because KMS refuses it.")
        return
    raise lab.Failed("The attack still runs to its end.")


def _sealed(lab):
    try:
        answer = lab.client("kms", SETTINGS).encrypt(KeyId=KEY, Plaintext=TEXT, EncryptionContext=CONTEXT)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise lab.Failed(f"The settings service can no longer seal the settings ({code}).") from error
    return answer["CiphertextBlob"]
