"""What a decision is made of: verdicts, facts, the ruling, and the trace. Frozen data; rendering is elsewhere.

`Facts` is finite on purpose: the combining rule looks at nothing else, so it can be checked on every input there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from kmssim.evaluator.conditions import Ambiguous, Context, Doubtful
from kmssim.evaluator.request import Call
from kmssim.evaluator.unlocked import cached_property


class Word(Enum):
    """An enumeration whose members are looked up often: each exists once, so its identity is its hash."""

    __hash__ = object.__hash__


class Verdict(Word):
    """What one layer says about one request."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"
    NOT_APPLICABLE = "not_applicable"


class Layer(Word):
    """The eight layers, in the order in which AWS documents them (DA-2)."""

    RCP = "rcp"
    SCP = "scp"
    VPC_ENDPOINT = "vpc_endpoint"
    KEY_POLICY = "key_policy"
    GRANT = "grant"
    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"


LAYERS = tuple(Layer)


class Limits(Word):
    """Which filters on the caller's side limit a path when they are silent (DA-20 to DA-27). From open to closed."""

    NOTHING = "nothing"
    SESSION = "session"
    BOUNDARY_AND_SESSION = "boundary_and_session"


class Source(Word):
    """What can allow a request at all."""

    KEY = "key"
    """a key takes part: its policy, its grants, and what they hand over to IAM (KP-1)"""
    IDENTITY = "identity"
    """no key takes part: IAM policies alone (DA-38, DA-39)"""
    GRANT = "grant"
    """RetireGrant: the grant itself (GR-60, GR-61)"""


@dataclass(frozen=True)
class Facts:
    """Everything that the combining rule knows about one request.

    `direct`: the key policy names the caller, and which limits that leaves; None: it does not. `delegated`: it hands
    the account over to IAM. `granted`: a grant helps, and under which limits; None: none does. `granted_to_account`:
    the only grant that helps names the whole account, so IAM must allow too (GR-22); also where the issuing account's
    IAM delegates RetireGrant (GR-60).
    """

    verdicts: Mapping[Layer, Verdict]
    source: Source
    same_account: bool
    direct: Limits | None = None
    delegated: bool = False
    granted: Limits | None = None
    granted_to_account: bool = False

    def __hash__(self) -> int:
        """Facts are what rulings are kept by; a mapping has no hash of its own."""
        verdicts = tuple([self.verdicts[layer] for layer in LAYERS])
        return hash((verdicts, self.source, self.same_account, self.direct, self.granted, self.delegated))


class Reason(Word):
    """Why a ruling is what it is."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit_deny"
    GUARDRAIL_SILENT = "guardrail_silent"
    """a path is open, but a guardrail that applies does not allow"""
    PATHS_BLOCKED = "paths_blocked"
    """there are paths, and each is blocked by a layer that it needs"""
    NO_PATH = "no_path"
    """nothing leads from the caller to the key"""


class PathKind(Word):
    """The ways from a caller to an allow; see `combine`."""

    IAM = "iam"
    GRANT = "grant"
    DIRECT = "direct"
    DELEGATION = "delegation"
    ACROSS = "across"


@dataclass(frozen=True)
class Ruling:
    """The combining rule's answer.

    `layers`: those that decided. `paths`: those that are open; where all are blocked, all of them; after an explicit
    deny none, since none was looked for.
    """

    reason: Reason
    layers: frozenset[Layer]
    paths: tuple[PathKind, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed."""
        return self.reason is Reason.ALLOWED

    @property
    def explicit(self) -> bool:
        """Whether it is denied explicitly."""
        return self.reason is Reason.EXPLICIT_DENY


@dataclass(frozen=True)
class RuledBy:
    """Who joined the layers: `rego`, `python` or `opa`; the engine that ran the policy, and the policy's SHA-256."""

    authority: str
    engine: str = ""
    policy_digest: str | None = None


@dataclass(frozen=True)
class Authority:
    """A decision authority: what joins the layers' verdicts into a ruling, and as whom it is shown.

    `rule` either rules or raises an AuthorityError; nothing downstream can change its answer.
    """

    shown: RuledBy
    rule: Callable[[Facts], Ruling]


class Mismatch(NamedTuple):
    """Why a statement does not apply: the first element that does not match, what it wants and what it found."""

    element: str
    wanted: str
    found: str
    rule: str


