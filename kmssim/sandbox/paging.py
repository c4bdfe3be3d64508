"""Long lists a page at a time: Limit, Marker, Truncated and NextMarker of the list operations of KMS.

A marker names the last item that was shown, not a number of items; so whoever revokes the grants of each page before
asking for the next one misses none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.served import Served

Item = TypeVar("Item")
Mark = str | int

_DIGEST = 8


_UNASKED: Mapping[str, int] = {
    "ListAliases": 50,
    "ListGrants": 50,
    "ListKeyPolicies": 100,
    "ListKeys": 100,
    "ListResourceTags": 50,
    "ListRetirableGrants": 50,
}
"""How many items a page has when the call does not say. How many it can have was decided before."""


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """The whole answer to a list operation: `items` in the order of their `mark`, which no two of them share."""

    member: str
    items: Sequence[Item]
    mark: Callable[[Item], Mark]
    show: Callable[[Item], object]


def answer_page(served: Served, listing: Listing[Item]) -> Answer | Refusal:
    """The page that the call asks for."""
    limit, marker = served.call.parameters.get("Limit"), served.call.parameters.get("Marker")
    size = limit if isinstance(limit, int) else _UNASKED[served.call.name]
    start = 0
    if marker is not None:
        last = _read_marker(served, str(marker))
        if last is None:
            return Refusal("InvalidMarkerException", f"Invalid marker: {marker}")
        try:
            start = bisect_right(listing.items, last, key=listing.mark)
        except TypeError:  # a marker of another kind of list, made by hand
            return Refusal("InvalidMarkerException", f"Invalid marker: {marker}")
    page = listing.items[start : start + size]
    answer: dict[str, object] = {listing.member: [listing.show(item) for item in page], "Truncated": False}
    if start + size < len(listing.items):
        answer |= {"Truncated": True, "NextMarker": _write_marker(served, listing.mark(page[-1]))}
    return answer_json(answer)


def _write_marker(served: Served, last: Mark) -> str:
    return base64.urlsafe_b64encode(json.dumps([_list_of(served), last]).encode()).decode()


def _read_marker(served: Served, marker: str) -> Mark | None:
    """The item after which the page starts; None when the marker is none of this list's."""
    try:
        content = json.loads(base64.b64decode(marker.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(content, list) or len(content) != 2 or content[0] != _list_of(served):  # noqa: PLR2004 (a pair)
        return None
    return content[1] if isinstance(content[1], str | int) else None


def _list_of(served: Served) -> str:
    """Which list it is: whoever asks for it, where, and with which filters."""
    call = served.call
    account = call.principal.account or call.principal.source_account
    filters = {name: value for name, value in call.parameters.items() if name not in {"Limit", "Marker"}}
    named = json.dumps([call.name, account, call.region, filters], sort_keys=True, default=str)
    return hashlib.sha256(named.encode()).hexdigest()[:_DIGEST]
