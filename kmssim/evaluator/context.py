"""The global condition keys of a request (rule book 7.2), derived from caller, network, service and resource.

What the call states outright wins over what is derived. Without a stated `aws:CurrentTime` the clock is `CLOCK`: an
answer never depends on the day on which it was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from zlib import crc32

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.conditions import Ambiguous, Doubtful, Value, read_date
from kmssim.evaluator.request import Call, ContextValue, PrincipalKind, parse_arn, partition_of
from kmssim.evaluator.world import World

CLOCK = "2026-01-01T00:00:00Z"

_MULTIVALUED = frozenset({
    "aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths",
    "aws:sourceorgpaths", "aws:tagkeys", "aws:vpceorgpaths", "kms:encryptioncontextkeys", "kms:grantoperations",
    "kms:resourcealiases",
})  # fmt: skip
_SERVICE_ADDRESS = "52.94.0.1"  # one of Amazon's own: what a service would show by the other reading of UN-8

Entries = Iterator[tuple[str, Value]]


def derive_global_keys(
    world: World, call: Call, caller: Caller, region: str, owner: str, tags: Mapping[str, str]
) -> dict[str, Value]:
    """The global keys of one request, names in lower case.

    `owner` is the account of the resource, or of the call where there is none; `tags` are the resource's (CK-73).
    """
    return {**derive_principal_keys(world, caller), **derive_request_keys(world, call, caller, region, owner, tags)}


def derive_principal_keys(world: World, caller: Caller) -> dict[str, Value]:
    """Those that a caller has in each of its calls: who it is, and what it is tagged with."""
    return dict(_service_keys(world, caller) if caller.is_service else _principal_keys(world, caller))


def derive_request_keys(
    world: World, call: Call, caller: Caller, region: str, owner: str, tags: Mapping[str, str]
) -> dict[str, Value]:
    """Those that differ from call to call; see `derive_global_keys`."""
    now = current_time(call)
    keys: dict[str, Value] = {"aws:requestedregion": region, **_time_keys(now)}
    if caller.is_service:
        keys["aws:principalaccount"] = account_behind(caller, owner)
    else:
        keys.update(_session_keys(call, caller, now))
    keys.update(_forwarding_keys(call))
    keys.update(_network_keys(world, call, caller))
    if owner:  # CK-72
        keys["aws:resourceaccount"] = owner
        keys.update(_organization_keys(world, owner, "aws:resourceorgid", "aws:resourceorgpaths"))
    if tags:
        keys.update(named_keys("aws:resourcetag/", tags.items()))
    return keys


def named_keys(prefix: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
    """Keys with a variable part, such as tags; names that differ only in case become ambiguous (CO-13)."""
    keys: dict[str, Value] = {}
    for name, value in pairs:
        key = prefix + name.lower()
        before = keys.get(key)
        if before is None:
            keys[key] = value
        else:
            values = before.values if isinstance(before, Ambiguous) else (before,)
            keys[key] = Ambiguous((*values, value))
    return keys


def stated(call: Call, key: str) -> ContextValue | None:
    """What the call states for a condition key: a multivalued key is a list, and any other key of AWS's is none."""
    value = call.context.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return (value,) if key in _MULTIVALUED else value
    single = len(value) == 1 and key.startswith(("aws:", "kms:")) and key not in _MULTIVALUED
    return value[0] if single else tuple(value)


def account_behind(caller: Caller, owner: str) -> Value:
    """The account of a service that calls for itself: none (UN-30), or that of the resource which it works for."""
    principal = caller.principal
    source = parse_arn(principal.source_arn or "")
    return Doubtful("UN-30", None, principal.source_account or (source.account if source else "") or owner or None)


def unique_id(prefix: str, arn: str) -> str:
    """A stand-in for the unique id that IAM gives to a principal (`AIDA…`, `AROA…`), the same each time (CO-47)."""
    forwards, backwards = crc32(arn.encode()), crc32(arn[::-1].encode())
    return f"{prefix}{forwards:08X}{backwards:09X}"


def _principal_keys(world: World, caller: Caller) -> Entries:
    """CK-60 to CK-64."""
    yield "aws:principalisawsservice", "false"
    yield "aws:principalarn", caller.issuer_arn
    yield "aws:principalaccount", caller.account
    yield "aws:principaltype", caller.kind.value
    yield "aws:userid", _user_id(caller)
    if caller.kind is PrincipalKind.USER:
        yield "aws:username", caller.principal.name
    yield from _organization_keys(world, caller.account, "aws:principalorgid", "aws:principalorgpaths").items()
    yield from named_keys("aws:principaltag/", caller.tags.items()).items()


def _user_id(caller: Caller) -> str:
    principal = caller.principal
    if caller.kind is PrincipalKind.USER:
        return unique_id("AIDA", caller.issuer_arn)
    if caller.kind is PrincipalKind.ROLE_SESSION:
        return f"{unique_id('AROA', caller.issuer_arn)}:{principal.session_name}"
    return caller.account if caller.is_root else f"{caller.account}:{principal.name}"


