"""What the list operations still check of an authorized call: page size, the key of ListAliases, who is to retire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure
from kmssim.evaluator.keys import Absence, FoundKey, MissingKey, find_key, home_account
from kmssim.evaluator.messages import key_not_found
from kmssim.evaluator.request import parse_arn, parse_principal

_MOST_ON_A_PAGE: Mapping[str, int] = {
    "ListAliases": 100,
    "ListGrants": 100,
    "ListResourceTags": 50,
    "ListRetirableGrants": 100,
}
"""As the API describes them; of the others it is the 1000 that the service model admits everywhere (EM-34)."""


def check_list(at_hand: Authorized) -> Failure | None:
    """The error of a list operation that was authorized; None when it lists."""
    return _check_limit(at_hand) or check_listed_key(at_hand) or _check_retiring(at_hand)


def _check_limit(at_hand: Authorized) -> Failure | None:
    """More than a page can hold. AWS's words are those of the model's own bounds, which were asked before."""
    limit, most = at_hand.call.parameters.get("Limit"), _MOST_ON_A_PAGE.get(at_hand.call.name)
    if most is None or not isinstance(limit, int) or limit <= most:
        return None
    at = f"Value '{limit}' at 'limit' failed to satisfy constraint"
    text = f"1 validation error detected: {at}: Member must have value less than or equal to {most}"
    return Failure("ValidationException", text, "EM-34")


def check_listed_key(at_hand: Authorized) -> Failure | None:
    """The key whose aliases are asked for: one of the caller's own account, by id or ARN (OP-34, TP-12)."""
    call = at_hand.call
    reference = call.parameters.get("KeyId") if call.name == "ListAliases" else None
    if reference is None:
        return None
    found = find_key(at_hand.world, call, str(reference), call.region, alias_allowed=False)
    if isinstance(found, FoundKey):
        if found.key.account == home_account(call):
            return None
        found = MissingKey(Absence.NO_KEY, str(reference), found.key.arn)
    if found.absence is Absence.FOREIGN:  # nothing masks it: no permission on the key is asked for
        found = replace(found, absence=Absence.NO_KEY)
    return key_not_found(found, call.operation, at_hand.caller)


def _check_retiring(at_hand: Authorized) -> Failure | None:
    """GR-64: the grants of one principal, who is of the caller's own account. Its error for others is not recorded."""
    call = at_hand.call
    if call.name != "ListRetirableGrants":
        return None
    named = call.parameters.get("RetiringPrincipal")
    if (named is None) is (call.parameters.get("RetiringServicePrincipal") is None):
        text = "You must specify one of RetiringPrincipal and RetiringServicePrincipal."
        return Failure("ValidationException", text, "GR-64")
    if named is None or _account_of(str(named)) == home_account(call):
        return None
    return Failure("InvalidArnException", f"ARN does not refer to a valid principal: {named}", "GR-64")


def _account_of(text: str) -> str | None:
    """The account of a principal that may retire grants, which is written as a caller's ARN or as the account alone."""
    if text.isdecimal():
        return text
    arn = parse_arn(text)
    return arn.account if arn is not None and parse_principal(text) is not None else None
