"""Statements that never apply, or not to what they list: other resources, actions that do not exist, nobody to meet."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

from kmssim.access import HALVES, actions_on, callers_of
from kmssim.audit.attempts import has_variables
from kmssim.audit.beside import visitor
from kmssim.audit.condition_keys import MULTIVALUED, is_known
from kmssim.audit.conditions import any_call, effect, who
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.phrases import listed_actions
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.known import is_unknown
from kmssim.evaluator.operations import ACTIONS, OPERATIONS, CrossAccount, On
from kmssim.evaluator.patterns import matches
from kmssim.evaluator.principals import PrincipalEntry, PrincipalForm
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_arn
from kmssim.evaluator.statements import Element
from kmssim.evaluator.world import Key

_ALIAS_ACTIONS = ("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias")
_WITHOUT_RESOURCE = frozenset(
    f"kms:{row.name}" for row in OPERATIONS.values() if all(need.on is On.NOTHING for need in row.permissions)
) | {"kms:CreateKey"}
_REENCRYPT = "kms:reencrypt"


def find_incomplete_statements(scene: Scene) -> Iterator[Finding]:
    """PG-4: key-policy statements without Action or Resource."""
    for spot in scene.key_spots():
        for element, there in (("Action", spot.statement.action), ("Resource", spot.statement.resource)):
            if there is None:
                yield scene.finding(
                    "incomplete-statement", scene.where(spot), [any_call(scene, spot)], key=spot.key, element=element
                )


def _texts(element: Element | None) -> tuple[str, ...]:
    return () if element is None or element.negated else element.texts


def find_wrong_resources(scene: Scene) -> Iterator[Finding]:
    """PG-21 to PG-24: resources that the statement's actions are never asked on."""
    for spot in scene.key_spots():
        if spot.key is not None and _misses_its_key(spot, spot.key):
            texts = _texts(spot.statement.resource)
            alias = bool(texts) and all(map(_is_alias, texts))
            yield _wrong(scene, spot, spot.statement.resource, alias=alias, wanted='`"*"`, which means this key,')
    for spot in scene.identity_spots():
        yield from _wrong_in_identity(scene, spot)


def _misses_its_key(spot: Spot, key: Key) -> bool:
    element = spot.statement.resource
    if element is None or element.is_anything or element.patterns is None:
        return False
    return element.names(key.arn) is element.negated


def _is_alias(text: str) -> bool:
    arn = parse_arn(text)
    return text.startswith("alias/") or (arn is not None and arn.service == "kms" and arn.resource.startswith("alias/"))


def _wrong(
    scene: Scene, spot: Spot, element: Element | None, *, alias: bool, wanted: str, witness: Witness | None = None
) -> Finding:
    return scene.finding(
        "alias-as-resource" if alias else "dead-resource",
        scene.where(spot),
        [witness or any_call(scene, spot)],
        key=spot.key,
        subject=spot.holder,
        who=who(spot),
        effect=effect(spot),
        resource=element.written if element else "",
        action=spot.statement.action.written if spot.statement.action else "",
        wanted=wanted,
        element="NotResource" if element and element.negated else "Resource",
    )


def _is_about_kms(spot: Spot) -> bool:
    """Whether every action that the statement lists is one of KMS."""
    texts = _texts(spot.statement.action)
    return bool(texts) and all(text.lower().startswith("kms:") for text in texts)


def _wrong_in_identity(scene: Scene, spot: Spot) -> Iterator[Finding]:
    element = spot.statement.resource
    if element is None or element.negated or element.is_anything or not _is_about_kms(spot):
        return
    bare = [text for text in element.texts if parse_arn(text) is None and not text.startswith("arn:")]
    aliases = [text for text in element.texts if _is_alias(text)]
    if aliases and not any(map(spot.statement.covers, _ALIAS_ACTIONS)):
        yield _wrong(
            scene, spot, element, alias=True, wanted="the key's ARN", witness=_on_alias(scene, spot, aliases[0])
        )
    elif bare:
        yield _wrong(scene, spot, element, alias=False, wanted="the ARN of a key")
    unasked = [text for text in _texts(spot.statement.action) if _canonical(text) in _WITHOUT_RESOURCE]
    if unasked:
        action = _canonical(unasked[0])
        assert action is not None  # noqa: S101 - it is one of them
        call = Call(scene.some_caller(spot), action, scene.world.region)
        shown = scene.shown(spot, applies=False)
        witness = scene.witness(call, "no resource but * is ever asked", shown=shown)
        yield _wrong(scene, spot, element, alias=False, wanted='`"*"`', witness=witness)
    yield from _absent_keys(scene, spot, element)