class StatementTrace(NamedTuple):
    """One statement against one request; a tuple, since a decision makes one for each statement that it looks at.

    `mismatch` None: it applies.

    `policy` says where the policy stands (a JSON path in its file), `path` the statement inside it. `role` is what a
    key policy's Allow makes of a caller whom it means, `direct` or `delegation`; `rule`, once it applies, says why.
    """

    policy: str
    path: str
    sid: str | None
    effect: str
    mismatch: Mismatch | None
    condition_keys: tuple[str, ...] = ()
    role: str | None = None
    rule: str | None = None

    @property
    def applies(self) -> bool:
        """Whether the statement matched."""
        return self.mismatch is None


@dataclass(frozen=True)
class GrantTrace:
    """One grant against one request; `constrained`: it binds the encryption context (GR-10)."""

    grant: str
    name: str | None
    grantee: str
    mismatch: Mismatch | None
    constrained: bool = False


class LayerTrace(NamedTuple):
    """One layer's verdict with its evidence; `reason` is a code that a renderer turns into words.

    `trust`, of a key policy that allows: what each matching Allow makes of the caller (see `StatementTrace.role`), and
    by which rule. It is known without evidence as well, when statements and grants are not written down.
    A tuple, like `StatementTrace`.
    """

    layer: Layer
    verdict: Verdict
    reason: str
    statements: tuple[StatementTrace, ...] = ()
    grants: tuple[GrantTrace, ...] = ()
    rules: tuple[str, ...] = ()
    trust: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Evidence:
    """What each layer looked at, in their order, and the condition keys as they were derived."""

    layers: tuple[LayerTrace, ...]
    derived: Context

    @cached_property
    def context(self) -> Mapping[str, str | tuple[str, ...]]:
        """The condition keys as people read them: by the default reading, ambiguous names with all their values."""
        read = {key: value.default if isinstance(value, Doubtful) else value for key, value in self.derived.items()}
        return {
            key: value.values if isinstance(value, Ambiguous) else value
            for key, value in read.items()
            if value is not None
        }


@dataclass(frozen=True)
class PermissionTrace:
    """One permission that the call needs: the request, the facts and the ruling over them, and each layer's evidence.

    Evidence is gathered when somebody looks: most decisions are only counted. It is a function of what was decided, so
    two traces that are equal in all else have the same.
    """

    action: str
    resource: str
    key: str | None
    facts: Facts
    ruling: Ruling
    gather: Callable[[], Evidence] = field(compare=False, repr=False)

    @cached_property
    def evidence(self) -> Evidence:
        """The statements and grants of every layer, and the condition keys."""
        return self.gather()

    @property
    def layers(self) -> tuple[LayerTrace, ...]:
        """Each layer's verdict with its evidence."""
        return self.evidence.layers

    @property
    def context(self) -> Mapping[str, str | tuple[str, ...]]:
        """The condition keys, by the default reading of the open questions."""
        return self.evidence.context

    def layer(self, layer: Layer) -> LayerTrace:
        """The trace of one layer."""
        return next(trace for trace in self.layers if trace.layer is layer)


@dataclass(frozen=True)
class Failure:
    """The error that the caller sees: AWS's code, AWS's sentence, the HTTP status, and the rule behind it."""

    code: str
    message: str
    rule: str
    status: int = 400


@dataclass(frozen=True)
class Decision:
    """The answer to one call.

    `layers` are those that decided, as `expect.layers` has them; `uncertain` the open questions on which the answer
    rests; `failure` what the caller sees instead of an answer, None when the call succeeds.
    """

    call: Call
    allowed: bool
    explicit: bool
    layers: frozenset[Layer]
    failure: Failure | None
    permissions: tuple[PermissionTrace, ...]
    uncertain: tuple[str, ...] = ()
    ruled_by: RuledBy = RuledBy("python")

    @property
    def authority(self) -> str:
        """Who joined the layers: `rego`, `python` or `opa`."""
        return self.ruled_by.authority

    @property
    def word(self) -> str:
        """`ALLOW` or `DENY`."""
        return "ALLOW" if self.allowed else "DENY"

    @property
    def kind(self) -> str | None:
        """`explicit`, `implicit`, or None when allowed."""
        if self.allowed:
            return None
        return "explicit" if self.explicit else "implicit"

    def __bool__(self) -> bool:
        """Refuse: `if decision:` would be true for a denial as well."""
        message = "a Decision has no truth value; write `decision.allowed`"
        raise TypeError(message)
