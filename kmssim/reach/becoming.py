"""Hops by which somebody becomes somebody else: roles assumed, passed, opened or made anew; credentials of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmssim.access import ANY_SESSION
from kmssim.evaluator.assume import ASSUME, TRUST_POLICY, Assumption, assume
from kmssim.evaluator.decision import PermissionTrace
from kmssim.evaluator.request import Call, parse_principal, service_principal
from kmssim.evaluator.world import Role, User
from kmssim.reach.changes import MADE, trust_in, with_new_role_of_that_name, with_role
from kmssim.reach.direct import words_of
from kmssim.reach.iam import NOTHING, ask_iam, is_declared, might
from kmssim.reach.paths import Check, Hop
from kmssim.reach.roles import Owned, Roles, may_run_as
from kmssim.reach.situation import Situation, Step, wanted_pairs

_COMPUTE: Mapping[str, tuple[str, ...]] = {
    "lambda.amazonaws.com": ("lambda:CreateFunction", "lambda:InvokeFunction"),
    "ec2.amazonaws.com": ("ec2:RunInstances",),
    "ecs-tasks.amazonaws.com": ("ecs:RegisterTaskDefinition", "ecs:RunTask"),
    "glue.amazonaws.com": ("glue:CreateJob", "glue:StartJobRun"),
    "codebuild.amazonaws.com": ("codebuild:CreateProject", "codebuild:StartBuild"),
    "cloudformation.amazonaws.com": ("cloudformation:CreateStack",),
    "sagemaker.amazonaws.com": ("sagemaker:CreateNotebookInstance",),
}
"""Services that run code as a role which is passed to them, and the actions that start it (PE-6)."""
_KINDS = {"lambda": "function", "ec2": "instance", "ecs": "task-definition", "glue": "job", "codebuild": "project"}
_CREDENTIALS = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile")
_OF_ROLES = ("iam:PassRole", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole")
_UNMAKE = ("iam:DeleteRolePolicy", "iam:DetachRolePolicy")
_WITH_A_CHANGE = 2
"""How many hops it takes to change something and then to become somebody."""


def become(at: Situation, roles: Roles, most: int) -> Iterator[Step]:
    """Every way to go on as somebody else by at most so many hops."""
    candidates = dict(_candidates(at, roles))
    for account, role in candidates.values():
        yield from become_role(at, account, role, roles, most)
    yield from _take_credentials(at)


def _candidates(at: Situation, roles: Roles) -> Iterator[tuple[str, Owned]]:
    """The roles that it is worth asking for, by their ARNs: they may trust the caller, or it may act on them."""
    found = [*roles.trusting(at.caller, by_iam=might(at.caller, (ASSUME,)))]
    found += roles.of(at.principal.account) if might(at.caller, _OF_ROLES) else ()
    for account, role in found:
        yield role.arn, (account, role)


def become_role(at: Situation, account: str, role: Role, roles: Roles, most: int) -> Iterator[Step]:
    """Every way to go on as this role by at most so many hops."""
    if role.arn == at.caller.issuer_arn or role.service_linked:
        return
    now = at.world.accounts[account].roles[role.name]
    assumed = list(_assume(at, account, now, roles))
    yield from assumed
    if account != at.principal.account or not might(at.caller, _OF_ROLES):
        return
    yield from _pass(at, now)
    if most >= _WITH_A_CHANGE:
        yield from _open(at, account, now) if not assumed else ()
        yield from _make_anew(at, account, now, roles)


def _assume(at: Situation, account: str, role: Role, roles: Roles) -> Iterator[Step]:
    """PE-4, PE-5, PE-10: assume it under any name, under each that is trusted, and with tags that are asked for."""
    name = next((value for value in _asked(role, "sts:rolesessionname")), ANY_SESSION)
    named = roles.sessions(account, role)
    for session in dict.fromkeys((name, *named)):
        step = _assume_as(at, role, session, {}, "assume_session" if session in named else "assume_role")
        if step is None:
            continue
        yield step
        for tags in roles.tags if session == name else ():
            tagged = _assume_as(at, role, session, tags, "assume_tagged")
            if tagged is not None:
                yield tagged


def _asked(role: Role, key: str) -> Iterator[str]:
    """What the role's trust policy asks of one condition key."""
    for statement in role.trust.statements if role.trust else ():
        for condition in statement.conditions:
            if condition.key == key and condition.values and "${" not in condition.values[0]:
                yield condition.values[0].replace("*", "any").replace("?", "a")


def _assume_as(
    at: Situation, role: Role, session: str, tags: Mapping[str, str], code: str = "assume_role"
) -> Step | None:
    """By a plain call, or else with all that the trust policy asks for: what an attacker may know or have."""
    for asked in ({}, _everything_asked(role)):
        stated = dict(asked)
        stated |= {f"tag {name}": value for name, value in tags.items()}
        answer = _ask_sts(at, role, session, stated)
        if answer.allowed and answer.principal is not None:
            told = (("session name", session), *stated.items())
            hop = Hop(code, at.principal, role.arn, _checks(answer), answer.principal, told)
            return Step((hop,), at.goes_on_as(answer.principal))
        if not _everything_asked(role):
            return None
    return None


def _everything_asked(role: Role) -> dict[str, str]:
    found = {
        "external id": next(_asked(role, "sts:externalid"), ""),
        "source identity": next(_asked(role, "sts:sourceidentity"), ""),
        "MFA": next(_asked(role, "aws:multifactorauthpresent"), ""),
    }
    found["MFA"] = "yes" if found["MFA"].lower() == "true" else ""
    trusting = [role.trust] if role.trust else []
    tags = {name: value for pairs in wanted_pairs(trusting, "aws:requesttag/", {}) for name, value in pairs.items()}
    return {**{name: value for name, value in found.items() if value}, **{f"tag {k}": v for k, v in tags.items()}}


