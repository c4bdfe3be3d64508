"""An edit applied to a copy of the world, or to the call; and edits joined where one document can hold both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import assert_never

from kmssim.advise.lens import Gone, Path, get, put
from kmssim.advise.proposal import Add, CallAgain, Change, Document, Edit, Give, Home, Kind, Remove, Revoke, SetState
from kmssim.errors import PolicyError
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.policy import Policy, parse_policy
from kmssim.evaluator.request import Call, Principal, PrincipalKind
from kmssim.evaluator.statements import Statement
from kmssim.evaluator.world import Account, Grant, Role, User, World

_INNER: tuple[Path, ...] = (
    *(("network", name) for name in ("source_ip", "vpc_endpoint", "secure_transport")),
    *(("principal", "session", name) for name in ("tags", "mfa", "source_identity")),
)
"""What a correction may change inside a member of the call."""


class InapplicableError(Exception):
    """The edit does not fit what is there: a statement that is no longer as it was, a policy that AWS would refuse."""


def apply_edits(edits: Iterable[Edit], world: World, call: Call) -> tuple[World, Call]:
    """The world and the call after the edits, in their order.

    Raises:
        InapplicableError: one of them does not fit.

    """
    for edit in edits:
        world, call = _apply(edit, world, call)
    return world, call


def _apply(edit: Edit, world: World, call: Call) -> tuple[World, Call]:
    match edit:
        case CallAgain():
            for path, value in edit.members:
                call = put(call, path, value)
            return world, call
        case Give() | Revoke():
            return _with_grants(edit, world), call
        case SetState():
            if edit.key not in world.keys_by_arn or world.keys_by_arn[edit.key].state != edit.before:
                raise InapplicableError
            return _put_in_key(world, edit.key, "state", edit.state), call
        case Add() | Change() | Remove():
            world = _declaring(world, edit.home.declares) if isinstance(edit, Add) else world
            before = get(call if edit.home.in_call else world, edit.home.path)
            after = _edited(edit, before)
            if edit.home.in_call:
                return world, put(call, edit.home.path, after)
            return put(world, edit.home.path, after), call
    assert_never(edit)


def statements_of(document: Document) -> list[object]:
    """The statements of a policy document, of which one may stand without a list."""
    found = document.get("Statement", [])
    return list(found) if isinstance(found, list) else [found]


def statement_at(policy: Policy, statement: Statement) -> Document | None:
    """A statement as its policy's document has it."""
    listed = statements_of(policy.document)
    at = int(statement.path[len("Statement[") : -1]) if statement.path.endswith("]") else 0
    found = listed[at]
    return found if isinstance(found, dict) else None


def _edited(edit: Add | Change | Remove, policy: Policy | None) -> Policy:
    """The policy after the edit. One without statements stays where it is: the places of the others do not move."""
    document: Document = policy.document if policy else {"Version": "2012-10-17"}
    listed = statements_of(document)
    if isinstance(edit, Add):
        listed.append(edit.statement)
    else:
        if edit.before not in listed:
            raise InapplicableError
        at = listed.index(edit.before)
        listed[at : at + 1] = [edit.after] if isinstance(edit, Change) else []
    return parsed({**document, "Statement": listed}, edit.home, policy)


def parsed(document: Document, home: Home, before: Policy | None = None) -> Policy:
    """A document as the policy at `home`; raises InapplicableError where AWS would refuse it."""
    try:
        return parse_policy(document, home.kind, before.source if before else home.where)
    except PolicyError as refused:
        raise InapplicableError from refused


def _declaring(world: World, principal: Principal | None) -> World:
    """The world with the account and the user or role behind a caller that it does not declare."""
    if principal is None:
        return world
    caller = find_caller(world, principal)
    account = world.accounts.get(principal.account) or Account(principal.account)
    if principal.kind is PrincipalKind.ROLE_SESSION:
        roles = {**account.roles, principal.name: Role(caller.issuer_arn, principal.name)}
        account = replace(account, roles=roles if principal.name not in account.roles else account.roles)
    elif principal.kind is PrincipalKind.USER and principal.name not in account.users:
        account = replace(account, users={**account.users, principal.name: User(caller.issuer_arn, principal.name)})
    return put(world, ("accounts", principal.account), account)  # type: ignore[no-any-return]


