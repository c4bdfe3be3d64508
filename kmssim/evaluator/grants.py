"""Grants: which of a key's grants, if any, allows a request (rule book section 5).

Looking a grant up goes by operation and grantee (`Key.grants_held_by`), never through the whole list: a key may have
50,000 (GR-6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import GrantTrace, Limits, Mismatch
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, PrincipalKind, parse_arn
from kmssim.evaluator.world import Constraints, Grant, principal_text

_WITH_CONTEXT = frozenset({
    "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
})  # fmt: skip


@dataclass(frozen=True)
class GrantedPath:
    """A grant that helps. `to_account`: it names the caller's whole account (GR-22)."""

    grant: Grant
    limits: Limits
    to_account: bool = False


def grantee_forms(caller: Caller) -> Iterator[tuple[str, Limits, bool]]:
    """The texts by which a grant can name the caller (GR-21).

    With each the limits of that form (GR-33), and whether it names the whole account (GR-22).
    """
    principal = caller.principal
    if caller.is_service:
        yield principal.name, Limits.NOTHING, False
        return
    if caller.kind is PrincipalKind.ROLE_SESSION:
        yield caller.issuer_arn, Limits.BOUNDARY_AND_SESSION, False
    if not caller.is_root:
        yield principal.arn, Limits.NOTHING, False
    limits = Limits.NOTHING if caller.is_root else Limits.BOUNDARY_AND_SESSION
    yield f"arn:aws:iam::{caller.account}:root", limits, True


def granted_paths(
    call: Call, caller: Caller, leg: Leg, source_arn: str | None, questions: OpenQuestions
) -> tuple[list[GrantedPath], list[GrantTrace]]:
    """The grants that allow the leg, and the trace of those that name the caller for this operation."""
    paths: list[GrantedPath] = []
    traces: list[GrantTrace] = []
    if leg.key is None:
        return paths, traces
    for text, limits, to_account in grantee_forms(caller):
        for grant in leg.key.grants_held_by.get((leg.name, text), ()):
            found = _mismatch(grant, call, leg, source_arn, questions)
            traces.append(GrantTrace(grant.id, grant.name, text, found, _binds_context(grant, leg)))
            if found is None and not (to_account and questions.other_reading("UN-5")):
                paths.append(GrantedPath(grant, limits, to_account and not caller.is_root))
    return paths, traces


def _binds_context(grant: Grant, leg: Leg) -> bool:
    constraints = grant.constraints
    pairs = constraints.encryption_context_equals or constraints.encryption_context_subset
    return leg.name in _WITH_CONTEXT and pairs is not None


def _mismatch(grant: Grant, call: Call, leg: Leg, source_arn: str | None, questions: OpenQuestions) -> Mismatch | None:
    if grant.pending and grant.id not in call.grant_tokens:
        return Mismatch("GrantTokens", "the grant's token, since it is not yet consistent", "no token", "GR-50")
    if leg.name == "CreateGrant":
        return _narrowing_mismatch(grant, call)
    return _source_mismatch(grant, source_arn, questions) or _context_mismatch(grant, leg, questions)


def _source_mismatch(grant: Grant, source_arn: str | None, questions: OpenQuestions) -> Mismatch | None:
    wanted = grant.constraints.source_arn
    if wanted is None or wanted == source_arn:
        return None
    if source_arn is None and grant.grantee is not None and questions.other_reading("UN-6"):
        return None  # GR-15: by the other reading the constraint is looked at for service calls only
    return Mismatch("SourceArn", wanted, source_arn or "aws:SourceArn is absent", "GR-15")


def _context_mismatch(grant: Grant, leg: Leg, questions: OpenQuestions) -> Mismatch | None:
    """GR-10 to GR-13: constraints bind the operations that carry an encryption context, and no others."""
    if leg.name not in _WITH_CONTEXT:
        return None
    given = dict(leg.encryption_context or {})
    equals, subset = grant.constraints.encryption_context_equals, grant.constraints.encryption_context_subset
    wanted, fits = (equals, _equals) if equals is not None else (subset, _contains)
    if wanted is None or fits(given, wanted):
        return None
    if fits(_lowered(given), _lowered(wanted)) and questions.other_reading("UN-3"):
        return None
    name = "EncryptionContextEquals" if equals is not None else "EncryptionContextSubset"
    return Mismatch(name, _written(wanted), _written(given), "GR-10")


def _equals(given: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return dict(given) == dict(wanted)


def _contains(given: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= given.items()


def _lowered(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in pairs.items()}


def _written(pairs: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in sorted(pairs.items())) + "}" if pairs else "none"


def _narrowing_mismatch(parent: Grant, call: Call) -> Mismatch | None:
    """GR-16, GR-17: what may be granted through a grant."""
    asked = call.parameters.get("Operations")
    operations = {str(name) for name in asked} if isinstance(asked, list | tuple) else set()
    excess = operations - set(parent.operations)
    if excess:
        return Mismatch("Operations", ", ".join(parent.operations), ", ".join(sorted(excess)), "GR-16")
    child = read_constraints(call.parameters.get("Constraints"))
    if not _at_least_as_strict(child, parent.constraints):
        return Mismatch("Constraints", _constraints_text(parent.constraints), _constraints_text(child), "GR-16")
    return None


def read_constraints(value: object) -> Constraints:
    """CreateGrant's `Constraints` parameter."""
    given = value if isinstance(value, Mapping) else {}
    source = given.get("SourceArn")
    return Constraints(
        _pairs(given.get("EncryptionContextEquals")),
        _pairs(given.get("EncryptionContextSubset")),
        str(source) if source is not None else None,
    )


def _pairs(value: object) -> Mapping[str, str] | None:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else None


def _at_least_as_strict(child: Constraints, parent: Constraints) -> bool:
    if parent.source_arn is not None and child.source_arn != parent.source_arn:
        return False
    if parent.encryption_context_equals is not None:
        return child.encryption_context_equals == parent.encryption_context_equals
    if parent.encryption_context_subset is not None:
        tighter = child.encryption_context_equals or child.encryption_context_subset
        return tighter is not None and _contains(tighter, parent.encryption_context_subset)
    return True


def _constraints_text(constraints: Constraints) -> str:
    if constraints.encryption_context_equals is not None:
        return "EncryptionContextEquals " + _written(constraints.encryption_context_equals)
    if constraints.encryption_context_subset is not None:
        return "EncryptionContextSubset " + _written(constraints.encryption_context_subset)
    return f"SourceArn {constraints.source_arn}" if constraints.source_arn else "none"


def may_retire(grant: Grant, call: Call, caller: Caller) -> GrantedPath | None:
    """How the grant lets the caller retire it: as retiring principal, or as grantee with RetireGrant (GR-60)."""
    for text, limits, to_account in grantee_forms(caller):
        named = grant.retiring or grant.retiring_service
        retires = named is not None and principal_text(named) == text
        holds_it = grant.holder == text and "RetireGrant" in grant.operations
        usable = not grant.pending or grant.id in call.grant_tokens
        if usable and (retires or holds_it):
            return GrantedPath(grant, limits, to_account and not caller.is_root)
    return None


def issued_by_account_of(grant: Grant, caller: Caller) -> bool:
    """Whether the caller's account issued the grant, and so may retire it through its root user and IAM (GR-60)."""
    arn = parse_arn(caller.issuer_arn)
    return arn is not None and arn.account == grant.issuing_account
