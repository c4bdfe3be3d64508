"""A proposal made in a sandbox: real API calls, each by somebody whom the sandbox allows it.

Only what an account can do through an API that the sandbox serves is done here; of the rest the proposal has the
command. Nothing is written before it is known who makes every part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kmssim.access import Answers, Question, callers_of
from kmssim.advise.commands import grant_document, policy_after
from kmssim.advise.lens import get
from kmssim.advise.proposal import Add, CallAgain, Change, Edit, Give, Proposal, Remove, Revoke, SetState
from kmssim.errors import InputError
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Key

if TYPE_CHECKING:
    from kmssim.sandbox.sandbox import Sandbox

_Step = Callable[[], object]


def apply(proposal: Proposal, sandbox: Sandbox) -> None:
    """Make the proposal's changes in an open sandbox. What only the caller can change, its call, is left to it.

    Raises:
        InputError: a part of it has no API that the sandbox serves, or nobody there may make it; nothing is changed.

    """
    edits = [edit for edit in proposal.edits if not isinstance(edit, CallAgain)]
    for step in [_step(edit, proposal, sandbox) for edit in edits]:
        step()


def _step(edit: Edit, proposal: Proposal, sandbox: Sandbox) -> _Step:
    match edit:
        case Give():
            return _giving(edit, sandbox)
        case Revoke():
            client = _kms(sandbox, edit.key, "kms:RevokeGrant")
            return lambda: client.revoke_grant(KeyId=edit.key, GrantId=edit.grant.id)
        case SetState():
            client = _kms(sandbox, edit.key, f"kms:{edit.operation}")
            operation = client.enable_key if edit.operation == "EnableKey" else client.cancel_key_deletion
            return lambda: operation(KeyId=edit.key)
        case Add() | Change() | Remove():
            return _putting(edit, proposal, sandbox)
    raise _by_hand("the call is the caller's own")


def _giving(edit: Give, sandbox: Sandbox) -> _Step:
    client = _kms(sandbox, edit.key, "kms:CreateGrant")
    old = edit.instead_of
    revoking = None if old is None else _kms(sandbox, edit.key, "kms:RevokeGrant")

    def step() -> None:
        client.create_grant(KeyId=edit.key, **grant_document(edit.grant))
        if revoking is not None and old is not None:
            revoking.revoke_grant(KeyId=edit.key, GrantId=old.id)

    return step


def _putting(edit: Add | Change | Remove, proposal: Proposal, sandbox: Sandbox) -> _Step:
    home, text = edit.home, json.dumps(policy_after(edit, proposal))
    if home.kind is PolicyKind.KEY_POLICY and home.path[-1] == "policy":
        key: Key = get(proposal.world, home.path[:-1])
        client = _kms(sandbox, key.arn, "kms:PutKeyPolicy")
        return lambda: client.put_key_policy(KeyId=key.arn, Policy=text)
    if home.kind is not PolicyKind.IDENTITY or not home.name:
        raise _by_hand(f"{home.where} is changed by no API that the sandbox serves")
    holder, name = str(home.path[2]).removesuffix("s"), str(home.path[3])
    if get(sandbox.world, home.path[:4]) is None:
        raise _by_hand(f"the sandbox has no {holder} {name}")
    iam = sandbox.client("iam", as_=f"arn:aws:iam::{home.path[1]}:root")
    put = getattr(iam, f"put_{holder}_policy")
    return lambda: put(**{f"{holder.capitalize()}Name": name}, PolicyName=home.name, PolicyDocument=text)


def _kms(sandbox: Sandbox, arn: str, action: str) -> Any:  # noqa: ANN401 - a boto3 client
    """A client of the first who may do this to the key: those of its own account before others."""
    world = sandbox.world
    key = world.keys_by_arn.get(arn)
    if key is None:
        raise _by_hand(f"the sandbox has no key {arn}")
    answers = Answers(world)

    def may(caller: Principal) -> bool:
        return bool(caller.account in world.accounts and answers.allows(Question(caller, action, arn)))

    callers = sorted(callers_of(world), key=lambda caller: caller.account != key.account)
    found = next((caller for caller in callers if may(caller)), None)
    if found is None:
        raise _by_hand(f"nobody in this world may {action} on {arn}")
    return sandbox.client("kms", as_=found, region=key.region)


def _by_hand(why: str) -> InputError:
    return InputError(
        f"the proposal cannot be applied: {why}", hint="choose another, or change the world that is served"
    )
