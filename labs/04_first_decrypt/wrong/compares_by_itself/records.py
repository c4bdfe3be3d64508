"""Customer records, sealed with AWS KMS.

A customer is a dict such as {"id": "c-1001", "name": "Anna Lindqvist", "address": "Lindenweg 4, Tübingen"}.
"""

KEY = "alias/records"


class WrongCustomerError(Exception):
    """The record does not open for this customer."""


def seal(kms, customer, record):
    """Encrypt the record, which is bytes, for a customer; the sealed bytes."""
    named = customer["id"].encode() + b":" + record
    return kms.encrypt(KeyId=KEY, Plaintext=named)["CiphertextBlob"]


def unseal(kms, customer, sealed):
    """The record again. Raises WrongCustomerError where it was sealed for another customer."""
    named = kms.decrypt(KeyId=KEY, CiphertextBlob=sealed)["Plaintext"]
    owner, _, record = named.partition(b":")
    if owner.decode() != customer["id"]:
        raise WrongCustomerError(customer["id"])
    return record
