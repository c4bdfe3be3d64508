"""Hops on the key itself: whoever may change it can make itself a user of it (PE-1 to PE-3, PE-9, PE-11, PE-17).

`prepare` changes what conditions look at and leaves the rest as it is; `take` gives access by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmssim.circumstances import context_asked_by
from kmssim.evaluator.keys import related_key
from kmssim.evaluator.operations import GRANT_OPERATIONS, key_kind
from kmssim.evaluator.request import Call
from kmssim.evaluator.statements import Statement
from kmssim.evaluator.world import Key, alias_arn
from kmssim.reach.changes import MADE, own_key_policy, with_grant, with_key, with_key_policy
from kmssim.reach.paths import Hop
from kmssim.reach.situation import Situation, Step, wanted_pairs

_TAGS, _CONSTRAINT, _RETIRING = "aws:resourcetag/", "kms:grantconstrainttype", "kms:retiringprincipal"
_MOST_TAGGINGS = 6


def prepare(at: Situation, key: Key) -> Iterator[Step]:
    """Tags and aliases that conditions ask for, and the primary's place among related keys."""
    asked = {condition.key for condition in at.conditions_over(key)}
    if any(name.startswith(_TAGS) for name in asked):
        yield from _tag(at, key)
        yield from _untag(at, key, asked)
    if asked & {"kms:resourcealiases", "kms:requestalias"}:
        yield from _name(at, key)
    if key.multi_region == "REPLICA":
        yield from _move_primary(at, key)


def _call(at: Situation, key: Key, operation: str, **parameters: object) -> Call:
    return Call(at.principal, f"kms:{operation}", key.region, parameters)


def _tag(at: Situation, key: Key) -> Iterator[Step]:
    """PE-9: tag the key as a statement asks for."""
    own = {f"aws:principaltag/{name.lower()}": value for name, value in at.caller.tags.items()}
    wanted = list(wanted_pairs(at.policies_over(key), _TAGS, own))
    for tags in [pairs for index, pairs in enumerate(wanted) if pairs not in wanted[:index]][:_MOST_TAGGINGS]:
        if all(key.tags.get(name) == value for name, value in tags.items()):
            continue
        listed = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
        check = at.ask(_call(at, key, "TagResource", KeyId=key.arn, Tags=listed))
        if check.done:
            told = tuple((f"tag {name}", value) for name, value in tags.items())
            hop = Hop("tag_key", at.principal, key.arn, (check,), at.principal, told)
            world = with_key(at.world, replace(key, tags={**key.tags, **tags}))
            yield Step((hop,), at.in_world(world, f"tags of {key.arn}: {sorted(tags.items())}"))


def _untag(at: Situation, key: Key, asked: set[str]) -> Iterator[Step]:
    """PE-9: take a tag away on which a Deny, or a statement with an absent key, looks."""
    for name in key.tags:
        if _TAGS + name.lower() not in asked:
            continue
        check = at.ask(_call(at, key, "UntagResource", KeyId=key.arn, TagKeys=[name]))
        if check.done:
            left = {known: value for known, value in key.tags.items() if known != name}
            hop = Hop("untag_key", at.principal, key.arn, (check,), at.principal, (("tag", name),))
            yield Step((hop,), at.in_world(with_key(at.world, replace(key, tags=left)), f"no tag {name} of {key.arn}"))


def _name(at: Situation, key: Key) -> Iterator[Step]:
    """PE-11: give the key an alias that a condition asks for; one that another key has is moved here."""
    for alias in _aliases_asked_for(at, key):
        if alias in key.aliases:
            continue
        held_by = at.world.keys_by_alias_arn.get(alias_arn(key, alias))
        operation = "CreateAlias" if held_by is None else "UpdateAlias"
        check = at.ask(_call(at, key, operation, AliasName=alias, TargetKeyId=key.arn))
        if not check.done:
            continue
        world = at.world
        if held_by is not None:
            left = tuple(name for name in held_by.aliases if name != alias)
            world = with_key(world, replace(held_by, aliases=left))
        world = with_key(world, replace(key, aliases=(*key.aliases, alias)))
        hop = Hop("name_key", at.principal, key.arn, (check,), at.principal, (("alias", alias),))
        yield Step((hop,), at.in_world(world, f"{alias} of {key.arn}"))


def _aliases_asked_for(at: Situation, key: Key) -> list[str]:
    found = [
        value.replace("*", "any").replace("?", "a")
        for condition in at.conditions_over(key)
        if condition.key in {"kms:resourcealiases", "kms:requestalias"}
        for value in condition.values
        if value.startswith("alias/") and "${" not in value
    ]
    return list(dict.fromkeys(found))


