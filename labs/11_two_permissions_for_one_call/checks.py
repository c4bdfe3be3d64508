"""The checks of this lab: what `move` makes of three sealed records."""

from botocore.exceptions import ClientError

ACCOUNT = "111122223333"
OLD = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/ef012789-ef01-2345-6789-def012345678"
NEW = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/f0123890-f012-3456-789a-ef0123456789"
MOVER = f"arn:aws:sts::{ACCOUNT}:assumed-role/mover/night"
SHOP = f"arn:aws:sts::{ACCOUNT}:assumed-role/shop/night"
AUDITOR = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/night"
RECORDS = {
    "1003": ({"customer": "carla", "record": "1003"}, b"carla's order"),
    "1001": ({"customer": "anna", "record": "1001"}, b"anna's order"),
    "1002": ({"customer": "ben"}, b"ben's order"),
}


def records_moved(lab):
    """Every record opens under the new key; with which context is the next check's question."""
    for record in _move(lab):
        context, content = RECORDS[record["id"]]
        lab.expect(record.get("context") == context, f"Record {record['id']} does not carry its context any more.")
        found = _opened(lab, record["blob"], context) or _opened(lab, record["blob"], {})
        lab.expect(found == content, f"Record {record['id']} does not open under the new key.")


def contexts_kept(lab):
    """The record's own context opens it, and no other does."""
    for record in _move(lab):
        context, content = RECORDS[record["id"]]
        opened = _opened(lab, record["blob"], context) == content
        lab.expect(opened, f"Record {record['id']} does not open with its context, {_told(context)}.")
        lab.expect(_opened(lab, record["blob"], {}) is None, f"Record {record['id']} opens without a context.")


def nothing_seen(lab):
    """Of the calls of the mover each is a ReEncrypt, and there is one for each record."""
    _move(lab)
    made = [decision.call.operation for decision in lab.decisions if decision.call.principal.arn == MOVER]
    for operation in made:
        lab.expect(operation == "kms:ReEncrypt", f"The code calls {operation}.")
    lab.expect(len(made) == len(RECORDS), f"The code makes {len(made)} calls for {len(RECORDS)} records.")


def _move(lab):
    shop = lab.client("kms", SHOP)
    records = [
        {
            "id": id_,
            "context": dict(context),
            "blob": shop.encrypt(KeyId=OLD, Plaintext=content, EncryptionContext=context)["CiphertextBlob"],
        }
        for id_, (context, content) in RECORDS.items()
    ]
    moved = lab.code.move(lab.client("kms", MOVER), records)
    lab.expect(isinstance(moved, list), "`move` does not return a list.")
    whole = all(isinstance(record, dict) and isinstance(record.get("blob"), bytes) for record in moved)
    lab.expect(whole and all(record["blob"] for record in moved), "`move` returns something that has no `blob`.")
    ids = [record.get("id") for record in moved]
    lab.expect(ids == list(RECORDS), "`move` returns other records, or in another order.")
    return moved


def _opened(lab, blob, context):
    """What the auditor reads under the new key; None where the key or the context is not that of the blob."""
    try:
        answer = lab.client("kms", AUDITOR).decrypt(KeyId=NEW, CiphertextBlob=blob, EncryptionContext=context)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"InvalidCiphertextException", "IncorrectKeyException"}:
            raise
        return None
    return answer["Plaintext"]


def _told(context):
    return ", ".join(f"{name}={value}" for name, value in context.items())
