"""Who calls, and what was called: `Principal`, `Call`, and the `Request`s that a call turns into.

A `Call` is the operation as the caller made it. A `Request` is one question to the policies: may this principal do this
action on this resource, in this context? One call may need several (TP-1 to TP-5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from kmssim.evaluator.policy import Policy
from kmssim.evaluator.unlocked import cached_property

ContextValue = str | tuple[str, ...]
"""A condition key's value: a string for single-valued keys, a tuple for multivalued ones (CO-7 to CO-11)."""


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Arn(NamedTuple):
    """`arn:partition:service:region:account:resource`; the resource part keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        """Write the ARN as AWS does."""
        return ":".join(("arn", *self))


def parse_arn(text: str) -> Arn | None:
    """Read an ARN; None when the text is none."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - an ARN has six parts
        return None
    return Arn(*parts[1:])


def partition_of(region: str) -> str:
    """The partition that a Region lies in (PG-48)."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


class PrincipalKind(Enum):
    """The kinds of caller; the values are those of `aws:PrincipalType`, with our word for a service."""

    __hash__ = object.__hash__  # looked up often; each member exists once

    USER = "User"
    ROLE_SESSION = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    ROOT = "Account"
    SERVICE = "Service"


@dataclass(frozen=True)
class Session:
    """What was passed when temporary credentials were made; empty for long-term credentials.

    `temporary`: those of a GetSessionToken to which nothing was passed. Of every other session the rest of it tells.
    """

    policies: tuple[Policy, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    mfa: bool = False
    source_identity: str | None = None
    federated_by: str | None = None
    temporary: bool = False


@dataclass(frozen=True)
class Principal:
    """A caller. `name` is the user's, role's or federated user's name without path; "" for an account root.

    `arn` is what `sts:GetCallerIdentity` shows: for a role the session's ARN, which carries no path (PG-33).
    A service that calls for itself has its host name in `name` and no account (DA-35).
    """

    kind: PrincipalKind
    arn: str
    account: str
    name: str
    session_name: str = ""
    session: Session = field(default_factory=Session)
    source_arn: str | None = None
    source_account: str | None = None

    def __hash__(self) -> int:
        """Principals are what is known of a caller kept by; session tags have no hash of their own."""
        return hash((self.arn, self.source_arn))


@dataclass(frozen=True)
class Network:
    """Where a call comes from. With `vpc_endpoint` (an id) there is no `aws:SourceIp` (CK-69, CK-70)."""

    source_ip: str | None = None
    vpc_endpoint: str | None = None
    secure_transport: bool = True


@dataclass(frozen=True)
class Ciphertext:
    """What a ciphertext was made with: the key's ARN, and the encryption context; None: "as the call names it"."""

    key: str
    encryption_context: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Call:
    """One API call as made. `operation` is `service:Operation`; `parameters` are boto3's, without bytes.

    `grant_tokens` are ids of grants whose tokens were passed; `via` is the service host through which the caller's own
    request arrives (SV-1); `context` holds condition keys stated outright, lower-cased, which win over derived ones.
    """

    principal: Principal
    operation: str
    region: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    ciphertext: Ciphertext | None = None
    grant_tokens: tuple[str, ...] = ()
    via: str | None = None
    network: Network = field(default_factory=Network)
    context: Mapping[str, ContextValue] = field(default_factory=dict)

    @cached_property
    def service(self) -> str:
        """The service part of the operation, e.g. `kms`."""
        return self.operation.partition(":")[0]

    @cached_property
    def name(self) -> str:
        """The operation without its service, e.g. `Decrypt`."""
        return self.operation.partition(":")[2]


def parse_principal(text: str, session: Session | None = None) -> Principal | None:
    """Read a caller's ARN; None when it is not one that can call.

    A role's ARN means a session of that role named `session`.
    """
    arn = parse_arn(text)
    if arn is None or arn.service not in {"iam", "sts"} or arn.region:
        return None
    kind, _, rest = arn.resource.partition("/")
    passed = session or Session()
    if arn.service == "iam" and arn.resource == "root":
        return Principal(PrincipalKind.ROOT, text, arn.account, "", session=passed)
    if arn.service == "iam" and kind == "user" and rest:
        return Principal(PrincipalKind.USER, text, arn.account, rest.rpartition("/")[2], session=passed)
    if arn.service == "iam" and kind == "role" and rest:
        return _role_session(arn, rest.rpartition("/")[2], "session", passed)
    if arn.service == "sts" and kind == "assumed-role" and rest.count("/") == 1:
        role, _, session_name = rest.partition("/")
        return _role_session(arn, role, session_name, passed)
    if arn.service == "sts" and kind == "federated-user" and rest:
        return Principal(PrincipalKind.FEDERATED_USER, text, arn.account, rest, session=passed)
    return None


def _role_session(arn: Arn, role: str, session_name: str, session: Session) -> Principal:
    shown = Arn(arn.partition, "sts", "", arn.account, f"assumed-role/{role}/{session_name}")
    return Principal(PrincipalKind.ROLE_SESSION, str(shown), arn.account, role, session_name, session)


def service_principal(host: str, source_arn: str | None = None, source_account: str | None = None) -> Principal:
    """An AWS service that calls for itself, for a resource of `source_account` (SV-2)."""
    return Principal(PrincipalKind.SERVICE, host, "", host, source_arn=source_arn, source_account=source_account)
