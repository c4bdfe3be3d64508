"""A CloudFormation template: keys, aliases, replica keys, and IAM's roles, users, groups and policies.

What a deployment would name by itself is named after its logical id; a key gets an id that is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Arn
from kmssim.exports.declared import DEFAULT_ACCOUNT, Declared, Identity
from kmssim.exports.draft import Document, Draft
from kmssim.exports.parts import Part
from kmssim.exports.sources import ACCOUNT, REGION, Source, Told
from kmssim.exports.template_values import Values

_IDENTITIES = {
    "AWS::IAM::User": ("users", "UserName"),
    "AWS::IAM::Group": ("groups", "GroupName"),
    "AWS::IAM::Role": ("roles", "RoleName"),
}
_MANAGED = "AWS::IAM::ManagedPolicy"
_KEYS = ("AWS::KMS::Key", "AWS::KMS::ReplicaKey")
_OTHER_ARNS = {
    "AWS::S3::Bucket": ("BucketName", "arn:{partition}:s3:::{name}"),
    "AWS::Lambda::Function": ("FunctionName", "arn:{partition}:lambda:{region}:{account}:function:{name}"),
    "AWS::DynamoDB::Table": ("TableName", "arn:{partition}:dynamodb:{region}:{account}:table/{name}"),
    "AWS::SQS::Queue": ("QueueName", "arn:{partition}:sqs:{region}:{account}:{name}"),
    "AWS::SNS::Topic": ("TopicName", "arn:{partition}:sns:{region}:{account}:{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:{partition}:logs:{region}:{account}:log-group:{name}:*"),
}
"""What policies often name. `Ref` gives the name, of a topic its ARN, of a queue a URL."""

_BEARING = ("AWS::KMS::", "AWS::IAM::", "AWS::Organizations::", "AWS::CloudFormation::Stack", "AWS::Serverless::")
_NO_BEARING = ("AWS::IAM::InstanceProfile", "AWS::IAM::AccessKey", "AWS::IAM::OIDCProvider", "AWS::IAM::SAMLProvider")


def is_template(content: Mapping[str, object]) -> bool:
    """Whether this is a template: resources, each with a type such as `AWS::KMS::Key`."""
    resources = content.get("Resources")
    return isinstance(resources, Mapping) and any(
        isinstance(each, Mapping) and "::" in str(each.get("Type")) for each in resources.values()
    )


def read_template(source: Source, draft: Draft, told: Told) -> None:
    """Add what the template declares; what only a deployment would know is listed.

    The account and the Region are those that a folder or the options name, else 123456789012 and us-east-1.
    """
    account = source.named(ACCOUNT) or told.account or DEFAULT_ACCOUNT
    declared = Declared(draft, account, source.named(REGION) or told.region)
    if "Transform" in source.part.mapping():
        draft.notes.add(source.spot.at("Transform"), "what macros would add is not seen")
    reader = _Template(source.part, declared)
    reader.read(PurePath(source.spot.file).stem)


@dataclass
class _Template:
    part: Part
    declared: Declared
    resources: dict[str, Part] = field(default_factory=dict)
    _asked: list[str] = field(default_factory=list)

    def read(self, stack: str) -> None:
        declared, notes = self.declared, self.declared.draft.notes
        pseudo = {
            "AWS::AccountId": declared.account,
            "AWS::Region": declared.region,
            "AWS::Partition": declared.partition,
            "AWS::URLSuffix": "amazonaws.com.cn" if declared.partition == "aws-cn" else "amazonaws.com",
            "AWS::StackName": stack,
        }
        mappings = self.part.get("Mappings")
        conditions = self.part.get("Conditions")
        self.values = Values(
            pseudo,
            dict(self._defaults()),
            mappings.mapping() if mappings else {},
            dict(conditions.members()) if conditions else {},
            self._attribute,
            frozenset(self._parameters()) - {name for name, _ in self._defaults()},
        )
        for name, resource in self.part["Resources"].members():
            with notes.noted():
                condition = resource.get("Condition")
                if condition is None or self.values.is_true(condition):
                    self.resources[name] = resource
        for kinds, read in self._passes():
            for name, resource in self.resources.items():
                if resource.optional_text("Type") in kinds:
                    with notes.noted():
                        read(name, resource)
        declared.finish()
        self._list_unknown()

    def _parameters(self) -> dict[str, Part]:
        parameters = self.part.get("Parameters")
        return dict(parameters.members()) if parameters else {}

    def _defaults(self) -> Iterator[tuple[str, object]]:
        for name, parameter in self._parameters().items():
            if "Default" in parameter.mapping():
                default = parameter.mapping()["Default"]
                is_list = "List" in str(parameter.mapping().get("Type"))
                yield name, str(default).split(",") if is_list else str(default)

    def _passes(self) -> tuple[tuple[tuple[str, ...], Callable[[str, Part], None]], ...]:
        """What names things comes before what goes by the names."""
        return (
            ((_MANAGED,), self._learn_managed),
            (("AWS::IAM::Group", "AWS::IAM::User", "AWS::IAM::Role"), self._identity),
            (("AWS::IAM::Policy", _MANAGED), self._attach),
            (("AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy"), self._attach_to_one),
            (("AWS::IAM::UserToGroupAddition",), self._join),
            (_KEYS, self._key),
            (("AWS::KMS::Alias",), self._alias),
        )

    def _list_unknown(self) -> None:
        read = {kind for kinds, _ in self._passes() for kind in kinds} | {*_NO_BEARING}
        for resource in self.resources.values():
            kind = resource.optional_text("Type") or ""
            if kind.startswith(_BEARING) and kind not in read:
                self.declared.draft.notes.add(resource.spot, f"kmssim does not read resources of type {kind}")

    # --- values

    def _property(self, resource: Part, name: str) -> Part | None:
        """A property with its functions worked out; None where there is none."""
        properties = resource.get("Properties")
        stated = properties.get(name) if properties else None
        if stated is None:
            return None
        whole = self.values.resolve(Part({name: stated.value}, properties.spot if properties else stated.spot))
        found = whole.get(name) if isinstance(whole, dict) else None
        return None if found is None else Part(found, stated.spot)

    def _needed(self, resource: Part, name: str) -> Part:
        found = self._property(resource, name)
        if found is None:
            raise resource.spot.refusal(f"the property `{name}` is missing")
        return found

    def _texts(self, resource: Part, name: str) -> list[Part]:
        found = self._property(resource, name)
        return found.items() if found else []

    def _text(self, resource: Part, name: str, otherwise: str) -> str:
        found = self._property(resource, name)
        return otherwise if found is None else str(found.value)

    def _attribute(self, name: str, attribute: str | None) -> str | None:
        """What `Ref` (None) or `Fn::GetAtt` gives for a resource; None where only a deployment would tell."""
        resource = self.resources.get(name)
        if resource is None or name in self._asked:
            return None
        self._asked.append(name)
        try:
            return self._attribute_of(name, resource, attribute)
        finally:
            self._asked.pop()

    def _attribute_of(self, name: str, resource: Part, attribute: str | None) -> str | None:
        kind = resource.optional_text("Type") or ""
        declared = self.declared
        if kind in _IDENTITIES:
            plural, member = _IDENTITIES[kind]
            own = self._text(resource, member, name)
            path = self._text(resource, "Path", "/")
            arn = declared.iam_arn(f"{plural.removesuffix('s')}{path}{own}")
            return {None: own, "Arn": arn}.get(attribute)
        if kind == _MANAGED:
            return self._managed_arn(name, resource) if attribute in {None, "PolicyArn"} else None
        if kind in _KEYS:
            key = self._key_arn(name, resource)
            return {None: key.resource.removeprefix("key/"), "Arn": str(key), "KeyId": key.resource[4:]}.get(attribute)
        if kind == "AWS::KMS::Alias" and attribute is None:
            return self._text(resource, "AliasName", name)
        if kind in _OTHER_ARNS:
            return self._other(kind, self._text(resource, _OTHER_ARNS[kind][0], name), attribute)
        return None

    def _other(self, kind: str, name: str, attribute: str | None) -> str | None:
        declared = self.declared
        pattern = _OTHER_ARNS[kind][1]
        arn = pattern.format(partition=declared.partition, region=declared.region, account=declared.account, name=name)
        if attribute == "Arn" or (kind == "AWS::SNS::Topic" and attribute in {None, "TopicArn"}):
            return arn
        return name if attribute is None and kind != "AWS::SQS::Queue" else None

    def _managed_arn(self, name: str, resource: Part) -> str:
        own = self._text(resource, "ManagedPolicyName", name)
        return self.declared.iam_arn(f"policy{self._text(resource, 'Path', '/')}{own}")

    # --- identities

    def _learn_managed(self, name: str, resource: Part) -> None:
        document = self._needed(resource, "PolicyDocument")
        self.declared.managed.documents[self._managed_arn(name, resource)] = document

    def _identity(self, name: str, resource: Part) -> None:
        kind, member = _IDENTITIES[resource["Type"].text()]
        identity = Identity(kind, self._text(resource, member, name), resource.spot, self._text(resource, "Path", "/"))
        if kind == "roles":
            trust = self._needed(resource, "AssumeRolePolicyDocument")
            identity.document["trust"] = trust.policy(PolicyKind.TRUST)
        tags = self._property(resource, "Tags")
        if tags is not None:
            identity.document["tags"] = tags.tags()
        self.declared.add_identity(identity)
        notes = self.declared.draft.notes
        with notes.noted():
            boundary = self._boundary(identity, resource)
            if boundary is not None:
                self.declared.bound(identity, boundary.text(), boundary.spot)
        with notes.noted():
            identity.groups += [group.text() for group in self._texts(resource, "Groups")]
        self._own_policies(identity, resource)

    def _boundary(self, identity: Identity, resource: Part) -> Part | None:
        identity.unknown_limit = True  # until it is known
        found = self._property(resource, "PermissionsBoundary")
        identity.unknown_limit = False
        return found

    def _own_policies(self, identity: Identity, resource: Part) -> None:
        """Each policy by itself: one that is not known does not take the others along."""
        notes, properties = self.declared.draft.notes, resource.get("Properties")
        for policy in properties.listed("Policies") if properties else ():
            with notes.noted():
                worked = Part(self.values.resolve(policy), policy.spot)
                name = worked["PolicyName"].text()
                self.declared.attach(identity.kind, identity.name, name, worked["PolicyDocument"])
        for arn in properties.listed("ManagedPolicyArns") if properties else ():
            with notes.noted():
                self.declared.attach_managed(identity.kind, identity.name, str(self.values.resolve(arn)), arn.spot)

    def _attach(self, name: str, resource: Part) -> None:
        document = self._needed(resource, "PolicyDocument")
        is_managed = resource["Type"].text() == _MANAGED
        own = self._text(resource, "ManagedPolicyName" if is_managed else "PolicyName", name)
        for kind in ("users", "groups", "roles"):
            for holder in self._texts(resource, kind.capitalize()):
                with self.declared.draft.notes.noted():
                    self.declared.attach(kind, holder.text(), own, document)

    def _attach_to_one(self, name: str, resource: Part) -> None:
        kind = resource["Type"].text().removeprefix("AWS::IAM::").removesuffix("Policy").lower() + "s"
        holder = self._needed(resource, _IDENTITIES[f"AWS::IAM::{kind.removesuffix('s').capitalize()}"][1])
        own = self._text(resource, "PolicyName", name)
        self.declared.attach(kind, holder.text(), own, self._needed(resource, "PolicyDocument"))

    def _join(self, _name: str, resource: Part) -> None:
        group = self._needed(resource, "GroupName")
        for user in self._texts(resource, "Users"):
            self.declared.join(user.text(), [group.text()], user.spot)

    # --- keys

    def _key_arn(self, name: str, resource: Part) -> Arn:
        if resource.optional_text("Type") == "AWS::KMS::ReplicaKey":
            primary = self._needed(resource, "PrimaryKeyArn").arn()
            return primary._replace(region=self.declared.region, account=self.declared.account)
        related = self._text(resource, "MultiRegion", "false").lower() == "true"
        return self.declared.key_arn(name, related=related)

    def _key(self, name: str, resource: Part) -> None:
        arn = self._key_arn(name, resource)
        policy = self._property(resource, "KeyPolicy")
        document = policy.policy(PolicyKind.KEY_POLICY) if policy else self.declared.default_key_policy()
        key = self.declared.add_key(arn, name, resource.spot, document)
        key.about = self._about(resource, arn)
        if policy is not None:
            key.spots[("policy",)] = policy.spot
        tags = self._property(resource, "Tags")
        key.tags = tags.tags() if tags else {}

    def _about(self, resource: Part, arn: Arn) -> Document:
        stated = {
            "spec": self._text(resource, "KeySpec", ""),
            "usage": self._text(resource, "KeyUsage", ""),
            "origin": self._text(resource, "Origin", ""),
        }
        about: Document = {member: value for member, value in stated.items() if value}
        if self._text(resource, "Enabled", "true").lower() == "false":
            about["state"] = "Disabled"
        elif stated["origin"] == "EXTERNAL":
            about["state"] = "PendingImport"
        if arn.resource.startswith("key/mrk-"):
            is_replica = resource.optional_text("Type") == "AWS::KMS::ReplicaKey"
            about["multi_region"] = "REPLICA" if is_replica else "PRIMARY"
        return about

    def _alias(self, _name: str, resource: Part) -> None:
        target = self._needed(resource, "TargetKeyId")
        key = self.declared.find_key(target.text(), target.spot)
        key.spots[("aliases", len(key.aliases))] = resource.spot
        key.aliases.append(self._needed(resource, "AliasName").text())
