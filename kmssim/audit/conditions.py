"""Conditions that do not do what they say: keys that nothing carries, operators that miss."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

from kmssim.access import Question, call_for
from kmssim.audit.attempts import Attempt
from kmssim.audit.beside import Beside, world_with
from kmssim.audit.condition_keys import KNOWN, MULTIVALUED, WITH_NAMES, is_known
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.phrases import called, listed_actions
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.conditions import NULL, Condition
from kmssim.evaluator.context_kms import carries
from kmssim.evaluator.permissions import legs_of
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.world import Key

_MOST_TRIED = 5
"""How many callers and actions are tried for a call that shows what a statement does not do."""


def who(spot: Spot) -> str:
    """Whom a finding about a statement is about, as its sentence begins."""
    if spot.key is not None:
        return f"the policy of the key {spot.key.label or spot.key.id}"
    return called(spot.callers[0]) if spot.callers else spot.holder.rpartition(":")[2].replace("/", " ")


def effect(spot: Spot) -> str:
    """`allows` or `denies`."""
    return "allows" if spot.allows else "denies"


def _consequence(spot: Spot, condition: Condition) -> str:
    """What becomes of a statement whose condition looks at a key that is not there (CO-4)."""
    holds = condition.holds_when_absent or (condition.operator is NULL and "true" in condition.values)
    verb = "allow" if spot.allows else "deny"
    return "the condition limits nothing" if holds else f"the statement does not {verb} them"


def find_unknown_keys(scene: Scene) -> Iterator[Finding]:
    """CO-48: condition keys that do not exist, in Allow and Deny alike."""
    for spot in scene.spots():
        for condition in spot.statement.conditions:
            if is_known(condition.key):
                continue
            near = difflib.get_close_matches(condition.key, [*KNOWN, *(one.lower() for one in WITH_NAMES)], n=1)
            written = next((one for one in (*KNOWN.values(), *WITH_NAMES) if [one.lower()] == near), None)
            yield scene.finding(
                "unknown-condition-key",
                scene.where(spot),
                [any_call(scene, spot)],
                key=spot.key,
                subject=spot.holder,
                condition_key=condition.written_key,
                near=f" (is {written} meant?)" if written else "",
                consequence=_consequence(spot, condition),
            )


def any_call(scene: Scene, spot: Spot, actions: tuple[str, ...] = ()) -> Witness:
    """A call that the statement seems to be about, and whether it applies; one that is denied, if there is one."""
    key, beside = scene.some_key(spot)
    world = world_with(scene.world, beside)
    known = actions or scene.covered(spot, key) or ("kms:DescribeKey",)
    meant = [caller for caller in scene.callers_meant(spot) if scene.exists(caller)]
    tried = [
        _seen(scene, spot, list(Attempt(spot.statement, caller, action, key, world).calls())[-1], beside)
        for caller in (meant or [scene.some_caller(spot)])[:_MOST_TRIED]
        for action in known[:_MOST_TRIED]
    ]
    return next((one for one in tried if not one.decision.allowed), tried[0])


def _seen(scene: Scene, spot: Spot, call: Call, beside: Beside) -> Witness:
    found = scene.witness(call, "what the statement makes of such a call", beside)
    return replace(found, shown=scene.shown(spot, applies=scene.shows(spot, found)))


def find_keys_never_carried(scene: Scene) -> Iterator[Finding]:
    """EC-5, CK-41: conditions on `kms:` keys that some of the listed operations never have."""
    for spot in scene.spots():
        for condition in spot.statement.conditions:
            if not (condition.key.startswith("kms:") and is_known(condition.key)):
                continue
            actions = _never_carrying(scene, spot, condition)
            if actions and not _passes_absent(condition):
                yield scene.finding(
                    "condition-never-carried",
                    scene.where(spot),
                    [any_call(scene, spot, actions)],
                    key=spot.key,
                    subject=spot.holder,
                    who=who(spot),
                    effect=effect(spot),
                    actions=listed_actions(actions),
                    condition_key=condition.written_key,
                    consequence=_consequence(spot, condition),
                )


def _never_carrying(scene: Scene, spot: Spot, condition: Condition) -> tuple[str, ...]:
    """Actions that the statement lists by name and that never carry the key; all that it covers, where none does."""
    element = spot.statement.action
    if element is None or element.negated:
        return ()
    key, beside = scene.some_key(spot)
    world = world_with(scene.world, beside)
    caller = scene.some_caller(spot)
    bare = {}
    for action in scene.covered(spot, key):
        call = next(iter(Attempt(spot.statement, caller, action, key, world).calls()))
        bare[action] = _may_carry(scene, call, action, condition, beside)
    if bare and not any(bare.values()):
        return tuple(bare)
    named = {text.lower() for text in element.texts if "*" not in text and "?" not in text}
    return tuple(
        action
        for action, carried in bare.items()
        if not carried
        and action.lower() in named
        and not (spot.allows and _is_allowed(scene, caller, action, key, beside))
    )


def _is_allowed(scene: Scene, caller: Principal, action: str, key: Key, beside: Beside) -> bool:
    """Whether another statement allows the action, so that this one need not."""
    call = call_for(Question(caller, action, key.arn), world_with(scene.world, beside))
    return scene.decide(call, beside).allowed


def _may_carry(scene: Scene, call: Call, action: str, condition: Condition, beside: Beside) -> bool:
    legs = legs_of(world_with(scene.world, beside), call)
    if not isinstance(legs, tuple):
        return True
    asked = [leg for leg in legs if leg.action == action]
    return not asked or any(carries(leg, condition.key) for leg in asked)


def find_absent_keys_that_pass(scene: Scene) -> Iterator[Finding]:
    """CO-7: an Allow with ForAllValues that is met by calls without the key."""
    for spot in scene.spots():
        for condition in spot.statement.conditions if spot.allows else ():
            if condition.qualifier != "ForAllValues" or _null_guards(spot, condition.key):
                continue
            witness = _passing_without(scene, spot, condition)
            if witness is not None:
                yield scene.finding(
                    "for-all-values-without-null",
                    scene.where(spot),
                    [witness],
                    key=spot.key,
                    subject=spot.holder,
                    who=who(spot),
                    condition_key=condition.written_key,
                )


def _passes_absent(condition: Condition) -> bool:
    return condition.holds_when_absent or condition.operator is NULL


def _null_guards(spot: Spot, key: str) -> bool:
    return any(
        other.key == key and other.operator is NULL and other.values == ("false",)
        for other in spot.statement.conditions
    )


def _passing_without(scene: Scene, spot: Spot, condition: Condition) -> Witness | None:
    """A call without the key to which the statement applies; None where each such call carries it."""
    key, beside = scene.some_key(spot)
    caller, world = scene.some_caller(spot), world_with(scene.world, beside)
    for action in scene.covered(spot, key):
        for call in Attempt(spot.statement, caller, action, key, world, lambda one: one != condition.key).calls():
            found = scene.witness(call, "a call without the key", beside, scene.shown(spot, applies=True))
            absent = all(condition.key not in permission.context for permission in found.decision.permissions)
            if absent and scene.shows(spot, found):
                return found
    return None


def find_variables_in_old_versions(scene: Scene) -> Iterator[Finding]:
    """PG-1: under the version of 2008 a variable is nothing but its letters."""
    for spot in scene.spots():
        values = [value for condition in spot.statement.conditions for value in condition.values]
        resources = spot.statement.resource.texts if spot.statement.resource else ()
        variable = next((text for text in (*values, *resources) if "${" in text), None)
        if variable is not None and spot.policy.version != "2012-10-17":
            yield scene.finding(
                "variable-in-old-version",
                scene.where(spot),
                [any_call(scene, spot)],
                key=spot.key,
                subject=spot.holder,
                who=who(spot),
                effect=effect(spot),
                variable=variable,
            )


def find_plain_operators_on_lists(scene: Scene) -> Iterator[Finding]:
    """CO-10: an Allow that never matches, since a list needs a set operator."""
    for spot in scene.spots():
        for condition in spot.statement.conditions if spot.allows else ():
            if condition.key not in MULTIVALUED or condition.qualifier or _passes_absent(condition):
                continue
            yield scene.finding(
                "plain-operator-on-list",
                scene.where(spot),
                [any_call(scene, spot)],
                key=spot.key,
                subject=spot.holder,
                who=who(spot),
                condition_key=condition.written_key,
                operator=condition.written_operator,
            )
