"""The combining rule: facts in, ruling out. All of it is on this page, and it looks at nothing else.

1. An explicit deny in any layer beats everything (DA-1).
2. A guardrail that applies and does not allow blocks every path: SCP, VPC endpoint policy (OR-1, OR-7).
3. Otherwise one *open path* is enough. A path is a way from the caller to the key; it names the layers that give it,
   and it is blocked by each layer that it also needs and that does not allow.

       iam         no key takes part                            identity, boundary, session (DA-38, DA-39)
       grant       a grant helps, or retires itself             what its form leaves standing (GR-33 to GR-40, GR-60)
       direct      the key policy names the caller              what its form leaves standing (DA-20 to DA-26)
       delegation  the key policy hands the account to IAM      identity, boundary, session (DA-27)
       across      the key is another account's                 key policy, identity, boundary, session (XA-1, XA-2)

`authority.rego` is the same rule in Rego. The two agree on every input; where they ever differ the call is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from kmssim.evaluator.decision import (
    Authority,
    Facts,
    Layer,
    Limits,
    PathKind,
    Reason,
    RuledBy,
    Ruling,
    Source,
    Verdict,
)

_SILENT_CLOSES_ALL = frozenset({Layer.SCP, Layer.VPC_ENDPOINT})
_CALLER_SIDE = frozenset({Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION})
_LIMITED_BY = {
    Limits.NOTHING: frozenset[Layer](),
    Limits.SESSION: frozenset({Layer.SESSION}),
    Limits.BOUNDARY_AND_SESSION: frozenset({Layer.BOUNDARY, Layer.SESSION}),
}


@dataclass(frozen=True)
class Path:
    """A way to an allow: the layers that give it, and those that must not be silent on it."""

    kind: PathKind
    given_by: frozenset[Layer]
    needs: frozenset[Layer]


def combine(facts: Facts) -> Ruling:
    """Join the layers' verdicts into one ruling."""
    denying = frozenset(layer for layer, verdict in facts.verdicts.items() if verdict is Verdict.DENY)
    if denying:
        return Ruling(Reason.EXPLICIT_DENY, denying)
    closed = _not_allowing(facts, _SILENT_CLOSES_ALL)
    blocked = {path: _not_allowing(facts, path.needs) for path in _paths(facts)}
    open_paths = [path for path, by in blocked.items() if not by]
    if open_paths and not closed:
        giving = frozenset[Layer]().union(*(path.given_by for path in open_paths))
        return Ruling(Reason.ALLOWED, giving, _kinds(open_paths))
    if open_paths:
        return Ruling(Reason.GUARDRAIL_SILENT, closed, _kinds(open_paths))
    if blocked:
        return Ruling(Reason.PATHS_BLOCKED, closed.union(*blocked.values()), _kinds(blocked))
    return Ruling(Reason.NO_PATH, closed | {_missing_source(facts)})


PYTHON = Authority(RuledBy("python"), lru_cache(maxsize=None)(combine))
"""This page as the decision authority, for bulk work. The domain is finite, so each ruling is made once."""


def _kinds(paths: Iterable[Path]) -> tuple[PathKind, ...]:
    return tuple(path.kind for path in paths)


def _paths(facts: Facts) -> Iterator[Path]:
    if facts.source is Source.IDENTITY:
        yield Path(PathKind.IAM, frozenset({Layer.IDENTITY}), _CALLER_SIDE)
        return
    if facts.granted is not None:
        by_account = frozenset({Layer.IDENTITY}) if facts.granted_to_account else frozenset[Layer]()
        yield Path(PathKind.GRANT, frozenset({Layer.GRANT}) | by_account, _LIMITED_BY[facts.granted] | by_account)
    if facts.source is Source.GRANT:
        return
    trusted = facts.direct is not None or facts.delegated
    if facts.same_account:
        if facts.direct is not None:
            yield Path(PathKind.DIRECT, frozenset({Layer.KEY_POLICY}), _LIMITED_BY[facts.direct])
        if facts.delegated:
            yield Path(PathKind.DELEGATION, frozenset({Layer.KEY_POLICY, Layer.IDENTITY}), _CALLER_SIDE)
    elif trusted or facts.granted is None:
        both = frozenset({Layer.KEY_POLICY, Layer.IDENTITY})
        yield Path(PathKind.ACROSS, both, _CALLER_SIDE | {Layer.KEY_POLICY})


def _not_allowing(facts: Facts, layers: frozenset[Layer]) -> frozenset[Layer]:
    """Those of `layers` that apply and do not allow. Identity and key policy always apply to a path that needs them."""
    always = {Layer.IDENTITY, Layer.KEY_POLICY}
    passing = {Verdict.ALLOW, Verdict.NOT_APPLICABLE}
    return frozenset(
        layer
        for layer in layers
        if facts.verdicts[layer] not in passing or (layer in always and facts.verdicts[layer] is not Verdict.ALLOW)
    )


def _missing_source(facts: Facts) -> Layer:
    """The layer that would have had to open a path, where there is none at all."""
    return Layer.GRANT if facts.source is Source.GRANT else Layer.KEY_POLICY
