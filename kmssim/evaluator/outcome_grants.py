"""What is still checked of grants after authorization: new ones, those to be revoked, the tokens that a call passes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kmssim.errors import InputError
from kmssim.evaluator.authorized import Authorized
from kmssim.evaluator.decision import Failure
from kmssim.evaluator.grants import read_constraints
from kmssim.evaluator.known import names_nobody
from kmssim.evaluator.operations import GRANT_OPERATIONS, key_kind
from kmssim.evaluator.request import partition_of
from kmssim.evaluator.world import Constraints, Grant, Key

MOST_GRANTS = 50_000
"""The quota of a customer managed key (GR-6)."""

_PRINCIPAL = re.compile(r"[\w+=,.@:/-]{1,256}", re.ASCII)
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "GranteePrincipal": _PRINCIPAL,
    "RetiringPrincipal": _PRINCIPAL,
    "GranteeServicePrincipal": re.compile(".{1,128}"),
    "RetiringServicePrincipal": re.compile(".{1,128}"),
    "Name": re.compile("[a-zA-Z0-9:/_-]{1,256}"),
}
_SOURCE_ARN = re.compile(".{20,512}")
_MOST_TOKENS, _LONGEST_TOKEN = 10, 8192
_MOST_PAIRS = 8


def check_token_count(at_hand: Authorized) -> Failure | None:
    """How many grant tokens a call may pass, and how long each may be (GR-4)."""
    tokens = at_hand.call.grant_tokens
    if len(tokens) <= _MOST_TOKENS and all(len(token) <= _LONGEST_TOKEN for token in tokens):
        return None
    return _misshapen("GrantTokens", f"{len(tokens)} tokens")


def check_grant(at_hand: Authorized) -> Failure | None:
    """What CreateGrant asks of the new grant, and RevokeGrant of the old one (GR-2 to GR-6, GR-10, GR-14, GR-18)."""
    if at_hand.call.name == "RevokeGrant":
        return _check_revoked(at_hand)
    key = at_hand.key_legs[0].key
    assert key is not None  # noqa: S101 - key_legs have keys
    return next(_mistakes(at_hand, key), None)


def _mistakes(at_hand: Authorized, key: Key) -> Iterator[Failure]:
    given = at_hand.call.parameters
    constraints = read_constraints(given.get("Constraints"))
    yield from _misshapen_parameters(given, constraints)
    yield from _unclear_principals(given, constraints)
    yield from _missing_principals(at_hand)
    yield from _ungrantable_operations(given, key)
    yield from _unfit_constraints(constraints, key)
    if len(key.grant_index) >= MOST_GRANTS and key.manager == "CUSTOMER" and not _is_there_already(given, key):
        yield Failure("LimitExceededException", f"{key.arn} has the most grants that a key can have.", "GR-6")


def _misshapen_parameters(given: Mapping[str, object], constraints: Constraints) -> Iterator[Failure]:
    """GR-4: what the service model bounds."""
    for name, shape in _SHAPES.items():
        value = given.get(name)
        if value is not None and not shape.fullmatch(str(value)):
            yield _misshapen(name, str(value))
    if constraints.source_arn is not None and not _SOURCE_ARN.fullmatch(constraints.source_arn):
        yield _misshapen("Constraints.SourceArn", constraints.source_arn)
    for pairs in (constraints.encryption_context_equals, constraints.encryption_context_subset):
        if pairs and len(pairs) > _MOST_PAIRS:
            text = f"A constraint on the encryption context takes at most {_MOST_PAIRS} pairs."
            yield Failure("ValidationException", text, "GR-4")


def _misshapen(name: str, value: str) -> Failure:
    field = ".".join(part[0].lower() + part[1:] for part in name.split("."))
    text = f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint"
    return Failure("ValidationException", text, "GR-4")


def _unclear_principals(given: Mapping[str, object], constraints: Constraints) -> Iterator[Failure]:
    """GR-2, GR-3: one grantee, at most one who retires, and what a service as grantee needs beside."""
    grantees = [name for name in ("GranteePrincipal", "GranteeServicePrincipal") if given.get(name) is not None]
    retiring = [name for name in ("RetiringPrincipal", "RetiringServicePrincipal") if given.get(name) is not None]
    if len(grantees) != 1:
        text = "A grant takes one of GranteePrincipal and GranteeServicePrincipal."
        yield Failure("ValidationException", text, "GR-2")
    if len(retiring) > 1:
        text = "A grant takes RetiringPrincipal or RetiringServicePrincipal, not both."
        yield Failure("ValidationException", text, "GR-2")
    if "GranteeServicePrincipal" in grantees and not (retiring and constraints.source_arn):
        text = "A grant to a service needs a SourceArn constraint and a principal that may retire it."
        yield Failure("ValidationException", text, "GR-2")


def _missing_principals(at_hand: Authorized) -> Iterator[Failure]:
    """GR-3: whoever gets or retires the grant is a principal of AWS's, and exists when the grant is made."""
    partition = partition_of(at_hand.call.region)
    for name in ("GranteePrincipal", "RetiringPrincipal"):
        named = at_hand.call.parameters.get(name)
        if named is not None and names_nobody(at_hand.world, str(named), partition):
            yield Failure("InvalidArnException", f"ARN does not refer to a valid principal: {named}", "GR-3")


