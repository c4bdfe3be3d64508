"""A world written as a scenario document: the other way round of `parse_scenario`, and an equal world comes back.

What is written is read again before it is given away. So whatever a scenario cannot say, be it a whole field or a name
that AWS would not take, is refused with its JSON path, and nothing is dropped on the way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from kmssim.errors import InputError
from kmssim.evaluator.policy import Policy, default_key_policy
from kmssim.evaluator.world import (
    Account,
    Bucket,
    Grant,
    Key,
    Organization,
    Role,
    Secret,
    Unit,
    User,
    VpcEndpoint,
    World,
)
from kmssim.scenario import Scenario, ScenarioRequest, parse_scenario
from kmssim.scenario_file.policies import MANAGED_POLICIES, managed_policy
from kmssim.scenario_file.written_calls import write_request
from kmssim.strict_json import join_path

Document = dict[str, object]
_Thing = TypeVar("_Thing")

_FULL_ACCESS = ["FullAWSAccess"]
_NAME = re.compile(r"\S(.*\S)?")


def write_scenario(
    world: World, title: str = "", description: str = "", requests: Sequence[ScenarioRequest] = ()
) -> Document:
    """Write a world, and the requests that are asked of it, as a scenario document.

    Raises:
        InputError: the world holds what a scenario cannot say; the path is the one that it would have in the document.

    """
    document = _filled(
        title=title,
        description=description,
        region=world.region,
        organization=None if world.organization is None else _organization(world.organization),
    )
    document["accounts"] = {name: _account(account, world) for name, account in world.accounts.items()}
    document |= _filled(
        vpc_endpoints={name: _endpoint(endpoint) for name, endpoint in world.vpc_endpoints.items()},
        requests=[write_request(request) for request in requests],
    )
    _check(parse_scenario(document), world, requests)
    return document


def _filled(**members: object) -> Document:
    """The members that say something: what is empty is the default, but for lists of guardrails."""
    return {name: value for name, value in members.items() if value not in (None, "", {}, [], False)}


def _organization(organization: Organization) -> Document:
    units = {name: _unit(unit) for name, unit in organization.units.items()}
    return {
        "id": organization.id,
        **_filled(management_account=organization.management_account),
        "units": units,
    }


def _unit(unit: Unit) -> Document:
    return {**_filled(parent=unit.parent), **_guardrails(unit.scps, unit.rcps)}


def _guardrails(scps: Sequence[Policy], rcps: Sequence[Policy]) -> Document:
    """No SCP at all is not the default: it denies everything.

    RCPs stand as documents: by its name, RCPFullAWSAccess would be taken for the one that is always there.
    """
    written = [_policy(policy) for policy in scps]
    return {**({} if written == _FULL_ACCESS else {"scps": written}), **_filled(rcps=[each.document for each in rcps])}


def _account(account: Account, world: World) -> Document:
    document: Document = {}
    if world.organization is not None and account.unit != "root":
        document["unit"] = account.unit
    if account.unit is not None or account.scps or account.rcps:
        document |= _guardrails(account.scps, account.rcps)
    labels = dict(zip((key.arn for key in account.keys), _labels(account.keys), strict=True))
    return document | _filled(
        users=_each(account.users, _user),
        groups=_each(account.groups, lambda group: _filled(policies=_policies(group.policies))),
        roles=_each(account.roles, _role),
        keys={labels[key.arn]: _key(key, world) for key in account.keys},
        buckets=_each(account.buckets, lambda bucket: _bucket(bucket, world)),
        secrets=_each(account.secrets, lambda secret: _secret(secret, world)),
    )


def _each(things: Mapping[str, _Thing], write: Callable[[_Thing], Document]) -> Document:
    return {name: write(thing) for name, thing in things.items()}


def _user(user: User) -> Document:
    return _filled(
        path=_path(user.arn, user.name),
        policies=_policies(user.policies),
        groups=list(user.groups),
        boundary=_optional(user.boundary),
        tags=dict(user.tags),
    )


def _role(role: Role) -> Document:
    return _filled(
        path=_path(role.arn, role.name),
        trust=_optional(role.trust),
        policies=_policies(role.policies),
        boundary=_optional(role.boundary),
        tags=dict(role.tags),
    )


def _path(arn: str, name: str) -> str | None:
    """`/team/` out of `arn:aws:iam::111122223333:role/team/worker`; None: the default, a lone slash."""
    path = "/" + arn.partition("/")[2].removesuffix(name)
    return None if path == "/" else path


def _policies(policies: Sequence[Policy]) -> Document:
    """The policies by name: as they were called where they were read, else by number."""
    named: Document = {}
    for number, policy in enumerate(policies):
        name = _name_of(policy)
        if not _NAME.fullmatch(name) or name in named:
            name = f"policy-{number}"
        while name in named:
            name += "-again"
        named[name] = _policy(policy)
    return named


def _name_of(policy: Policy) -> str:
    """What follows `policies` in the JSON path that the policy was read from, or an AWS managed policy's own name."""
    if policy.source in MANAGED_POLICIES:
        return policy.source
    rest = policy.source.partition(".policies")[2]
    if rest.startswith("["):
        try:
            return str(json.loads(rest[1:-1]))
        except ValueError:
            return ""
    return rest[1:]


