"""Small worlds, one for each finding, with nothing in them but what shows it."""

from __future__ import annotations

from typing import Any

HERE, FRIEND, VENDOR = "111122223333", "444455556666", "777788889999"
REGION = "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:{HERE}:key/{KEY_ID}"
ALIAS_ARN = f"arn:aws:kms:{REGION}:{HERE}:alias/orders"

VERSION = "2012-10-17"

Json = dict[str, Any]


def root(account: str = HERE) -> str:
    return f"arn:aws:iam::{account}:root"


def role(name: str, account: str = HERE) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def statement(principal: object, action: object, *, effect: str = "Allow", **more: object) -> Json:
    named = {"Principal": principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}}
    return {"Effect": effect, **named, "Action": action, "Resource": "*", **more}


def policy(*statements: Json) -> Json:
    return {"Version": VERSION, "Statement": list(statements)}


def own(action: object, resource: object = "*", **more: object) -> Json:
    """An identity policy."""
    return policy({"Effect": "Allow", "Action": action, "Resource": resource, **more})


DELEGATION = statement(root(), "kms:*")


def world(*statements: Json, roles: Json | None = None, delegated: bool = True, **more: Any) -> Json:
    """One account with one key and these statements in its policy, behind a delegation unless that is left out."""
    account: Json = {"roles": roles or {}}
    account["keys"] = {
        "orders": {
            "id": KEY_ID,
            "policy": {
                **policy(*([DELEGATION] if delegated else []), *statements),
                "Version": more.pop("version", VERSION),
            },
            "aliases": ["alias/orders"],
            **{
                name: more.pop(name) for name in ("grants", "state", "tags", "spec", "usage", "manager") if name in more
            },
        }
    }
    return {"title": "small", "accounts": {HERE: account, **more.pop("accounts", {})}, **more}


def condition(operator: str, **pairs: object) -> Json:
    """`kms__ViaService` stands for `kms:ViaService`, `___` for a slash."""
    return {
        "Condition": {operator: {key.replace("___", "/").replace("__", ":"): value for key, value in pairs.items()}}
    }


ORGANIZATION: Json = {"organization": {"id": "o-a1b2c3d4e5"}}
_WORKER: Json = {"worker": {}}
_GRANT: Json = {"GranteePrincipal": role("worker"), "Operations": ["Decrypt"], "Name": "to-worker"}
_BOUND: Json = {**_GRANT, "Constraints": {"EncryptionContextSubset": {"tenant": "a"}}}

