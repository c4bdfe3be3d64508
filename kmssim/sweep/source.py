"""Where a large sweep gets its worlds from: for each account that has keys, who is to be asked about them.

The keys of an account, and whoever they could let in, are a world of their own: whatever else the organization holds
changes none of its decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from kmssim.access import callers_in, callers_of
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Account, Key, World
from kmssim.sweep.admission import accounts_let_in
from kmssim.sweep.organization import Plan

_FOREIGN_AT_ONCE = 20
"""So many other accounts are held at a time, which bounds the memory of a worker."""


class Block(NamedTuple):
    """Callers to be asked about keys, and a world that holds both."""

    world: World
    keys: Sequence[Key]
    callers: Sequence[Principal]


class Source(Protocol):
    """Something that can be swept, part by part."""

    @property
    def accounts(self) -> Sequence[str]:
        """The accounts that have keys: each is a part."""

    @property
    def stated(self) -> Mapping[str, object]:
        """What it is made from, as JSON: equal for equal sources."""

    @property
    def size(self) -> Size:
        """How many accounts, callers and keys it has."""

    def blocks(self, account: str) -> Iterator[Block]:
        """Everybody who could be allowed something on the keys of an account, some at a time."""


class Size(NamedTuple):
    """Numbers of accounts that have keys, of callers and of keys."""

    accounts: int
    callers: int
    keys: int


@dataclass(frozen=True)
class Made:
    """An organization that is made where it is needed."""

    plan: Plan

    @property
    def accounts(self) -> Sequence[str]:
        """All of them have keys."""
        return self.plan.account_ids

    @property
    def stated(self) -> Mapping[str, object]:
        """The plan."""
        return {"organization": asdict(self.plan)}

    @property
    def size(self) -> Size:
        """As the plan says."""
        return Size(self.plan.accounts, self.plan.callers, self.plan.accounts * self.plan.keys)

    def blocks(self, account: str) -> Iterator[Block]:
        """The account's own callers; then those of other accounts, and the keys that could let them in."""
        home = self.plan.account(account)
        yield self._block(home, home.keys, [home])
        doors = [(key, accounts_let_in([key])) for key in home.keys]
        named = accounts_let_in(home.keys)
        others = [other for other in self.plan.account_ids if other != account and (named is None or other in named)]
        for start in range(0, len(others), _FOREIGN_AT_ONCE):
            some = others[start : start + _FOREIGN_AT_ONCE]
            keys = [key for key, let_in in doors if let_in is None or not let_in.isdisjoint(some)]
            yield self._block(home, keys, [self.plan.people(other) for other in some])

    def _block(self, home: Account, keys: Sequence[Key], people: Sequence[Account]) -> Block:
        world = self.plan.world([home, *(one for one in people if one is not home)])
        return Block(world, keys, [caller for one in people for caller in callers_in(one.id, world)])


@dataclass(frozen=True, eq=False)
class Declared:
    """A world out of a file; `digest` stands for what the file holds."""

    world: World
    digest: str

    @cached_property
    def accounts(self) -> Sequence[str]:
        """Those that have keys."""
        return [account.id for account in self.world.accounts.values() if account.keys]

    @property
    def stated(self) -> Mapping[str, object]:
        """The world's digest."""
        return {"world": self.digest}

    @property
    def size(self) -> Size:
        """Counted."""
        return Size(len(self.accounts), len(self._callers), len(self.world.keys_by_arn))

    @cached_property
    def _callers(self) -> Sequence[Principal]:
        return callers_of(self.world)

    def blocks(self, account: str) -> Iterator[Block]:
        """All callers at once: they are all here."""
        yield Block(self.world, self.world.accounts[account].keys, self._callers)
