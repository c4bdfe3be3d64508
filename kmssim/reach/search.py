"""The search: breadth first, from every caller, over hops that are each decided, until the wish is allowed.

A path is told only when its last decision, taken in the world that its hops have made, allows. Hops that make somebody
somebody else, or that edit one's own IAM, come first; then those on the key; nothing is gained by another order. Once a
path has reached the wish it is not made longer, and no situation is looked at twice from one caller; nor is one in
which the caller is somebody who had the wish already, by some of the same changes.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kmssim.access import STRANGER, Answers, actions_on, callers_of
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Principal, parse_principal
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.progress import Advance
from kmssim.reach.arming import arm_and_become, arm_held
from kmssim.reach.away import BY_MATERIAL, may_use_foreign_keys, take_away
from kmssim.reach.becoming import become
from kmssim.reach.changes import everything, with_account
from kmssim.reach.direct import Circumstances, accesses, who_can_directly
from kmssim.reach.edits import edit
from kmssim.reach.on_key import prepare, take
from kmssim.reach.paths import DEFAULT_LIMITS, Access, Found, Hop, Limits, Way
from kmssim.reach.roles import Roles, look_at_roles
from kmssim.reach.situation import Situation, Step


def who_can(
    world: World,
    action: str,
    key: Key,
    limits: Limits = DEFAULT_LIMITS,
    authority: Authority = PYTHON,
    advance: Advance | None = None,
) -> Found:
    """Everybody who can do `action` on `key`: directly, or else by the paths that the world leaves open."""
    callers = callers_of(world)
    search = _Search(world, key, (action,), limits, authority)
    direct = who_can_directly(world, action, [key], authority, search.answers)
    ways = [Way(one.question.principal, action, key.arn, (), one) for one in direct]
    allowed = {way.principal for way in ways}
    starts = [search.start(caller) for caller in callers if caller not in allowed]
    starts += search.outsiders() if not any(caller.account == STRANGER for caller in allowed) else []
    ways += search.run(starts, advance)
    return Found(callers, tuple(ways), search.looked_at, search.cut_off_at)


def what_can(  # noqa: PLR0913 - a question, and how far to look
    world: World,
    principal: Principal,
    keys: Sequence[Key] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    authority: Authority = PYTHON,
    advance: Advance | None = None,
    *,
    actions: Collection[str] | None = None,
) -> Found:
    """What a principal can do on `keys` (None: all) of `actions` (None: all), each by the shortest way to it."""
    ways: list[Way] = []
    looked_at, cut_off = 0, []
    known: dict[Hashable, tuple[int, tuple[Step, ...]]] = {}
    roles = look_at_roles(world)
    for key in world.keys_by_arn.values() if keys is None else keys:
        wanted = tuple(action for action in actions_on(key) if actions is None or action in actions)
        search = _Search(world, key, wanted, limits, authority, roles, known, once=True)
        ways += search.run([search.start(principal)])
        looked_at += search.looked_at
        cut_off += [search.cut_off_at] if search.cut_off_at is not None else []
        if advance is not None:
            advance()
    foreign = may_use_foreign_keys(Situation(Answers(world, authority), principal, authority))
    return Found((principal,), tuple(ways), looked_at, min(cut_off, default=None), foreign)


@dataclass(frozen=True, eq=False, repr=False)
class _Node:
    """A situation on the way of one caller.

    `on_key`: only hops on the key can follow; `last`: none can. `met` are the actions that are reached already, `taken`
    the ways to take the key that were open before a detour.
    """

    start: Principal
    at: Situation
    hops: tuple[Hop, ...] = ()
    on_key: bool = False
    last: bool = False
    key: str = ""
    proof: Access | None = None
    met: frozenset[str] = frozenset()
    taken: frozenset[tuple[str, str]] = frozenset()


@dataclass
class _Search:
    """One search for one key; `once`: each action by its shortest way alone, else by every way."""

    world: World
    key: Key
    actions: tuple[str, ...]
    limits: Limits
    authority: Authority
    roles: Roles | None = None
    steps_known: dict[Hashable, tuple[int, tuple[Step, ...]]] = field(default_factory=dict)
    once: bool = False
    looked_at: int = 0
    cut_off_at: int | None = None

    def __post_init__(self) -> None:
        self.answers = Answers(self.world, self.authority)
        self._roles = self.roles or look_at_roles(self.world)
        self._on_key_known: dict[Hashable, tuple[Step, ...]] = {}
        self._places: set[Hashable] = set()
        self._nodes = 0
        self._seen: dict[Principal, set[Hashable]] = {}
        self._met: dict[Principal, set[str]] = {}
        self._ended: dict[Hashable, list[frozenset[str]]] = {}
        self._circumstances: dict[Hashable, Circumstances] = {}

    def start(self, caller: Principal) -> _Node:
        """Where a caller begins."""
        return _Node(caller, Situation(self.answers, caller, self.authority))

    def outsiders(self) -> list[_Node]:
        """PE-20: somebody of an account that nothing names, whose own IAM allows everything."""
        arn = f"arn:{self.key.partition}:iam::{STRANGER}:role/anybody"
        anybody = parse_principal(arn)
        if anybody is None or STRANGER in self.world.accounts:
            return []
        role = Role(arn, "anybody", policies=(everything(),))
        start = Situation(self.answers, anybody, self.authority)
        then = start.in_world(with_account(self.world, Account(STRANGER, roles={"anybody": role})), "a stranger")
        hop = Hop("allow_oneself", anybody, arn, (), anybody)
        return [_Node(anybody, then, (hop,), on_key=True)]

    def run(self, starts: Sequence[_Node], advance: Advance | None = None) -> list[Way]:
        """Search level by level, all callers alike, so that only the longest paths are lost where it is cut off."""
        levels: dict[int, list[_Node]] = {}
        for node in starts:
            levels.setdefault(len(node.hops), []).append(node)
        found: list[Way] = []
        for length in range(self.limits.hops + 1):
            for node in levels.get(length, ()):
                if not self._may_look_at(node):
                    self.cut_off_at = length
                    return found
                if self._is_detour(node):
                    continue
                ways = tuple(self._ways(node))
                found += ways
                if ways and not self.once:
                    self._ended.setdefault((node.start, node.at.who), []).append(node.at.made)
                for following in self._follow(node, ways) if length < self.limits.hops else ():
                    levels.setdefault(len(following.hops), []).append(following)
                if advance is not None and length == 0:
                    advance()
        return found

    def _may_look_at(self, node: _Node) -> bool:
        """Whether the limits allow it: many callers may come by a situation, which is looked at once."""
        self._nodes += 1
        self._places.add(node.at.identity)
        self.looked_at = len(self._places)
        return self.looked_at <= self.limits.situations and self._nodes <= self.limits.turns

    def _is_detour(self, node: _Node) -> bool:
        """Whether this caller has reached the wish already as the same one by some of the changes alone."""
        return any(fewer <= node.at.made for fewer in self._ended.get((node.start, node.at.who), ()))

    def _ways(self, node: _Node) -> Iterator[Way]:
        """What the wish ends in here: every wanted action that the last decision allows."""
        for action in self._wanted(node.start, node.met):
            for access in self._accesses(node, action):
                yield Way(node.start, action, self.key.arn, node.hops, access)

    def _wanted(self, start: Principal, met: frozenset[str]) -> tuple[str, ...]:
        """The actions that are still looked for, of which `met` are reached on this path."""
        reached = self._met.get(start, set()) if self.once else met
        return tuple(action for action in self.actions if action not in reached)

    def _accesses(self, node: _Node, action: str) -> tuple[Access, ...]:
        if node.proof is not None:
            code = node.hops[-1].code
            fits = action == "kms:Decrypt" if code == "reencrypt" else action in BY_MATERIAL
            return (node.proof,) if fits else ()
        key = node.at.world.keys_by_arn[node.key or self.key.arn]
        if action not in actions_on(key):
            return ()
        place = (node.at.made, key.arn)
        if place not in self._circumstances:
            self._circumstances[place] = Circumstances(node.at.world, key)
        return accesses(node.at.answers, node.at.principal, action, self._circumstances[place])

    def _follow(self, node: _Node, ways: Sequence[Way]) -> Iterator[_Node]:
        reached = {way.action for way in ways}
        self._met.setdefault(node.start, set()).update(reached)
        met = node.met | reached
        wanted = self._wanted(node.start, met)
        if node.last or not wanted or node.at.caller.is_service:
            return
        key = node.at.world.keys_by_arn[self.key.arn]
        on_key = self._steps_on_key(node.at, key, wanted)
        taken = node.taken
        for step in on_key:
            if step.hops[-1].code not in _PREPARING and _taking(step) not in node.taken:
                for last in self._next(node, step, met, on_key=True, last=True):
                    taken |= {_taking(step)} if any(self._accesses(last, action) for action in wanted) else set()
                    yield last
        going_on = replace(node, taken=taken)
        for step in on_key:
            if step.hops[-1].code in _PREPARING:
                yield from self._next(going_on, step, met, on_key=True)
        for step in () if node.on_key else self._steps(node):
            yield from self._next(going_on, step, met)

    def _next(
        self, node: _Node, step: Step, met: frozenset[str], *, on_key: bool = False, last: bool = False
    ) -> Iterator[_Node]:
        """The node behind a step, unless it is too far, or this caller has been there by no more hops."""
        if len(node.hops) + len(step.hops) > self.limits.hops:
            return
        place = (step.then.identity, on_key, step.key, step.hops[-1].code if last else "")
        seen = self._seen.setdefault(node.start, {(node.at.identity, False, "", "")})
        if place in seen:
            return
        seen.add(place)
        yield _Node(
            node.start,
            step.then,
            (*node.hops, *step.hops),
            on_key,
            last,
            step.key,
            step.proof,
            met,
            node.taken,
        )

    def _steps(self, node: _Node) -> Iterator[Step]:
        """Hops that have nothing to do with the key."""
        yield from self._steps_from(node.at, self.limits.hops - len(node.hops))
        for held in dict.fromkeys((node.start, *(hop.then for hop in node.hops))):
            yield from arm_held(node.at, held, self._roles, self.limits.hops - len(node.hops))

    def _steps_from(self, at: Situation, most: int) -> tuple[Step, ...]:
        """Those that any caller has here, found once, for at most so many hops: the first to come by has the most."""
        looked, steps = self.steps_known.get(at.identity, (0, ()))
        if looked < most:
            becoming = tuple(become(at, self._roles, most))
            arming = arm_and_become(at, self._roles, becoming, most)
            steps = (*edit(at, self._roles), *becoming, *arming)
            self.steps_known[at.identity] = most, steps
        return steps

    def _steps_on_key(self, at: Situation, key: Key, wanted: tuple[str, ...]) -> tuple[Step, ...]:
        place = (at.identity, wanted)
        if place not in self._on_key_known:
            steps = (*prepare(at, key), *take(at, key, wanted), *take_away(at, key, wanted))
            self._on_key_known[place] = steps
        return self._on_key_known[place]


def _taking(step: Step) -> tuple[str, str]:
    """Who takes the key, and how: what one could do at once is no news after a detour."""
    return step.hops[-1].principal.arn, step.hops[-1].code


_PREPARING = frozenset({"tag_key", "untag_key", "name_key", "move_primary"})
