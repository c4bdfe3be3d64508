"""What could close an allowed call: a Deny for just this, or every path by which it is allowed, one after the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from kmssim.advise.edits import as_list, statement_at
from kmssim.advise.homes import (
    advised_home,
    found_statements,
    guardrail_home,
    guardrail_levels,
    holder_homes,
    key_home,
)
from kmssim.advise.lens import get
from kmssim.advise.opening import Option
from kmssim.advise.proposal import Add, Change, Document, Home, Kind, Matter, Remove, Revoke
from kmssim.advise.statements import context_of, key_statement, narrowing, only_caller, own_statement
from kmssim.advise.widening import exempted
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.decision import Decision, Layer, PathKind, Source
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.principals import parse_principals
from kmssim.evaluator.request import Call
from kmssim.evaluator.statements import Effect
from kmssim.evaluator.world import World

_LAYERS_OF = {
    PathKind.IAM: (Layer.IDENTITY,),
    PathKind.GRANT: (),
    PathKind.DIRECT: (Layer.KEY_POLICY,),
    PathKind.DELEGATION: (Layer.KEY_POLICY, Layer.IDENTITY),
    PathKind.ACROSS: (Layer.KEY_POLICY, Layer.IDENTITY),
}


def ways_to_close(world: World, call: Call, decision: Decision) -> Iterator[Option]:
    """The options against each permission that the call needs: one of them denied is enough."""
    caller = find_caller(world, call.principal)
    for permission in decision.permissions:
        closing = _Closing(world, call, permission, caller)
        yield from closing.by_explicit_deny()
        yield from closing.by_closing_a_path()


class _Closing(Matter):
    """The options for one allowed permission."""

    def by_explicit_deny(self) -> Iterator[Option]:
        """For just this caller, action and context; then for every context, which nobody gets around."""
        for block in self.scopes():
            if self.key is not None and self.key.manager == "CUSTOMER" and self.permission.facts.source is Source.KEY:
                statement = key_statement(self.caller, self.permission, block, "Deny")
                yield (Add(Kind.EXPLICIT_DENY, key_home(self.world, self.key), statement),)
            for home in holder_homes(self.world, self.caller.principal, "policies", PolicyKind.IDENTITY):
                yield (
                    Add(
                        Kind.EXPLICIT_DENY,
                        advised_home(self.world, home),
                        own_statement(self.permission, block, "Deny"),
                    ),
                )
        yield from self.by_scp()

    def scopes(self) -> list[Document]:
        exact: dict[str, dict[str, object]] = dict(narrowing(self.world, self.call, self.permission))
        name = self.permission.action.partition(":")[2]
        symmetric = self.key is not None and self.key.symmetric_encryption
        if name in WITH_CONTEXT and symmetric and not context_of(self.world, self.call, self.permission):
            exact["Null"] = {"kms:EncryptionContextKeys": "true"}
        return [exact, {}] if exact else [{}]

    def by_scp(self) -> Iterator[Option]:
        """Whom no policy of its account binds, such as a root user where no key takes part: the administrator."""
        account = self.caller.account
        if account not in self.world.scps_over:
            return
        *_, level = guardrail_levels(self.world, account, PolicyKind.SCP)
        home = guardrail_home(self.world, level, len(get(self.world, level)), PolicyKind.SCP)
        statement = own_statement(self.permission, dict(only_caller(self.caller)), "Deny")
        yield (Add(Kind.SCP, home, statement),)

    def by_closing_a_path(self) -> Iterator[Option]:
        """The first path that is open; when it is closed the search comes back for the next."""
        for path in self.permission.ruling.paths[:1]:
            if path is PathKind.GRANT:
                yield from self.by_revoking()
            for layer in _LAYERS_OF[path]:
                yield from self.by_first_allow(layer)

    def by_revoking(self) -> Iterator[Option]:
        for trace in self.permission.layer(Layer.GRANT).grants:
            grant = self.key.grant_index.find(trace.grant) if self.key and trace.mismatch is None else None
            if self.key is not None and grant is not None:
                yield (Revoke(Kind.REVOKED_GRANT, self.key.arn, grant),)
                return

    def by_first_allow(self, layer: Layer) -> Iterator[Option]:
        for home, statement, trace in found_statements(self.world, self.call, self.permission, layer):
            if not trace.applies or statement.effect is not Effect.ALLOW:
                continue
            document = statement_at(get(self.world, home.path), statement)
            if document is not None and not home.managed and home.path[-1] != "ram_policy":
                yield from self.without(home, document)
                return

    def without(self, home: Home, document: Document) -> Iterator[Option]:
        """The Allow without this action, without this principal, for all but this caller, or not at all."""
        for after, what in self.narrower(home, document):
            yield (Change(Kind.NARROWED_ALLOW, home, document, after, what),)
        yield (Remove(Kind.REMOVED_ALLOW, home, document),)

    def narrower(self, home: Home, document: Document) -> Iterator[tuple[Document, str]]:
        actions = as_list(document.get("Action", []))
        rest = [action for action in actions if action.lower() != self.permission.action.lower()]
        if rest and len(rest) < len(actions):
            yield {**document, "Action": rest}, f"without {self.permission.action}"
        others = self.other_principals(document)
        if others is not None:
            yield others, "without this principal"
        own = home.kind is PolicyKind.IDENTITY and home.path[2] != "groups"
        if not own:
            yield exempted(document, self.caller), "for all but this caller"

    def other_principals(self, document: Document) -> Document | None:
        """The statement without the entries that mean the caller; None when none would be left, or all mean it."""
        element: Any = copy.deepcopy(document.get("Principal"))
        if not isinstance(element, dict):
            return None
        kept = {
            kind: [text for text in as_list(texts) if not self.is_meant(kind, text)] for kind, texts in element.items()
        }
        kept = {kind: texts for kind, texts in kept.items() if texts}
        before = sum(len(as_list(texts)) for texts in element.values())
        after = sum(len(texts) for texts in kept.values())
        return {**document, "Principal": kept} if 0 < after < before else None

    def is_meant(self, kind: str, text: str) -> bool:
        return any(entry.name in self.caller.names for entry in parse_principals({kind: text}))
