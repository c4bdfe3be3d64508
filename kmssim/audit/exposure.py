"""Who is let in from outside: anybody, other accounts and organizations, services on behalf of anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kmssim.access import actions_on
from kmssim.audit.attempts import Choosable, by_stranger
from kmssim.audit.beside import Beside, everything_in_kms, visitor
from kmssim.audit.finding import Finding
from kmssim.audit.phrases import listed_actions
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.operations import ACTIONS
from kmssim.evaluator.patterns import ARN_PARTS
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.request import Call, Principal, PrincipalKind, parse_arn, service_principal
from kmssim.evaluator.world import Account, Key, Role

LOOKING = frozenset({"kms:DescribeKey", "kms:GetPublicKey", "kms:ListGrants", "kms:GetKeyRotationStatus"})
"""What tells about a key and does not use it, of what crosses accounts."""

_ORGANIZATION = "aws:principalorgid"
_TELLING_FIRST = ("kms:Decrypt", "kms:Sign", "kms:CreateGrant")


@dataclass(frozen=True)
class _Way:
    """An action that is open to somebody from outside, and the call that shows it."""

    action: str
    call: Call


def find_public_access(scene: Scene) -> Iterator[Finding]:
    """PG-36, PE-20: `*` that lets a stranger in."""
    for spot in scene.key_spots():
        if not (spot.allows and _names_anybody(spot)):
            continue
        assert spot.key is not None  # noqa: S101 - a statement of a key policy
        for stranger, beside in _strangers(scene, spot):
            ways = list(_ways(scene, spot, stranger, beside))
            if ways:
                yield _public(scene, spot, spot.key, ways, beside)
                break


def _names_anybody(spot: Spot) -> bool:
    element = spot.statement.principal
    return element is not None and any(entry.form is PrincipalForm.ANYONE for entry in element.entries)


def _strangers(scene: Scene, spot: Spot) -> Iterator[tuple[Principal, Beside]]:
    """The root user of a strange account; and a role there that is called or tagged as the statement wants it."""
    yield scene.stranger, {}
    wanted = {condition.key: condition.values[0] for condition in spot.statement.conditions if condition.values}
    tags = {key.partition("/")[2]: text for key, text in wanted.items() if key.startswith("aws:principaltag/")}
    account = scene.stranger.account
    arn = fit_arn(wanted.get("aws:principalarn", ""), account) or f"arn:{scene.partition}:iam::{account}:role/anybody"
    name = arn.rpartition("/")[2]
    if (tags or "aws:principalarn" in wanted) and ":role/" in arn:
        role = Role(arn, name, policies=(everything_in_kms(),), tags=tags)
        found = visitor(arn, scene.world)
        if found is not None:
            yield found[0], {account: Account(account, roles={name: role})}


def fit_arn(pattern: str, account: str) -> str | None:
    """An ARN of the account that fits the pattern; None when the pattern is about another account."""
    parts = pattern.split(":", ARN_PARTS - 1)
    if len(parts) < ARN_PARTS or parts[0] != "arn" or not set(parts[4]) <= {"*", "?"}:
        return None
    parts[4] = account
    return ":".join(part.replace("*", "any").replace("?", "a") for part in parts)


def _ways(
    scene: Scene, spot: Spot, caller: Principal, beside: Beside, choosable: Choosable = by_stranger
) -> Iterator[_Way]:
    assert spot.key is not None  # noqa: S101 - a statement of a key policy
    for action in actions_on(spot.key):
        if action != "kms:RetireGrant" and spot.statement.covers(action):  # GR-61: no policy gives that
            call = scene.opened(spot, caller, action, beside, choosable)
            if call is not None:
                yield _Way(action, call)


def _most_telling(ways: list[_Way]) -> Call:
    by_action = {way.action: way.call for way in ways}
    return next((by_action[action] for action in _TELLING_FIRST if action in by_action), ways[0].call)


def _public(scene: Scene, spot: Spot, key: Key, ways: list[_Way], beside: Beside) -> Finding:
    direct = [way for way in ways if way.call.via is None]
    name, shown = ("public-through-service", ways) if not direct else ("public-access", direct)
    if direct and {way.action for way in direct} <= LOOKING:
        name = "public-metadata"
    call = _most_telling(shown)
    return scene.finding(
        name,
        scene.where(spot),
        [scene.witness(call, "a stranger's call is allowed", beside, scene.shown(spot, applies=True))],
        key=key,
        actions=listed_actions(way.action for way in shown),
        service=call.via or "",
    )


def find_foreign_principals(scene: Scene) -> Iterator[Finding]:
    """XA-1 to XA-3: principals of other accounts that a key policy lets in, be it across organizations."""
    for spot in scene.key_spots():
        for arn in dict.fromkeys(_arns_meant(spot, scene)) if spot.allows else ():
            found = visitor(arn, scene.world)
            if found is not None and found[0].account != spot.account:
                yield from _foreign(scene, spot, *found)


def _arns_meant(spot: Spot, scene: Scene) -> Iterator[str]:
    """The ARNs that the statement names as principals; where that is `*`, the accounts that it names by a condition."""
    element = spot.statement.principal
    for entry in element.entries if element and not element.negated else ():
        if entry.form is PrincipalForm.ACCOUNT:
            yield f"arn:{entry.partition or scene.partition}:iam::{entry.text}:root"
        elif entry.form is PrincipalForm.ANYONE:
            yield from (f"arn:{scene.partition}:iam::{account}:root" for account in _accounts_asked_for(spot))
        elif entry.text.startswith("arn:"):
            yield entry.text


def _accounts_asked_for(spot: Spot) -> Iterator[str]:
    for condition in spot.statement.conditions:
        if condition.key in {"kms:calleraccount", "aws:principalaccount"} and not condition.operator.negated:
            yield from (value for value in condition.values if re.fullmatch("[0-9]{12}", value))


def find_foreign_organizations(scene: Scene) -> Iterator[Finding]:
    """CK-62: `*` for the callers of another organization, where the world knows its own."""
    own = scene.world.organization
    for spot in scene.key_spots() if own is not None else ():
        asked = [one for one in spot.statement.conditions if one.key == _ORGANIZATION and not one.operator.negated]
        foreign = [value for condition in asked for value in condition.values if own and value != own.id]
        if not (spot.allows and foreign and _names_anybody(spot) and spot.key is not None):
            continue
        ways = list(_ways(scene, spot, scene.stranger, {}, lambda key: key == _ORGANIZATION))
        if ways:
            says = "the call of somebody in that organization is allowed"
            yield scene.finding(
                "cross-organization",
                scene.where(spot),
                [scene.witness(_most_telling(ways), says, shown=scene.shown(spot, applies=True))],
                key=spot.key,
                subject=f"organization {foreign[0]}",
                actions=listed_actions(way.action for way in ways),
            )


def _foreign(scene: Scene, spot: Spot, caller: Principal, beside: Beside) -> Iterator[Finding]:
    assert spot.key is not None  # noqa: S101 - a statement of a key policy
    ways = list(_ways(scene, spot, caller, beside))
    if not ways:
        return
    texts = spot.statement.action.texts if spot.statement.action else ()
    everything = any(text.lower() in {"*", "kms:*"} for text in texts)
    grants = any(way.action == "kms:CreateGrant" for way in ways)
    whole = caller.kind is PrincipalKind.ROOT and everything and grants
    says = "its call is allowed, once its own side allows it too"
    yield scene.finding(
        "foreign-account-all" if whole else relation(scene, caller.account),
        scene.where(spot),
        [scene.witness(_most_telling(ways), says, beside, scene.shown(spot, applies=True))],
        key=spot.key,
        subject=caller,
        account=caller.account,
        actions=listed_actions(way.action for way in ways),
    )


def relation(scene: Scene, account: str) -> str:
    """Which finding the sharing with an account is: by what the world knows of it."""
    if scene.world.organization is not None:
        return "cross-account" if scene.world.in_organization(account) else "cross-organization"
    return "cross-account" if account in scene.world.accounts else "unknown-account"


def find_confused_deputies(scene: Scene) -> Iterator[Finding]:
    """SV-5: services that may use a key whatever account they act for."""
    for spot in scene.key_spots():
        element = spot.statement.principal
        if not spot.allows or element is None or element.negated:
            continue
        for entry in element.entries:
            if entry.form is PrincipalForm.SERVICE:
                yield from _deputy(scene, spot, entry.text)


def _deputy(scene: Scene, spot: Spot, host: str) -> Iterator[Finding]:
    assert spot.key is not None  # noqa: S101 - a statement of a key policy
    account = scene.stranger.account
    wanted = {condition.key: condition.values[0] for condition in spot.statement.conditions if condition.values}
    source = fit_arn(wanted.get("aws:sourcearn", ""), account)
    usual = f"arn:{scene.partition}:{host.partition('.')[0]}:{spot.key.region}:{account}:kmssim-witness"
    service = service_principal(host, source or usual, account)
    plain = [
        scene.witness(call, "the service acts for a stranger's account", shown=scene.shown(spot, applies=True))
        for action in actions_on(spot.key)
        if action not in LOOKING | {"kms:RetireGrant"} and spot.statement.covers(action)
        for call in [scene.plain(service, action, spot.key)]
    ]
    open_ = [one for one in plain if one.decision.allowed and scene.shows(spot, one)]
    if open_:
        actions = listed_actions(one.call.operation for one in open_)
        yield scene.finding(
            "confused-deputy", scene.where(spot), open_[:1], key=spot.key, subject=service, actions=actions
        )


def find_session_principals(scene: Scene) -> Iterator[Finding]:
    """PE-5: sessions that a key policy of their own account names."""
    for spot in scene.key_spots():
        for caller in scene.callers_meant(spot) if spot.allows else ():
            named = spot.statement.principal
            is_session = named is not None and any(
                entry.form is PrincipalForm.ROLE_SESSION and entry.text == caller.arn for entry in named.entries
            )
            if not is_session or caller.account != spot.account or not scene.exists(caller):
                continue
            assert spot.key is not None  # noqa: S101 - a statement of a key policy
            ways = list(_ways(scene, spot, caller, {}))
            if ways:
                witness = scene.witness(
                    _most_telling(ways), "the session's call is allowed", shown=scene.shown(spot, applies=True)
                )
                yield scene.finding(
                    "session-principal",
                    scene.where(spot),
                    [witness],
                    key=spot.key,
                    subject=caller,
                    session=caller.session_name,
                )


def allows_everything(spot: Spot) -> bool:
    """Whether an identity policy's statement allows all of KMS on all keys, without a condition."""
    return spot.allows and not spot.statement.conditions and all(map(spot.statement.covers, ACTIONS)) and on_all(spot)


def on_all(spot: Spot) -> bool:
    """Whether the statement is about all keys: `*`, or every key of an account (KMS.1, KMS.2)."""
    element = spot.statement.resource
    if element is None or element.negated:
        return element is not None
    arns = [parse_arn(text) for text in element.texts]
    return element.is_anything or any(
        arn is not None and arn.service == "kms" and arn.resource in {"*", "key/*"} for arn in arns
    )
