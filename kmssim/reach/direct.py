"""Direct access: who may do something on a key as the world stands, and under which circumstances.

Each answer is that of `decide`. A plain call is asked first; where it is denied the circumstances that policies and
grants of the world ask for are tried: an encryption context, a service in between, an alias as the key's name, a
grant's token. What else a policy may ask for (addresses, MFA, dates, VPC endpoints) is not tried.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from kmssim.access import HALVES, Answers, Question, callers_of, carries_context, operation_of
from kmssim.circumstances import (
    PLAIN,
    RETIRING,
    Circumstance,
    Pairs,
    context_asked_by,
    contexts_bound_by,
    policies_over,
    vias_asked_by,
)
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.decision import Authority, Decision, Layer, PermissionTrace
from kmssim.evaluator.operations import Operation
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import Grant, Key, World
from kmssim.reach.paths import Access

_Asking = tuple[tuple[Condition, ...], ...]

_MOST_TOLD = 5


@dataclass(frozen=True, eq=False, repr=False)
class Circumstances:
    """The circumstances that could make a difference on one key of one world, by what its policies and grants say."""

    world: World
    key: Key
    _kept: dict[Hashable, tuple[_Asking, tuple[Circumstance, ...]]] = field(default_factory=dict)

    def of(self, action: str, principal: Principal) -> tuple[Circumstance, ...]:
        """Those of one question, the plain one first: of statements and grants that may have a say on it."""
        if action == RETIRING:
            return tuple(Circumstance(grant=grant.id) for grant in self.key.grants)
        caller = find_caller(self.world, principal)
        operation = operation_of(action)
        asking = tuple(self._asking(caller, operation))
        name = action.partition(":")[2]
        grants = tuple(grant for grant in self._grants_of(caller) if name in grant.operations)
        place = (action, tuple(map(id, asking)), tuple(grant.id for grant in grants))
        if place not in self._kept:
            found = sorted(self._of(action, operation, asking, grants), key=lambda one: one.stated)
            self._kept[place] = asking, tuple(found)  # what was asked is kept alive, so that its ids stay its own
        return self._kept[place][1]

    def _of(
        self, action: str, operation: Operation, asking: _Asking, grants: tuple[Grant, ...]
    ) -> Iterator[Circumstance]:
        contexts: list[Pairs | None] = [None]
        if carries_context(action, self.key):
            contexts += [context for conditions in asking for context in context_asked_by(conditions)]
            contexts += [context for grant in grants for context in contexts_bound_by(grant)]
        vias = [via for conditions in asking for via in self._vias_asked_by(conditions)]
        tokens = [grant.id for grant in grants if grant.pending]
        named = any(condition.key == "kms:requestalias" for conditions in asking for condition in conditions)
        aliases = self.key.aliases if named and operation.alias_allowed else ()
        for parts in product(dict.fromkeys(contexts), (None, *dict.fromkeys(vias)), (None, *tokens), (None, *aliases)):
            yield Circumstance(*parts)

    def _vias_asked_by(self, conditions: tuple[Condition, ...]) -> Iterator[str]:
        """Services by `kms:ViaService` and `aws:CalledVia`; some service where it only matters that there is one."""
        yield from vias_asked_by(conditions, self.key)
        for condition in conditions:
            if condition.key.startswith("aws:calledvia"):
                for value in condition.values:
                    yield f"{value.partition('.')[0]}.{self.key.region}.amazonaws.com"
            elif condition.key in {"aws:viaawsservice", "kms:grantisforawsresource"}:
                yield f"s3.{self.key.region}.amazonaws.com"

    def _asking(self, caller: Caller, operation: Operation) -> Iterator[tuple[Condition, ...]]:
        """The conditions of each statement that is about one of the operation's permissions and may mean the caller."""
        actions = {need.action for need in operation.permissions}
        for policy in policies_over(self.world, self.key, caller):
            for statement in policy.statements:
                if statement.conditions and any(statement.covers(action) for action in actions):
                    meant = statement.principal
                    if meant is None or meant.negated or not meant.names.isdisjoint(caller.names):
                        yield statement.conditions

    def _grants_of(self, caller: Caller) -> Iterator[Grant]:
        """The grants that bind something and may be the caller's: to itself, its role, its account, its service."""
        if self._binding:
            account = f"arn:{caller.partition}:iam::{caller.account}:root"
            principal = caller.principal
            for name in dict.fromkeys((principal.arn, caller.issuer_arn, account, caller.account, principal.name)):
                yield from self._binding.get(name, ())

    @cached_property
    def _binding(self) -> Mapping[str, list[Grant]]:
        found: dict[str, list[Grant]] = {}
        for grant in self.key.grants:
            if grant.pending or any(contexts_bound_by(grant)):
                found.setdefault(grant.holder, []).append(grant)
        return found


def who_can_directly(
    world: World,
    action: str,
    keys: Sequence[Key] | None = None,
    authority: Authority = PYTHON,
    answers: Answers | None = None,
) -> tuple[Access, ...]:
    """Everybody of `callers_of(world)` who may do `action` on one of `keys` (None: all), as the world stands.

    `answers`: those of the same world and authority, where they are at hand.
    """
    answers = answers or Answers(world, authority)
    callers = callers_of(world)
    return tuple(
        access
        for key in (world.keys_by_arn.values() if keys is None else keys)
        for circumstances in [Circumstances(world, key)]
        for principal in callers
        for access in accesses(answers, principal, action, circumstances)
    )


def accesses(answers: Answers, principal: Principal, action: str, circumstances: Circumstances) -> tuple[Access, ...]:
    """How a caller may do it: by a plain call, or else under each of a few circumstances that do with the least."""
    told: list[Circumstance] = []
    asked = circumstances.of(action, principal)
    for one in asked:
        if any(less.is_within(one) for less in told):
            continue
        if answers.allows(one.ask(principal, action, circumstances.key)):
            told.append(one)
            if one == PLAIN or len(told) >= _MOST_TOLD:
                break
    return tuple(access_of(answers, one.ask(principal, action, circumstances.key)) for one in told)


def access_of(answers: Answers, question: Question) -> Access:
    """What an allowed question is allowed by."""
    decision = answers.decide(question)
    asked = _permissions(decision, question.action)
    layers = frozenset[Layer]().union(*(trace.ruling.layers for trace in asked))
    paths = dict.fromkeys(path.value for trace in asked for path in trace.ruling.paths)
    return Access(
        question,
        tuple(paths),
        words_of(layers),
        _grants_of(asked) if Layer.GRANT in layers else (),
        decision.failure.code if decision.failure and decision.allowed else None,
        decision.uncertain,
    )


def _permissions(decision: Decision, action: str) -> Iterable[PermissionTrace]:
    """Those that the question is about: of half a ReEncrypt that half."""
    if action not in HALVES:
        return decision.permissions
    return tuple(trace for trace in decision.permissions if trace.action == action)


def words_of(layers: frozenset[Layer]) -> tuple[str, ...]:
    """Layers by their words, in AWS's order."""
    return tuple(layer.value for layer in Layer if layer in layers)


def _grants_of(asked: Iterable[PermissionTrace]) -> tuple[str, ...]:
    found = (grant for trace in asked for grant in trace.layer(Layer.GRANT).grants if grant.mismatch is None)
    return tuple(dict.fromkeys(grant.name or grant.grant for grant in found))
