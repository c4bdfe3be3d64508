"""Who could ask what of a world: the callers it has, the operations on a key, and a plausible call for each question.

`reach`, `advise`, `diff` and `sweep` all answer the same questions; this is where they come from. An answer is always
that of `decide` on `call_for(question)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from kmssim.errors import InputError
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, Decision, Ruling
from kmssim.evaluator.operations import GRANT_OPERATIONS, OPERATIONS, KeyKind, On, Operation, algorithms, key_kind
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_principal, service_principal
from kmssim.evaluator.statements import Policy
from kmssim.evaluator.world import Key, World, alias_arn
from kmssim.scenario_file.places import near_names
from kmssim.strict_json import printable

STRANGER = "000000000000"
"""An account that no policy names: whoever is allowed here is anybody."""

ANY_SESSION = "session"
"""The session name of a role of which nobody said under which name it calls."""

HALVES = ("kms:ReEncryptFrom", "kms:ReEncryptTo")
"""The two actions that one call of ReEncrypt is authorized as."""


@dataclass(frozen=True)
class Question:
    """Whether `principal` may do `action` on the key with this ARN.

    `action` is an operation (`kms:Decrypt`), or one half of ReEncrypt (`kms:ReEncryptFrom`). `encryption_context`: as
    sorted pairs, None: the call carries none. `via`: the service through which it comes. `grant`: the grant whose token
    the call passes, or which it retires. `alias`: the alias (`alias/…`) by which it names the key; None: by its ARN.
    """

    principal: Principal
    action: str
    key: str
    encryption_context: tuple[tuple[str, str], ...] | None = None
    via: str | None = None
    grant: str | None = None
    alias: str | None = None


@cache
def actions_on_keys() -> tuple[str, ...]:
    """Everything that can be asked of a key: the operations on one, and the halves of ReEncrypt."""
    whole = [f"kms:{row.name}" for row in OPERATIONS.values() if any(need.on is On.KEY for need in row.permissions)]
    return tuple(sorted({*whole, "kms:RetireGrant", *HALVES} - {"kms:ReEncrypt"}))


def actions_on(key: Key) -> tuple[str, ...]:
    """Those that a key of this kind takes."""
    return _actions_on(
        _Traits(
            key_kind(key.spec, key.usage),
            has_aliases=bool(key.aliases),
            has_grants=bool(key.grants),
            is_primary=key.multi_region == "PRIMARY",
            is_external=key.origin == "EXTERNAL",
        )
    )


class _Traits(NamedTuple):
    """What decides which actions a key takes."""

    kind: KeyKind
    has_aliases: bool
    has_grants: bool
    is_primary: bool
    is_external: bool

    def take(self, action: str) -> bool:
        row = operation_of(action)
        if row.name == "UpdateAlias":
            return self.has_aliases
        if row.name == "RetireGrant":
            return self.has_grants
        if row.name in {"UpdatePrimaryRegion", "ReplicateKey"}:
            return self.is_primary
        if "ImportKeyMaterial" in row.name or row.name in {"DeleteImportedKeyMaterial", "GetParametersForImport"}:
            return self.is_external
        return not row.key_kinds or self.kind in row.key_kinds


@cache
def _actions_on(traits: _Traits) -> tuple[str, ...]:
    return tuple(action for action in actions_on_keys() if traits.take(action))


def callers_of(world: World) -> tuple[Principal, ...]:
    """Everybody who can call: of each account its root user, its users, a session of each role; and whom policies name.

    Principals that a key policy or a grant names without that the world declares them come after the declared ones,
    and last somebody of an account that nothing names.
    """
    found = [caller for account in world.accounts.values() for caller in callers_in(account.id, world)]
    found += _named(world)
    found.append(_stranger(world))
    return tuple(dict.fromkeys(found))


def callers_in(account: str, world: World) -> Iterator[Principal]:
    """The root user of a declared account, its users, and a session of each of its roles."""
    partition = _partition(world)
    yield _principal(f"arn:{partition}:iam::{account}:root")
    for user in world.accounts[account].users.values():
        yield _principal(user.arn)
    for role in world.accounts[account].roles.values():
        yield _principal(f"arn:{role.arn.split(':')[1]}:sts::{account}:assumed-role/{role.name}/{ANY_SESSION}")


def _named(world: World) -> Iterator[Principal]:
    for key in world.keys_by_arn.values():
        for policy in filter(None, (key.policy, key.ram_policy)):
            yield from _named_by(policy, world)
        for grant in key.grants:
            for name in (grant.grantee, grant.grantee_service, grant.retiring, grant.retiring_service):
                if name:
                    yield from _meant_by(name, world)


def _named_by(policy: Policy, world: World) -> Iterator[Principal]:
    for statement in policy.statements:
        for entry in statement.principal.entries if statement.principal else ():
            if entry.form is PrincipalForm.SERVICE:
                yield service_principal(entry.text)
            elif entry.form is PrincipalForm.ACCOUNT:
                yield from _of_account(entry.text, world)
            elif entry.form is not PrincipalForm.ANYONE:
                yield from _meant_by(entry.text, world)


def _of_account(account: str, world: World) -> Iterator[Principal]:
    """An account that the world does not declare: its root user stands for it."""
    if account not in world.accounts:
        yield _principal(f"arn:{_partition(world)}:iam::{account}:root")


def _meant_by(text: str, world: World) -> Iterator[Principal]:
    """Whom an ARN or a service's host name means, when the world does not declare it already."""
    if not text.startswith("arn:"):
        yield service_principal(text)
        return
    found = parse_principal(text)
    if found is None:
        return
    account = world.accounts.get(found.account)
    declared = account is not None and (
        found.kind is PrincipalKind.ROOT
        or (found.kind is PrincipalKind.USER and found.name in account.users)
        or (
            found.kind is PrincipalKind.ROLE_SESSION
            and found.name in account.roles
            and found.session_name == ANY_SESSION
        )
    )
    if not declared:
        yield found


