"""KMS's other errors (rule book 13.2) → their form, by message where it is told apart so, else by code."""

from __future__ import annotations

import re

from kmssim.evaluator.operations import OPERATIONS
from kmssim.explain_error.form import Form

_MESSAGES: tuple[tuple[str, Form], ...] = (
    (r"^The ciphertext refers to a customer master key that does not exist", Form.CIPHERTEXT),  # EM-12
    (r"^Access to KMS is not allowed", Form.SECRETS_MANAGER),  # DS-10
    (r"^Key '.*' does not exist", Form.NO_KEY),  # EM-20
    (r"^Invalid keyId ", Form.NO_KEY_ID),  # EM-21
    (r"^Invalid arn [a-z]{2}(-[a-z]+)+-\d+$", Form.OTHER_REGION),  # EM-22
    (r"^Invalid arn ", Form.INVALID_ARN),
    (r"^Alias .* is not found", Form.NO_ALIAS),  # EM-23
    (r"^The request would have succeeded, but the DryRun option is set", Form.DRY_RUN),  # EM-24
    (r" is disabled\.?$", Form.DISABLED),  # EM-25
    (r" is pending (replica )?deletion\.?$", Form.PENDING_DELETION),  # EM-26
    (r" is pending import\.?$", Form.PENDING_IMPORT),
    (r" is unavailable\.?$", Form.UNAVAILABLE),
    (r" is (creating|updating)\.?$", Form.INVALID_STATE),
    (
        r"^The key ID in the request does not identify a CMK that can perform this operation",
        Form.INCORRECT_KEY,
    ),  # EM-28
    (r" key usage is \w+ which is not valid for \w+", Form.INVALID_KEY_USAGE),  # EM-29
    (r"^Algorithm \S+ is incompatible with key spec ", Form.INVALID_KEY_USAGE),
    (r"^Policy contains a statement with one or more invalid principals", Form.INVALID_PRINCIPALS),  # EM-30
    (r"^The new key policy will not allow you to update the key policy in the future", Form.LOCK_OUT),  # EM-31
    (r"^ARN does not refer to a valid principal", Form.INVALID_PRINCIPALS),
    (r" which is not valid for this operation\.?$| is not an? (asymmetric|multi-region primary) key", Form.UNSUPPORTED),
)
_CODES = {
    "AccessDenied": Form.ACCESS_DENIED,
    "AccessDeniedException": Form.ACCESS_DENIED,
    "KmsAccessDenied": Form.ACCESS_DENIED,
    "KMSAccessDenied": Form.ACCESS_DENIED,
    "KMSAccessDeniedException": Form.ACCESS_DENIED,
    "DisabledException": Form.DISABLED,
    "KMSInvalidStateException": Form.INVALID_STATE,
    "KeyUnavailableException": Form.UNAVAILABLE,
    "DryRunOperationException": Form.DRY_RUN,
    "InvalidCiphertextException": Form.INVALID_CIPHERTEXT,
    "KMSInvalidSignatureException": Form.INVALID_SIGNATURE,
    "KMSInvalidMacException": Form.INVALID_SIGNATURE,
    "IncorrectKeyException": Form.INCORRECT_KEY,
    "InvalidKeyUsageException": Form.INVALID_KEY_USAGE,
    "UnsupportedOperationException": Form.UNSUPPORTED,
    "MalformedPolicyDocumentException": Form.MALFORMED_POLICY,
    "OverlyPermissiveCondition": Form.MALFORMED_POLICY,
    "InvalidGrantIdException": Form.INVALID_GRANT,
    "InvalidGrantTokenException": Form.INVALID_GRANT_TOKEN,
    "InvalidAliasNameException": Form.ALIAS,
    "AlreadyExistsException": Form.ALREADY_EXISTS,
    "ValidationException": Form.INVALID_PARAMETER,
    "LimitExceededException": Form.LIMIT,
    "TagException": Form.INVALID_PARAMETER,
    "InvalidArnException": Form.INVALID_ARN,
    "NotFoundException": Form.NO_KEY,
}
_KNOWN = frozenset(code for row in OPERATIONS.values() for code in row.errors) | {
    "DecryptionFailure",
    "EncryptionFailure",
    "ThrottlingException",
}


def form_of_error(code: str | None, message: str) -> Form | None:
    """The form of an error that is no AccessDenied sentence; None: AWS says no such thing of a KMS call.

    `KMS.` before a code is how S3 passes one on (DS-5).
    """
    by_message = next((form for pattern, form in _MESSAGES if re.search(pattern, message)), None)
    if by_message is not None:
        return by_message
    plain = (code or "").removeprefix("KMS.")
    return _CODES.get(plain) or (Form.OTHER if plain in _KNOWN else None)