def _organization_keys(world: World, account: str, id_key: str, paths_key: str) -> dict[str, Value]:
    path = world.paths.get(account)
    if world.organization is None or path is None:
        return {}
    return {id_key: world.organization.id, paths_key: (path,)}


def _service_keys(world: World, caller: Caller) -> Entries:
    """CK-65, CK-66: what a service that calls for itself says of the resource that it works for."""
    principal = caller.principal
    yield "aws:principalisawsservice", "true"
    yield "aws:principalservicename", principal.name
    yield "aws:principalservicenameslist", (principal.name,)
    if principal.source_arn:
        yield "aws:sourcearn", principal.source_arn
    if principal.source_account:
        yield "aws:sourceaccount", principal.source_account
        yield from _organization_keys(world, principal.source_account, "aws:sourceorgid", "aws:sourceorgpaths").items()


def session_keys(call: Call, caller: Caller) -> dict[str, Value]:
    """CK-76, CK-77: present for temporary credentials only; a user with MFA holds those of GetSessionToken."""
    return _session_keys(call, caller, current_time(call))


def _session_keys(call: Call, caller: Caller, now: str) -> dict[str, Value]:
    session = caller.principal.session
    assumed = caller.kind in {PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER}
    if not (assumed or session.mfa or session.temporary):
        return {}
    keys: dict[str, Value] = {
        "aws:multifactorauthpresent": "true" if session.mfa else "false",
        "aws:tokenissuetime": now,
    }
    if session.mfa:
        keys["aws:multifactorauthage"] = _age_of(call)
    if session.source_identity:
        keys["aws:sourceidentity"] = session.source_identity
    return keys


def _age_of(call: Call) -> str:
    """How long ago the caller signed in with MFA: when its credentials were issued (CK-76)."""
    now = read_date(current_time(call)) or 0
    issued = read_date(str(stated(call, "aws:tokenissuetime") or ""))
    return str(max(0, int(now - (now if issued is None else issued))))


def _forwarding_keys(call: Call) -> dict[str, Value]:
    """CK-67, CK-68: a forward access session names the services through which it came."""
    chain = stated(call, "aws:calledvia") or (called_via(call.via) if call.via else ())
    if not chain:
        return {"aws:viaawsservice": "false"}
    return {
        "aws:viaawsservice": "true",
        "aws:calledvia": chain,
        "aws:calledviafirst": chain[0],
        "aws:calledvialast": chain[-1],
    }


def called_via(*hosts: str) -> tuple[str, ...]:
    """The names by which services stand in `aws:CalledVia`: without a Region."""
    return tuple(f"{host.partition('.')[0]}.amazonaws.com" for host in hosts)


def _network_keys(world: World, call: Call, caller: Caller) -> Entries:
    """CK-69 to CK-71."""
    network = call.network
    yield "aws:securetransport", "true" if network.secure_transport else "false"
    if caller.is_service:
        return  # CK-80: what services say to each other is redacted
    if call.via:  # forwarding drops the endpoint's keys, and keeps a public address
        kept = None if network.vpc_endpoint else network.source_ip
        if kept or network.vpc_endpoint:
            yield "aws:sourceip", Doubtful("UN-8", kept, _SERVICE_ADDRESS)
        return
    if network.vpc_endpoint is None:
        if network.source_ip:
            yield "aws:sourceip", network.source_ip
        return
    yield "aws:sourcevpce", network.vpc_endpoint
    if network.source_ip:
        yield "aws:vpcsourceip", network.source_ip
    endpoint = world.vpc_endpoints.get(network.vpc_endpoint)
    if endpoint:
        yield "aws:sourcevpc", endpoint.vpc
        here = f"arn:{partition_of(call.region)}:ec2:{call.region}:{endpoint.account}"
        yield "aws:sourcevpcarn", f"{here}:vpc/{endpoint.vpc}"
        yield "aws:vpceaccount", endpoint.account
        yield from _organization_keys(world, endpoint.account, "aws:vpceorgid", "aws:vpceorgpaths").items()


@lru_cache(maxsize=4096)
def _time_keys(now: str) -> Mapping[str, Value]:
    """CK-75."""
    seconds = read_date(now)
    return {"aws:currenttime": now} | ({} if seconds is None else {"aws:epochtime": str(int(seconds))})


def current_time(call: Call) -> str:
    """The moment of the call: stated as `aws:CurrentTime` or `aws:EpochTime`, or `CLOCK`."""
    if not call.context:
        return CLOCK
    moment = stated(call, "aws:currenttime")
    if isinstance(moment, str):
        return moment
    epoch = read_date(str(stated(call, "aws:epochtime") or ""))
    return CLOCK if epoch is None else _date_text(epoch)


def _date_text(epoch: float) -> str:
    """ISO-8601; epoch seconds, which mean the same to the operators, for a moment beyond the calendar (CO-25)."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(int(epoch))
