"""The call as it was meant: another key id, Region, ciphertext, encryption context, token or algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.advise.edits import call_again
from kmssim.advise.proposal import Edit, Kind, SetState
from kmssim.advise.supplying import is_bound
from kmssim.evaluator.decision import Decision, Layer, PermissionTrace
from kmssim.evaluator.keys import home_account
from kmssim.evaluator.operations import OPERATIONS, On, Permission, algorithms
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Key, World, alias_arn

_MOST = 3
_WAITING = frozenset({"PendingDeletion", "PendingReplicaDeletion"})


def _with(call: Call, name: str, value: object) -> Call:
    return replace(call, parameters={**call.parameters, name: value})


def find_what_is_meant(world: World, call: Call) -> Iterator[Edit]:
    """For a call about a key, an alias or a grant that is not there: what it may have meant."""
    if call.service != "kms":
        yield from _object_key_meant(world, call)
        return
    row = OPERATIONS[call.name]
    if row.name == "RetireGrant":
        yield from _grant_meant(world, call)
        return
    for need in row.permissions:
        name = need.parameter or ""
        if need.on is On.ALIAS_TARGET:
            yield from _alias_meant(world, call)
        elif need.on is On.KEY and isinstance(call.parameters.get(name), str):
            yield from _key_meant(world, call, need, str(call.parameters[name]), takes_alias=row.alias_allowed)
    yield from _ciphertext_meant(world, call)


def _key_meant(world: World, call: Call, need: Permission, reference: str, *, takes_alias: bool) -> Iterator[Edit]:
    name = need.parameter or ""
    for key, alias in _keys_like(world, call, reference):
        named = alias_arn(key, alias) if takes_alias and alias else key.arn
        if named != reference or key.region != call.region:
            yield call_again(call, replace(_with(call, name, named), region=key.region))


def _object_key_meant(world: World, call: Call) -> Iterator[Edit]:
    """S3 looks for a bucket's alias in the account of whoever writes (DS-6): its owner's key is named by ARN."""
    bucket = world.buckets.get(str(call.parameters.get("Bucket", "")))
    if call.operation == "s3:PutObject" and bucket is not None and bucket.key:
        for key, _ in _keys_like(world, call, bucket.key):
            yield call_again(call, _with(call, "SSEKMSKeyId", key.arn))


def _keys_like(world: World, call: Call, reference: str) -> list[tuple[Key, str]]:
    """The keys that have this id or alias in another place; else those of the caller's account that come near.

    With each the alias by which it is meant, "" where by its id.
    """
    at = reference.find("alias/")
    alias = reference[at:] if at >= 0 else ""
    last, home = alias or reference.rpartition("/")[2], home_account(call)
    keys = list(world.keys_by_arn.values())
    exact = [key for key in keys if last in {key.id, key.label, *key.aliases}]
    exact = exact or [key for key in keys if last.lower() == key.id or f"alias/{last}" in key.aliases]
    nearest = sorted(exact, key=lambda key: (key.region != call.region, key.account != home))[:_MOST]
    return [(key, alias) for key in nearest] or _near(keys, last, home)


def _near(keys: list[Key], last: str, home: str) -> list[tuple[Key, str]]:
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    names = {name: key for key in keys if key.account == home for name in (*key.aliases, key.id)}
    near = get_close_matches(last[:200], names, n=_MOST, cutoff=0.75)
    return [(names[name], name if name.startswith("alias/") else "") for name in near]


def _alias_meant(world: World, call: Call) -> Iterator[Edit]:
    """UpdateAlias and DeleteAlias name an alias of the caller's account and of the call's Region."""
    alias = str(call.parameters.get("AliasName", ""))
    at_home = [key for key in world.keys_by_arn.values() if key.account == home_account(call)]
    for key in (key for key in at_home if alias in key.aliases and key.region != call.region):
        yield call_again(call, replace(call, region=key.region))
    names = {name: key for key in at_home for name in key.aliases if name != alias}
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    for name in get_close_matches(alias[:200], names, n=_MOST, cutoff=0.75):
        again = replace(_with(call, "AliasName", name), region=names[name].region)
        yield call_again(call, again)


def _grant_meant(world: World, call: Call) -> Iterator[Edit]:
    """RetireGrant: the grant may be on another key, or its key named in a way that the operation does not take."""
    grant_id = str(call.parameters.get("GrantId", ""))
    holder = world.key_of_grant(grant_id)
    if holder is not None:
        yield call_again(call, replace(_with(call, "KeyId", holder.arn), region=holder.region))


def _ciphertext_meant(world: World, call: Call) -> Iterator[Edit]:
    """A ciphertext is decrypted in the Region of the key that made it."""
    made_by = world.keys_by_arn.get(call.ciphertext.key) if call.ciphertext else None
    if made_by is not None and made_by.region != call.region:
        yield call_again(call, replace(call, region=made_by.region))


def with_tokens(call: Call, permission: PermissionTrace) -> Iterator[Edit]:
    """The call with the token of a grant that is not yet consistent (GR-50)."""
    for trace in permission.layer(Layer.GRANT).grants:
        if trace.mismatch is not None and trace.mismatch.element == "GrantTokens":
            again = replace(call, grant_tokens=(*call.grant_tokens, trace.grant))
            yield call_again(call, again)


def with_granted_context(world: World, call: Call, permission: PermissionTrace) -> Iterator[Edit]:
    """The call with the encryption context that a grant to the caller asks for (GR-10)."""
    key = world.keys_by_arn.get(permission.key or "")
    row = OPERATIONS.get(call.name) if call.service == "kms" else None
    parameter = row.context_parameters.get(permission.action) if row else None
    if key is None or not parameter or is_bound(call, parameter):
        return
    for trace in permission.layer(Layer.GRANT).grants:
        if trace.mismatch is None or not trace.mismatch.element.startswith("EncryptionContext"):
            continue
        grant = key.grant_index.find(trace.grant)
        constraints = grant.constraints if grant else None
        if constraints is None:
            continue
        pairs = constraints.encryption_context_equals or constraints.encryption_context_subset or {}
        given = call.parameters.get(parameter)
        kept = dict(given) if isinstance(given, dict) and constraints.encryption_context_equals is None else {}
        context = {**kept, **pairs}
        if context != given:
            yield call_again(call, _with(call, parameter, context))


def after_authorization(world: World, call: Call, decision: Decision) -> Iterator[Edit]:
    """For an authorized call that fails: the key's state, its ciphertext, its algorithm, its tokens."""
    yield from _key_states(world, decision)
    if call.service != "kms":
        return
    yield from _ciphertext_fits(world, call)
    yield from _algorithm_fits(world, call, decision)
    known = tuple(token for token in call.grant_tokens if world.key_of_grant(token))
    if known != call.grant_tokens:
        yield call_again(call, replace(call, grant_tokens=known))


