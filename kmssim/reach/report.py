"""What a search found → text for people and JSON for tools."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kmssim.access import caller_name
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Key, World
from kmssim.reach.paths import Access, Check, Found, Hop, Way
from kmssim.reach.unseen import NOT_LOOKED_AT
from kmssim.reach.wording import FOREIGN_KEYS, HOPS, RISKS, how, layers, resource, told

Json = dict[str, Any]

_WIDTH = 80
_MOST_WAYS = 4


def who_can_text(found: Found, action: str, key: Key, where: str, *, every: bool = False) -> str:
    """Who can do an action on a key; `where` names the world, `every`: all paths of everybody."""
    direct = [way for way in found.ways if not way.hops]
    longer = [way for way in found.ways if way.hops]
    lines = [f"Who can {action} on {_name_of(key)}", f"  {key.arn}", f"  {where}", ""]
    if key.state != "Enabled":
        lines += [f"The key is {key.state}: who is authorized may still be refused.", ""]
    lines += ["Directly:" if direct else "Directly: nobody."]
    lines += _direct_lines(direct)
    lines += ["", "By other paths:" if longer else "By other paths: nobody whom they lead there was found."]
    lines += _longer_lines(longer, every=every)
    lines += ["", *_endings(found, longer)]
    return "\n".join(lines) + "\n"


def _name_of(key: Key) -> str:
    return key.label or next(iter(key.aliases), key.id)


def _direct_lines(direct: Sequence[Way]) -> Iterator[str]:
    widest = max((len(caller_name(way.principal)) for way in direct), default=0)
    for way in direct:
        yield from _hanging(f"  {caller_name(way.principal).ljust(widest)}  ", how(way.access))


def _hanging(start: str, text: str) -> Iterator[str]:
    """Text beside a start, folded; below it where the start takes too much room."""
    if len(start) > _WIDTH // 2:
        yield start.rstrip()
        start = "      "
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _longer_lines(longer: Sequence[Way], *, every: bool) -> Iterator[str]:
    for principal in dict.fromkeys(way.principal for way in longer):
        own = [way for way in longer if way.principal == principal]
        yield f"  {caller_name(principal)}"
        for number, way in enumerate(own if every else own[:_MOST_WAYS], 1):
            yield from _way_lines(number, way)
        if not every and len(own) > _MOST_WAYS:
            yield f"    and {len(own) - _MOST_WAYS} more; --all shows them"


def _way_lines(number: int, way: Way) -> Iterator[str]:
    for at, (hop, who) in enumerate(zip(way.hops, _named(way.hops), strict=True)):
        start = f"    {number}. " if at == 0 else "       "
        yield from _hanging(start, f"{told(hop, who)} [{', '.join(HOPS[hop.code].rules)}]")
        for check in hop.checks:
            yield from _hanging("         ", _check_line(check, way.key))
    yield from _hanging("       ", f"then {_last(way)}")


def _named(hops: Sequence[Hop]) -> Iterator[str]:
    """Who takes each hop: `it` as long as that is the one who was named last."""
    for at, hop in enumerate(hops):
        yield "it" if at == 0 or hops[at - 1].principal == hop.principal else caller_name(hop.principal)


def _check_line(check: Check, key: str) -> str:
    on = "the key" if check.resource == key else resource(check.resource)
    rests = f", as far as {', '.join(check.uncertain)} is read that way" if check.uncertain else ""
    return f"{check.action} on {on}: allowed by {layers(check.layers)}{rests}"


def _last(way: Way) -> str:
    question = way.access.question
    who = "it" if question.principal == way.hops[-1].principal else caller_name(question.principal)
    on = "" if question.key == way.key else f" on {resource(question.key)}"
    return f"{question.action}{on} is allowed to {who} {how(way.access)}"


def _endings(found: Found, longer: Iterable[Way]) -> Iterator[str]:
    """What closes the paths, and how far the answer goes."""
    codes = dict.fromkeys(hop.code for way in longer for hop in way.hops)
    if codes:
        yield "What would close them:"
        for code in codes:
            yield from _hanging(f"  {HOPS[code].rules[0]}  ".ljust(9), HOPS[code].closed_by)
        yield ""
    callers, places = _counted(len(found.callers), "caller"), _counted(found.looked_at, "situation")
    yield f"{callers}, {places} looked at; --help says what is not."
    if found.cut_off_at is not None:
        yield from _hanging("", f"Cut off: not all paths of {found.cut_off_at} hops and more were looked at.")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def what_can_text(found: Found, principal: Principal, world: World, where: str) -> str:
    """What a principal can do, key by key."""
    lines = [f"What {caller_name(principal)} can do", f"  {principal.arn}", f"  {where}", ""]
    for key in world.keys_by_arn.values():
        ways = [way for way in found.ways if way.key == key.arn]
        state = "" if key.state == "Enabled" else f"  ({key.state})"
        lines += [f"{_name_of(key)}{state}", f"  {key.arn}", *_key_lines(ways), ""]
    lines += [*_hanging("", FOREIGN_KEYS), ""] if found.foreign_keys else []
    lines += _endings(found, found.ways)
    return "\n".join(lines) + "\n"


def _key_lines(ways: Sequence[Way]) -> Iterator[str]:
    if not ways:
        yield "  nothing"
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for way in ways:
        path = tuple(
            f"{told(hop, who)} [{', '.join(HOPS[hop.code].rules)}]"
            for hop, who in zip(way.hops, _named(way.hops), strict=True)
        )
        groups.setdefault((path, how(way.access)), []).append(way.action)
    for (path, allowed), actions in groups.items():
        for at, sentence in enumerate(path):
            yield from _hanging("  - " if at == 0 else "    ", sentence)
        yield from _hanging("    " if path else "  - ", f"{'then' if path else 'directly'}, {allowed}:")
        yield from _hanging("      ", ", ".join(_risky(action) for action in dict.fromkeys(actions)))


def _risky(action: str) -> str:
    """An operation without its service, and what it is dangerous for."""
    name = action.partition(":")[2]
    return f"{name} [{RISKS[action]}]" if action in RISKS else name


def found_json(found: Found, key: Key | None = None, action: str | None = None) -> Json:
    """Everything that was found, in the words that tools read."""
    return {
        "action": action,
        "key": key.arn if key else None,
        "callers": len(found.callers),
        "ways": [_way_json(way) for way in found.ways],
        "foreign_keys": found.foreign_keys,
        "looked_at": found.looked_at,
        "cut_off_at": found.cut_off_at,
        "not_looked_at": list(NOT_LOOKED_AT),
    }


def _way_json(way: Way) -> Json:
    return {
        "principal": way.principal.arn,
        "action": way.action,
        "key": way.key,
        "direct": not way.hops,
        "hops": [_hop_json(hop) for hop in way.hops],
        "proof": _access_json(way.access),
    }


def _hop_json(hop: Hop) -> Json:
    words = HOPS[hop.code]
    return {
        "code": hop.code,
        "principal": hop.principal.arn,
        "target": hop.target,
        "then": hop.then.arn,
        "details": dict(hop.details),
        "text": told(hop),
        "decisions": [_check_json(check) for check in hop.checks],
        "rules": list(words.rules),
        "closed_by": words.closed_by,
    }


def _check_json(check: Check) -> Json:
    return {**asdict(check), "principal": check.principal.arn}


def _access_json(access: Access) -> Json:
    question = access.question
    return {
        "principal": question.principal.arn,
        "action": question.action,
        "key": question.key,
        "encryption_context": None if question.encryption_context is None else dict(question.encryption_context),
        "via": question.via,
        "alias": question.alias,
        "grant": question.grant,
        "paths": list(access.paths),
        "layers": list(access.layers),
        "grants": list(access.grants),
        "error": access.failure,
        "uncertain": list(access.uncertain),
        "text": how(access),
    }
