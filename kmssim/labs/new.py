"""A new lab: a folder that is complete in form, fails where it must, and says what its author has to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kmssim.errors import InputError, SetupError
from kmssim.labs.metadata import LAB_ID

_ACCOUNT = "111122223333"
_KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
TEST = '''"""This lab, held to what it promises; in a learner's copy, a test for each check."""

from kmssim.labs.testing import lab_tests

globals().update(lab_tests(__file__))
'''
_CODE = '''"""Read the order."""


def read_order(kms, blob):
    """Return the plaintext of an order."""
    return {body}
'''
_CHECKS = f'''"""What a learner's code must do. Learners never see this file."""

from __future__ import annotations

WORKLOAD = "arn:aws:iam::{_ACCOUNT}:role/workload"


def order_is_read(lab):
    kms = lab.client("kms", WORKLOAD)
    blob = kms.encrypt(KeyId="alias/orders", Plaintext=b"an order")["CiphertextBlob"]
    lab.expect(lab.code.read_order(kms, blob) == b"an order", "The order does not come back.")
'''


def write_new_lab(folder: Path, lab_id: str, kind: str) -> Path:
    """Write the folder of a new lab; it says where it is. Raises InputError, SetupError."""
    LAB_ID.read(lab_id, "id")
    target = folder / lab_id
    if target.exists():
        raise InputError(f"{target} is there already")
    try:
        for name, content in _files(lab_id, kind).items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot write {target}: {error.strerror or error}") from None
    return target


def _files(lab_id: str, kind: str) -> dict[str, Any]:
    """All files of a lab of this type but the page, which is made."""
    parts = {"fix": _fix, "predict": _predict, "write": _code, "attack": _attack}[kind]()
    return {
        "metadata.json": _metadata(lab_id, kind, parts.pop("metadata")),
        "architecture.md": f"# {lab_id}\n\nWho may do what, and why.\n",
        "test_lab.py": TEST,
        **parts,
    }


def _policy(*roles: str) -> dict[str, Any]:
    statements = [
        {
            "Sid": f"Use{name.capitalize()}",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{_ACCOUNT}:role/{name}"},
            "Action": action,
            "Resource": "*",
        }
        for name, action in (("admin", "kms:*"), ("workload", ["kms:Encrypt", "kms:Decrypt"]))
        if name in roles
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _scenario(policy: object) -> dict[str, Any]:
    key = {"id": _KEY_ID, "aliases": ["alias/orders"], "policy": policy}
    roles: dict[str, Any] = {"admin": {}, "workload": {}, "intern": {}}

    def request(role: str) -> dict[str, Any]:
        return {
            "name": f"the {role} decrypts an order",
            "principal": f"arn:aws:sts::{_ACCOUNT}:assumed-role/{role}/run",
            "operation": "kms:Decrypt",
            "parameters": {"KeyId": "alias/orders"},
            "rules": ["KP-4"],
            "why": f"whether the key policy names the {role}",
        }

    return {
        "title": "Orders",
        "accounts": {_ACCOUNT: {"roles": roles, "keys": {"orders": key}}},
        "requests": [request("workload"), request("intern")],
    }


_WORKLOAD = "the workload decrypts an order"
_INTERN = "the intern decrypts an order"


def _fix() -> dict[str, Any]:
    star = _policy("admin")
    star["Statement"].append(
        {"Sid": "Use", "Effect": "Allow", "Principal": "*", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}
    )
    wide = _policy("admin", "workload")
    wide["Statement"][1]["Action"] = "kms:*"
    return {
        "scenario.json": _scenario("exercise/key-policy.json"),
        "exercise/key-policy.json": _policy("admin"),
        "solution/key-policy.json": _policy("admin", "workload"),
        "wrong/everybody/key-policy.json": star,
        "wrong/everything/key-policy.json": wide,
        "metadata": {
            "edit": [{"path": "key-policy.json", "kind": "key_policy", "about": "the policy of key orders"}],
            "checks": [
                _check("workload_decrypts", "positive", "The workload decrypts an order.", _WORKLOAD, "ALLOW"),
                _check("intern_is_refused", "negative", "The intern does not decrypt an order.", _INTERN, "DENY"),
                {
                    "id": "nobody_else",
                    "kind": "collateral",
                    "claim": "Nothing else changed.",
                    "may_change": [
                        {"principal": "workload", "action": f"kms:{name}", "key": "orders", "change": "gained"}
                        for name in ("Encrypt", "Decrypt", "ReEncrypt*")
                    ],
                },
            ],
            "wrong": [
                {"path": "wrong/everybody", "trips": "intern_is_refused", "belief": "A star is harmless."},
                {"path": "wrong/everything", "trips": "nobody_else", "belief": "More actions do no harm."},
            ],
        },
    }


def _check(name: str, kind: str, claim: str, request: str, expect: str) -> dict[str, Any]:
    return {"id": name, "kind": kind, "claim": claim, "request": request, "expect": expect, "rules": ["KP-4"]}


def _predict() -> dict[str, Any]:
    def answers(workload: str | None, intern: str | None) -> dict[str, Any]:
        layer = "key_policy" if workload else None
        return {
            "workload_decrypts": {"decision": workload, "layer": layer},
            "intern_decrypts": {"decision": intern, "layer": layer},
        }

    checks = [
        {"id": name, "kind": "prediction", "claim": claim, "request": request, "asks": ["decision", "layer"]}
        for name, claim, request in (
            ("workload_decrypts", "Whether the workload decrypts.", _WORKLOAD),
            ("intern_decrypts", "Whether the intern decrypts.", _INTERN),
        )
    ]
    return {
        "scenario.json": _scenario(_policy("admin", "workload")),
        "exercise/answers.json": answers(None, None),
        "solution/answers.json": answers("ALLOW", "DENY"),
        "wrong/nobody/answers.json": answers("DENY", "DENY"),
        "wrong/all_of_them/answers.json": answers("ALLOW", "ALLOW"),
        "metadata": {
            "edit": [{"path": "answers.json", "kind": "answers", "about": "your predictions"}],
            "checks": checks,
            "wrong": [
                {"path": "wrong/nobody", "trips": "workload_decrypts", "belief": "IAM must allow as well."},
                {"path": "wrong/all_of_them", "trips": "intern_decrypts", "belief": "One account, one key, one trust."},
            ],
        },
    }


def _code() -> dict[str, Any]:
    function = "read_order"
    decrypting = 'kms.decrypt(CiphertextBlob=blob)["Plaintext"]'
    return {
        "scenario.json": _scenario(_policy("admin", "workload")),
        "checks.py": _CHECKS,
        "exercise/orders.py": _CODE.format(body="blob"),
        "solution/orders.py": _CODE.format(body=decrypting),
        "wrong/whole_answer/orders.py": _CODE.format(body="kms.decrypt(CiphertextBlob=blob)"),
        "wrong/constant/orders.py": _CODE.format(body='b"order"'),
        "metadata": {
            "edit": [{"path": "orders.py", "kind": "code", "about": f"the function {function}"}],
            "checks": [{"id": "is_read", "kind": "code", "claim": "The order is read.", "function": "order_is_read"}],
            "wrong": [
                {"path": "wrong/whole_answer", "trips": "is_read", "belief": "Decrypt returns the plaintext itself."},
                {"path": "wrong/constant", "trips": "is_read", "belief": "The check looks at one order."},
            ],
        },
    }


def _attack() -> dict[str, Any]:
    parts = _code()
    body = 'return client("kms").decrypt(CiphertextBlob=ciphertext)["Plaintext"]'
    attack = (
        '"""Reach the plaintext."""\n\n\ndef attack(client, ciphertext):\n    """Return the plaintext."""\n    {}\n'
    )
    for name, text in {
        "exercise/orders.py": "return ciphertext",
        "solution/orders.py": body,
        "wrong/whole_answer/orders.py": body.removesuffix('["Plaintext"]'),
        "wrong/constant/orders.py": 'return b"order"',
    }.items():
        del parts[name]
        parts[name.replace("orders.py", "attack.py")] = attack.format(text)
    parts["checks.py"] = _CHECKS.partition("def ")[0] + (
        "def plaintext_is_reached(lab):\n"
        '    kms = lab.client("kms", WORKLOAD)\n'
        '    blob = kms.encrypt(KeyId="alias/orders", Plaintext=b"an order")["CiphertextBlob"]\n'
        "    found = lab.attack(WORKLOAD, most_calls=3, ciphertext=blob)\n"
        '    lab.expect(found == b"an order", "The attack does not return the plaintext.")\n'
    )
    parts["metadata"]["edit"] = [{"path": "attack.py", "kind": "code", "about": "your attack"}]
    parts["metadata"]["checks"] = [
        {"id": "is_read", "kind": "path", "claim": "The order is reached.", "function": "plaintext_is_reached"}
    ]
    return parts


def _metadata(lab_id: str, kind: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Everything that `lab verify` wants to see; the sentences are the author's to write."""
    title = lab_id[3:].replace("_", " ").capitalize()
    return {
        "id": lab_id,
        "version": 1,
        "title": title,
        "status": "Beginner",
        "level": 1,
        "cloud": "AWS",
        "domain": "Security",
        "topic": "Cryptographic Authorization",
        "track": "L1 Foundations",
        "tags": ["Cryptographic authorization"],
        "type": kind,
        "minutes": 10,
        "part": "the key decides",
        "prerequisites": [],
        "summary": f"{title}: one sentence for the list of labs.",
        "objective": "What the learner can do afterwards.",
        "overview": "What this is about, in two or three sentences.",
        "example": {"request": _WORKLOAD, "text": "The story of one request."},
        "concepts": ["key policy"],
        "deep_dives": ["key_policy"],
        "layers": ["key_policy"],
        "misconceptions": ["MC-1"],
        "rules": ["KP-4"],
        "needs": ["evaluator", "sandbox"],
        "sources": ["K-POLICY"],
        "bridge": "What it leads on to.",
        "licence": "Apache-2.0",
        "story": "The situation, in one to three sentences.",
        "task": "What to do, in two to five sentences.",
        **parts,
        "hints": [
            {"level": 1, "text": "The rule."},
            {"level": 2, "text": "The element."},
            {"level": 3, "text": "The way, with a hole.", "show": "diff_with_hole"},
        ],
        "learned": "What the learner can now say, in one sentence.",
        "fidelity": {"status": "documented"},
    }
