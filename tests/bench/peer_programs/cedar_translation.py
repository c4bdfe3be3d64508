"""IAM's policies of the workload as Cedar's: what has no counterpart there is worked out here, before Cedar is asked.

Cedar has one set of policies: any `permit` allows, any `forbid` denies. So
- a Deny of any layer is a `forbid`;
- a limit (a level of SCPs, the boundary) is a `forbid … unless` one of its Allows applies;
- an Allow of the key policy for somebody is a `permit`; an Allow for the account's root is a `permit` once for each
  Allow of the identity policy, with the conditions of both: that is how a key policy hands over to IAM.
Actions have no wildcards in Cedar: each pattern is a group, and which actions are in it is found here, as a parent. Role
sessions, the difference between a missing and an explicit denial by layer, and condition keys that KMS derives have no
counterpart: the caller is the role, and the condition keys are handed over as context.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator

_OPERATORS = ("StringEquals", "StringNotEquals", "StringLike", "Bool")


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _quoted(text: object) -> str:
    return json.dumps(text)


def _actions(statement: dict) -> str:
    patterns = _listed(statement["Action"])
    return "true" if "*" in patterns else f"action in [{', '.join(f'Action::{_quoted(each)}' for each in patterns)}]"


def _resources(statement: dict) -> str:
    patterns = _listed(statement["Resource"])
    return "true" if "*" in patterns else _any(f"resource.arn like {_quoted(each)}" for each in patterns)


def _principals(statement: dict) -> str:
    principal = statement.get("Principal", "*")
    names = ["*"] if principal == "*" else _listed(principal["AWS"])
    return "true" if "*" in names else _any(f"principal in Principal::{_quoted(each)}" for each in names)


def _any(parts: Iterator[str]) -> str:
    return "(" + " || ".join(parts) + ")"


def _condition(operator: str, key: str, wanted: list) -> str:
    has, value, values = f"context has {_quoted(key)}", f"context[{_quoted(key)}]", _quoted(wanted)
    if operator == "ForAllValues:StringEquals":
        return f"(!({has}) || {values}.containsAll({value}))"
    plain = operator.removesuffix("IfExists")
    if plain not in _OPERATORS:
        raise SystemExit(f"`{operator}` has no translation to Cedar here")
    is_one = (
        _any(f"{value} like {_quoted(each)}" for each in wanted)
        if plain == "StringLike"
        else f"{values}.contains({value})"
    )
    if plain == "StringNotEquals":  # true of an absent key, with IfExists and without (CO-4)
        return f"!({has} && {is_one})"
    return f"(!({has}) || {is_one})" if operator.endswith("IfExists") else f"({has} && {is_one})"


def _conditions(statement: dict) -> list[str]:
    return [
        _condition(operator, key, _listed(wanted))
        for operator, lines in statement.get("Condition", {}).items()
        for key, wanted in lines.items()
    ]


def _applies(*statements: dict) -> str:
    parts = [
        part
        for statement in statements
        for part in (_principals(statement), _actions(statement), _resources(statement), *_conditions(statement))
    ]
    return " && ".join(part for part in parts if part != "true") or "true"


def _documents(asked: dict) -> list[dict]:
    given = asked["policies"]
    return [
        given["identity"],
        given["boundary"],
        given["key_policy"],
        *(each for level in given["scps"] for each in level),
    ]


def _of(effect: str, documents: list[dict]) -> list[dict]:
    return [each for document in documents for each in document["Statement"] if each["Effect"] == effect]


def _written(asked: dict) -> Iterator[str]:
    given, root = asked["policies"], f"arn:aws:iam::{asked['account']}:root"
    levels, everywhere = given["scps"], "(principal, action, resource)"
    for statement in _of("Deny", _documents(asked)):
        yield f"forbid{everywhere} when {{ {_applies(statement)} }};"
    for limit in (*levels, [given["boundary"]]):
        yield f"forbid{everywhere} unless {{ {_any(_applies(each) for each in _of('Allow', limit))} }};"
    for statement in _of("Allow", [given["key_policy"]]):
        if root not in _listed(statement["Principal"]["AWS"]):
            yield f"permit{everywhere} when {{ {_applies(statement)} }};"
            continue
        for own in _of("Allow", [given["identity"]]):
            yield f"permit{everywhere} when {{ {_applies(statement, own)} }};"


def policies_of(asked: dict) -> str:
    """The policies in Cedar's language."""
    return "\n".join(_written(asked))


def _patterns(asked: dict) -> list[str]:
    statements = (each for effect in ("Allow", "Deny") for each in _of(effect, _documents(asked)))
    return sorted({pattern for statement in statements for pattern in _listed(statement["Action"])})


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _entity(kind: str, name: str, parents: list[dict], **attributes: str) -> dict:
    return {"uid": _uid(kind, name), "attrs": attributes, "parents": parents}


def entities_of(asked: dict) -> list[dict]:
    """Roles in their account, actions in the patterns that name them, the key with its ARN."""
    root, patterns, requests = f"arn:aws:iam::{asked['account']}:root", _patterns(asked), asked["requests"]

    def groups(action: str) -> list[dict]:
        named = (each for each in patterns if each != action and fnmatch.fnmatchcase(action.lower(), each.lower()))
        return [_uid("Action", each) for each in named]

    return [
        _entity("Principal", root, []),
        *(_entity("Principal", role, [_uid("Principal", root)]) for role in {each["role"] for each in requests}),
        *(_entity("Action", action, groups(action)) for action in {each["action"] for each in requests}),
        *(_entity("Key", arn, [], arn=arn) for arn in {each["resource"] for each in requests}),
    ]


def request_of(request: dict) -> dict:
    """A request as Cedar takes it."""
    return {
        "principal": _uid("Principal", request["role"]),
        "action": _uid("Action", request["action"]),
        "resource": _uid("Key", request["resource"]),
        "context": request["context"],
    }
