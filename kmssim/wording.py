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
