"""AWS's sentences for denials and for keys that cannot be found (rule book section 13).

If several layers deny, AWS names one, and does not say which (EM-10, UN-9); we name the first in the order of DA-2.
"""

from __future__ import annotations

from collections.abc import Collection

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import LAYERS, Failure, Layer
from kmssim.evaluator.keys import Absence, MissingKey
from kmssim.evaluator.permissions import Leg, MissingGrant

_MASK = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)
_POLICY_TYPES = {
    Layer.RCP: "resource control policy",
    Layer.SCP: "service control policy",
    Layer.VPC_ENDPOINT: "VPC endpoint policy",
    Layer.KEY_POLICY: "resource-based policy",
    Layer.GRANT: "resource-based policy",
    Layer.IDENTITY: "identity-based policy",
    Layer.BOUNDARY: "permissions boundary",
    Layer.SESSION: "session policy",
}
_MISSING_ALLOW_RULES = {
    Layer.SCP: "EM-6",
    Layer.VPC_ENDPOINT: "EM-7",
    Layer.IDENTITY: "EM-3",
    Layer.BOUNDARY: "EM-5",
    Layer.SESSION: "EM-4",
}
_UNRESOLVED_CIPHERTEXT = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
    "or you are not allowed to access."
)


def access_denied(
    leg: Leg, caller: Caller, layers: Collection[Layer], *, explicit: bool, by_resource: bool = False
) -> Failure:
    """The sentence of EM-1 for a denied leg; across accounts a denial on the key's side is masked (EM-11, XA-11).

    `by_resource`: where no identity policy allows it the resource's own policy is named instead (XA-12).
    """
    layer = next(layer for layer in LAYERS if layer in layers)
    start = f"User: {caller.principal.arn} is not authorized to perform: {leg.action}"
    foreign = leg.key is not None and not caller.is_service and caller.account != leg.owner
    if foreign and layer in {Layer.KEY_POLICY, Layer.GRANT}:
        return Failure("AccessDeniedException", f"{start} on this resource {_MASK}", "EM-11")
    policy = _POLICY_TYPES[layer]
    if explicit:
        reason, rule = f"with an explicit deny in {_article(policy)} {policy}", "EM-8"
    elif by_resource and layer is Layer.IDENTITY:
        reason, rule = f"because no resource-based policy allows the {leg.action} action", "XA-12"
    else:
        reason, rule = f"because no {policy} allows the {leg.action} action", _MISSING_ALLOW_RULES.get(layer, "EM-2")
    return Failure("AccessDeniedException", f"{start} on resource: {leg.resource} {reason}", rule)


def _article(policy: str) -> str:
    return "an" if policy[0] in "aeiou" else "a"


def masked(action: str, caller: Caller, rule: str = "EM-11") -> Failure:
    """The sentence for a foreign key that does not exist, or that this caller may not know of."""
    message = f"User: {caller.principal.arn} is not authorized to perform: {action} on this resource {_MASK}"
    return Failure("AccessDeniedException", message, rule)


def key_not_found(missing: MissingKey, action: str, caller: Caller) -> Failure:
    """What a call ends with when its key cannot be found (EM-12, EM-20 to EM-23)."""
    if missing.absence is Absence.FOREIGN:
        return masked(action, caller)
    if missing.absence is Absence.CIPHERTEXT:
        return Failure("AccessDeniedException", _UNRESOLVED_CIPHERTEXT, "EM-12")
    if missing.absence is Absence.INVALID_ARN:
        return Failure("InvalidArnException", f"Invalid arn {missing.reference}", "OP-58")
    message, rule = {
        Absence.INVALID_ID: (f"Invalid keyId '{missing.reference}'", "EM-21"),
        Absence.OTHER_REGION: (f"Invalid arn {missing.region}", "EM-22"),
        Absence.NO_ALIAS: (f"Alias {missing.arn} is not found.", "EM-23"),
        Absence.NO_KEY: (f"Key '{missing.arn or missing.reference}' does not exist", "EM-20"),
    }[missing.absence]
    return Failure("NotFoundException", message, rule)


def grant_not_found(missing: MissingGrant) -> Failure:
    """RetireGrant of a grant that is not there."""
    if missing.by_token:
        return Failure("InvalidGrantTokenException", "Grant token is invalid.", "GR-51")
    return Failure("InvalidGrantIdException", f"Grant ID {missing.reference} not found", "OP-44")
