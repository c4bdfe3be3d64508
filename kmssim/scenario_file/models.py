"""The shape of a scenario file, as pydantic models: which fields there are, what each may hold, and its default.

Only the shape: whether a named thing exists is asked where the world and the calls are built. Field names are ours
(snake_case) except where AWS has its own, and inside policy documents, parameters, tags and context AWS rules alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    StrictBool,
    StrictStr,
    Tag,
    WithJsonSchema,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

EXPECTED = "expected"
"""The type of our own validation errors; their message says what was expected."""


@dataclass(frozen=True)
class Shaped:
    """A string that fits a pattern as a whole; `meaning` tells a person what is wanted."""

    pattern: str
    meaning: str

    def check(self, text: str) -> str:
        """Refuse what does not fit."""
        if not re.fullmatch(self.pattern, text):
            raise PydanticCustomError(EXPECTED, "expected {meaning}", {"meaning": self.meaning})
        return text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after the string itself was checked."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tell the JSON Schema about the pattern, too."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$", "description": self.meaning}


def text_of(value: object) -> str:
    """Read a value that may be a number or a boolean as the string that AWS makes of it (EC-14)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise PydanticCustomError(EXPECTED, "expected a string, a number or a boolean")


def _check_policy(value: object) -> object:
    if isinstance(value, dict | str):
        return value
    raise PydanticCustomError(EXPECTED, "expected a policy document, a path ending in .json or a managed policy's name")


_POLICY_SCHEMA = {
    "anyOf": [{"type": "object"}, {"type": "string"}],
    "description": "a policy document; a path ending in .json, relative to this file; or an AWS managed policy's name",
}
PolicyReference = Annotated[dict[str, Any] | str, PlainValidator(_check_policy), WithJsonSchema(_POLICY_SCHEMA)]

