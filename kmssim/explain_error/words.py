"""What each denial means, which policy to open, and what can have gone wrong: one table, by form.

Texts are filled with what the sentence names: {who} is the caller in words, {holder} its user or role, {account} its
account, {action}, {resource}, {key_account} and {region} those of the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmssim.explain_error.form import Form


@dataclass(frozen=True)
class Cause:
    """What can have gone wrong, and the rules that say so."""

    text: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """`opens`: what to look at, and where; `command`: the same by the AWS CLI, "" when there is none.

    `causes` come in order of likelihood; `rules` are those of the sentence itself.
    """

    meaning: str
    opens: str
    command: str
    causes: tuple[Cause, ...]
    rules: tuple[str, ...]


def causes(*pairs: tuple[str, str]) -> tuple[Cause, ...]:
    """Causes as pairs of a text and the ids of its rules."""
    return tuple(Cause(text, tuple(rules.split())) for text, rules in pairs)


_KEY_POLICY = "the key policy, in account {key_account}: KMS console, Customer managed keys, the key, tab Key policy"
_GET_KEY_POLICY = "aws kms get-key-policy --key-id {resource} --policy-name default --region {region}"
_IDENTITY = "the policies of {holder}, in account {account}: IAM console, Permissions"
_SESSION = (
    "what was passed when the session of {holder} was made: the Policy and PolicyArns of sts:AssumeRole, or the "
    "permission set behind the role"
)
_BOUNDARY = "the permissions boundary of {holder}, in account {account}: IAM console, Permissions boundary"
_SCP = (
    "the service control policies over account {account}: AWS Organizations console of the management account, the "
    "account and every unit above it, tab Policies"
)
_LIST_SCPS = "aws organizations list-policies-for-target --target-id {account} --filter SERVICE_CONTROL_POLICY"
_RCP = (
    "the resource control policies over account {key_account}, which has the resource: AWS Organizations console of "
    "its management account"
)
_LIST_RCPS = "aws organizations list-policies-for-target --target-id {key_account} --filter RESOURCE_CONTROL_POLICY"
_ENDPOINT = "the policy of the VPC endpoint for KMS through which the call went: VPC console, Endpoints, tab Policy"
_DESCRIBE_ENDPOINTS = (
    "aws ec2 describe-vpc-endpoints --filters Name=service-name,Values=com.amazonaws.{region}.kms --region {region}"
)

_DENY_CAUSES = causes(
    ("an Allow elsewhere does not help: an explicit deny beats every allow. Change the Deny itself", "DA-1"),
    (
        (
            "the Deny has a condition that this call fulfils; a Deny with a negated operator (StringNotEquals, "
            "NotIpAddress) also applies where the condition key is absent"
        ),
        "CO-4",
    ),
    ("other policies may deny as well: the sentence names one type only", "EM-10"),
)


def _denying(opens: str, command: str, what: str, rules: str = "EM-8") -> Words:
    meaning = f"a Deny statement in {what} forbids {{action}} to {{who}}"
    return Words(meaning, opens, command, _DENY_CAUSES, tuple(rules.split()))


def _filtering(opens: str, command: str, what: str, rule: str, *why: tuple[str, str]) -> Words:
    meaning = f"{what} must allow {{action}} beside the other policies, and does not"
    return Words(meaning, opens, command, causes(*why), (rule,))


DENIALS: Mapping[Form, Words] = {
    Form.NO_RESOURCE_POLICY: Words(
        "neither the key policy nor a grant opens the key to {who} for {action}; what IAM allows has nothing to "
        "attach to",
        _KEY_POLICY,
        _GET_KEY_POLICY,
        causes(
            (
                (
                    "no statement of the key policy names {holder}, and none hands account {account} over to IAM "
                    '("Principal": {{"AWS": "arn:aws:iam::{account}:root"}}) for {action}'
                ),
                "KP-1 KP-2",
            ),
            (
                (
                    "a statement does, but its condition is not met: kms:EncryptionContext:..., kms:CallerAccount, or "
                    "kms:ViaService, as in the policy of every AWS managed key"
                ),
                "EM-2 MK-2",
            ),
            ("a statement hands over fewer actions, for instance kms:Describe* only", "KP-2"),
            (
                "the statement shows an id (AROA..., AIDA...) in place of {holder}: it was deleted and made again",
                "PG-42",
            ),
            (
                (
                    "a grant was to give it and does not fit: another operation or encryption context, or it is so "
                    "new that its token must be passed"
                ),
                "GR-10 GR-50",
            ),
        ),
        ("EM-2",),
    ),
    Form.NO_IDENTITY_POLICY: Words(
        "the key policy leaves the decision to IAM in account {account}, and no IAM policy of {who} allows {action} "
        "on {resource}",
        _IDENTITY,
        "aws iam list-attached-{kind}-policies --{kind}-name {name}; aws iam list-{kind}-policies --{kind}-name {name}",
        causes(
            ("no policy of {holder} or of its groups lists {action}", "DA-36"),
            (
                (
                    "one does, but its Resource is another key or Region, or an alias ARN, which never matches the "
                    "key itself"
                ),
                "PG-23 PG-26",
            ),
            (
                "it lists a name that is no action: kms:ReEncrypt; needed are kms:ReEncryptFrom and kms:ReEncryptTo",
                "PG-11",
            ),
            ("its condition is not met by this call, or looks at a key that the call does not carry", "CO-4"),
            ("the call was made as another identity than the one that was given the policy", "EM-14"),
            (
                "{action} takes no key, so only Resource * allows it, if the sentence says `on resource: *`",
                "PG-24",
            ),
        ),
        ("EM-3",),
    ),
    Form.NO_SESSION_POLICY: _filtering(
        _SESSION,
        "aws sts get-caller-identity",
        "the session policy",
        "EM-4",
        ("the session policy lists other actions or other keys: it only takes away from what the role may", "DA-30"),
        ("a federated user was made without a session policy, and so has nothing through IAM", "DA-31"),
        ("a permission set or a broker passes a session policy that nobody thinks of", "DA-30"),
    ),
    Form.NO_BOUNDARY: _filtering(
        _BOUNDARY,
        "aws iam get-{kind} --{kind}-name {name}",
        "the permissions boundary",
        "EM-5",
        ("the boundary does not list {action}: it gives nothing, it only limits", "DA-30"),
        ("it lists it for other resources or under a condition that is not met", "DA-30"),
    ),
    Form.NO_SCP: _filtering(
        _SCP,
        _LIST_SCPS,
        "a service control policy at every level, from the root to the account,",
        "EM-6",
        ("at one level FullAWSAccess was replaced by a list without {action}", "OR-1"),
        ("the list allows it under a condition (Region, tag, role) that this call does not meet", "OR-1"),
    ),
    Form.NO_VPC_ENDPOINT_POLICY: _filtering(
        _ENDPOINT,
        _DESCRIBE_ENDPOINTS,
        "the policy of the VPC endpoint",
        "EM-7",
        ("the endpoint's policy lists other actions, other keys or other principals", "OR-7"),
        ("the key is another account's, and the endpoint allows the keys of one account only", "OR-7"),
    ),
    Form.NO_TRUST_POLICY: Words(
        "{who} may not assume that role: no statement of the role's trust policy allows {action}",
        "the trust policy of the role: IAM console, Roles, the role, tab Trust relationships",
        "aws iam get-role --role-name ROLE",
        causes(("the trust policy names another principal, or a condition (external id, MFA) is not met", "DA-32")),
        ("EM-1",),
    ),
    Form.RESOURCE_POLICY_DENIES: _denying(_KEY_POLICY, _GET_KEY_POLICY, "the key policy"),
    Form.IDENTITY_POLICY_DENIES: _denying(
        _IDENTITY,
        "aws iam list-attached-{kind}-policies --{kind}-name {name}; aws iam list-{kind}-policies --{kind}-name {name}",
        "an IAM policy of {holder}",
    ),
    Form.SESSION_POLICY_DENIES: _denying(_SESSION, "aws sts get-caller-identity", "the session policy"),
    Form.BOUNDARY_DENIES: _denying(_BOUNDARY, "aws iam get-{kind} --{kind}-name {name}", "the permissions boundary"),
    Form.SCP_DENIES: _denying(_SCP, _LIST_SCPS, "a service control policy", "EM-8 OR-1"),
    Form.RCP_DENIES: _denying(_RCP, _LIST_RCPS, "a resource control policy", "EM-8 OR-2"),
    Form.VPC_ENDPOINT_POLICY_DENIES: _denying(_ENDPOINT, _DESCRIBE_ENDPOINTS, "the VPC endpoint policy", "EM-8 OR-7"),
    Form.TRUST_POLICY_DENIES: _denying(
        "the trust policy of the role: IAM console, Roles, the role, tab Trust relationships",
        "aws iam get-role --role-name ROLE",
        "the role's trust policy",
        "EM-1",
    ),
    Form.SOMETHING_DENIES: Words(
        "a Deny statement forbids {action} to {who}; the sentence does not say of which policy",
        "the key policy, the policies of {holder}, its boundary, and the organization's policies: look for Deny",
        _GET_KEY_POLICY,
        _DENY_CAUSES,
        ("EM-9",),
    ),
    Form.REASON_MISSING: Words(
        "{who} may not do {action}; the reason is cut off, or AWS gave none",
        "the whole message in CloudTrail first; then the key policy, then the policies of {holder}",
        "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue={operation}",
        causes(
            ("the key policy does not trust {holder} or its account", "KP-1"),
            ("no IAM policy of {holder} allows it", "DA-36"),
            ("another layer: session policy, boundary, SCP, VPC endpoint, or an explicit Deny", "DA-2"),
        ),
        ("EM-13",),
    ),
    Form.MASKED: Words(
        "the key belongs to another account, or does not exist; AWS does not say which. If it exists, its key policy "
        "does not let {who} do {action}, or denies it",
        "the key policy, in the account that has the key: whoever administers it there must look",
        "aws kms get-key-policy --key-id KEY_ARN --policy-name default",
        causes(
            (
                (
                    "the key policy over there names neither {holder} nor account {account}: across accounts both "
                    "sides must allow"
                ),
                "XA-1 XA-2",
            ),
            ("the call went to another Region, or the key id or account in it is mistyped", "XA-11"),
            (
                "a bare key id or alias name is looked up in the caller's own account: name a foreign key by its ARN",
                "XA-5",
            ),
            ("{action} is one of the operations that never work across accounts", "XA-8 XA-9"),
            (
                "a statement over there asks for kms:CallerAccount or an encryption context that the call has not",
                "XA-11",
            ),
        ),
        ("EM-11", "XA-11"),
    ),
    Form.CIPHERTEXT: Words(
        "KMS found no key for this ciphertext that the caller may use: it does not say whether the key is gone, in "
        "another Region, or not open to the caller",
        "the key policy of the key that encrypted the data, and the caller's policies for kms:Decrypt",
        "aws kms describe-key --key-id KEY_ARN --region REGION",
        causes(
            ("the ciphertext was made in another Region or account than the call was sent to", "EM-12 CH-7"),
            ("the caller has no kms:Decrypt on that key, and the service in between passes on the old text", "EM-12"),
            ("the key was deleted", "CH-7"),
        ),
        ("EM-12",),
    ),
    Form.SECRETS_MANAGER: Words(
        "Secrets Manager asked KMS in the caller's name and was refused: the secret is open to the caller, its key "
        "is not",
        "the key policy of the secret's key, and the caller's policies for kms:Decrypt and kms:GenerateDataKey",
        "aws secretsmanager describe-secret --secret-id SECRET",
        causes(
            (
                "the caller has no kms:Decrypt on the secret's key; writing needs kms:GenerateDataKey as well",
                "DS-10 DS-11",
            ),
            ("the secret is under aws/secretsmanager, which no other account can use", "DS-11"),
            ("the key policy asks for another kms:ViaService or another SecretARN in the encryption context", "DS-10"),
        ),
        ("DS-10",),
    ),
    Form.ACCESS_DENIED: Words(
        "the call was refused; the sentence that says why is not here",
        "the whole message: print the exception itself, or look for errorMessage in CloudTrail",
        "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue={operation}",
        causes(("the log shows the code only; KMS answers a denial with HTTP 400, not 403", "EM-14")),
        ("EM-1",),
    ),
}
