"""One statement against one request: the first element that does not match, or None when the statement applies.

Elements are looked at in the order in which a reader asks: whom, what, on which key, under which condition.
"""

from __future__ import annotations

from dataclasses import dataclass

from kmssim.evaluator.caller import Caller, is_exempt, is_meant
from kmssim.evaluator.conditions import Ambiguous, Condition, Context, holds, read
from kmssim.evaluator.decision import Mismatch, StatementTrace
from kmssim.evaluator.patterns import Wild, fill, matches, matches_resource
from kmssim.evaluator.policy import Effect, Element, Policy, PolicyKind, Statement
from kmssim.evaluator.questions import OpenQuestions


@dataclass(frozen=True, eq=False, repr=False)
class Request:
    """One question to the policies: whether the caller may do `action` on `resource` ("*": none), in this context."""

    caller: Caller
    action: str
    resource: str
    context: Context


def mismatch(statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions) -> Mismatch | None:
    """The first element of the statement that keeps it from applying to the request."""
    return (
        _principal_mismatch(statement, request)
        or _action_mismatch(statement, request)
        or _resource_mismatch(statement, request, kind, questions)
        or _condition_mismatch(statement, request, kind, questions)
    )


def trace_statement(policy: Policy, statement: Statement, request: Request, questions: OpenQuestions) -> StatementTrace:
    """One statement's part of the trace."""
    found = mismatch(statement, request, policy.kind, questions)
    keys = tuple(condition.key for condition in statement.conditions)
    return StatementTrace(policy.source, statement.path, statement.sid, statement.effect.value, found, keys)


def _principal_mismatch(statement: Statement, request: Request) -> Mismatch | None:
    element = statement.principal
    if element is None:
        return None
    caller = request.caller
    written = ", ".join(entry.written for entry in element.entries)
    if element.negated:
        if not is_exempt(element.entries, caller):
            return None
        return Mismatch("NotPrincipal", f"anybody but {written}", caller.principal.arn, "PG-45")
    if any(is_meant(entry, caller) for entry in element.entries):
        return None
    return Mismatch("Principal", written, caller.principal.arn, _rule_of_principals(element.entries[0].form.value))


def _rule_of_principals(form: str) -> str:
    rules = {"account": "PG-30", "user": "PG-31", "role": "PG-32", "role session": "PG-33", "federated user": "PG-34"}
    return rules.get(form, {"service": "PG-35", "unique id": "PG-40"}.get(form, "PG-38"))


def _action_mismatch(statement: Statement, request: Request) -> Mismatch | None:
    element = statement.action
    if element is None:
        return Mismatch("Action", "nothing: the statement has no Action", request.action, "PG-4")
    if _names_action(element, request.action) != element.negated:
        return None
    name, rule = ("NotAction", "PG-13") if element.negated else ("Action", "PG-10")
    return Mismatch(name, ", ".join(element.texts), request.action, rule)


def _names_action(element: Element, action: str) -> bool:
    lowered = action.lower()
    return any(matches(fill(template, _no_variable) or (), lowered) for template in element.templates)


def _no_variable(_key: str) -> None:
    """Actions take no variables (CO-40)."""


def _resource_mismatch(
    statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions
) -> Mismatch | None:
    element = statement.resource
    if kind is PolicyKind.TRUST:
        return None
    if element is None:
        return Mismatch("Resource", "nothing: the statement has no Resource", request.resource, "PG-4")
    resource = request.resource
    patterns = [
        fill(template, lambda key: _variable(request.context, key, questions)) for template in element.templates
    ]
    resolved = [pattern for pattern in patterns if pattern is not None]
    name = "NotResource" if element.negated else "Resource"
    written = ", ".join(element.texts)
    if element.negated and len(resolved) < len(patterns):
        return Mismatch(name, written, resource, "CO-45")
    if any(matches_resource(pattern, resource) for pattern in resolved) == element.negated:
        rule = "PG-24" if resource == "*" else "PG-26"
        return Mismatch(name, written, resource, "PG-21" if kind is PolicyKind.KEY_POLICY else rule)
    if kind is PolicyKind.KEY_POLICY and resolved != [(Wild.ANY,)] and questions.other_reading("UN-12"):
        return Mismatch(name, written, resource, "UN-12")
    return None


def _variable(context: Context, key: str, questions: OpenQuestions) -> str | None:
    value = read(context, key, questions)
    return value if isinstance(value, str) else None


def _condition_mismatch(
    statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions
) -> Mismatch | None:
    in_deny = statement.effect is Effect.DENY
    for condition in statement.conditions:
        context = _visible_context(condition, request.context, kind, questions)
        if not holds(condition, context, questions, in_deny=in_deny):
            return _describe_unmet(condition, context, questions)
    return None


def _visible_context(condition: Condition, context: Context, kind: PolicyKind, questions: OpenQuestions) -> Context:
    """CK-42: AWS documents some keys for IAM policies only; in a key policy they are evaluated all the same."""
    iam_only = condition.key == "kms:resourcealiases" or condition.key.startswith("aws:resourcetag/")
    if kind is PolicyKind.KEY_POLICY and iam_only and questions.other_reading("UN-13"):
        return {}
    return context


def _describe_unmet(condition: Condition, context: Context, questions: OpenQuestions) -> Mismatch:
    values = ", ".join(condition.values)
    wanted = f"{condition.written_operator} {condition.written_key}: {values}"
    found = read(context, condition.key, questions)
    if isinstance(found, Ambiguous):
        return Mismatch("Condition", wanted, "two names that differ only in case", "CO-13")
    if found is None:
        return Mismatch("Condition", wanted, f"{condition.written_key} is absent", "CO-4")
    text = found if isinstance(found, str) else "[" + ", ".join(found) + "]"
    rule = "CO-10" if isinstance(found, tuple) and not condition.qualifier else "CO-2"
    return Mismatch("Condition", wanted, f"{condition.written_key} = {text}", rule)
