"""Bare key policies: audited as that of a stand-in key."""

from __future__ import annotations

import json

import pytest
from audit_worlds import DELEGATION, HERE, VENDOR, condition, policy, role, statement

from kmssim.audit.key_policy_file import world_of_policy
from kmssim.audit.run import audit_subject, read_policy_file
from kmssim.audit.witnesses import scenario_of_witnesses
from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.pdp import decide
from kmssim.scenario import parse_scenario
from kmssim.scenario_file.policies import key_policy_in


def test_a_policy_is_told_from_a_scenario():
    document = policy(DELEGATION)
    assert key_policy_in(document) == document
    assert key_policy_in({"Policy": "{}", "PolicyName": "default"}) == "{}"
    assert key_policy_in({"accounts": {}}) is None
    assert key_policy_in({"accounts": {}, "Statement": []}) is None
    assert key_policy_in([]) is None


def test_those_whom_it_names_count_as_there():
    named = [
        statement([role("app"), f"arn:aws:iam::{HERE}:user/path/ana", role("theirs", VENDOR)], "kms:Decrypt"),
        statement(f"arn:aws:sts::{HERE}:assumed-role/batch/nightly", "kms:Decrypt"),
        statement("*", "kms:Decrypt", **condition("ArnEquals", aws__PrincipalArn=role("by-condition"))),
    ]
    account = world_of_policy(policy(DELEGATION, *named), "file.json", None).accounts[HERE]
    assert set(account.roles) == {"app", "batch", "by-condition"}
    assert account.users["ana"].arn == f"arn:aws:iam::{HERE}:user/path/ana"


@pytest.mark.parametrize(
    ("statements", "account", "owner"),
    [
        ([DELEGATION], None, HERE),
        ([DELEGATION, statement(role("theirs", VENDOR), "kms:Decrypt")], None, HERE),
        ([statement(role("app"), "kms:*")], None, HERE),
        ([statement("*", "kms:*")], VENDOR, VENDOR),
    ],
)
def test_the_account_is_the_one_that_is_said_or_the_only_one_that_it_can_be(statements, account, owner):
    assert set(world_of_policy(policy(*statements), "file.json", account).accounts) == {owner}


@pytest.mark.parametrize(
    ("statements", "account", "said"),
    [
        ([statement("*", "kms:*")], None, "no account is named in this key policy"),
        ([DELEGATION, statement(VENDOR, "kms:*")], None, "2 accounts are named in this key policy"),
        ([DELEGATION], "12345", "`12345` is no account id"),
    ],
)
def test_where_the_account_cannot_be_told_it_is_asked_for(statements, account, said):
    with pytest.raises(InputError) as caught:
        world_of_policy(policy(*statements), "file.json", account)
    assert said in str(caught.value)
    assert "--account" in str(caught.value)


def test_a_key_of_china_lies_in_china():
    chinese = statement(f"arn:aws-cn:iam::{HERE}:root", "kms:*")
    world = world_of_policy(policy(chinese), "file.json", None)
    assert world.region == "cn-north-1"


def test_a_policy_that_aws_would_refuse_is_refused_with_file_and_path():
    with pytest.raises(PolicyError) as caught:
        world_of_policy(policy({**DELEGATION, "Effect": "allow"}), "file.json", None)
    assert "file.json: $.Statement[0].Effect" in str(caught.value)


def test_a_finding_names_the_statement_and_its_line_in_the_file_and_its_witness_replays(tmp_path):
    path = tmp_path / "key-policy.json"
    path.write_text(json.dumps(policy(DELEGATION, statement("*", "kms:Decrypt")), indent=2))
    subject = read_policy_file(path, None)
    assert subject is not None
    report = audit_subject(subject)
    (finding,) = report.findings
    assert (finding.id, finding.where.file, finding.where.path) == ("public-access", str(path), "Statement[1]")
    assert finding.where.line is not None
    assert '"Principal": "*"' in path.read_text().splitlines()[finding.where.line + 1]
    scenario = parse_scenario(scenario_of_witnesses([report], "public-access"))
    assert [decide(scenario.world, request.call).word for request in scenario.requests] == ["ALLOW"]


def test_the_answer_of_get_key_policy_is_audited_as_the_policy_in_it(tmp_path):
    path = tmp_path / "answer.json"
    document = policy(DELEGATION, statement("*", "kms:Decrypt"))
    path.write_text(json.dumps({"Policy": json.dumps(document), "PolicyName": "default"}))
    subject = read_policy_file(path, None)
    assert subject is not None
    (finding,) = audit_subject(subject).findings
    assert (finding.id, finding.where.path) == ("public-access", "Statement[1]")


def test_a_finding_about_the_whole_key_is_about_the_whole_document(tmp_path):
    path = tmp_path / "key-policy.json"
    path.write_text(json.dumps(policy(statement(role("app"), "kms:Decrypt"))))
    subject = read_policy_file(path, None)
    assert subject is not None
    (finding,) = audit_subject(subject).findings
    assert (finding.id, finding.where.path, finding.where.line) == ("nobody-can-change-policy", "", 1)


def test_another_file_is_left_to_whoever_reads_scenarios(tmp_path):
    path = tmp_path / "scenario.json"
    path.write_text('{"accounts": {}}')
    assert read_policy_file(path, None) is None
