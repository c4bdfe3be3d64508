"""The narrowest statement for a permission: this caller, this action, this key, and what the call says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.advise.proposal import Document
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import PermissionTrace, Source
from kmssim.evaluator.forward import forward
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.world import World

PREFIX = "kms:encryptioncontext:"
_STATED = {
    "kms:viaservice": ("StringEquals", "kms:ViaService"),
    "kms:granteeprincipal": ("StringEquals", "kms:GranteePrincipal"),
    "kms:grantoperations": ("ForAllValues:StringEquals", "kms:GrantOperations"),
}
"""What narrows an Allow beside the encryption context, where the call carries it."""


def named(caller: Caller) -> Mapping[str, str]:
    """The `Principal` that means the caller: a role rather than one of its sessions."""
    principal = caller.principal
    if caller.is_service:
        return {"Service": principal.name}
    return {"AWS": principal.arn if principal.kind is PrincipalKind.FEDERATED_USER else caller.issuer_arn}


def only_caller(caller: Caller, *, negated: bool = False) -> dict[str, dict[str, object]]:
    """The condition that the caller is this one, or anybody else."""
    word = "Not" if negated else ""
    if caller.is_service:
        return {f"String{word}Equals": {"aws:PrincipalServiceName": caller.principal.name}}
    return {f"Arn{word}Equals": {"aws:PrincipalArn": caller.issuer_arn}}


def key_statement(caller: Caller, permission: PermissionTrace, condition: Document, effect: str = "Allow") -> Document:
    """A key-policy statement that names the caller; its Resource is the key that has the policy (PG-20)."""
    return _statement(effect, permission.action, "*", condition, named(caller))


def delegating_statement(caller: Caller, permission: PermissionTrace, condition: Document) -> Document:
    """A key-policy statement that hands one action over to the caller's account."""
    root = f"arn:{caller.partition}:iam::{caller.account}:root"
    return _statement("Allow", permission.action, "*", condition, {"AWS": root})


def own_statement(permission: PermissionTrace, condition: Document, effect: str = "Allow") -> Document:
    """A statement for a policy that names no principal, on just the permission's resource."""
    return _statement(effect, permission.action, resource_of(permission), condition)


def statement_for_anybody(permission: PermissionTrace, condition: Document) -> Document:
    """A statement of an endpoint policy, where a condition rather than the principal says whom it means."""
    return _statement("Allow", permission.action, resource_of(permission), condition, "*")


def resource_statement(caller: Caller, permission: PermissionTrace) -> Document:
    """A statement of a bucket's or a secret's policy."""
    return _statement("Allow", permission.action, resource_of(permission), {}, named(caller))


def resource_of(permission: PermissionTrace) -> str:
    """The permission's resource as an IAM policy writes it: of a key that is about to be, any (TP-5)."""
    return permission.resource.replace(":key/new", ":key/*")


def _statement(
    effect: str, action: str, resource: str, condition: Document, principal: Mapping[str, str] | str | None = None
) -> Document:
    return {
        "Effect": effect,
        **({} if principal is None else {"Principal": principal}),
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def narrowing(world: World, call: Call, permission: PermissionTrace) -> dict[str, dict[str, object]]:
    """Conditions that bind an Allow to this call: its encryption context, the service it comes through, the grant."""
    block: dict[str, dict[str, object]] = {}
    written = {f"{PREFIX}{name.lower()}": name for name in context_of(world, call, permission)}
    for key, value in permission.context.items():
        if key.startswith(PREFIX) and isinstance(value, str):
            name = written.get(key, key.removeprefix(PREFIX))
            block.setdefault("StringEquals", {})[f"kms:EncryptionContext:{name}"] = plain(value)
        elif key in _STATED:
            operator, name = _STATED[key]
            listed = plain(value) if isinstance(value, str) else [plain(one) for one in value]
            block.setdefault(operator, {})[name] = listed
    return {**block, **_source(call)} if call.principal.kind is PrincipalKind.SERVICE else block


def _source(call: Call) -> dict[str, dict[str, object]]:
    """Against the confused deputy: the resource for which the service works."""
    principal, found = call.principal, dict[str, object]()
    if principal.source_arn:
        found["aws:SourceArn"] = plain(principal.source_arn)
    if principal.source_account:
        found["aws:SourceAccount"] = principal.source_account
    return {"StringEquals": found} if found else {}


def plain(value: str) -> str:
    """A value that a policy compares as it is: no variable begins in it (CO-40)."""
    return value.replace("${", "${$}{")


def context_of(world: World, call: Call, permission: PermissionTrace) -> Mapping[str, str]:
    """The encryption context that the call claims for a permission, its names as written; empty: none."""
    name = permission.action.partition(":")[2]
    if permission.facts.source is not Source.KEY or name not in WITH_CONTEXT:
        return {}
    calls = [call] if call.service == "kms" else forward(world, call).kms_calls
    for each in calls:
        parameter = OPERATIONS[each.name].context_parameters.get(permission.action)
        pairs = each.parameters.get(parameter or "")
        if isinstance(pairs, Mapping):
            return {str(key): str(value) for key, value in pairs.items()}
    return {}
