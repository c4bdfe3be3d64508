"""Where the policies of a layer stand, in the order in which the layer looks at their statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.advise.lens import Path, get
from kmssim.advise.proposal import Home
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.decision import Layer, PermissionTrace, StatementTrace
from kmssim.evaluator.keys import home_account
from kmssim.evaluator.policy import Policy, PolicyKind, Statement
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_arn
from kmssim.evaluator.world import Key, World
from kmssim.strict_json import join_path
from kmssim.wording import who

ADVISED = "kmssim-advice"
"""The name of an IAM policy that is made for a proposal."""


def found_statements(
    world: World, call: Call, permission: PermissionTrace, layer: Layer
) -> Iterator[tuple[Home, Statement, StatementTrace]]:
    """Each statement that a layer looked at: where it stands, what it says, and what became of it."""
    listed = [
        (home, statement)
        for home in homes_of(world, call, permission, layer)
        for statement in _policy_at(world, call, home).statements
    ]
    traces = permission.layer(layer).statements
    if len(listed) == len(traces):  # a layer that does not apply has looked at none
        for (home, statement), trace in zip(listed, traces, strict=True):
            yield home, statement, trace


def _policy_at(world: World, call: Call, home: Home) -> Policy:
    found = get(call if home.in_call else world, home.path)
    assert isinstance(found, Policy)  # noqa: S101 - homes_of names policies that are there
    return found


def homes_of(world: World, call: Call, permission: PermissionTrace, layer: Layer) -> Iterator[Home]:
    """The policies that are there, in the layer's own order."""
    caller = find_caller(world, call.principal)
    account = caller.account
    match layer:
        case Layer.RCP:
            yield from _guardrails(world, _owner(world, call, permission), PolicyKind.RCP)
        case Layer.SCP:
            yield from _guardrails(world, account, PolicyKind.SCP)
        case Layer.VPC_ENDPOINT:
            yield from _present(world, endpoint_home(call))
        case Layer.KEY_POLICY:
            yield from _of_key(world, permission)
        case Layer.IDENTITY:
            yield from _own(world, caller)
            if not permission.action.startswith("kms:"):
                yield from _present(world, *resource_homes(world, permission))
        case Layer.BOUNDARY:
            yield from _present(world, *holder_homes(world, caller.principal, "boundary", PolicyKind.BOUNDARY))
        case Layer.SESSION:
            for index in range(len(call.principal.session.policies)):
                yield session_home(index)


def _of_key(world: World, permission: PermissionTrace) -> Iterator[Home]:
    key = world.keys_by_arn.get(permission.key or "")
    if key is not None:
        yield from _present(world, key_home(world, key), key_home(world, key, "ram_policy"))


def _present(world: World, *homes: Home | None) -> Iterator[Home]:
    for home in homes:
        if home is not None and get(world, home.path) is not None:
            yield home


def _owner(world: World, call: Call, permission: PermissionTrace) -> str:
    """The account whose RCPs look at the resource."""
    arn = parse_arn(permission.resource)
    if arn is None:
        return home_account(call)
    if arn.service == "s3":
        bucket = world.buckets.get(arn.resource.partition("/")[0])
        return bucket.account if bucket else home_account(call)
    return arn.account


def guardrail_levels(world: World, account: str, kind: PolicyKind) -> Iterator[Path]:
    """The paths of the attachments that bind an account, from the root down to itself."""
    for unit in world.units_over(account):
        yield "organization", "units", unit.name, f"{kind.value}s"
    yield "accounts", account, f"{kind.value}s"


def _guardrails(world: World, account: str, kind: PolicyKind) -> Iterator[Home]:
    if account not in world.accounts:
        return
    for level in guardrail_levels(world, account, kind):
        for index in range(len(get(world, level) or ())):
            yield guardrail_home(world, level, index, kind)


def guardrail_home(world: World, level: Path, index: int, kind: PolicyKind) -> Home:
    """The policy at a position of a level; one past the last is a new one."""
    path = (*level, index)
    owner = f"{'account' if level[0] == 'accounts' else 'unit'} {level[-2]}"
    return _home(world, kind, path, join_path("", *path), owner)


def _home(world: World, kind: PolicyKind, path: Path, where: str, owner: str) -> Home:
    policy = get(world, path)
    source = policy.source if isinstance(policy, Policy) else ""
    managed = bool(source) and "." not in source
    return Home(kind, path, source if source and not managed else where, owner, managed=managed, name=_name(source))


def _name(source: str) -> str:
    return source.partition(".policies.")[2] or (source if "." not in source else "")


