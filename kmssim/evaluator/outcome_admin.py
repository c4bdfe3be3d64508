"""What management operations still check after authorization: aliases, replicas, and new key policies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmssim.errors import PolicyError
from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.context_kms import request_tags
from kmssim.evaluator.decision import Failure, Source
from kmssim.evaluator.keys import FoundKey, find_key, home_account, related_key
from kmssim.evaluator.known import is_unknown
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.policy import UNDOCUMENTED, Policy, PolicyKind, parse_policy
from kmssim.evaluator.principals import PrincipalEntry
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, partition_of
from kmssim.evaluator.world import Account, Key, World

_LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."
_UNKNOWN_PRINCIPALS = "Policy contains a statement with one or more invalid principals."
_ALIAS_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+")
_MOST_TAGS = 50


def check_alias(at_hand: Authorized) -> Failure | None:
    """What the alias operations ask of names and keys (TP-2, EM-35, UN-21)."""
    call = at_hand.call
    name = str(call.parameters.get("AliasName", ""))
    reserved = name.startswith("alias/aws/")
    if reserved or not _ALIAS_NAME.fullmatch(name):
        other = at_hand.questions.other_reading("UN-21")
        text = "Aliases that begin with alias/aws/ are reserved." if reserved else f"Invalid alias name {name}"
        return Failure("ValidationException" if other else "InvalidAliasNameException", text, "UN-21")
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


def check_primary(at_hand: Authorized) -> Failure | None:
    """Only a primary is replicated, only a primary hands over, and related keys rotate through it (EM-33)."""
    refused = _NOT_OF_A_PRIMARY.get(at_hand.call.name)
    key = at_hand.key_legs[0].key if refused else None
    if refused is None or key is None or key.multi_region not in refused:
        return None
    return Failure("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.", "EM-33")


_NOT_OF_A_PRIMARY: Mapping[str, frozenset[str | None]] = {
    **dict.fromkeys(("ReplicateKey", "UpdatePrimaryRegion"), frozenset({None, "REPLICA"})),
    **dict.fromkeys(("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"), frozenset({"REPLICA"})),
}


def check_replica(at_hand: Authorized) -> Failure | None:
    """What ReplicateKey asks of the replica's Region (OP-43)."""
    key, region = at_hand.key_legs[0].key, str(at_hand.call.parameters.get("ReplicaRegion", ""))
    if key is not None and related_key(at_hand.world, key, region):
        text = f"Key {key.id} already exists in {region}."
        return Failure("AlreadyExistsException", text, "OP-43")
    return None


def check_tags(at_hand: Authorized) -> Failure | None:
    """Tags that a key cannot have (EM-36); tag keys tell small letters from capitals, the reserved prefix does not."""
    names = [name for name, _ in request_tags(at_hand.call)]
    present = at_hand.key_legs[0].key if at_hand.call.name == "TagResource" else None
    if any(name.lower().startswith("aws:") for name in names):
        return Failure("TagException", "Tags beginning with aws: are reserved", "EM-36")
    if len(set(names)) < len(names):
        return Failure("TagException", "Duplicate tag keys", "EM-36")
    if len({*names, *(present.tags if present else ())}) > _MOST_TAGS:
        return Failure("TagException", "Too many tags", "EM-36")
    return None


def check_policy_name(at_hand: Authorized) -> Failure | None:
    """Which of a key's policies can be read and written: `default`, and to read also a shared one (PG-50, EM-32)."""
    call, name = at_hand.call, at_hand.call.parameters.get("PolicyName", "default")
    if call.name == "PutKeyPolicy" and name == "AWS_RAM":
        return Failure("ValidationException", "The AWS_RAM policy can only be managed by the RAM service", "EM-32")
    if call.name != "GetKeyPolicy" or name == "default":
        return None
    key = at_hand.key_legs[0].key
    if name == "AWS_RAM" and key is not None and key.ram_policy is not None:
        return None
    return Failure("NotFoundException", "No such policy exists", "PG-50")


