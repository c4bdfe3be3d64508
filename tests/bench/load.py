"""Times how policies are read and compiled, in this process: 10,000 distinct documents, and what one change costs.

Half of the documents are identity policies, half key policies; the world holds all of them, and each role calls a key
of its own. A policy is compiled for an action when it is first asked about it, so "first" is reading and compiling. The
ratio is to the same loop of plain Python as that of the decisions.
"""

from __future__ import annotations

import gc
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bench.decisions import CALIBRATION, calibrate, microseconds
from bench.figures import Result, figure

from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Call, parse_principal
from kmssim.evaluator.world import Account, Key, Role, World

ACCOUNT, REGION = "111122223333", "us-east-1"
COUNT, SHORT_COUNT, RUNS = 10_000, 1_000, 2
_FIRST = "each role's first call, policies compiled for it"
_ONE_CHANGE = "one policy changed: the new world"
T = TypeVar("T")


def _statement(effect: str, action: object, resource: object = "*", **more: object) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def _document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _key_id(number: int) -> str:
    return f"{number:08x}-12ab-34cd-56ef-1234567890ab"


def _role_arn(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/r{number}"


def identity_document(number: int) -> str:
    """What one role may do; no two are the same."""
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{_key_id(number)}"
    return _document(
        _statement("Allow", ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::data-{number}/*"),
        _statement("Allow", ["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"], key),
        _statement("Deny", "kms:*", Condition={"StringLike": {"aws:ResourceTag/env": f"prod-{number}-*"}}),
    )


def key_document(number: int) -> str:
    """Who may use one key; no two are the same."""
    user = {"AWS": _role_arn(number)}
    mine = {"StringEquals": {"kms:EncryptionContext:tenant": [str(number), "all"]}}
    return _document(
        _statement("Allow", "kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        _statement("Allow", ["kms:Decrypt", "kms:Encrypt"], Principal=user, Condition=mine),
        _statement("Deny", "kms:PutKeyPolicy", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}),
    )


def _parsed(numbers: list[int], identities: list[str], key_policies: list[str]) -> World:
    own = [parse_policy(text, PolicyKind.IDENTITY) for text in identities]
    on_keys = [parse_policy(text, PolicyKind.KEY_POLICY) for text in key_policies]
    roles = {f"r{n}": Role(_role_arn(n), f"r{n}", policies=(each,)) for n, each in zip(numbers, own, strict=True)}
    keys = tuple(Key(_key_id(n), REGION, ACCOUNT, each) for n, each in zip(numbers, on_keys, strict=True))
    return World({ACCOUNT: Account(ACCOUNT, roles=roles, keys=keys)}, REGION)


def _calls(numbers: list[int]) -> list[Call]:
    """Each role decrypts with its own key."""
    return [
        Call(parse_principal(_role_arn(number)), "kms:Decrypt", REGION, {"KeyId": _key_id(number)})
        for number in numbers
    ]


def changed(world: World, number: int) -> World:
    """The world after somebody replaced one role's policy; every other policy is the one that it was."""
    account = world.accounts[ACCOUNT]
    policy = parse_policy(identity_document(number + 10**6), PolicyKind.IDENTITY)
    role = replace(account.roles[f"r{number}"], policies=(policy,))
    return replace(world, accounts={ACCOUNT: replace(account, roles={**account.roles, role.name: role})})


def _ask_all(world: World, asked: list[Call]) -> int:
    authorizer = Authorizer(world)
    return sum(authorizer.decide(call).allowed for call in asked)


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    """Processor time, for this is long enough for others to come in between; and what came of it."""
    start = time.process_time()
    found = act()
    return time.process_time() - start, found


_fresh = itertools.count()


def _once(count: int) -> dict[str, float]:
    """Documents of other words each time, since what was read once in a process is not read again."""
    half, found = count // 2, {}
    numbers = list(itertools.islice(_fresh, half))
    identities, key_policies = [identity_document(n) for n in numbers], [key_document(n) for n in numbers]
    asked = _calls(numbers)
    gc.collect()
    gc.freeze()
    found["documents read"], world = _timed(lambda: _parsed(numbers, identities, key_policies))
    found[_FIRST], allowed = _timed(lambda: _ask_all(world, asked))
    found["the same calls in a new world, nothing changed"], again = _timed(lambda: _ask_all(replace(world), asked))
    found[_ONE_CHANGE], after = _timed(lambda: changed(world, numbers[1]))
    found["the same calls after one policy changed"], fewer = _timed(lambda: _ask_all(after, asked))
    found["the same documents read again"], _ = _timed(lambda: _parsed(numbers, identities, key_policies))
    found["documents read and compiled"] = found["documents read"] + found[_FIRST]
    assert (allowed, again, fewer) == (half, half, half - 1)
    gc.unfreeze()
    return found


def _without_collector(count: int) -> dict[str, float]:
    """As a program that loads much does: the collector looks through all that is there again and again, for nothing."""
    gc.disable()
    try:
        return {"documents read and compiled, the collector paused": _once(count)["documents read and compiled"]}
    finally:
        gc.enable()


def measure() -> Result:
    """10,000 documents."""
    return _measure(COUNT, RUNS)


def measure_short() -> Result:
    """A tenth of them, by the same measure: what one document costs."""
    return _measure(SHORT_COUNT, RUNS)


def _measure(count: int, runs: int) -> Result:
    idle = microseconds(calibrate, range(2000))
    times = [_once(count) | _without_collector(count) for _ in range(runs)]
    idle = min(idle, microseconds(calibrate, range(2000)))
    least = {name: min(each[name] for each in times) for name in times[0]}
    figures = {CALIBRATION: figure("microseconds", idle, idle)}
    for name, seconds in least.items():
        shown, share = (name, 1) if name == _ONE_CHANGE else (f"{name}, for each document", count)
        figures[shown] = figure("microseconds", seconds / share * 1e6, idle)
    whole, paused = least["documents read and compiled"], least["documents read and compiled, the collector paused"]
    note = f"{count:,} distinct documents read and compiled: {whole:.2f} s, with the collector paused {paused:.2f} s"
    return Result(figures, (note,))
