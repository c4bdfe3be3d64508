"""Who one is and what one has made of the world: where each hop of a search starts, and where it ends."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from kmssim.access import Answers
from kmssim.circumstances import policies_over
from kmssim.evaluator.caller import Caller, find_caller
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.statements import Policy
from kmssim.evaluator.world import Key, World
from kmssim.reach.direct import words_of
from kmssim.reach.paths import Access, Check, Hop


@dataclass(frozen=True, eq=False, repr=False)
class Situation:
    """A world, and somebody in it. `made` names the changes by which this world came about, each by a name of its own.

    Whoever has the same name and the same changes is in the same situation, however it was reached.
    """

    answers: Answers
    principal: Principal
    authority: Authority
    made: frozenset[str] = frozenset()

    @property
    def world(self) -> World:
        """The world as it now is."""
        return self.answers.world

    @cached_property
    def identity(self) -> Hashable:
        """What tells situations apart."""
        return self.who, self.made

    @cached_property
    def who(self) -> Hashable:
        """What tells apart those in a situation."""
        session = self.principal.session
        return self.principal.arn, frozenset(session.tags.items()), session.mfa, session.source_identity

    @cached_property
    def caller(self) -> Caller:
        """The principal as the world knows it."""
        return find_caller(self.world, self.principal)

    @property
    def names(self) -> tuple[str, ...]:
        """The ARNs by which a policy or grant can name the principal: user or role first, then the session (PG-33)."""
        return tuple(dict.fromkeys((self.caller.issuer_arn, self.principal.arn)))

    def policies_over(self, key: Key) -> tuple[Policy, ...]:
        """Every policy that can have a say when the principal calls about this key."""
        return tuple(policies_over(self.world, key, self.caller))

    def conditions_over(self, key: Key) -> Iterator[Condition]:
        """The conditions in them."""
        for policy in self.policies_over(key):
            for statement in policy.statements:
                yield from statement.conditions

    def goes_on_as(self, principal: Principal) -> Situation:
        """The same world, seen by somebody else."""
        return replace(self, principal=principal)

    def in_world(self, world: World, change: str) -> Situation:
        """The same principal in a changed world."""
        return replace(self, answers=Answers(world, self.authority), made=self.made | {change})

    def ask(self, call: Call) -> Check:
        """Decide a call to KMS that a hop needs."""
        decision = self.answers.decide_call(call)
        resource = next((trace.key for trace in decision.permissions if trace.key), "")
        return Check(
            call.principal,
            call.operation,
            resource or str(call.parameters.get("KeyId", "*")),
            decision.allowed,
            words_of(decision.layers),
            decision.failure.code if decision.failure and decision.allowed else None,
            decision.uncertain,
        )


@dataclass(frozen=True)
class Step:
    """A way on: the hops it takes, and the situation that they end in.

    `key`: the ARN of the key that the wish now goes to, "" for the same one. `proof`: the last decision, where it is
    about something else than the wish, as when a ciphertext is decrypted elsewhere.
    """

    hops: tuple[Hop, ...]
    then: Situation
    key: str = ""
    proof: Access | None = None


def wanted_pairs(policies: Iterable[Policy], prefix: str, known: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """What statements ask of keys with a variable part, such as `aws:resourcetag/`: one dictionary for a statement.

    A value that is one variable is filled from `known`, whose names are in lower case.
    """
    for policy in policies:
        for statement in policy.statements:
            asked = (one for one in statement.conditions if one.key.startswith(prefix))
            found = {one.written_key[len(prefix) :]: value for one in asked if (value := fitting(one, known))}
            if found:
                yield found


def fitting(condition: Condition, known: Mapping[str, str]) -> str | None:
    """A value that the condition's first one could mean; None where it is a variable that nothing is known of."""
    if condition.operator.name == "Null" or not condition.values:
        return None
    value = condition.values[0]
    if "${" not in value:
        return value.replace("*", "any").replace("?", "a")
    if value.startswith("${") and value.endswith("}"):
        return known.get(value[2:-1].lower())
    return None
