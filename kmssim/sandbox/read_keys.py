"""KMS keys of one account with their aliases, tags and grants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Key
from kmssim.sandbox.imported import ImportNotes
from kmssim.sandbox.kept_parts import KeptParts
from kmssim.sandbox.memory import Clients, KeyNote, Memory
from kmssim.sandbox.read_policy import read_policy
from kmssim.sandbox.repairs import keys_as_aws_has_them
from kmssim.sandbox.stored_grants import read_grants, with_known_index

_RESERVED = "alias/aws/"


def read_keys(
    account: str, clients: Clients, memory: Memory, regions: Sequence[str], parts: KeptParts
) -> tuple[Key, ...]:
    """Every key of the account: those that were declared in their order, then the others as moto lists them."""
    found: list[Key] = []
    with keys_as_aws_has_them():
        for region in regions:
            kms = clients("kms", account, region)
            aliases = parts.get(("aliases", account, region), partial(_list_aliases, kms))
            for arn in parts.get(("keys", account, region), partial(_list_keys, kms)):
                names = aliases.get(arn.rpartition("/")[2], ())
                found.append(parts.get(("key", arn, names), partial(_read_key, kms, arn, names, memory)))
    order = {arn: place for place, arn in enumerate(memory.keys)}
    return tuple(sorted(found, key=lambda key: order.get(key.arn, len(order))))


def _list_keys(kms: Any) -> list[str]:  # noqa: ANN401 (a boto3 client)
    """The keys of a Region by their ARNs."""
    return [listed["KeyArn"] for listed in _all(kms, "list_keys", "Keys")]


def _list_aliases(kms: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401 (a boto3 client)
    """The aliases of a Region by the ids of their keys."""
    found: dict[str, tuple[str, ...]] = {}
    for alias in _all(kms, "list_aliases", "Aliases"):
        key = alias["TargetKeyId"]
        found[key] = (*found.get(key, ()), alias["AliasName"])
    return found


def _read_key(kms: Any, arn: str, aliases: tuple[str, ...], memory: Memory) -> Key:  # noqa: ANN401 (a boto3 client)
    note, imported = memory.keys.get(arn, KeyNote()), memory.notes(ImportNotes).keys.get(arn)
    about = kms.describe_key(KeyId=arn)["KeyMetadata"]
    label = note.label or about["KeyId"]
    text = kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    source = f"accounts.{about['AWSAccountId']}.keys.{label}.policy"
    parsed = parse_arn(arn)
    region = parsed.region if parsed else ""
    key = Key(
        id=about["KeyId"],
        region=region,
        account=about["AWSAccountId"],
        policy=read_policy(text, PolicyKind.KEY_POLICY, source, arn),
        partition=parsed.partition if parsed else "",
        spec=note.spec or about["KeySpec"],
        usage=about.get("KeyUsage", "ENCRYPT_DECRYPT"),  # moto keeps no default
        origin=about["Origin"],
        manager="AWS" if note.aws_managed or any(name.startswith(_RESERVED) for name in aliases) else "CUSTOMER",
        state=note.state or about["KeyState"],
        multi_region=_multi_region(about, note),
        ram_policy=note.ram_policy,
        aliases=aliases,
        tags={tag["TagKey"]: tag["TagValue"] for tag in _all(kms, "list_resource_tags", "Tags", KeyId=arn)},
        grants=read_grants(arn, about["AWSAccountId"], region, memory),
        pending_material=bool(imported and imported.pending),
        label=label,
    )
    return with_known_index(key, memory)


def _multi_region(about: Mapping[str, Any], note: KeyNote) -> str | None:
    """Who is primary is read from its ARN: moto turns the type of a primary to REPLICA once it has one."""
    if not about.get("MultiRegion"):
        return None
    primary = about["MultiRegionConfiguration"]["PrimaryKey"]["Arn"]
    return "REPLICA" if note.replica or primary != about["Arn"] else "PRIMARY"


def _all(kms: Any, operation: str, member: str, **arguments: str) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 (a boto3 client)
    """All pages of a list; a paginator would take a tenth of the time of each call."""
    more: dict[str, str] = {}
    while True:
        page = getattr(kms, operation)(**arguments, **more)
        yield from page[member]
        if not page.get("Truncated"):
            return
        more = {"Marker": page["NextMarker"]}
