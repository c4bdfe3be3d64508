"""What moto forgets, kept beside it, one record for each runtime.

moto is the source of truth for all that it can hold. Measured on moto 5.2.5, it cannot hold the following, so a world
that is read back takes these from here:

    keys       specs that it does not know; states other than Enabled, Disabled and PendingDeletion; which key of a
               multi-Region pair is the replica; who manages a key; a policy added by a resource share; the name for
               people
    grants     the issuing account, when it was made, service principals, "pending" (`stored_grants`)
    users      the permissions boundary, and in which order the groups were joined
    networks   VPC endpoints by a chosen id
    secrets    that one names the AWS managed key outright, which AWS does not show either
    accounts   policies written for an account that stands in no organization, and an organization without
               management account

Organizations are not in the list: with chosen ids moto holds the units, the accounts and the attached policies itself.
Whatever changes one of these in a running sandbox has to change the record too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kmssim.evaluator.policy import Policy
from kmssim.evaluator.world import VpcEndpoint

Notes = TypeVar("Notes")

Clients = Callable[[str, str, str], Any]
"""`(service, account, region)` → a boto3 client that speaks to the runtime for that account."""


@dataclass(frozen=True)
class KeyNote:
    """What moto forgets about one key; None: what moto says stands."""

    label: str = ""
    spec: str | None = None
    state: str | None = None
    replica: bool = False
    aws_managed: bool = False
    ram_policy: Policy | None = None


@dataclass(frozen=True)
class LoosePolicies:
    """The SCPs and RCPs of an account outside every organization: they bind nobody, and still belong to the world."""

    scps: tuple[Policy, ...] = ()
    rcps: tuple[Policy, ...] = ()


@dataclass
class Memory:
    """The notes of one runtime. Keys by ARN in the declared order.

    `user_boundaries`, by account and user name, are ARNs of managed policies, so that a new version of one counts at
    once. `named_default_keys`, by account and secret name, is the text in which a secret names the AWS managed key.
    `organization_account` is the account through which the organization was made; `stand_in_management`: the world
    names none.
    """

    keys: dict[str, KeyNote] = field(default_factory=dict)
    user_boundaries: dict[tuple[str, str], str] = field(default_factory=dict)
    group_order: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    vpc_endpoints: dict[str, VpcEndpoint] = field(default_factory=dict)
    loose_policies: dict[str, LoosePolicies] = field(default_factory=dict)
    named_default_keys: dict[tuple[str, str], str] = field(default_factory=dict)
    organization_account: str | None = None
    stand_in_management: bool = False
    _notes: dict[type, Any] = field(default_factory=dict)

    def notes(self, kind: type[Notes]) -> Notes:
        """The notes of a module that keeps its own, made empty at the first question."""
        if kind not in self._notes:
            self._notes[kind] = kind()
        found: Notes = self._notes[kind]
        return found
