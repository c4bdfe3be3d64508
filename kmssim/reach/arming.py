"""Hops by which somebody first gives another user or role more, and then goes on as that one (PE-7, PE-10).

Each edit is tried on a copy of the world, and everything after it is decided there. An edit that is no news is left
out: whoever can have everything itself gains nothing by a policy for somebody else whom no policy tells apart from it,
and a root user, who can assume no role (DA-34), gains nothing by a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.request import Principal, PrincipalKind
from kmssim.evaluator.statements import Effect
from kmssim.reach.becoming import become_role, become_user
from kmssim.reach.edits import EDITING, edits_of, may_have_everything
from kmssim.reach.iam import might
from kmssim.reach.roles import Roles
from kmssim.reach.situation import Situation, Step

ANEW = "make_role_anew"
_IN_TURN = ("free_of_boundary", "tag_other", "add_to_group", "arm")
"""Of several edits of one user or role the earlier come first; by the last two it has policies, once is enough."""


def arm_and_become(at: Situation, roles: Roles, steps: tuple[Step, ...], most: int) -> Iterator[Step]:
    """Every way to edit one whom one can become, and to go on as that one, in no more than `most` hops.

    `steps` are the ways to become somebody.
    """
    if most < 2 or not might(at.caller, EDITING):  # noqa: PLR2004 - an edit and a hop as that one
        return
    needs_none = _needs_no_other(at, roles)
    whom = {step.then.caller.issuer_arn: step.then.principal for step in steps if _is_other(at, step.then.principal)}
    for principal in whom.values():
        for edited in _edits(at, principal, roles, needs_none=needs_none, most=most - 1):
            for then in _become(edited.then, principal, roles):
                yield Step((*edited.hops, *then.hops), then.then)
                needs_none |= at.caller.is_root and _stands_for_others(find_caller(at.world, principal), roles)
    for step in steps:
        if step.hops[0].code == ANEW:
            yield from _arm_anew(at, step, roles)


def arm_held(at: Situation, held: Principal, roles: Roles, most: int) -> Iterator[Step]:
    """Every way to edit one whose session one still has, by `most` edits, and to go on with that session."""
    if _is_other(at, held) and might(at.caller, EDITING):
        for edited in _edits(at, held, roles, needs_none=_needs_no_other(at, roles), most=most):
            hops = tuple(replace(hop, then=held) for hop in edited.hops)
            yield Step(hops, edited.then.goes_on_as(held))


def _is_other(at: Situation, principal: Principal) -> bool:
    """Whether it is another user or role of the caller's account: IAM edits nobody else's."""
    if principal.account != at.principal.account:
        return False
    return find_caller(at.world, principal).issuer_arn != at.caller.issuer_arn


def _edits(
    at: Situation, whom: Principal, roles: Roles, *, needs_none: bool, most: int, after: int = -1
) -> Iterator[Step]:
    """One edit of somebody else, or several in turn: its boundary goes, it gets tags, it gets policies."""
    if most < 1:
        return
    news = not needs_none or roles.is_singled_out(find_caller(at.world, whom))
    for step in edits_of(at, whom, roles, policies=news):
        turn = _IN_TURN.index(step.hops[0].code)
        if turn <= after:
            continue
        yield step
        if step.hops[0].code not in _IN_TURN[2:]:
            for more in _edits(step.then, whom, roles, needs_none=needs_none, most=most - 1, after=turn):
                yield Step((*step.hops, *more.hops), more.then)


def _needs_no_other(at: Situation, roles: Roles) -> bool:
    """Whether the caller can have by itself what any other of its account could have by a policy."""
    return _stands_for_others(at.caller, roles) and may_have_everything(at)


def _stands_for_others(caller: Caller, roles: Roles) -> bool:
    """Whether this one, given everything, can do what any other of its account can that no policy tells apart."""
    held_back = (
        caller.boundary is not None
        or bool(caller.principal.session.policies)
        or any(one.effect is Effect.DENY for policy in caller.policies for one in policy.statements)
    )
    return not held_back and not roles.is_singled_out(caller)


def _become(at: Situation, whom: Principal, roles: Roles) -> Iterator[Step]:
    """The ways to become this one in a world where it has more already."""
    account = at.world.accounts[whom.account]
    if whom.kind is PrincipalKind.USER:
        yield from become_user(at, account.users[whom.name])
    else:
        steps = become_role(at, account.id, account.roles[whom.name], roles, most=2)
        yield from (step for step in steps if step.hops[0].code != ANEW)


def _arm_anew(at: Situation, step: Step, roles: Roles) -> Iterator[Step]:
    """PE-8 and PE-7: the role made anew has no policies until it is given some."""
    made = step.then.goes_on_as(at.principal)
    for edited in edits_of(made, step.then.principal, roles):
        hops = (*step.hops[:-1], *edited.hops, step.hops[-1])
        yield Step(hops, edited.then.goes_on_as(step.then.principal))