AccountId = Annotated[StrictStr, Shaped("[0-9]{12}", "an account id: 12 digits")]
Region = Annotated[StrictStr, Shaped("[a-z]{2,}(-[a-z]+)+-[0-9]+", "a Region such as us-east-1")]
IamName = Annotated[StrictStr, Shaped(r"[A-Za-z0-9_+=,.@-]{1,64}", "an IAM name: up to 64 letters, digits or _+=,.@-")]
RoleName = Annotated[
    StrictStr,
    Shaped(r"(?:aws:)?[A-Za-z0-9_+=,.@-]{1,64}", "a role's name: up to 64 letters, digits or _+=,.@-"),
]  # AWS's own begin with `aws:` (OR-8)
IamPath = Annotated[StrictStr, Shaped(r"/|/[!-~]{1,510}/", "an IAM path: it begins and ends with a slash")]
KeyId = Annotated[
    StrictStr,
    Shaped(
        "[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}",
        "a key id: a UUID in small letters, or mrk- and 32 hexadecimal digits",
    ),
]
AliasName = Annotated[StrictStr, Shaped("alias/[A-Za-z0-9/_-]{1,250}", "alias/ followed by letters, digits or /_-")]
Host = Annotated[StrictStr, Shaped(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a service's host such as s3.us-east-1.amazonaws.com")]
GrantName = Annotated[StrictStr, Shaped("[A-Za-z0-9:/_-]{1,256}", "a grant name: letters, digits or :/_-")]
GrantId = Annotated[StrictStr, Shaped("[A-Za-z0-9_-]{1,128}", "a grant id: letters, digits or _-")]
OrganizationId = Annotated[StrictStr, Shaped("o-[a-z0-9]{10,32}", "an organization id such as o-a1b2c3d4e5")]
Name = Annotated[StrictStr, Shaped(r"\S(.*\S)?", "a name without spaces around it")]
Tags = dict[StrictStr, StrictStr]
ContextText = Annotated[
    str,
    PlainValidator(text_of),
    WithJsonSchema({"type": ["string", "number", "boolean"], "description": "read as text"}),
]
EncryptionContext = dict[StrictStr, ContextText]

Spec = Literal[
    "SYMMETRIC_DEFAULT", "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
    "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512", "SM2", "ML_DSA_44",
    "ML_DSA_65", "ML_DSA_87", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
]  # fmt: skip
Usage = Literal["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"]
Origin = Literal["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"]
State = Literal[
    "Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Unavailable", "Creating",
    "Updating",
]  # fmt: skip
GrantOperation = Literal[
    "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "Sign",
    "Verify", "GetPublicKey", "CreateGrant", "RetireGrant", "DescribeKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate",
    "Decapsulate",
]  # fmt: skip
LayerName = Literal["rcp", "scp", "vpc_endpoint", "key_policy", "grant", "identity", "boundary", "session"]


class Document(BaseModel):
    """A part of a scenario file; it takes no unknown fields."""

    # Built when first used: a part of the whole need not be built by itself as well, which halves the time.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def states(self, field: str) -> bool:
        """Whether the file states the field, be it as null."""
        return field in self.model_fields_set


class AwsDocument(Document):
    """A part with AWS's own field names: `GranteePrincipal` for `grantee_principal`."""

    model_config = ConfigDict(alias_generator=to_pascal)


class UnitDocument(Document):
    """A unit of the organization and the policies attached right there."""

    parent: Name | None = None
    scps: list[PolicyReference] = ["FullAWSAccess"]
    rcps: list[PolicyReference] = []


class OrganizationDocument(Document):
    """The organization; `units.root` exists even when it is not listed."""

    id: OrganizationId = "o-a1b2c3d4e5"
    management_account: AccountId | None = None
    units: dict[Name, UnitDocument] = {}


class GroupDocument(Document):
    """An IAM group."""

    policies: dict[Name, PolicyReference] = {}


class UserDocument(Document):
    """An IAM user."""

    path: IamPath = "/"
    policies: dict[Name, PolicyReference] = {}
    groups: list[IamName] = []
    boundary: PolicyReference | None = None
    tags: Tags = {}


class RoleDocument(Document):
    """An IAM role; without `trust` its own account may assume it."""

    path: IamPath = "/"
    trust: PolicyReference | None = None
    policies: dict[Name, PolicyReference] = {}
    boundary: PolicyReference | None = None
    tags: Tags = {}


class ConstraintsDocument(AwsDocument):
    """A grant's constraints."""

    encryption_context_equals: EncryptionContext | None = None
    encryption_context_subset: EncryptionContext | None = None
    source_arn: StrictStr | None = None


class GrantDocument(AwsDocument):
    """A grant in `CreateGrant`'s words; `pending`: not yet consistent, usable only with its token.

    Without `GrantId`, as ListGrants has it, an id is made from the name or the place of the grant, the same each time.
    """

    grant_id: GrantId | None = None
    name: GrantName | None = None
    grantee_principal: StrictStr | None = None
    grantee_service_principal: Host | None = None
    retiring_principal: StrictStr | None = None
    retiring_service_principal: Host | None = None
    operations: Annotated[list[GrantOperation], Field(min_length=1)]
    constraints: ConstraintsDocument = ConstraintsDocument()
    issuing_account: AccountId | None = None
    pending: Annotated[StrictBool, Field(alias="pending")] = False


class KeyDocument(Document):
    """A KMS key."""

    id: KeyId | None = None
    region: Region | None = None
    spec: Spec = "SYMMETRIC_DEFAULT"
    usage: Usage | None = None
    origin: Origin = "AWS_KMS"
    manager: Literal["CUSTOMER", "AWS"] = "CUSTOMER"
    state: State = "Enabled"
    multi_region: Literal["PRIMARY", "REPLICA"] | None = None
    policy: PolicyReference | None = None
    ram_policy: PolicyReference | None = None
    aliases: list[AliasName] = []
    tags: Tags = {}
    grants: list[GrantDocument] = []


class SecretDocument(Document):
    """A secret in Secrets Manager and the key that it is encrypted under."""

    region: Region | None = None
    key: Name | None = None
    policy: PolicyReference | None = None


class BucketDocument(SecretDocument):
    """An S3 bucket and the key that its objects are encrypted under."""

    bucket_key: StrictBool = False


class AccountDocument(Document):
    """An AWS account and everything in it."""

    unit: Name | None = None
    scps: list[PolicyReference] = ["FullAWSAccess"]
    rcps: list[PolicyReference] = []
    users: dict[IamName, UserDocument] = {}
    groups: dict[IamName, GroupDocument] = {}
    roles: dict[RoleName, RoleDocument] = {}
    keys: dict[Name, KeyDocument] = {}
    buckets: dict[Name, BucketDocument] = {}
    secrets: dict[Name, SecretDocument] = {}


class VpcEndpointDocument(Document):
    """An interface endpoint for KMS; without a policy it lets everything through."""

    account: AccountId
    vpc: Name
    policy: PolicyReference | None = None


class ServiceDocument(Document):
    """An AWS service that calls for itself."""

    service: Host
    source_arn: StrictStr | None = None
    source_account: AccountId | None = None


class SessionDocument(Document):
    """What was passed when the caller's temporary credentials were made."""

    policy: PolicyReference | None = None
    tags: Tags = {}
    mfa: StrictBool = False
    source_identity: StrictStr | None = None
    federated_by: StrictStr | None = None


class CiphertextDocument(Document):
    """The key and the encryption context that a ciphertext was made with; absent: those that the call names."""

    key: Name | None = None
    encryption_context: EncryptionContext | None = None


class NetworkDocument(Document):
    """Where a call comes from."""

    source_ip: StrictStr | None = None
    vpc_endpoint: StrictStr | None = None
    secure_transport: StrictBool = True


class ExpectDocument(Document):
    """What the scenario expects of a request; it may leave each of them open."""

    decision: Literal["ALLOW", "DENY"] | None = None
    layers: list[LayerName] | None = None
    error: StrictStr | None = None
    uncertain: list[StrictStr] = []


def _principal_form(value: object) -> str | None:
    if isinstance(value, str):
        return "[text]"
    return "[service]" if isinstance(value, dict | ServiceDocument) else None


PrincipalDocument = Annotated[
    Annotated[StrictStr, Tag("[text]")] | Annotated[ServiceDocument, Tag("[service]")],
    Discriminator(
        _principal_form,
        custom_error_type=EXPECTED,
        custom_error_message="expected the ARN of a principal, or an object with the `service` that calls for itself",
    ),
]


class RequestDocument(Document):
    """One call, and what is expected of it."""

    name: Name | None = None
    principal: PrincipalDocument
    session: SessionDocument | None = None
    operation: StrictStr
    region: Region | None = None
    parameters: dict[StrictStr, Any] = {}
    ciphertext: CiphertextDocument | None = None
    grant_tokens: list[StrictStr] = []
    via: Host | None = None
    network: NetworkDocument = NetworkDocument()
    context: dict[StrictStr, Any] = {}
    expect: ExpectDocument | None = None
    rules: list[StrictStr] = []
    why: StrictStr = ""


class ScenarioDocument(Document):
    """A scenario: a small AWS world and the requests made in it."""

    title: StrictStr = ""
    description: StrictStr = ""
    region: Region = "us-east-1"
    organization: OrganizationDocument | None = None
    accounts: dict[AccountId, AccountDocument]
    vpc_endpoints: dict[Name, VpcEndpointDocument] = {}
    requests: list[RequestDocument] = []
