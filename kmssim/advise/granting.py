"""The narrowest grant for a permission: this caller, this operation, the encryption context that the call claims."""

from __future__ import annotations

from dataclasses import replace

from kmssim.advise.edits import identified
from kmssim.advise.statements import context_of
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import PermissionTrace
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.grants import read_constraints
from kmssim.evaluator.operations import GRANT_OPERATIONS, key_kind
from kmssim.evaluator.request import Call, PrincipalKind
from kmssim.evaluator.world import Constraints, Grant, Key, World


def grant_for(world: World, call: Call, permission: PermissionTrace, caller: Caller, key: Key) -> Grant | None:
    """The grant that carries a permission on `key`; None where no grant can (GR-2, GR-5, GR-18)."""
    operations = _operations(call, permission, key)
    source = caller.principal.source_arn
    if not operations or (caller.is_service and source is None):
        return None
    grant = Grant("", None, operations, key.account, constraints=_constraints(world, call, permission, key, source))
    if caller.is_service:
        root = f"arn:{key.partition}:iam::{key.account}:root"
        return identified(replace(grant, grantee_service=grantee_of(caller), retiring=root))
    return identified(replace(grant, grantee=grantee_of(caller)))


def grantee_of(caller: Caller) -> str:
    """The caller as a grant names it (GR-21): a role rather than one of its sessions."""
    if caller.is_service:
        return caller.principal.name
    return caller.principal.arn if caller.kind is PrincipalKind.FEDERATED_USER else caller.issuer_arn


def _operations(call: Call, permission: PermissionTrace, key: Key) -> tuple[str, ...]:
    """The operation; with CreateGrant those that are to be granted on, since a grant gives no more than it has."""
    name = permission.action.partition(":")[2]
    if name not in GRANT_OPERATIONS[key_kind(key.spec, key.usage)]:
        return ()
    if name != "CreateGrant":
        return (name,)
    asked = call.parameters.get("Operations")
    others = [str(one) for one in asked if one != name] if isinstance(asked, list) else []
    return (name, *others) if others else ()


def _constraints(world: World, call: Call, permission: PermissionTrace, key: Key, source: str | None) -> Constraints:
    name = permission.action.partition(":")[2]
    if name == "CreateGrant":
        return read_constraints(call.parameters.get("Constraints"))
    pairs = context_of(world, call, permission) if name in WITH_CONTEXT and key.symmetric_encryption else {}
    return Constraints(encryption_context_equals=dict(pairs) or None, source_arn=source)
