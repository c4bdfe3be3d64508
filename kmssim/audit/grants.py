"""Grants: leftovers, those wider than they need be, those that help nobody, those that are handed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kmssim.access import Question, call_for
from kmssim.audit.exposure import relation
from kmssim.audit.finding import Finding, Shown, Where, Witness
from kmssim.audit.phrases import listed_actions
from kmssim.audit.scene import Scene
from kmssim.evaluator.decision import Layer, PathKind
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.known import names_nobody
from kmssim.evaluator.request import Call, Principal, parse_principal, service_principal
from kmssim.evaluator.world import Grant, Key
from kmssim.wording import IN_A_SENTENCE, listed

_NOT_TRIED = {"CreateGrant", "RetireGrant"}
"""Operations about grants: they are looked at by themselves."""


@dataclass(frozen=True, eq=False)
class _Granted:
    """A grant, where it stands, its grantee as a caller, and how its operations end for that caller."""

    scene: Scene
    key: Key
    grant: Grant
    where: Where
    caller: Principal

    def call(self, action: str, *, with_token: bool = True) -> Call:
        """The grantee's call as the grant wants it: encryption context, source and token."""
        constraints = self.grant.constraints
        asked = constraints.encryption_context_equals or constraints.encryption_context_subset
        pairs = tuple(sorted(asked.items())) if asked and action.partition(":")[2] in WITH_CONTEXT else None
        token = self.grant.id if with_token and self.grant.pending else None
        call = call_for(Question(self.caller, action, self.key.arn, pairs, grant=token), self.scene.world)
        source = constraints.source_arn
        return replace(call, context={"aws:sourcearn": source}) if source and not self.caller.source_arn else call

    def witness(self, action: str, says: str, *, applies: bool = True, with_token: bool = True) -> Witness:
        """How such a call ends."""
        shown = Shown(applies, grant=self.grant.id)
        return self.scene.witness(self.call(action, with_token=with_token), says, shown=shown)

    def applies(self, witness: Witness) -> bool:
        """Whether the grant helped."""
        return any(
            trace.grant == self.grant.id and trace.mismatch is None
            for permission in witness.decision.permissions
            for trace in permission.layer(Layer.GRANT).grants
        )

    def used(self, says: str) -> list[Witness]:
        """One call for each operation, as far as the grant lists it; a ReEncrypt for both its halves."""
        names = [name for name in self.grant.operations if name not in _NOT_TRIED]
        return [self.witness(f"kms:{name}", says) for name in names]

    def finding(self, name: str, witnesses: list[Witness], *, actions: str = "", layers: str = "") -> Finding:
        """A finding about the grant."""
        return self.scene.finding(
            name, self.where, witnesses, key=self.key, subject=self.caller, actions=actions, layers=layers
        )


def find_grants(scene: Scene) -> Iterator[Finding]:
    """Everything there is to say about each grant of the keys that somebody here manages."""
    for key in scene.customer_keys:
        for index, grant in enumerate(key.grants):
            where = scene.at(scene.key_path(key, "grants", index))
            if grant.grantee and names_nobody(scene.world, grant.grantee, key.partition):
                yield _gone(scene, key, grant, where)
                continue
            caller = _holder(grant)
            if caller is not None and scene.exists(caller):
                yield from _findings(_Granted(scene, key, grant, where, caller))


def _holder(grant: Grant) -> Principal | None:
    if grant.grantee_service:
        source = grant.constraints.source_arn
        account = source.split(":")[4] if source and source.count(":") >= 5 else None  # noqa: PLR2004 - an ARN
        return service_principal(grant.grantee_service, source, account or None)
    return parse_principal(grant.grantee or "")


def _gone(scene: Scene, key: Key, grant: Grant, where: Where) -> Finding:
    """GR-3: nobody can call as the grantee, so somebody who is there shows that the grant helps nobody."""
    resident = next(scene.residents(key.account))
    name = next((name for name in grant.operations if name not in _NOT_TRIED), "DescribeKey")
    call = scene.plain(resident, f"kms:{name}", key)
    shown = Shown(applies=False, grant=grant.id)
    witness = scene.witness(call, "the grant helps nobody who is there", shown=shown)
    return scene.finding("grantee-gone", where, [witness], key=key, subject=grant.grantee or "")


