"""The common workload: one Region, one key, forty roles with the same policies, varied calls.

`world()` is the declared world, `documents()` its policies as JSON, which other programs read as well; `calls(2000)` are
the calls, the same ones for the same seed. Tags and the Region asked for are stated with the call, as other simulators
take them, too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Call, parse_principal
from kmssim.evaluator.world import Account, Key, Organization, Role, Unit, World

ACCOUNT = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY_ID}"
ROLES = [*(f"App{number}" for number in range(40)), "KeyAdmin"]


def _statement(sid, effect, action, resource="*", **more):
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource, **more}


def _document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _role(name):
    return {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{name}"}


def _identity():
    return _document(
        _statement("Logs", "Allow", ["logs:CreateLogGroup", "logs:PutLogEvents"], "arn:aws:logs:*:*:*"),
        _statement(
            "S3", "Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::app-data/*", "arn:aws:s3:::app-backup/*"]
        ),
        _statement(
            "KmsUse",
            "Allow",
            ["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
            f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*",
            Condition={"StringEquals": {"aws:RequestedRegion": ["us-east-1", "us-west-2"]}},
        ),
        _statement("Sqs", "Allow", "sqs:*", f"arn:aws:sqs:us-east-1:{ACCOUNT}:app-*"),
        _statement("NoProd", "Deny", "kms:*", Condition={"StringLike": {"aws:ResourceTag/env": "prod-*"}}),
    )


_ADMINISTRATION = [
    "kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*",
    "kms:Disable*", "kms:Get*", "kms:Delete*", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
]  # fmt: skip


def _key_policy():
    app, service = "kms:EncryptionContext:app", "s3.us-east-1.amazonaws.com"
    return _document(
        _statement("Root", "Allow", "kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        _statement("Admins", "Allow", _ADMINISTRATION, Principal=_role("KeyAdmin")),
        _statement(
            "UseHr",
            "Allow",
            ["kms:Decrypt", "kms:Encrypt"],
            Principal={"AWS": [_role(f"App{number}")["AWS"] for number in range(10)]},
            Condition={
                "StringEquals": {"kms:EncryptionContext:dept": "hr"},
                "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["dept", "app"]},
            },
        ),
        _statement(
            "DenyWrongApp",
            "Deny",
            "kms:Decrypt",
            Principal="*",
            Condition={"StringNotEqualsIfExists": {app: ["payroll", "crm"]}},
        ),
        _statement(
            "Grants",
            "Allow",
            ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            Principal=_role("App1"),
            Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        _statement(
            "ViaS3",
            "Allow",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            Principal={"AWS": "*"},
            Condition={"StringEquals": {"kms:ViaService": service, "kms:CallerAccount": ACCOUNT}},
        ),
    )


def documents() -> dict[str, object]:
    """The policies: of every role, its boundary, of the key, and the SCPs level by level from the root down."""
    regions = ["us-east-1", "us-west-2", "eu-west-1"]
    return {
        "identity": _identity(),
        "boundary": _document(
            _statement("B", "Allow", ["kms:*", "s3:*", "logs:*", "sqs:*"]),
            _statement("BD", "Deny", ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]),
        ),
        "key_policy": _key_policy(),
        "scps": [
            [
                _document(
                    _statement("Full", "Allow", "*"),
                    _statement("Region", "Deny", "*", Condition={"StringNotEquals": {"aws:RequestedRegion": regions}}),
                )
            ],
            [_document(_statement("Full", "Allow", "*"))],
        ],
    }


def world_of(given: dict[str, object], names: Sequence[str] = ROLES) -> World:
    """One account in an organization whose SCP limits Regions, with such policies and roles of these names."""
    identity = parse_policy(given["identity"], PolicyKind.IDENTITY)
    boundary = parse_policy(given["boundary"], PolicyKind.BOUNDARY)
    on_key = parse_policy(given["key_policy"], PolicyKind.KEY_POLICY)
    on_root, on_account = (tuple(parse_policy(each, PolicyKind.SCP) for each in level) for level in given["scps"])
    roles = {name: Role(_role(name)["AWS"], name, policies=(identity,), boundary=boundary) for name in names}
    key = Key(KEY_ID, "us-east-1", ACCOUNT, on_key)
    account = Account(ACCOUNT, unit="root", scps=on_account, roles=roles, keys=(key,))
    root = Unit("root", None, on_root)
    return World({ACCOUNT: account}, organization=Organization("o-bench", None, {"root": root}))


def world() -> World:
    """The world of the workload."""
    return world_of(documents())


def calls(count: int, seed: int = 7, *, unheard: bool = False) -> list[Call]:
    """Varied calls on the key, mostly Decrypt. `unheard`: each with a value of a tag that no other has."""
    choose = random.Random(seed)  # noqa: S311 - varied, not secret
    actions = ["Decrypt"] * 5 + ["Encrypt", "GenerateDataKey", "DescribeKey", "CreateGrant", "PutKeyPolicy"]
    made = []
    for number in range(count):
        pairs = {}
        if choose.random() < 0.7:
            pairs["dept"] = choose.choice(["hr", "it", "ops"])
        if choose.random() < 0.6:
            pairs["app"] = choose.choice(["payroll", "crm", "web"])
        if choose.random() < 0.1:
            pairs["extra"] = str(number)
        stated = {
            "aws:requestedregion": choose.choice(["us-east-1"] * 6 + ["us-west-2", "eu-west-1", "ap-south-1"]),
            "aws:resourcetag/env": choose.choice(["dev"] * 5 + ["prod-1"]),
        }
        if unheard:
            stated["aws:resourcetag/env"] += f"-{seed}-{number}"
        if choose.random() < 0.2:
            stated["kms:viaservice"] = choose.choice(["s3.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com"])
        if choose.random() < 0.3:
            stated["kms:grantisforawsresource"] = choose.choice(["true", "false"])
        role, action = choose.choice(ROLES), choose.choice(actions)
        principal = parse_principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/sess1")
        parameters = {"KeyId": KEY} | ({"EncryptionContext": pairs} if pairs else {})
        made.append(Call(principal, f"kms:{action}", "us-east-1", parameters, context=stated))
    return made
