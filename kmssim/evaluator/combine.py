"""The combining rule: facts in, ruling out. All of it is on this page, and it looks at nothing else.

1. An explicit deny in any layer beats everything (DA-1).
2. A guardrail that applies and does not allow blocks every path: SCP, VPC endpoint policy (OR-1, OR-7).
3. Otherwise one *open path* is enough. A path is a way from the caller to the key; it names the layers that give it,
   and it is blocked by each layer that it also needs and that does not allow.

       direct      the key policy names the caller              what its form leaves standing (DA-20 to DA-26)
       delegation  the key policy hands the account to IAM      identity, boundary, session (DA-27)
       across      the key is another account's                 key policy, identity, boundary, session (XA-1, XA-2)
       grant       a grant helps                                what its form leaves standing (GR-33, GR-35, GR-40)
       IAM alone   no key takes part                            identity, boundary, session (DA-38, DA-39)
       retiring    RetireGrant                                  the grant (GR-60, GR-61)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kmssim.evaluator.decision import Facts, Layer, Limits, Ruling, Source, Verdict

_SILENT_BLOCKS_ALL = frozenset({Layer.SCP, Layer.VPC_ENDPOINT})
_CALLER_SIDE = frozenset({Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION})
_LIMITED_BY = {
    Limits.NOTHING: frozenset[Layer](),
    Limits.SESSION: frozenset({Layer.SESSION}),
    Limits.BOUNDARY_AND_SESSION: frozenset({Layer.BOUNDARY, Layer.SESSION}),
}


@dataclass(frozen=True)
class Path:
    """A way to an allow: the layers that give it, and those that must not be silent on it."""

    given_by: frozenset[Layer]
    needs: frozenset[Layer]


def combine(facts: Facts) -> Ruling:
    """Join the layers' verdicts into one ruling."""
    denying = frozenset(layer for layer, verdict in facts.verdicts.items() if verdict is Verdict.DENY)
    if denying:
        return Ruling(allowed=False, layers=denying, explicit=True)
    closed = _not_allowing(facts, _SILENT_BLOCKS_ALL)
    paths = {path: _not_allowing(facts, path.needs) for path in _paths(facts)}
    open_paths = [path for path, blocked_by in paths.items() if not blocked_by]
    if open_paths and not closed:
        return Ruling(allowed=True, layers=frozenset().union(*(path.given_by for path in open_paths)))
    if open_paths:
        return Ruling(allowed=False, layers=closed)
    return Ruling(allowed=False, layers=closed.union(*(paths.values() or [_missing_source(facts)])))


def _paths(facts: Facts) -> Iterator[Path]:
    if facts.source is Source.IDENTITY:
        yield Path(frozenset({Layer.IDENTITY}), _CALLER_SIDE)
        return
    if facts.granted is not None:
        by_account = frozenset({Layer.IDENTITY}) if facts.granted_to_account else frozenset[Layer]()
        yield Path(frozenset({Layer.GRANT}) | by_account, _LIMITED_BY[facts.granted] | by_account)
    if facts.source is Source.GRANT:
        return
    trusted = facts.direct is not None or facts.delegated
    if facts.same_account:
        if facts.direct is not None:
            yield Path(frozenset({Layer.KEY_POLICY}), _LIMITED_BY[facts.direct])
        if facts.delegated:
            yield Path(frozenset({Layer.KEY_POLICY, Layer.IDENTITY}), _CALLER_SIDE)
    elif trusted or facts.granted is None:
        yield Path(frozenset({Layer.KEY_POLICY, Layer.IDENTITY}), _CALLER_SIDE | {Layer.KEY_POLICY})


def _not_allowing(facts: Facts, layers: frozenset[Layer]) -> frozenset[Layer]:
    """Those of `layers` that apply and do not allow. Identity and key policy always apply to a path that needs them."""
    always = {Layer.IDENTITY, Layer.KEY_POLICY}
    passing = {Verdict.ALLOW, Verdict.NOT_APPLICABLE}
    return frozenset(
        layer
        for layer in layers
        if facts.verdicts[layer] not in passing or (layer in always and facts.verdicts[layer] is not Verdict.ALLOW)
    )


def _missing_source(facts: Facts) -> frozenset[Layer]:
    """Which layer is to blame when there is no path at all."""
    return frozenset({Layer.GRANT if facts.source is Source.GRANT else Layer.KEY_POLICY})