def _findings(granted: _Granted) -> Iterator[Finding]:
    used = granted.used("the grantee's call")
    helped = [one for one in used if one.decision.allowed and granted.applies(one)]
    if used and all(one.decision.explicit for one in used):
        layers = frozenset[Layer]().union(*(one.decision.layers for one in used))
        names = listed([IN_A_SENTENCE[layer] for layer in Layer if layer in layers])
        yield granted.finding("grant-without-effect", [replace(used[0], shown=None)], layers=names)
        return
    if granted.grant.pending:
        yield from _pending(granted)
    yield from _reach(granted, helped, whole=len(helped) == len(used))
    yield from _foreign(granted, helped)
    yield from _unconstrained(granted, helped)
    yield from _passes_on(granted)


def _reach(granted: _Granted, helped: list[Witness], *, whole: bool) -> Iterator[Finding]:
    """What the grant gives that no policy gives, or whether policies give all of it."""
    only_so = [one for one in helped if not _policies_allow(one)]
    if only_so:
        actions = listed_actions(dict.fromkeys(one.call.operation for one in only_so))
        yield granted.finding("grant-beyond-policy", only_so[:1], actions=actions)
    elif helped and whole and not _NOT_TRIED & set(granted.grant.operations):
        yield granted.finding("grant-redundant", helped)


def _policies_allow(witness: Witness) -> bool:
    """Whether each permission has a way that leads through no grant."""
    return all(set(permission.ruling.paths) - {PathKind.GRANT} for permission in witness.decision.permissions)


def _foreign(granted: _Granted, helped: list[Witness]) -> Iterator[Finding]:
    """XA-3, GR-40: a grantee of another account."""
    account = granted.caller.account
    if account and account != granted.key.account and helped:
        actions = listed_actions(one.call.operation for one in helped)
        yield granted.finding(relation(granted.scene, account), helped[:1], actions=actions)


def _unconstrained(granted: _Granted, helped: list[Witness]) -> Iterator[Finding]:
    """GR-10: nothing binds the encryption context, of operations that have one."""
    given = granted.grant.constraints
    bound = given.source_arn or given.encryption_context_subset or given.encryption_context_equals is not None
    crypto = [one for one in helped if one.call.name in WITH_CONTEXT | {"ReEncrypt"}]
    if crypto and not bound and granted.key.symmetric_encryption:
        call = crypto[0].call
        pairs = (("kmssim", "anything"),)
        other = call_for(Question(call.principal, call.operation, granted.key.arn, pairs), granted.scene.world)
        free = granted.scene.witness(
            replace(other, grant_tokens=call.grant_tokens),
            "a call with any encryption context is allowed",
            shown=Shown(applies=True, grant=granted.grant.id),
        )
        if free.decision.allowed and granted.applies(free):
            yield granted.finding("grant-unconstrained", [free])


def _passes_on(granted: _Granted) -> Iterator[Finding]:
    """GR-16: through a grant with CreateGrant its holder lets a stranger in."""
    if "CreateGrant" not in granted.grant.operations:
        return
    constraints = granted.grant.constraints
    pairs = {
        "EncryptionContextEquals": constraints.encryption_context_equals,
        "EncryptionContextSubset": constraints.encryption_context_subset,
        "SourceArn": constraints.source_arn,
    }
    call = granted.call("kms:CreateGrant")
    parameters = {
        **call.parameters,
        "GranteePrincipal": granted.scene.stranger.arn,
        "Operations": [name for name in granted.grant.operations if name not in _NOT_TRIED] or ["DescribeKey"],
        "Constraints": {name: value for name, value in pairs.items() if value},
    }
    shown = Shown(applies=True, grant=granted.grant.id)
    says = "the holder may grant it to a stranger"
    witness = granted.scene.witness(replace(call, parameters=parameters), says, shown=shown)
    if witness.decision.allowed and granted.applies(witness):
        yield granted.finding("grant-passes-on", [witness])


def _pending(granted: _Granted) -> Iterator[Finding]:
    """GR-50: without its token the grant does not help yet."""
    name = next((name for name in granted.grant.operations if name not in _NOT_TRIED), None)
    if name is None:
        return
    without = granted.witness(
        f"kms:{name}", "without the token the grant does not help", applies=False, with_token=False
    )
    if not granted.applies(without):
        with_token = granted.witness(f"kms:{name}", "with the token")
        witnesses = [without, with_token] if granted.applies(with_token) else [without]
        yield granted.finding("pending-grant", witnesses)
