"""Times the sandbox against moto alone, in this process; the least processor time of several rounds.

Both sides make the same boto3 calls to the same state, in turn; what the gate, the decision and AWS-shaped answers add
is the difference. The ratio is to moto's time for the same call in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.figures import Result, figure

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox

ACCOUNT, KEY_ID = "111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/job"
CALLS, ROUNDS, STARTS = 10, 25, 7
SHORT_ROUNDS, SHORT_STARTS = 6, 4


def small_world() -> World:
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [everything]}, PolicyKind.IDENTITY)
    role = Role(f"arn:aws:iam::{ACCOUNT}:role/app", "app", policies=(policy,))
    key = Key(KEY_ID, "us-east-1", ACCOUNT, default_key_policy(ACCOUNT))
    return World({ACCOUNT: Account(ACCOUNT, roles={"app": role}, keys=(key,))})


def milliseconds(act: Callable[[], object], count: int = CALLS) -> float:
    start = time.process_time()
    for _ in range(count):
        act()
    return (time.process_time() - start) / count * 1e3


def _in_turn(sandbox: Sandbox, act: Callable[[], object], rounds: int, count: int = CALLS) -> tuple[float, float]:
    """The least of both sides over several rounds, in turn; the first call of each round is not counted.

    After a turn of moto alone the sandbox reads the whole world again, which it never has to otherwise.
    """
    gated, alone = [], []
    for _ in range(rounds):
        act()
        gated.append(milliseconds(act, count))
        with sandbox.moto_alone():
            act()
            alone.append(milliseconds(act, count))
    return min(gated), min(alone)


def _grant_and_revoke(kms) -> None:
    made = kms.create_grant(KeyId=KEY_ID, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app", Operations=["Decrypt"])
    kms.revoke_grant(KeyId=KEY_ID, GrantId=made["GrantId"])


def _start() -> float:
    """From nothing to the first decision, imports done."""
    start = time.process_time()
    with Sandbox(small_world()) as sandbox:
        sandbox.client("kms", as_=ROLE).describe_key(KeyId=KEY_ID)
        return (time.process_time() - start) * 1e3


def measure() -> Result:
    """Calls of several kinds, and starts."""
    return _measure(ROUNDS, STARTS)


def measure_short() -> Result:
    """The same, fewer times."""
    return _measure(SHORT_ROUNDS, SHORT_STARTS)


def _measure(rounds: int, starts: int) -> Result:
    first = _start()  # engines loaded, service models read
    start = min(_start() for _ in range(starts))
    with Sandbox(small_world()) as sandbox:
        kms = sandbox.client("kms", as_=ROLE)
        describe, describe_alone = _in_turn(sandbox, lambda: kms.describe_key(KeyId=KEY_ID), rounds)
        data_key, data_key_alone = _in_turn(
            sandbox, lambda: kms.generate_data_key(KeyId=KEY_ID, KeySpec="AES_256"), rounds
        )
        grant, grant_alone = _in_turn(sandbox, lambda: _grant_and_revoke(kms), rounds)
        create, create_alone = _in_turn(sandbox, kms.create_key, max(3, rounds // 3), 3)
    pairs = {
        "describe_key, moto alone": (describe_alone, describe_alone),
        "describe_key, sandbox": (describe, describe_alone),
        "what the gate and the decision add": (describe - describe_alone, describe_alone),
        "generate_data_key, moto alone": (data_key_alone, data_key_alone),
        "generate_data_key, sandbox": (data_key, data_key_alone),
        "create_grant and revoke_grant, moto alone": (grant_alone, grant_alone),
        "create_grant and revoke_grant, sandbox": (grant, grant_alone),
        "create_key, symmetric, moto alone": (create_alone, create_alone),
        "create_key, symmetric, sandbox": (create, create_alone),
        "start of a small sandbox to its first decision": (start, describe_alone),
        "the first one of a process": (first, describe_alone),
    }
    return Result({name: figure("milliseconds", found, against) for name, (found, against) in pairs.items()})