def _optional(policy: Policy | None) -> object:
    return None if policy is None else _policy(policy)


def _policy(policy: Policy) -> object:
    """The name of an AWS managed policy where it was read from that, else the document."""
    if policy.kind in MANAGED_POLICIES.get(policy.source, ()) and managed_policy(policy.source, policy.kind) == policy:
        return policy.source
    return policy.document


def _labels(keys: Iterable[Key]) -> Iterator[str]:
    """What the keys are called, each differently."""
    taken: set[str] = set()
    for key in keys:
        label = next(name for name in _possible_labels(key) if name not in taken)
        taken.add(label)
        yield label


def _possible_labels(key: Key) -> Iterator[str]:
    if _NAME.fullmatch(key.label):
        yield key.label
    yield key.id
    yield f"{key.id} in {key.region}"
    yield key.arn


def _key(key: Key, world: World) -> Document:
    default = key.policy == default_key_policy(key.account, key.partition) and key.manager == "CUSTOMER"
    return {"id": key.id} | _filled(
        region=_elsewhere(key.region, world),
        spec=_unless("SYMMETRIC_DEFAULT", key.spec),
        usage=None if key.spec == "SYMMETRIC_DEFAULT" and key.usage == "ENCRYPT_DECRYPT" else key.usage,
        origin=_unless("AWS_KMS", key.origin),
        manager=_unless("CUSTOMER", key.manager),
        state=_unless("Enabled", key.state),
        multi_region=key.multi_region,
        policy=None if default else key.policy.document,
        ram_policy=_optional(key.ram_policy),
        aliases=list(key.aliases),
        tags=dict(key.tags),
        grants=[_grant(grant, key) for grant in key.grants],
    )


def _unless(default: str, value: str) -> str | None:
    return None if value == default else value


def _elsewhere(region: str, world: World) -> str | None:
    return _unless(world.region, region)


def _grant(grant: Grant, key: Key) -> Document:
    given = grant.constraints
    pairs = {
        "EncryptionContextEquals": given.encryption_context_equals,
        "EncryptionContextSubset": given.encryption_context_subset,
        "SourceArn": given.source_arn,
    }
    # an empty context is a constraint, too: the call must carry none
    constraints = {name: value for name, value in pairs.items() if value is not None}
    lone_service = grant.grantee is None and not (grant.retirer and given.source_arn)
    return {"GrantId": grant.id} | _filled(
        Name=grant.name,
        GranteePrincipal=grant.grantee_service if lone_service else grant.grantee,
        GranteeServicePrincipal=None if lone_service else grant.grantee_service,
        RetiringPrincipal=grant.retiring,
        RetiringServicePrincipal=grant.retiring_service,
        Operations=list(grant.operations),
        Constraints=constraints,
        IssuingAccount=_unless(key.account, grant.issuing_account),
        pending=grant.pending,
    )


def _bucket(bucket: Bucket, world: World) -> Document:
    return _filled(
        region=_elsewhere(bucket.region, world),
        key=bucket.key,
        bucket_key=bucket.bucket_key,
        policy=_optional(bucket.policy),
    )


def _secret(secret: Secret, world: World) -> Document:
    return _filled(region=_elsewhere(secret.region, world), key=secret.key, policy=_optional(secret.policy))


def _endpoint(endpoint: VpcEndpoint) -> Document:
    return {"account": endpoint.account, "vpc": endpoint.vpc, **_filled(policy=_optional(endpoint.policy))}


def _check(again: Scenario, world: World, requests: Sequence[ScenarioRequest]) -> None:
    """Raise InputError where what was read back differs from what was written."""
    if again.world != world:
        what = "a scenario cannot say what stands here"
        raise InputError(what, path=_difference("", again.world, world))
    for index, (one, other) in enumerate(zip(again.requests, requests, strict=True)):
        if one.call != other.call:
            what = "a scenario cannot say what stands here"
            raise InputError(what, path=_difference(join_path("requests", index, "call"), one.call, other.call))


def _difference(path: str, one: object, other: object) -> str:
    """The JSON path of the innermost part in which two values differ."""
    for step, left, right in _parts(one, other):
        if left != right:
            return _difference(join_path(path, step), left, right)
    return path


def _parts(one: object, other: object) -> Iterator[tuple[str | int, object, object]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        yield from ((str(name), one[name], other[name]) for name in one)
    elif isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        yield from ((index, left, right) for index, (left, right) in enumerate(zip(one, other, strict=True)))
    elif is_dataclass(one) and type(one) is type(other) and not isinstance(one, Policy):
        names = [field.name for field in fields(one) if field.compare]
        yield from ((name, getattr(one, name), getattr(other, name)) for name in names)
