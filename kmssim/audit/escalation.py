"""How somebody inside gets more than the policies seem to give (rule book section 16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmssim.access import actions_on
from kmssim.audit.beside import Beside, with_key
from kmssim.audit.exposure import allows_everything
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.operations import GRANT_OPERATIONS, key_kind
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Principal
from kmssim.evaluator.statements import Element
from kmssim.evaluator.world import Key

USING = frozenset({
    "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:Sign", "kms:Verify", "kms:GenerateMac", "kms:VerifyMac",
    "kms:DeriveSharedSecret", "kms:Encapsulate", "kms:Decapsulate",
})  # fmt: skip
_MOST_KEYS = 50
"""On how many keys an identity policy's statement is tried."""


def find_unlimited_grants(scene: Scene) -> Iterator[Finding]:
    """PE-1, PE-3: whoever may create a grant of everything to a stranger."""
    for spot in scene.spots():
        if spot.allows and spot.statement.covers("kms:CreateGrant") and not allows_everything(spot):
            for caller in _insiders(scene, spot):
                found = next(_grants_to_stranger(scene, spot, caller), None)
                if found is not None:
                    yield _unlimited(scene, spot, caller, *found)


def _insiders(scene: Scene, spot: Spot) -> Iterator[Principal]:
    """Whom the statement means, of the key's own account; outsiders are `exposure`'s."""
    for caller in scene.callers_meant(spot):
        if caller.account == spot.account and scene.exists(caller):
            yield caller


def _keys(scene: Scene, spot: Spot) -> list[Key]:
    if spot.key is not None:
        return [spot.key]
    element = spot.statement.resource
    named = [key for key in scene.customer_keys if element is None or _may_name(element, key)]
    return named[:_MOST_KEYS]


def _may_name(element: Element, key: Key) -> bool:
    """Whether the resource is the key, as far as that can be told without a request."""
    return element.is_anything or element.patterns is None or element.names(key.arn) is not element.negated


def _grants_to_stranger(scene: Scene, spot: Spot, caller: Principal) -> Iterator[tuple[Key, Witness]]:
    for key in _keys(scene, spot):
        call = scene.plain(caller, "kms:CreateGrant", key)
        operations = sorted(GRANT_OPERATIONS[key_kind(key.spec, key.usage)])
        parameters = {**call.parameters, "GranteePrincipal": scene.stranger.arn, "Operations": operations}
        says = "a grant of every operation to a stranger is allowed"
        witness = scene.witness(replace(call, parameters=parameters), says, shown=scene.shown(spot, applies=True))
        if witness.decision.allowed and scene.shows(spot, witness):
            yield key, witness


def _unlimited(scene: Scene, spot: Spot, caller: Principal, key: Key, witness: Witness) -> Finding:
    denied = _may_not_use(scene, caller, key) if spot.statement.covers("kms:PutKeyPolicy") else None
    if denied is None:
        return scene.finding("create-grant-unlimited", scene.where(spot), [witness], key=key, subject=caller)
    return scene.finding("administrators-can-grant", scene.where(spot), [witness, denied], key=key, subject=caller)


def _may_not_use(scene: Scene, caller: Principal, key: Key) -> Witness | None:
    """The first use of the key that the caller is denied; None when it may use the key in some way."""
    uses = [action for action in actions_on(key) if action in USING]
    if not uses or any(scene.allows(caller, action, key) for action in uses):
        return None
    first = "kms:Decrypt" if "kms:Decrypt" in uses else uses[0]
    return scene.witness(scene.plain(caller, first, key), "today the same principal may not use the key")


def find_administrators(scene: Scene) -> Iterator[Finding]:
    """PE-2, PE-3: administrators who can make themselves users by changing the key policy."""
    for spot in scene.spots():
        if not (spot.allows and spot.statement.covers("kms:PutKeyPolicy")):
            continue
        for caller in _insiders(scene, spot):
            if next(_grants_to_stranger(scene, spot, caller), None) is not None:
                continue  # said already, and worse
            found = next(_changes(scene, spot, caller), None)
            if found is not None:
                key, witnesses = found
                yield scene.finding("administrators-can-use", scene.where(spot), witnesses, key=key, subject=caller)


