"""One process of callers: `python -m tests.load.caller NUMBER THREADS CHANGERS CONFIG`; ends when its input does.

Prints one JSON object: how many calls were made, which ended otherwise than predicted, and what else went wrong.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.load.world import HERE, THERE, Model, declared, guests_grant, key_arn, role

_PROFILES = {
    role("app"): f"kmssim-{HERE}-app",
    role("admin"): f"kmssim-{HERE}-admin",
    role("reader"): f"kmssim-{HERE}-reader",
    role("guest"): f"kmssim-{HERE}-guest",
    role("far", THERE): f"kmssim-{THERE}-far",
}
_TENANTS = ({"tenant": "a"}, {"tenant": "b"}, {})
_MOST_SHOWN = 10


class Tally:
    """What the threads of this process saw."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls = 0
        self.denied = 0
        self.wrong: list[str] = []
        self.broken: list[str] = []

    def count(self, call: str, expected: object, seen: object) -> None:
        with self.lock:
            self.calls += 1
            self.denied += seen is not None
            if expected != seen:
                self.wrong.append(f"{call}: expected {expected}, saw {seen}")

    def break_off(self, call: str, error: Exception) -> None:
        with self.lock:
            self.broken.append(f"{call}: {type(error).__name__}: {error}")


class Caller:
    """A thread's own view: its model of the world, and the process's clients."""

    def __init__(self, clients: dict[str, Any], tally: Tally, changers: int, seed: int) -> None:
        self.clients = clients
        self.tally = tally
        self.model = Model(declared(changers))
        self.random = random.Random(seed)  # noqa: S311 - no secret

    def call(
        self, arn: str, operation: str, made_with: tuple[int, dict[str, str]] | None = None, **parameters: Any
    ) -> dict[str, Any] | None:
        """Make the call and hold its end against the prediction; the answer, None when it was refused."""
        named = {name: value for name, value in parameters.items() if not isinstance(value, bytes)}
        expected = self.model.expect(arn, operation, named, made_with)
        shown = f"{arn} {operation} {named}"
        answer, seen = None, None
        try:
            answer = getattr(self.clients[arn], xform_name(operation))(**parameters)
        except ClientError as error:
            seen = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        except BotoCoreError as error:
            self.tally.break_off(shown, error)
            return None
        self.tally.count(shown, expected, seen)
        return answer


def use_the_shared_key(caller: Caller) -> None:
    """A round of calls that change nothing."""
    context = caller.random.choice(_TENANTS)
    text = caller.random.randbytes(24)
    made = caller.call(role("app"), "Encrypt", KeyId=key_arn(0), Plaintext=text, EncryptionContext=context)
    blob = made["CiphertextBlob"] if made else b""
    claimed = caller.random.choice(_TENANTS)
    for who in (role("app"), role("reader"), role("far", THERE)):
        read = caller.call(who, "Decrypt", (0, context), CiphertextBlob=blob, EncryptionContext=claimed)
        if read is not None and read["Plaintext"] != text:
            caller.tally.break_off(f"{who} Decrypt", ValueError("another plaintext than was encrypted"))
    caller.call(role("admin"), "DescribeKey", KeyId=key_arn(0))
    caller.call(role("app"), "ListGrants", KeyId=key_arn(0))
    caller.call(role("far", THERE), "DescribeKey", KeyId=key_arn(0))
    caller.call(role("reader"), "ScheduleKeyDeletion", KeyId=key_arn(0), PendingWindowInDays=7)


def change_the_own_key(caller: Caller, number: int) -> None:
    """A round on a key that nobody else touches: a grant comes and goes, the key is disabled and enabled."""
    own, admin, guest = key_arn(number), role("admin"), role("guest")
    blob = (caller.call(admin, "Encrypt", KeyId=own, Plaintext=b"own") or {}).get("CiphertextBlob", b"")
    caller.call(guest, "Decrypt", (number, {}), CiphertextBlob=blob)
    grantee = f"arn:aws:iam::{HERE}:role/guest"
    made = caller.call(admin, "CreateGrant", KeyId=own, GranteePrincipal=grantee, Operations=["Decrypt"])
    if made is None:
        return
    caller.model.change(number, grants=(guests_grant(made["GrantId"]),))
    caller.call(guest, "Decrypt", (number, {}), CiphertextBlob=blob)
    if caller.call(admin, "DisableKey", KeyId=own) is not None:
        caller.model.change(number, state="Disabled")
    caller.call(admin, "Encrypt", KeyId=own, Plaintext=b"own")
    caller.call(guest, "Decrypt", (number, {}), CiphertextBlob=blob)
    if caller.call(admin, "EnableKey", KeyId=own) is not None:
        caller.model.change(number, state="Enabled")
    if caller.call(admin, "RevokeGrant", KeyId=own, GrantId=made["GrantId"]) is not None:
        caller.model.change(number, grants=())
    caller.call(guest, "Decrypt", (number, {}), CiphertextBlob=blob)


def _work(round_of_calls: Callable[[], None], stopped: threading.Event) -> None:
    while not stopped.is_set():
        round_of_calls()


def _clients(config: str, threads: int) -> dict[str, Any]:
    """A client for each principal, from its profile alone."""
    made = {}
    for arn, profile in _PROFILES.items():
        session = botocore.session.Session(profile=profile)
        session.set_config_variable("config_file", config)
        settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=threads)
        made[arn] = session.create_client("kms", config=settings)
    return made


def main(number: int, threads: int, changers: int, config: str) -> None:
    """Process `number`, from 1: its first thread changes the key of that number, the others use the shared one."""
    tally, stopped = Tally(), threading.Event()
    clients = _clients(config, threads)
    callers = [Caller(clients, tally, changers, number * 1000 + thread) for thread in range(threads)]
    rounds = [lambda: change_the_own_key(callers[0], number)]
    rounds += [lambda caller=caller: use_the_shared_key(caller) for caller in callers[1:]]
    workers = [threading.Thread(target=_work, args=(each, stopped), daemon=True) for each in rounds]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    stopped.set()
    for worker in workers:
        worker.join()
    print(  # noqa: T201 - the result
        json.dumps(
            {
                "calls": tally.calls,
                "refused": tally.denied,
                "wrong": len(tally.wrong),
                "broken": len(tally.broken),
                "shown": [*tally.wrong, *tally.broken][:_MOST_SHOWN],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
