"""AWS Security Hub's controls KMS.1 to KMS.5, as far as a world can tell.

The world holds a principal's inline and attached policies as one. So a policy that a scenario takes from a file counts
as customer managed (KMS.1), one that stands in place as inline (KMS.2), and AWS's own as neither. KMS.5 is failed by
the findings about public access.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kmssim.access import actions_on, callers_of
from kmssim.audit.beside import with_key, world_with
from kmssim.audit.escalation import USING
from kmssim.audit.exposure import allows_everything, on_all
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.scene import Scene
from kmssim.audit.spots import Spot
from kmssim.evaluator.request import Principal
from kmssim.scenario_file.policies import MANAGED_POLICIES

CONTROLS: Mapping[str, str] = {
    "KMS.1": "customer managed policies allow no decryption on all keys",
    "KMS.2": "inline policies allow no decryption on all keys",
    "KMS.3": "no key is scheduled for deletion",
    "KMS.4": "keys are rotated",
    "KMS.5": "no key is publicly accessible",
}
NOT_APPLICABLE: Mapping[str, str] = {"KMS.4": "this world does not hold whether keys are rotated"}
"""Controls that no world answers, and why."""

_READING = ("kms:Decrypt", "kms:ReEncryptFrom")
_GOING = {"PendingDeletion", "PendingReplicaDeletion"}
_MOST_KEYS = 50


def find_keys_for_everybody(scene: Scene) -> Iterator[Finding]:
    """KMS.1, KMS.2, PG-25: identity policies that allow decryption, or everything, on all keys."""
    for spot in scene.identity_spots():
        reading = [action for action in _READING if spot.statement.covers(action)]
        if not spot.allows or not reading or spot.statement.conditions or not on_all(spot):
            continue
        for caller in spot.callers:
            witness = _opens_a_key(scene, spot, caller, reading[0])
            if witness is not None:
                yield _for_all(scene, spot, caller, reading, witness)


def _opens_a_key(scene: Scene, spot: Spot, caller: Principal, action: str) -> Witness | None:
    """A call that the statement opens: on a key of this world, or on a new one with the policy that new keys have."""
    shown = scene.shown(spot, applies=True)
    for key in list(scene.customer_keys)[:_MOST_KEYS]:
        if action in actions_on(key):
            witness = scene.witness(scene.plain(caller, action, key), "the call is allowed", shown=shown)
            if witness.decision.allowed and scene.shows(spot, witness):
                return witness
    key, beside = with_key(scene.world, caller.account, scene.world.region)
    call = Scene(world_with(scene.world, beside)).plain(caller, action, key)
    witness = scene.witness(call, "the call is allowed on any new key", beside, shown)
    return witness if witness.decision.allowed and scene.shows(spot, witness) else None


def _for_all(scene: Scene, spot: Spot, caller: Principal, reading: Iterable[str], witness: Witness) -> Finding:
    source = spot.policy.source
    from_file = source.endswith(".json")
    controls = () if source in MANAGED_POLICIES else ("KMS.1",) if from_file else ("KMS.2",)
    if allows_everything(spot):
        return scene.finding("all-keys", scene.where(spot), [witness], subject=caller, controls=controls)
    name = "inline-decrypt-on-all-keys" if controls != ("KMS.1",) else "decrypt-on-all-keys"
    return scene.finding(
        name, scene.where(spot), [witness], subject=caller, controls=controls, actions=" and ".join(reading)
    )


def find_keys_that_go(scene: Scene) -> Iterator[Finding]:
    """KMS.3, ST-4: keys scheduled for deletion."""
    for key in scene.customer_keys:
        if key.state in _GOING:
            uses = [action for action in actions_on(key) if action in USING]
            callers = [caller for caller in callers_of(scene.world) if scene.exists(caller)]
            able = ((caller, action) for caller in callers for action in uses if scene.allows(caller, action, key))
            caller, action = next(able, (callers[0], uses[0]))
            witness = scene.witness(scene.plain(caller, action, key), "using the key fails, whoever may")
            where = scene.at(scene.key_path(key, "state"))
            yield scene.finding("scheduled-for-deletion", where, [witness], key=key, state=key.state)
