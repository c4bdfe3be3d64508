"""What an account has, listed as KMS lists it: keys, aliases, tags, key policies; and when an alias was made or moved.

The lists are those of the world that the decision was taken over, so nobody finds there what cannot be described.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from kmssim.evaluator.keys import FoundKey, find_key, home_account, home_arn
from kmssim.evaluator.world import Key, alias_arn
from kmssim.sandbox.alias_dates import AliasDates, AliasNotes
from kmssim.sandbox.answers import Answer, Refusal
from kmssim.sandbox.paging import Listing, answer_page
from kmssim.sandbox.served import Finish, Serve, Served

_POLICY_NAMES = ("default", "AWS_RAM")


def _own_keys(served: Served) -> list[Key]:
    """The keys of the caller's account in the call's Region."""
    account = served.world.accounts.get(home_account(served.call))
    return [key for key in account.keys if key.region == served.call.region] if account else []


def _keys(served: Served) -> Answer | Refusal:
    owners = served.call.parameters.get("ResourceOwners")
    own = not isinstance(owners, list) or "SELF" in owners
    found = sorted(_own_keys(served), key=_id) if own else []
    return answer_page(served, Listing("Keys", found, _id, lambda key: {"KeyId": key.id, "KeyArn": key.arn}))


def _id(key: Key) -> str:
    return key.id


class _Alias(NamedTuple):
    name: str
    key: Key


def _aliases(served: Served) -> Answer | Refusal:
    """Those of the account, or of one of its keys; names that AWS keeps for itself only where such a key is (MK-1)."""
    reference, keys = served.call.parameters.get("KeyId"), _own_keys(served)
    if reference is not None:
        found_key = find_key(served.world, served.call, str(reference), served.call.region, alias_allowed=False)
        keys = [found_key.key] if isinstance(found_key, FoundKey) else []  # that it is there was decided before
    notes = served.memory.notes(AliasNotes)
    found = sorted((_Alias(name, key) for key in keys for name in key.aliases), key=_name)

    def show(alias: _Alias) -> Mapping[str, object]:
        arn = alias_arn(alias.key, alias.name)
        dates = notes.of(arn)
        shown = {"AliasName": alias.name, "AliasArn": arn, "TargetKeyId": alias.key.id}
        return {**shown, "CreationDate": dates.made, "LastUpdatedDate": dates.moved}

    return answer_page(served, Listing("Aliases", found, _name, show))


def _name(alias: _Alias) -> str:
    return alias.name


def _tags(served: Served) -> Answer | Refusal:
    found = sorted(served.key.tags.items())
    return answer_page(
        served, Listing("Tags", found, lambda tag: tag[0], lambda tag: {"TagKey": tag[0], "TagValue": tag[1]})
    )


def _policies(served: Served) -> Answer | Refusal:
    """PG-50: a key that is shared through a resource share has a second policy."""
    found = _POLICY_NAMES if served.key.ram_policy is not None else _POLICY_NAMES[:1]
    return answer_page(served, Listing("PolicyNames", found, _POLICY_NAMES.index, lambda name: name))


def _made(served: Served, _answer: dict[str, Any]) -> Mapping[str, Any]:
    now = time.time()
    served.memory.notes(AliasNotes).dates[_arn(served)] = AliasDates(now, now)
    return {}


def _moved(served: Served, _answer: dict[str, Any]) -> Mapping[str, Any]:
    notes, arn = served.memory.notes(AliasNotes), _arn(served)
    notes.dates[arn] = notes.of(arn)._replace(moved=time.time())
    return {}


def _deleted(served: Served, _answer: dict[str, Any]) -> Mapping[str, Any]:
    served.memory.notes(AliasNotes).dates.pop(_arn(served), None)
    return {}


def _arn(served: Served) -> str:
    return str(home_arn(served.call, served.call.region, str(served.call.parameters["AliasName"])))


SERVES: Mapping[str, Serve] = {
    "ListKeys": _keys,
    "ListAliases": _aliases,
    "ListResourceTags": _tags,
    "ListKeyPolicies": _policies,
}
FINISHES: Mapping[str, Finish] = {"CreateAlias": _made, "UpdateAlias": _moved, "DeleteAlias": _deleted}
