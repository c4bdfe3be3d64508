"""Policy documents: read, normalise, refuse.

Refusing happens here and only here, with the JSON path and the code that AWS reports; a policy that was accepted can
always be evaluated. What each kind of policy may hold is one table (`_GRAMMAR`), after PG-1 to PG-9, PG-46, PG-49 and
OR-4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from kmssim.errors import PolicyError
from kmssim.evaluator.conditions import Condition, parse_condition
from kmssim.evaluator.patterns import Template, parse_template
from kmssim.evaluator.principals import InvalidPrincipalError, PrincipalEntry, parse_principals


class PolicyKind(Enum):
    """Where a policy is attached; it decides what the document may hold and who refuses it."""

    KEY_POLICY = "key_policy"
    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    VPC_ENDPOINT = "vpc_endpoint"
    TRUST = "trust"
    BUCKET = "bucket"
    SECRET = "secret"  # noqa: S105 - a kind of policy, not a password


class Effect(Enum):
    """What a statement does when it applies; the values are case-sensitive (PG-5)."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Element:
    """`Action`, `NotAction`, `Resource` or `NotResource`: texts as written and parsed; `negated` for the Not forms."""

    texts: tuple[str, ...]
    templates: tuple[Template, ...]
    negated: bool


@dataclass(frozen=True)
class PrincipalElement:
    """`Principal` or `NotPrincipal`."""

    entries: tuple[PrincipalEntry, ...]
    negated: bool


@dataclass(frozen=True)
class Statement:
    """One statement. `path` is its JSON path inside the document, e.g. `Statement[0]`.

    In a key policy `action` or `resource` may be None: KMS accepts the statement and never applies it (PG-4).
    """

    path: str
    sid: str | None
    effect: Effect
    action: Element | None
    resource: Element | None
    principal: PrincipalElement | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Policy:
    """An accepted policy. `document` is the JSON that it was read from, `source` where that stands (a JSON path)."""

    kind: PolicyKind
    version: str
    statements: tuple[Statement, ...]
    document: Mapping[str, object] = field(compare=False, repr=False)
    source: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False, repr=False)
class _Grammar:
    """What a kind of policy takes, and the code with which its service refuses."""

    code: str
    principal: bool
    bytes: int
    optional_elements: bool = False
    resource: bool = True
    plain_sid: bool = True
    not_empty: bool = False


_KMS = "MalformedPolicyDocumentException"
_IAM = "MalformedPolicyDocument"
_GRAMMAR: Mapping[PolicyKind, _Grammar] = {
    PolicyKind.KEY_POLICY: _Grammar(
        _KMS, principal=True, bytes=32768, optional_elements=True, plain_sid=False, not_empty=True
    ),
    PolicyKind.IDENTITY: _Grammar(_IAM, principal=False, bytes=10240),
    PolicyKind.BOUNDARY: _Grammar(_IAM, principal=False, bytes=6144),
    PolicyKind.SESSION: _Grammar(_IAM, principal=False, bytes=2048),
    PolicyKind.SCP: _Grammar(_KMS, principal=False, bytes=10240),
    PolicyKind.RCP: _Grammar(_KMS, principal=True, bytes=5120),
    PolicyKind.VPC_ENDPOINT: _Grammar("InvalidPolicyDocument", principal=True, bytes=20480, plain_sid=False),
    PolicyKind.TRUST: _Grammar(_IAM, principal=True, bytes=4096, resource=False),
    PolicyKind.BUCKET: _Grammar("MalformedPolicy", principal=True, bytes=20480, plain_sid=False),
    PolicyKind.SECRET: _Grammar(_KMS, principal=True, bytes=20480, plain_sid=False),
}
_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP_MEMBERS = {"Version", "Id", "Statement"}
_MEMBERS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_PLAIN_SID = re.compile(r"[A-Za-z0-9]*")
_FORBIDDEN_CHARACTER = re.compile(r"[^\t\n\r\u0020-\u00ff]")
_DEEPEST = 64


def parse_policy(document: str | Mapping[str, object], kind: PolicyKind, source: str = "") -> Policy:
    """Read a policy document, as text or as parsed JSON.

    Raises:
        PolicyError: AWS would refuse it; `path` is relative to the document.

    """
    reader = _Reader(kind)
    content = reader.load(document) if isinstance(document, str) else document
    reader.check_whole(content)
    version = content.get("Version", "2008-10-17")  # PG-1
    if version not in _VERSIONS:
        raise reader.refusal(f"`{version}` is no version; use 2012-10-17", "Version", "PG-1")
    statements = tuple(reader.statements(content.get("Statement"), variables=version == _VERSIONS[0]))
    return Policy(kind, str(version), statements, content, source)


