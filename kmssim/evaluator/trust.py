"""What a matching Allow of the key policy gives: direct trust, or delegation to the account's IAM (DA-20 to DA-28)."""

from __future__ import annotations

from kmssim.evaluator.caller import Caller, is_meant
from kmssim.evaluator.decision import Layer, LayerTrace, Limits, Verdict
from kmssim.evaluator.policy import Statement
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import PrincipalKind

DELEGATION = "delegation"

_DIRECT_RULES = {
    PrincipalForm.USER: "DA-20",
    PrincipalForm.ROLE: "DA-21",
    PrincipalForm.ROLE_SESSION: "DA-22",
    PrincipalForm.FEDERATED_USER: "DA-23",
    PrincipalForm.SERVICE: "DA-28",
}
_OPENEST_FIRST = ("KP-5", "DA-20", "DA-22", "DA-23", "DA-25", "DA-28", "DA-26", "DA-21", "DA-24")


def trust_role(statement: Statement, caller: Caller) -> tuple[str, str]:
    """What the statement's principal makes of the caller, `direct` or `delegation`, and the rule for that form.

    A statement may name the caller in several forms; the one that limits it least counts.
    """
    element = statement.principal
    entries = element.entries if element else ()
    rules = {_rule_of(entry.form, statement, caller) for entry in entries if is_meant(entry, caller)}
    direct = next((rule for rule in _OPENEST_FIRST if rule in rules), None)
    return ("direct", direct) if direct else (DELEGATION, "DA-27")


def _rule_of(form: PrincipalForm, statement: Statement, caller: Caller) -> str:
    if form is PrincipalForm.ACCOUNT:
        return "KP-5" if caller.is_root else "DA-27"
    if form is PrincipalForm.ANYONE:
        bound = any(condition.key == "aws:principalarn" for condition in statement.conditions)
        return "DA-25" if bound else "DA-26"
    if form is PrincipalForm.USER and caller.kind is PrincipalKind.FEDERATED_USER:
        return "DA-24"
    return _DIRECT_RULES[form]


_LIMITS_BY_RULE = {
    "DA-21": Limits.BOUNDARY_AND_SESSION,
    "DA-24": Limits.BOUNDARY_AND_SESSION,
}


def direct_limits(
    rules: frozenset[str], boundary: LayerTrace, session: LayerTrace, questions: OpenQuestions
) -> Limits | None:
    """The limits that the most open direct statement leaves standing; None when no statement names the caller.

    Open questions are asked only where their answer can matter: where the filter in question is silent.
    """
    limits = {_limits_of(rule, boundary, session, questions) for rule in rules}
    return next((found for found in Limits if found in limits), None)


def _limits_of(rule: str, boundary: LayerTrace, session: LayerTrace, questions: OpenQuestions) -> Limits:
    silent = {trace.layer for trace in (boundary, session) if trace.verdict is Verdict.SILENT}
    if rule == "DA-21" and Layer.BOUNDARY in silent and questions.other_reading("UN-28"):
        return Limits.SESSION
    if rule == "DA-22" and Layer.SESSION in silent and questions.other_reading("UN-19"):
        return Limits.SESSION
    if rule == "DA-26" and silent and questions.other_reading("UN-18"):
        return Limits.BOUNDARY_AND_SESSION
    return _LIMITS_BY_RULE.get(rule, Limits.NOTHING)
