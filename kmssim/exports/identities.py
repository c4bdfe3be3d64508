"""Users, groups and roles: what `aws iam get-account-authorization-details` wrote, on any number of pages.

Attached policies are found among the managed policies of all files. Those of AWS itself stand in the same answer; where
they do not, the few that the project knows go by their name, and the others are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import parse_arn
from kmssim.exports.draft import Document, Draft
from kmssim.exports.notes import Spot
from kmssim.exports.parts import Part
from kmssim.exports.sources import ACCOUNT, Source
from kmssim.scenario_file.policies import MANAGED_POLICIES

_LISTS = {"UserDetailList": "users", "GroupDetailList": "groups", "RoleDetailList": "roles"}
_OF_AWS = "aws"


@dataclass
class ManagedPolicies:
    """The documents of managed policies by ARN, wherever they stand."""

    documents: dict[str, Part] = field(default_factory=dict)

    def learn(self, source: Part) -> None:
        """Take up the default version of each policy in the answer."""
        for policy in source.listed("Policies"):
            for version in policy.listed("PolicyVersionList"):
                if version.mapping().get("IsDefaultVersion"):
                    self.documents[policy["Arn"].text()] = version["Document"]

    def find(self, arn: str, kind: PolicyKind, asked: Spot) -> object:
        """The document, or the name of one of AWS's own that the project knows.

        Raises:
            InputError: neither, at the place that `asked`; or a document that AWS would refuse.

        """
        known = self.documents.get(arn)
        if known is not None:
            return known.policy(kind)
        parsed = parse_arn(arn)
        name = arn.rpartition("/")[2]
        if parsed is not None and parsed.account == _OF_AWS and kind in MANAGED_POLICIES.get(name, ()):
            return name
        whose = "AWS's managed policy" if parsed is not None and parsed.account == _OF_AWS else "the managed policy"
        what = f"{whose} `{arn}` counts as if it were not there: none of the files holds its document"
        raise asked.refusal(what, "iam get-account-authorization-details without a filter writes it")


def is_details(content: Mapping[str, object]) -> bool:
    """Whether this is an answer, or a page of one, of GetAccountAuthorizationDetails."""
    policies = content.get("Policies")
    with_versions = isinstance(policies, list) and any(
        isinstance(each, Mapping) and "PolicyVersionList" in each for each in policies
    )
    return with_versions or bool(_LISTS.keys() & content.keys())


def read_identities(source: Source, managed: ManagedPolicies, draft: Draft) -> None:
    """Add the users, groups and roles of one page; what cannot be read is listed.

    An account without any is known by its folder alone.
    """
    entries = [(kind, entry) for member, kind in _LISTS.items() for entry in source.part.listed(member)]
    account = source.named(ACCOUNT)
    if account is not None and not entries:
        draft.account(account)
    for kind, entry in entries:
        with draft.notes.noted():
            _read_identity(entry, kind, managed, draft)


def _read_identity(entry: Part, kind: str, managed: ManagedPolicies, draft: Draft) -> None:
    arn = entry["Arn"].arn()
    word = kind.removesuffix("s")
    name = entry[f"{word.capitalize()}Name"].text()
    path = "/" + arn.resource.partition("/")[2].removesuffix(name)
    spots: dict[str, Spot] = {}
    inline = entry.listed(f"{word.capitalize()}PolicyList")
    policies = _policies(inline, entry.listed("AttachedManagedPolicies"), managed, draft, spots)
    document: Document = {"path": path} if path != "/" else {}
    if kind == "roles":
        document["trust"] = entry["AssumeRolePolicyDocument"].policy(PolicyKind.TRUST)
    boundary = entry.get("PermissionsBoundary")
    if boundary is not None:
        bounded = boundary["PermissionsBoundaryArn"]
        document["boundary"] = managed.find(bounded.text(), PolicyKind.BOUNDARY, bounded.spot)
    tags = entry.get("Tags")
    groups = [group.text() for group in entry.listed("GroupList")]
    stated = {"policies": policies, "groups": groups, "tags": tags.tags() if tags else {}}
    document |= {member: value for member, value in stated.items() if value}
    draft.add_identity(arn.account, kind, name, document, entry.spot)
    here = ("accounts", arn.account, kind, name, "policies")
    draft.spots |= {(*here, policy): spot for policy, spot in spots.items()}


def _policies(
    inline: Iterable[Part], attached: Iterable[Part], managed: ManagedPolicies, draft: Draft, spots: dict[str, Spot]
) -> Document:
    """Inline and attached policies by name, one union; a name that came already gets a number."""
    found: Document = {}
    for name, spot, document in _documents(inline, attached, managed, draft):
        free = next(each for each in (name, *(f"{name}-{number}" for number in range(2, 100))) if each not in found)
        found[free], spots[free] = document, spot
    return found


def _documents(
    inline: Iterable[Part], attached: Iterable[Part], managed: ManagedPolicies, draft: Draft
) -> Iterator[tuple[str, Spot, object]]:
    for policy in inline:
        with draft.notes.noted():
            stated = policy["PolicyDocument"]
            yield policy["PolicyName"].text(), stated.spot, stated.policy(PolicyKind.IDENTITY)
    for policy in attached:
        with draft.notes.noted():
            arn = policy["PolicyArn"].text()
            yield policy["PolicyName"].text(), policy.spot, managed.find(arn, PolicyKind.IDENTITY, policy.spot)
