"""The checks of this lab that run the attack: in the world as shipped, and under the learner's key policy."""

from botocore.exceptions import ClientError

KEY = "arn:aws:kms:us-east-1:111122223333:key/9c8b7a6d-1300-4f5e-8a1b-000000000131"
APP = "arn:aws:iam::111122223333:role/orders-app"
DEVELOPER = "arn:aws:iam::111122223333:role/developer"
CONTEXT = {"table": "orders"}
ORDER = b"order 4711: two lamps, to be sent to Lisbon"
MOST_CALLS = 3


def reads_the_order(lab):
    """The attack returns what the application sealed."""
    found = lab.attack(DEVELOPER, MOST_CALLS, ciphertext=_sealed(lab), context=CONTEXT)
    lab.expect(found == ORDER, "`attack` does not return the plaintext of the order.")


def attack_fails(lab):
    """KMS refuses it."""
    try:
        lab.attack(DEVELOPER, MOST_CALLS, ciphertext=_sealed(lab), context=CONTEXT)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        lab.expect(code == "AccessDeniedException", f"The attack ends in {code}, not because it is refused.")
        return
    raise lab.Failed("The attack still runs to its end.")


def _sealed(lab):
    try:
        answer = lab.client("kms", APP).encrypt(KeyId=KEY, Plaintext=ORDER, EncryptionContext=CONTEXT)
    except ClientError as error:
        raise lab.Failed(f"The application can no longer seal orders ({error.response['Error']['Code']}).") from error
    return answer["CiphertextBlob"]