def _stranger(world: World) -> Principal:
    return _principal(f"arn:{_partition(world)}:sts::{STRANGER}:assumed-role/anybody/{ANY_SESSION}")


def _partition(world: World) -> str:
    return next((key.partition for key in world.keys_by_arn.values()), "aws")


@lru_cache(maxsize=1 << 16)
def _principal(arn: str) -> Principal:
    found = parse_principal(arn)
    assert found is not None, arn  # noqa: S101 - written above
    return found


def caller_name(principal: Principal) -> str:
    """A caller as people know it: account and name, a role without a session that stands for any."""
    if principal.kind is PrincipalKind.SERVICE:
        return principal.name
    if principal.account == STRANGER:
        return "anybody"
    if principal.kind is PrincipalKind.ROLE_SESSION:
        session = "" if principal.session_name == ANY_SESSION else f" as {principal.session_name}"
        return f"{principal.account}:role/{principal.name}{session}"
    return principal.arn.split(":", 4)[-1]


def key_named(world: World, name: str) -> Key:
    """The key that a person names by its ARN, id, label, or an alias with or without `alias/`.

    Raises:
        InputError: there is none, or there are several; the message offers names that fit.

    """
    keys = world.keys_by_arn.values()
    found = [key for key in keys if name in {key.arn, key.id, key.label, *key.aliases, *_alias_forms(key)}]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"`{name}` names {len(found)} keys", hint=f"take an ARN: {', '.join(key.arn for key in found)}"
        )
    known = [text for key in keys for text in (key.label, *key.aliases, key.arn) if text]
    raise InputError(printable(f"no key is named `{name}`"), hint=near_names(name, known))


def _alias_forms(key: Key) -> Iterator[str]:
    for alias in key.aliases:
        yield alias.removeprefix("alias/")
        yield alias_arn(key, alias)


def carries_context(action: str, key: Key) -> bool:
    """Whether a call for this action on this key can carry an encryption context (EC-5)."""
    return key.symmetric_encryption and bool(operation_of(action).context_parameters)


def operation_of(action: str) -> Operation:
    """The operation that is called for an action: of half a ReEncrypt the whole one."""
    return OPERATIONS["ReEncrypt" if action in HALVES else action.partition(":")[2]]


