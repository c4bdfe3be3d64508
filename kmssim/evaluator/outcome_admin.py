"""What management operations still check after authorization: new grants, aliases, replicas, and new key policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure, Source
from kmssim.evaluator.keys import FoundKey, find_key, home_account, related_key
from kmssim.evaluator.operations import GRANT_OPERATIONS, key_kind
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Key, World

_LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."
_ALIAS_HELP = "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"


def check_grant(at_hand: Authorized) -> Failure | None:
    """What CreateGrant asks of the new grant, and RevokeGrant of the old one (GR-2, GR-5, GR-14, GR-18)."""
    call = at_hand.call
    if call.name == "RevokeGrant":
        return _check_revoked(at_hand)
    if call.name != "CreateGrant":
        return None
    key = at_hand.key_legs[0].key
    asked = call.parameters.get("Operations")
    operations = {str(name) for name in asked} if isinstance(asked, list | tuple) else set()
    if key is None:
        return None
    if operations == {"CreateGrant"}:
        return Failure("ValidationException", "Grants must not contain only the CreateGrant operation.", "GR-18")
    unknown = sorted(operations - _grantable(key))
    if unknown:
        text = f"{', '.join(unknown)} cannot be granted on a key with key spec {key.spec} and key usage {key.usage}."
        return Failure("ValidationException", text, "GR-5")
    return _check_constraints(call.parameters.get("Constraints"), key)


def _grantable(key: Key) -> frozenset[str]:
    try:
        return GRANT_OPERATIONS[key_kind(key.spec, key.usage)]
    except InputError:
        return frozenset()


def _check_constraints(constraints: object, key: Key) -> Failure | None:
    given = constraints if isinstance(constraints, Mapping) else {}
    on_context = [
        name for name in ("EncryptionContextEquals", "EncryptionContextSubset") if given.get(name) is not None
    ]
    if len(on_context) > 1:
        text = "A grant takes EncryptionContextEquals or EncryptionContextSubset, not both."
        return Failure("ValidationException", text, "GR-10")
    if on_context and not key.symmetric_encryption:
        text = "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key."
        return Failure("ValidationException", text, "GR-14")
    return None


def _check_revoked(at_hand: Authorized) -> Failure | None:
    key, wanted = at_hand.key_legs[0].key, at_hand.call.parameters.get("GrantId")
    if key is None or wanted is None or any(grant.id == wanted for grant in key.grants):
        return None
    return Failure("InvalidGrantIdException", f"Grant ID {wanted} not found", "OP-45")


def check_alias(at_hand: Authorized) -> Failure | None:
    """What the alias operations ask of names and keys (TP-2, EM-35, UN-21)."""
    call = at_hand.call
    if call.name not in {"CreateAlias", "UpdateAlias", "DeleteAlias"}:
        return None
    name = str(call.parameters.get("AliasName", ""))
    if not name.startswith("alias/"):
        return Failure("ValidationException", f'Alias must start with the prefix "alias/". {_ALIAS_HELP}', "EM-35")
    if name.startswith("alias/aws/"):
        return Failure("InvalidAliasNameException", "Aliases that begin with alias/aws/ are reserved.", "UN-21")
    if call.name == "CreateAlias":
        return _check_alias_is_free(at_hand, name)
    return _check_alias_move(at_hand) if call.name == "UpdateAlias" else None


def _check_alias_is_free(at_hand: Authorized, name: str) -> Failure | None:
    call = at_hand.call
    taken = find_key(at_hand.world, call, name, call.region, alias_allowed=True)
    if not isinstance(taken, FoundKey):
        return None
    arn = f"arn:{taken.key.partition}:kms:{call.region}:{home_account(call)}:{name}"
    return Failure("AlreadyExistsException", f"An alias with the name {arn} already exists", "OP-3")


def _check_alias_move(at_hand: Authorized) -> Failure | None:
    """OP-51: an alias moves between keys of one kind only."""
    kinds = {(leg.key.usage, leg.key.symmetric_encryption) for leg in at_hand.key_legs if leg.key}
    if len(kinds) <= 1:
        return None
    text = "Alias cannot be moved: both keys must have the same key type and key usage."
    return Failure("ValidationException", text, "OP-51")


def check_multi_region(at_hand: Authorized) -> Failure | None:
    """What ReplicateKey asks of the primary and of the replica's Region (EM-33, OP-43)."""
    if at_hand.call.name != "ReplicateKey":
        return None
    key, region = at_hand.key_legs[0].key, str(at_hand.call.parameters.get("ReplicaRegion", ""))
    if key is None:
        return None
    if key.multi_region != "PRIMARY":
        return Failure("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.", "EM-33")
    if related_key(at_hand.world, key, region):
        text = f"Key {key.id} already exists in {region}."
        return Failure("AlreadyExistsException", text, "OP-43")
    return None


def check_new_policy(at_hand: Authorized) -> Failure | None:
    """A key policy that is put on a key: well-formed, ours to write, and not locking its author out (TP-7 to TP-10)."""
    call = at_hand.call
    if call.name not in {"CreateKey", "PutKeyPolicy", "ReplicateKey"}:
        return None
    if call.parameters.get("PolicyName") == "AWS_RAM":
        return Failure("ValidationException", "The AWS_RAM policy can only be managed by the RAM service", "EM-32")
    document = call.parameters.get("Policy")
    if document is None:
        return None
    if not isinstance(document, str | Mapping):
        return Failure("MalformedPolicyDocumentException", "The key policy is not a JSON object.", "PG-2")
    try:
        policy = parse_policy(document, PolicyKind.KEY_POLICY)
    except PolicyError as refused:
        return Failure(refused.code, str(refused), refused.rule)
    if call.parameters.get("BypassPolicyLockoutSafetyCheck") is True:
        return None  # TP-9
    return _check_lockout(at_hand, policy)


def _check_lockout(at_hand: Authorized, policy: Policy) -> Failure | None:
    """TP-8: the caller must really be able to put a policy again; whether delegation alone does is open (UN-10)."""
    key = _key_with(at_hand, policy)
    parameters = {"KeyId": key.arn, "PolicyName": "default"}
    later = replace(at_hand.call, operation="kms:PutKeyPolicy", region=key.region, parameters=parameters)
    leg = Leg("kms:PutKeyPolicy", key.arn, Source.KEY, key.region, key.account, key)
    asked = at_hand.authorize(_world_with(at_hand.world, key), later, leg)
    if asked.ruling.allowed or (asked.facts.delegated and at_hand.questions.other_reading("UN-10")):
        return None
    return Failure("MalformedPolicyDocumentException", _LOCKED_OUT, "EM-31")


def _key_with(at_hand: Authorized, policy: Policy) -> Key:
    """The key as it will be: the changed one, the replica, or a new one."""
    call = at_hand.call
    present = at_hand.key_legs[0].key if at_hand.key_legs else None
    if present is None:
        new = Key("00000000-0000-0000-0000-000000000000", call.region, home_account(call), policy)
        return replace(new, origin=str(call.parameters.get("Origin", new.origin)))
    if call.name == "ReplicateKey":
        region = str(call.parameters.get("ReplicaRegion", ""))
        return replace(present, region=region, multi_region="REPLICA", policy=policy, ram_policy=None, grants=())
    return replace(present, policy=policy, ram_policy=None)


def _world_with(world: World, key: Key) -> World:
    account = world.accounts.get(key.account, Account(key.account))
    others = tuple(other for other in account.keys if other.arn != key.arn)
    return replace(world, accounts={**world.accounts, key.account: replace(account, keys=(*others, key))})
