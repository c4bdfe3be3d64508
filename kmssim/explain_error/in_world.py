"""The call of a sentence asked of a world: whether it ends the same there, by which statement, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from kmssim.because import because
from kmssim.errors import InputError
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Authority, Decision, Layer, PermissionTrace
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World
from kmssim.explain import MatteringStatement, mattering
from kmssim.explain_error.form import Form
from kmssim.explain_error.rebuilt import Stated, rebuild_calls
from kmssim.explain_error.sentence import Sentence
from kmssim.wording import kind_of, listed


class Fit(Enum):
    """How a world's answer goes with the sentence."""

    SAME = "same"
    OTHER_REASON = "other_reason"
    ALLOWED = "allowed"


@dataclass(frozen=True)
class WorldAnswer:
    """What a world says of the call: whether that fits, why, the statements, and what the world may be missing."""

    fit: Fit
    call: Call
    resource: str
    because: str
    statements: tuple[MatteringStatement, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotAsked:
    """Why the world could not be asked: the sentence does not say enough, or speaks of what the world does not have."""

    why: str


def ask_world(
    sentence: Sentence, world: World, stated: Stated | None = None, authority: Authority = PYTHON
) -> WorldAnswer | NotAsked:
    """Ask a world the call of a sentence; where it can be about several keys, the first that fits is told."""
    try:
        calls = rebuild_calls(sentence, world, stated or Stated())
    except InputError as error:
        return NotAsked(str(error))
    answers = [_answer(sentence, call, world, authority) for call in calls]
    return next((answer for answer in answers if answer.fit is Fit.SAME), answers[0])


def _answer(sentence: Sentence, call: Call, world: World, authority: Authority) -> WorldAnswer:
    decision = decide(world, call, authority)
    permission = _permission_of(decision, sentence)
    told = because(decision, permission)
    if permission is None:
        same = sentence.form is Form.MASKED and not decision.allowed
        return WorldAnswer(Fit.SAME if same else Fit.OTHER_REASON, call, sentence.resource or "", told, ())
    fit = _fit(sentence, call, permission)
    missing = tuple(_missing(sentence, call, permission, world)) if fit is Fit.ALLOWED else ()
    return WorldAnswer(fit, call, permission.resource, told, tuple(mattering(permission)), missing)


def _permission_of(decision: Decision, sentence: Sentence) -> PermissionTrace | None:
    """The permission that the sentence is about: by its action, and its resource where that is named."""
    same = [trace for trace in decision.permissions if trace.action == sentence.action]
    exact = [trace for trace in same if trace.resource == sentence.resource]
    return next(iter([*exact, *same]), None)


def _fit(sentence: Sentence, call: Call, permission: PermissionTrace) -> Fit:
    ruling = permission.ruling
    if ruling.allowed:
        return Fit.ALLOWED
    named: set[Layer] = {Layer.KEY_POLICY if layer is Layer.GRANT else layer for layer in ruling.layers}
    if sentence.form is Form.MASKED:  # it says neither explicit nor implicit, and hides the key's side (EM-11)
        return Fit.SAME if Layer.KEY_POLICY in named and not permission.facts.same_account else Fit.OTHER_REASON
    kind_fits = sentence.explicit is None or sentence.explicit is ruling.explicit
    layer_fits = sentence.layer is None or sentence.layer in named or _is_of_the_resource(sentence, call, named)
    return Fit.SAME if kind_fits and layer_fits else Fit.OTHER_REASON


def _is_of_the_resource(sentence: Sentence, call: Call, named: set[Layer]) -> bool:
    """A bucket's or secret's policy is judged together with the caller's own (DS-80, XA-12)."""
    return sentence.layer is Layer.KEY_POLICY and call.service != "kms" and Layer.IDENTITY in named


def _missing(sentence: Sentence, call: Call, permission: PermissionTrace, world: World) -> Iterator[str]:
    """What the world lacks that the account of the sentence must have, likeliest first."""
    caller = find_caller(world, call.principal)
    account = call.principal.account
    if sentence.layer in {Layer.SCP, Layer.RCP} and not world.in_organization(account):
        yield f"it has account {account} in no organization, so it knows none of the organization's policies"
    if sentence.layer is Layer.VPC_ENDPOINT:
        yield "the call is asked as if it came through no VPC endpoint; a sentence does not say through which one"
    if sentence.layer is Layer.SESSION:
        yield "a session policy is passed when a session is made, and a sentence does not say which"
    if sentence.layer is Layer.BOUNDARY and caller.boundary is None:
        yield f"it gives {kind_of(call.principal)} no permissions boundary"
    looked_at = sorted(_condition_keys(permission))
    if looked_at:
        asked = f"the call is asked {_circumstances(call)}, and the real one may have had other values"
        yield f"statements look at {listed(looked_at)}; {asked}"
    if sentence.layer in {Layer.KEY_POLICY, Layer.IDENTITY, None}:
        yield "a policy or a grant in it is no longer that of the account: export them again, and compare (kmssim diff)"


def _condition_keys(permission: PermissionTrace) -> set[str]:
    statements = [statement for trace in permission.layers for statement in trace.statements if statement.applies]
    found = {key for statement in statements for key in statement.condition_keys}
    constrained = any(grant.constrained for trace in permission.layers for grant in trace.grants)
    return found | ({"the encryption context"} if constrained else set())


def _circumstances(call: Call) -> str:
    context = call.parameters.get("EncryptionContext") or call.parameters.get("SourceEncryptionContext")
    pairs = ", ".join(f"{name}={value}" for name, value in context.items()) if isinstance(context, Mapping) else ""
    carried = f"with encryption context {pairs}" if pairs else "without encryption context"
    return f"{carried}, {f'via {call.via}' if call.via else 'directly'}"
