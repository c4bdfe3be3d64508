"""The checks of this lab: two attacks, the daily work beside KMS, and worlds that the learner has not seen."""

import random
from dataclasses import replace
from itertools import product
from pathlib import Path

from botocore.exceptions import ClientError

from kmssim.access import key_named
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.request import parse_principal
from kmssim.evaluator.statements import PolicyKind
from kmssim.evaluator.world import Role
from kmssim.reach.changes import everything, with_role
from kmssim.reach.iam import ask_iam
from kmssim.reach.search import what_can
from kmssim.reach.wording import told
from kmssim.sandbox.identity import Credentials
from kmssim.strict_json import read_json

ACCOUNT = "111122223333"
PAYROLL = "arn:aws:kms:us-east-1:111122223333:key/24a0b1c2-24aa-4bbb-8ccc-0123456789ab"
CONTRACTOR = f"arn:aws:sts::{ACCOUNT}:assumed-role/contractor/mia"
BATCH = f"arn:aws:sts::{ACCOUNT}:assumed-role/payroll-runner/run"
REPORT_RUNNER = f"arn:aws:iam::{ACCOUNT}:role/report-runner"
PAYSLIP = b"payslip 12: 3 100.00"
MOST_CALLS = 4
MOST_DOCUMENTS = 2
WRITING = ("iam:PutRolePolicy", "iam:AttachRolePolicy")
TRUSTED = (
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"Service": "lambda.amazonaws.com"},
    {"Service": "lambda.amazonaws.com", "AWS": f"arn:aws:iam::{ACCOUNT}:root"},
)
RIGHTS = (
    *product(("kms:Decrypt", "kms:*", "kms:CreateGrant", "kms:PutKeyPolicy"), (PAYROLL, "*")),
    ("*", "*"),
)
DOCUMENTS = ("contractor.json", "boundary.json", "key-policy.json")


class Attacker:
    """Gives clients as the contractor, keeps the names of their calls, and has IAM decided, which the sandbox lets pass."""

    def __init__(self, lab):
        self.lab = lab
        self.calls = []

    def __call__(self, service, credentials=None, region=None):
        if service == "lambda":
            raise self.lab.Failed(
                "Nothing here runs Lambda functions. That way is real all the same; show another one."
            )
        made = self.client(service, credentials, region)
        who = parse_principal(self.client("sts", credentials, region).get_caller_identity()["Arn"])

        def before(params, model, **_):
            self.calls.append(f"{service}:{model.name}")
            if len(self.calls) > MOST_CALLS:
                raise self.lab.Failed(f"The way takes more than {MOST_CALLS} calls.")
            if service == "iam":
                self.refuse_unless_allowed(who, model.name, params)

        made.meta.events.register(f"provide-client-params.{made.meta.service_model.service_id.hyphenize()}", before)
        return made

    def client(self, service, credentials, region):
        if credentials is None:
            return self.lab.client(service, CONTRACTOR, region)
        keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken"))
        return self.lab.sandbox.client_with(service, Credentials(*keys), region)

    def refuse_unless_allowed(self, who, operation, parameters):
        name = parameters.get("RoleName")
        resource = f"arn:aws:iam::{ACCOUNT}:role/{name}" if name else "*"
        if not ask_iam(self.lab.sandbox.world, who, f"iam:{operation}", resource).allowed:
            text = f"User: {who.arn} is not authorized to perform: iam:{operation} on resource: {resource}"
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": text}}, operation)


def sealed(lab):
    return lab.client("kms", BATCH).encrypt(KeyId=PAYROLL, Plaintext=PAYSLIP)["CiphertextBlob"]


def walk(lab, name):
    """The calls of one way, which must end in the plaintext."""
    ciphertext = sealed(lab)
    attacker = Attacker(lab)
    found = getattr(lab.code, name)(attacker, ciphertext)
    lab.expect(found == PAYSLIP, f"`{name}` does not return the plaintext of the payslip.")
    return set(attacker.calls) - {"kms:Decrypt"}


def first_way_leads(lab):
    walk(lab, "first_way")


def second_way_leads(lab):
    """Each way is walked in a world of its own, so that the first lends nothing to the second."""
    second = walk(lab, "second_way")
    lab.sandbox.restore()
    first = walk(lab, "first_way")
    lab.expect(first != second, "Both ways take the same calls, so one lock would shut both. Find another kind of way.")