def _canonical(text: str) -> str | None:
    """An action as AWS spells it; None for a pattern or an unknown one."""
    return next((action for action in ACTIONS if action.lower() == text.lower()), None)


def _on_alias(scene: Scene, spot: Spot, alias: str) -> Witness:
    """The call on the very key that has the alias, where there is one."""
    name = alias.rpartition(":")[2]
    key = next((one for one in scene.customer_keys if name in one.aliases and one.account == spot.account), None)
    if key is None or not scene.covered(spot, key):
        return any_call(scene, spot)
    call = scene.plain(scene.some_caller(spot), scene.covered(spot, key)[0], key)
    return scene.witness(call, "the key that has the alias", shown=scene.shown(spot, applies=False))


def _absent_keys(scene: Scene, spot: Spot, element: Element) -> Iterator[Finding]:
    """A key's ARN, written out, of an account that is declared and has no such key."""
    for text in element.texts:
        arn = parse_arn(text)
        if arn is None or arn.service != "kms" or not arn.resource.startswith("key/") or set("*?$") & set(text):
            continue
        if arn.account in scene.world.accounts and text not in scene.world.keys_by_arn:
            actions = [action for action in ("kms:Decrypt", "kms:DescribeKey") if spot.statement.covers(action)]
            action = (actions or ["kms:DescribeKey"])[0]
            call = Call(scene.some_caller(spot), action, arn.region or scene.world.region, {"KeyId": text})
            witness = scene.witness(call, "there is no such key")
            yield scene.finding(
                "resource-without-key",
                scene.where(spot),
                [witness],
                subject=spot.holder,
                who=who(spot),
                resource=text,
            )


def find_unknown_actions(scene: Scene) -> Iterator[Finding]:
    """PG-11: actions that KMS does not have; in key policies also those of other services."""
    for spot in scene.spots():
        element = spot.statement.action
        if element is None or element.negated or element.patterns is None:
            continue
        for text, pattern in zip(element.texts, element.patterns, strict=True):
            ours = text.lower().startswith("kms:")
            if not ours and (spot.key is None or "*" in text.partition(":")[0]):
                continue
            if not any(matches(pattern, action.lower()) for action in ACTIONS):
                yield from _unknown_action(scene, spot, text)


def _unknown_action(scene: Scene, spot: Spot, text: str) -> Iterator[Finding]:
    near = difflib.get_close_matches(text, sorted(ACTIONS), n=1, cutoff=0.7)
    meant, fix = "no action of KMS comes near it.", "Take it out."
    actions: tuple[str, ...] = ()
    if text.lower() == _REENCRYPT:
        actions = HALVES
        meant = "the operation ReEncrypt is authorized as kms:ReEncryptFrom and kms:ReEncryptTo."
        fix = "Write kms:ReEncryptFrom and kms:ReEncryptTo, or kms:ReEncrypt*."
    elif not text.lower().startswith("kms:"):
        meant = "a key policy is asked about actions of KMS only."
    elif near:
        actions = (near[0],)
        meant, fix = f"is {near[0]} meant?", f"Write {near[0]}, or take it out."
    if actions and all(map(spot.statement.covers, actions)):
        return  # what was meant is there as well
    key, _ = scene.some_key(spot)
    missing = tuple(action for action in actions if not spot.statement.covers(action) and action in actions_on(key))
    yield scene.finding(
        "unknown-action",
        scene.where(spot),
        [any_call(scene, spot, missing)],
        key=spot.key,
        subject=spot.holder or text,
        action=text,
        effect=effect(spot),
        meant=meant,
        fix=fix,
    )


def find_denied_exceptions(scene: Scene) -> Iterator[Finding]:
    """PG-45, PG-46: those whom a Deny with NotPrincipal lists and hits all the same."""
    for spot in scene.key_spots():
        element = spot.statement.principal
        if spot.allows or element is None or not element.negated or spot.key is None:
            continue
        for entry in element.entries:
            if entry.form in {PrincipalForm.USER, PrincipalForm.ROLE, PrincipalForm.ROLE_SESSION}:
                yield from _hit(scene, spot, spot.key, entry.text)


def _hit(scene: Scene, spot: Spot, key: Key, arn: str) -> Iterator[Finding]:
    found = visitor(arn, scene.world)
    if found is None or not scene.exists(found[0]):
        return
    for action in scene.covered(spot, key):
        call = scene.plain(found[0], action, key)
        witness = scene.witness(call, "a listed principal is denied", shown=scene.shown(spot, applies=True))
        if witness.decision.explicit and scene.shows(spot, witness):
            yield scene.finding("not-principal-deny", scene.where(spot), [witness], key=key, subject=found[0])
            return


