"""Two different ways from the contractor to the payroll. Run as the role `contractor`."""

PAYROLL = "arn:aws:kms:us-east-1:111122223333:key/24a0b1c2-24aa-4bbb-8ccc-0123456789ab"
CONTRACTOR = "arn:aws:iam::111122223333:role/contractor"


def first_way(client, ciphertext):
    """Become a role that may read the payroll."""
    taken = client("sts").assume_role(RoleArn="arn:aws:iam::111122223333:role/payroll-runner", RoleSessionName="debug")
    kms = client("kms", taken["Credentials"])
    return kms.decrypt(KeyId=PAYROLL, CiphertextBlob=ciphertext)["Plaintext"]


def second_way(client, ciphertext):
    """Become that role under another name."""
    taken = client("sts").assume_role(RoleArn="arn:aws:iam::111122223333:role/payroll-runner", RoleSessionName="night")
    kms = client("kms", taken["Credentials"])
    return kms.decrypt(KeyId=PAYROLL, CiphertextBlob=ciphertext)["Plaintext"]
