"""Hops by which a user or role gets more through IAM: policies, groups, the boundary, tags (PE-7, PE-10).

Who takes them does so for itself, or for somebody else of its account whom it goes on as: that is `arming`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.request import Principal, PrincipalKind
from kmssim.evaluator.statements import Effect
from kmssim.evaluator.world import Group, Role, User
from kmssim.reach.changes import everything, with_holder, with_member
from kmssim.reach.iam import NOTHING, ask_iam, is_declared, might
from kmssim.reach.paths import Check, Hop
from kmssim.reach.roles import Roles
from kmssim.reach.situation import Situation, Step

_POLICIES = {
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
_JOIN = "iam:AddUserToGroup"
_ATTACHED = "arn:aws:iam::aws:policy/AdministratorAccess"
EDITING = (
    *(action for actions in _POLICIES.values() for action in actions),
    *_VERSIONS,
    *_GROUPS,
    *_BOUNDARY.values(),
    *_TAGGING.values(),
    _JOIN,
)
"""The actions by which a user or role is edited."""
_FOR_ANOTHER = {
    "edit_policy": "arm",
    "join_group": "add_to_group",
    "drop_boundary": "free_of_boundary",
    "tag_self": "tag_other",
}
"""What a hop is called that is taken for somebody else."""


def edit(at: Situation, roles: Roles) -> Iterator[Step]:
    """Every way to have more by an edit of one's own user or role."""
    return edits_of(at, at.principal, roles)


def edits_of(at: Situation, whom: Principal, roles: Roles, *, policies: bool = True) -> Iterator[Step]:
    """Every way in which the caller gives `whom`, itself or somebody else of its account, more; it stays who it is.

    `policies`: also by policies. Service-linked roles cannot be edited.
    """
    holder = find_caller(at.world, whom)
    if not is_declared(at.world, whom) or holder.service_linked:
        return
    if policies and not has_everything(holder):
        yield from _edit_policy(at, holder)
        yield from _join_groups(at, holder)
    if holder.boundary is not None:
        yield from _drop_boundary(at, holder)
    yield from _tag(at, holder, roles)


def has_everything(holder: Caller) -> bool:
    """Whether its policies allow everything already, so that no further one helps."""
    return any(
        statement.effect is Effect.ALLOW
        and not statement.conditions
        and statement.action is not None
        and statement.action.is_anything
        and statement.resource is not None
        and statement.resource.is_anything
        for policy in holder.policies
        for statement in policy.statements
    )


def may_have_everything(at: Situation) -> bool:
    """Whether the caller's policies allow everything, or it can see to that. A root user can assume no role (DA-34)."""
    if has_everything(at.caller):
        return True
    return is_declared(at.world, at.principal) and any(check.allowed for check in _checks_of_edits(at, at.caller))


def _hop(
    at: Situation, holder: Caller, code: str, check: Check, target: str, told: tuple[tuple[str, str], ...] = ()
) -> Hop:
    if holder.principal == at.principal:
        return Hop(code, at.principal, target, (check,), at.principal, told)
    whom = ("whom", holder.issuer_arn.split(":", 5)[-1])
    return Hop(_FOR_ANOTHER[code], at.principal, holder.issuer_arn, (check,), at.principal, (whom, *told))


def _edit_policy(at: Situation, holder: Caller) -> Iterator[Step]:
    """PE-7: write a policy that allows everything. One way to do so is told, the others beside it."""
    allowed = [check for check in _checks_of_edits(at, holder) if check.allowed]
    if not allowed:
        return
    world = with_holder(
        at.world, holder.principal, lambda found: replace(found, policies=(*found.policies, everything()))
    )
    others = tuple(dict.fromkeys(check.action for check in allowed[1:] if check.action != allowed[0].action))
    told = (("also by", ", ".join(others)),) if others else ()
    hop = _hop(at, holder, "edit_policy", allowed[0], allowed[0].resource, told)
    yield Step((hop,), at.in_world(world, f"policy of {holder.issuer_arn}"))


