"""A policy as one caller, action and resource see it: what surely applies, and what hangs on the rest of the request.

This is where deciding gets its speed, and the only place that knows about it. Most statements of a policy are out of
the question before any condition is looked at: they are about other actions, resources or callers. A view leaves them
out, and tells the statements that apply whatever the request holds from those that must be asked (`match.applies`). It
follows from the policy and the three alone, so a policy keeps the views that it has shown; and likewise what a trace
tells of its statements: of those that are settled so for good, of the others by the values of their condition keys.

Nothing here reads a statement in a way of its own: what a view leaves out or takes for sure `match.mismatch` would
find not to apply, or to apply. The tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import StatementTrace
from kmssim.evaluator.match import Request, trace_statement
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.statements import Effect, Policy, PolicyKind, Statement
from kmssim.evaluator.trust import trust_role
from kmssim.evaluator.values import reader_of

_MOST_KEPT = 1024
"""How many views and traces a policy keeps."""


class View(NamedTuple):
    """`denies`, `allows`: a Deny, an Allow surely applies; the open ones must be asked.

    `trust`: what the sure Allows of a key policy make of the caller (`trust_role`).
    """

    denies: bool
    allows: bool
    open_denies: tuple[Statement, ...]
    open_allows: tuple[Statement, ...]
    trust: frozenset[tuple[str, str]]


class _Opened:
    """A statement that hangs on its condition keys: what is told of it is kept by their values.

    One with NotPrincipal looks at the caller's boundary as well (PG-46), so it hangs on the very caller. With a trace
    are kept the open questions that were met on the way.
    """

    __slots__ = ("_excepts", "_statement", "_values_in")

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._values_in = reader_of(statement.keys)
        self._excepts = statement.principal is not None and statement.principal.negated

    def trace(self, policy: Policy, request: Request, questions: OpenQuestions) -> StatementTrace:
        """What is told of it for this request."""
        whom = request.caller.itself if self._excepts else None
        alike = self, whom, self._values_in(request), questions.others
        found: tuple[StatementTrace, frozenset[str]] | None = policy.views.get(alike)
        if found is None:
            apart = OpenQuestions(questions.others)
            found = _trace(policy, self._statement, request, apart), frozenset(apart.met)
            _keep(policy, alike, found)
        trace, met = found
        questions.met |= met
        return trace


def view_of(policy: Policy, caller: Caller, action: str, resource: str) -> View:
    """The policy's view, made once and kept; a policy forgets all of them when they are too many."""
    seen_by = (action, resource, caller.names) if policy.names_principals else (action, resource)
    found: View | None = policy.views.get(seen_by)
    if found is None:
        found = _make(policy, caller, action, resource)
        _keep(policy, seen_by, found)
    return found


def traces_of(policy: Policy, request: Request, questions: OpenQuestions) -> tuple[StatementTrace, ...]:
    """What is told of each statement, kept like a view."""
    names = request.caller.names if policy.names_principals else None
    seen_by = ("told", request.action, request.resource, names)
    kept: tuple[StatementTrace | _Opened, ...] | None = policy.views.get(seen_by)
    if kept is None:
        kept = tuple(_settle(policy, one, request, questions) for one in policy.statements)
        _keep(policy, seen_by, kept)
    return tuple([one if isinstance(one, StatementTrace) else one.trace(policy, request, questions) for one in kept])


def _keep(policy: Policy, seen_by: Hashable, found: object) -> None:
    if len(policy.views) >= _MOST_KEPT:
        policy.views.clear()
    policy.views[seen_by] = found


def _settle(
    policy: Policy, statement: Statement, request: Request, questions: OpenQuestions
) -> StatementTrace | _Opened:
    """What is told of a statement, if caller, action and resource settle that."""
    if _applies(statement, policy.kind, request.caller, request.action, request.resource) is None:
        return _Opened(statement)
    return _trace(policy, statement, request, questions)


def _trace(policy: Policy, statement: Statement, request: Request, questions: OpenQuestions) -> StatementTrace:
    """One statement's part of the trace; of a key policy's Allow also what it makes of the caller whom it means."""
    trace = trace_statement(policy, statement, request, questions)
    of_others = trace.mismatch is not None and trace.mismatch.element in {"Principal", "NotPrincipal"}
    if policy.kind is not PolicyKind.KEY_POLICY or statement.effect is Effect.DENY or of_others:
        return trace
    role, rule = trust_role(statement, request.caller)
    return StatementTrace(*trace[:-2], role, rule if trace.applies else None)


def _make(policy: Policy, caller: Caller, action: str, resource: str) -> View:
    settled = [(found, _applies(found, policy.kind, caller, action, resource)) for found in policy.statements]
    sure = {effect: [found for found, applies in settled if applies and found.effect is effect] for effect in Effect}
    undecided = [found for found, applies in settled if applies is None]
    trusting = sure[Effect.ALLOW] if policy.kind is PolicyKind.KEY_POLICY else []
    return View(
        denies=bool(sure[Effect.DENY]),
        allows=bool(sure[Effect.ALLOW]),
        open_denies=tuple(found for found in undecided if found.effect is Effect.DENY),
        open_allows=tuple(found for found in undecided if found.effect is Effect.ALLOW),
        trust=frozenset(trust_role(found, caller) for found in trusting),
    )


def _applies(statement: Statement, kind: PolicyKind, caller: Caller, action: str, resource: str) -> bool | None:
    """Whether a statement applies, as far as caller, action and resource tell; None: it hangs on more than that."""
    if not statement.covers(action):
        return False
    by_principal = _means(statement, caller)
    by_resource = _names(statement, kind, resource)
    if by_principal is False or by_resource is False:
        return False
    return True if by_principal and by_resource and not statement.conditions else None


def _means(statement: Statement, caller: Caller) -> bool | None:
    element = statement.principal
    if element is None:
        return True
    if element.negated:  # looks at the caller's boundary as well, which is not among its names (PG-46)
        return None
    return not element.names.isdisjoint(caller.names)


def _names(statement: Statement, kind: PolicyKind, resource: str) -> bool | None:
    element = statement.resource
    if element is None or element.patterns is None:  # nothing, or something with variables
        return None
    if element.is_anything:
        return True
    if kind is PolicyKind.KEY_POLICY:  # an open question (UN-12)
        return None
    return element.names(resource) is not element.negated
