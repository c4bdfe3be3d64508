"""A Terraform plan or state as `terraform show -json` writes it: KMS keys, policies, grants, aliases, and IAM.

What is known only after apply is listed, but for names, ids and ARNs of resources in the same plan: those are what they
will be, or, as a key's id, made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Arn, parse_arn
from kmssim.exports.declared import DEFAULT_ACCOUNT, Declared, Identity
from kmssim.exports.draft import Document, Draft, KeyDraft
from kmssim.exports.identities import ManagedPolicies
from kmssim.exports.plan_values import Plan, Resource
from kmssim.exports.sources import ACCOUNT, REGION, Source, Told

_IDENTITIES = {"aws_iam_user": "users", "aws_iam_group": "groups", "aws_iam_role": "roles"}
_KEYS = ("aws_kms_key", "aws_kms_external_key", "aws_kms_replica_key")
_BEARING = ("aws_kms_", "aws_iam_", "aws_organizations_")
_NO_BEARING = (
    "aws_iam_instance_profile", "aws_iam_access_key", "aws_iam_account_alias", "aws_iam_account_password_policy",
    "aws_iam_openid_connect_provider", "aws_iam_saml_provider", "aws_iam_user_login_profile", "aws_iam_user_ssh_key",
    "aws_iam_virtual_mfa_device", "aws_iam_server_certificate", "aws_iam_policy_document",
)  # fmt: skip


def is_plan(content: Mapping[str, object]) -> bool:
    """Whether this is a plan, or a state, as Terraform writes them for programs."""
    values = content.get("planned_values", content.get("values"))
    return "format_version" in content and isinstance(values, Mapping) and "root_module" in values


def read_plan(source: Source, draft: Draft, told: Told) -> None:
    """Add what the plan will make and what is there already.

    The account is the one that the options or the plan's own ARNs name, else that of a folder, else 123456789012; the
    Region is the provider's, else that of a folder or of the options.
    """
    reader = _PlanReader(draft, source.named(REGION) or told.region)
    reader.plan = Plan(source.part, reader.computed)
    account = told.account or reader.account_in_plan() or source.named(ACCOUNT) or DEFAULT_ACCOUNT
    reader.read(account)


@dataclass
class _PlanReader:
    draft: Draft
    region: str
    account: str = ""
    managed: ManagedPolicies = field(default_factory=ManagedPolicies)
    plan: Plan = field(init=False)
    places: dict[str, Declared] = field(default_factory=dict)
    iam: Declared = field(init=False)

    def account_in_plan(self) -> str | None:
        for resource in self.plan.resources.values():
            stated = resource.values.mapping().get("account_id" if resource.kind == "aws_caller_identity" else "arn")
            arn = parse_arn(stated) if isinstance(stated, str) and stated.startswith("arn:") else None
            found = arn.account if arn else stated if resource.kind == "aws_caller_identity" else None
            if isinstance(found, str) and found.isdecimal():
                return found
        return None

    def read(self, account: str) -> None:
        self.account = account
        self.iam = self._place(self.region)
        for kinds, read in self._passes():
            for resource in self.plan.resources.values():
                if resource.kind in kinds and not resource.is_data:
                    with self.draft.notes.noted():
                        read(resource)
        self.iam.finish()
        known = {kind for kinds, _ in self._passes() for kind in kinds} | {*_NO_BEARING}
        for resource in self.plan.resources.values():
            if resource.kind.startswith(_BEARING) and resource.kind not in known and not resource.is_data:
                what = f"kmssim does not read `{resource.address}`: resources of type {resource.kind}"
                self.draft.notes.add(resource.spot, what)

    def _passes(self) -> tuple[tuple[tuple[str, ...], Callable[[Resource], None]], ...]:
        """What names things comes before what goes by the names."""
        attachments = tuple(f"aws_iam_{kind}_policy_attachment" for kind in ("role", "user", "group"))
        return (
            (("aws_iam_policy",), self._learn_managed),
            (tuple(_IDENTITIES), self._identity),
            (("aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy"), self._inline),
            (attachments, self._attachment),
            (("aws_iam_policy_attachment",), self._attachments),
            (("aws_iam_user_group_membership",), self._groups_of_user),
            (("aws_iam_group_membership",), self._users_of_group),
            (_KEYS, self._key),
            (("aws_kms_key_policy",), self._key_policy),
            (("aws_kms_grant",), self._grant),
            (("aws_kms_alias",), self._alias),
        )

    def _place(self, region: str) -> Declared:
        return self.places.setdefault(region, Declared(self.draft, self.account, region, self.managed))

    def _place_of(self, resource: Resource) -> Declared:
        return self._place(
            resource.values.optional_text("region") or self.plan.provider_region(resource) or self.region
        )

    # --- what only AWS gives

    def computed(self, resource: Resource, attribute: str) -> str | None:
        """An attribute as it will be."""
        kind = _IDENTITIES.get(resource.kind)
        if kind is not None:
            arn = self.iam.iam_arn(f"{kind.removesuffix('s')}{self._path(resource)}{self._name(resource)}")
            return {"arn": arn, "id": self._name(resource), "name": self._name(resource)}.get(attribute)
        if resource.kind == "aws_iam_policy":
            return self._policy_arn(resource) if attribute in {"arn", "id"} else None
        if resource.kind in _KEYS:
            key = self._key_arn(resource)
            return {"arn": str(key), "id": key.resource[4:], "key_id": key.resource[4:]}.get(attribute)
        return None

    def _name(self, resource: Resource) -> str:
        """Its name; one that Terraform makes up is known after apply, and the label stands for it."""
        return resource.values.optional_text("name") or resource.name

    def _path(self, resource: Resource) -> str:
        return resource.values.optional_text("path") or "/"

    def _policy_arn(self, resource: Resource) -> str:
        stated = resource.values.optional_text("arn")
        return stated or self.iam.iam_arn(f"policy{self._path(resource)}{self._name(resource)}")

    def _key_arn(self, resource: Resource) -> Arn:
        stated = parse_arn(resource.values.optional_text("arn") or "")
        if stated is not None:
            return stated
        place = self._place_of(resource)
        if resource.kind == "aws_kms_replica_key":
            return self.plan.text(resource, "primary_key_arn").arn()._replace(region=place.region, account=self.account)
        return place.key_arn(resource.label, related=resource.values.mapping().get("multi_region") is True)

    # --- identities

    def _learn_managed(self, resource: Resource) -> None:
        self.managed.documents[self._policy_arn(resource)] = self.plan.document(resource, "policy")

    def _identity(self, resource: Resource) -> None:
        kind = _IDENTITIES[resource.kind]
        identity = Identity(kind, self._name(resource), resource.spot, self._path(resource))
        if kind == "roles":
            trust = self.plan.document(resource, "assume_role_policy")
            identity.document["trust"] = trust.policy(PolicyKind.TRUST)
        tags = _tags(resource)
        identity.document |= {"tags": tags} if tags else {}
        self.iam.add_identity(identity)
        if resource.values.get("permissions_boundary") or _is_unknown(resource, "permissions_boundary"):
            identity.unknown_limit = True
            with self.draft.notes.noted():
                boundary = self.plan.text(resource, "permissions_boundary")
                self.iam.bound(identity, boundary.text(), boundary.spot)
        for policy in resource.values.listed("inline_policy"):
            if policy.get("policy") is not None:
                with self.draft.notes.noted():
                    self.iam.attach(kind, identity.name, policy["name"].text(), policy["policy"])
        for arn in resource.values.listed("managed_policy_arns"):
            with self.draft.notes.noted():
                self.iam.attach_managed(kind, identity.name, arn.text(), arn.spot)

    def _inline(self, resource: Resource) -> None:
        member = resource.kind.removeprefix("aws_iam_").removesuffix("_policy")
        holder = self._holder(resource, member)
        self.iam.attach(f"{member}s", holder, self._name(resource), self.plan.document(resource, "policy"))

    def _holder(self, resource: Resource, member: str) -> str:
        """By name; some write the ARN."""
        return self.plan.text(resource, member).text().rpartition("/")[2]

    def _attachment(self, resource: Resource) -> None:
        member = resource.kind.removeprefix("aws_iam_").removesuffix("_policy_attachment")
        arn = self.plan.text(resource, "policy_arn")
        self.iam.attach_managed(f"{member}s", self._holder(resource, member), arn.text(), arn.spot)

    def _attachments(self, resource: Resource) -> None:
        arn = self.plan.text(resource, "policy_arn")
        for kind in ("users", "groups", "roles"):
            for holder in resource.values.listed(kind):
                with self.draft.notes.noted():
                    self.iam.attach_managed(kind, holder.text(), arn.text(), arn.spot)

    def _groups_of_user(self, resource: Resource) -> None:
        groups = self.plan.text(resource, "groups").items()
        self.iam.join(self._holder(resource, "user"), [group.text() for group in groups], resource.spot)

    def _users_of_group(self, resource: Resource) -> None:
        group = self._holder(resource, "group")
        for user in self.plan.text(resource, "users").items():
            self.iam.join(user.text(), [group], user.spot)

    # --- keys

    def _key(self, resource: Resource) -> None:
        arn, place = self._key_arn(resource), self._place_of(resource)
        policy: Document | None = None
        if resource.values.get("policy") is not None:
            policy = resource.values["policy"].policy(PolicyKind.KEY_POLICY)
        elif not resource.states("policy"):
            policy = place.default_key_policy()
        key = place.add_key(arn, resource.label, resource.spot, policy)
        if policy is None:
            self.draft.notes.add(resource.spot.at("policy"), f"`{resource.address}.policy` is known only after apply")
        key.spots[("policy",)] = resource.spot.at("policy")
        key.about, key.tags = self._about(resource), _tags(resource)

    def _about(self, resource: Resource) -> Document:
        values = resource.values
        stated = {
            "spec": values.optional_text("customer_master_key_spec") or values.optional_text("key_spec"),
            "usage": values.optional_text("key_usage"),
            "origin": "EXTERNAL" if resource.kind == "aws_kms_external_key" else None,
        }
        about: Document = {member: value for member, value in stated.items() if value}
        enabled = values.mapping().get("is_enabled", values.mapping().get("enabled"))
        if enabled is False:
            about["state"] = "Disabled"
        if resource.kind == "aws_kms_external_key" and enabled is not True:
            about["state"] = values.optional_text("key_state") or "PendingImport"
        if resource.kind == "aws_kms_replica_key":
            about["multi_region"] = "REPLICA"
        elif values.mapping().get("multi_region") is True:
            about["multi_region"] = "PRIMARY"
        return about

    def _found_key(self, resource: Resource, member: str) -> KeyDraft:
        reference = self.plan.text(resource, member)
        return self._place_of(resource).find_key(reference.text(), reference.spot)

    def _key_policy(self, resource: Resource) -> None:
        key = self._found_key(resource, "key_id")
        key.policy = None  # whatever it was before: it will be replaced
        policy = self.plan.document(resource, "policy")
        key.policy = policy.policy(PolicyKind.KEY_POLICY)
        key.spots[("policy",)] = policy.spot

    def _grant(self, resource: Resource) -> None:
        key = self._found_key(resource, "key_id")
        operations = [operation.text() for operation in resource.values["operations"].items()]
        grant: Document = {"Operations": operations}
        grant |= {"GranteePrincipal": self.plan.text(resource, "grantee_principal").text()}
        if resource.values.get("retiring_principal") or _is_unknown(resource, "retiring_principal"):
            grant["RetiringPrincipal"] = self.plan.text(resource, "retiring_principal").text()
        for ours, theirs in (("GrantId", "grant_id"), ("Name", "name")):
            stated = resource.values.optional_text(theirs)
            grant |= {ours: stated} if stated else {}
        for constraint in resource.values.listed("constraints"):
            equals, subset = constraint.get("encryption_context_equals"), constraint.get("encryption_context_subset")
            pairs = {"EncryptionContextEquals": equals, "EncryptionContextSubset": subset}
            grant["Constraints"] = {name: part.mapping() for name, part in pairs.items() if part and part.mapping()}
        key.spots[("grants", len(key.grants))] = resource.spot
        key.grants[resource.address] = grant

    def _alias(self, resource: Resource) -> None:
        key = self._found_key(resource, "target_key_id")
        key.spots[("aliases", len(key.aliases))] = resource.spot
        key.aliases.append(self.plan.text(resource, "name").text())


def _tags(resource: Resource) -> dict[str, str]:
    tags = resource.values.get("tags_all") or resource.values.get("tags")
    return {name: value.text() for name, value in tags.members()} if tags else {}


def _is_unknown(resource: Resource, member: str) -> bool:
    """Whether the argument is set, to something that is known after apply."""
    return resource.configuration is not None and resource.states(member) and resource.values.get(member) is None