def _ask_sts(at: Situation, role: Role, session: str, stated: Mapping[str, str]) -> Assumption:
    parameters: dict[str, object] = {"RoleArn": role.arn, "RoleSessionName": session}
    if "external id" in stated:
        parameters["ExternalId"] = stated["external id"]
    if "source identity" in stated:
        parameters["SourceIdentity"] = stated["source identity"]
    if "MFA" in stated:
        parameters |= {"SerialNumber": "arn:aws:iam::000000000000:mfa/device", "TokenCode": "000000"}
    tags = [{"Key": name[4:], "Value": value} for name, value in stated.items() if name.startswith("tag ")]
    if tags:
        parameters["Tags"] = tags
    return assume(at.world, Call(at.principal, ASSUME, at.world.region, parameters), authority=at.authority)


def _checks(answer: Assumption) -> tuple[Check, ...]:
    return tuple(_check(answer, trace) for trace in answer.permissions)


def _check(answer: Assumption, trace: PermissionTrace) -> Check:
    layers = words_of(trace.ruling.layers)
    named = tuple(TRUST_POLICY if layer == "key_policy" else layer for layer in layers)
    caller = answer.call.principal
    return Check(caller, trace.action, trace.resource, trace.ruling.allowed, named, uncertain=answer.uncertain)


def _pass(at: Situation, role: Role) -> Iterator[Step]:
    """PE-6: a service is given the role and runs the caller's code; the role must trust that service."""
    if not might(at.caller, ("iam:PassRole",)):
        return
    for host, actions in _COMPUTE.items():
        if not may_run_as(role, host):
            continue
        passed = ask_iam(at.world, at.principal, "iam:PassRole", role.arn, {"iam:passedtoservice": host}, at.authority)
        if not passed.allowed:
            continue
        starts = [ask_iam(at.world, at.principal, one, _made_by(at, one), NOTHING, at.authority) for one in actions]
        if not all(check.allowed for check in starts):
            continue
        answer = _ask_sts(at.goes_on_as(service_principal(host)), role, ANY_SESSION, {})
        if answer.principal is not None:
            checks = (passed, *starts, *_checks(answer))
            hop = Hop("pass_role", at.principal, role.arn, checks, answer.principal, (("service", host),))
            yield Step((hop,), at.goes_on_as(answer.principal))
            return


def _made_by(at: Situation, action: str) -> str:
    """The ARN of what the caller makes; the name is ours, as it would be the attacker's."""
    service = action.partition(":")[0]
    kind = _KINDS.get(service, "resource")
    separator = ":" if service == "lambda" else "/"
    partition = at.principal.arn.split(":")[1]
    return f"arn:{partition}:{service}:{at.world.region}:{at.principal.account}:{kind}{separator}{MADE}"


def _open(at: Situation, account: str, role: Role) -> Iterator[Step]:
    """Let the role trust oneself, then assume it."""
    action = "iam:UpdateAssumeRolePolicy"
    if not might(at.caller, (action,)) or at.caller.is_root:
        return
    check = ask_iam(at.world, at.principal, action, role.arn, NOTHING, at.authority)
    if not check.allowed:
        return
    name = at.names[0]
    opened = replace(role, trust=trust_in(name))
    then = at.in_world(with_role(at.world, account, opened), f"trust of {role.arn}: {name}")
    step = _assume_as(then, opened, ANY_SESSION, {})
    if step is not None:
        hop = Hop("open_role", at.principal, role.arn, (check,), at.principal)
        yield Step((hop, *step.hops), step.then)


def _make_anew(at: Situation, account: str, role: Role, roles: Roles) -> Iterator[Step]:
    """PE-8: whoever asks for `aws:PrincipalArn` does not see that this is another role of the old name."""
    actions = ("iam:DeleteRole", "iam:CreateRole")
    if not roles.is_asked_for(role.arn) or at.caller.is_root or not might(at.caller, actions):
        return
    checks = [ask_iam(at.world, at.principal, action, role.arn, NOTHING, at.authority) for action in actions]
    if role.policies:
        emptied = [ask_iam(at.world, at.principal, action, role.arn, NOTHING, at.authority) for action in _UNMAKE]
        checks.append(next((check for check in emptied if check.allowed), emptied[0]))
    if not all(check.allowed for check in checks):
        return
    name = at.names[0]
    world = with_new_role_of_that_name(at.world, account, role, name)
    then = at.in_world(world, f"{role.arn} anew, trusting {name}")
    step = _assume_as(then, world.accounts[account].roles[role.name], ANY_SESSION, {})
    if step is not None:
        hop = Hop("make_role_anew", at.principal, role.arn, tuple(checks), at.principal)
        yield Step((hop, *step.hops), step.then)


def _take_credentials(at: Situation) -> Iterator[Step]:
    """Make credentials of another user of the account."""
    account = at.world.accounts.get(at.principal.account)
    for user in account.users.values() if account is not None else ():
        yield from become_user(at, user)


def become_user(at: Situation, user: User) -> Iterator[Step]:
    """Make an access key or a password for a user of one's account, and go on as that user."""
    if user.arn == at.principal.arn or not might(at.caller, _CREDENTIALS):
        return
    found = parse_principal(user.arn)
    if found is None or not (at.caller.is_root or is_declared(at.world, at.principal)):
        return
    asked = (ask_iam(at.world, at.principal, one, user.arn, NOTHING, at.authority) for one in _CREDENTIALS)
    check = next((one for one in asked if one.allowed), None)
    if check is not None:
        yield Step((Hop("take_credentials", at.principal, user.arn, (check,), found),), at.goes_on_as(found))