def call_for(question: Question, world: World) -> Call:
    """A call that asks the question: with every parameter that it cannot do without."""
    key = world.keys_by_arn[question.key]
    name = operation_of(question.action).name
    parameters = {**_required(name, key), **_context(name, question)}
    if question.alias is not None and OPERATIONS[name].alias_allowed and "KeyId" in parameters:
        parameters["KeyId"] = alias_arn(key, question.alias)
    tokens = () if question.grant is None else (question.grant,)
    if name == "RetireGrant":
        parameters = {"KeyId": key.arn, "GrantId": question.grant or next(iter(key.grants)).id}
        tokens = ()
    return Call(question.principal, f"kms:{name}", key.region, parameters, grant_tokens=tokens, via=question.via)


class Answers:
    """Answers questions over one world, each as `decide` does, and each once."""

    def __init__(self, world: World, authority: Authority = PYTHON) -> None:
        """`authority` rules; the default is the rule in Python."""
        self.world = world
        self._authorizer = Authorizer(world, authority)
        self._known: dict[Question, bool] = {}

    def allows(self, question: Question) -> bool:
        """Whether the call is authorized; of half a ReEncrypt, whether that half is."""
        if question not in self._known:
            self._known[question] = self._ask(question)
        return self._known[question]

    def decide(self, question: Question) -> Decision:
        """The decision on the whole call, with its evidence."""
        return self.decide_call(call_for(question, self.world))

    def decide_call(self, call: Call) -> Decision:
        """The decision on a call of one's own making in the same world."""
        return self._authorizer.decide(call)

    def rulings(self, question: Question) -> tuple[Ruling, ...]:
        """The ruling on each permission that the question is about; of half a ReEncrypt, on that half."""
        asked = self._authorizer.requests(call_for(question, self.world))
        whole = question.action not in HALVES
        return tuple(self._authorizer.rule(one) for one in asked if whole or one.leg.action == question.action)

    def _ask(self, question: Question) -> bool:
        """What `decide` says, without what only a whole decision needs: how the call ends, and open questions."""
        rulings = self.rulings(question)
        return bool(rulings) and all(ruling.allowed for ruling in rulings)


def _required(name: str, key: Key) -> Mapping[str, object]:
    """The parameters that name the key, and a value for each of the others that decide."""
    arn = key.arn
    if name == "ReEncrypt":
        return {"SourceKeyId": arn, "DestinationKeyId": arn, **_algorithms(name, key)}
    if name in {"CreateAlias", "UpdateAlias"}:
        alias = key.aliases[0] if name == "UpdateAlias" else "alias/kmssim-new"
        return {"AliasName": alias, "TargetKeyId": arn}
    root = f"arn:{key.partition}:iam::{key.account}:root"
    more: Mapping[str, Mapping[str, object]] = {
        "CreateGrant": {"GranteePrincipal": root, "Operations": [_grantable(key)]},
        "PutKeyPolicy": {"Policy": key.policy.document},
        "ReplicateKey": {"ReplicaRegion": "eu-west-1" if key.region != "eu-west-1" else "us-east-1"},
        "UpdatePrimaryRegion": {"PrimaryRegion": key.region},
        "TagResource": {"Tags": [{"TagKey": "kmssim", "TagValue": "kmssim"}]},
        "UntagResource": {"TagKeys": ["kmssim"]},
        "UpdateKeyDescription": {"Description": ""},
        "RevokeGrant": {"GrantId": key.grants[0].id if key.grants else "0" * 64},
        "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"},
    }
    return {"KeyId": arn, **_algorithms(name, key), **more.get(name, {})}


def _algorithms(name: str, key: Key) -> Mapping[str, object]:
    """An algorithm that the key has, where the default is not one of its own."""
    needed = [need.algorithm_parameter for need in OPERATIONS[name].permissions if need.algorithm_parameter]
    known = algorithms(key.spec, key.usage)
    return {} if key.symmetric_encryption or not known else dict.fromkeys(needed, known[0])


def _grantable(key: Key) -> str:
    """One operation that a grant on this key may list: every kind of key has `DescribeKey`."""
    known = GRANT_OPERATIONS[key_kind(key.spec, key.usage)]
    return "Decrypt" if "Decrypt" in known else "DescribeKey"


def _context(name: str, question: Question) -> Mapping[str, object]:
    if question.encryption_context is None:
        return {}
    pairs = dict(question.encryption_context)
    return dict.fromkeys(OPERATIONS[name].context_parameters.values(), pairs)
