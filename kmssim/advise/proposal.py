"""What advice is made of: edits, proposals with their proof and side effects, and why there is none. Frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kmssim.advise.lens import Path
from kmssim.evaluator.caller import Caller
from kmssim.evaluator.decision import Decision, PermissionTrace
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.world import Grant, Key, World

Document = Mapping[str, object]


class Kind(Enum):
    """What a change is, from the one that is proposed first to the one that is only named."""

    CORRECTED_CALL = "corrected_call"
    REVOKED_GRANT = "revoked_grant"
    GRANT = "grant"
    CONDITION = "condition"
    NARROWED_ALLOW = "narrowed_allow"
    REMOVED_ALLOW = "removed_allow"
    KEY_POLICY = "key_policy"
    IDENTITY = "identity"
    RESOURCE_POLICY = "resource_policy"
    SESSION = "session"
    BOUNDARY = "boundary"
    VPC_ENDPOINT = "vpc_endpoint"
    EXPLICIT_DENY = "explicit_deny"
    KEY_STATE = "key_state"
    GROUP = "group"
    DELEGATION = "delegation"
    SCP = "scp"
    RCP = "rcp"
    NARROWED_DENY = "narrowed_deny"
    REMOVED_DENY = "removed_deny"


RANKS: Mapping[Kind, int] = {kind: rank for rank, kind in enumerate(Kind)}

ADMINISTRATORS = frozenset({PolicyKind.SCP, PolicyKind.RCP})
"""Policies that only the organization's administrator can change."""

DENIES = frozenset({Kind.NARROWED_DENY, Kind.REMOVED_DENY})
"""Changes to a Deny: somebody meant it, so they are named and not proposed lightly."""


@dataclass(frozen=True, eq=False)
class Matter:
    """What is to be opened or closed: one permission that a call needs, and whose call it is."""

    world: World
    call: Call
    permission: PermissionTrace
    caller: Caller

    @property
    def key(self) -> Key | None:
        """The key that the permission is about; None: it is about none that is there."""
        return self.world.keys_by_arn.get(self.permission.key or "")


@dataclass(frozen=True)
class Home:
    """Where a policy stands, or would stand. `path` leads to it in the world, or in the call with `in_call`.

    `where` is its JSON path in the scenario file, `owner` who has it in words. `declares`: the role or user that the
    world does not declare yet. `name`: of an IAM policy. `managed`: AWS's own, which nobody edits.
    """

    kind: PolicyKind
    path: Path
    where: str
    owner: str
    in_call: bool = False
    declares: Principal | None = None
    name: str = ""
    managed: bool = False


@dataclass(frozen=True)
class Add:
    """A new statement, in the policy that stands at `home` or in a new one."""

    kind: Kind
    home: Home
    statement: Document


@dataclass(frozen=True)
class Change:
    """A statement as it is and as it would be. `what` says the difference in a few words."""

    kind: Kind
    home: Home
    before: Document
    after: Document
    what: str = ""


@dataclass(frozen=True)
class Remove:
    """A statement less."""

    kind: Kind
    home: Home
    before: Document


@dataclass(frozen=True)
class Give:
    """A new grant on the key with this ARN; `instead_of`: the grant that it takes the place of."""

    kind: Kind
    key: str
    grant: Grant
    instead_of: Grant | None = None


@dataclass(frozen=True)
class Revoke:
    """A grant less."""

    kind: Kind
    key: str
    grant: Grant


@dataclass(frozen=True)
class SetState:
    """A key's state as `operation` leaves it; it works on a key in the state `before` only."""

    kind: Kind
    key: str
    operation: str
    before: str
    state: str


@dataclass(frozen=True)
class CallAgain:
    """The call with other members, each by its path in the call; GONE takes a parameter away."""

    kind: Kind
    members: tuple[tuple[Path, object], ...]


Edit = Add | Change | Remove | Give | Revoke | SetState | CallAgain


@dataclass(frozen=True)
class SideEffect:
    """An answer on the key that changes as well. `encryption_context`: as sorted pairs, None: without one."""

    principal: str
    action: str
    key: str
    encryption_context: tuple[tuple[str, str], ...] | None
    allowed: bool
    """as it would be; before it was the opposite"""


@dataclass(frozen=True)
class Proposal:
    """A change that was proven: applied to a copy and decided again by the authority.

    `world` and `call` are what the edits make of the world and the call that were asked about; `before` and `after`
    the decisions.
    """

    edits: tuple[Edit, ...]
    world: World
    call: Call
    before: Decision
    after: Decision
    side_effects: tuple[SideEffect, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind that ranks it: the last in order of its edits'."""
        return max((edit.kind for edit in self.edits), key=RANKS.__getitem__)

    @property
    def opens_more(self) -> bool:
        """Whether more is allowed, or in closing denied, than was asked."""
        return bool(self.side_effects)

    @property
    def needs_administrator(self) -> bool:
        """Whether the organization's administrator has to make a part of it."""
        return any(isinstance(edit, Add | Change | Remove) and edit.home.kind in ADMINISTRATORS for edit in self.edits)

    @property
    def reaches_elsewhere(self) -> bool:
        """Whether a statement is changed that may decide on other keys as well."""
        changed = [edit for edit in self.edits if isinstance(edit, Change | Remove)]
        return any(edit.home.kind is not PolicyKind.KEY_POLICY for edit in changed)

    @property
    def touches_deny(self) -> bool:
        """Whether a Deny is narrowed or removed."""
        return any(edit.kind in DENIES for edit in self.edits)


class NoFix(Enum):
    """Why there is nothing to propose, or nothing that the account itself can do."""

    ALREADY = "already"
    NOT_ACROSS_ACCOUNTS = "not_across_accounts"
    INVALID_PARAMETER = "invalid_parameter"
    NOTHING_THERE = "nothing_there"
    AWS_MANAGED_KEY = "aws_managed_key"
    FAILS_OTHERWISE = "fails_otherwise"
    ADMINISTRATOR_ONLY = "administrator_only"
    FIXED_PERMISSIONS = "fixed_permissions"
    NONE_FOUND = "none_found"


@dataclass(frozen=True)
class Advice:
    """The proposals for one request, best first; `reason` says why there are none, or none below an administrator.

    `wish`: `allow` or `deny`. `left_out`: how many more proposals were proven.
    """

    request: str
    wish: str
    before: Decision
    proposals: tuple[Proposal, ...] = ()
    reason: NoFix | None = None
    left_out: int = 0
    detail: str = field(default="", compare=False)

    @property
    def is_helpful(self) -> bool:
        """Whether the wanted answer is there already, or can be had."""
        return bool(self.proposals) or self.reason is NoFix.ALREADY
