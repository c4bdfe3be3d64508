"""The checks of this lab: what `lend` and `take_back` do, seen by everybody who calls the key."""

from botocore.exceptions import ClientError

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
JOB = f"arn:aws:iam::{ACCOUNT}:role/nightly-export"
REPORTS = f"arn:aws:iam::{ACCOUNT}:role/reports"
RELEASE = f"arn:aws:iam::{ACCOUNT}:role/release"
BACKUP = f"arn:aws:iam::{ACCOUNT}:role/backup"
SHOP = f"arn:aws:iam::{ACCOUNT}:role/shop"
TONIGHT = {"purpose": "nightly-export", "day": "2026-01-01"}
NEXT_NIGHT = {"purpose": "nightly-export", "day": "2026-01-02"}
OTHER_CONTEXTS = ({"purpose": "invoice", "day": "2026-01-01"}, {"day": "2026-01-01"}, {"purpose": "Nightly-Export"}, {})


def job_decrypts(lab):
    """The job opens orders of two nights."""
    _lend(lab)
    for context in (TONIGHT, NEXT_NIGHT):
        opens = _opens(lab, JOB, context)
        lab.expect(opens, f"The job cannot decrypt an order sealed with {_told(context)}.")


def other_context(lab):
    """And none that was sealed for something else."""
    _lend(lab)
    for context in OTHER_CONTEXTS:
        opens = _opens(lab, JOB, context)
        lab.expect(not opens, f"The job decrypts an order sealed with {_told(context)}.")


def only_decrypt(lab):
    """The new grants list one operation, and the job is refused everything else."""
    before = _grants(lab)
    _lend(lab)
    made = [grant for id_, grant in _grants(lab).items() if id_ not in before]
    for operation in sorted({name for grant in made for name in grant.operations} - {"Decrypt"}):
        raise lab.Failed(f"The grant lists {operation}, which the job does not need.")
    kms = lab.client("kms", JOB)
    calls = {
        "Encrypt": lambda: kms.encrypt(KeyId=KEY, Plaintext=b"order", EncryptionContext=TONIGHT),
        "GenerateDataKey": lambda: kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=TONIGHT),
        "DescribeKey": lambda: kms.describe_key(KeyId=KEY),
    }
    for operation, call in calls.items():
        lab.expect(_is_denied(call), f"The job may call {operation}.")


def nobody_else(lab):
    """The grantee is the role that was handed in; the backup and strangers stay as they were."""
    _lend(lab)
    lab.expect(not _opens(lab, REPORTS, TONIGHT), "The role reports decrypts an order of the export.")
    lab.expect(not _opens(lab, RELEASE, TONIGHT), "The release role itself decrypts an order of the export.")
    lab.expect(_opens(lab, BACKUP, {"purpose": "backup"}), "The backup has lost its access.")
    _lend(lab, REPORTS)
    lab.expect(_opens(lab, REPORTS, TONIGHT), "`lend` does not lend to the role that it is called with.")


def policy_unchanged(lab):
    """Neither before nor after, and nobody tried."""
    before = _policy(lab)
    lab.code.take_back(lab.client("kms", RELEASE), _lend(lab))
    written = any(decision.call.operation == "kms:PutKeyPolicy" for decision in lab.decisions)
    lab.expect(not written and _policy(lab) == before, "The code changes the key policy.")


def taken_back(lab):
    """The grants of the key are as they were, and so is everybody's access."""
    before = _grants(lab)
    lent = _lend(lab)
    lab.code.take_back(lab.client("kms", RELEASE), lent)
    lab.expect(not _opens(lab, JOB, TONIGHT), "The job still decrypts after `take_back`.")
    lab.expect(_opens(lab, BACKUP, {"purpose": "backup"}), "The backup has lost its access.")
    lab.expect(_grants(lab) == before, "A grant of `lend` is still on the key.")


def _told(context):
    return ", ".join(f"{name}={value}" for name, value in context.items()) or "no context"


def _lend(lab, job=JOB):
    return lab.code.lend(lab.client("kms", RELEASE), job)


def _opens(lab, role, context):
    """Whether a role decrypts an order that the shop sealed with this context, showing the same."""
    blob = _sealed(lab, context)
    kms = lab.client("kms", role)
    return not _is_denied(lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext=context))


def _sealed(lab, context):
    try:
        answer = lab.client("kms", SHOP).encrypt(KeyId=KEY, Plaintext=b"order", EncryptionContext=context)
    except ClientError as error:
        raise lab.Failed(f"The shop can no longer seal orders ({error.response['Error']['Code']}).") from error
    return answer["CiphertextBlob"]


def _is_denied(call):
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return True
    return False


def _grants(lab):
    return {grant.id: grant for grant in _key(lab).grants}


def _policy(lab):
    return _key(lab).policy.document


def _key(lab):
    """The key as the sandbox holds it now."""
    return lab.sandbox.world.keys_by_arn[KEY]
