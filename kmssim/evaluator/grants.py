"""Grants: which of a key's grants, if any, allows a request (rule book section 5).

Grants are looked up in `Key.grant_index`, never by going through the list: a key may have 50,000 (GR-6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import GrantTrace, Limits, Mismatch
from kmssim.evaluator.grant_index import FEW, WITH_CONTEXT, Constraints, Grant, GrantIndex, fold, kin_of
from kmssim.evaluator.permissions import Leg
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, PrincipalKind


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
    if principal.session.federated_by:  # PG-31: a user's sessions are meant with it, and limited (DA-24)
        yield principal.session.federated_by, Limits.BOUNDARY_AND_SESSION, False
    if not caller.is_root:
        yield principal.arn, Limits.NOTHING, False
    limits = Limits.NOTHING if caller.is_root else Limits.BOUNDARY_AND_SESSION
    yield f"arn:{caller.partition}:iam::{caller.account}:root", limits, True
    yield caller.account, limits, True


def granted_paths(
    call: Call, caller: Caller, leg: Leg, source_arn: str | None, questions: OpenQuestions
) -> tuple[list[GrantedPath], list[GrantTrace]]:
    """The grants that allow the leg, and the trace of those that come nearest: each a few, however many there are."""
    assert leg.key is not None  # noqa: S101 - grants are asked about keys only
    paths: list[GrantedPath] = []
    traces: list[GrantTrace] = []
    for text, limits, to_account in grantee_forms(caller):
        fitting: list[GrantTrace] = []
        unfit: list[GrantTrace] = []
        for grant in _looked_up(leg.key.grant_index, call, leg, text, source_arn):
            found = _mismatch(grant, call, leg, source_arn, questions)
            found = found or _pairing_mismatch(grant, call, leg, source_arn, questions)
            trace = GrantTrace(grant.id, grant.name, text, found, _binds_context(grant, leg))
            (fitting if found is None else unfit).append(trace)
            if found is None and not (to_account and questions.other_reading("UN-5")):
                paths.append(GrantedPath(grant, limits, to_account and not caller.is_root))
            if len(fitting) == FEW:
                break  # what others there are give no more than these
        traces += fitting + unfit[:FEW]
    return paths, traces or _near_misses(leg.key.grant_index, caller, leg)


def _looked_up(index: GrantIndex, call: Call, leg: Leg, text: str, source_arn: str | None) -> Iterable[Grant]:
    """The grants to `text` that may fit, then a few more that name it, each once."""
    source = source_arn
    if leg.name == "CreateGrant" and source is None:
        source = read_constraints(call.parameters.get("Constraints")).source_arn
    by_token = (grant for grant in map(index.find, call.grant_tokens) if grant is not None)
    found = {
        grant.id: grant
        for grant in (*by_token, *index.that_can_fit(leg.name, text, source, leg.encryption_context))
        if grant.holder == text and leg.name in grant.operations
    }
    return {**found, **{grant.id: grant for grant in index.holding(leg.name, text)}}.values()


def _near_misses(index: GrantIndex, caller: Caller, leg: Leg) -> list[GrantTrace]:
    """Where no grant names the caller for the operation: those that name it for others, else its role or account."""
    for text, _, _ in grantee_forms(caller):
        named = index.holding(None, text)
        if named:
            return [
                GrantTrace(
                    grant.id, grant.name, text, Mismatch("Operations", ", ".join(grant.operations), leg.name, "GR-20")
                )
                for grant in named
            ]
    found, *relations = caller.principal.arn, *kin_of(caller.issuer_arn)
    for relation in relations:
        rule = "GR-20" if relation == relations[-1] else "GR-21"  # the account comes last, before it the role
        near = index.of_kin(leg.name, relation)
        if near:
            return [
                GrantTrace(grant.id, grant.name, grant.holder, Mismatch("GranteePrincipal", grant.holder, found, rule))
                for grant in near
            ]
    return []


def _binds_context(grant: Grant, leg: Leg) -> bool:
    """Whether the grant asks something of the encryption context: Equals always does, Subset when it has pairs."""
    constraints = grant.constraints
    binds = constraints.encryption_context_equals is not None or bool(constraints.encryption_context_subset)
    return leg.name in WITH_CONTEXT and binds


def _mismatch(grant: Grant, call: Call, leg: Leg, source_arn: str | None, questions: OpenQuestions) -> Mismatch | None:
    if grant.pending and grant.id not in call.grant_tokens:
        return Mismatch("GrantTokens", "the grant's token, since it is not yet consistent", "no token", "GR-50")
    if leg.name == "CreateGrant":
        return _narrowing_mismatch(grant, call, questions) or _source_mismatch(grant, call, source_arn, questions)
    return _source_mismatch(grant, call, source_arn, questions) or _context_mismatch(grant, leg, questions)


def _source_mismatch(grant: Grant, call: Call, source_arn: str | None, questions: OpenQuestions) -> Mismatch | None:
    """GR-15: like a condition on aws:SourceArn, for every operation but RetireGrant."""
    wanted = grant.constraints.source_arn
    if wanted is None or wanted == source_arn:
        return None
    direct = source_arn is None and grant.grantee is not None and call.via is None
    if direct and questions.other_reading("UN-6"):
        return None  # by the other reading the constraint is looked at for service calls only
    return Mismatch("SourceArn", wanted, source_arn or "aws:SourceArn is absent", "GR-15")


def _pairing_mismatch(
    grant: Grant, call: Call, leg: Leg, source_arn: str | None, questions: OpenQuestions
) -> Mismatch | None:
    """GR-15: of the two grants that a ReEncrypt rests on both carry the SourceArn, or neither does."""
    other = leg.partner
    if other is None or other.key is None or source_arn is None or grant.constraints.source_arn is not None:
        return None
    partners = [
        one
        for one in _looked_up(other.key.grant_index, call, other, grant.holder, source_arn)
        if _mismatch(one, call, other, source_arn, questions) is None
    ]
    if not partners or any(one.constraints.source_arn is None for one in partners):
        return None
    return Mismatch("SourceArn", f"{source_arn}, as in the other key's grant", "none in this grant", "GR-15")


def _context_mismatch(grant: Grant, leg: Leg, questions: OpenQuestions) -> Mismatch | None:
    """GR-10 to GR-13: constraints bind the operations that carry an encryption context, and no others."""
    if leg.name not in WITH_CONTEXT:
        return None
    given = leg.encryption_context or {}
    equals, subset = grant.constraints.encryption_context_equals, grant.constraints.encryption_context_subset
    wanted, fits = (equals, _equals) if equals is not None else (subset, _contains)
    if wanted is None or fits(given, wanted, questions):
        return None
    name = "EncryptionContextEquals" if equals is not None else "EncryptionContextSubset"
    return Mismatch(name, _written(wanted), _written(given), "GR-10")


def _equals(given: Mapping[str, str], wanted: Mapping[str, str], questions: OpenQuestions) -> bool:
    if dict(given) == dict(wanted):
        return True
    alike = len(given) == len(wanted) and fold(given) == fold(wanted)
    return alike and questions.other_reading("UN-3")


def _contains(given: Mapping[str, str], wanted: Mapping[str, str], questions: OpenQuestions) -> bool:
    if wanted.items() <= given.items():
        return True
    return fold(wanted) <= fold(given) and questions.other_reading("UN-3")


def _written(pairs: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in sorted(pairs.items())) + "}" if pairs else "none"


def _narrowing_mismatch(parent: Grant, call: Call, questions: OpenQuestions) -> Mismatch | None:
    """GR-16, GR-17: what may be granted through a grant."""
    asked = call.parameters.get("Operations")
    operations = {str(name) for name in asked} if isinstance(asked, list | tuple) else set()
    excess = operations - set(parent.operations)
    if excess:
        return Mismatch("Operations", ", ".join(parent.operations), ", ".join(sorted(excess)), "GR-16")
    child = read_constraints(call.parameters.get("Constraints"))
    if not _at_least_as_strict(child, parent.constraints, questions):
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


def _at_least_as_strict(child: Constraints, parent: Constraints, questions: OpenQuestions) -> bool:
    if parent.source_arn is not None and child.source_arn != parent.source_arn:
        return False
    if parent.encryption_context_equals is not None:
        equals = child.encryption_context_equals
        return equals is not None and _equals(equals, parent.encryption_context_equals, questions)
    if parent.encryption_context_subset:
        tighter = child.encryption_context_equals or child.encryption_context_subset
        return tighter is not None and _contains(tighter, parent.encryption_context_subset, questions)
    return True


def _constraints_text(constraints: Constraints) -> str:
    texts = []
    if constraints.encryption_context_equals is not None:
        texts.append("EncryptionContextEquals " + _written(constraints.encryption_context_equals))
    if constraints.encryption_context_subset is not None:
        texts.append("EncryptionContextSubset " + _written(constraints.encryption_context_subset))
    if constraints.source_arn is not None:
        texts.append(f"SourceArn {constraints.source_arn}")
    return " and ".join(texts) or "none"


def is_held_to_its_grant(traces: Iterable[GrantTrace]) -> bool:
    """Whether the caller may create grants through a grant of its own, and this one goes beyond it (GR-16, UN-20)."""
    usable = [trace.mismatch for trace in traces if trace.mismatch is None or trace.mismatch.rule == "GR-16"]
    return bool(usable) and None not in usable


def retiring_paths(grant: Grant, call: Call, caller: Caller, questions: OpenQuestions) -> list[GrantedPath]:
    """How the grant lets the caller retire it: as retiring principal, or as grantee with RetireGrant (GR-60)."""
    if not _is_usable(grant, call):
        return []
    paths = []
    for text, limits, to_account in grantee_forms(caller):
        retires = grant.retirer == text
        if not retires and not (grant.holder == text and "RetireGrant" in grant.operations):
            continue
        stated = retires and caller.is_root  # the retiring principal is this very caller
        if to_account and not stated and questions.other_reading("UN-5"):
            continue
        paths.append(GrantedPath(grant, limits, to_account and not caller.is_root))
    return paths


def _is_usable(grant: Grant, call: Call) -> bool:
    """GR-50: a grant that is not yet consistent is known by its token only, under either of RetireGrant's names."""
    return not grant.pending or grant.id in {*call.grant_tokens, call.parameters.get("GrantToken")}


def retiring_mismatch(grant: Grant, call: Call, caller: Caller) -> Mismatch:
    """Why the caller may not retire the grant: the nearest element."""
    if not _is_usable(grant, call):
        return Mismatch("GrantTokens", "the grant's token, since it is not yet consistent", "no token", "GR-50")
    if any(grant.holder == text for text, _, _ in grantee_forms(caller)):
        return Mismatch("Operations", ", ".join(grant.operations), "RetireGrant", "GR-60")
    return Mismatch("RetiringPrincipal", grant.retirer or "nobody", caller.principal.arn, "GR-60")


def issued_by_account_of(grant: Grant, caller: Caller) -> bool:
    """Whether the caller's account issued the grant, and so may retire it through its root user and IAM (GR-60)."""
    return bool(caller.account) and caller.account == grant.issuing_account
