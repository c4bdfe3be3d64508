"""The words of explanations: every sentence that a person reads about a decision, by reason code, in one place."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.evaluator.decision import Layer
from kmssim.evaluator.request import Principal, PrincipalKind

LAYER_NAMES: Mapping[Layer, str] = {
    Layer.RCP: "Resource control policy",
    Layer.SCP: "Service control policy",
    Layer.VPC_ENDPOINT: "VPC endpoint policy",
    Layer.KEY_POLICY: "KMS key policy",
    Layer.GRANT: "Grant",
    Layer.IDENTITY: "IAM policy",
    Layer.BOUNDARY: "Permissions boundary",
    Layer.SESSION: "Session policy",
}

IN_A_SENTENCE: Mapping[Layer, str] = {
    Layer.RCP: "a resource control policy",
    Layer.SCP: "a service control policy",
    Layer.VPC_ENDPOINT: "the VPC endpoint policy",
    Layer.KEY_POLICY: "the key policy",
    Layer.GRANT: "the grant",
    Layer.IDENTITY: "an IAM policy of the caller",
    Layer.BOUNDARY: "the permissions boundary",
    Layer.SESSION: "the session policy",
}

NOT_APPLICABLE: Mapping[str, str] = {
    "no_organization": "the account is in no organization",
    "management_account": "does not bind the management account",
    "service_linked_role": "does not bind service-linked roles",
    "service_principal": "does not bind a service that calls for itself",
    "aws_managed_key": "does not bind AWS managed keys",
    "retire_grant": "does not bind kms:RetireGrant",
    "no_resource": "the call has no resource",
    "no_endpoint": "the call comes through no VPC endpoint",
    "forwarded": "a service's forwarded call does not cross the caller's endpoint",
    "no_key": "no key takes part",
    "no_boundary": "none",
    "no_session_policy": "none",
}

NO_KEY_FOUND: Mapping[str, str] = {
    "EM-20": "there is no such key in the caller's account and Region, so there is nothing to authorize",
    "EM-21": "that is no key id in a form which this operation takes, so there is nothing to authorize",
    "EM-22": "the call was sent to another Region than the key's, and an endpoint serves the keys of its Region only",
    "EM-23": "there is no such alias in that account and Region, so there is nothing to authorize",
    "EM-11": "whether the key does not exist or trusts nobody here is not told to this caller",
    "EM-12": "no key of this Region made that ciphertext",
    "GR-51": "the token stands for no grant",
    "OP-44": "the key has no grant of that id",
    "OP-58": "that ARN is no key's and no alias's",
}


CLAUSES: Mapping[str, str] = {
    # why a permission is granted, by the path that is open
    "allowed_iam": "no key policy is asked for {action}, and IAM allows it",
    "allowed_service": "{action} itself needs no key, and {givers} it",
    "allowed_direct": "the key policy trusts {trusted} directly{as_held}, which is enough in the key's own account",
    "allowed_service_itself": (
        "the key policy names {caller}{as_held}, and a service that calls for itself needs no more"
    ),
    "allowed_root": "the key policy trusts the account{as_held}, and so its root user",
    "allowed_delegation": (
        "the key policy hands the account over to IAM, and an IAM policy of {caller} allows {action}{as_held}"
    ),
    "allowed_across_direct": (
        "the key policy trusts {trusted} of account {account} itself, and an IAM policy over there allows {action} "
        "as well{as_held}"
    ),
    "allowed_across_account": (
        "the key policy trusts account {account}, and an IAM policy of {caller} over there allows {action}{as_held}"
    ),
    "allowed_grant": "{grants} {action} to {caller}{fitting}",
    "allowed_retire": "the grant lets {caller} retire it",
    "allowed_retire_by_account": (
        "the grant was issued by {caller}'s account, and an IAM policy of {caller} allows {action}"
    ),
    # an explicit deny
    "denied": "{deniers} {verb} {action} explicitly{since}, and an explicit deny beats every allow",
    # the key's side is missing
    "key_not_across": "{action} does not work on a key of another account, so what its key policy allows is idle",
    "key_condition": "the key policy would trust {caller}, but asks for {asked}, and in this call {found}",
    "key_action_direct": "the key policy trusts {caller} for {actions} only",
    "key_action_account": "the key policy hands only {actions} over to the account",
    "no_such_action": " (kms:ReEncrypt is no action; needed are kms:ReEncryptFrom and kms:ReEncryptTo)",
    "key_action_excluded": "the key policy's statement for {caller} leaves {action} out",
    "key_resource": "the key policy's statement for {caller} does not name this key as its resource",
    "key_nobody": "the key policy neither names {caller} nor hands the account over to IAM",
    "key_nobody_abroad": "the key policy trusts neither {named} nor account {account}",
    "key_nobody_root": "the key policy trusts neither the account nor its root user",
    "key_nobody_service": "the key policy does not name the {named}",
    # and what follows from that
    "so_idle": ", so the IAM Allow has nothing to attach to",
    "so_no_substitute": ", and no IAM policy can stand in for that",
    "so_both_sides": ", and across accounts both sides must allow",
    "so_nothing": "",
    # why a grant does not help
    "grant_unfit": "; the grant {grant} does not help, since {gap}",
    "gap_Operations": "it lists {wanted}, not {found}",
    "gap_GranteePrincipal": "it is to {wanted}",
    "gap_GrantTokens": "it is not yet consistent, and the call does not carry its token",
    "gap_SourceArn": "it is for calls for {wanted}, and this call is for {found}",
    "gap_SourceArn_absent": "it is for calls for {wanted}, and this call carries no aws:SourceArn",
    "gap_EncryptionContextEquals": "it asks for exactly the encryption context {wanted}, and the call has {found}",
    "gap_EncryptionContextSubset": "it asks for {wanted} in the encryption context, and the call has {found}",
    "gap_Constraints": "a grant made by it must keep its constraints ({wanted}), and the new one has {found}",
    "gap": "its {element} wants {wanted} and the call has {found}",
    # the caller's own policies are missing
    "iam_only": "only IAM can allow {action} here, and ",
    "iam_service": "the caller needs {action} of its own first, and ",
    "iam_delegated": "the key policy leaves the decision to IAM, and ",
    "iam_across": "across accounts the caller's own IAM policy must allow as well, and ",
    "iam_both": "",
    "iam_none": "no IAM policy of {caller} allows {action}",
    "iam_condition": "the IAM policy of {caller} that allows {action} asks for {asked}, and in this call {found}",
    "iam_resource": "the IAM policy of {caller} allows {action} on {wanted}, not on {found}",
    "iam_alias": "the IAM policy of {caller} allows {action} on {wanted}; an alias ARN never stands for its key",
    "iam_star": "the IAM policy of {caller} allows {action} on {wanted}, and {action} takes no resource but *",
    # a filter is silent
    "filter_none": "{filter} does not allow {action}, and what it does not allow no other policy can give",
    "filter_condition": (
        "{filter} allows {action}, but asks for {asked}, and in this call {found}; what it does not allow no other "
        "policy can give"
    ),
    "filter_resource": (
        "{filter} allows {action} on {wanted}, not on {found}, and what it does not allow no other policy can give"
    ),
    "filter_federated": "a federated user without a session policy has nothing through IAM",
    # RetireGrant
    "may_not_retire": (
        "only the grant's retiring principal, its grantee where the grant lists RetireGrant, or the account that "
        "issued it may retire a grant"
    ),
    # no permission was asked for
    "no_authorization": "the call is refused for what it says, before any policy is looked at",
}
"""The clauses of causal sentences, by reason code; `because` says when each is said, and fills it."""

FILTERS: Mapping[Layer, str] = {
    Layer.RCP: "a resource control policy",
    Layer.SCP: "the service control policy at some level of the organization",
    Layer.VPC_ENDPOINT: "the VPC endpoint policy",
    Layer.BOUNDARY: "the permissions boundary",
    Layer.SESSION: "the session policy",
}
"""A layer that must allow beside the others, as the subject of a sentence."""


def who(principal: Principal) -> str:
    """The caller in two or three words, e.g. `workload role`."""
    if principal.kind is PrincipalKind.ROLE_SESSION:
        return f"{principal.name} role"
    if principal.kind is PrincipalKind.USER:
        return f"user {principal.name}"
    if principal.kind is PrincipalKind.FEDERATED_USER:
        return f"federated user {principal.name}"
    if principal.kind is PrincipalKind.ROOT:
        return f"root user of account {principal.account}"
    return f"service {principal.name}"


def kind_of(principal: Principal) -> str:
    """The caller's kind as a sentence has it, e.g. `the role`."""
    kinds = {
        PrincipalKind.ROLE_SESSION: "the role",
        PrincipalKind.USER: "the user",
        PrincipalKind.FEDERATED_USER: "the federated user",
        PrincipalKind.ROOT: "the root user",
        PrincipalKind.SERVICE: "the service",
    }
    return kinds[principal.kind]


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def short(resource: str) -> str:
    """The last part of an ARN, which tells the resources of one call apart."""
    return resource.split(":", 5)[-1] if resource != "*" else "no resource"
