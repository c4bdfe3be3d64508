"""Grants, and a key's grants by what a request asks for: the index that makes 50,000 of them as quick as one (GR-6).

A request finds the grants that can fit it by operation, grantee, source and encryption context. Grants that ask for the
same are alike: of each sort a few are kept, enough for an explanation. Whether a grant that was found really fits is
decided in `grants`; the index only never leaves out one that does, on any reading of the open questions (names of the
encryption context are looked up without regard to case, UN-3; a source may be absent, UN-6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product

from kmssim.evaluator.request import parse_arn

FEW = 5
"""How many grants of one sort an explanation shows."""

WITH_CONTEXT = frozenset({
    "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
})  # fmt: skip
"""The operations that carry an encryption context, and so are bound by constraints on it (GR-11)."""

_ANY_SOURCE = "*"
_NO_CONTEXT = "an operation that carries none"
_Pair = tuple[str, str]


@dataclass(frozen=True)
class Constraints:
    """A grant's constraints (GR-10, GR-15); at most one of the two on the encryption context."""

    encryption_context_equals: Mapping[str, str] | None = None
    encryption_context_subset: Mapping[str, str] | None = None
    source_arn: str | None = None


@dataclass(frozen=True)
class Grant:
    """A grant on one key (GR-1 to GR-5). `operations` are those of the API, e.g. `ReEncryptFrom`.

    `pending`: not yet consistent, usable only with its token (GR-50). `issuing_account` may retire it (GR-60).
    """

    id: str
    name: str | None
    operations: tuple[str, ...]
    issuing_account: str
    grantee: str | None = None
    grantee_service: str | None = None
    retiring: str | None = None
    retiring_service: str | None = None
    constraints: Constraints = field(default_factory=Constraints)
    pending: bool = False

    @property
    def holder(self) -> str:
        """The grantee as callers are compared with it."""
        return self.grantee or self.grantee_service or ""

    @property
    def retirer(self) -> str | None:
        """The retiring principal as callers are compared with it."""
        return self.retiring or self.retiring_service


_Shelf = dict[Hashable, dict[Hashable, list[Grant]]]
"""A place, and there the grants by sort: those of one sort answer a request alike, so a few of each are kept."""


class GrantIndex:
    """The grants of one key: `by_id`, `by_name` (GR-7), and by what a request asks for."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        """Look at each grant, once and for all."""
        listed = tuple(grants)
        self.by_id: dict[str, Grant] = {}
        self.by_name: dict[str, list[Grant]] = {}
        self._usable: _Shelf = {}
        self._naming: _Shelf = {}
        self._kin: _Shelf = {}
        common = Counter(pair for grant in listed for pair in fold(grant.constraints.encryption_context_subset))
        for grant in listed:
            self._add(grant, common)

    def __len__(self) -> int:
        """How many grants there are."""
        return len(self.by_id)

    def _add(self, grant: Grant, common: Mapping[_Pair, int]) -> None:
        self.by_id.setdefault(grant.id, grant)
        if grant.name is not None:
            self.by_name.setdefault(grant.name, []).append(grant)
        holder, operations = grant.holder, frozenset(grant.operations)
        if _keep(self._naming, holder, operations, grant):
            for relation in kin_of(holder):
                _keep(self._kin, relation, operations, grant)
        if grant.pending:
            return  # it is found by its token alone (GR-50)
        alike, anchor = (operations, *_context_of(grant)), _anchor(grant, common)
        for source in _sources(grant):
            _keep(self._usable, (holder, source, anchor), alike, grant)
            _keep(self._usable, (holder, source, _NO_CONTEXT), operations, grant)

    def that_can_fit(
        self, operation: str, holder: str, source: str | None, pairs: Mapping[str, str] | None
    ) -> Iterator[Grant]:
        """The grants to `holder` that can fit a request from `source` with this encryption context, of each sort a few.

        Without a source they include those that ask for one, whichever it is. For CreateGrant context and source are
        those of the new grant.
        """
        anchors: tuple[Hashable, ...] = (_NO_CONTEXT,)
        if operation in WITH_CONTEXT or operation == "CreateGrant":
            folded = fold(pairs)
            anchors = (None, frozenset(folded), *sorted(folded))
        for place in product((holder,), (None, source if source is not None else _ANY_SOURCE), anchors):
            yield from _taken(self._usable, place, operation)

    def holding(self, operation: str, holder: str) -> list[Grant]:
        """A few of those that name `holder` for the operation, be they usable or not."""
        return list(islice(_taken(self._naming, holder, operation), FEW))

    def naming(self, holder: str) -> list[Grant]:
        """A few of those that name `holder`, for whatever operation."""
        return list(islice(_taken(self._naming, holder), FEW))

    def of_kin(self, operation: str, relation: Hashable) -> list[Grant]:
        """A few of those that give the operation to somebody of that role or account, see `kin_of`."""
        return list(islice(_taken(self._kin, relation, operation), FEW))


def _keep(shelf: _Shelf, place: Hashable, alike: Hashable, grant: Grant) -> bool:
    """Put the grant there unless a few of its sort are there already; whether it was put."""
    kept = shelf.setdefault(place, {}).setdefault(alike, [])
    if len(kept) == FEW:
        return False
    kept.append(grant)
    return True


def _taken(shelf: _Shelf, place: Hashable, operation: str | None = None) -> Iterator[Grant]:
    for alike in shelf.get(place, {}).values():
        if operation is None or operation in alike[0].operations:  # those that are alike list the same operations
            yield from alike


def fold(pairs: Mapping[str, str] | None) -> set[_Pair]:
    """An encryption context without regard to the case of its names (UN-3)."""
    return {(name.lower(), value) for name, value in (pairs or {}).items()}


def _anchor(grant: Grant, common: Mapping[_Pair, int]) -> Hashable:
    """What a fitting request must have: the whole context for Equals, for Subset the pair that fewest grants want."""
    if grant.constraints.encryption_context_equals is not None:
        return frozenset(fold(grant.constraints.encryption_context_equals))
    pairs = fold(grant.constraints.encryption_context_subset)
    return min(pairs, key=lambda pair: (common[pair], pair)) if pairs else None


def _context_of(grant: Grant) -> tuple[Hashable, Hashable]:
    equals, subset = grant.constraints.encryption_context_equals, grant.constraints.encryption_context_subset
    return (
        None if equals is None else frozenset(equals.items()),
        None if subset is None else frozenset(subset.items()),
    )


def _sources(grant: Grant) -> tuple[str | None, ...]:
    source = grant.constraints.source_arn
    return (None,) if source is None else (source, _ANY_SOURCE)


def kin_of(principal: str) -> tuple[Hashable, ...]:
    """What a principal belongs to, the nearest first: its role, with all sessions of it, and its account."""
    arn = parse_arn(principal)
    if arn is None:
        return ()
    kind, *names = arn.resource.split("/")
    role = {"role": names[-1:], "assumed-role": names[:1]}.get(kind, [])
    return (*((arn.account, name) for name in role), (arn.account,))
