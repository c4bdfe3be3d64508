"""The audited world as the checks see it: its statements, where they stand and whom they mean, and its decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kmssim.access import ANY_SESSION, Answers, Question, actions_on, call_for
from kmssim.audit.attempts import Attempt, Choosable, by_anybody
from kmssim.audit.beside import Beside, root_of, stranger_account, with_key, world_with
from kmssim.audit.finding import Finding, Shown, Where, Witness
from kmssim.audit.phrases import called, sentence
from kmssim.audit.spots import Spot, caller_of, spots_of_account, spots_of_key
from kmssim.audit.wording import WORDING
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, Decision, Source
from kmssim.evaluator.match import applies
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_principal, service_principal
from kmssim.evaluator.world import Account, Key, Role, User, World
from kmssim.strict_json import join_path

_MOST_CALLERS = 50
"""How many callers of an account stand for all of them where one that fits is looked for."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A world under audit. `file`: where it was read from, which findings name; `bare`: that is a lone key policy."""

    world: World
    file: str | None = None
    authority: Authority = PYTHON
    bare: bool = False
    _authorizers: dict[tuple[tuple[str, int], ...], tuple[Beside, Authorizer]] = field(default_factory=dict, init=False)

    @cached_property
    def answers(self) -> Answers:
        """The audited world's own answers."""
        return Answers(self.world, self.authority)

    @cached_property
    def partition(self) -> str:
        """The partition that the keys lie in."""
        return next((key.partition for key in self.world.keys_by_arn.values()), "aws")

    @cached_property
    def stranger(self) -> Principal:
        """The root user of an account that nothing names: whoever opens an account of one's own."""
        return root_of(stranger_account(self.world), self.partition)

    @cached_property
    def customer_keys(self) -> tuple[Key, ...]:
        """The keys whose policies somebody here writes."""
        return tuple(key for key in self.world.keys_by_arn.values() if key.manager == "CUSTOMER")

    def decide(self, call: Call, beside: Beside | None = None) -> Decision:
        """The decision in the world, with the accounts of `beside` there."""
        return self._authorizer(beside or {}).decide(call)

    def _authorizer(self, beside: Beside) -> Authorizer:
        handle = tuple((name, id(account)) for name, account in beside.items())
        if handle not in self._authorizers:  # `beside` is kept with it, so that its ids stay its own
            authorizer = Authorizer(world_with(self.world, beside), self.authority)
            self._authorizers[handle] = beside, authorizer
        return self._authorizers[handle][1]

    def allows(self, principal: Principal, action: str, key: Key) -> bool:
        """Whether the plain call is authorized."""
        return self.answers.allows(Question(principal, action, key.arn))

    def plain(self, principal: Principal, action: str, key: Key) -> Call:
        """A call with every parameter that it cannot do without, and nothing more."""
        return call_for(Question(principal, action, key.arn), self.world)

    def witness(self, call: Call, says: str, beside: Beside | None = None, shown: Shown | None = None) -> Witness:
        """The call with the decision that it meets; a caller's undeclared account stands beside the world."""
        here = dict(beside or {})
        account = call.principal.account
        if account and account not in self.world.accounts:
            here.setdefault(account, self._unknown.setdefault(account, Account(account)))
        return Witness(says, call, self.decide(call, here), here, shown)

    def applies(self, spot: Spot, call: Call, beside: Beside | None = None) -> bool:
        """Whether the statement applies to one of the call's permissions; of a key policy, to those on its key."""
        if spot.key is None and call.principal not in spot.callers:
            return False  # an identity policy speaks of its holders only
        return any(
            spot.statement.covers(asked.leg.action)
            and applies(spot.statement, asked.request, spot.policy.kind, asked.questions)
            for asked in self._authorizer(beside or {}).requests(call)
            if spot.key is None or (asked.leg.key is spot.key and asked.leg.source is Source.KEY)
        )

    def shows(self, spot: Spot, witness: Witness) -> bool:
        """Whether the statement applies to the witness's call."""
        return self.applies(spot, witness.call, witness.beside)

    @cached_property
    def _unknown(self) -> dict[str, Account]:
        """Accounts that nobody declared, each once."""
        return {}

    def shown(self, spot: Spot, *, applies: bool) -> Shown:
        """What a trace says of the statement."""
        return Shown(applies, spot.policy.source, spot.statement.path)

    def met(self, spot: Spot, callers: Iterable[Principal], key: Key) -> bool:
        """Whether the statement applies to some call of these that can be thought of."""
        attempts = (
            Attempt(spot.statement, caller, action, key, self.world)
            for caller in callers
            for action in self.covered(spot, key)
        )
        return any(self.applies(spot, call) for attempt in attempts for call in attempt.calls())

    def opened(
        self,
        spot: Spot,
        principal: Principal,
        action: str,
        beside: Beside | None = None,
        choosable: Choosable = by_anybody,
    ) -> Call | None:
        """The first call for the action that is allowed and to which the statement applies; None: there is none."""
        key, others = self.some_key(spot)
        here = {**others, **(beside or {})}
        world = world_with(self.world, here)
        for call in Attempt(spot.statement, principal, action, key, world, choosable).calls():
            if self.applies(spot, call, here) and self.decide(call, here).allowed:
                return call
        return None

    def spots(self) -> Iterator[Spot]:
        """Every statement of every key policy and identity policy."""
        yield from self.key_spots()
        yield from self.identity_spots()

    def key_spots(self) -> Iterator[Spot]:
        """The statements of the key policies, AWS's own left out: nobody here can change those (MK-3)."""
        for key in self.customer_keys:
            yield from self.spots_of(key)

    def spots_of(self, key: Key) -> Iterator[Spot]:
        """The statements of one key's policies."""
        return spots_of_key(key, self.key_path(key, "policy"), self.key_path(key, "ram_policy"))

    def identity_spots(self) -> Iterator[Spot]:
        """The statements of the policies of users, roles and groups; AWS's own roles left out."""
        for account in self.world.accounts.values():
            yield from spots_of_account(account, self.partition)

    def key_path(self, key: Key, *steps: str | int) -> str:
        """Where the key, or something of it, stands in the scenario; of a bare policy the whole document."""
        return "" if self.bare else join_path("accounts", key.account, "keys", key.label or key.id, *steps)

    def callers_meant(self, spot: Spot) -> Iterator[Principal]:
        """Callers that the statement means: of an identity policy its holders, else those that its principals name.

        Of `*` and of foreign accounts a root user stands for all; of the key's own account nobody, since a delegation
        allows nobody by itself (KP-2).
        """
        if spot.key is None:
            yield from spot.callers
            return
        element = spot.statement.principal
        for entry in element.entries if element and not element.negated else ():
            if entry.form is PrincipalForm.ANYONE:
                yield self.stranger
            elif entry.form is PrincipalForm.SERVICE:
                yield service_principal(entry.text)
            elif entry.form is PrincipalForm.ACCOUNT:
                if entry.text != spot.account:
                    yield root_of(entry.text, self.partition)
            else:
                found = parse_principal(entry.text)
                if found is not None:
                    yield found

    def residents(self, account: str) -> Iterator[Principal]:
        """Those of an account that the world declares: its root user, then users and role sessions."""
        yield root_of(account, self.partition)
        declared = self.world.accounts.get(account)
        if declared:
            yield from (caller_of(user) for user in declared.users.values())
            yield from (caller_of(role) for role in declared.roles.values())

    def some_caller(self, spot: Spot) -> Principal:
        """Somebody to whom the statement could have mattered: whom it means, else a resident of its account."""
        meant = [caller for caller in self.callers_meant(spot) if self.exists(caller)]
        if meant:
            return meant[0]
        residents = list(self.residents(spot.account))[:_MOST_CALLERS]
        return residents[-1]

    def exists(self, principal: Principal) -> bool:
        """Whether a scenario can have the principal call: of a declared account only who is declared."""
        account = self.world.accounts.get(principal.account)
        if account is None or principal.arn.endswith(":root") or ":federated-user/" in principal.arn:
            return True
        held: Mapping[str, User | Role] = account.users if ":user/" in principal.arn else account.roles
        return principal.name in held or ":" in principal.name

    def some_key(self, spot: Spot) -> tuple[Key, Beside]:
        """The statement's key, else one of its account, else one that stands beside the world."""
        if spot.key is not None:
            return spot.key, {}
        own = [key for key in self.customer_keys if key.account == spot.account]
        return (own[0], {}) if own else self._stand_in(spot.account)

    def _stand_in(self, account: str) -> tuple[Key, Beside]:
        if account not in self._stand_ins:
            self._stand_ins[account] = with_key(self.world, account, self.world.region)
        return self._stand_ins[account]

    @cached_property
    def _stand_ins(self) -> dict[str, tuple[Key, Beside]]:
        return {}

    def covered(self, spot: Spot, key: Key) -> tuple[str, ...]:
        """The actions on the key that the statement covers."""
        return tuple(action for action in actions_on(key) if spot.statement.covers(action))

    def where(self, spot: Spot) -> Where:
        """The statement in the file in which it stands: the scenario, or a policy file beside it."""
        source = spot.policy.source
        if source.endswith(".json"):
            folder = self.file.rpartition("/")[0] if self.file else ""
            return Where(spot.statement.path, f"{folder}/{source}" if folder else source)
        is_path = source.startswith("accounts") or not source
        path = source if is_path else spot.attached  # an AWS managed policy stands nowhere but where it is attached
        return self.at(f"{path}.{spot.statement.path}" if path and is_path else path or spot.statement.path)

    def at(self, path: str) -> Where:
        """A place in the scenario."""
        return Where(path, self.file)

    def _arn_of(self, principal: Principal) -> str:
        """The role's own ARN where any session of it is meant."""
        any_session = principal.kind is PrincipalKind.ROLE_SESSION and principal.session_name == ANY_SESSION
        return find_caller(self.world, principal).issuer_arn if any_session else principal.arn

    def finding(
        self,
        name: str,
        where: Where,
        witnesses: Iterable[Witness],
        *,
        key: Key | None = None,
        subject: Principal | str = "",
        controls: tuple[str, ...] | None = None,
        **facts: str,
    ) -> Finding:
        """A finding in the words of `wording`, with these facts filled in."""
        words = WORDING[name]
        account = key.account if key else ""
        known = {"key": key.label or key.id if key else "", "subject": called(subject, account), **facts}
        return Finding(
            id=name,
            severity=words.severity,
            where=where,
            executive=sentence(words.executive.format(**known)),
            technical=sentence(words.technical.format(**known)),
            fix=words.fix.format(**known),
            rules=words.rules,
            key=key.arn if key else "",
            subject=subject if isinstance(subject, str) else self._arn_of(subject),
            witnesses=tuple(witnesses),
            controls=words.controls if controls is None else controls,
        )
