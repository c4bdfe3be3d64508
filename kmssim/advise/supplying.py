"""The call that brings what a condition asks for: one function for each kind of condition key."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.world import World

PARAMETERS: Mapping[str, str] = {
    "kms:encryptionalgorithm": "EncryptionAlgorithm",
    "kms:macalgorithm": "MacAlgorithm",
    "kms:signingalgorithm": "SigningAlgorithm",
    "kms:messagetype": "MessageType",
    "kms:datakeypairspec": "KeyPairSpec",
    "kms:wrappingalgorithm": "WrappingAlgorithm",
    "kms:wrappingkeyspec": "WrappingKeySpec",
    "kms:policyname": "PolicyName",
    "kms:replicaregion": "ReplicaRegion",
    "kms:rotationperiodindays": "RotationPeriodInDays",
    "kms:schedulekeydeletionpendingwindowindays": "PendingWindowInDays",
}
"""Condition keys whose value is a parameter that a caller may choose without asking for something else."""

_NUMBERS = frozenset({"RotationPeriodInDays", "PendingWindowInDays"})


def supply_all(world: World, call: Call, action: str, conditions: Iterable[Condition]) -> Call | None:
    """The call that meets all of the conditions; None where it cannot bring one of them."""
    for condition in conditions:
        changed = supply(world, call, action, condition)
        if changed is None:
            return None
        call = changed
    return call


def supply(world: World, call: Call, action: str, condition: Condition) -> Call | None:
    """The call that meets a condition, positive or as the exception of a negated one, where it can."""
    wanted = _wanted(condition, call)
    if wanted is None:
        return None
    prefix = next((start for start in _BY_PREFIX if condition.key.startswith(start)), None)
    if prefix is not None:
        name = condition.written_key[len(prefix) :]
        found = _BY_PREFIX[prefix](call, action, name, wanted)
    elif condition.key in _BY_KEY:
        found = _BY_KEY[condition.key](world, call, wanted)
    elif condition.key in PARAMETERS:
        found = _parameter(call, PARAMETERS[condition.key], wanted)
    else:
        return None
    return None if found is None else _unstated(found, condition.key)


def _unstated(call: Call, key: str) -> Call:
    """What the call stated outright would win over what it now brings."""
    return replace(call, context={name: value for name, value in call.context.items() if name != key})


def _wanted(condition: Condition, call: Call) -> str | None:
    """A value that the condition asks for, wildcards filled; None where the policy does not say one."""
    name = condition.operator.name
    if not condition.values or condition.variables:
        return None
    text = condition.values[0]
    if name == "Null":
        known = {"aws:multifactorauthage": "0", "aws:multifactorauthpresent": "true"}
        return known.get(condition.key) if text.lower() == "false" else None
    if name == "Bool":
        return text.lower()
    if name.endswith(("LessThan", "GreaterThan")):
        return None
    if condition.operator.wildcards:
        return text.replace("*", call.region if condition.key == "kms:viaservice" else "any").replace("?", "a")
    return text


def _encryption_context(call: Call, action: str, name: str, value: str) -> Call | None:
    row = OPERATIONS.get(call.name) if call.service == "kms" else None
    parameter = row.context_parameters.get(action) if row else None
    if not parameter or not name or is_bound(call, parameter):
        return None
    given = call.parameters.get(parameter)
    pairs = {
        key: text for key, text in (given.items() if isinstance(given, Mapping) else ()) if key.lower() != name.lower()
    }
    changed = {**call.parameters, parameter: {**pairs, name: value}}
    return replace(call, parameters=changed)


def is_bound(call: Call, parameter: str) -> bool:
    """Whether an encryption context is that of the ciphertext: one that the call names and nothing else states (EC-2).

    A call that names none may have forgotten it.
    """
    decrypts = (call.name, parameter) in {("Decrypt", "EncryptionContext"), ("ReEncrypt", "SourceEncryptionContext")}
    return decrypts and call.ciphertext is None and bool(call.parameters.get(parameter))


def _session_tag(call: Call, action: str, name: str, value: str) -> Call | None:
    del action
    if call.principal.kind not in {PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER}:
        return None
    tags = {**call.principal.session.tags, name: value}
    return _in_session(call, tags=tags)


def _request_tag(call: Call, action: str, name: str, value: str) -> Call | None:
    if action not in {"kms:TagResource", "kms:CreateKey"}:
        return None
    given = call.parameters.get("Tags")
    kept = [tag for tag in (given if isinstance(given, list) else []) if tag.get("TagKey") != name]
    tags = [*kept, {"TagKey": name, "TagValue": value}]
    return replace(call, parameters={**call.parameters, "Tags": tags})


def _in_session(call: Call, **changes: Any) -> Call:  # noqa: ANN401 - members of Session
    principal = call.principal
    return replace(call, principal=replace(principal, session=replace(principal.session, **changes)))


def _mfa(world: World, call: Call, value: str) -> Call | None:
    del world
    kind = call.principal.kind
    if value == "false" or kind in {PrincipalKind.SERVICE, PrincipalKind.ROOT, PrincipalKind.FEDERATED_USER}:
        return None
    return _unstated(_in_session(call, mfa=True), "aws:multifactorauthpresent")


def _source_identity(world: World, call: Call, value: str) -> Call | None:
    del world
    if call.principal.kind is not PrincipalKind.ROLE_SESSION:
        return None
    return _in_session(call, source_identity=value)


def _secure(world: World, call: Call, value: str) -> Call | None:
    del world
    if value != "true":
        return None
    return replace(call, network=replace(call.network, secure_transport=True))


def _address(world: World, call: Call, value: str) -> Call | None:
    del world
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
    address = str(next(iter(network.hosts()), network.network_address))
    if call.network.vpc_endpoint or call.via or call.principal.kind is PrincipalKind.SERVICE:
        return None
    return replace(call, network=replace(call.network, source_ip=address))


def _endpoint(world: World, call: Call, value: str) -> Call | None:
    if value not in world.vpc_endpoints:
        return None
    return replace(call, network=replace(call.network, vpc_endpoint=value))


def _vpc(world: World, call: Call, value: str) -> Call | None:
    found = next((name for name, endpoint in world.vpc_endpoints.items() if endpoint.vpc == value), None)
    return _endpoint(world, call, found) if found else None


def _via(world: World, call: Call, value: str) -> Call | None:
    del world
    if call.service != "kms" or value.count(".") < 3:  # noqa: PLR2004 - service, Region, amazonaws, com
        return None
    return replace(call, via=value)


def _called_via(world: World, call: Call, value: str) -> Call | None:
    service = value.removesuffix(".amazonaws.com")
    return _via(world, call, f"{service}.{call.region}.amazonaws.com") if service != value else None


def _alias(world: World, call: Call, value: str) -> Call | None:
    if not value.startswith("alias/") or call.service != "kms" or not OPERATIONS[call.name].alias_allowed:
        return None
    for name in ("KeyId", "SourceKeyId", "DestinationKeyId"):
        named = str(call.parameters.get(name, ""))
        key = world.keys_by_arn.get(named) or world.keys_by_arn.get(_own_arn(call, named))
        if key is not None and value in key.aliases:
            reference = key.arn.partition(":key/")[0] + f":{value}"
            return replace(call, parameters={**call.parameters, name: reference})
    return None


def _own_arn(call: Call, key_id: str) -> str:
    partition = call.principal.arn.split(":")[1] if call.principal.arn.startswith("arn:") else "aws"
    return f"arn:{partition}:kms:{call.region}:{call.principal.account}:key/{key_id}"


def _parameter(call: Call, name: str, value: str) -> Call | None:
    row = OPERATIONS.get(call.name) if call.service == "kms" else None
    if row is None or row.name == "ReEncrypt":
        return None
    given: object = int(value) if name in _NUMBERS and value.isdigit() else value
    return replace(call, parameters={**call.parameters, name: given})


_BY_PREFIX: Mapping[str, Callable[[Call, str, str, str], Call | None]] = {
    "kms:encryptioncontext:": _encryption_context,
    "aws:principaltag/": _session_tag,
    "aws:requesttag/": _request_tag,
}
_BY_KEY: Mapping[str, Callable[[World, Call, str], Call | None]] = {
    "aws:multifactorauthpresent": _mfa,
    "aws:multifactorauthage": _mfa,
    "aws:sourceidentity": _source_identity,
    "aws:securetransport": _secure,
    "aws:sourceip": _address,
    "aws:sourcevpce": _endpoint,
    "aws:sourcevpc": _vpc,
    "kms:viaservice": _via,
    "aws:calledvia": _called_via,
    "aws:calledviafirst": _called_via,
    "aws:calledvialast": _called_via,
    "kms:requestalias": _alias,
}
