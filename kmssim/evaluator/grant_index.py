"""Grants, and a key's grants by what a request asks for: the index that makes 50,000 of them as quick as one (GR-6).

A request finds the grants that can fit it by holder, source, encryption context and operation. Grants that list the
same operations and ask for the same context are of one sort and answer a request alike: the first few of each are
looked at, enough for an explanation. Whether a grant that was found really fits is decided in `grants`; the index only
never leaves out one that does, on any reading of the open questions (names of the encryption context are looked up
without regard to case, UN-3; a source may be absent, UN-6).

An index is a value: with a grant more or less there is another one, which shares nearly everything with the first. It
finds the same grants, in the same order, whichever way it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from math import comb

from kmssim.evaluator.persistent import Numbered, PersistentMap, Run, alone, extended, first_of, reduced, things_of
from kmssim.evaluator.request import parse_arn

FEW = 5
"""How many grants of one sort an explanation shows."""

WITH_CONTEXT = frozenset({
    "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
})  # fmt: skip
"""The operations that carry an encryption context, and so are bound by constraints on it (GR-11)."""

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


_NO_SOURCE, _ANY_SOURCE, _NOT_YET = range(3)
_SECTIONS = (_NO_SOURCE, _ANY_SOURCE, _NOT_YET)
"""Each grant to a holder is in one of these; one that asks for a source is under that source, too."""

_FREE, _EQUALS, _SUBSET = range(3)
"""What a grant asks of the encryption context: nothing, to be equal, or to hold one pair; 3 and more: two and more."""

_Sort = tuple[frozenset[str], int | tuple[str, ...]]
"""The operations that grants list, and what they ask of the encryption context."""

_MORE: _Sort = (frozenset(), ("grants that ask for these pairs and for more",))
_SOURCED: _Sort = (frozenset(), ("grants to this holder that ask for a source",))

_Place = tuple[Hashable, ...]
_Few = list[Numbered[Grant]]
_Alter = Callable[[Run[Grant] | None, Run[Grant]], Run[Grant] | None]
_Runs = dict[_Sort, Run[Grant]]
_Changes = dict[_Place, _Runs]
_Shelf = PersistentMap[_Place, _Runs]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class GrantIndex:
    """The grants of one key by id, by name (GR-7), and by what a request asks for.

    `_usable` has three kinds of place. A section, `(holder, source)`, has the grants by operations and kind of
    constraint; that of no source also tells whether there are others. `(holder, source, _EQUALS, *pairs)` has those
    that ask for just this context, and `(holder, source, _SUBSET, *pairs)` those that ask for these pairs, among others
    or not: a request goes on from there, by one pair more. `_kin` has a place for each role and account, see `kin_of`.
    """

    _size: int = 0
    _last: int = 0
    _by_id: PersistentMap[str, Run[Grant]] = field(default_factory=PersistentMap)
    _by_name: PersistentMap[str, Run[Grant]] = field(default_factory=PersistentMap)
    _usable: _Shelf = field(default_factory=PersistentMap)
    _kin: _Shelf = field(default_factory=PersistentMap)

    def __len__(self) -> int:
        """How many grants there are."""
        return self._size

    def find(self, grant_id: str) -> Grant | None:
        """The grant of this id."""
        return next((grant for _, grant in things_of(self._by_id.get(grant_id))), None)

    def named(self, name: str) -> list[Grant]:
        """The grants of this name."""
        return [grant for _, grant in things_of(self._by_name.get(name))]

    def with_grant(self, grant: Grant) -> GrantIndex:
        """The index with one grant more, which comes last."""
        return self.changed(added=(grant,))

    def without(self, grant_id: str) -> GrantIndex:
        """The index without the grant of this id; the same one when there is none."""
        grant = self.find(grant_id)
        return self if grant is None else self.changed(removed=(grant,))

    def changed(self, removed: Iterable[Grant] = (), added: Iterable[Grant] = ()) -> GrantIndex:
        """The index without some of its grants, and with others, which come last."""
        gone: dict[int, Grant] = {}
        for grant in removed:
            same_id = things_of(self._by_id.get(grant.id))
            gone[next(number for number, one in same_id if one == grant and number not in gone)] = grant
        come = dict(enumerate(added, self._last + 1))
        by_id: dict[str, Run[Grant] | None] = {}
        by_name: dict[str, Run[Grant] | None] = {}
        usable: _Changes = {}
        kin: _Changes = {}
        steps: tuple[tuple[_Alter, dict[int, Grant]], ...] = ((reduced, gone), (extended, come))
        for alter, grants in steps:
            for one in grants.items():
                grant, single = one[1], alone(one)
                _alter_run(by_id, self._by_id, grant.id, alter, single)
                if grant.name is not None:
                    _alter_run(by_name, self._by_name, grant.name, alter, single)
                for place, sort in _places_of(grant):
                    _alter_place(usable, self._usable, place, sort, alter, single)
                plainly = _sort(grant.operations, _FREE)
                for relation in kin_of(grant.holder):
                    _alter_place(kin, self._kin, relation, plainly, alter, single)
        return GrantIndex(
            self._size + len(come) - len(gone),
            self._last + len(come),
            self._by_id.updated(by_id),
            self._by_name.updated(by_name),
            self._usable.updated(usable),
            self._kin.updated(kin),
        )

    def that_can_fit(
        self, operation: str, holder: str, source: str | None, pairs: Mapping[str, str] | None
    ) -> list[Grant]:
        """The grants to `holder` that can fit a request from `source` with this encryption context, of each sort a few.

        Without a source they include those that ask for one, whichever it is. For CreateGrant context and source are
        those of the new grant.
        """
        plain = self._usable.get((holder, _NO_SOURCE))
        if plain is None:
            return []
        found = self._in_section(plain, (holder, _NO_SOURCE), operation, pairs)
        if _SOURCED in plain:
            place = (holder, _ANY_SOURCE if source is None else source)
            found += self._in_section(self._usable.get(place) or {}, place, operation, pairs)
        return [grant for _, grant in found]

    def _in_section(self, section: _Runs, place: _Place, operation: str, pairs: Mapping[str, str] | None) -> _Few:
        if operation not in WITH_CONTEXT and operation != "CreateGrant":
            return _few_of_each(section, operation)
        free, equal, widths = _asked_by(tuple(section), operation)
        found = _few_of_each(section, operation, _FREE) if free else []
        if equal or widths:
            carried = tuple(sorted(fold(pairs)))
            if equal:
                found += _few_of_each(self._usable.get((*place, _EQUALS, *carried)), operation)
            if widths:
                found += self._with_pairs_among(carried, widths, operation, (*place, _SUBSET))
        return found

    def _with_pairs_among(
        self, pairs: tuple[_Pair, ...], widths: tuple[int, ...], operation: str, start: _Place
    ) -> _Few:
        """The grants that ask for some of `pairs`: the fewer they ask for, the earlier they come.

        `widths`: how many pairs they ask for. Where so many can be chosen in few ways each is looked up outright.
        """
        get = self._usable.get
        found: _Few = []
        choices = _choices(len(pairs), widths)
        if choices is not None:
            for chosen in choices:
                found += _few_of_each(get(start + tuple([pairs[at] for at in chosen])), operation)
            return found
        reached = [(start, 0)]
        for place, begin in reached:  # from place to place, a pair more each time
            for at in range(begin, len(pairs)):
                further = (*place, pairs[at])
                here = get(further)
                if here is None:
                    continue
                if _MORE in here:
                    reached.append((further, at + 1))
                if len(here) > 1 or _MORE not in here:
                    found += _few_of_each(here, operation)
        return found

    def holding(self, operation: str | None, holder: str) -> list[Grant]:
        """The first few of those that name `holder` for the operation, None: for any; be they usable or not."""
        sections = (self._usable.get((holder, section)) for section in _SECTIONS)
        return _first_few(one for section in sections for one in _few_of_each(section, operation))

    def of_kin(self, operation: str, relation: tuple[str, ...]) -> list[Grant]:
        """The first few of those that give the operation to somebody of that role or account, see `kin_of`."""
        return _first_few(_few_of_each(self._kin.get(relation), operation))


def index_after(index: GrantIndex, before: Sequence[Grant], after: Sequence[Grant]) -> GrantIndex:
    """The index of the grants `after`, from that of those `before`: by what came and went, however the two differ.

    Both are walked through side by side: what stands in the way went, what is left at the end came.
    """
    if after is before:
        return index
    removed: list[Grant] = []
    rest = iter(before)
    kept = 0
    for grant in after:
        for old in rest:
            if old is grant:
                kept += 1
                break
            removed.append(old)
        else:
            break
    return index.changed([*removed, *rest], after[kept:])


def _alter_run(
    changes: dict[str, Run[Grant] | None],
    known: PersistentMap[str, Run[Grant]],
    key: str,
    alter: _Alter,
    single: Run[Grant],
) -> None:
    changes[key] = alter(changes[key] if key in changes else known.get(key), single)


def _alter_place(
    changes: _Changes, shelf: _Shelf, place: _Place, sort: _Sort, alter: _Alter, single: Run[Grant]
) -> None:
    here = changes.get(place)
    if here is None:
        known = shelf.get(place)
        if known is None:
            changes[place] = {sort: single}  # it comes: nothing goes from where nothing is
            return
        here = changes[place] = known.copy()
    run = alter(here.get(sort), single)
    if run is None:
        del here[sort]
    else:
        here[sort] = run


@lru_cache(maxsize=4096)
def _asked_by(sorts: tuple[_Sort, ...], operation: str) -> tuple[bool, bool, tuple[int, ...]]:
    """What grants of a section ask for an operation: nothing, some context to be equal, or to hold so many pairs."""
    asked = {kind for operations, kind in sorts if operation in operations and isinstance(kind, int)}
    return _FREE in asked, _EQUALS in asked, tuple(sorted(kind - _SUBSET + 1 for kind in asked if kind >= _SUBSET))


@lru_cache(maxsize=4096)
def _choices(count: int, widths: tuple[int, ...]) -> tuple[tuple[int, ...], ...] | None:
    """Which of so many pairs can be chosen, so many at a time; None where there are more ways than pairs."""
    if sum(comb(count, width) for width in widths) > count:
        return None
    return tuple(chosen for width in widths for chosen in combinations(range(count), width))


def _few_of_each(here: Mapping[_Sort, Run[Grant]] | None, operation: str | None, only: Hashable = None) -> _Few:
    """In order, the first few of each sort that lists the operation."""
    found: _Few = []
    for (operations, asks), run in (here or {}).items():
        if (operation in operations or (operation is None and operations)) and (only is None or asks == only):
            found += first_of(run, FEW)
    return sorted(found, key=_number) if len(found) > 1 else found


def _first_few(found: Iterable[Numbered[Grant]]) -> list[Grant]:
    return [grant for _, grant in sorted(found, key=_number)[:FEW]]


def _number(one: Numbered[Grant]) -> int:
    return one[0]


def _places_of(grant: Grant) -> Iterator[tuple[_Place, _Sort]]:
    """Where a grant is found: in a section, and there by the encryption context that it asks for."""
    holder, operations, constraints = grant.holder, grant.operations, grant.constraints
    if grant.pending:
        yield (holder, _NOT_YET), _sort(operations, _FREE)  # it is found by its token alone (GR-50)
        return
    equals, subset = constraints.encryption_context_equals, constraints.encryption_context_subset
    pairs, spelling = _read(equals or subset or {})
    kind = _EQUALS if equals is not None else _SUBSET if subset else _FREE
    asks = kind + len(pairs) - 1 if kind == _SUBSET else kind
    source = constraints.source_arn
    if source is not None:
        yield (holder, _NO_SOURCE), _SOURCED
    for origin in (_NO_SOURCE,) if source is None else (source, _ANY_SOURCE):
        yield (holder, origin), _sort(operations, asks)
        if kind != _FREE:
            for count in range(1, len(pairs) if kind == _SUBSET else 0):
                yield (holder, origin, _SUBSET, *pairs[:count]), _MORE
            yield (holder, origin, kind, *pairs), _sort(operations, spelling)


def _read(pairs: Mapping[str, str]) -> tuple[tuple[_Pair, ...], tuple[str, ...]]:
    """The pairs in order, without regard to the case of their names, and the names as they are spelled."""
    if not pairs:
        return (), ()
    in_order = _in_order(tuple(pairs))
    if in_order is not None:
        return tuple([(low, pairs[name]) for low, name in in_order[0]]), in_order[1]
    spelled = sorted([(name.lower(), value, name) for name, value in pairs.items()])
    folded = dict.fromkeys([(low, value) for low, value, _ in spelled])
    return tuple(folded), tuple([name for _, _, name in spelled])


@lru_cache(maxsize=4096)
def _in_order(names: tuple[str, ...]) -> tuple[tuple[_Pair, ...], tuple[str, ...]] | None:
    """Names, each after its lower case, and alone; None where two differ in case only, for then values decide."""
    lowered = sorted([(name.lower(), name) for name in names])
    if len(dict(lowered)) < len(names):
        return None
    return tuple(lowered), tuple([name for _, name in lowered])


@lru_cache(maxsize=4096)
def _sort(operations: tuple[str, ...], asks: int | tuple[str, ...]) -> _Sort:
    """One object for many grants: they list few different operations."""
    return frozenset(operations), asks


def fold(pairs: Mapping[str, str] | None) -> set[_Pair]:
    """An encryption context without regard to the case of its names (UN-3)."""
    return {(name.lower(), value) for name, value in pairs.items()} if pairs else set()


@lru_cache(maxsize=4096)
def kin_of(principal: str) -> tuple[tuple[str, ...], ...]:
    """What a principal belongs to, the nearest first: its role, with all sessions of it, and its account."""
    arn = parse_arn(principal)
    if arn is None:
        return ()
    kind, _, path = arn.resource.partition("/")
    role = path.rpartition("/")[2] if kind == "role" else path.partition("/")[0] if kind == "assumed-role" else ""
    return ((arn.account, role), (arn.account,)) if role else ((arn.account,),)