def check_new_policy(at_hand: Authorized) -> Failure | None:
    """A key policy that is put on a key: well-formed, ours to write, and not locking its author out (TP-7 to TP-10)."""
    call = at_hand.call
    document = call.parameters.get("Policy")
    if document is None:
        return None
    if not isinstance(document, str | Mapping):
        return Failure("MalformedPolicyDocumentException", "The key policy is not a JSON object.", "PG-2")
    policy = _read_new_policy(document, at_hand.questions)
    if isinstance(policy, Failure):
        return policy
    partition = partition_of(call.region)
    if any(is_unknown(at_hand.world, entry, partition) for entry in _principals_of(policy)):
        return Failure("MalformedPolicyDocumentException", _UNKNOWN_PRINCIPALS, "EM-30")
    if call.parameters.get("BypassPolicyLockoutSafetyCheck") is True:
        return None  # TP-9
    return _check_lockout(at_hand, policy)


def _read_new_policy(document: str | Mapping[str, object], questions: OpenQuestions) -> Policy | Failure:
    try:
        return parse_policy(document, PolicyKind.KEY_POLICY)
    except PolicyError as refused:
        failure = Failure(refused.code, str(refused), refused.rule)
        if refused.rule not in UNDOCUMENTED or not questions.other_reading("UN-25"):
            return failure
    try:
        return parse_policy(document, PolicyKind.KEY_POLICY, lenient=True)
    except PolicyError:
        return failure


def _principals_of(policy: Policy) -> Iterator[PrincipalEntry]:
    for statement in policy.statements:
        yield from statement.principal.entries if statement.principal else ()


def _check_lockout(at_hand: Authorized, policy: Policy) -> Failure | None:
    """TP-8: the caller must be able to put a policy again, by its own policies too; whether these count is UN-10."""
    key = _key_with(at_hand, policy)
    parameters = {"KeyId": key.arn, "PolicyName": "default"}
    later = replace(at_hand.call, operation="kms:PutKeyPolicy", region=key.region, parameters=parameters)
    leg = Leg("kms:PutKeyPolicy", key.arn, Source.KEY, key.region, key.account, key)
    asked = at_hand.authorize(_world_with(at_hand.world, key), later, leg)
    trusted = asked.facts.direct is not None or asked.facts.delegated
    if asked.ruling.allowed or (trusted and at_hand.questions.other_reading("UN-10")):
        return None
    return Failure("MalformedPolicyDocumentException", _LOCKED_OUT, "EM-31")


def _key_with(at_hand: Authorized, policy: Policy) -> Key:
    """The key as it will be: the changed one, the replica, or a new one."""
    call = at_hand.call
    present = at_hand.key_legs[0].key if at_hand.key_legs else None
    if present is None:
        return _new_key(call, policy)
    if call.name == "ReplicateKey":
        region = str(call.parameters.get("ReplicaRegion", ""))
        bare = replace(present, policy=policy, ram_policy=None, grants=(), aliases=(), tags=dict(request_tags(call)))
        return replace(bare, region=region, multi_region="REPLICA")  # TP-3: only the material is copied
    return replace(present, policy=policy, ram_policy=None)


def _new_key(call: Call, policy: Policy) -> Key:
    given = call.parameters
    return Key(
        id="00000000-0000-0000-0000-000000000000",
        region=call.region,
        account=home_account(call),
        policy=policy,
        partition=partition_of(call.region),
        spec=str(given.get("KeySpec") or given.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"),
        usage=str(given.get("KeyUsage") or "ENCRYPT_DECRYPT"),
        origin=str(given.get("Origin") or "AWS_KMS"),
        multi_region="PRIMARY" if given.get("MultiRegion") is True else None,
        tags=dict(request_tags(call)),
    )


def _world_with(world: World, key: Key) -> World:
    account = world.accounts.get(key.account, Account(key.account))
    others = tuple(other for other in account.keys if other.arn != key.arn)
    return replace(world, accounts={**world.accounts, key.account: replace(account, keys=(*others, key))})