def _key_states(world: World, decision: Decision) -> Iterator[Edit]:
    keys = dict.fromkeys(trace.key for trace in decision.permissions if trace.key)
    for arn in keys:
        state = world.keys_by_arn[arn].state if arn in world.keys_by_arn else ""
        if state == "Disabled":
            yield SetState(Kind.KEY_STATE, arn, "EnableKey", state, "Enabled")
        elif state in _WAITING:
            yield SetState(Kind.KEY_STATE, arn, "CancelKeyDeletion", state, "Disabled")


def _ciphertext_fits(world: World, call: Call) -> Iterator[Edit]:
    """The key that made the ciphertext, and the encryption context that it was made with (EC-2, EM-28)."""
    made = call.ciphertext
    if made is None or call.name not in {"Decrypt", "ReEncrypt"}:
        return
    source = "Source" if call.name == "ReEncrypt" else ""
    key, context = f"{source}KeyId", f"{source}EncryptionContext"
    behind = world.keys_by_arn.get(made.key)
    if behind is not None and call.parameters.get(key) not in {None, made.key}:
        yield call_again(call, replace(_with(call, key, made.key), region=behind.region))
    bound = made.encryption_context
    if bound is not None and dict(bound) != (call.parameters.get(context) or {}):
        rest = {name: value for name, value in call.parameters.items() if name != context}
        parameters = {**rest, context: dict(bound)} if bound else rest
        yield call_again(call, replace(call, parameters=parameters))


def _algorithm_fits(world: World, call: Call, decision: Decision) -> Iterator[Edit]:
    for need in OPERATIONS[call.name].permissions:
        trace = next((one for one in decision.permissions if one.action == need.action and one.key), None)
        key = world.keys_by_arn.get(trace.key or "") if trace else None
        if key is None or not need.algorithm_parameter:
            continue
        known = algorithms(key.spec, key.usage)
        if known and call.parameters.get(need.algorithm_parameter) not in known:
            yield call_again(call, _with(call, need.algorithm_parameter, known[0]))
