"""The world of the load test, and what the evaluator says of each call in it.

Most callers make calls that change nothing, on a shared key. A few, one a process, have a key of their own and change
it all the time: grants come and go, the key is disabled and enabled. Each of those keeps its own key's state beside it
and predicts over that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, Ciphertext, Principal, parse_principal
from kmssim.evaluator.world import Grant, Key, World
from kmssim.scenario import parse_scenario

HERE, THERE = "111122223333", "444455556666"
SHARED = "1234abcd-12ab-34cd-56ef-000000000000"
REGION = "us-east-1"


def key_id(number: int) -> str:
    """The key of changer `number`, from 1; 0 is the shared one."""
    return f"1234abcd-12ab-34cd-56ef-{number:012d}"


def key_arn(number: int) -> str:
    return f"arn:aws:kms:{REGION}:{HERE}:key/{key_id(number)}"


def role(name: str, account: str = HERE) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{name}/session"


def _document(effect: str, actions: list[str], **more: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": actions, "Resource": "*", **more}]}


def scenario(changers: int) -> dict[str, Any]:
    """The scenario file for so many changers."""
    root = _document("Allow", ["kms:*"], Principal={"AWS": f"arn:aws:iam::{HERE}:root"})
    grant = {
        "Name": "reader",
        "GranteePrincipal": f"arn:aws:iam::{HERE}:role/reader",
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"tenant": "a"}},
    }
    keys = {"shared": {"id": key_id(0), "policy": root, "grants": [grant]}}
    keys |= {f"own-{number}": {"id": key_id(number), "policy": root} for number in range(1, changers + 1)}
    roles = {
        "app": {"policies": {"use": _document("Allow", ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"])}},
        "admin": {"policies": {"all": _document("Allow", ["kms:*"])}},
        "reader": {},
        "guest": {},
    }
    far = {"roles": {"far": {"policies": {"all": _document("Allow", ["kms:*"])}}}}
    return {"accounts": {HERE: {"roles": roles, "keys": keys}, THERE: far}}


def declared(changers: int) -> World:
    return parse_scenario(scenario(changers)).world


@dataclass
class Model:
    """The world as one caller knows it; `changed` puts another state of its own key into it."""

    world: World
    _principals: dict[str, Principal] = field(default_factory=dict)

    def expect(
        self, arn: str, operation: str, parameters: dict[str, Any], made_with: tuple[int, dict[str, str]] | None = None
    ) -> tuple[str, str] | None:
        """Code and message of the error that the call must end with; None: it must succeed.

        `made_with`: the number of the key and the encryption context of the ciphertext that is passed.
        """
        principal = self._principals.setdefault(arn, parse_principal(arn))
        ciphertext = Ciphertext(key_arn(made_with[0]), made_with[1]) if made_with else None
        failure = decide(self.world, Call(principal, f"kms:{operation}", REGION, parameters, ciphertext)).failure
        return (failure.code, failure.message) if failure else None

    def change(self, number: int, **changes: object) -> None:
        """The key of changer `number` as it is from now on."""
        account = self.world.accounts[HERE]
        keys = tuple(replace(key, **changes) if key.id == key_id(number) else key for key in account.keys)
        self.world = replace(self.world, accounts={**self.world.accounts, HERE: replace(account, keys=keys)})

    def key(self, number: int) -> Key:
        return self.world.keys_by_arn[key_arn(number)]


def guests_grant(grant_id: str) -> Grant:
    """The grant that a changer makes for the guest."""
    return Grant(grant_id, None, ("Decrypt",), HERE, grantee=f"arn:aws:iam::{HERE}:role/guest")
