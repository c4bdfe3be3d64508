"""No false alarm: the policies that AWS's own documentation shows, and what it shows as narrowed.

What the four complaints about other linters have in common: the default key policy, `Resource: "*"` in a key policy,
statements narrowed by kms:CallerAccount or kms:ViaService, and Deny statements.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_worlds import DELEGATION, HERE, KEY_ARN, VENDOR, condition, own, policy, role, root, statement
from audit_worlds import world as small

from kmssim.audit.finding import Severity
from kmssim.audit.run import audit_subject, read_policy_file, subject_of
from kmssim.scenario import parse_scenario

USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
ADMINISTER = [
    "kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*",
    "kms:Disable*", "kms:Get*", "kms:Delete*", "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand",
]  # fmt: skip
ATTACH = statement(
    role("app"), ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
    **condition("Bool", kms__GrantIsForAWSResource="true"),
)  # fmt: skip
AUTOSCALING = f"arn:aws:iam::{HERE}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{HERE}:trail/management"


def both(**conditions: dict[str, object]):
    """Two operators in one Condition."""
    return {
        "Condition": {operator: pairs for one in conditions.values() for operator, pairs in one["Condition"].items()}
    }


MANAGED_BY_AWS = [
    statement(
        "*",
        ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
        **condition("StringEquals", kms__CallerAccount=HERE, kms__ViaService="s3.us-east-1.amazonaws.com"),
    ),
    statement(root(), ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]),
]

DOCUMENTED = {
    "the default key policy": [DELEGATION],
    "the default key policy, with the account written as its number": [statement(HERE, "kms:*")],
    "key users of the console": [DELEGATION, statement(role("app"), USE), ATTACH],
    "the service-linked role of Auto Scaling": [
        DELEGATION,
        statement(AUTOSCALING, USE),
        statement(AUTOSCALING, "kms:CreateGrant", **condition("Bool", kms__GrantIsForAWSResource="true")),
    ],
    "CloudTrail": [
        DELEGATION,
        statement(
            {"Service": "cloudtrail.amazonaws.com"},
            "kms:GenerateDataKey*",
            **both(
                trail=condition("StringEquals", aws__SourceArn=TRAIL),
                logs=condition(
                    "StringLike",
                    **{"kms__EncryptionContext__aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{HERE}:trail/*"},
                ),
            ),
        ),
        statement({"Service": "cloudtrail.amazonaws.com"}, "kms:DescribeKey"),
        statement(
            root(),
            ["kms:Decrypt", "kms:ReEncryptFrom"],
            **both(
                caller=condition("StringEquals", kms__CallerAccount=HERE),
                logs=condition(
                    "StringLike",
                    **{"kms__EncryptionContext__aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{HERE}:trail/*"},
                ),
            ),
        ),
    ],
    "CloudWatch Logs": [
        DELEGATION,
        statement(
            {"Service": "logs.us-east-1.amazonaws.com"},
            ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
            **condition("ArnLike", **{"kms__EncryptionContext__aws:logs:arn": f"arn:aws:logs:us-east-1:{HERE}:*"}),
        ),
    ],
    "SNS events for one account": [
        DELEGATION,
        statement(
            {"Service": "sns.amazonaws.com"},
            ["kms:GenerateDataKey*", "kms:Decrypt"],
            **condition("StringEquals", aws__SourceAccount=HERE),
        ),
    ],
    "a role that may use the key through S3": [
        DELEGATION,
        statement(role("app"), USE, **condition("StringEquals", kms__ViaService="s3.us-east-1.amazonaws.com")),
    ],
    "everybody of the account, through a service": [DELEGATION, MANAGED_BY_AWS[0]],
    "everybody of the account": [
        DELEGATION,
        statement("*", "kms:Decrypt", **condition("StringEquals", kms__CallerAccount=HERE)),
    ],
    "DynamoDB": [
        DELEGATION,
        statement(
            role("app"),
            [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:DescribeKey",
                "kms:CreateGrant",
            ],
            **condition("StringLike", kms__ViaService="dynamodb.*.amazonaws.com"),
        ),
    ],
    "an encryption context for one role": [
        DELEGATION,
        statement(
            role("app"),
            ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
            **condition("StringEquals", kms__EncryptionContext__AppName="ExampleApp"),
        ),
    ],
    "denials of every kind": [
        DELEGATION,
        statement(role("app"), USE),
        statement("*", "kms:*", effect="Deny", **condition("Bool", aws__SecureTransport="false")),
        statement("*", "kms:*", effect="Deny", **condition("StringNotEquals", kms__CallerAccount=HERE)),
        statement("*", "kms:CreateGrant", effect="Deny", **condition("Bool", kms__GrantIsForAWSResource="false")),
        statement("*", "kms:Decrypt", effect="Deny", **condition("Null", kms__EncryptionContextKeys="true")),
        statement(
            "*", "kms:PutKeyPolicy", effect="Deny", **condition("Bool", kms__BypassPolicyLockoutSafetyCheck="true")
        ),
        statement(role("app"), "kms:ScheduleKeyDeletion", effect="Deny"),
        statement(root(VENDOR), "kms:*", effect="Deny"),
        statement("*", "kms:Decrypt", effect="Deny", **condition("NotIpAddress", aws__SourceIp="203.0.113.0/24")),
    ],
}


def found_in(tmp_path: Path, *statements) -> dict[str, Severity]:
    path = tmp_path / "key-policy.json"
    path.write_text(json.dumps(policy(*statements)))
    subject = read_policy_file(path, HERE)
    assert subject is not None
    return {finding.id: finding.severity for finding in audit_subject(subject).findings}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_policy_raises_no_alarm(name, tmp_path):
    assert found_in(tmp_path, *DOCUMENTED[name]) == {}


def test_the_console_policy_is_told_of_its_administrators_and_of_nothing_else(tmp_path):
    """PE-3: they could make themselves users; AWS writes it so, and no build fails on it by default."""
    found = found_in(tmp_path, DELEGATION, statement(role("keyadmin"), ADMINISTER), statement(role("app"), USE), ATTACH)
    assert found == {"administrators-can-grant": Severity.MEDIUM}


def test_an_aws_managed_key_raises_no_alarm(tmp_path):
    """MK-1: its policy names `*`, and lets nobody change it."""
    del tmp_path
    account = {"keys": {"aws-s3": {"manager": "AWS", "policy": policy(*MANAGED_BY_AWS), "aliases": ["alias/aws/s3"]}}}
    world = parse_scenario({"accounts": {HERE: account}})
    assert audit_subject(subject_of(world)).findings == ()


def test_sharing_with_a_vendor_is_told_of_once_and_by_name(tmp_path):
    found = found_in(tmp_path, DELEGATION, statement(root(VENDOR), USE))
    assert found == {"unknown-account": Severity.MEDIUM}


@pytest.mark.parametrize(
    "identity",
    [
        own(["kms:Decrypt", "kms:DescribeKey"], KEY_ARN),
        own("kms:Decrypt", f"arn:aws:kms:*:{HERE}:key/1234abcd-*"),
        own(["s3:GetObject", "kms:Decrypt"], ["arn:aws:s3:::reports/*", KEY_ARN]),
        own(["kms:ListKeys", "kms:ListAliases"]),
        own("s3:*"),
        policy({"Effect": "Deny", "Action": "kms:*", "Resource": "*"}),
        policy({"Effect": "Deny", "Action": "kms:Decrypt", "NotResource": KEY_ARN}),
    ],
    ids=lambda document: json.dumps(document["Statement"])[:60],
)
def test_an_ordinary_identity_policy_raises_no_alarm(identity, tmp_path):
    del tmp_path
    world = parse_scenario(small(roles={"app": {"policies": {"use": identity}}}))
    assert audit_subject(subject_of(world)).findings == ()
