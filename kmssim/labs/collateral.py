"""The third wall: the access matrix of an answer differs from that of the shipped exercise only where it may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from kmssim.diff.changes import Change, ChangeKind, Worlds
from kmssim.evaluator.request import Principal, PrincipalKind
from kmssim.evaluator.world import World
from kmssim.labs.outcomes import Outcome, Result
from kmssim.labs.promises import Check, MayChange


def compare_matrices(check: Check, shipped: World, answer: World) -> Result:
    """Ask every caller, action, context and key of both worlds, and keep what differs without permission."""
    comparison = Worlds(shipped, answer).compare(_unwatched)
    changes = tuple(change for change in comparison.changes if _counts(change) and not _may(change, check.may_change))
    if not changes:
        return Result(check, Outcome.PASSED)
    parts = [
        f"{verb} {_requests(sum(change.kind is kind for change in changes))} that {was} before"
        for kind, verb, was in (
            (ChangeKind.GAINED, "lets in", "were refused"),
            (ChangeKind.LOST, "shuts out", "were allowed"),
        )
        if any(change.kind is kind for change in changes)
    ]
    return Result(check, Outcome.FAILED, f"the change {' and '.join(parts)}", changes=changes)


def _unwatched(steps: int = 1) -> None:
    """Nobody watches the progress of so small a comparison."""


def _counts(change: Change) -> bool:
    return change.kind in {ChangeKind.GAINED, ChangeKind.LOST}


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


def _may(change: Change, permitted: tuple[MayChange, ...]) -> bool:
    return any(_covers(each, change) for each in permitted)


def _covers(permitted: MayChange, change: Change) -> bool:
    key = change.pair.key
    return (
        permitted.change in {"any", change.kind.value}
        and any(fnmatchcase(name, permitted.principal) for name in names_of(change.principal))
        and fnmatchcase(change.action.lower(), permitted.action.lower())
        and any(fnmatchcase(name, permitted.key) for name in (key.label, *key.aliases, key.id, key.arn))
        and _fits(permitted.context, dict(change.circumstances.encryption_context or ()))
        and (permitted.via is None or fnmatchcase(change.circumstances.via or "", permitted.via))
    )


def _fits(wanted: Mapping[str, str] | None, found: Mapping[str, str]) -> bool:
    if wanted is None:
        return True
    return set(wanted) == set(found) and all(fnmatchcase(found[name], glob) for name, glob in wanted.items())


_KINDS = {
    PrincipalKind.ROLE_SESSION: "role",
    PrincipalKind.USER: "user",
    PrincipalKind.FEDERATED_USER: "federated-user",
    PrincipalKind.ROOT: "root",
    PrincipalKind.SERVICE: "service",
}


def names_of(principal: Principal) -> Iterator[str]:
    """What a task may call a caller: its ARN; a role's own ARN; `role/name` with or without account; its bare name."""
    yield principal.arn
    kind = _KINDS[principal.kind]
    if kind == "role":
        yield f"arn:{principal.arn.split(':')[1]}:iam::{principal.account}:role/{principal.name}"
    short = short_name(principal)
    yield from (short, f"{principal.account}:{short}", principal.name or kind)


def short_name(principal: Principal) -> str:
    """A caller as a line has room for it: `role/tenant-a`, `root of 111122223333`."""
    kind = _KINDS[principal.kind]
    return f"{kind}/{principal.name}" if principal.name else f"{kind} of {principal.account}"
