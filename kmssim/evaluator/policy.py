"""Policy documents: read, normalise, refuse.

Refusing happens here and only here, with the JSON path and the code that AWS reports; a policy that was accepted can
always be evaluated. What each kind of policy may hold is one table (`_GRAMMAR`), after PG-1 to PG-9, PG-46, PG-49 and
OR-4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kmssim.errors import PolicyError
from kmssim.evaluator.conditions import Condition, parse_condition
from kmssim.evaluator.documents import BadDocumentError, check_document, compact, read_text
from kmssim.evaluator.patterns import parse_resource, parse_template
from kmssim.evaluator.principals import InvalidPrincipalError, PrincipalEntry, parse_principals
from kmssim.evaluator.statements import Effect, Element, Policy, PolicyKind, PrincipalElement, Statement

__all__ = ["Effect", "Policy", "PolicyKind", "Statement", "default_key_policy", "parse_policy"]


@dataclass(frozen=True, eq=False, repr=False)
class _Grammar:
    """What a kind of policy takes, and the codes with which its service refuses: any mistake, and `too_large` (PG-8).

    Sizes are in characters, those of a key policy in bytes (`in_bytes`).
    """

    code: str
    principal: bool
    size: int
    too_large: str
    in_bytes: bool = False
    optional_elements: bool = False
    resource: bool = True
    plain_sid: bool = True
    not_empty: bool = False


_KMS = "MalformedPolicyDocumentException"
_IAM = "MalformedPolicyDocument"
_TOO_MUCH_FOR_IAM = "LimitExceeded"
_TOO_MUCH_FOR_ORGANIZATIONS = "ConstraintViolationException"
_VPC = "InvalidPolicyDocument"
_S3 = "MalformedPolicy"
_GRAMMAR: Mapping[PolicyKind, _Grammar] = {
    PolicyKind.KEY_POLICY: _Grammar(
        _KMS, principal=True, size=32768, too_large="LimitExceededException", in_bytes=True,
        optional_elements=True, plain_sid=False, not_empty=True,
    ),
    PolicyKind.IDENTITY: _Grammar(_IAM, principal=False, size=10240, too_large=_TOO_MUCH_FOR_IAM),
    PolicyKind.BOUNDARY: _Grammar(_IAM, principal=False, size=6144, too_large=_TOO_MUCH_FOR_IAM),
    PolicyKind.SESSION: _Grammar(_IAM, principal=False, size=2048, too_large="ValidationError"),
    PolicyKind.SCP: _Grammar(_KMS, principal=False, size=10240, too_large=_TOO_MUCH_FOR_ORGANIZATIONS),
    PolicyKind.RCP: _Grammar(_KMS, principal=True, size=5120, too_large=_TOO_MUCH_FOR_ORGANIZATIONS),
    PolicyKind.VPC_ENDPOINT: _Grammar(_VPC, principal=True, size=20480, too_large=_VPC, plain_sid=False),
    PolicyKind.TRUST: _Grammar(
        _IAM, principal=True, size=4096, too_large=_TOO_MUCH_FOR_IAM, resource=False
    ),
    PolicyKind.BUCKET: _Grammar(_S3, principal=True, size=20480, too_large=_S3, plain_sid=False),
    PolicyKind.SECRET: _Grammar(_KMS, principal=True, size=20480, too_large=_KMS, plain_sid=False),
}  # fmt: skip
_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP_MEMBERS = {"Version", "Id", "Statement"}
_MEMBERS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_PLAIN_SID = re.compile(r"[A-Za-z0-9]*")
_ACTION = re.compile(r"[\w*?-]+:.+")
_RCP_RESOURCE = re.compile(r"\*|[^:]*(?::[^:]*){4}:.+", re.DOTALL)
UNDOCUMENTED = frozenset({"PG-6", "PG-7", "PG-46"})
"""The rules whose refusals are an open question where KMS itself reads the policy (UN-25)."""


def parse_policy(
    document: str | Mapping[str, object], kind: PolicyKind, source: str = "", *, lenient: bool = False
) -> Policy:
    """Read a policy document, as text or as parsed JSON.

    `lenient` is the other reading of UN-25: what the rules of `UNDOCUMENTED` refuse is accepted.

    Raises:
        PolicyError: AWS would refuse it; `path` is relative to the document.

    """
    alike = (kind, lenient, _text_of(document))
    known = _READ.get(alike)
    if known is not None:
        return Policy(kind, *known, json.loads(document) if isinstance(document, str) else document, source)
    policy = _read(document, kind, source, lenient=lenient)
    if len(_READ) >= _MOST_KEPT:
        _READ.clear()
    if alike[-1] is not None:
        _READ[alike] = policy.version, policy.statements
    return policy


_MOST_KEPT = 20_000
_READ: dict[tuple[PolicyKind, bool, str | None], tuple[str, tuple[Statement, ...]]] = {}
"""What was read of documents before: the same words in another place are the same statements."""


def _text_of(document: str | Mapping[str, object]) -> str | None:
    """A document as text that tells it from every other; None for what may hold more than JSON has."""
    if isinstance(document, str):
        return document
    if type(document) is not dict:
        return None  # such as one that knows of members that came twice
    try:
        text = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return text if json.loads(text) == document else None  # a tuple is written as a list, a number as a member's name


def _read(document: str | Mapping[str, object], kind: PolicyKind, source: str, *, lenient: bool) -> Policy:
    reader = _Reader(kind, lenient=lenient)
    content = reader.load(document)
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


class _Reader:
    """Reads one document of one kind; its methods are in the order in which AWS's grammar nests."""

    def __init__(self, kind: PolicyKind, *, lenient: bool) -> None:
        self.kind = kind
        self.grammar = _GRAMMAR[kind]
        self.lenient = lenient

    def refusal(self, what: str, path: str, rule: str, code: str | None = None) -> PolicyError:
        return PolicyError(what, path=path, code=code or self.grammar.code, rule=rule)

    def load(self, document: object) -> Mapping[str, object]:
        try:
            content = read_text(document) if isinstance(document, str) else document
            check_document(content, twice=self.lenient)
        except BadDocumentError as bad:
            raise self.refusal(bad.what, bad.path, bad.rule) from None
        if not isinstance(content, Mapping):
            raise self.refusal("a policy is a JSON object", "", "PG-2")
        self.check_members(content, _TOP_MEMBERS, "")
        if not isinstance(content.get("Id", ""), str):
            raise self.refusal("an Id is a string", "Id", "PG-2")
        self.check_size(compact(content))  # needless whitespace never counts: a document has none
        return content

    def check_members(self, element: Mapping[str, object], known: set[str], path: str) -> None:
        unknown = next((name for name in element if name not in known), None)
        if unknown is not None and not self.lenient:
            where = f"{path}.{unknown}" if path else unknown
            raise self.refusal(f"`{unknown}` is no element of a {'statement' if path else 'policy'}", where, "PG-7")

    def check_size(self, text: str) -> None:
        size = len(text.encode()) if self.grammar.in_bytes else len(text)
        if size > self.grammar.size:
            unit = "bytes" if self.grammar.in_bytes else "characters"
            what = f"the policy has {size} {unit}, at most {self.grammar.size} are allowed"
            raise self.refusal(what, "", "PG-8", self.grammar.too_large)

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
        self.check_members(body, _MEMBERS, path)
        effect = self.effect(body, path)
        if self.kind is PolicyKind.RCP:
            self.check_rcp(body, effect, path)
        return Statement(
            path=path,
            sid=self.sid(body, path),
            effect=effect,
            action=self.element(body, "Action", path),
            resource=self.element(body, "Resource", path, variables=variables),
            principal=self.principal(body, effect, path),
            conditions=tuple(self.conditions(body.get("Condition", {}), f"{path}.Condition", variables=variables)),
        )

    def effect(self, body: Mapping[str, object], path: str) -> Effect:
        try:
            return Effect(body.get("Effect"))
        except ValueError:
            what = f"`{body.get('Effect')}` is no effect; write Allow or Deny, case matters"
            raise self.refusal(what, f"{path}.Effect", "PG-5") from None

    def sid(self, body: Mapping[str, object], path: str) -> str | None:
        if "Sid" not in body:
            return None
        sid = body["Sid"]
        if not isinstance(sid, str):
            raise self.refusal("a Sid is a string", f"{path}.Sid", "PG-9")
        if sid and self.grammar.plain_sid and not _PLAIN_SID.fullmatch(sid):
            raise self.refusal(f"the Sid `{sid}` may hold letters and digits only", f"{path}.Sid", "PG-9")
        return sid

    def element(self, body: Mapping[str, object], name: str, path: str, *, variables: bool = False) -> Element | None:
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
            return _actions(texts, negated=member != name)
        return _resources(texts, variables=variables, negated=member != name)

    def strings(self, value: object, path: str) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(text, str) and text for text in listed):
            raise self.refusal("write a string, or a list of strings with at least one", path, "PG-2")
        return tuple(listed)

    def check_actions(self, texts: tuple[str, ...], path: str) -> None:
        for text in texts:
            if text != "*" and not _ACTION.fullmatch(text):
                raise self.refusal(f"`{text}` is no action; write it as service:Name", path, "PG-10")

    def principal(self, body: Mapping[str, object], effect: Effect, path: str) -> PrincipalElement | None:
        given = [member for member in ("Principal", "NotPrincipal") if member in body]
        if not self.grammar.principal:
            if given:
                rule = "PG-3" if given[0] == "Principal" else "PG-46"
                raise self.refusal("this kind of policy names no principals", f"{path}.{given[0]}", rule)
            return None
        if len(given) != 1:
            rule = "PG-4" if self.kind is PolicyKind.KEY_POLICY else "PG-3"
            raise self.refusal("a statement names its Principal, once", path, rule)
        member = given[0]
        if member == "NotPrincipal" and effect is Effect.ALLOW and not self.lenient:
            raise self.refusal("NotPrincipal goes with Deny only", f"{path}.NotPrincipal", "PG-46")
        try:
            return _principals(parse_principals(body[member]), negated=member == "NotPrincipal")
        except InvalidPrincipalError as invalid:
            code = "InvalidArnException" if invalid.group and self.kind is PolicyKind.KEY_POLICY else None
            raise self.refusal(str(invalid), f"{path}.{member}", invalid.rule, code) from None

    def conditions(self, block: object, path: str, *, variables: bool) -> Iterator[Condition]:
        if not isinstance(block, Mapping):
            raise self.refusal("a Condition is an object of operators", path, "CO-1")
        for operator, lines in block.items():
            if not isinstance(lines, Mapping):
                raise self.refusal("an operator holds an object of condition keys", f"{path}.{operator}", "CO-1")
            if not lines:
                self.condition(operator, "", (), f"{path}.{operator}", variables=False)  # it must exist all the same
            for key, values in lines.items():
                where = f"{path}.{operator}.{key}"
                yield self.condition(operator, key, self.condition_values(values, where), where, variables=variables)

    def condition(self, operator: str, key: str, values: tuple[str, ...], path: str, *, variables: bool) -> Condition:
        try:
            condition = parse_condition(operator, key, values, variables=variables)
        except ValueError:
            rule = "CO-5" if operator == "NullIfExists" else "CO-48"
            raise self.refusal(f"`{operator}` is no condition operator", path, rule) from None
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

    def check_rcp(self, body: Mapping[str, object], effect: Effect, path: str) -> None:
        """OR-4: what customers may write into an RCP. PG-27: shortened ARNs are not filled up there."""
        if effect is Effect.ALLOW:
            raise self.refusal("an RCP may only deny", f"{path}.Effect", "OR-4")
        for member in ("NotPrincipal", "NotAction"):
            if member in body:
                raise self.refusal(f"an RCP knows no {member}", f"{path}.{member}", "OR-4")
        if body.get("Principal") != "*":
            where = f"{path}.Principal" if "Principal" in body else path
            raise self.refusal('the principal of an RCP is "*"', where, "OR-4")
        for text in _listed(body.get("Action", [])):
            if isinstance(text, str) and set(text.partition(":")[0]) <= {"*", "?"}:
                raise self.refusal("an RCP names a service in its actions", f"{path}.Action", "OR-4")
        for member in ("Resource", "NotResource"):
            for text in _listed(body.get(member, [])):
                if isinstance(text, str) and text and not _RCP_RESOURCE.fullmatch(text):
                    raise self.refusal("an RCP writes ARNs in full", f"{path}.{member}", "PG-27")


def _listed(value: object) -> list[object]:
    """A single value stands for a list of one (PG-2)."""
    return value if isinstance(value, list) else [value]


# Elements that read alike are one: whole organizations write the same, and what one was asked it remembers for all.


@lru_cache(maxsize=_MOST_KEPT)
def _actions(texts: tuple[str, ...], *, negated: bool) -> Element:
    """PG-10: case does not matter; CO-40: there are no variables."""
    return Element(texts, tuple(parse_template(text.lower(), variables=False) for text in texts), negated)


@lru_cache(maxsize=_MOST_KEPT)
def _resources(texts: tuple[str, ...], *, variables: bool, negated: bool) -> Element:
    return Element(texts, tuple(parse_resource(text, variables=variables) for text in texts), negated)


@lru_cache(maxsize=_MOST_KEPT)
def _principals(entries: tuple[PrincipalEntry, ...], *, negated: bool) -> PrincipalElement:
    return PrincipalElement(entries, negated)
