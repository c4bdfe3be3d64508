"""Side effects: every other answer on the key that a proposal changes, asked in the two worlds.

Only questions that an edit can touch are asked: its actions, and the callers whom it can mean. All others have the same
answer in both worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from kmssim.access import Answers, Question, actions_on, call_for, callers_of
from kmssim.advise.edits import parsed
from kmssim.advise.proposal import Add, Change, Edit, Give, Proposal, Remove, Revoke, SideEffect
from kmssim.advise.statements import context_of
from kmssim.circumstances import contexts_of
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.decision import Authority, PermissionTrace
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.grants import grantee_forms
from kmssim.evaluator.match import Request, applies
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, Principal, PrincipalKind
from kmssim.evaluator.statements import Statement
from kmssim.evaluator.world import Grant, World

Pairs = tuple[tuple[str, str], ...] | None
_MOST_GRANTS = 20
_HELD = frozenset({PolicyKind.IDENTITY, PolicyKind.BOUNDARY})


class Effects:
    """The side effects of proposals about one call in one world."""

    def __init__(self, world: World, call: Call, authority: Authority) -> None:
        """What is asked of `world` as it is, is asked once for all proposals."""
        self._world = world
        self._call = call
        self._authority = authority
        self._before = Answers(world, authority)
        self._authorizer = Authorizer(world, authority)
        self._known: dict[Question, tuple[Request, ...]] = {}
        everybody = (_or_asker(caller, call.principal) for caller in callers_of(world))
        self._callers = tuple(dict.fromkeys((*everybody, call.principal)))

    def of(self, proposal: Proposal) -> tuple[SideEffect, ...]:
        """Each answer that changes, but for the one that was wished."""
        after = Answers(proposal.world, self._authority)
        wished = self._wished(proposal)
        return tuple(
            SideEffect(asked.principal.arn, asked.action, asked.key, asked.encryption_context, after.allows(asked))
            for asked in self._questions(proposal)
            if (asked.principal.arn, asked.action, asked.encryption_context) not in wished
            and after.allows(asked) != self._before.allows(asked)
        )

    def _wished(self, proposal: Proposal) -> set[tuple[str, str, Pairs]]:
        """The answers that were asked to change: the caller's own, as the call was made and as it would be."""
        wished: set[tuple[str, str, Pairs]] = set()
        for world, call, decision in (
            (self._world, self._call, proposal.before),
            (proposal.world, proposal.call, proposal.after),
        ):
            for trace in decision.permissions:
                whole = call.operation if call.service == "kms" else trace.action
                for action in (trace.action, whole):
                    wished.add((call.principal.arn, action, _pairs(world, call, trace)))
        return wished

    def _questions(self, proposal: Proposal) -> Iterator[Question]:
        reaches = [
            _Reach.of(edit)
            for edit in proposal.edits
            if not isinstance(edit, Add | Change | Remove) or not edit.home.in_call
        ]
        reaches = [reach for reach in reaches if reach.actions_matter]
        for arn in self._keys(proposal):
            key = self._world.keys_by_arn[arn]
            contexts = self._contexts(proposal, arn)
            for action in actions_on(key):
                touching = [reach for reach in reaches if reach.touches(action)]
                for caller in self._callers if touching else ():
                    meaning = [reach for reach in touching if reach.means(caller, self._world)]
                    for question in self._about(caller, action, arn, contexts, proposal.world) if meaning else ():
                        if self._is_touched(question, meaning):
                            yield question

    def _is_touched(self, question: Question, reaches: list[_Reach]) -> bool:
        """Whether an edited grant fits, or a statement applies, or did: only then it can have changed the answer."""
        if any(reach.fits(question) for reach in reaches):
            return True
        requests = self._requests_of(question)
        return any(reach.changes(request) for reach in reaches for request in requests)

    def _requests_of(self, question: Question) -> tuple[Request, ...]:
        """The requests behind a question, which remember the condition keys that were asked of them."""
        found = self._known.get(question)
        if found is None:
            asked = self._authorizer.requests(call_for(question, self._world))
            found = self._known[question] = tuple(one.request for one in asked)
        return found

    def _about(
        self, caller: Principal, action: str, arn: str, contexts: tuple[Pairs, ...], after: World
    ) -> Iterator[Question]:
        """The questions of one caller and action: for each encryption context, or for each grant that stays."""
        if action == "kms:RetireGrant":
            kept = {grant.id for grant in after.keys_by_arn[arn].grants}
            grants = [grant for grant in self._world.keys_by_arn[arn].grants if grant.id in kept]
            yield from (Question(caller, action, arn, grant=grant.id) for grant in grants[:_MOST_GRANTS])
            return
        for context in contexts if action.partition(":")[2] in WITH_CONTEXT else (None,):
            yield Question(caller, action, arn, context)

    def _keys(self, proposal: Proposal) -> Iterable[str]:
        traces = (*proposal.before.permissions, *proposal.after.permissions)
        named = [trace.key for trace in traces if trace.key in self._world.keys_by_arn]
        return dict.fromkeys(arn for arn in named if arn)

    def _contexts(self, proposal: Proposal, arn: str) -> tuple[Pairs, ...]:
        found: dict[Pairs, None] = {}
        for world, call, decision in (
            (self._world, self._call, proposal.before),
            (proposal.world, proposal.call, proposal.after),
        ):
            found |= dict.fromkeys(contexts_of(world.keys_by_arn[arn], world))
            found |= dict.fromkeys(_pairs(world, call, trace) for trace in decision.permissions)
        return tuple(found)