def default_key_policy(account: str, partition: str = "aws", source: str = "") -> Policy:
    """The key policy that CreateKey gives when none is sent (KP-6)."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    document = {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}
    return parse_policy(document, PolicyKind.KEY_POLICY, source)


class _RepeatedMemberError(ValueError):
    pass


def _refuse_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedMemberError(next(name for name in names if names.count(name) > 1))
    return members


class _Reader:
    """Reads one document of one kind; its methods are in the order in which AWS's grammar nests."""

    def __init__(self, kind: PolicyKind) -> None:
        self.kind = kind
        self.grammar = _GRAMMAR[kind]

    def refusal(self, what: str, path: str, rule: str, code: str | None = None) -> PolicyError:
        return PolicyError(what, path=path, code=code or self.grammar.code, rule=rule)

    def load(self, text: str) -> Mapping[str, object]:
        try:
            content = json.loads(text, object_pairs_hook=_refuse_repeats)
        except _RepeatedMemberError as repeated:
            raise self.refusal(f"`{repeated}` appears twice in one object", "", "PG-6") from None
        except RecursionError:
            raise self.refusal("the document is nested too deeply", "", "PG-2") from None
        except ValueError as error:
            raise self.refusal(f"this is not JSON: {error}", "", "PG-2") from None
        return content  # type: ignore[no-any-return]  # check_whole looks at its type

    def check_whole(self, content: object) -> None:
        if not isinstance(content, Mapping):
            raise self.refusal("a policy is a JSON object", "", "PG-2")
        for name in content:
            if name not in _TOP_MEMBERS:
                raise self.refusal(f"`{name}` is no element of a policy", str(name), "PG-7")
        for path, text in _texts(content, "", self.refusal):
            if _FORBIDDEN_CHARACTER.search(text):
                raise self.refusal("policies hold characters up to U+00FF only", path, "PG-9")
        size = self.size_of(content)
        if size > self.grammar.bytes:
            what = f"the policy has {size} bytes, at most {self.grammar.bytes} are allowed"
            raise self.refusal(what, "", "PG-8", "LimitExceededException")

    def size_of(self, content: Mapping[str, object]) -> int:
        """The size in bytes without needless whitespace (PG-8)."""
        try:
            return len(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
        except (TypeError, ValueError) as error:
            raise self.refusal(f"this cannot be written as JSON: {error}", "", "PG-2") from None

    def statements(self, element: object, *, variables: bool) -> Iterator[Statement]:
        listed = element if isinstance(element, list) else [element]
        if element is None or (self.grammar.not_empty and not listed):
            raise self.refusal("a policy needs at least one statement", "Statement", "PG-2")
        for index, body in enumerate(listed):
            path = f"Statement[{index}]" if isinstance(element, list) else "Statement"
            yield self.statement(body, path, variables=variables)

    def statement(self, body: object, path: str, *, variables: bool) -> Statement:
        if not isinstance(body, Mapping):
            raise self.refusal("a statement is an object", path, "PG-2")
        for name in body:
            if name not in _MEMBERS:
                raise self.refusal(f"`{name}` is no element of a statement", f"{path}.{name}", "PG-7")
        effect = self.effect(body, path)
        statement = Statement(
            path=path,
            sid=self.sid(body, path),
            effect=effect,
            action=self.element(body, "Action", path, variables=False),
            resource=self.element(body, "Resource", path, variables=variables),
            principal=self.principal(body, effect, path),
            conditions=tuple(self.conditions(body.get("Condition", {}), f"{path}.Condition", variables=variables)),
        )
        if self.kind is PolicyKind.RCP:
            self.check_rcp(body, statement)
        return statement

    def effect(self, body: Mapping[str, object], path: str) -> Effect:
        try:
            return Effect(body.get("Effect"))
        except ValueError:
            what = f"`{body.get('Effect')}` is no effect; write Allow or Deny, case matters"
            raise self.refusal(what, f"{path}.Effect", "PG-5") from None

    def sid(self, body: Mapping[str, object], path: str) -> str | None:
        sid = body.get("Sid")
        if sid is not None and not isinstance(sid, str):
            raise self.refusal("a Sid is a string", f"{path}.Sid", "PG-9")
        if sid and self.grammar.plain_sid and not _PLAIN_SID.fullmatch(sid):
            raise self.refusal(f"the Sid `{sid}` may hold letters and digits only", f"{path}.Sid", "PG-9")
        return sid

    def element(self, body: Mapping[str, object], name: str, path: str, *, variables: bool) -> Element | None:
        given = [member for member in (name, f"Not{name}") if member in body]
        if len(given) > 1:
            raise self.refusal(f"{name} and Not{name} exclude each other", f"{path}.Not{name}", "PG-3")
        if name == "Resource" and not self.grammar.resource:
            if given:
                raise self.refusal("this kind of policy names no resources", f"{path}.{given[0]}", "PG-3")
            return None
        if not given:
            if self.grammar.optional_elements:
                return None  # PG-4: accepted, and never applied
            raise self.refusal(f"a statement names its {name} or Not{name}", path, "PG-3")
        member = given[0]
        texts = self.strings(body[member], f"{path}.{member}")
        if name == "Action":
            self.check_actions(texts, f"{path}.{member}")
        templates = tuple(
            parse_template(text.lower() if name == "Action" else text, variables=variables) for text in texts
        )
        return Element(texts, templates, negated=member != name)

    def strings(self, value: object, path: str) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(text, str) and text for text in listed):
            raise self.refusal("write a string, or a list of strings with at least one", path, "PG-2")
        return tuple(listed)

    def check_actions(self, texts: tuple[str, ...], path: str) -> None:
        for text in texts:
            if text != "*" and not re.fullmatch(r"[\w*?-]+:.+", text):
                raise self.refusal(f"`{text}` is no action; write it as service:Name", path, "PG-10")

    def principal(self, body: Mapping[str, object], effect: Effect, path: str) -> PrincipalElement | None:
        given = [member for member in ("Principal", "NotPrincipal") if member in body]
        if not self.grammar.principal:
            if given:
                raise self.refusal("this kind of policy names no principals", f"{path}.{given[0]}", "PG-3")
            return None
        if len(given) != 1:
            raise self.refusal("a statement names its Principal, once", path, "PG-4")
        member = given[0]
        if member == "NotPrincipal" and effect is Effect.ALLOW:
            raise self.refusal("NotPrincipal goes with Deny only", f"{path}.NotPrincipal", "PG-46")
        try:
            return PrincipalElement(parse_principals(body[member]), negated=member == "NotPrincipal")
        except InvalidPrincipalError as invalid:
            code = "InvalidArnException" if invalid.group and self.kind is PolicyKind.KEY_POLICY else None
            raise self.refusal(str(invalid), f"{path}.{member}", invalid.rule, code) from None

    def conditions(self, block: object, path: str, *, variables: bool) -> Iterator[Condition]:
        if not isinstance(block, Mapping):
            raise self.refusal("a Condition is an object of operators", path, "CO-1")
        for operator, lines in block.items():
            if not isinstance(lines, Mapping):
                raise self.refusal("an operator holds an object of condition keys", f"{path}.{operator}", "CO-1")
            for key, values in lines.items():
                where = f"{path}.{operator}.{key}"
                yield self.condition(operator, key, self.condition_values(values, where), where, variables=variables)

    def condition(self, operator: str, key: str, values: tuple[str, ...], path: str, *, variables: bool) -> Condition:
        try:
            condition = parse_condition(operator, key, values, variables=variables)
        except ValueError:
            raise self.refusal(f"`{operator}` is no condition operator", path, "CO-48") from None
        risky = condition.key.startswith(("kms:encryptioncontext:", "aws:requesttag/"))
        if self.kind is PolicyKind.KEY_POLICY and condition.qualifier == "ForAllValues" and risky:
            what = f"ForAllValues on `{key}` is true when the key is missing"
            raise self.refusal(what, path, "PG-49", "OverlyPermissiveCondition")
        return condition

    def condition_values(self, values: object, path: str) -> tuple[str, ...]:
        listed = values if isinstance(values, list) else [values]
        texts = []
        for value in listed:
            if not isinstance(value, str | bool | int | float):
                raise self.refusal("a condition value is a string, number or boolean", path, "PG-2")
            texts.append(str(value).lower() if isinstance(value, bool) else str(value))
        return tuple(texts)

    def check_rcp(self, body: Mapping[str, object], statement: Statement) -> None:
        """OR-4: what customers may write into an RCP."""
        if statement.effect is Effect.ALLOW:
            raise self.refusal("an RCP may only deny", f"{statement.path}.Effect", "OR-4")
        if body.get("Principal") != "*":
            raise self.refusal('the principal of an RCP is "*"', f"{statement.path}.Principal", "OR-4")
        if "NotAction" in body:
            raise self.refusal("an RCP knows no NotAction", f"{statement.path}.NotAction", "OR-4")
        if statement.action is not None and "*" in statement.action.texts:
            raise self.refusal("an RCP names a service in its actions", f"{statement.path}.Action", "OR-4")


def _texts(value: object, path: str, refusal: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every string of a document with its path, member names included."""
    if depth > _DEEPEST:
        raise refusal("the document is nested too deeply", path, "PG-2")  # type: ignore[operator]
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise refusal(f"`{name}` is no name of a member", path, "PG-2")  # type: ignore[operator]
            yield path, name
            yield from _texts(inner, f"{path}.{name}" if path else str(name), refusal, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]", refusal, depth + 1)
