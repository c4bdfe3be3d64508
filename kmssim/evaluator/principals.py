"""The `Principal` element: the forms that it can take, and which of them a kind of policy refuses (PG-30 to PG-41)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from kmssim.evaluator.unlocked import cached_property


class PrincipalForm(Enum):
    """How a policy names somebody."""

    __hash__ = object.__hash__  # looked up often; each member exists once

    ANYONE = "anyone"
    ACCOUNT = "account"
    USER = "user"
    ROLE = "role"
    ROLE_SESSION = "role session"
    FEDERATED_USER = "federated user"
    SERVICE = "service"
    PROVIDER = "identity provider"
    UNIQUE_ID = "unique id"


class PrincipalName(NamedTuple):
    """A name that a caller may have; `partition` is stated for accounts that are written as an ARN (PG-48)."""

    form: PrincipalForm
    text: str
    partition: str | None = None


@dataclass(frozen=True)
class PrincipalEntry:
    """One principal. `text` is the account id, ARN, host name or unique id that it is compared by."""

    form: PrincipalForm
    text: str
    written: str

    @property
    def partition(self) -> str | None:
        """The partition of a principal written as an ARN (PG-48)."""
        return self.written.split(":")[1] if self.written.startswith("arn:") else None

    @cached_property
    def name(self) -> PrincipalName:
        """What it is compared by: whoever has this name is meant."""
        return PrincipalName(self.form, self.text, self.partition if self.form is PrincipalForm.ACCOUNT else None)


class InvalidPrincipalError(ValueError):
    """A principal that AWS refuses; `rule` says why, `group` that it is an IAM group (PG-39)."""

    def __init__(self, message: str, rule: str, *, group: bool = False) -> None:
        """Keep the rule for the caller, who knows the path and the kind of policy."""
        super().__init__(message)
        self.rule = rule
        self.group = group


_ACCOUNT = re.compile(r"[0-9]{12}")
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,124}")
_NAME = r"(?:[!-~]+/)?(?:aws:)?[A-Za-z0-9_+=,.@-]+"
"""The path and name of a user or role: paths hold printable ASCII, names less (CO-40: no variables)."""
_ARN = re.compile(
    r"^arn:aws(?:-[a-z]+)*:(?:iam::(?P<account>[0-9]{12}):(?:(?P<root>root)|"
    rf"(?P<user>user/{_NAME})|(?P<role>role/{_NAME})|(?P<group>group/.+))"
    r"|sts::[0-9]{12}:(?:(?P<session>assumed-role/[\w+=,.@:-]+/[\w+=,.@-]+)|(?P<federated>federated-user/[\w+=,.@-]+)))$",
    re.ASCII,
)
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_BY_TYPE = {"Service": PrincipalForm.SERVICE, "Federated": PrincipalForm.PROVIDER}


def parse_principals(element: object) -> tuple[PrincipalEntry, ...]:
    """Read a `Principal` or `NotPrincipal` element.

    Raises:
        InvalidPrincipalError: a form that no resource policy of KMS takes.

    """
    if element == "*":
        return (PrincipalEntry(PrincipalForm.ANYONE, "*", "*"),)
    if not isinstance(element, Mapping) or not element:
        message = 'a principal is `"*"` or an object such as `{"AWS": …}` with at least one entry'
        raise InvalidPrincipalError(message, "PG-4")
    entries = tuple(_parse_entry(kind, text) for kind, text in _typed_texts(element))
    if not entries:
        message = "a statement names at least one principal"
        raise InvalidPrincipalError(message, "PG-4")
    return entries


def _typed_texts(element: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for kind, texts in element.items():
        for text in texts if isinstance(texts, list | tuple) else [texts]:
            if not isinstance(text, str):
                message = f"a principal is a string, not {text!r}"
                raise InvalidPrincipalError(message, "PG-2")
            yield kind, text


@lru_cache(maxsize=16384)
def _parse_entry(kind: str, text: str) -> PrincipalEntry:
    if kind == "AWS":
        return _parse_aws(text)
    if kind not in _BY_TYPE:
        message = f"`{kind}` is no kind of principal here; use AWS, Service or Federated"
        raise InvalidPrincipalError(message, "PG-37" if kind == "CanonicalUser" else "PG-7")
    if not text or "*" in text or "?" in text:
        message = f"`{text}` is no complete {kind.lower()} principal"
        raise InvalidPrincipalError(message, "PG-41")
    if kind == "Service" and not _HOST.fullmatch(text):
        message = f"`{text}` is no service; write its host, such as logs.us-east-1.amazonaws.com"
        raise InvalidPrincipalError(message, "EM-30")
    return PrincipalEntry(_BY_TYPE[kind], text, text)


def _parse_aws(text: str) -> PrincipalEntry:
    if text == "*":
        return PrincipalEntry(PrincipalForm.ANYONE, "*", "*")
    if "${" in text:
        message = f"`{text}` has a variable; principals take none"
        raise InvalidPrincipalError(message, "CO-40")
    if "*" in text or "?" in text:
        message = f"`{text}` has a wildcard; write the ARN out, or use `*` with a condition on aws:PrincipalArn"
        raise InvalidPrincipalError(message, "PG-41")
    if _ACCOUNT.fullmatch(text):
        return PrincipalEntry(PrincipalForm.ACCOUNT, text, text)
    if _UNIQUE_ID.fullmatch(text):
        return PrincipalEntry(PrincipalForm.UNIQUE_ID, text, text)
    found = _ARN.fullmatch(text)
    if found is None:
        message = f"`{text}` is neither an account nor the ARN of a user, role or session"
        raise InvalidPrincipalError(message, "EM-30")
    if found["group"]:
        message = f"`{text}` is a group, and groups are no principals"
        raise InvalidPrincipalError(message, "PG-39", group=True)
    return _entry_of_arn(text, found)


def _entry_of_arn(text: str, found: re.Match[str]) -> PrincipalEntry:
    if found["root"]:
        return PrincipalEntry(PrincipalForm.ACCOUNT, found["account"], text)
    forms = {
        "user": PrincipalForm.USER,
        "role": PrincipalForm.ROLE,
        "session": PrincipalForm.ROLE_SESSION,
        "federated": PrincipalForm.FEDERATED_USER,
    }
    return PrincipalEntry(next(form for part, form in forms.items() if found[part]), text, text)