def _or_asker(caller: Principal, asker: Principal) -> Principal:
    """Of the asker's role the session that asked stands for all."""
    same = (caller.kind, caller.account, caller.name) == (asker.kind, asker.account, asker.name)
    return asker if same else caller


def _pairs(world: World, call: Call, trace: PermissionTrace) -> Pairs:
    return tuple(sorted(context_of(world, call, trace).items())) or None


@dataclass(frozen=True)
class _Reach:
    """Which questions an edit can touch. `statements` or a grant's `operations`; `holder`: whose policy it is."""

    statements: tuple[Statement, ...] = ()
    kind: PolicyKind = PolicyKind.IDENTITY
    operations: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    holder: tuple[str, str, str] | None = None

    @classmethod
    def of(cls, edit: Edit) -> _Reach:
        match edit:
            case Give() | Revoke():
                gone = edit.instead_of if isinstance(edit, Give) else None
                grants = tuple(grant for grant in (edit.grant, gone) if grant is not None)
                names = {name for grant in grants for name in grant.operations} | {"RetireGrant"}
                return cls(operations=frozenset(names), grants=grants)
            case Add() | Change() | Remove():
                written = [getattr(edit, name) for name in ("statement", "before", "after") if hasattr(edit, name)]
                policy = parsed({"Version": "2012-10-17", "Statement": written}, edit.home)
                path = edit.home.path
                holder = (str(path[1]), str(path[2]), str(path[3])) if edit.home.kind in _HELD else None
                return cls(statements=policy.statements, kind=edit.home.kind, holder=holder)
        return cls()

    @property
    def actions_matter(self) -> bool:
        """Whether the edit can touch anybody's answer at all."""
        return bool(self.statements or self.operations)

    def touches(self, action: str) -> bool:
        needed = _needed(action)
        if any(name.partition(":")[2] in self.operations for name in needed):
            return True
        return any(statement.covers(name) for statement in self.statements for name in needed)

    def fits(self, question: Question) -> bool:
        """Whether the encryption context of a question is one that an edited grant takes (GR-10)."""
        if question.action.partition(":")[2] not in WITH_CONTEXT:
            return bool(self.grants)
        given = dict(question.encryption_context or ())
        wanted = [grant.constraints for grant in self.grants]
        return any(
            given == one.encryption_context_equals
            if one.encryption_context_equals is not None
            else (one.encryption_context_subset or {}).items() <= given.items()
            for one in wanted
        )

    def changes(self, request: Request) -> bool:
        """Whether one statement more or less applies: of a changed one as it was or as it would be, not both."""
        applying = [
            one.covers(request.action) and applies(one, request, self.kind, OpenQuestions()) for one in self.statements
        ]
        return applying.count(True) == 1

    def means(self, principal: Principal, world: World) -> bool:
        caller = find_caller(world, principal)
        if self.grants:
            people = {name for grant in self.grants for name in (grant.holder, grant.retirer)}
            return any(text in people for text, _, _ in grantee_forms(caller))
        if self.holder is not None:
            account, part, name = self.holder
            if principal.account != account:
                return False
            is_own = name == principal.name and (part == "roles") is (principal.kind is PrincipalKind.ROLE_SESSION)
            return part == "groups" or is_own or principal.kind is PrincipalKind.FEDERATED_USER
        elements = [statement.principal for statement in self.statements]
        return any(one is None or one.negated or not one.names.isdisjoint(caller.names) for one in elements)


@cache
def _needed(action: str) -> tuple[str, ...]:
    """The permissions that a question asks for."""
    row = OPERATIONS.get(action.partition(":")[2])
    return (action, *(need.action for need in row.permissions)) if row else (action,)
