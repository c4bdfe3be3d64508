"""Times the sandbox against moto alone, in this process: `python -m tests.bench sandbox`.

Both sides make the same boto3 calls to the same state, in turn; what the gate, the decision and AWS-shaped answers add
is the difference. The ratio is to moto's time for the same call in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox

ACCOUNT, KEY_ID = "111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/job"
CALLS, ROUNDS, STARTS = 40, 9, 5


def small_world() -> World:
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [everything]}, PolicyKind.IDENTITY)
    role = Role(f"arn:aws:iam::{ACCOUNT}:role/app", "app", policies=(policy,))
    key = Key(KEY_ID, "us-east-1", ACCOUNT, default_key_policy(ACCOUNT))
    return World({ACCOUNT: Account(ACCOUNT, roles={"app": role}, keys=(key,))})


def milliseconds(act: Callable[[], object], count: int = CALLS) -> float:
    start = time.perf_counter()
    for _ in range(count):
        act()
    return (time.perf_counter() - start) / count * 1e3


def _in_turn(sandbox: Sandbox, act: Callable[[], object], count: int = CALLS) -> tuple[float, float]:
    """The medians of both sides over several rounds, one after the other in each; the first call of each is not counted.

    After a turn of moto alone the sandbox reads the whole world again, which it never has to otherwise.
    """
    gated, alone = [], []
    for _ in range(ROUNDS):
        act()
        gated.append(milliseconds(act, count))
        with sandbox.moto_alone():
            act()
            alone.append(milliseconds(act, count))
    return statistics.median(gated), statistics.median(alone)


def _start() -> float:
    """From nothing to the first decision, imports done."""
    start = time.perf_counter()
    with Sandbox(small_world()) as sandbox:
        sandbox.client("kms", as_=ROLE).describe_key(KeyId=KEY_ID)
        return (time.perf_counter() - start) * 1e3


def measure() -> dict[str, dict[str, float]]:
    _start()  # engines loaded, service models read
    starts = statistics.median(_start() for _ in range(STARTS))
    with Sandbox(small_world()) as sandbox:
        kms = sandbox.client("kms", as_=ROLE)
        describe, describe_alone = _in_turn(sandbox, lambda: kms.describe_key(KeyId=KEY_ID))
        create, create_alone = _in_turn(sandbox, kms.create_key, 3)
    return {
        "describe_key, moto alone": _figure(describe_alone, describe_alone),
        "describe_key, sandbox": _figure(describe, describe_alone),
        "what the gate and the decision add": _figure(describe - describe_alone, describe_alone),
        "create_key, symmetric, moto alone": _figure(create_alone, create_alone),
        "create_key, symmetric, sandbox": _figure(create, create_alone),
        "start of a small sandbox to its first decision": _figure(starts, describe_alone),
    }


def _figure(found: float, against: float) -> dict[str, float]:
    return {"milliseconds": round(found, 3), "ratio": round(found / against, 2)}
