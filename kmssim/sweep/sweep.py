"""Who may do an action on which keys: every caller, every key, each answer that of `decide`.

For a caller the keys fall into groups of which all layers say the same; one key of each group is decided, and callers
of whom all layers say the same share the answer. Where more than the layers' verdicts counts (grants, services,
operations that need several permissions) each pair is decided by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kmssim.access import STRANGER, Answers, Question, call_for
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.context import derive_principal_keys, session_keys
from kmssim.evaluator.decision import Authority, Source
from kmssim.evaluator.grants import grantee_forms
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call, Principal, PrincipalKind
from kmssim.evaluator.world import Key, World
from kmssim.sweep.coverage import Asker, Coverage, Subject, is_of_callers, numbers_of
from kmssim.sweep.masks import KeyPolicies, Union, Unions, keys_by_account, keys_by_holder


@dataclass(frozen=True)
class Asking:
    """What is asked of every caller and key; see `Question`."""

    action: str
    encryption_context: tuple[tuple[str, str], ...] | None = None
    via: str | None = None


class Said(NamedTuple):
    """What all layers say to one caller.

    `shape`: which layers there are, and by which rules key policies trust the caller; `masks`: of which keys.
    """

    shape: tuple[Hashable, ...]
    masks: tuple[int, ...]


class Look(NamedTuple):
    """What a caller's answers come from: what layers say to it, and of which keys each pair is decided by itself.

    `said` None: of all of them. `doubted`: the keys on which a statement came by an open question.
    """

    principal: Principal
    said: Said | None
    alone: int
    doubted: int = 0


def _split(groups: Mapping[int, int], mask: int, said: int) -> dict[int, int]:
    """Each group as the part that the mask speaks of, which is marked with `said`, and the rest."""
    found = {}
    for verdicts, bits in groups.items():
        inside = bits & mask
        if inside:
            found[verdicts | said] = inside
        if inside != bits:
            found[verdicts] = bits ^ inside
    return found


_NOTHING = Union(0, 0)
_ANYBODY = Principal(PrincipalKind.ROOT, f"arn:aws:iam::{STRANGER}:root", STRANGER, "")


class Sweep:
    """Answers one kind of question for many callers over the same keys."""

    def __init__(
        self, world: World, asking: Asking, keys: Sequence[Key] | None = None, authority: Authority = PYTHON
    ) -> None:
        """`keys` None: all of the world's."""
        self.world = world
        self.asking = asking
        self.keys = tuple(world.keys_by_arn.values() if keys is None else keys)
        self.everything = (1 << len(self.keys)) - 1
        self.authorizer = Authorizer(world, authority)
        self._answers = Answers(world, authority)
        self._decided: dict[Hashable, bool] = {}
        self._joined: dict[Hashable, int] = {}
        self._subjects = self._look_at_keys()
        self._coverage = Coverage(asking.action, self._subjects)
        self._unions = Unions(self._coverage)
        self._policies = KeyPolicies(self.keys, self._coverage)
        self._holders = keys_by_holder(self.keys)
        self._of_account = keys_by_account(self.keys)
        self._shared = self._bits(lambda key: key.ram_policy is not None)
        self._managed_by_aws = self._bits(lambda key: key.manager == "AWS")
        self._guarded = self._bits(lambda key: key.account in world.rcps_over)

    def bits_of(self, principal: Principal) -> int:
        """The keys on which the caller may do the action, as bits: bit n for the n-th key."""
        return self.allowed(self.look_at(principal))

    def look_at(self, principal: Principal) -> Look:
        """Ask every layer about the caller."""
        caller = find_caller(self.world, principal)
        if not self._subjects or caller.is_service:
            return Look(principal, None, self.everything)
        self._coverage.doubted = 0
        said = self._said(self._asker(caller))
        return Look(principal, said, self._shared | self._granted(caller), self._coverage.doubted)

    def allowed(self, look: Look) -> int:
        """The keys on which the caller may do the action, as bits."""
        if look.said is None:
            return self._one_by_one(look.principal, look.alone)
        alike = look.said, look.alone
        found = self._joined.get(alike)
        if found is None:
            found = self._joined[alike] = self._join(look.principal, look.said, self.everything & ~look.alone)
        return found | self._one_by_one(look.principal, look.alone)

    def _look_at_keys(self) -> tuple[Subject, ...]:
        """The keys with what conditions can see of them; none where an answer needs more than one permission."""
        found = []
        for key in self.keys:
            call = call_for(self.question(_ANYBODY, key), self.world)
            asked = self.authorizer.requests(call)
            about = [one for one in asked if one.leg.action == self.asking.action and one.leg.source is Source.KEY]
            if len(about) != 1 or (len(asked) != 1 and self.asking.action == call.operation):
                return ()
            own = {name: value for name, value in about[0].request.context.items() if not is_of_callers(name)}
            found.append(Subject(key.arn, own))
        return tuple(found)

    def _asker(self, caller: Caller) -> Asker:
        principal = caller.principal
        own = derive_principal_keys(self.world, caller)
        own.update(session_keys(Call(principal, self.asking.action, self.world.region), caller))
        own["kms:calleraccount"] = caller.account
        return Asker(caller, own)

    def _granted(self, caller: Caller) -> int:
        """The keys on which the caller holds a grant."""
        found = 0
        for text, _, _ in grantee_forms(caller) if self._holders else ():
            found |= self._holders.get(text, 0)
        return found

    def _said(self, asker: Asker) -> Said:
        caller, unions = asker.caller, self._unions
        session, boundary = caller.principal.session.policies, caller.boundary
        levels = self.world.scps_over.get(caller.account)
        trust = self._policies.of(asker)
        shape = (caller.kind, caller.service_linked, boundary is None, not session, levels is None)
        masks = (
            self._of_account.get(caller.account, 0),
            *unions.of(caller.policies, asker),
            *unions.of((boundary,) if boundary is not None else (), asker),
            *unions.of(session, asker),
            *(unions.of_levels(levels, asker) if levels is not None else _NOTHING),
            self._denied_by_rcp(asker),
            trust.denies,
            *(bits for _, bits in trust.trusts),
        )
        return Said((*shape, *(rule for rule, _ in trust.trusts)), masks)

    def _denied_by_rcp(self, asker: Asker) -> int:
        found = 0
        for account, policies in self.world.rcps_over.items():
            theirs = self._of_account.get(account, 0)
            if policies and theirs:
                found |= self._unions.of(policies, asker).denies & theirs
        return found

    def groups(self, said: Said, among: int) -> Iterator[tuple[Hashable, int]]:
        """The keys of which all layers say the same, and what they say: bit n of it is for mask n."""
        same, groups = 0, {0: among} if among else {}
        for number, mask in enumerate((*said.masks, self._managed_by_aws, self._guarded)):
            inside, said_here = among & mask, 1 << number
            if inside == among:
                same |= said_here
            elif inside:
                groups = _split(groups, mask, said_here)
        return (((said.shape, verdicts | same), bits) for verdicts, bits in groups.items())

    def _join(self, principal: Principal, said: Said, among: int) -> int:
        """Decide one key of each group."""
        allowed = 0
        for alike, bits in self.groups(said, among):
            found = self._decided.get(alike)
            if found is None:
                found = self._decided[alike] = self._allows(principal, next(numbers_of(bits)))
            allowed |= bits if found else 0
        return allowed

    def _one_by_one(self, principal: Principal, among: int) -> int:
        return sum(1 << number for number in numbers_of(among) if self._allows(principal, number))

    def _allows(self, principal: Principal, number: int) -> bool:
        return self._answers.allows(self.question(principal, self.keys[number]))

    def question(self, principal: Principal, key: Key) -> Question:
        """What is asked of one pair."""
        return Question(principal, self.asking.action, key.arn, self.asking.encryption_context, self.asking.via)

    def _bits(self, holds: Callable[[Key], bool]) -> int:
        return sum(1 << number for number, key in enumerate(self.keys) if holds(key))
