"""Hops by which somebody gives itself more through IAM: policies, groups, the boundary, tags (PE-7, PE-10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.evaluator.request import PrincipalKind
from kmssim.evaluator.statements import Effect
from kmssim.evaluator.world import Group, Role, User
from kmssim.reach.changes import everything, with_holder, with_member
from kmssim.reach.iam import NOTHING, ask_iam, is_declared, might
from kmssim.reach.paths import Check, Hop
from kmssim.reach.roles import Roles
from kmssim.reach.situation import Situation, Step

_OWN = {
    PrincipalKind.USER: ("iam:PutUserPolicy", "iam:AttachUserPolicy"),
    PrincipalKind.ROLE_SESSION: ("iam:PutRolePolicy", "iam:AttachRolePolicy"),
}
_VERSIONS = ("iam:CreatePolicyVersion",)
_GROUPS = ("iam:PutGroupPolicy", "iam:AttachGroupPolicy")
_BOUNDARY = {
    PrincipalKind.USER: "iam:DeleteUserPermissionsBoundary",
    PrincipalKind.ROLE_SESSION: "iam:DeleteRolePermissionsBoundary",
}
_TAGGING = {PrincipalKind.USER: "iam:TagUser", PrincipalKind.ROLE_SESSION: "iam:TagRole"}
_ATTACHED = "arn:aws:iam::aws:policy/AdministratorAccess"


def edit(at: Situation, roles: Roles) -> Iterator[Step]:
    """Every way to have more by an edit of one's own user or role. Service-linked roles cannot be edited."""
    if not is_declared(at.world, at.principal) or at.caller.service_linked:
        return
    if not _has_everything(at):
        yield from _edit_policy(at)
        yield from _join_groups(at)
    if at.caller.boundary is not None:
        yield from _drop_boundary(at)
    yield from _tag(at, roles)


def _has_everything(at: Situation) -> bool:
    """Whether one's policies allow everything already, so that no further one helps."""
    return any(
        statement.effect is Effect.ALLOW
        and not statement.conditions
        and statement.action is not None
        and statement.action.is_anything
        and statement.resource is not None
        and statement.resource.is_anything
        for policy in at.caller.policies
        for statement in policy.statements
    )


def _edit_policy(at: Situation) -> Iterator[Step]:
    """PE-7: write a policy for oneself that allows everything. One way to do so is told, the others beside it."""
    allowed = [check for check in _checks_of_edits(at) if check.allowed]
    if not allowed:
        return
    world = with_holder(
        at.world, at.principal, lambda holder: replace(holder, policies=(*holder.policies, everything()))
    )
    others = tuple(dict.fromkeys(check.action for check in allowed[1:] if check.action != allowed[0].action))
    details = (("also by", ", ".join(others)),) if others else ()
    hop = Hop("edit_policy", at.principal, allowed[0].resource, (allowed[0],), at.principal, details)
    yield Step((hop,), at.in_world(world, f"policy of {at.caller.issuer_arn}"))


def _checks_of_edits(at: Situation) -> Iterator[Check]:
    caller = at.caller
    own = _OWN[caller.kind]
    if might(caller, own):
        stated = {"iam:policyarn": _ATTACHED}
        for action in own:
            yield ask_iam(
                at.world,
                at.principal,
                action,
                caller.issuer_arn,
                stated if "Attach" in action else NOTHING,
                at.authority,
            )
    for group in _groups_of(at):
        if might(caller, _GROUPS):
            for action in _GROUPS:
                yield ask_iam(at.world, at.principal, action, _arn_of(at, f"group/{group}"), NOTHING, at.authority)
    if might(caller, _VERSIONS):
        for name in dict.fromkeys(policy.source.rpartition(".")[2] for policy in caller.policies):
            yield ask_iam(at.world, at.principal, _VERSIONS[0], _arn_of(at, f"policy/{name}"), NOTHING, at.authority)


def _arn_of(at: Situation, resource: str) -> str:
    return f"arn:{at.principal.arn.split(':')[1]}:iam::{at.principal.account}:{resource}"


def _groups_of(at: Situation) -> tuple[str, ...]:
    user = at.world.accounts[at.principal.account].users.get(at.principal.name)
    return user.groups if user is not None and at.caller.kind is PrincipalKind.USER else ()


def _join_groups(at: Situation) -> Iterator[Step]:
    """PE-7: become a member of a group that has policies."""
    action = "iam:AddUserToGroup"
    if at.caller.kind is not PrincipalKind.USER or not might(at.caller, (action,)):
        return
    groups: tuple[Group, ...] = tuple(at.world.accounts[at.principal.account].groups.values())
    for group in groups:
        if group.name in _groups_of(at) or not group.policies:
            continue
        check = ask_iam(at.world, at.principal, action, _arn_of(at, f"group/{group.name}"), NOTHING, at.authority)
        if check.allowed:
            hop = Hop("join_group", at.principal, check.resource, (check,), at.principal)
            world = with_member(at.world, at.principal, group)
            yield Step((hop,), at.in_world(world, f"{at.principal.arn} in {group.name}"))


def _drop_boundary(at: Situation) -> Iterator[Step]:
    action, arn = _BOUNDARY[at.caller.kind], at.caller.issuer_arn
    if not might(at.caller, (action,)):
        return
    check = ask_iam(at.world, at.principal, action, arn, NOTHING, at.authority)
    if check.allowed:
        world = with_holder(at.world, at.principal, lambda holder: replace(holder, boundary=None))
        hop = Hop("drop_boundary", at.principal, arn, (check,), at.principal)
        yield Step((hop,), at.in_world(world, f"no boundary of {arn}"))


def _tag(at: Situation, roles: Roles) -> Iterator[Step]:
    """PE-10: tag one's own user or role as some policy asks for."""
    action, arn = _TAGGING[at.caller.kind], at.caller.issuer_arn
    if not roles.tags or not might(at.caller, (action,)):
        return
    for tags in roles.tags:
        if all(at.caller.tags.get(name) == value for name, value in tags.items()):
            continue
        stated: dict[str, str | tuple[str, ...]] = {f"aws:requesttag/{k.lower()}": v for k, v in tags.items()}
        stated["aws:tagkeys"] = tuple(tags)
        check = ask_iam(at.world, at.principal, action, arn, stated, at.authority)
        if check.allowed:
            told = tuple((f"tag {name}", value) for name, value in tags.items())
            hop = Hop("tag_self", at.principal, arn, (check,), at.principal, told)
            yield Step((hop,), _tagged(at, tags))


def _tagged(at: Situation, tags: dict[str, str]) -> Situation:
    def change(holder: User | Role) -> User | Role:
        return replace(holder, tags={**holder.tags, **tags})

    return at.in_world(
        with_holder(at.world, at.principal, change), f"tags of {at.caller.issuer_arn}: {sorted(tags.items())}"
    )