def _changes(scene: Scene, spot: Spot, caller: Principal) -> Iterator[tuple[Key, list[Witness]]]:
    """The keys whose policy the statement lets the caller change, of those that it may not use."""
    for key in _keys(scene, spot):
        put = scene.witness(
            scene.plain(caller, "kms:PutKeyPolicy", key),
            "the policy may be changed",
            shown=scene.shown(spot, applies=True),
        )
        if put.decision.allowed and scene.shows(spot, put):
            denied = _may_not_use(scene, caller, key)
            if denied is not None:
                yield key, [put, denied]


def find_reencrypt_escapes(scene: Scene) -> Iterator[Finding]:
    """PE-12: ReEncryptFrom without Decrypt, to a key that a stranger made."""
    welcomes = {key.region: _welcoming_key(scene, key.region) for key in scene.customer_keys}
    for spot in scene.spots():
        if not spot.allows or not spot.statement.covers("kms:ReEncryptFrom"):
            continue
        for caller in _insiders(scene, spot):
            found = next(_ways_out(scene, spot, caller, welcomes), None)
            if found is not None:
                key, witnesses = found
                yield scene.finding("reencrypt-escape", scene.where(spot), witnesses, key=key, subject=caller)


def _welcoming_key(scene: Scene, region: str) -> tuple[Key, Beside]:
    """A key of a stranger that takes data from anybody."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.KEY_POLICY, "beside.policy")
    return with_key(scene.world, scene.stranger.account, region, policy)


def _ways_out(
    scene: Scene, spot: Spot, caller: Principal, welcomes: Mapping[str, tuple[Key, Beside]]
) -> Iterator[tuple[Key, list[Witness]]]:
    for key in _keys(scene, spot):
        if "kms:ReEncryptFrom" not in actions_on(key) or scene.allows(caller, "kms:Decrypt", key):
            continue
        elsewhere, beside = welcomes[key.region]
        plain = scene.plain(caller, "kms:ReEncryptFrom", key)
        call = replace(plain, parameters={**plain.parameters, "DestinationKeyId": elsewhere.arn})
        out = scene.witness(call, "re-wrapping to a stranger's key is allowed", beside)
        if out.decision.allowed and scene.shows(spot, out):
            yield key, [out, scene.witness(scene.plain(caller, "kms:Decrypt", key), "decrypting is not")]


def find_tag_and_alias_escalations(scene: Scene) -> Iterator[Finding]:
    """PE-9, PE-11: access that hangs on a tag or alias which the same principal may put on the key."""
    for spot in scene.spots():
        for condition in spot.statement.conditions if spot.allows else ():
            if condition.operator.negated or condition.variables or not condition.values:
                continue
            value = condition.values[0].replace("*", "any").replace("?", "a")
            if condition.key.startswith("aws:resourcetag/"):
                yield from _self_service(scene, spot, condition, value, "tag-escalation")
            elif condition.key == "kms:resourcealiases" and value.startswith("alias/"):
                yield from _self_service(scene, spot, condition, value, "alias-escalation")


def _self_service(scene: Scene, spot: Spot, condition: Condition, value: str, name: str) -> Iterator[Finding]:
    for caller in _insiders(scene, spot):
        for key in _keys(scene, spot):
            witnesses = _put_on(scene, spot, caller, key, condition, value)
            if witnesses:
                tag = condition.written_key.partition("/")[2]
                yield scene.finding(name, scene.where(spot), witnesses, key=key, subject=caller, tag=tag, alias=value)
                break


def _put_on(scene: Scene, spot: Spot, caller: Principal, key: Key, condition: Condition, value: str) -> list[Witness]:
    """What is denied now, that the tag or alias may be put on the key, and that it is all that was missing."""
    tag = condition.written_key.partition("/")[2]
    is_tag = condition.key.startswith("aws:resourcetag/")
    missing = {condition.key: value if is_tag else (value,)}
    for action in actions_on(key):
        if action not in USING or not spot.statement.covers(action) or scene.allows(caller, action, key):
            continue
        use = scene.plain(caller, action, key)
        then = scene.witness(replace(use, context=missing), "with it there the same call is allowed")
        if not then.decision.allowed:
            continue
        put = scene.plain(caller, "kms:TagResource" if is_tag else "kms:CreateAlias", key)
        changed = {"Tags": [{"TagKey": tag, "TagValue": value}]} if is_tag else {"AliasName": value}
        may = scene.witness(replace(put, parameters={**put.parameters, **changed}), "putting it on the key is allowed")
        return [scene.witness(use, "today the call is denied"), may, then] if may.decision.allowed else []
    return []