def _ungrantable_operations(given: Mapping[str, object], key: Key) -> Iterator[Failure]:
    asked = given.get("Operations")
    operations = {str(name) for name in asked} if isinstance(asked, list | tuple) else set()
    if operations == {"CreateGrant"}:
        yield Failure("ValidationException", "Grants must not contain only the CreateGrant operation.", "GR-18")
    unknown = sorted(operations - _grantable(key))
    if unknown:
        text = f"{', '.join(unknown)} cannot be granted on a key with key spec {key.spec} and key usage {key.usage}."
        yield Failure("ValidationException", text, "GR-5")


def _grantable(key: Key) -> frozenset[str]:
    try:
        return GRANT_OPERATIONS[key_kind(key.spec, key.usage)]
    except InputError:
        return frozenset()


def _unfit_constraints(constraints: Constraints, key: Key) -> Iterator[Failure]:
    equals, subset = constraints.encryption_context_equals, constraints.encryption_context_subset
    if equals is not None and subset is not None:
        text = "A grant takes EncryptionContextEquals or EncryptionContextSubset, not both."
        yield Failure("ValidationException", text, "GR-10")
    if (equals is not None or subset is not None) and not key.symmetric_encryption:
        text = "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key."
        yield Failure("ValidationException", text, "GR-14")


def _is_there_already(given: Mapping[str, object], key: Key) -> bool:
    """GR-7: the same name and the same parameters stand for the grant that is there, and make no new one."""
    named = key.grant_index.named(str(given.get("Name")))
    return any(_wishes(grant) == _asked(given) for grant in named)


def _wishes(grant: Grant) -> tuple[object, ...]:
    principals = (grant.grantee, grant.grantee_service, grant.retiring, grant.retiring_service)
    return (*principals, set(grant.operations), grant.constraints)


def _asked(given: Mapping[str, object]) -> tuple[object, ...]:
    asked = given.get("Operations")
    operations = {str(name) for name in asked} if isinstance(asked, list | tuple) else set()
    names = ("GranteePrincipal", "GranteeServicePrincipal", "RetiringPrincipal", "RetiringServicePrincipal")
    return (*(given.get(name) for name in names), operations, read_constraints(given.get("Constraints")))


def _check_revoked(at_hand: Authorized) -> Failure | None:
    key, wanted = at_hand.key_legs[0].key, at_hand.call.parameters.get("GrantId")
    if key is None or wanted is None or key.grant_index.find(str(wanted)):
        return None
    return Failure("InvalidGrantIdException", f"Grant ID {wanted} not found", "OP-45")