def find_actions_that_stay_at_home(scene: Scene) -> Iterator[Finding]:
    """XA-8: actions listed by name for principals of other accounts that cannot cross accounts."""
    for spot in scene.key_spots():
        foreign = [caller for caller in scene.callers_meant(spot) if caller.account not in {"", spot.account}]
        entries = spot.statement.principal.entries if spot.statement.principal else ()
        if not spot.allows or not foreign or len(foreign) < len(entries) or foreign == [scene.stranger]:
            continue
        assert spot.key is not None  # noqa: S101 - a statement of a key policy
        named = [_canonical(text) for text in _texts(spot.statement.action)]
        stuck = [action for action in actions_on(spot.key) if action in named and _stays_at_home(action)]
        found = visitor(foreign[0].arn, scene.world) if stuck else None
        if found is not None:
            witness = scene.witness(
                scene.plain(found[0], stuck[0], spot.key), "denied, though both sides allow it", found[1]
            )
            yield scene.finding(
                "not-across-accounts",
                scene.where(spot),
                [witness],
                key=spot.key,
                subject=foreign[0],
                actions=listed_actions(stuck),
            )


def _stays_at_home(action: str) -> bool:
    row = OPERATIONS.get(action.partition(":")[2])
    return row is not None and row.cross_account is CrossAccount.NO


def find_statements_nobody_meets(scene: Scene) -> Iterator[Finding]:
    """Allows of key policies that no caller of this world meets, with whatever it brings along."""
    everybody = [caller for caller in callers_of(scene.world) if scene.exists(caller)]
    for spot in scene.key_spots():
        if spot.allows and spot.key is not None and not _is_said_otherwise(scene, spot, spot.key):
            callers = [_at_home(caller, spot.key) for caller in (*scene.callers_meant(spot), *everybody)]
            if scene.covered(spot, spot.key) and not scene.met(spot, dict.fromkeys(callers), spot.key):
                witness = any_call(scene, spot)
                yield scene.finding("never-met", scene.where(spot), [witness], key=spot.key, why=_why(spot, witness))


def _at_home(caller: Principal, key: Key) -> Principal:
    """A service as it calls for a resource of the key's own account; anybody else as they are."""
    if caller.kind is not PrincipalKind.SERVICE or caller.source_account is not None:
        return caller
    source = f"arn:{key.partition}:{caller.name.partition('.')[0]}:{key.region}:{key.account}:kmssim-witness"
    return replace(caller, source_arn=source, source_account=key.account)


def _is_said_otherwise(scene: Scene, spot: Spot, key: Key) -> bool:
    """Whether another check speaks of the statement, or nobody can tell: it is about what the world does not hold."""
    statement = spot.statement
    if statement.action is None or statement.resource is None or _misses_its_key(spot, key):
        return True
    entries = statement.principal.entries if statement.principal else ()
    if all(is_unknown(scene.world, entry, key.partition) or entry.form is PrincipalForm.PROVIDER for entry in entries):
        return True
    if any(_account_in(entry.text) not in scene.world.accounts for entry in entries if _is_somebody(entry)):
        return True
    if has_variables(statement) or (statement.resource.patterns is None):
        return True
    return any(_says_more(scene, one.key, one.values, one.qualifier) for one in statement.conditions)


def _says_more(scene: Scene, key: str, values: tuple[str, ...], qualifier: str) -> bool:
    """A condition that is faulty by itself, or about organizations and accounts beyond this world."""
    if not is_known(key) or not key.startswith(("aws:", "kms:")) or (key in MULTIVALUED and not qualifier):
        return True
    if "org" in key.partition(":")[2] or key.startswith(("aws:principalservice", "aws:principalisaws")):
        return True
    if key in {"aws:principalarn", "aws:principalaccount", "kms:calleraccount", "aws:userid"}:
        return not all(_account_in(value) in scene.world.accounts for value in values)
    return False


def _is_somebody(entry: PrincipalEntry) -> bool:
    """Whether the entry is of an account."""
    return entry.form is PrincipalForm.ACCOUNT or entry.text.startswith("arn:")


def _account_in(value: str) -> str:
    arn = parse_arn(value)
    return arn.account if arn else value


def _why(spot: Spot, witness: Witness) -> str:
    for permission in witness.decision.permissions:
        for layer in permission.layers:
            for trace in layer.statements:
                if (trace.policy, trace.path) == (spot.policy.source, spot.statement.path) and trace.mismatch:
                    found = trace.mismatch
                    return f"{found.element} wants {found.wanted}; a call of the kind has {found.found}"
    return "its principals and conditions exclude each other"