def _checks_of_edits(at: Situation, holder: Caller) -> Iterator[Check]:
    direct = _POLICIES[holder.kind]
    if might(at.caller, direct):
        for action in direct:
            stated = {"iam:policyarn": _ATTACHED} if "Attach" in action else NOTHING
            yield ask_iam(at.world, at.principal, action, holder.issuer_arn, stated, at.authority)
    if might(at.caller, _GROUPS):
        for group in _groups_of(at, holder):
            for action in _GROUPS:
                yield ask_iam(at.world, at.principal, action, _arn_of(at, f"group/{group}"), NOTHING, at.authority)
    if might(at.caller, _VERSIONS):
        for name in dict.fromkeys(policy.source.rpartition(".")[2] for policy in holder.policies):
            yield ask_iam(at.world, at.principal, _VERSIONS[0], _arn_of(at, f"policy/{name}"), NOTHING, at.authority)


def _arn_of(at: Situation, resource: str) -> str:
    return f"arn:{at.principal.arn.split(':')[1]}:iam::{at.principal.account}:{resource}"


def _groups_of(at: Situation, holder: Caller) -> tuple[str, ...]:
    user = at.world.accounts[holder.account].users.get(holder.principal.name)
    return user.groups if user is not None and holder.kind is PrincipalKind.USER else ()


def _join_groups(at: Situation, holder: Caller) -> Iterator[Step]:
    """PE-7: make a user a member of a group that has policies."""
    if holder.kind is not PrincipalKind.USER or not might(at.caller, (_JOIN,)):
        return
    groups: tuple[Group, ...] = tuple(at.world.accounts[holder.account].groups.values())
    for group in groups:
        if group.name in _groups_of(at, holder) or not group.policies:
            continue
        check = ask_iam(at.world, at.principal, _JOIN, _arn_of(at, f"group/{group.name}"), NOTHING, at.authority)
        if check.allowed:
            hop = _hop(at, holder, "join_group", check, check.resource, (("group", group.name),))
            world = with_member(at.world, holder.principal, group)
            yield Step((hop,), at.in_world(world, f"{holder.principal.arn} in {group.name}"))


def _drop_boundary(at: Situation, holder: Caller) -> Iterator[Step]:
    action, arn = _BOUNDARY[holder.kind], holder.issuer_arn
    if not might(at.caller, (action,)):
        return
    check = ask_iam(at.world, at.principal, action, arn, NOTHING, at.authority)
    if check.allowed:
        world = with_holder(at.world, holder.principal, lambda found: replace(found, boundary=None))
        hop = _hop(at, holder, "drop_boundary", check, arn)
        yield Step((hop,), at.in_world(world, f"no boundary of {arn}"))


def _tag(at: Situation, holder: Caller, roles: Roles) -> Iterator[Step]:
    """PE-10: tag a user or a role as some policy asks for."""
    action, arn = _TAGGING[holder.kind], holder.issuer_arn
    if not roles.tags or not might(at.caller, (action,)):
        return
    for tags in roles.tags:
        if all(holder.tags.get(name) == value for name, value in tags.items()):
            continue
        stated: dict[str, str | tuple[str, ...]] = {f"aws:requesttag/{k.lower()}": v for k, v in tags.items()}
        stated["aws:tagkeys"] = tuple(tags)
        check = ask_iam(at.world, at.principal, action, arn, stated, at.authority)
        if check.allowed:
            told = tuple((f"tag {name}", value) for name, value in tags.items())
            hop = _hop(at, holder, "tag_self", check, arn, told)
            yield Step((hop,), _tagged(at, holder, tags))


def _tagged(at: Situation, holder: Caller, tags: dict[str, str]) -> Situation:
    def change(found: User | Role) -> User | Role:
        return replace(found, tags={**found.tags, **tags})

    return at.in_world(
        with_holder(at.world, holder.principal, change), f"tags of {holder.issuer_arn}: {sorted(tags.items())}"
    )
