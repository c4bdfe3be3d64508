"""One statement against one request: the first element that does not match, or None when the statement applies.

Elements are looked at in the order in which a reader asks: whom, what, on which key, under which condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kmssim.evaluator.caller import Caller, is_exempt
from kmssim.evaluator.conditions import Ambiguous, Condition, Context, holds, is_for_iam_only, read
from kmssim.evaluator.decision import Mismatch, StatementTrace
from kmssim.evaluator.patterns import Pattern, Wild, fill, matches_resource
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.statements import Effect, Element, Policy, PolicyKind, PrincipalElement, Statement
from kmssim.evaluator.unlocked import cached_property

ELEMENTS = ("Principal", "Action", "Resource", "Condition")
"""The order in which `mismatch` looks at the elements of a statement. Whoever tells of a mismatch leans on it."""


@dataclass(frozen=True, eq=False, repr=False)
class Request:
    """One question to the policies: whether the caller may do `action` on `resource` ("*": none), in this context.

    The condition keys are derived when the first condition asks for one; many requests meet none.
    """

    caller: Caller
    action: str
    resource: str
    derive: Callable[[], Context]

    @cached_property
    def context(self) -> Context:
        """The condition keys of the request, names in lower case."""
        return self.derive()


def applies(statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions) -> bool:
    """Whether every element matches the request, of a statement that covers its action."""
    resource = statement.resource
    return (
        (statement.principal is None or _means_caller(statement.principal, request.caller))
        and (
            (resource is not None and resource.is_anything)
            or _resource_obstacle(statement, request, kind, questions) is None
        )
        and meets_conditions(statement, request, kind, questions)
    )


def meets_conditions(statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions) -> bool:
    """Whether all conditions of the statement are met."""
    return not statement.conditions or _unmet_condition(statement, request, kind, questions) is None


def any_applies(statements: Iterable[Statement], request: Request, kind: PolicyKind, questions: OpenQuestions) -> bool:
    """Whether one of the statements applies; a loop, since most of the time of many decisions goes by here."""
    for statement in statements:  # noqa: SIM110
        if applies(statement, request, kind, questions):
            return True
    return False


def mismatch(statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions) -> Mismatch | None:
    """The first element that keeps the statement from applying; None when it applies: what `applies` asks, told."""
    if statement.principal is not None and not _means_caller(statement.principal, request.caller):
        return _describe_principal(statement.principal, request)
    if not statement.covers(request.action):
        return _describe_action(statement, request)
    obstacle = _resource_obstacle(statement, request, kind, questions)
    if obstacle is not None:
        return _describe_resource(statement, request, obstacle)
    unmet = _unmet_condition(statement, request, kind, questions)
    return None if unmet is None else _describe_unmet(*unmet, questions)


def trace_statement(policy: Policy, statement: Statement, request: Request, questions: OpenQuestions) -> StatementTrace:
    """One statement's part of the trace."""
    found = mismatch(statement, request, policy.kind, questions)
    return StatementTrace(
        policy.source, statement.path, statement.sid, statement.effect_word, found, statement.condition_keys
    )


def _means_caller(element: PrincipalElement, caller: Caller) -> bool:
    if element.negated:
        return not is_exempt(element.entries, caller)
    return not element.names.isdisjoint(caller.names)


def _describe_principal(element: PrincipalElement, request: Request) -> Mismatch:
    found = request.caller.principal.arn
    if element.negated:
        return Mismatch("NotPrincipal", f"anybody but {element.written}", found, "PG-45")
    return Mismatch("Principal", element.written, found, _RULES_OF_PRINCIPALS.get(element.entries[0].form, "PG-38"))


_RULES_OF_PRINCIPALS = {
    PrincipalForm.ACCOUNT: "PG-30",
    PrincipalForm.USER: "PG-31",
    PrincipalForm.ROLE: "PG-32",
    PrincipalForm.ROLE_SESSION: "PG-33",
    PrincipalForm.FEDERATED_USER: "PG-34",
    PrincipalForm.SERVICE: "PG-35",
    PrincipalForm.UNIQUE_ID: "PG-40",
}


def _describe_action(statement: Statement, request: Request) -> Mismatch:
    element = statement.action
    if element is None:
        return Mismatch("Action", "nothing: the statement has no Action", request.action, "PG-4")
    name, rule = ("NotAction", "PG-13") if element.negated else ("Action", "PG-10")
    return Mismatch(name, element.written, request.action, rule)


def _resource_obstacle(
    statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions
) -> str | None:
    """The rule by which the statement's resource does not match; None when it matches."""
    element = statement.resource
    if kind is PolicyKind.TRUST:
        return None
    if element is None:
        return "PG-4"
    if element.is_anything:
        return None
    patterns = element.patterns
    if patterns is None:
        patterns = _filled(element, request.context, questions)
        if element.negated and len(patterns) < len(element.templates):
            return "CO-45"
        named = any(matches_resource(pattern, request.resource) for pattern in patterns)
    else:
        named = element.names(request.resource)
    rule = "PG-24" if request.resource == "*" else "PG-26"
    if kind is PolicyKind.KEY_POLICY:
        rule = "PG-21"
        if (named or element.negated) and (Wild.ANY,) not in patterns and questions.other_reading("UN-12"):
            named, rule = not named, "UN-12"  # AWS describes the star only
    return rule if named == element.negated else None


def _filled(element: Element, context: Context, questions: OpenQuestions) -> tuple[Pattern, ...]:
    """The patterns of a `Resource` with variables, without those that have no value (CO-44)."""

    def variable(key: str) -> str | None:
        value = read(context, key, questions)
        return value if isinstance(value, str) else None

    filled = (fill(template, variable) for template in element.templates)
    return tuple(pattern for pattern in filled if pattern is not None)


def _describe_resource(statement: Statement, request: Request, rule: str) -> Mismatch:
    element = statement.resource
    if element is None:
        return Mismatch("Resource", "nothing: the statement has no Resource", request.resource, rule)
    name = "NotResource" if element.negated else "Resource"
    return Mismatch(name, element.written, request.resource, rule)


def _unmet_condition(
    statement: Statement, request: Request, kind: PolicyKind, questions: OpenQuestions
) -> tuple[Condition, Context] | None:
    """The first condition that is not met, with the context that it was held against; None when all are."""
    in_deny = statement.effect is Effect.DENY
    context = request.context
    for condition in statement.conditions:
        if condition.is_for_iam_only and kind is PolicyKind.KEY_POLICY and questions.other_reading("UN-13"):
            context = {key: value for key, value in request.context.items() if not is_for_iam_only(key)}  # CK-42
        if not holds(condition, context, questions, in_deny=in_deny):
            return condition, context
    return None


def _describe_unmet(condition: Condition, context: Context, questions: OpenQuestions) -> Mismatch:
    wanted = condition.written
    found = read(context, condition.key, questions)
    if isinstance(found, Ambiguous):
        return Mismatch("Condition", wanted, found.why, found.rule)
    if found is None:
        return Mismatch("Condition", wanted, f"{condition.written_key} is absent", "CO-4")
    text = found if isinstance(found, str) else "[" + ", ".join(found) + "]"
    rule = "CO-10" if isinstance(found, tuple) and not condition.qualifier else "CO-2"
    return Mismatch("Condition", wanted, f"{condition.written_key} = {text}", rule)
