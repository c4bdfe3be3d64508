"""Who may assume which role where something is special: changed policies, guardrails, no authority, a partition."""

from __future__ import annotations

import json
from dataclasses import replace

from test_trust import ANA, FAR, HERE, ROOT, assume, policy, refused, trusts, world

from kmssim.errors import AuthorityError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.world import Account, Organization, Role, Unit, User, World
from kmssim.sandbox.sandbox import Sandbox


def test_a_clients_changes_to_trust_and_policies_count_at_the_next_call():
    with Sandbox(world(), PYTHON) as sandbox:
        iam = sandbox.client("iam", as_=ROOT)
        refused(assume, sandbox, ANA, "closed")
        trust = json.dumps(trusts([ANA, ROOT]).document)
        iam.update_assume_role_policy(RoleName="closed", PolicyDocument=trust)
        assume(sandbox, ANA, "closed")
        deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}}
        iam.put_user_policy(UserName="ana", PolicyName="no", PolicyDocument=json.dumps(deny))
        refused(assume, sandbox, ANA, "closed")
        made = iam.create_role(RoleName="new", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.delete_user_policy(UserName="ana", PolicyName="no")
        assume(sandbox, ANA, made)
        iam.delete_role(RoleName="new")
        refused(assume, sandbox, ANA, made)


def test_an_scp_of_the_callers_account_binds_assume_role():
    only_kms = policy(PolicyKind.SCP, {"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    accounts = world().accounts
    here = replace(accounts[HERE], unit="root", scps=(only_kms,))
    organization = Organization("o-a1b2c3d4e5", None, {"root": Unit("root", None, (only_kms,))})
    with Sandbox(World({**accounts, HERE: here}, organization=organization), PYTHON) as sandbox:
        refused(assume, sandbox, ANA, "anas")
        assert sandbox.assumptions[-1].blamed == {"scp"}
        assume(sandbox, FAR, "open")  # the SCPs of the role's account are none of a foreign caller's


def test_where_the_authority_does_not_rule_no_role_is_assumed():
    def gone(_facts):
        message = "the authority is gone"
        raise AuthorityError(message)

    with Sandbox(world(), Authority(PYTHON.shown, gone)) as sandbox:
        code, status, message = refused(assume, sandbox, ANA, "anas")
        assert (code, status) == ("InternalFailure", 400)
        assert "the authority is gone" in message


def test_a_role_of_another_partition_is_found_where_it_is():
    arn = f"arn:aws-cn:iam::{HERE}:role/app"
    ana = f"arn:aws-cn:iam::{HERE}:user/ana"
    here = Account(HERE, users={"ana": User(ana, "ana")}, roles={"app": Role(arn, "app", trusts(ana))})
    with Sandbox(World({HERE: here}, region="cn-north-1"), PYTHON) as sandbox:
        sts = sandbox.client("sts", as_=ana)
        made = sts.assume_role(RoleArn=arn, RoleSessionName="batch")["AssumedRoleUser"]
        assert made["Arn"] == f"arn:aws-cn:sts::{HERE}:assumed-role/app/batch"