def both_ways_end(lab):
    for name in ("first_way", "second_way"):
        lab.sandbox.restore()
        ciphertext = sealed(lab)
        try:
            getattr(lab.code, name)(Attacker(lab), ciphertext)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            lab.expect(code.startswith("AccessDenied"), f"`{name}` ends in {code}, not because it is refused.")
        else:
            raise lab.Failed(f"`{name}` still runs to its end.")


def daily_work_goes_on(lab):
    contractor = parse_principal(CONTRACTOR)
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:monthly"
    to_lambda = {"iam:passedtoservice": "lambda.amazonaws.com"}
    for action, resource, stated, what in (
        ("iam:PassRole", REPORT_RUNNER, to_lambda, "hand the report runner to Lambda"),
        ("lambda:CreateFunction", function, {}, "create a function"),
        ("lambda:InvokeFunction", function, {}, "invoke a function"),
        ("iam:PutRolePolicy", REPORT_RUNNER, {}, "write the policy of the report runner"),
        ("iam:GetRolePolicy", REPORT_RUNNER, {}, "read the policy of the report runner"),
    ):
        lab.expect(
            ask_iam(lab.world, contractor, action, resource, stated).allowed,
            f"The contractor can no longer {what} ({action}).",
        )
    try:
        lab.client("sts", CONTRACTOR).assume_role(RoleArn=REPORT_RUNNER, RoleSessionName="debug")
    except ClientError:
        raise lab.Failed(
            "The contractor can no longer assume the report runner to debug it (sts:AssumeRole)."
        ) from None


def two_documents_at_most(lab):
    shipped = Path(__file__).parent / "exercise"
    changed = [name for name in DOCUMENTS if read_json(lab.folder / name) != read_json(shipped / name)]
    lab.expect(
        len(changed) <= MOST_DOCUMENTS,
        f"{len(changed)} policy documents have changed: {', '.join(changed)}. Two are enough.",
    )


def closed_for_written_policies(lab):
    """PE-7: the search has callers write policies for themselves; here they are written for others."""
    way = first_to_the_payroll(with_policies_written(lab.world))
    lab.expect(
        way is None,
        f"A way is open once the contractor has written a policy that allows everything: {way}.",
    )


def first_to_the_payroll(world):
    """The shortest way of the contractor to the plaintext, in words; None: there is none."""
    ways = what_can(world, parse_principal(CONTRACTOR), [key_named(world, "payroll")], actions=["kms:Decrypt"]).ways
    return ", then ".join([*(told(hop) for hop in ways[0].hops), "kms:Decrypt is allowed"]) if ways else None


def with_policies_written(world):
    """The world in which each role whose policies the contractor may write has one that allows everything."""
    contractor = parse_principal(CONTRACTOR)
    for role in list(world.accounts[ACCOUNT].roles.values()):
        if any(ask_iam(world, contractor, action, role.arn).allowed for action in WRITING):
            world = with_role(world, ACCOUNT, replace(role, policies=(*role.policies, everything())))
    return world


def closed_in_other_worlds(lab):
    """Worlds with one more role each, of a name that the fix cannot know; all that it may be trusted with and may do."""
    chance = random.Random(24)  # noqa: S311 - the same each time
    for trusted, (action, resource) in product(TRUSTED, RIGHTS):
        name = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) + "-runner"
        way = first_to_the_payroll(with_policies_written(with_a_role(lab.world, name, trusted, action, resource)))
        whom = " and ".join({"AWS": "the account", "Service": "Lambda"}[kind] for kind in sorted(trusted))
        about = f"{name}, which trusts {whom} and may {action}"
        lab.expect(way is None, f"Tomorrow somebody makes the role {about}, and a way is open again: {way}.")


def with_a_role(world, name, trusted, action, resource):
    may = {"Effect": "Allow", "Action": action, "Resource": resource}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    role = Role(
        f"arn:aws:iam::{ACCOUNT}:role/{name}",
        name,
        read(trust, PolicyKind.TRUST),
        (read(may, PolicyKind.IDENTITY),),
    )
    return with_role(world, ACCOUNT, role)


def read(statement, kind):
    return parse_policy({"Version": "2012-10-17", "Statement": statement}, kind, "a role made tomorrow")
