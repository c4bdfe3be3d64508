"""What could open a denied call: for whatever stands in its way first, the edits that would take it out of the way.

Each option is a list of edits of which the first that changes something is taken: the narrow one stands before the
wider one. None of them is trusted: the search decides again with each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from kmssim.advise.calls import after_authorization, find_what_is_meant, with_granted_context, with_tokens
from kmssim.advise.edits import call_again, statement_at
from kmssim.advise.granting import grant_for, grantee_of
from kmssim.advise.homes import (
    advised_home,
    endpoint_home,
    found_statements,
    group_home,
    groups_of,
    guardrail_home,
    guardrail_levels,
    holder_homes,
    key_home,
    resource_homes,
    session_home,
)
from kmssim.advise.lens import Path, get
from kmssim.advise.proposal import Add, Change, Document, Edit, Give, Home, Kind, Matter, Remove
from kmssim.advise.statements import (
    delegating_statement,
    key_statement,
    narrowing,
    only_caller,
    own_statement,
    resource_statement,
    statement_for_anybody,
)
from kmssim.advise.supplying import supply, supply_all
from kmssim.advise.widening import exempted, narrowed, unmet, widened
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.decision import Decision, Layer, Reason, Source, Verdict
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Call
from kmssim.evaluator.statements import Effect, Statement
from kmssim.evaluator.world import World

Option = tuple[Edit, ...]


def ways_to_open(world: World, call: Call, decision: Decision) -> Iterator[Option]:
    """The options against what stands in the way of a call, or lets an authorized one fail."""
    if decision.allowed:
        yield from ((edit,) for edit in after_authorization(world, call, decision))
        return
    denied = [trace for trace in decision.permissions if not trace.ruling.allowed]
    if not denied:
        yield from ((edit,) for edit in find_what_is_meant(world, call))
        return
    permission = next((trace for trace in denied if trace.ruling.explicit), denied[0])
    yield from _Opening(world, call, permission, find_caller(world, call.principal)).options()


class _Opening(Matter):
    """The options for one denied permission."""

    def options(self) -> Iterator[Option]:
        if self.permission.ruling.reason is Reason.EXPLICIT_DENY:
            yield from self.against_the_first_deny()
            return
        yield from self.by_near_misses()
        yield from self.by_guardrails()
        if self.permission.ruling.reason is Reason.GUARDRAIL_SILENT:
            return
        yield from self.by_grants()
        yield from self.by_key_policy()
        yield from self.by_own_policies()

    @property
    def condition(self) -> Document:
        return narrowing(self.world, self.call, self.permission)

    def against_the_first_deny(self) -> Iterator[Option]:
        """One Deny at a time: the call that it does not mean, the Deny without this call, without it altogether."""
        for layer in Layer:
            for home, statement, trace in found_statements(self.world, self.call, self.permission, layer):
                if trace.applies and statement.effect is Effect.DENY:
                    yield from self.against(home, statement)
                    return

    def against(self, home: Home, statement: Statement) -> Iterator[Option]:
        for condition in statement.conditions:
            yield from self.supplied([condition])
        document = self.document(home, statement)
        if document is None:
            return
        for condition in statement.conditions:
            after = narrowed(document, condition, self.permission)
            if after is not None:
                what = f"{condition.written_key} admits this call's value"
                yield (Change(Kind.CONDITION if not _guards(home) else _kind_of(home), home, document, after, what),)
        yield (Change(Kind.NARROWED_DENY, home, document, exempted(document, self.caller), "all but this caller"),)
        yield (Remove(Kind.REMOVED_DENY, home, document),)

    def document(self, home: Home, statement: Statement) -> Document | None:
        """A statement as its policy's document has it; None where nobody here can change it."""
        if home.managed or home.path[-1] == "ram_policy":
            return None
        return statement_at(get(self.call if home.in_call else self.world, home.path), statement)

    def supplied(self, conditions: list[Condition]) -> Iterator[Option]:
        found = supply_all(self.world, self.call, self.permission.action, conditions)
        if found is not None:
            yield (call_again(self.call, found),)

    def by_near_misses(self) -> Iterator[Option]:
        """Allows that only their conditions keep from applying: what the call lacks, or what they could admit."""
        for layer in Layer:
            verdict = self.permission.layer(layer).verdict
            if verdict is not Verdict.SILENT:
                continue
            for home, statement, trace in found_statements(self.world, self.call, self.permission, layer):
                is_near = trace.mismatch is not None and trace.mismatch.element == "Condition"
                if is_near and statement.effect is Effect.ALLOW:
                    yield from self.met(home, statement)

    def met(self, home: Home, statement: Statement) -> Iterator[Option]:
        missing = unmet(statement, self.permission)
        yield from self.supplied(missing)
        document = self.document(home, statement)
        if document is None:
            return
        after = widened(document, missing, self.permission)
        if after is not None:
            yield self.admitted(home, document, after, missing)
            return
        yield from self.partly_met(home, document, missing)

    def partly_met(self, home: Home, document: Document, missing: list[Condition]) -> Iterator[Option]:
        """Some conditions can be met by the call, the others admit its value: the call first, then the statement."""
        action = self.permission.action
        for condition in missing:
            found = supply(self.world, self.call, action, condition)
            if found is not None and len(missing) > 1:
                yield (call_again(self.call, found),)
        for condition in missing if len(missing) > 1 else []:
            after = widened(document, [condition], self.permission)
            if after is not None:
                yield self.admitted(home, document, after, [condition])

    def admitted(self, home: Home, document: Document, after: Document, conditions: list[Condition]) -> Option:
        keys = ", ".join(dict.fromkeys(condition.written_key for condition in conditions))
        kind = _kind_of(home) if _guards(home) else Kind.CONDITION
        return (Change(kind, home, document, after, f"{keys} admits this call's value"),)

    def by_guardrails(self) -> Iterator[Option]:
        """An Allow where a guardrail says nothing: at the first such level of the SCPs, in the endpoint's policy."""
        facts, layers = self.permission.facts, self.permission.ruling.layers
        if Layer.SCP in layers and facts.verdicts[Layer.SCP] is Verdict.SILENT:
            yield from self.by_scp()
        home = endpoint_home(self.call)
        if Layer.VPC_ENDPOINT in layers and home is not None:
            yield self.scoped(Kind.VPC_ENDPOINT, home, self.anybody, {**self.condition, **only_caller(self.caller)})

    def by_scp(self) -> Iterator[Option]:
        """An SCP more at the first level that does not allow."""
        for level in guardrail_levels(self.world, self.caller.account, PolicyKind.SCP):
            if not self.allows_at(level):
                home = guardrail_home(self.world, level, len(get(self.world, level)), PolicyKind.SCP)
                condition = {**self.condition, **only_caller(self.caller)}
                yield self.scoped(Kind.SCP, home, self.own, condition)
                return

    def allows_at(self, level: Path) -> bool:
        """Whether a level of the SCPs allows the permission."""
        return any(
            trace.applies and statement.effect is Effect.ALLOW and home.path[:-1] == level
            for home, statement, trace in found_statements(self.world, self.call, self.permission, Layer.SCP)
        )

    def scoped(self, kind: Kind, home: Home, write: Callable[[Document], Document], condition: Document) -> Option:
        """The statement with all that narrows it, and without, should the narrowing keep it from applying."""
        narrow = Add(kind, home, write(condition))
        return (narrow, Add(kind, home, write({}))) if condition else (narrow,)

    def own(self, condition: Document) -> Document:
        return own_statement(self.permission, condition)

    def anybody(self, condition: Document) -> Document:
        return statement_for_anybody(self.permission, condition)

    def in_key_policy(self, condition: Document) -> Document:
        return key_statement(self.caller, self.permission, condition)

    def delegating(self, condition: Document) -> Document:
        return delegating_statement(self.caller, self.permission, condition)

    def by_grants(self) -> Iterator[Option]:
        yield from ((edit,) for edit in with_tokens(self.call, self.permission))
        yield from ((edit,) for edit in with_granted_context(self.world, self.call, self.permission))
        if self.permission.facts.source is Source.GRANT:
            yield from self.by_another_grant_to_retire()
        if self.permission.facts.source is Source.KEY and self.key is not None and self.key.manager == "CUSTOMER":
            grant = grant_for(self.world, self.call, self.permission, self.caller, self.key)
            if grant is not None:
                yield (Give(Kind.GRANT, self.key.arn, grant),)

    def by_another_grant_to_retire(self) -> Iterator[Option]:
        """A grant is never changed: another one in its place names the caller as the one who retires it (GR-60)."""
        traces = self.permission.layer(Layer.GRANT).grants
        old = self.key.grant_index.find(traces[0].grant) if self.key and traces else None
        if self.key is None or old is None or old.pending:
            return
        who, service = grantee_of(self.caller), self.caller.is_service
        new = replace(old, retiring=None if service else who, retiring_service=who if service else None)
        yield (Give(Kind.GRANT, self.key.arn, new, instead_of=old),)

    def by_key_policy(self) -> Iterator[Option]:
        """A statement that names the caller; in its own account also one that hands the action over to IAM."""
        if self.permission.facts.source is not Source.KEY or self.key is None or self.key.manager != "CUSTOMER":
            return
        home, facts = key_home(self.world, self.key), self.permission.facts
        if facts.direct is None and not (facts.delegated and not facts.same_account):
            yield self.scoped(Kind.KEY_POLICY, home, self.in_key_policy, self.condition)
        if not facts.delegated and facts.same_account and self.caller.account and not self.caller.is_root:
            yield self.scoped(Kind.DELEGATION, home, self.delegating, self.condition)

    def by_own_policies(self) -> Iterator[Option]:
        """Statements on the caller's side, where a path needs them and they do not allow."""
        verdicts = self.permission.facts.verdicts
        if verdicts[Layer.IDENTITY] is Verdict.SILENT:
            yield from self.by_identity()
        for layer, kind in ((Layer.BOUNDARY, Kind.BOUNDARY), (Layer.SESSION, Kind.SESSION)):
            if layer in self.permission.ruling.layers and verdicts[layer] is Verdict.SILENT:
                home = self.filter_home(layer)
                if home is not None and not home.managed:
                    yield self.scoped(kind, home, self.own, self.condition)

    def filter_home(self, layer: Layer) -> Home | None:
        if layer is Layer.SESSION:
            return session_home(0)
        homes = holder_homes(self.world, self.caller.principal, "boundary", PolicyKind.BOUNDARY)
        return next(homes, None)

    def by_identity(self) -> Iterator[Option]:
        for home in holder_homes(self.world, self.caller.principal, "policies", PolicyKind.IDENTITY):
            yield self.scoped(Kind.IDENTITY, advised_home(self.world, home), self.own, self.condition)
            if get(self.world, home.path):
                continue
            for account, group in groups_of(self.world, self.caller.principal):
                yield self.scoped(
                    Kind.GROUP, advised_home(self.world, group_home(account, group)), self.own, self.condition
                )
        if not self.permission.action.startswith("kms:") and not self.caller.is_service:
            for home in resource_homes(self.world, self.permission):
                yield (Add(Kind.RESOURCE_POLICY, home, resource_statement(self.caller, self.permission)),)


def _guards(home: Home) -> bool:
    return home.kind in {PolicyKind.SCP, PolicyKind.RCP}


def _kind_of(home: Home) -> Kind:
    return Kind.SCP if home.kind is PolicyKind.SCP else Kind.RCP
