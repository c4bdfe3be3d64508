"""The checks of this lab: what the learner's `set_policy` makes of key policies, and which calls it makes on the way."""

import json
from contextlib import suppress

from botocore.exceptions import ClientError

from kmssim.access import key_named
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, parse_principal
from kmssim.reach.changes import with_key_policy

ACCOUNT = "111122223333"
PIPELINE = f"arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/run"
ORDERS = f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/run"
SHARED = "shared"
YOUNG = "young"


def allow(sid, role, *actions):
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{role}"},
        "Action": list(actions),
        "Resource": "*",
    }


def deny_put(sid, **condition):
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*"}
    return {**statement, **condition}


ARCHIVE = allow("ArchiveUses", "archive", "kms:Encrypt")
REPORTS = allow("ReportsUse", "reports", "kms:Decrypt", "kms:DescribeKey")
GHOST = {
    **allow("KeyTeamAdministers", "key-admin", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"),
    "Principal": "*",
    "Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/key-admins"}},
}
ONLY_THE_PIPELINE = deny_put(
    "OnlyThePipeline",
    Condition={"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/pipeline"}},
)
FROZEN = deny_put("Frozen")
PIPELINE_READS = allow("PipelineUpdates", "pipeline", "kms:GetKeyPolicy")


def predictor(lab, key):
    """What the learner's function is given as `administrators`."""

    def administrators(policy):
        document = json.loads(policy) if isinstance(policy, str) else policy
        world = with_key_policy(lab.world, key, document)
        parameters = {"KeyId": key.arn, "Policy": document}
        return {
            role.arn
            for role in world.accounts[ACCOUNT].roles.values()
            if decide(
                world,
                Call(
                    parse_principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/run"),
                    "kms:PutKeyPolicy",
                    key.region,
                    parameters,
                ),
            ).allowed
        }

    return administrators


def set_statement(lab, statement, label=SHARED, principal=PIPELINE):
    key = key_named(lab.world, label)
    copy = json.loads(json.dumps(statement))
    return lab.code.set_policy(lab.client("kms", principal), key.id, copy, predictor(lab, key))


def statements(lab, label=SHARED):
    """The statements of the key as KMS has them now."""
    key = key_named(lab.world, label)
    policy = json.loads(lab.client("kms", PIPELINE).get_key_policy(KeyId=key.id)["Policy"])
    found = policy["Statement"]
    return found if isinstance(found, list) else [found]


def puts(lab):
    """The PutKeyPolicy calls so far."""
    return [decision.call for decision in lab.decisions if decision.call.operation == "kms:PutKeyPolicy"]


def keeps_the_others(lab):
    before = statements(lab)
    set_statement(lab, ARCHIVE)
    after = statements(lab)
    lost = [one["Sid"] for one in before if one not in after]
    lab.expect(not lost, f"The statement `{(lost or [None])[0]}` of another team is gone or changed.")
    lab.expect(ARCHIVE in after, "The new statement is not in the policy.")
    lab.expect(len(after) == len(before) + 1, "The policy has other statements than before and the new one.")


def replaces_its_own(lab):
    before = statements(lab)
    set_statement(lab, REPORTS)
    after = statements(lab)
    found = [one for one in after if one["Sid"] == REPORTS["Sid"]]
    lab.expect(
        len(found) == 1, f"The policy has {len(found)} statements with the Sid ReportsUse, and there should be one."
    )
    lab.expect(found == [REPORTS], "The statement ReportsUse is still the old one.")
    others = [one for one in before if one["Sid"] != REPORTS["Sid"]]
    lab.expect(all(one in after for one in others), "A statement of another team is gone or changed.")


def changes_nothing_twice(lab):
    set_statement(lab, ARCHIVE)
    first, made = statements(lab), len(puts(lab))
    set_statement(lab, ARCHIVE)
    lab.expect(statements(lab) == first, "The second call with the same statement changes the policy.")
    lab.expect(
        len(puts(lab)) == made, "The second call with the same statement replaces the policy by the same policy."
    )


def takes_one_object(lab):
    before = statements(lab, YOUNG)
    set_statement(lab, ARCHIVE, YOUNG)
    after = statements(lab, YOUNG)
    lab.expect(before[0] in after, "The one statement that the policy of key young had is gone or changed.")
    lab.expect(ARCHIVE in after, "The new statement is not in the policy of key young.")


def refuses_to_lock_out(lab):
    refuse(lab, FROZEN, "A Deny of kms:PutKeyPolicy for everybody")


def refuses_an_absent_administrator(lab):
    refuse(lab, GHOST, "A statement whose condition names a role that does not exist")
    refuse(lab, ONLY_THE_PIPELINE, "A Deny of kms:PutKeyPolicy for everybody but the pipeline")


def refuse(lab, statement, what):
    """Expect LockedOutError, and that KMS was not asked to replace anything."""
    made = len(puts(lab))
    try:
        set_statement(lab, statement)
    except lab.code.LockedOutError:
        lab.expect(len(puts(lab)) == made, f"{what} was sent to KMS before LockedOutError was raised.")
        return
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise lab.Failed(f"{what} was sent to KMS, which answered {code}. It should not get so far.") from None
    raise lab.Failed(f"{what} is in the policy now, and nobody but the pipeline could take it out again.")


def never_bypasses(lab):
    before = statements(lab)
    with suppress(lab.code.LockedOutError, ClientError):
        set_statement(lab, PIPELINE_READS)
    sent = [call for call in puts(lab) if call.parameters.get("BypassPolicyLockoutSafetyCheck")]
    lab.expect(not sent, "KMS refused a policy, and it was sent again with BypassPolicyLockoutSafetyCheck.")
    lab.expect(statements(lab) == before, "The pipeline has taken kms:PutKeyPolicy from itself.")


def errors_come_through(lab):
    try:
        set_statement(lab, ARCHIVE, principal=ORDERS)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        lab.expect(code == "AccessDeniedException", f"KMS answers AccessDeniedException, and it ends with {code}.")
        return
    except lab.code.LockedOutError:
        raise lab.Failed("The caller may not read the policy, and LockedOutError says something else.") from None
    raise lab.Failed("The caller may not read the policy, nothing was set, and nobody is told.")
