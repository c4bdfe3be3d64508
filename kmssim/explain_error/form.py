"""The forms in which AWS tells that a call went wrong: one code each, by which the words are found."""

from __future__ import annotations

from enum import Enum

from kmssim.evaluator.decision import Layer


class Form(Enum):
    """What kind of error a sentence is. The first word of a value is the layer where there is one."""

    NO_RESOURCE_POLICY = "no_resource_policy"
    NO_IDENTITY_POLICY = "no_identity_policy"
    NO_SESSION_POLICY = "no_session_policy"
    NO_BOUNDARY = "no_boundary"
    NO_SCP = "no_scp"
    NO_VPC_ENDPOINT_POLICY = "no_vpc_endpoint_policy"
    NO_TRUST_POLICY = "no_trust_policy"
    RESOURCE_POLICY_DENIES = "resource_policy_denies"
    IDENTITY_POLICY_DENIES = "identity_policy_denies"
    SESSION_POLICY_DENIES = "session_policy_denies"
    BOUNDARY_DENIES = "boundary_denies"
    SCP_DENIES = "scp_denies"
    RCP_DENIES = "rcp_denies"
    VPC_ENDPOINT_POLICY_DENIES = "vpc_endpoint_policy_denies"
    TRUST_POLICY_DENIES = "trust_policy_denies"
    SOMETHING_DENIES = "something_denies"
    """an explicit deny whose policy type is not named, or cut off"""
    REASON_MISSING = "reason_missing"
    """the sentence ends before its reason"""
    MASKED = "masked"
    CIPHERTEXT = "ciphertext"
    SECRETS_MANAGER = "secrets_manager"
    ACCESS_DENIED = "access_denied"
    """the code alone, without a sentence"""
    NO_KEY = "no_key"
    NO_KEY_ID = "no_key_id"
    OTHER_REGION = "other_region"
    NO_ALIAS = "no_alias"
    INVALID_ARN = "invalid_arn"
    DISABLED = "disabled"
    INVALID_STATE = "invalid_state"
    PENDING_DELETION = "pending_deletion"
    PENDING_IMPORT = "pending_import"
    UNAVAILABLE = "unavailable"
    DRY_RUN = "dry_run"
    INVALID_CIPHERTEXT = "invalid_ciphertext"
    INVALID_SIGNATURE = "invalid_signature"
    INCORRECT_KEY = "incorrect_key"
    INVALID_KEY_USAGE = "invalid_key_usage"
    UNSUPPORTED = "unsupported"
    INVALID_PRINCIPALS = "invalid_principals"
    LOCK_OUT = "lock_out"
    MALFORMED_POLICY = "malformed_policy"
    INVALID_GRANT = "invalid_grant"
    INVALID_GRANT_TOKEN = "invalid_grant_token"  # noqa: S105 - a code, no secret
    ALIAS = "alias"
    ALREADY_EXISTS = "already_exists"
    INVALID_PARAMETER = "invalid_parameter"
    LIMIT = "limit"
    OTHER = "other"
    """an error of KMS's that is no denial, and of which no more is said"""


POLICY_TYPES: dict[str, tuple[Layer | None, Form, Form]] = {
    "resource-based policy": (Layer.KEY_POLICY, Form.NO_RESOURCE_POLICY, Form.RESOURCE_POLICY_DENIES),
    "identity-based policy": (Layer.IDENTITY, Form.NO_IDENTITY_POLICY, Form.IDENTITY_POLICY_DENIES),
    "session policy": (Layer.SESSION, Form.NO_SESSION_POLICY, Form.SESSION_POLICY_DENIES),
    "permissions boundary": (Layer.BOUNDARY, Form.NO_BOUNDARY, Form.BOUNDARY_DENIES),
    "service control policy": (Layer.SCP, Form.NO_SCP, Form.SCP_DENIES),
    "resource control policy": (Layer.RCP, Form.RCP_DENIES, Form.RCP_DENIES),
    "VPC endpoint policy": (Layer.VPC_ENDPOINT, Form.NO_VPC_ENDPOINT_POLICY, Form.VPC_ENDPOINT_POLICY_DENIES),
    "role trust policy": (None, Form.NO_TRUST_POLICY, Form.TRUST_POLICY_DENIES),
}
"""AWS's name of a policy type: the layer, what a missing allow there is, what a deny there is (EM-2 to EM-8)."""
