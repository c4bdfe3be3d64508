"""Circumstance in words: the fewest that say under which of those asked about an answer changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kmssim.circumstances import Circumstance
from kmssim.diff.keys import KeyPair


def when(found: Collection[Circumstance], asked: Collection[Circumstance], pair: KeyPair) -> tuple[str, ...]:
    """Say in which of the circumstances `asked` the answer changed; nothing where it did in all of them."""
    if len(found) == len(asked):
        return ()
    return tuple(_parts(found, asked, pair))


def _parts(found: Collection[Circumstance], asked: Collection[Circumstance], pair: KeyPair) -> Iterator[str]:
    through_services = any(each.via for each in asked)
    places = dict.fromkeys((each.via, each.grant) for each in asked)
    for via, grant in places:
        here = [each for each in found if (each.via, each.grant) == (via, grant)]
        all_here = [each for each in asked if (each.via, each.grant) == (via, grant)]
        place = _place(via, grant, pair, through_services=through_services)
        if here and len(here) == len(all_here):
            yield place or "without a grant token"
        else:
            yield from (f"{place} {_context(each)}".lstrip() for each in here)


def _place(via: str | None, grant: str | None, pair: KeyPair, *, through_services: bool) -> str:
    if via:
        return f"via {via}"
    if grant:
        return f"by grant {_name_of(grant, pair)}"
    return "called directly" if through_services else ""


def _name_of(grant_id: str, pair: KeyPair) -> str:
    grants = [grant for key in (pair.old, pair.new) if key for grant in key.grants]
    return next((grant.name for grant in grants if grant.id == grant_id and grant.name), grant_id[:8])


def _context(circumstances: Circumstance) -> str:
    context = circumstances.encryption_context
    if context is None:
        return "without encryption context"
    return "with " + ", ".join(f"{name}={value}" for name, value in context)
