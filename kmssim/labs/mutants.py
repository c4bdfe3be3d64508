"""Mutants of a policy: small edits by machine, each of which some check of a lab must catch.

Every operator works on the parsed document and yields (what it did, the new document). The texts are stable: they are
how a lab lists the mutants that may live. An edit that changes nothing for any request is not made: swapping
StringEquals and StringLike, for one, means something only where a value has a wildcard.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kmssim.errors import PolicyError
from kmssim.evaluator.policy import PolicyKind, parse_policy

Document = dict[str, Any]
Statement = dict[str, Any]
_Edits = Iterator[tuple[str, Statement | None]]

FOREIGN_ACCOUNT = "999988887777"
_EVERYTHING = {"kms:*", "*"}


@dataclass(frozen=True)
class Mutant:
    """One edit of one file. `text` names it for ever: file, statement, operator, and what was done."""

    file: str
    operator: str
    text: str
    document: Document


def mutants_of(file: str, document: Mapping[str, Any], kind: PolicyKind) -> tuple[Mutant, ...]:
    """All mutants of a policy that AWS would accept, each document once, in the order of statements and operators."""
    found: list[Mutant] = []
    seen = [document]
    for index, statement in enumerate(statements_of(document)):
        name = f'"{statement["Sid"]}"' if statement.get("Sid") else f"Statement[{index}]"
        for operator, edits in OPERATORS.items():
            for what, edited in edits(copy.deepcopy(statement)):
                mutated = _with_statement(document, index, edited)
                if mutated not in seen and _is_accepted(mutated, kind):
                    seen.append(mutated)
                    text = f"{file}: {name}: {operator}" + (f" {what}" if what else "")
                    found.append(Mutant(file, operator, text, mutated))
    return tuple(found)


def statements_of(document: Mapping[str, Any]) -> list[Statement]:
    """The statements of a policy: a lone one stands for a list of one (PG-2)."""
    listed = document.get("Statement", [])
    return list(listed) if isinstance(listed, list) else [listed]


def _with_statement(document: Mapping[str, Any], index: int, edited: Statement | None) -> Document:
    statements = statements_of(document)
    statements[index : index + 1] = [] if edited is None else [edited]
    return {**document, "Statement": statements}


def _is_accepted(document: Document, kind: PolicyKind) -> bool:
    try:
        parse_policy(document, kind)
    except PolicyError:
        return False
    return True


def _drop_statement(statement: Statement) -> _Edits:
    if statement["Effect"] == "Allow":
        yield "", None


def _drop_deny(statement: Statement) -> _Edits:
    if statement["Effect"] == "Deny":
        yield "", None


def _flip_effect(statement: Statement) -> _Edits:
    other = {"Allow": "Deny", "Deny": "Allow"}[statement["Effect"]]
    yield f"to {other}", {**statement, "Effect": other}


def _widen_action(statement: Statement) -> _Edits:
    actions = _listed(statement.get("Action", []))
    if actions and not _EVERYTHING & set(actions):
        yield "to kms:*", {**statement, "Action": "kms:*"}


def _widen_resource(statement: Statement) -> _Edits:
    resources = _listed(statement.get("Resource", []))
    if resources and "*" not in resources:
        yield "to *", {**statement, "Resource": "*"}


def _widen_principal(statement: Statement) -> _Edits:
    """A role, user or session to its account; an account to everybody."""
    for index, text in enumerate(_aws_principals(statement)):
        wider = _wider(text)
        if wider is not None:
            yield f"{text} to {wider}", _with_principal(statement, index, wider)


def _wider(text: str) -> str | None:
    if text == "*":
        return None
    if text.isdecimal() or text.endswith(":root"):
        return "*"
    parts = text.split(":")
    return f"{':'.join(parts[:2])}:iam::{parts[4]}:root" if text.startswith("arn:") else None


def _session_to_role(statement: Statement) -> _Edits:
    for index, text in enumerate(_aws_principals(statement)):
        if ":assumed-role/" in text:
            parts = text.split(":")
            role = f"{':'.join(parts[:2])}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
            yield f"{text} to {role}", _with_principal(statement, index, role)


def _add_foreign_account(statement: Statement) -> _Edits:
    principals = _aws_principals(statement)
    if principals and "*" not in principals:
        foreign = f"arn:aws:iam::{FOREIGN_ACCOUNT}:root"
        yield FOREIGN_ACCOUNT, {**statement, "Principal": {**statement["Principal"], "AWS": [*principals, foreign]}}


def _drop_condition(statement: Statement) -> _Edits:
    """Each line of the block by itself, and the whole block where it has several."""
    lines = list(_condition_lines(statement))
    for operator, key in lines:
        yield f"{operator} {key}", _without_line(statement, operator, key)
    if len(lines) > 1:
        yield "as a whole", {name: value for name, value in statement.items() if name != "Condition"}


def _if_exists(statement: Statement) -> _Edits:
    for operator, key in _condition_lines(statement):
        if not operator.endswith("IfExists") and operator != "Null":
            yield f"on {operator} {key}", _moved_line(statement, operator, key, f"{operator}IfExists")


def _string_like(statement: Statement) -> _Edits:
    """StringEquals takes a wildcard for itself, StringLike for a pattern."""
    swapped = {"StringEquals": "StringLike", "StringLike": "StringEquals"}
    swapped |= {"StringNotEquals": "StringNotLike", "StringNotLike": "StringNotEquals"}
    for operator, key in _condition_lines(statement):
        qualifier, colon, name = operator.rpartition(":")
        bare, suffix = (name.removesuffix("IfExists"), "IfExists" if name.endswith("IfExists") else "")
        values = _listed(statement["Condition"][operator][key])
        if bare in swapped and any("*" in str(value) or "?" in str(value) for value in values):
            other = f"{qualifier}{colon}{swapped[bare]}{suffix}"
            yield f"{operator} to {other} on {key}", _moved_line(statement, operator, key, other)


def _for_all_values(statement: Statement) -> _Edits:
    for operator, key in _condition_lines(statement):
        if ":" not in operator and operator != "Null":
            yield f"on {operator} {key}", _moved_line(statement, operator, key, f"ForAllValues:{operator}")


OPERATORS: Mapping[str, Callable[[Statement], _Edits]] = {
    "drop_statement": _drop_statement,
    "drop_deny": _drop_deny,
    "flip_effect": _flip_effect,
    "widen_action": _widen_action,
    "widen_principal": _widen_principal,
    "add_foreign_account": _add_foreign_account,
    "session_to_role": _session_to_role,
    "widen_resource": _widen_resource,
    "drop_condition": _drop_condition,
    "if_exists": _if_exists,
    "string_like": _string_like,
    "for_all_values": _for_all_values,
}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _aws_principals(statement: Statement) -> list[str]:
    principal = statement.get("Principal")
    return _listed(principal["AWS"]) if isinstance(principal, dict) and "AWS" in principal else []


def _with_principal(statement: Statement, index: int, text: str) -> Statement:
    principals = _aws_principals(statement)
    return {
        **statement,
        "Principal": {**statement["Principal"], "AWS": [*principals[:index], text, *principals[index + 1 :]]},
    }


def _condition_lines(statement: Statement) -> Iterator[tuple[str, str]]:
    for operator, lines in statement.get("Condition", {}).items():
        for key in lines:
            yield operator, key


def _without_line(statement: Statement, operator: str, key: str) -> Statement:
    block = copy.deepcopy(statement["Condition"])
    del block[operator][key]
    if not block[operator]:
        del block[operator]
    rest = {name: value for name, value in statement.items() if name != "Condition"}
    return {**rest, "Condition": block} if block else rest


def _moved_line(statement: Statement, operator: str, key: str, other: str) -> Statement:
    block = copy.deepcopy(statement["Condition"])
    values = block[operator].pop(key)
    block.setdefault(other, {})[key] = values
    return {**statement, "Condition": {name: lines for name, lines in block.items() if lines}}