def key_home(world: World, key: Key, which: str = "policy") -> Home:
    """A key's own policy, or that of a resource share."""
    index = next(at for at, other in enumerate(world.accounts[key.account].keys) if other.arn == key.arn)
    where = join_path("accounts", key.account, "keys", key.label or key.id, which)
    return _home(world, PolicyKind.KEY_POLICY, ("accounts", key.account, "keys", index, which), where, name_of(key))


def name_of(key: Key) -> str:
    """A key in two words: by its label in the file, else by its id."""
    return f"key {key.label or key.id}"


def endpoint_home(call: Call) -> Home | None:
    """The policy of the endpoint through which the call came."""
    name = call.network.vpc_endpoint
    if name is None:
        return None
    path = ("vpc_endpoints", name, "policy")
    return Home(PolicyKind.VPC_ENDPOINT, path, join_path("", *path), f"endpoint {name}")


def session_home(index: int) -> Home:
    """One of the policies that were passed when the session was made."""
    path = ("principal", "session", "policies", index)
    return Home(PolicyKind.SESSION, path, "session.policy", "the session", in_call=True)


def resource_homes(world: World, permission: PermissionTrace) -> Iterator[Home]:
    """The bucket's or secret's policy behind a permission of another service."""
    arn = parse_arn(permission.resource)
    if arn is None:
        return
    if arn.service == "s3":
        bucket = world.buckets.get(arn.resource.partition("/")[0])
        found, part, kind = bucket, "buckets", PolicyKind.BUCKET
        if bucket is None:
            return
        account, name = bucket.account, bucket.name
    else:
        account, part, kind = arn.account, "secrets", PolicyKind.SECRET
        declared = world.accounts.get(account)
        names = declared.secrets if declared else {}
        name = next((one for one in names if arn.resource.startswith(f"secret:{one}-")), "")
        found = names.get(name)  # type: ignore[assignment]
    if found is not None:
        path = ("accounts", account, part, name, "policy")
        yield Home(kind, path, join_path("", *path), f"{part[:-1]} {name}")


def _own(world: World, caller: Caller) -> Iterator[Home]:
    """The caller's identity policies, then those of its groups (DA-36)."""
    for holder in holder_homes(world, caller.principal, "policies", PolicyKind.IDENTITY):
        for index in range(len(get(world, holder.path) or ())):
            path = (*holder.path, index)
            yield _home(world, PolicyKind.IDENTITY, path, join_path(holder.where, index), holder.owner)
    for account, group in groups_of(world, caller.principal):
        path = ("accounts", account, "groups", group, "policies")
        for index in range(len(get(world, path) or ())):
            where = join_path("", *path, index)
            yield _home(world, PolicyKind.IDENTITY, (*path, index), where, f"group {group}")


def advised_home(world: World, holder: Home) -> Home:
    """The IAM policy that holds what was proposed, in a user, role or group: a new one, or the one made before."""
    where = join_path(holder.where, ADVISED)
    own = get(world, holder.path) or ()
    at = next((index for index, policy in enumerate(own) if policy.source == where), len(own))
    return replace(holder, path=(*holder.path, at), where=where, name=ADVISED)


def group_home(account: str, group: str) -> Home:
    """The policies of a group."""
    path = ("accounts", account, "groups", group, "policies")
    return Home(PolicyKind.IDENTITY, path, join_path("", *path), f"group {group}")


def groups_of(world: World, principal: Principal) -> Iterator[tuple[str, str]]:
    """The groups, with their account, whose policies the caller acts on."""
    for holder in holder_homes(world, principal, "groups", PolicyKind.IDENTITY):
        if holder.path[2] == "users":
            account = str(holder.path[1])
            for name in get(world, holder.path) or ():
                if name in world.accounts[account].groups:
                    yield account, name


def holder_homes(world: World, principal: Principal, which: str, kind: PolicyKind) -> Iterator[Home]:
    """The user or role behind the caller, and in it the member `which`; nothing for root users and services."""
    parts = {PrincipalKind.USER: "users", PrincipalKind.ROLE_SESSION: "roles", PrincipalKind.FEDERATED_USER: "users"}
    part = parts.get(principal.kind)
    if part is None:
        return
    account, name = principal.account, principal.name
    if principal.kind is PrincipalKind.FEDERATED_USER:
        arn = parse_arn(principal.session.federated_by or "")
        if arn is None:
            return
        account, name = arn.account, arn.resource.rpartition("/")[2]
    path = ("accounts", account, part, name, which)
    missing = get(world, path[:-1]) is None
    owner = f"{part[:-1]} {name}" if account == principal.account else who(principal)
    yield Home(kind, path, join_path("", *path), owner, declares=principal if missing else None)
