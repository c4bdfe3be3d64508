"""The organization: units, accounts, and the SCPs and RCPs attached to each, out of AWS Organizations' answers.

ListPoliciesForTarget names no target, ListOrganizationalUnitsForParent and ListAccountsForParent no parent, and
ListParents no child: the file's name, or a folder's, holds the id (`r-…`, `ou-…` or the account). Newer answers of
ListAccounts and ListOrganizationalUnitsForParent carry the path from the root, and need none of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.policy import PolicyKind
from kmssim.exports.draft import Document, Draft
from kmssim.exports.notes import Spot
from kmssim.exports.parts import Part
from kmssim.exports.sources import ACCOUNT, POLICY, ROOT, UNIT, Source

SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
_KINDS = {SCP: PolicyKind.SCP, RCP: PolicyKind.RCP}
_OF_AWS = {"p-FullAWSAccess": "FullAWSAccess", "p-RCPFullAWSAccess": "RCPFullAWSAccess"}
_IN_NAMES = {"service_control": SCP, "scp": SCP, "resource_control": RCP, "rcp": RCP}


@dataclass
class OrganizationReader:
    """Collects what the files say; `finish` makes the organization of it."""

    draft: Draft
    described: Part | None = None
    root: Part | None = None
    enabled: set[str] | None = None
    names: dict[str, Part] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Spot] = field(default_factory=dict)
    documents: dict[str, Part] = field(default_factory=dict)
    attached: dict[tuple[str, str], dict[str, Spot]] = field(default_factory=dict)
    by_policy: bool = False

    def organization(self, source: Source) -> None:
        """`describe-organization`."""
        self.described = source.part["Organization"]

    def roots(self, source: Source) -> None:
        """`list-roots`: also which types of policy count at all."""
        for root in source.part.listed("Roots"):
            self.root = root
            types = root.listed("PolicyTypes")
            self.enabled = {each["Type"].text() for each in types if each.optional_text("Status") == "ENABLED"}

    def units(self, source: Source) -> None:
        """`list-organizational-units-for-parent`."""
        parent = source.named(UNIT, ROOT)
        for unit in source.part.listed("OrganizationalUnits"):
            unit_id = unit["Id"].text()
            self.names[unit_id] = unit
            self._hang(unit_id, unit.optional_text("Path"), parent)

    def members(self, source: Source) -> None:
        """`list-accounts` or `list-accounts-for-parent`."""
        parent = source.named(UNIT, ROOT)
        for account in source.part.listed("Accounts"):
            account_id = account["Id"].text()
            self.accounts.setdefault(account_id, account.spot)
            paths = [path.text() for path in account.listed("Paths")]
            self._hang(account_id, paths[0] if paths else None, parent)

    def _hang(self, child: str, path: str | None, parent: str | None) -> None:
        above = [step for step in (path or "").split("/") if step != child and (UNIT.match(step) or ROOT.match(step))]
        found = above[-1] if above else parent
        if found is not None:
            self.parents[child] = found

    def parent(self, source: Source) -> None:
        """`list-parents`."""
        child = source.named(UNIT, ACCOUNT)
        if child is None:
            hint = "put the id of the unit or account into the file's name"
            raise source.spot.refusal("nobody says whose parent this is", hint)
        for parent in source.part.listed("Parents"):
            self.parents[child] = parent["Id"].text()

    def policy(self, source: Source) -> None:
        """`describe-policy`."""
        policy = source.part["Policy"]
        self.documents[policy["PolicySummary"]["Id"].text()] = policy

    def policies_of(self, source: Source) -> None:
        """`list-policies-for-target`; `list-policies`, which has the same shape, says nothing that counts."""
        target = source.named(UNIT, ROOT, ACCOUNT)
        if target is None:
            hint = "put the id of the root, unit or account into the file's name"
            raise source.spot.refusal("nobody says what these policies are attached to", hint)
        entries = source.part.listed("Policies")
        kinds = {entry["Type"].text() for entry in entries} or _kinds_in(source.names[0])
        for kind in kinds:
            self.attached.setdefault((target, kind), {})
        for entry in entries:
            self.attached[target, entry["Type"].text()][entry["Id"].text()] = entry.spot

    def targets_of(self, source: Source) -> None:
        """`list-targets-for-policy`."""
        policy = source.named(POLICY)
        if policy is None:
            hint = "put the id of the policy into the file's name"
            raise source.spot.refusal("nobody says which policy is attached to these", hint)
        self.by_policy = True
        kind = RCP if policy == "p-RCPFullAWSAccess" else SCP
        if policy in self.documents:
            kind = self.documents[policy]["PolicySummary"]["Type"].text()
        for target in source.part.listed("Targets"):
            self.attached.setdefault((target["TargetId"].text(), kind), {})[policy] = target.spot

    def finish(self) -> None:
        """Put the organization into the draft, and each account into its unit."""
        if self.described is None:
            if self.names or self.accounts or self.attached:
                spot = next(iter([*self.accounts.values(), *(part.spot for part in self.names.values())]), Spot(""))
                what = "no organization is made of this: nobody describes it (add organizations describe-organization)"
                self.draft.notes.add(spot, what)
            return
        document: Document = {"id": self.described["Id"].text()}
        management = self.described.optional_text("MasterAccountId")
        if management is not None:
            document["management_account"] = management
        names = self._unit_names()
        document["units"] = {name: self._unit(unit_id, names) for unit_id, name in names.items()}
        self.draft.organization = document
        self.draft.spots[("organization",)] = self.described.spot
        self._place_accounts(names, management)

    def _unit_names(self) -> dict[str, str]:
        """What each unit is called, by its id; of two with one name the second goes by its id."""
        found = {self._root_id(): "root"}
        for unit_id, unit in self.names.items():
            name = unit["Name"].text()
            found[unit_id] = unit_id if name in found.values() else name
        return found

    def _root_id(self) -> str:
        roots = (parent for parent in self.parents.values() if ROOT.match(parent))
        return self.root["Id"].text() if self.root is not None else next(roots, "r-root")

    def _unit(self, unit_id: str, names: Mapping[str, str]) -> Document:
        document: Document = {}
        if unit_id != self._root_id():
            document["parent"] = names[self._parent(unit_id, names, self.names[unit_id].spot)]
        return document | self._guardrails(unit_id, self._spot(unit_id))

    def _spot(self, unit_id: str) -> Spot:
        unit = self.names.get(unit_id) or self.root or self.described
        assert unit is not None  # noqa: S101 - asked only of an organization that is described
        return unit.spot

    def _parent(self, child: str, names: Mapping[str, str], spot: Spot) -> str:
        parent = self.parents.get(child)
        if parent is not None and parent in names:
            return parent
        above = f"in {parent}, of which no file tells" if parent else "somewhere: no file says where"
        what = f"taken to lie in the root: {child} lies {above} (add organizations list-parents)"
        self.draft.notes.add(spot, what)
        return self._root_id()

    def _place_accounts(self, names: Mapping[str, str], management: str | None) -> None:
        if not self.accounts and self.draft.accounts:
            what = "every account of the other files is taken for a member: no file lists them (add list-accounts)"
            self.draft.notes.add(self._spot(""), what)
        members = self.accounts or dict.fromkeys([*self.draft.accounts, *self._key_accounts()], self._spot(""))
        for account, spot in members.items():
            document = self.draft.account(account)
            unit = names[self._parent(account, names, spot)]
            if unit != "root":
                document["unit"] = unit
            document |= self._guardrails(account, spot, binds=account != management)
        for account in [*self.draft.accounts, *self._key_accounts()]:
            if account not in members:
                self.draft.account(account)["unit"] = None

    def _key_accounts(self) -> list[str]:
        return [key.arn.account for key in self.draft.keys.values()]

    def _guardrails(self, target: str, spot: Spot, *, binds: bool = True) -> Document:
        """The SCPs and RCPs attached right there. What binds nobody, as on the management account, may be missing."""
        document: Document = {}
        for kind, member in ((SCP, "scps"), (RCP, "rcps")):
            attached = self.attached.get((target, kind))
            if attached is not None:
                document[member] = [
                    each for policy, at in attached.items() for each in self._documents(policy, kind, at)
                ]
            elif binds and not self.by_policy and self._may_count(kind):
                taken = "FullAWSAccess" if kind == SCP else "nothing but RCPFullAWSAccess"
                what = f"taken to have {taken}: no file lists the policies of type {kind} attached to {target}"
                self.draft.notes.add(spot, what)
        return document

    def _may_count(self, kind: str) -> bool:
        """A type of policy that the root has not enabled counts nowhere; RCPs are rare enough to need a hint."""
        if self.enabled:
            return kind in self.enabled
        return kind == SCP or any(attached == RCP for _, attached in self.attached)

    def _documents(self, policy: str, kind: str, spot: Spot) -> list[object]:
        if policy == "p-RCPFullAWSAccess":
            return []
        if policy in _OF_AWS:
            return [_OF_AWS[policy]]
        if policy not in self.documents:
            what = f"the policy {policy} counts as if it were not there: no file holds it (add describe-policy)"
            self.draft.notes.add(spot, what)
            return []
        with self.draft.notes.noted():
            return [self.documents[policy]["Content"].policy(_KINDS[kind])]
        return []


def _kinds_in(name: str) -> set[str]:
    """The type of policy that a file name tells of, for an answer that lists none."""
    return {kind for word, kind in _IN_NAMES.items() if word in name.lower().replace("-", "_")}
