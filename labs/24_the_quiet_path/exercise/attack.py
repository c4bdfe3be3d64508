"""Two different ways from the contractor to the payroll. Run as the role `contractor`."""

PAYROLL = "arn:aws:kms:us-east-1:111122223333:key/24a0b1c2-24aa-4bbb-8ccc-0123456789ab"
CONTRACTOR = "arn:aws:iam::111122223333:role/contractor"


def first_way(client, ciphertext):
    """Return the plaintext of `ciphertext`, which was sealed under PAYROLL. At most four calls.

    `client("kms")` gives a boto3 client as the contractor. `client("kms", credentials)` gives one with what
    `sts.assume_role(…)["Credentials"]` has returned.
    """
    return client("kms").decrypt(KeyId=PAYROLL, CiphertextBlob=ciphertext)["Plaintext"]  # refused


def second_way(client, ciphertext):
    """The same by a way that takes other calls than the first."""
    return client("kms").decrypt(KeyId=PAYROLL, CiphertextBlob=ciphertext)["Plaintext"]  # refused
