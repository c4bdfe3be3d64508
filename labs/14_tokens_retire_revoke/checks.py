"""The checks of this lab: what a worker can do in the second after `start`, later, and after `end`."""

from botocore.exceptions import ClientError

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/2345abcd-12ab-34cd-56ef-1234567890ab"
WORKER, REPORTS, ONBOARDING, SHOP = (
    f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("worker", "reports", "onboarding", "shop")
)
WORKER_SESSIONS = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/"
CUSTOMER, OTHER = "carla", "dora"


def opens_at_once(lab):
    """In the second after `start` the grant has not arrived everywhere."""
    with lab.sandbox.slow_grants():
        lab.expect(_opens(lab, WORKER, _start(lab)), "The worker cannot open an order in the second after `start`.")


def opens_later(lab):
    """And a day after it counts anyway; the token does no harm."""
    with lab.sandbox.slow_grants():
        started = _start(lab)
    lab.expect(_opens(lab, WORKER, started), "The worker cannot open an order a day after `start`.")


def other_customers(lab):
    """The grant is for one customer."""
    started = _start(lab)
    lab.expect(not _opens(lab, WORKER, {**started, "customer": OTHER}), "The worker opens orders of other customers.")


def token_is_no_secret(lab):
    """The grant is the worker's alone, and somebody else shows what `start` returned.

    Whom a grant to a whole account lets in is an open question (GR-22), so the grantee itself is looked at.
    """
    before = _grants(lab)
    with lab.sandbox.slow_grants():
        started = _start(lab)
        for grant in lab.sandbox.world.keys_by_arn[KEY].grants:
            named = str(grant.grantee)
            lab.expect(
                grant.id in before or named == WORKER or named.startswith(WORKER_SESSIONS),
                f"The grant that `start` makes names {named}, not the worker.",
            )
        lab.expect(not _opens(lab, REPORTS, started), "The reports role opens an order with what `start` returned.")
    lab.expect(not _opens(lab, REPORTS, started), "The reports role opens an order a day later.")


def strangers_end_nothing(lab):
    """Who may retire a grant stands in it."""
    started = _start(lab)
    lab.expect(
        _is_denied(lambda: lab.code.end(lab.client("kms", REPORTS), started)), "The reports role ends the grant."
    )
    lab.expect(_opens(lab, WORKER, started), "The worker lost its access although nobody ended it.")


def ends(lab):
    """The onboarding role ends it, in the second after `start` or later."""
    for slow in (True, False):
        before = _grants(lab)
        started = _started_and_ended(lab, slow=slow)
        lab.expect(not _opens(lab, WORKER, started), "The worker still opens orders after `end`.")
        lab.expect(_grants(lab) == before, "A grant of `start` is still on the key after `end`.")


def _started_and_ended(lab, *, slow):
    if not slow:
        started = _start(lab)
        _end(lab, started)
        return started
    with lab.sandbox.slow_grants():
        started = _start(lab)
        _end(lab, started)
    return started


def _start(lab):
    started = lab.code.start(lab.client("kms", ONBOARDING), WORKER, CUSTOMER)
    if not isinstance(started, dict) or started.get("customer") != CUSTOMER:
        raise lab.Failed("`start` returns a dict, and `customer` in it names the customer.")
    return started


def _end(lab, started):
    try:
        lab.code.end(lab.client("kms", ONBOARDING), started)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise lab.Failed(f"The onboarding role cannot end the grant ({code}).") from error


def _opens(lab, who, started):
    """Whether a role opens an order of the customer in `started`."""
    order = _sealed(lab, started["customer"])
    try:
        return lab.code.open_order(lab.client("kms", who), order, started) == b"order"
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDeniedException", "InvalidGrantTokenException"}:
            return False
        raise
    except TimeoutError:
        return False


def _sealed(lab, customer):
    kms = lab.client("kms", SHOP)
    answer = kms.encrypt(KeyId=KEY, Plaintext=b"order", EncryptionContext={"customer": customer})
    return answer["CiphertextBlob"]


def _is_denied(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDeniedException"
    return False


def _grants(lab):
    return {grant.id for grant in lab.sandbox.world.keys_by_arn[KEY].grants}
