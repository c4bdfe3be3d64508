"""The checks of this lab: what each key is good for after the learner's `recover.py` has run."""

import json

from botocore.exceptions import ClientError

ACCOUNT = "111122223333"
ORDERS = "23a0b1c2-23aa-4bbb-8ccc-0123456789ab"
ARCHIVE = "23d3e4f5-23bb-4ccc-8ddd-0123456789ab"
INVOICES = "23f6a7b8-23cc-4ddd-8eee-0123456789ab"
LEDGER = "mrk-23a0b1c2d3e4f5061728394a5b6c7d8e"
HERE, THERE = "us-east-1", "eu-west-1"
OLD_BILLING = "AROAEXAMPLEOLDBILLING"
BILLING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/billing"


def kms(lab, role, region=HERE):
    return lab.client("kms", f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/run", region)


def statements(lab, key_id, region=HERE):
    """The statements of a key's policy by Sid."""
    policy = json.loads(kms(lab, "key-admin", region).get_key_policy(KeyId=key_id)["Policy"])
    return {one["Sid"]: one for one in policy["Statement"]}


def works(lab, role, key_id, region=HERE):
    """Whether the role seals something under the key and opens it again."""
    client = kms(lab, role, region)
    try:
        sealed = client.encrypt(KeyId=key_id, Plaintext=b"entry 7")["CiphertextBlob"]
        return client.decrypt(KeyId=key_id, CiphertextBlob=sealed)["Plaintext"] == b"entry 7"
    except ClientError:
        return False


def state_after(lab, key_id):
    """The state of the key after `bring_back`."""
    client = kms(lab, "key-admin")
    lab.code.bring_back(client, key_id)
    return client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]


def enables_a_disabled_key(lab):
    state = state_after(lab, ORDERS)
    lab.expect(state == "Enabled", f"After `bring_back` the disabled key is in the state {state}.")
    lab.expect(works(lab, "billing", ORDERS), "Billing still cannot use the key.")


def cancels_a_deletion(lab):
    state = state_after(lab, ARCHIVE)
    lab.expect(state == "Enabled", f"After `bring_back` the key that was waiting for deletion is in the state {state}.")
    lab.expect(works(lab, "billing", ARCHIVE), "Billing still cannot use the key.")


def leaves_an_enabled_key(lab):
    state = state_after(lab, LEDGER)
    lab.expect(state == "Enabled", f"After `bring_back` the enabled key is in the state {state}.")


def trust_again(lab):
    lab.code.trust_again(kms(lab, "key-admin"), INVOICES, OLD_BILLING, BILLING_ROLE)
    return statements(lab, INVOICES)


def trusts_the_new_role(lab):
    before = statements(lab, INVOICES)
    after = trust_again(lab)
    lab.expect(works(lab, "billing", INVOICES), "The new role billing still cannot use the key.")
    for role in ("billing", "reports"):
        lab.expect(
            may_describe(lab, role), f"The role {role} cannot describe the key, and the policy had it in a list."
        )
    same = after.get("KeyTeamAdministers") == before["KeyTeamAdministers"]
    lab.expect(same or keeps_actions(before, after), "The statement of the key team is gone or changed.")


def keeps_actions(before, after):
    """A principal may be written as one value or as a list of one."""
    found = after.get("KeyTeamAdministers", {})
    return found.get("Action") == before["KeyTeamAdministers"]["Action"] and found.get("Effect") == "Allow"


def may_describe(lab, role):
    try:
        kms(lab, role).describe_key(KeyId=INVOICES)
    except ClientError:
        return False
    return True


def gives_nobody_more(lab):
    trust_again(lab)
    try:
        kms(lab, "billing").create_grant(KeyId=INVOICES, GranteePrincipal=BILLING_ROLE, Operations=["Decrypt"])
    except ClientError:
        pass
    else:
        raise lab.Failed("The role billing may create grants now: it has got what a deleted contractor's role had.")
    lab.expect(not works(lab, "intern", INVOICES), "The role intern can use the key now.")
    lab.expect(
        not works(lab, "reports", INVOICES), "The role reports can use the key now, and it was to describe it only."
    )


def opens_the_replica(lab):
    here, there = kms(lab, "key-admin", HERE), kms(lab, "key-admin", THERE)
    before, primary = statements(lab, LEDGER, THERE), statements(lab, LEDGER, HERE)
    lab.code.open_replica(here, there, LEDGER, "BillingUses")
    lab.expect(works(lab, "billing", LEDGER, THERE), "Billing still cannot use the replica.")
    after = statements(lab, LEDGER, THERE)
    lost = [sid for sid, one in before.items() if after.get(sid) != one]
    lab.expect(not lost, f"The statement {(lost or [''])[0]}, which the replica had of its own, is gone or changed.")
    lab.expect(
        set(after) == {*before, "BillingUses"}, "The replica has other statements than its own and the copied one."
    )
    lab.expect(statements(lab, LEDGER, HERE) == primary, "The policy of the primary key has changed.")
