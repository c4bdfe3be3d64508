"""Advice on one request: search, prove, find the side effects, rank.

Aegis proposes and never decides: each proposal carries the authority's decision on the changed copy, and what that
decision contradicts is no proposal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from kmssim.advise.closing import ways_to_close
from kmssim.advise.effects import Effects
from kmssim.advise.opening import ways_to_open
from kmssim.advise.proposal import RANKS, Advice, CallAgain, NoFix, Proposal
from kmssim.advise.reasons import why_none, why_not_closed
from kmssim.advise.search import Search, is_denied, works
from kmssim.authority import find_authority
from kmssim.evaluator.decision import Authority, Decision
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

ALLOW, DENY = "allow", "deny"
_LOOKED_AT = 8
LIMIT = 5
"""How many proposals are kept where nobody says."""


def advise(  # noqa: PLR0913 - what a verb can be asked for
    world: World,
    call: Call,
    *,
    name: str = "",
    wish: str = ALLOW,
    authority: Authority | None = None,
    limit: int = LIMIT,
    advance: Callable[[], object] = lambda: None,
) -> Advice:
    """The smallest changes that give the wanted answer, best first, each proven by `authority`.

    `wish`: `allow` for a call that is denied, or authorized and fails; `deny` for one that is allowed. None for
    `authority`: `find_authority()`'s. `advance` is called after each proposal whose side effects were found.

    Raises:
        AuthorityError: the authority does not rule.

    """
    ruler = authority or find_authority()
    search = Search(world, call, ruler, ways_to_close if wish == DENY else ways_to_open)
    if _is_granted(search.before, wish):
        return Advice(name, wish, search.before, reason=NoFix.ALREADY)
    found = sorted(_found(search, wish), key=_order_at_first)
    looked_at = found[: max(_LOOKED_AT, limit)]
    effects = Effects(world, call, ruler)
    proposals = []
    for proposal in looked_at:
        proposals.append(replace(proposal, side_effects=effects.of(proposal)))
        advance()
    proposals.sort(key=_order_of_opening if wish == ALLOW else _order_of_closing)
    return _advice(name, wish, search, proposals[:limit], len(found) - limit)


def _is_granted(decision: Decision, wish: str) -> bool:
    return not decision.allowed if wish == DENY else works(decision)


def _found(search: Search, wish: str) -> list[Proposal]:
    if wish == DENY:
        return search.find(partial(is_denied, search.before))
    found = search.find(works)
    if found or search.before.allowed:
        return found
    authorized = search.find(lambda decision: decision.allowed)
    return [one for one in authorized if not any(isinstance(edit, CallAgain) for edit in one.edits)]


def _order_at_first(proposal: Proposal) -> tuple[object, ...]:
    """By what is known before the side effects are: the rest would hardly come to the front."""
    return proposal.touches_deny, proposal.needs_administrator, RANKS[proposal.kind], len(proposal.edits)


def _order_of_opening(proposal: Proposal) -> tuple[object, ...]:
    """Least privilege first: no Deny touched, no administrator needed, nothing else opened, the smallest kind."""
    new_doubts = set(proposal.after.uncertain) - set(proposal.before.uncertain)
    return (
        proposal.touches_deny,
        proposal.needs_administrator,
        proposal.opens_more,
        bool(new_doubts),
        RANKS[proposal.kind],
        len(proposal.edits),
        len(proposal.side_effects),
    )


def _order_of_closing(proposal: Proposal) -> tuple[object, ...]:
    """Smallest first: what closes least beside what was wished, with the fewest edits."""
    return (
        proposal.needs_administrator,
        len(proposal.side_effects),
        proposal.reaches_elsewhere,
        len(proposal.edits),
        RANKS[proposal.kind],
    )


def _advice(name: str, wish: str, search: Search, proposals: list[Proposal], left_out: int) -> Advice:
    furthest = search.furthest
    reason = None
    if not proposals:
        allowing = why_none(furthest.world, furthest.call, furthest.decision)
        reason = why_not_closed(furthest.call) if wish == DENY else allowing
    elif all(proposal.needs_administrator for proposal in proposals):
        reason = NoFix.ADMINISTRATOR_ONLY
    failure = furthest.decision.failure
    detail = f"{failure.code}: {failure.message}".rstrip(": ") if failure and not proposals else ""
    return Advice(name, wish, search.before, tuple(proposals), reason, max(0, left_out), detail)
