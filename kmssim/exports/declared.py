"""What a template or a plan declares before AWS has made it: identities and keys, with the ids and ARNs they will have.

Both sources say the same things in other words. Here each is put together: policies are attached to identities from
several sides, and a key's id, which nobody knows yet, is made up, the same each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from kmssim.evaluator.policy import PolicyKind, default_key_policy
from kmssim.evaluator.request import Arn, partition_of
from kmssim.exports.draft import Document, Draft, KeyDraft
from kmssim.exports.identities import ManagedPolicies
from kmssim.exports.notes import Spot
from kmssim.exports.parts import Part

DEFAULT_ACCOUNT = "123456789012"
"""Where nobody says whose account it is: moto's own."""


@dataclass
class Identity:
    """A user, group or role in the making; `kind` is `users`, `groups` or `roles`."""

    kind: str
    name: str
    spot: Spot
    path: str = "/"
    document: Document = field(default_factory=dict)
    policies: dict[str, object] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    unknown_limit: bool = False


@dataclass
class Declared:
    """One account and Region of one source."""

    draft: Draft
    account: str
    region: str
    managed: ManagedPolicies = field(default_factory=ManagedPolicies)
    identities: dict[tuple[str, str], Identity] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """The partition that the Region lies in."""
        return partition_of(self.region)

    def iam_arn(self, resource: str) -> str:
        """The ARN of something of IAM's."""
        return str(Arn(self.partition, "iam", "", self.account, resource))

    def key_arn(self, label: str, *, related: bool, region: str = "") -> Arn:
        """The ARN of a new key, with the id that a scenario would give to a key of that label."""
        place = region or self.region
        return Arn(
            self.partition,
            "kms",
            place,
            self.account,
            f"key/{made_key_id(self.account, place, label, related=related)}",
        )

    def add_identity(self, identity: Identity) -> None:
        """Take up an identity; what attaches to it goes by its name."""
        if (identity.kind, identity.name) in self.identities:
            raise identity.spot.refusal(f"another of the {identity.kind} is named `{identity.name}`: the first counts")
        self.identities[identity.kind, identity.name] = identity

    def attach(self, kind: str, name: str, policy_name: str, policy: Part) -> None:
        """Attach a policy that stands at its place.

        Raises:
            InputError: no such identity, or a policy that AWS would refuse.

        """
        self._attach(kind, name, policy_name, policy.policy(PolicyKind.IDENTITY), policy.spot)

    def attach_managed(self, kind: str, name: str, arn: str, spot: Spot) -> None:
        """Attach a managed policy by its ARN.

        Raises:
            InputError: as `attach`; or nobody knows the policy.

        """
        self._attach(kind, name, arn.rpartition("/")[2], self.managed.find(arn, PolicyKind.IDENTITY, spot), spot)

    def _attach(self, kind: str, name: str, policy_name: str, document: object, spot: Spot) -> None:
        identity = self.identities.get((kind, name))
        if identity is None:
            raise spot.refusal(f"the policy is attached to `{name}`, and nothing here declares that")
        names = (policy_name, *(f"{policy_name}-{number}" for number in range(2, 1000)))
        free = next(each for each in names if identity.policies.get(each, document) == document)
        identity.policies[free], identity.spots[free] = document, spot

    def bound(self, identity: Identity, arn: str, spot: Spot) -> None:
        """Set the permissions boundary; an identity whose boundary nobody knows is left out, and listed."""
        identity.unknown_limit = True
        identity.document["boundary"] = self.managed.find(arn, PolicyKind.BOUNDARY, spot)
        identity.unknown_limit = False

    def join(self, user: str, groups: Iterable[str], spot: Spot) -> None:
        """Put a user into groups."""
        identity = self.identities.get(("users", user))
        if identity is None:
            raise spot.refusal(f"the user `{user}` is not declared here")
        identity.groups += [group for group in groups if group not in identity.groups]

    def default_key_policy(self) -> Document:
        """The policy of a key for which none is stated (KP-6)."""
        return dict(default_key_policy(self.account, self.partition).document)

    def add_key(self, arn: Arn, label: str, spot: Spot, policy: Document | None) -> KeyDraft:
        """A key; `policy` None: it has one that nobody knows.

        Raises:
            InputError: another file has described the key.

        """
        key = self.draft.key(arn, spot)
        if key.described:
            raise spot.refusal(f"the key {arn} stands in another file, which counts")
        key.described, key.own_label = True, label
        key.policy = policy
        return key

    def find_key(self, reference: str, spot: Spot) -> KeyDraft:
        """A key by its id or ARN.

        Raises:
            InputError: no such key.

        """
        arn = (
            reference
            if reference.startswith("arn:")
            else str(Arn(self.partition, "kms", self.region, self.account, f"key/{reference}"))
        )
        found = self.draft.keys.get(arn)
        if found is None:
            raise spot.refusal(f"no key `{reference}` is declared in these files")
        return found

    def finish(self) -> None:
        """Hand the identities over."""
        for identity in self.identities.values():
            if identity.unknown_limit:
                self.draft.notes.add(identity.spot, f"`{identity.name}` is left out: its boundary is not known")
                continue
            document: Document = {"path": identity.path} if identity.path != "/" else {}
            document |= identity.document
            document |= {"policies": identity.policies} if identity.policies else {}
            document |= {"groups": identity.groups} if identity.groups else {}
            self.draft.add_identity(self.account, identity.kind, identity.name, document, identity.spot)
            here = ("accounts", self.account, identity.kind, identity.name, "policies")
            self.draft.spots |= {(*here, policy): spot for policy, spot in identity.spots.items()}


def made_key_id(account: str, region: str, label: str, *, related: bool) -> str:
    """The id that a scenario gives to a key which states none."""
    made = uuid.uuid5(uuid.NAMESPACE_URL, f"arn:aws:kms:{region}:{account}:{label}")
    return f"mrk-{made.hex}" if related else str(made)
