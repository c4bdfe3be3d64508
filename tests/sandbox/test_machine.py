"""Random principals use and change keys; after each step the sandbox has answered as a model of the world predicts.

The model is a declared `World` that each success changes by a few lines of its own; the sandbox holds the same world in
moto and reads it back. They share the evaluator and nothing else: what is compared is state.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Call, Ciphertext, parse_principal
from kmssim.evaluator.world import Account, Constraints, Grant, Key, Role, User, World
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
EXAMPLES, STEPS = 40, 60  # 2,400 steps


def policy(kind, *statements):
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind)


def allow(*actions, **parts):
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **parts}


def identity(*actions):
    return (policy(PolicyKind.IDENTITY, allow(*actions)),)


def role(account, name, *actions, boundary=None):
    limits = policy(PolicyKind.BOUNDARY, allow(*boundary)) if boundary else None
    policies = identity(*actions) if actions else ()
    return Role(f"arn:aws:iam::{account}:role/{name}", name, policies=policies, boundary=limits)


def start() -> World:
    here = Account(
        HERE,
        roles={
            "admin": role(HERE, "admin", "kms:*"),
            "worker": role(HERE, "worker", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:DescribeKey"),
            "limited": role(HERE, "limited", "kms:*", boundary=("kms:Encrypt", "kms:CreateGrant", "kms:DescribeKey")),
            "idle": role(HERE, "idle"),
        },
        users={"ana": User(f"arn:aws:iam::{HERE}:user/ana", "ana", policies=identity("kms:*"))},
    )
    there = Account(THERE, roles={"guest": role(THERE, "guest", "kms:*")})
    return World({HERE: here, THERE: there}, REGION)


PRINCIPALS = (
    *(f"arn:aws:sts::{HERE}:assumed-role/{name}/job" for name in ("admin", "worker", "limited", "idle")),
    f"arn:aws:iam::{HERE}:user/ana",
    f"arn:aws:iam::{HERE}:root",
    f"arn:aws:sts::{THERE}:assumed-role/guest/job",
)
GRANTEES = (f"arn:aws:iam::{HERE}:role/idle", f"arn:aws:iam::{THERE}:role/guest", f"arn:aws:iam::{HERE}:user/ana")
ROOT = {"AWS": f"arn:aws:iam::{HERE}:root"}
GUEST = {"AWS": f"arn:aws:iam::{THERE}:root"}
POLICIES = {
    "default": [allow("kms:*", Principal=ROOT)],
    "shared": [allow("kms:*", Principal=ROOT), allow("kms:Encrypt", "kms:Decrypt", "kms:CreateGrant", Principal=GUEST)],
    "narrow": [
        allow("kms:*", Principal={"AWS": f"arn:aws:iam::{HERE}:role/admin"}),
        allow("kms:Describe*", "kms:Encrypt", Principal=ROOT),
    ],
    "closed": [
        allow("kms:*", Principal=ROOT),
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"kms:EncryptionContext:tenant": "a"}},
        },
    ],
}
DOCUMENTS = {name: {"Version": "2012-10-17", "Statement": statements} for name, statements in POLICIES.items()}

who = st.sampled_from(PRINCIPALS)
contexts = st.sampled_from([{}, {"tenant": "a"}, {"tenant": "b"}, {"tenant": "a", "kind": "x"}])
constraints = st.sampled_from(
    [None, {"EncryptionContextSubset": {"tenant": "a"}}, {"EncryptionContextEquals": {"tenant": "b"}}]
)
operations = st.lists(
    st.sampled_from(
        ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "DescribeKey", "CreateGrant", "RetireGrant"]
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


class Machine(RuleBasedStateMachine):
    """The steps. A bundle holds what earlier steps made: key ARNs, ciphertexts, grants."""

    sandbox: Sandbox
    asked = served = 0

    keys = Bundle("keys")
    ciphertexts = Bundle("ciphertexts")
    grants = Bundle("grants")

    @initialize()
    def begin(self):
        self.sandbox.restore()
        self.model = start()
        self.clients = {arn: self.sandbox.client("kms", as_=arn) for arn in PRINCIPALS}

    def step(self, principal, operation, parameters, sent, *, ciphertext=None, tokens=()):
        """Make the call on both sides; returns the answer, None where both refuse it alike."""
        call = Call(
            parse_principal(principal),
            f"kms:{operation}",
            REGION,
            parameters,
            ciphertext=ciphertext,
            grant_tokens=tokens,
        )
        predicted = decide(self.model, call)
        method = getattr(self.clients[principal], "".join(f"_{c.lower()}" if c.isupper() else c for c in operation)[1:])
        try:
            answer, error = method(**sent), None
        except ClientError as refused:
            answer, error = None, refused.response["Error"]
        Machine.asked += 1
        Machine.served += error is None
        code = error["Code"] if error else None
        expected = predicted.failure.code if predicted.failure else None
        assert code == expected, (operation, principal, error, predicted.failure)
        if error and predicted.failure.message:
            assert error["Message"] == predicted.failure.message
        return answer

    def change(self, arn, **changes):
        account = self.model.accounts[HERE]
        keys = tuple(replace(key, **changes) if key.arn == arn else key for key in account.keys)
        self.model = replace(self.model, accounts={**self.model.accounts, HERE: replace(account, keys=keys)})

    def key(self, arn):
        return self.model.keys_by_arn[arn]

    @rule(
        target=keys,
        name=st.sampled_from([*POLICIES, None]),
        principal=st.sampled_from([*PRINCIPALS[:3], PRINCIPALS[4]]),
    )
    def create_key(self, name, principal):
        parameters = {"Policy": DOCUMENTS[name]} if name else {}
        sent = {"Policy": json.dumps(DOCUMENTS[name])} if name else {}
        answer = self.step(principal, "CreateKey", parameters, sent)
        if answer is None:
            return multiple()
        found = policy(PolicyKind.KEY_POLICY, *POLICIES[name]) if name else default_key_policy(HERE)
        metadata = answer["KeyMetadata"]
        account = self.model.accounts[HERE]
        made = Key(metadata["KeyId"], REGION, HERE, found)
        changed = replace(account, keys=(*account.keys, made))
        self.model = replace(self.model, accounts={**self.model.accounts, HERE: changed})
        return made.arn

    @rule(target=ciphertexts, key=keys, principal=who, context=contexts)
    def encrypt(self, key, principal, context):
        parameters = {"KeyId": key} | ({"EncryptionContext": context} if context else {})
        answer = self.step(principal, "Encrypt", parameters, {**parameters, "Plaintext": b"secret"})
        return (answer["CiphertextBlob"], key, context) if answer else multiple()

    @rule(ciphertext=ciphertexts, principal=who, context=contexts, named=st.booleans())
    def decrypt(self, ciphertext, principal, context, named):
        blob, key, bound = ciphertext
        parameters = ({"EncryptionContext": context} if context else {}) | ({"KeyId": key} if named else {})
        sent = {**parameters, "CiphertextBlob": blob}
        answer = self.step(principal, "Decrypt", parameters, sent, ciphertext=Ciphertext(key, bound))
        assert answer is None or (answer["Plaintext"], answer["KeyId"]) == (b"secret", key)

    @rule(target=ciphertexts, ciphertext=ciphertexts, to=keys, principal=who, context=contexts, other=contexts)
    def re_encrypt(self, ciphertext, to, principal, context, other):
        blob, key, bound = ciphertext
        parameters = {"DestinationKeyId": to, "SourceEncryptionContext": context, "DestinationEncryptionContext": other}
        parameters = {name: value for name, value in parameters.items() if value}
        sent = {**parameters, "CiphertextBlob": blob}
        answer = self.step(principal, "ReEncrypt", parameters, sent, ciphertext=Ciphertext(key, bound))
        return (answer["CiphertextBlob"], to, other) if answer else multiple()

    @rule(key=keys, principal=who, operation=st.sampled_from(["DisableKey", "EnableKey"]))
    def switch(self, key, principal, operation):
        if self.step(principal, operation, {"KeyId": key}, {"KeyId": key}) is not None:
            self.change(key, state="Disabled" if operation == "DisableKey" else "Enabled")

    @rule(key=keys, principal=st.sampled_from([PRINCIPALS[0], PRINCIPALS[1], PRINCIPALS[6]]))
    def schedule_deletion(self, key, principal):
        if self.step(principal, "ScheduleKeyDeletion", {"KeyId": key}, {"KeyId": key}) is not None:
            self.change(key, state="PendingDeletion")

    @rule(key=keys, principal=who)
    def cancel_deletion(self, key, principal):
        if self.step(principal, "CancelKeyDeletion", {"KeyId": key}, {"KeyId": key}) is not None:
            self.change(key, state="Disabled")

    @rule(key=keys, principal=who, name=st.sampled_from(list(POLICIES)))
    def put_policy(self, key, principal, name):
        parameters = {"KeyId": key, "Policy": DOCUMENTS[name]}
        answer = self.step(principal, "PutKeyPolicy", parameters, {"KeyId": key, "Policy": json.dumps(DOCUMENTS[name])})
        if answer is not None:
            self.change(key, policy=policy(PolicyKind.KEY_POLICY, *POLICIES[name]))

    @rule(
        target=grants, key=keys, principal=who, grantee=st.sampled_from(GRANTEES), names=operations, limits=constraints
    )
    def create_grant(self, key, principal, grantee, names, limits):
        parameters = {"KeyId": key, "GranteePrincipal": grantee, "Operations": names}
        parameters |= {"Constraints": limits} if limits else {}
        answer = self.step(principal, "CreateGrant", parameters, parameters)
        if answer is None:
            return multiple()
        pairs = limits or {}
        made = Grant(
            answer["GrantId"],
            None,
            tuple(names),
            parse_principal(principal).account,
            grantee=grantee,
            constraints=Constraints(pairs.get("EncryptionContextEquals"), pairs.get("EncryptionContextSubset")),
        )
        self.change(key, grants=(*self.key(key).grants, made))
        return (key, answer["GrantId"], answer["GrantToken"])

    @rule(grant=consumes(grants), principal=who, by_token=st.booleans())
    def retire_grant(self, grant, principal, by_token):
        key, grant_id, token = grant
        by_id = {"KeyId": key, "GrantId": grant_id}
        if by_token:
            answer = self.step(principal, "RetireGrant", {}, {"GrantToken": token}, tokens=(grant_id,))
        else:
            answer = self.step(principal, "RetireGrant", by_id, by_id)
        if answer is not None:
            self.forget(key, grant_id)

    @rule(grant=consumes(grants), principal=who)
    def revoke_grant(self, grant, principal):
        key, grant_id, _ = grant
        parameters = {"KeyId": key, "GrantId": grant_id}
        if self.step(principal, "RevokeGrant", parameters, parameters) is not None:
            self.forget(key, grant_id)

    def forget(self, key, grant_id):
        self.change(key, grants=tuple(grant for grant in self.key(key).grants if grant.id != grant_id))

    @rule(key=keys, principal=who)
    def describe(self, key, principal):
        answer = self.step(principal, "DescribeKey", {"KeyId": key}, {"KeyId": key})
        assert answer is None or answer["KeyMetadata"]["KeyState"] == self.key(key).state


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(start()) as opened:
        yield opened


def test_prediction_and_sandbox_stay_equal_over_thousands_of_steps(sandbox):
    Machine.sandbox = sandbox
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=checks,
            derandomize=True,
        ),
    )
    assert Machine.asked >= 2000
    assert Machine.asked / 4 < Machine.served < Machine.asked
