"""Customer records, sealed with AWS KMS.

A customer is a dict such as {"id": "c-1001", "name": "Anna Lindqvist", "address": "Lindenweg 4, Tübingen"}.
"""

KEY = "alias/records"


class WrongCustomerError(Exception):
    """The record does not open for this customer."""


def context_of(customer):
    """What binds a record to its customer."""
    return {"customer": customer["id"], "name": customer["name"]}


def seal(kms, customer, record):
    """Encrypt the record, which is bytes, for a customer; the sealed bytes."""
    return kms.encrypt(KeyId=KEY, Plaintext=record, EncryptionContext=context_of(customer))["CiphertextBlob"]


def unseal(kms, customer, sealed):
    """The record again. Raises WrongCustomerError where it was sealed for another customer."""
    try:
        return kms.decrypt(KeyId=KEY, CiphertextBlob=sealed, EncryptionContext=context_of(customer))["Plaintext"]
    except kms.exceptions.InvalidCiphertextException:
        raise WrongCustomerError(customer["id"]) from None
