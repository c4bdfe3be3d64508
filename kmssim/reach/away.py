"""Hops that take what a key protects to another key, which somebody else holds (PE-12, PE-15, PE-16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.access import STRANGER, Answers, Question
from kmssim.evaluator.keys import related_key
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.request import Call, Ciphertext, parse_principal
from kmssim.evaluator.statements import PolicyKind
from kmssim.evaluator.world import Account, Key, World
from kmssim.reach.changes import own_key_policy, with_account, with_key
from kmssim.reach.direct import access_of
from kmssim.reach.paths import Hop
from kmssim.reach.situation import Situation, Step

_STRANGERS_KEY = "00000000-0000-4000-8000-000000000000"
_REGIONS = ("eu-west-1", "us-east-1", "us-west-2")
BY_MATERIAL = frozenset({
    "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateMac", "kms:VerifyMac", "kms:Sign",
})  # fmt: skip
"""What whoever knows the key material does without KMS."""


def take_away(at: Situation, key: Key, actions: tuple[str, ...]) -> Iterator[Step]:
    """Every way to have what the actions give without doing them on this key."""
    if "kms:Decrypt" in actions and key.symmetric_encryption:
        yield from _reencrypt(at, key)
    if key.multi_region == "PRIMARY":
        yield from _replicate(at, key)
    if key.origin == "EXTERNAL" and BY_MATERIAL & set(actions):
        yield from _import(at, key)


def _reencrypt(at: Situation, key: Key) -> Iterator[Step]:
    """PE-12: to a key of this world that one may decrypt with, or else to a stranger's, who decrypts there."""
    tells_keys_apart = any(condition.key == "kms:reencryptonsamekey" for condition in at.conditions_over(key))
    if not tells_keys_apart and not at.answers.allows(Question(at.principal, "kms:ReEncryptFrom", key.arn)):
        return
    for other in at.world.keys_by_arn.values():
        decrypt = Question(at.principal, "kms:Decrypt", other.arn)
        fits = other.region == key.region and other.arn != key.arn and other.symmetric_encryption
        if fits and at.answers.allows(decrypt) and _may_rewrap(at, key, other):
            yield _rewrapped(at, at, key, other, decrypt)
            return
    world, theirs = with_a_strangers_key(at.world, key)
    outside = replace(at, answers=Answers(world, at.authority))
    holder = parse_principal(f"arn:{key.partition}:iam::{STRANGER}:root")
    if holder is not None and _may_rewrap(outside, key, theirs):
        yield _rewrapped(at, outside, key, theirs, Question(holder, "kms:Decrypt", theirs.arn))


def _rewrap(at: Situation, key: Key, other: Key) -> Call:
    return Call(
        at.principal,
        "kms:ReEncrypt",
        key.region,
        {"DestinationKeyId": other.arn},
        Ciphertext(key.arn),
    )


def _may_rewrap(at: Situation, key: Key, other: Key) -> bool:
    return at.ask(_rewrap(at, key, other)).done


def _rewrapped(at: Situation, there: Situation, key: Key, other: Key, decrypt: Question) -> Step:
    check = there.ask(_rewrap(at, key, other))
    hop = Hop("reencrypt", at.principal, other.arn, (check,), decrypt.principal)
    return Step((hop,), replace(there, principal=decrypt.principal), proof=access_of(there.answers, decrypt))


def with_a_strangers_key(world: World, like: Key) -> tuple[World, Key]:
    """The world, and in it an account that it knows nothing of, with a key that trusts everybody."""
    document = own_key_policy("*")
    policy = parse_policy(document, PolicyKind.KEY_POLICY, "a stranger's key policy")
    key = Key(_STRANGERS_KEY, like.region, STRANGER, policy, like.partition, label="a stranger's key")
    return with_account(world, Account(STRANGER, keys=(key,))), key


def may_use_foreign_keys(at: Situation) -> bool:
    """PE-13: whether the principal may encrypt under a stranger's key, so that its owner may hold the data."""
    like = next(iter(at.world.keys_by_arn.values()), None)
    if like is None or at.principal.account == STRANGER:
        return False
    world, theirs = with_a_strangers_key(at.world, like)
    return Answers(world, at.authority).allows(Question(at.principal, "kms:Encrypt", theirs.arn))


def _replicate(at: Situation, key: Key) -> Iterator[Step]:
    """PE-16: the same key material in another Region, under a key policy of one's own."""
    for region in dict.fromkeys((*_regions_asked_for(at, key), *_REGIONS)):
        for name in at.names if related_key(at.world, key, region) is None else ():
            document = own_key_policy(name)
            parameters = {"KeyId": key.arn, "ReplicaRegion": region, "Policy": document}
            check = at.ask(Call(at.principal, "kms:ReplicateKey", key.region, parameters))
            if check.done:
                policy = parse_policy(document, PolicyKind.KEY_POLICY, "a replica's key policy")
                replica = replace(key, region=region, policy=policy, multi_region="REPLICA", aliases=(), grants=())
                world = with_key(at.world, replica)
                told = (("Region", region), ("principal", name))
                hop = Hop("replicate", at.principal, key.arn, (check,), at.principal, told)
                then = at.in_world(world, f"replica of {key.arn} in {region} for {name}")
                yield Step((hop,), then, key=replica.arn)
                return


def _regions_asked_for(at: Situation, key: Key) -> Iterator[str]:
    for condition in at.conditions_over(key):
        if condition.key in {"kms:replicaregion", "aws:requestedregion"}:
            yield from (value for value in condition.values if not set(value) & set("*?$"))


def _import(at: Situation, key: Key) -> Iterator[Step]:
    """PE-15: bring key material that one knows. It counts where the key waits for its material."""
    if key.state != "PendingImport":
        return
    wrapped = {"KeyId": key.arn, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"}
    material = {"KeyId": key.arn, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    calls = (
        Call(at.principal, "kms:GetParametersForImport", key.region, wrapped),
        Call(at.principal, "kms:ImportKeyMaterial", key.region, material),
    )
    checks = tuple(at.ask(call) for call in calls)
    if all(check.done for check in checks):
        hop = Hop("import_material", at.principal, key.arn, checks, at.principal)
        question = Question(at.principal, "kms:ImportKeyMaterial", key.arn)
        yield Step((hop,), at, proof=access_of(at.answers, question))