def _move_primary(at: Situation, key: Key) -> Iterator[Step]:
    """PE-17: make a replica the primary, so that what only a primary takes can be asked of it."""
    for primary in at.world.keys_by_arn.values():
        if primary.multi_region != "PRIMARY" or related_key(at.world, primary, key.region) != key:
            continue
        check = at.ask(_call(at, primary, "UpdatePrimaryRegion", KeyId=primary.arn, PrimaryRegion=key.region))
        if check.done:
            world = with_key(
                with_key(at.world, replace(primary, multi_region="REPLICA")), replace(key, multi_region="PRIMARY")
            )
            hop = Hop("move_primary", at.principal, primary.arn, (check,), at.principal, (("Region", key.region),))
            yield Step((hop,), at.in_world(world, f"primary {key.arn}"))


def take(at: Situation, key: Key, actions: tuple[str, ...]) -> Iterator[Step]:
    """A grant to oneself for as many of the `actions` as it takes; a key policy of one's own."""
    yield from _grant(at, key, actions)
    yield from _put_policy(at, key)


def _grant(at: Situation, key: Key, actions: tuple[str, ...]) -> Iterator[Step]:
    """PE-1, PE-3: grant oneself the operations, together or else one by one."""
    known = GRANT_OPERATIONS[key_kind(key.spec, key.usage)]
    wanted = [name for action in actions if (name := action.partition(":")[2]) in known]
    if not wanted:
        return
    whole = _grant_of(at, key, wanted)
    if whole is not None or len(wanted) == 1:
        yield from filter(None, [whole])
        return
    yield from filter(None, (_grant_of(at, key, [name]) for name in wanted))


def _grant_of(at: Situation, key: Key, operations: list[str]) -> Step | None:
    for more in _ways_to_grant(at, key):
        for name in at.names:
            call = _call(at, key, "CreateGrant", KeyId=key.arn, GranteePrincipal=name, Operations=operations, **more)
            check = at.ask(call)
            if check.done:
                told = (("operations", ", ".join(operations)), ("grantee", name), *_told(more))
                code = "grant_by_wildcard" if _by_wildcard(at, key) else "grant"
                hop = Hop(code, at.principal, key.arn, (check,), at.principal, told)
                return Step((hop,), at.in_world(with_grant(at.world, key, call), f"grant {sorted(told)} on {key.arn}"))
    return None


def _ways_to_grant(at: Situation, key: Key) -> list[dict[str, Any]]:
    """A plain grant, and grants with what conditions may ask for: a constraint, a retiring principal."""
    asked = {condition.key for condition in at.conditions_over(key)}
    found: list[dict[str, Any]] = [{}]
    if _RETIRING in asked:
        found.append({"RetiringPrincipal": at.names[0]})
    if key.symmetric_encryption and any(
        name == _CONSTRAINT or name.startswith("kms:encryptioncontext") for name in asked
    ):
        statements = (statement for policy in at.policies_over(key) for statement in policy.statements)
        contexts = [dict(pairs) for statement in statements for pairs in context_asked_by(statement.conditions)]
        contexts = contexts or [{MADE: "any"}]
        for kind in ("EncryptionContextSubset", "EncryptionContextEquals"):
            found += [{"Constraints": {kind: pairs}} for pairs in contexts[:2]]
    return found


def _told(more: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    told: list[tuple[str, str]] = []
    for name, value in more.items():
        if isinstance(value, Mapping):
            for kind, pairs in value.items():
                told.append((kind, ", ".join(f"{k}={v}" for k, v in pairs.items())))
        else:
            told.append((name, str(value)))
    return tuple(told)


def _by_wildcard(at: Situation, key: Key) -> bool:
    """PE-3: whether CreateGrant comes with a pattern, as in the console's statement for administrators."""
    policies = [key.policy, *at.caller.policies]
    covering = [one for policy in policies for one in policy.statements if _allows_create_grant(one, at)]
    return bool(covering) and not any(_names_create_grant(one) for one in covering)


def _allows_create_grant(statement: Statement, at: Situation) -> bool:
    named = statement.principal
    means = named is None or not named.names.isdisjoint(at.caller.names)
    return statement.effect_word == "Allow" and means and statement.covers("kms:CreateGrant")


def _names_create_grant(statement: Statement) -> bool:
    """Whether an action without a wildcard, or one that means all of KMS, is what covers it."""
    texts = statement.action.texts if statement.action else ()
    return any(text.lower() in {"kms:creategrant", "kms:*", "*"} for text in texts)


def _put_policy(at: Situation, key: Key) -> Iterator[Step]:
    """PE-2: a key policy that trusts oneself and nobody else."""
    for name in at.names:
        document = own_key_policy(name)
        check = at.ask(_call(at, key, "PutKeyPolicy", KeyId=key.arn, Policy=document))
        if check.done:
            hop = Hop("put_policy", at.principal, key.arn, (check,), at.principal, (("principal", name),))
            yield Step((hop,), at.in_world(with_key_policy(at.world, key, document), f"policy of {key.arn}: {name}"))
            return
