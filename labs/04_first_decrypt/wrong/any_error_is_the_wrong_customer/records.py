"""Customer records, sealed with AWS KMS.

A customer is a dict such as {"id": "c-1001", "name": "Anna Lindqvist", "address": "Lindenweg 4, Tübingen"}.
"""

from botocore.exceptions import ClientError

KEY = "alias/records"


class WrongCustomerError(Exception):
    """The record does not open for this customer."""


def context_of(customer):
    """What binds a record to its customer. It is written to logs in the clear, so it holds nothing but the id."""
    return {"customer": customer["id"]}


def seal(kms, customer, record):
    """Encrypt the record, which is bytes, for a customer; the sealed bytes."""
    return kms.encrypt(KeyId=KEY, Plaintext=record, EncryptionContext=context_of(customer))["CiphertextBlob"]


def unseal(kms, customer, sealed):
    """The record again. Raises WrongCustomerError where it was sealed for another customer."""
    try:
        return kms.decrypt(KeyId=KEY, CiphertextBlob=sealed, EncryptionContext=context_of(customer))["Plaintext"]
    except ClientError:
        raise WrongCustomerError(customer["id"]) from None
