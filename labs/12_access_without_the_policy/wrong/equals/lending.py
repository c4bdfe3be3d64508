"""Lend the key orders to a job for a night, and take it back. Run by the role `release`."""

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
RELEASE = "arn:aws:iam::111122223333:role/release"


def lend(kms, job):
    """Let the role with the ARN `job` decrypt orders of purpose nightly-export. Returns what `take_back` needs."""
    made = kms.create_grant(
        KeyId=KEY,
        GranteePrincipal=job,
        RetiringPrincipal=RELEASE,
        Operations=["Decrypt"],
        Constraints={"EncryptionContextEquals": {"purpose": "nightly-export"}},
    )
    return made["GrantId"]


def take_back(kms, lent):
    """End what `lend` began; `lent` is what it returned."""
    kms.retire_grant(KeyId=KEY, GrantId=lent)
