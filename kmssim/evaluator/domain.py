"""The domain of the combining rule: every `Facts` that can come about, and nothing else.

Which verdicts a layer can give, and which of the other facts go together, follows from the layers themselves: an RCP
never is silent, a grant never denies, only a key policy that allows trusts anybody. Verdicts of layers that the rule
treats alike are not thinned out: the domain is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from kmssim.evaluator.decision import Facts, Layer, Limits, Source, Verdict

ALLOW, DENY, SILENT, ABSENT = Verdict.ALLOW, Verdict.DENY, Verdict.SILENT, Verdict.NOT_APPLICABLE

_POSSIBLE = {
    Layer.RCP: (ALLOW, ABSENT, DENY),
    Layer.SCP: (ALLOW, SILENT, ABSENT, DENY),
    Layer.VPC_ENDPOINT: (ALLOW, SILENT, ABSENT, DENY),
    Layer.IDENTITY: (ALLOW, SILENT, ABSENT, DENY),
    Layer.BOUNDARY: (ALLOW, SILENT, ABSENT, DENY),
    Layer.SESSION: (ALLOW, SILENT, ABSENT, DENY),
}
_DIRECT = (None, *Limits)


def all_facts() -> Iterator[Facts]:
    """The complete domain."""
    return _facts(with_denies=True)


def facts_without_denies() -> Iterator[Facts]:
    """The part of the domain in which no layer denies explicitly."""
    return _facts(with_denies=False)


def _facts(*, with_denies: bool) -> Iterator[Facts]:
    choices = [[verdict for verdict in given if with_denies or verdict is not DENY] for given in _POSSIBLE.values()]
    tails = list(_tails(with_denies=with_denies))
    for given in product(*choices):
        verdicts = dict(zip(_POSSIBLE, given, strict=True))
        for key_policy, grant, rest in tails:
            found = {**verdicts, Layer.KEY_POLICY: key_policy, Layer.GRANT: grant}
            yield Facts({layer: found[layer] for layer in Layer}, *rest)


Tail = tuple[Verdict, Verdict, tuple[Source, bool, Limits | None, bool, Limits | None, bool]]


def _tails(*, with_denies: bool) -> Iterator[Tail]:
    """Key policy, grant, and the facts that hang on them."""
    for same_account in (True, False):
        yield ABSENT, ABSENT, (Source.IDENTITY, same_account, None, False, None, False)
        for grant, granted, to_account in _granted(retiring=True):
            yield ABSENT, grant, (Source.GRANT, same_account, None, False, granted, to_account)
        for (policy, direct, delegated), (grant, granted, to_account) in product(_trusted(), _granted()):
            if policy is not DENY or with_denies:
                yield policy, grant, (Source.KEY, same_account, direct, delegated, granted, to_account)


def _trusted() -> Iterator[tuple[Verdict, Limits | None, bool]]:
    """A key policy trusts when it allows: somebody directly, the account, or both."""
    yield SILENT, None, False
    yield DENY, None, False
    yield from ((ALLOW, direct, delegated) for direct in _DIRECT for delegated in (True, False) if direct or delegated)


def _granted(*, retiring: bool = False) -> Iterator[tuple[Verdict, Limits | None, bool]]:
    """A grant that helps may name the whole account; one that fits may still not help (GR-40 read the other way)."""
    yield SILENT, None, False
    if not retiring:
        yield ALLOW, None, False
    yield from ((ALLOW, limits, to_account) for limits in Limits for to_account in (True, False))
