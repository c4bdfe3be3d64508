"""Move records from the old key to the new one. Run by the role `mover`."""

OLD = "arn:aws:kms:us-east-1:111122223333:key/ef012789-ef01-2345-6789-def012345678"
NEW = "arn:aws:kms:us-east-1:111122223333:key/f0123890-f012-3456-789a-ef0123456789"


def move(kms, records):
    """Return the records, each with a `blob` under the new key that opens with the record's `context`."""
    moved = []
    for record in records:
        answer = kms.re_encrypt(
            CiphertextBlob=record["blob"],
            SourceKeyId=OLD,
            SourceEncryptionContext=record["context"],
            DestinationKeyId=NEW,
            DestinationEncryptionContext=record["context"],
        )
        moved.append({**record, "blob": answer["CiphertextBlob"]})
    return moved
