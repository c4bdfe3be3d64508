"""Callers whom the policies of a world treat alike: their questions differ in nothing that a layer looks at.

Forty roles with one policy are not forty questions. What layers and facts look at of a caller is little: its account,
its kind, which statements of each policy apply to it for sure, which are open, and how a key policy's Allow trusts it.
Where all of that is the same, what is found for one of them is found for all. So deciding costs as many questions as a
world's policies tell apart, not as many as it has principals. Evidence is not shared: it names the caller.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from kmssim.evaluator.asked import Asked
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.statements import Policy, PolicyKind
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.views import View, view_of

Seen = tuple[PolicyKind, View]
"""A policy's kind, and how the caller of a question sees it."""


def policies_of(asked: Asked) -> Iterator[Policy]:
    """Every policy that one of the layers may look at."""
    world, caller, leg = asked.world, asked.caller, asked.leg
    yield from world.rcps_over.get(leg.owner, ())
    for level in world.scps_over.get(caller.account, ()):
        yield from level
    endpoint = world.vpc_endpoints.get(asked.call.network.vpc_endpoint or "")
    on_resource = (leg.key.policy, leg.key.ram_policy) if leg.key is not None else (leg.resource_policy,)
    others = (caller.boundary, endpoint.policy if endpoint else None, *on_resource)
    yield from (policy for policy in others if policy is not None)
    yield from caller.policies
    yield from caller.principal.session.policies


def views_of(asked: Asked) -> tuple[Seen, ...]:
    """All of these policies as the caller sees them for the action and the resource."""
    request = asked.request
    return tuple(
        (policy.kind, view_of(policy, request.caller, request.action, request.resource))
        for policy in policies_of(asked)
    )


def told_apart_by(caller: Caller, seen: tuple[Seen, ...]) -> tuple[Hashable, ...]:
    """What two callers must have in common for the same question of both to be one.

    Flat, since a world has many. Open statements are known by their identity: whoever keeps this keeps them.
    """
    found: list[Hashable] = [caller.account, caller.kind, caller.service_linked]
    for kind, view in seen:
        found += kind, view.denies, view.allows, view.trust, _alone(caller, view)
        found += map(id, (*view.open_denies, *view.open_allows))
        if kind is PolicyKind.KEY_POLICY:
            found += [trust_role(statement, caller) for statement in view.open_allows]
    return tuple(found)


def _alone(caller: Caller, view: View) -> object:
    """NotPrincipal looks at more of a caller than its names (PG-45, PG-46): whoever it is asked of is like nobody."""
    principals = (statement.principal for statement in (*view.open_denies, *view.open_allows))
    return caller.itself if any(element is not None and element.negated for element in principals) else None
