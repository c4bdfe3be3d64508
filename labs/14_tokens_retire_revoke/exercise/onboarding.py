"""Give a worker the key for one customer, let it open orders at once, and end that again."""

KEY = "arn:aws:kms:us-east-1:111122223333:key/2345abcd-12ab-34cd-56ef-1234567890ab"
ONBOARDING = "arn:aws:iam::111122223333:role/onboarding"


def start(kms, worker, customer):
    """Let the role with the ARN `worker` open this customer's orders. `kms` is a client of the role `onboarding`."""
    made = kms.create_grant(
        KeyId=KEY,
        GranteePrincipal=worker,
        RetiringPrincipal=ONBOARDING,
        Operations=["Decrypt"],
        Constraints={"EncryptionContextSubset": {"customer": customer}},
    )
    return {"customer": customer, "grant": made["GrantId"]}


def open_order(kms, order, started):
    """Open an order. `kms` is a client of the worker, `started` what `start` returned, a second ago or a day."""
    answer = kms.decrypt(CiphertextBlob=order, EncryptionContext={"customer": started["customer"]})
    return answer["Plaintext"]


def end(kms, started):
    """The worker is done with this customer. `kms` is a client of the role `onboarding`."""
    kms.revoke_grant(KeyId=KEY, GrantId=started["grant"])
