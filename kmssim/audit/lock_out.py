"""Who can still change the key policy, and whom it names that is not there any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmssim.access import callers_of
from kmssim.audit.beside import root_of
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.known import is_unknown
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.request import Principal
from kmssim.evaluator.statements import Statement
from kmssim.evaluator.world import Key

_PUT = "kms:PutKeyPolicy"


def find_lock_outs(scene: Scene) -> Iterator[Finding]:
    """KP-5, TP-7: keys whose policy nobody can change, or hardly anybody, or only while a condition holds."""
    for key in scene.customer_keys:
        yield from _lock_out(scene, key)


def _lock_out(scene: Scene, key: Key) -> Iterator[Finding]:
    root = root_of(key.account, key.partition)
    ways = list(_ways_to_change(scene, key))
    if any(not spot.statement.conditions and _opens(scene, spot, root, key) for spot in ways):
        return  # the account itself can, and so can whomever it makes
    asked = [caller for caller in callers_of(scene.world) if caller.account == key.account and scene.exists(caller)]
    able = [caller for caller in asked if scene.allows(caller, _PUT, key)]
    if not able:
        yield _locked(scene, key, ways, asked)
        return
    used = [spot for spot in ways if any(_opens(scene, spot, one, key) for one in able)]
    if used and all(spot.statement.conditions for spot in used):
        yield _conditional(scene, key, used[0], next(one for one in able if _opens(scene, used[0], one, key)))
    if root not in able:
        yield from _few(scene, key, able, root)


def _locked(scene: Scene, key: Key, ways: list[Spot], asked: list[Principal]) -> Finding:
    """Nobody can as things are: for good, or as long as a condition is not met."""
    conditional = [spot for spot in ways if spot.statement.conditions]
    met = next(_conditional_ways(scene, key, conditional), None)
    if met is not None:
        return _conditional(scene, key, *met)
    denials = [scene.witness(scene.plain(one, _PUT, key), "may not change the policy") for one in asked]
    where = scene.at(scene.key_path(key, "policy"))
    return scene.finding("nobody-can-change-policy", where, denials, key=key, count=str(len(denials)))


def _few(scene: Scene, key: Key, able: list[Principal], root: Principal) -> Iterator[Finding]:
    """Somebody can, and the root user cannot."""
    where = scene.at(scene.key_path(key, "policy"))
    denied = scene.witness(scene.plain(root, _PUT, key), "the root user may not change the policy")
    if len(able) == 1:
        allowed = scene.witness(scene.plain(able[0], _PUT, key), "the only one who may")
        yield scene.finding("one-principal-can-change-policy", where, [allowed, denied], key=key, subject=able[0])
    elif denied.decision.layers == {Layer.KEY_POLICY} and not denied.decision.explicit:
        yield scene.finding("missing-delegation", where, [denied], key=key)


def _ways_to_change(scene: Scene, key: Key) -> Iterator[Spot]:
    for spot in scene.spots_of(key):
        if spot.allows and spot.statement.covers(_PUT):
            yield spot


def _opens(scene: Scene, spot: Spot, caller: Principal, key: Key) -> bool:
    return scene.applies(spot, scene.plain(caller, _PUT, key)) and scene.allows(caller, _PUT, key)


def _conditional_ways(scene: Scene, key: Key, spots: list[Spot]) -> Iterator[tuple[Spot, Principal]]:
    for spot in spots:
        for caller in scene.residents(key.account):
            if scene.opened(spot, caller, _PUT) is not None:
                yield spot, caller


def _conditional(scene: Scene, key: Key, spot: Spot, caller: Principal) -> Finding:
    return scene.finding(
        "policy-change-needs-condition",
        scene.where(spot),
        list(_with_and_without(scene, key, spot, caller)),
        key=key,
        subject=caller,
        condition=" and ".join(condition.written for condition in spot.statement.conditions),
    )


def _with_and_without(scene: Scene, key: Key, spot: Spot, caller: Principal) -> Iterator[Witness]:
    """A call that meets the condition, and one that does not."""
    met = scene.opened(spot, caller, _PUT)
    if met is not None:
        yield scene.witness(met, "with the condition met the call is allowed", shown=scene.shown(spot, applies=True))
    plain = scene.plain(caller, _PUT, key)
    for other in [plain, *(replace(plain, context=each) for each in _otherwise(spot.statement))]:
        without = scene.witness(other, "without it the call is denied")
        if not without.decision.allowed:
            yield without
            return


def _otherwise(statement: Statement) -> Iterator[dict[str, str]]:
    """Values that the conditions do not take."""
    yield {condition.key: "kmssim-other" for condition in statement.conditions}
    yield {condition.key: condition.values[0] for condition in statement.conditions if condition.values}


def find_principals_who_are_gone(scene: Scene) -> Iterator[Finding]:
    """PG-40, PG-42, PG-43: unique ids of the deleted, and users and roles that a declared account has not."""
    for spot in scene.key_spots():
        element = spot.statement.principal
        if not spot.allows or element is None or element.negated or spot.key is None:
            continue
        for entry in element.entries:
            orphaned = entry.form is PrincipalForm.UNIQUE_ID
            if not (orphaned or is_unknown(scene.world, entry, spot.key.partition)):
                continue
            witness = _helps_nobody(scene, spot, spot.key)
            name = "orphaned-principal" if orphaned else "unknown-principal"
            yield scene.finding(name, scene.where(spot), [witness], key=spot.key, subject=entry.written)


def _helps_nobody(scene: Scene, spot: Spot, key: Key) -> Witness:
    """A call of somebody who is there, to whom the statement does not apply: nobody is whom it names."""
    actions = scene.covered(spot, key) or ("kms:DescribeKey",)
    calls = [scene.plain(caller, actions[0], key) for caller in scene.residents(key.account)]
    tried = [scene.witness(call, "nobody is whom the statement names") for call in calls[:20]]
    missed = [one for one in tried if not scene.shows(spot, one)] or tried[:1]
    denied = next((one for one in missed if not one.decision.allowed), missed[0])
    applies = scene.shows(spot, denied)
    return replace(denied, shown=scene.shown(spot, applies=applies))