def _with_grants(edit: Give | Revoke, world: World) -> World:
    key = world.keys_by_arn.get(edit.key)
    gone = edit.grant if isinstance(edit, Revoke) else edit.instead_of
    if key is None or (gone is not None and gone not in key.grants):
        raise InapplicableError
    grants = tuple(grant for grant in key.grants if grant != gone)
    return _put_in_key(world, edit.key, "grants", grants if isinstance(edit, Revoke) else (*grants, edit.grant))


def _put_in_key(world: World, arn: str, member: str, value: object) -> World:
    key = world.keys_by_arn.get(arn)
    if key is None:
        raise InapplicableError
    index = next(at for at, other in enumerate(world.accounts[key.account].keys) if other.arn == arn)
    return put(world, ("accounts", key.account, "keys", index, member), value)  # type: ignore[no-any-return]


def call_again(before: Call, after: Call) -> CallAgain:
    """The edit that makes one call out of another of the same operation."""
    members: list[tuple[Path, object]] = [
        ((name,), getattr(after, name))
        for name in ("region", "ciphertext", "grant_tokens", "via")
        if getattr(before, name) != getattr(after, name)
    ]
    for name in ("parameters", "context"):
        old, new = getattr(before, name), getattr(after, name)
        changed = [each for each in {**old, **new} if old.get(each) != new.get(each)]
        members += [((name, each), new.get(each, Gone.GONE)) for each in changed]
    for path in _INNER:
        if get(before, path) != get(after, path):
            members.append((path, get(after, path)))
    return CallAgain(Kind.CORRECTED_CALL, tuple(members))


def with_edit(edits: tuple[Edit, ...], new: Edit) -> tuple[Edit, ...]:
    """The edits and one more; what one statement, grant or call can say is said once."""
    for at, old in enumerate(edits):
        joined = _joined(old, new)
        if joined is not None:
            return (*edits[:at], joined, *edits[at + 1 :])
    return (*edits, new)


def _joined(old: Edit, new: Edit) -> Edit | None:
    match old, new:
        case CallAgain(), CallAgain():
            return replace(new, members=tuple({**dict(old.members), **dict(new.members)}.items()))
        case Change(), Change() if old.home == new.home and old.after == new.before:
            what = ", ".join(filter(None, (old.what, new.what)))
            return replace(new, before=old.before, what=what)
        case Add(), Add() if old.home == new.home and _without(old.statement) == _without(new.statement):
            return replace(old, statement={**old.statement, "Action": _both(old.statement, new.statement)})
        case Give(), Give() if old.key == new.key and old.instead_of is None and _alike(old.grant, new.grant):
            operations = tuple(dict.fromkeys((*old.grant.operations, *new.grant.operations)))
            return replace(old, grant=identified(replace(old.grant, operations=operations)))
    return None


def lessened(edit: Edit) -> Iterator[Edit]:
    """A joined statement or grant with one of its actions less."""
    if isinstance(edit, Add) and len(actions := as_list(edit.statement["Action"])) > 1:
        for gone in actions:
            rest = [action for action in actions if action != gone]
            kept: object = rest if len(rest) > 1 else rest[0]
            yield replace(edit, statement={**edit.statement, "Action": kept})
    if isinstance(edit, Give) and edit.instead_of is None and "CreateGrant" not in edit.grant.operations:
        names = edit.grant.operations
        for gone in names if len(names) > 1 else ():
            rest = [name for name in names if name != gone]
            yield replace(edit, grant=identified(replace(edit.grant, operations=tuple(rest))))


def _without(statement: Document) -> Mapping[str, object]:
    return {name: value for name, value in statement.items() if name != "Action"}


def _both(one: Document, other: Document) -> list[str]:
    listed = [action for each in (one, other) for action in as_list(each["Action"])]
    return list(dict.fromkeys(listed))


def as_list(value: object) -> list[str]:
    """A string or a list of strings, as a list."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _alike(one: Grant, other: Grant) -> bool:
    return replace(one, id="", operations=()) == replace(other, id="", operations=())


def identified(grant: Grant) -> Grant:
    """The grant under an id that follows from what it says: 64 hexadecimal digits, as KMS makes them."""
    said = json.dumps([repr(replace(grant, id=""))])
    return replace(grant, id=sha256(said.encode()).hexdigest())
