"""A sentence → the call that it tells of, as far as a world can be asked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmssim.access import HALVES, Question, actions_on, call_for, key_named
from kmssim.errors import InputError
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Call, Principal, parse_arn
from kmssim.evaluator.world import Key, World
from kmssim.explain_error.reading import caller_of
from kmssim.explain_error.sentence import Sentence
from kmssim.strict_json import printable

_BY_S3 = frozenset({"GetObject", "HeadObject", "PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart"})
_FORWARDED = frozenset(
    {"s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}
)


@dataclass(frozen=True)
class Stated:
    """What a person adds, since no sentence tells it: the key, the encryption context, the service in between."""

    key: Key | None = None
    encryption_context: Mapping[str, str] | None = None
    via: str | None = None


def read_stated(world: World, key: str | None, pairs: Sequence[str], via: str | None) -> Stated:
    """What a person states as text: a key's name, and pairs of the encryption context as `name=value`.

    Raises:
        InputError: there is no such key, or a pair has no equals sign.

    """
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise InputError(printable(f"`{wrong}` is no pair of an encryption context"), hint="write NAME=VALUE")
    context = dict(pair.split("=", 1) for pair in pairs) if pairs else None
    return Stated(key_named(world, key) if key else None, context, via)


def rebuild_calls(sentence: Sentence, world: World, stated: Stated) -> tuple[Call, ...]:
    """The call of the sentence; several where it names no key, one for each that it can be about.

    Raises:
        InputError: the sentence does not say enough, or speaks of what this world does not have.

    """
    caller = caller_of(sentence)
    if caller is None or sentence.action is None:
        raise InputError("the sentence names no caller and no action, so there is nothing to ask the world")
    service, _, name = sentence.action.partition(":")
    if service != "kms":
        return (_forwarded(sentence, caller, world),)
    if sentence.resource == "*":
        return (Call(caller, sentence.action, world.region),)
    if sentence.resource and ":alias/" in sentence.resource:
        return (_about_an_alias(sentence, caller, world, stated),)
    if name not in OPERATIONS and f"kms:{name}" not in HALVES:
        raise InputError(f"{sentence.action} is no operation of KMS, so there is nothing to ask the world")
    return tuple(_about_a_key(sentence, caller, key, world, stated) for key in _keys(sentence, caller, world, stated))


def _keys(sentence: Sentence, caller: Principal, world: World, stated: Stated) -> tuple[Key, ...]:
    if stated.key is not None:
        return (stated.key,)
    if sentence.resource:
        key = world.keys_by_arn.get(sentence.resource)
        if key is None:
            raise InputError(f"this world has no key {sentence.resource}")
        return (key,)
    keys = tuple(key for key in world.keys_by_arn.values() if key.account != caller.account)
    if not keys:
        raise InputError("the sentence names no key, and this world has none of another account", hint="say --key KEY")
    return keys


def _about_a_key(sentence: Sentence, caller: Principal, key: Key, world: World, stated: Stated) -> Call:
    context = stated.encryption_context if stated.encryption_context is not None else sentence.encryption_context
    pairs = None if context is None else tuple(sorted(context.items()))
    action = str(sentence.action)
    via = stated.via or sentence.via or (f"s3.{key.region}.amazonaws.com" if sentence.operation in _BY_S3 else None)
    if action in actions_on(key) and action != "kms:DeleteAlias":
        return call_for(Question(caller, action, key.arn, pairs, via), world)
    parameters = {"KeyId": key.arn}
    if action.startswith("kms:ReEncrypt"):
        action, parameters = "kms:ReEncrypt", {"SourceKeyId": key.arn, "DestinationKeyId": key.arn}
    if action == "kms:DeleteAlias" and key.aliases:
        parameters = {"AliasName": key.aliases[0]}
    return Call(caller, action, key.region, parameters, via=via)


def _about_an_alias(sentence: Sentence, caller: Principal, world: World, stated: Stated) -> Call:
    """The alias's own half of an alias operation; which key it points to does not matter to it."""
    alias, action = parse_arn(str(sentence.resource)), str(sentence.action)
    if alias is None:
        raise InputError(f"{sentence.resource} is no ARN")
    target = stated.key or world.keys_by_alias_arn.get(str(sentence.resource))
    target = target or next((key for key in world.keys_by_arn.values() if key.account == alias.account), None)
    parameters = {"AliasName": alias.resource}
    if action in {"kms:CreateAlias", "kms:UpdateAlias"}:
        if target is None:
            raise InputError(f"this world has no key in account {alias.account} for that alias to point to")
        parameters["TargetKeyId"] = target.arn
    return Call(caller, action, alias.region, parameters)


def _forwarded(sentence: Sentence, caller: Principal, world: World) -> Call:
    arn, action = parse_arn(sentence.resource or ""), str(sentence.action)
    if action not in _FORWARDED or arn is None:
        raise InputError(f"{action} is neither KMS's nor one of {', '.join(sorted(_FORWARDED))}")
    if action.startswith("s3:"):
        bucket, _, name = arn.resource.partition("/")
        found = world.buckets.get(bucket)
        if found is None:
            raise InputError(f"this world has no bucket {bucket}")
        return Call(caller, action, found.region, {"Bucket": bucket, "Key": name})
    return Call(caller, action, arn.region, {"SecretId": str(arn)})
