"""The checks of this lab: what the learner's `records.py` does, and what KMS was told on the way."""

from botocore.exceptions import ClientError

SERVICE = "arn:aws:sts::111122223333:assumed-role/records-service/api"
HELPDESK = "arn:aws:sts::111122223333:assumed-role/helpdesk/ben"
ADMIN = "arn:aws:sts::111122223333:assumed-role/key-admin/ada"
KEY_ID = "4f1e57de-04aa-4bbb-8ccc-0123456789ab"

ANNA = {"id": "c-1001", "name": "Anna Lindqvist", "address": "Lindenweg 4, Tübingen"}
NAMESAKE = {"id": "c-3003", "name": "Anna Lindqvist", "address": "Lindenweg 4, Tübingen"}
BENNO = {"id": "c-2002", "name": "Benno Okonkwo", "address": "Hafenstrasse 12, Bremen"}
RECORD = b"claim 77-1: a broken wrist"
SHORTEST_WORD = 4


def sealed_for_anna(lab):
    sealed = lab.code.seal(lab.client("kms", SERVICE), ANNA, RECORD)
    lab.expect(isinstance(sealed, bytes), "`seal` must return bytes.")
    return sealed


def opened(lab, principal, customer, sealed):
    """What unseal returns; what it raises otherwise is WrongCustomerError or an error of boto3."""
    return lab.code.unseal(lab.client("kms", principal), customer, sealed)


def code_of(error):
    return error.response["Error"]["Code"]


def records_come_back(lab):
    sealed = sealed_for_anna(lab)
    lab.expect(RECORD not in sealed, "The sealed bytes hold the record in the clear.")
    try:
        record = opened(lab, SERVICE, ANNA, sealed)
    except lab.code.WrongCustomerError:
        raise lab.Failed("A record sealed for Anna does not open for Anna.") from None
    except ClientError as error:
        raise lab.Failed(f"A record sealed for Anna does not open for Anna: KMS answers {code_of(error)}.") from None
    lab.expect(record == RECORD, "The record that `unseal` returns for Anna is not the one that was sealed.")


def records_cannot_move(lab):
    sealed = sealed_for_anna(lab)
    for other, who in ((BENNO, "Benno"), (NAMESAKE, "another Anna Lindqvist at the same address")):
        try:
            opened(lab, SERVICE, other, sealed)
        except lab.code.WrongCustomerError:
            continue
        except ClientError as error:
            raise lab.Failed(
                f"For {who} KMS answers {code_of(error)}, and `unseal` does not turn that into WrongCustomerError."
            ) from None
        raise lab.Failed(f"For {who} `unseal` raises nothing, although the record was sealed for Anna.")


def kms_keeps_them_apart(lab):
    sealed_for_anna(lab)
    lab.code.seal(lab.client("kms", SERVICE), BENNO, RECORD)
    contexts = [used for used in contexts_told(lab) if used]
    lab.expect(contexts, "KMS was told no encryption context, so for KMS every record fits every customer.")
    lab.expect(
        len({tuple(sorted(used.items())) for used in contexts}) > 1,
        "KMS was told the same encryption context for Anna and for Benno.",
    )


def contexts_told(lab):
    """The encryption context of each call so far that sealed or opened something; {} where it had none."""
    names = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey")
    calls = [decision.call for decision in lab.decisions if decision.call.operation in names]
    return [dict(call.parameters.get("EncryptionContext") or {}) for call in calls]


def context_names_nobody(lab):
    sealed = sealed_for_anna(lab)
    opened(lab, SERVICE, ANNA, sealed)
    words = [word.strip(",").casefold() for text in (ANNA["name"], ANNA["address"]) for word in text.split()]
    for context in contexts_told(lab):
        for name, value in context.items():
            told = f"{name} {value}".casefold()
            found = [word for word in words if len(word) >= SHORTEST_WORD and word in told]
            lab.expect(
                not found,
                f"The encryption context tells Anna's name or address (`{name}`), and it is written to CloudTrail in the clear.",
            )
    moved = {**ANNA, "name": "Anna Moreau", "address": "Rue Neuve 7, Lyon"}
    try:
        opened(lab, SERVICE, moved, sealed)
    except (lab.code.WrongCustomerError, ClientError):
        raise lab.Failed("Anna has married and moved, and her old record no longer opens for her.") from None


def other_errors_stay_themselves(lab):
    sealed = sealed_for_anna(lab)
    come_through(lab, HELPDESK, sealed, "AccessDeniedException", "The helpdesk may not decrypt at all")
    lab.client("kms", ADMIN).disable_key(KeyId=KEY_ID)
    come_through(lab, SERVICE, sealed, "DisabledException", "The key is disabled")


def come_through(lab, principal, sealed, code, situation):
    """Expect `unseal` to end with the error that KMS answers."""
    try:
        opened(lab, principal, ANNA, sealed)
    except lab.code.WrongCustomerError:
        raise lab.Failed(f"{situation}, KMS answers {code}, and `unseal` says that it is the wrong customer.") from None
    except ClientError as error:
        lab.expect(code_of(error) == code, f"{situation}, KMS answers {code}, and `unseal` ends with {code_of(error)}.")
        return
    raise lab.Failed(f"{situation}, KMS answers {code}, and `unseal` raises nothing.")