WORLDS: dict[str, Json] = {
    "public-access": world(statement("*", "kms:Decrypt")),
    "public-metadata": world(statement("*", "kms:DescribeKey")),
    "public-through-service": world(
        statement("*", "kms:Decrypt", **condition("StringEquals", kms__ViaService="s3.us-east-1.amazonaws.com"))
    ),
    "cross-organization": world(statement(root(VENDOR), "kms:Decrypt"), **ORGANIZATION),
    "unknown-account": world(statement(role("auditor", VENDOR), "kms:Decrypt")),
    "cross-account": world(statement(root(FRIEND), "kms:Decrypt"), accounts={FRIEND: {}}, **ORGANIZATION),
    "foreign-account-all": world(statement(root(FRIEND), "kms:*"), accounts={FRIEND: {}}, **ORGANIZATION),
    "all-keys": world(roles={"admin": {"policies": {"all": own("kms:*")}}}),
    "confused-deputy": world(statement({"Service": "logs.us-east-1.amazonaws.com"}, ["kms:Decrypt", "kms:Encrypt"])),
    "session-principal": world(
        statement(f"arn:aws:sts::{HERE}:assumed-role/worker/nightly", "kms:Decrypt"), roles=_WORKER
    ),
    "create-grant-unlimited": world(statement(role("worker"), ["kms:Decrypt", "kms:CreateGrant"]), roles=_WORKER),
    "administrators-can-grant": world(
        statement(role("keyadmin"), ["kms:Create*", "kms:Put*", "kms:Describe*"]), roles={"keyadmin": {}}
    ),
    "administrators-can-use": world(
        statement(role("keyadmin"), ["kms:PutKeyPolicy", "kms:DescribeKey"]), roles={"keyadmin": {}}
    ),
    "reencrypt-escape": world(roles={"mover": {"policies": {"move": own("kms:ReEncrypt*")}}}),
    "tag-escalation": world(
        roles={
            "tagger": {
                "policies": {
                    "by-tag": own("kms:Decrypt", **condition("StringEquals", aws__ResourceTag___team="blue")),
                    "tag": own("kms:TagResource"),
                }
            }
        }
    ),
    "alias-escalation": world(
        roles={
            "namer": {
                "policies": {
                    "by-alias": own(
                        "kms:Decrypt", **condition("ForAnyValue:StringEquals", kms__ResourceAliases="alias/blue")
                    ),
                    "name": own("kms:CreateAlias"),
                }
            }
        }
    ),
    "nobody-can-change-policy": world(statement(role("worker"), "kms:Decrypt"), roles=_WORKER, delegated=False),
    "one-principal-can-change-policy": world(statement(role("worker"), "kms:*"), roles=_WORKER, delegated=False),
    "policy-change-needs-condition": world(
        statement(root(), "kms:*", **condition("Bool", aws__MultiFactorAuthPresent="true")), delegated=False
    ),
    "missing-delegation": world(
        statement([role("one"), role("two")], "kms:*"), roles={"one": {}, "two": {}}, delegated=False
    ),
    "orphaned-principal": world(statement("AROAEXAMPLE12345678AB", "kms:Decrypt"), roles=_WORKER),
    "unknown-principal": world(statement(role("long-gone"), "kms:Decrypt")),
    "incomplete-statement": world(
        {"Effect": "Allow", "Principal": {"AWS": role("worker")}, "Action": "kms:Decrypt"}, roles=_WORKER
    ),
    "dead-resource": world(
        {**statement(role("worker"), "kms:Decrypt"), "Resource": f"arn:aws:dynamodb:{REGION}:{HERE}:table/orders"},
        roles=_WORKER,
    ),
    "alias-as-resource": world(roles={"worker": {"policies": {"use": own("kms:Decrypt", ALIAS_ARN)}}}),
    "unknown-action": world(roles={"mover": {"policies": {"move": own("kms:ReEncrypt", KEY_ARN)}}}),
    "not-principal-deny": world(
        {
            "Effect": "Deny",
            "NotPrincipal": {"AWS": role("worker")},
            "Action": "kms:Decrypt",
            "Resource": "*",
        },
        roles={"worker": {"policies": {"use": own("kms:Decrypt", KEY_ARN)}}},
    ),
    "not-across-accounts": world(
        statement(root(FRIEND), ["kms:Decrypt", "kms:TagResource"]), accounts={FRIEND: {}}, **ORGANIZATION
    ),
    "never-met": world(
        statement(role("worker"), "kms:Decrypt", **condition("StringEquals", kms__KeySpec="RSA_2048")), roles=_WORKER
    ),
    "resource-without-key": world(
        roles={"worker": {"policies": {"use": own("kms:Decrypt", KEY_ARN.replace("1234abcd", "deadbeef"))}}}
    ),
    "for-all-values-without-null": world(
        roles={
            "worker": {
                "policies": {
                    "use": own(
                        "kms:Decrypt",
                        KEY_ARN,
                        **condition("ForAllValues:StringEquals", kms__EncryptionContextKeys=["tenant"]),
                    )
                }
            }
        }
    ),
    "condition-never-carried": world(
        roles={
            "worker": {
                "policies": {
                    "use": own(
                        ["kms:Decrypt", "kms:DescribeKey"],
                        KEY_ARN,
                        **condition("StringEquals", kms__EncryptionContext__tenant="a"),
                    )
                }
            }
        }
    ),
    "unknown-condition-key": world(
        roles={
            "worker": {
                "policies": {
                    "use": own("kms:Decrypt", KEY_ARN, **condition("StringEquals", kms__ViaServices="s3.amazonaws.com"))
                }
            }
        }
    ),
    "variable-in-old-version": world(
        {
            **statement(
                role("worker"), "kms:Decrypt", **condition("StringEquals", kms__EncryptionContext__by="${aws:userid}")
            )
        },
        roles=_WORKER,
        version="2008-10-17",
    ),
    "plain-operator-on-list": world(
        roles={
            "worker": {
                "policies": {
                    "use": own("kms:Decrypt", KEY_ARN, **condition("StringEquals", kms__ResourceAliases="alias/orders"))
                }
            }
        }
    ),
    "grantee-gone": world(grants=[{**_BOUND, "GranteePrincipal": role("long-gone")}]),
    "grant-unconstrained": world(grants=[_GRANT], roles=_WORKER),
    "grant-beyond-policy": world(grants=[_BOUND], roles=_WORKER),
    "grant-redundant": world(statement(role("worker"), "kms:Decrypt"), grants=[_BOUND], roles=_WORKER),
    "grant-without-effect": world(
        statement(role("worker"), "kms:Decrypt", effect="Deny"), grants=[_BOUND], roles=_WORKER
    ),
    "grant-passes-on": world(grants=[{**_BOUND, "Operations": ["Decrypt", "CreateGrant"]}], roles=_WORKER),
    "pending-grant": world(grants=[{**_BOUND, "pending": True}], roles=_WORKER),
    "decrypt-on-all-keys": world(roles={"reader": {"policies": {"read": "read.json"}}}),
    "inline-decrypt-on-all-keys": world(roles={"reader": {"policies": {"read": own("kms:Decrypt")}}}),
    "scheduled-for-deletion": world(state="PendingDeletion"),
}
"""For each finding a world that has it."""

FILES: dict[str, Json] = {"read.json": own("kms:Decrypt")}
"""Policy files that stand beside those worlds."""

EXPECTED: dict[str, set[str]] = {
    "reencrypt-escape": {"reencrypt-escape", "inline-decrypt-on-all-keys"},
    "grant-unconstrained": {"grant-unconstrained", "grant-beyond-policy"},
    "grant-passes-on": {"grant-passes-on", "grant-beyond-policy"},
    "pending-grant": {"pending-grant", "grant-beyond-policy"},
    "not-across-accounts": {"not-across-accounts", "cross-account"},
}
"""What else such a world cannot be without; every other one has its own finding and no more."""
