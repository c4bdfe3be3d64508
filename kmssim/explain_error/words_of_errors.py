"""The words for KMS's errors that are no denials (rule book 13.2): one table, by form."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.explain_error.form import Form
from kmssim.explain_error.words import Words, causes

_NO_POLICY = "no policy: {who} was authorized"
_DESCRIBE_KEY = "aws kms describe-key --key-id {resource} --region {region}"

ERRORS: Mapping[Form, Words] = {
    Form.NO_KEY: Words(
        "there is no such key in the account and Region that the call was sent to",
        "no policy: the key id in the call, its account and its Region",
        "aws kms list-keys --region REGION",
        causes(
            ("the client is set to another Region than the key's", "EM-20"),
            ("a bare key id is looked up in the caller's account; name a key of another account by its ARN", "XA-5"),
            ("the key was deleted", "EM-20"),
        ),
        ("EM-20",),
    ),
    Form.NO_KEY_ID: Words(
        "that is no key id in a form which this operation takes",
        "no policy: the KeyId in the call",
        "",
        causes(
            ("the operation takes no alias: give the key id or key ARN", "EM-21 OP-58"),
            ("an alias was written without alias/, or the id is mistyped", "EM-21"),
        ),
        ("EM-21",),
    ),
    Form.OTHER_REGION: Words(
        "the key's ARN is of another Region than the call was sent to",
        "no policy: the Region of the client",
        "",
        causes(("the client's Region and the Region in the ARN differ", "EM-22")),
        ("EM-22",),
    ),
    Form.NO_ALIAS: Words(
        "there is no such alias in that account and Region",
        "no policy: the aliases of the account that is called",
        "aws kms list-aliases --region REGION",
        causes(
            ("an alias belongs to one Region; it was made in another", "EM-23"),
            ("alias names are looked up in the caller's own account", "XA-5"),
        ),
        ("EM-23",),
    ),
    Form.INVALID_ARN: Words(
        "that ARN is of no form that KMS takes here",
        "no policy: the ARN in the call",
        "",
        causes(("it is the ARN of something else than a key or an alias, or parts are missing", "OP-58")),
        ("OP-58",),
    ),
    Form.DISABLED: Words(
        "the key is disabled; this is no denial: {who} was authorized",
        _NO_POLICY + "; the state of the key",
        _DESCRIBE_KEY,
        causes(("somebody disabled the key; aws kms enable-key undoes it", "EM-25 ST-1")),
        ("EM-25",),
    ),
    Form.PENDING_DELETION: Words(
        "the key is to be deleted and cannot be used; this is no denial: {who} was authorized",
        _NO_POLICY + "; the state of the key",
        _DESCRIBE_KEY,
        causes(("its deletion was scheduled; aws kms cancel-key-deletion, then enable-key, undo it", "EM-26 ST-3")),
        ("EM-26",),
    ),
    Form.PENDING_IMPORT: Words(
        "the key has no key material yet, or it was deleted or has expired; this is no denial",
        _NO_POLICY + "; the key's material",
        _DESCRIBE_KEY,
        causes(("its material must be imported, or imported again", "EM-26")),
        ("EM-26",),
    ),
    Form.UNAVAILABLE: Words(
        "the key cannot be used just now: its custom key store is out of reach; this is no denial",
        _NO_POLICY + "; the key's custom key store",
        "aws kms describe-custom-key-stores",
        causes(("the key store is disconnected", "EM-26")),
        ("EM-26",),
    ),
    Form.INVALID_STATE: Words(
        "the key is in a state in which this operation does not work; this is no denial: {who} was authorized",
        _NO_POLICY + "; the state of the key",
        _DESCRIBE_KEY,
        causes(("the key is being made, updated or deleted, or waits for key material", "ST-1 EM-26")),
        ("EM-26",),
    ),
    Form.DRY_RUN: Words(
        "good news: the call would have succeeded, and the caller is authorized. DryRun always ends in an error",
        "nothing",
        "",
        causes(("DryRun is set; leave it out to make the call", "EM-24 OP-59")),
        ("EM-24",),
    ),
    Form.INVALID_CIPHERTEXT: Words(
        "the ciphertext does not go with this call; this is no denial: the caller was authorized",
        "no policy: the encryption context and the ciphertext in the call",
        "",
        causes(
            (
                (
                    "the encryption context differs from the one given when encrypting: every pair counts, and "
                    "upper and lower case"
                ),
                "EC-2 EC-9",
            ),
            ("the ciphertext is damaged, or base64 was decoded once too often or not at all", "EM-27"),
            ("it was not made by KMS", "EM-27"),
        ),
        ("EM-27",),
    ),
    Form.INVALID_SIGNATURE: Words(
        "the signature or MAC does not fit the message; this is no denial: the caller was authorized",
        "no policy: message, signature, algorithm and key in the call",
        "",
        causes(("another message, another key or another algorithm was used when signing", "EM-27")),
        ("EM-27",),
    ),
    Form.INCORRECT_KEY: Words(
        "the call names another key than the one that made the ciphertext; this is no denial",
        "no policy: the KeyId in the call",
        "",
        causes(("leave KeyId out, or name the key that encrypted the data", "EM-28 CH-6")),
        ("EM-28",),
    ),
    Form.INVALID_KEY_USAGE: Words(
        "a key of this kind does not do that; this is no denial: the caller was authorized",
        "no policy: usage and spec of the key, and the algorithm in the call",
        _DESCRIBE_KEY,
        causes(("operation or algorithm and the key's usage or spec do not go together", "EM-29")),
        ("EM-29",),
    ),
    Form.UNSUPPORTED: Words(
        "KMS does not offer this operation on such a key; this is no denial",
        "no policy: origin, spec and kind of the key",
        _DESCRIBE_KEY,
        causes(("the key's origin, spec or multi-Region kind does not allow the operation", "EM-33")),
        ("EM-33",),
    ),
    Form.INVALID_PRINCIPALS: Words(
        "a principal in the policy or the grant does not exist, or is written wrongly",
        "the document in the call: each Principal, GranteePrincipal and RetiringPrincipal",
        "",
        causes(
            ("a role or user in it does not exist, or was made a moment ago and is not known everywhere yet", "EM-30"),
            ("the document still holds the id (AROA...) of a principal that was deleted", "PG-42"),
            ("a group stands as principal; groups are no principals", "PG-39"),
        ),
        ("EM-30",),
    ),
    Form.LOCK_OUT: Words(
        "KMS refuses the new key policy: by it the caller could not change the policy again",
        "the new policy in the call",
        "",
        causes(
            (
                (
                    "no statement allows kms:PutKeyPolicy to the caller or its account; BypassPolicyLockoutSafetyCheck "
                    "skips this check"
                ),
                "EM-31 TP-7",
            )
        ),
        ("EM-31",),
    ),
    Form.MALFORMED_POLICY: Words(
        "the policy document in the call is none that KMS accepts",
        "the document in the call",
        "",
        causes(("an element is misspelt, missing, or not allowed in a key policy", "PG-7")),
        ("EM-30",),
    ),
    Form.INVALID_GRANT: Words(
        "the key has no grant of that id",
        "no policy: the grants of the key",
        "aws kms list-grants --key-id KEY_ARN",
        causes(("the grant was retired or revoked, or belongs to another key", "OP-44")),
        ("OP-44",),
    ),
    Form.INVALID_GRANT_TOKEN: Words(
        "a grant token in the call stands for no grant",
        "no policy: GrantTokens in the call",
        "",
        causes(("the token is mistyped or cut, or its grant is gone; tokens are no secrets, only hints", "GR-51")),
        ("GR-51",),
    ),
    Form.ALIAS: Words(
        "that is no name which an alias may have",
        "no policy: AliasName in the call",
        "",
        causes(("aliases begin with alias/, and those with alias/aws/ are AWS's own", "EM-35 UN-21")),
        ("EM-35",),
    ),
    Form.ALREADY_EXISTS: Words(
        "what the call was to make is there already",
        "no policy: the alias or replica of that name",
        "",
        causes(("an alias points to one key of its Region; update-alias moves it", "TP-2")),
        ("TP-2",),
    ),
    Form.INVALID_PARAMETER: Words(
        "a parameter of the call has no value that KMS accepts; nobody looked at policies yet",
        "no policy: the parameters of the call",
        "",
        causes(("parameters are checked before the key is looked up and before authorization", "CH-1")),
        ("EM-34",),
    ),
    Form.LIMIT: Words(
        "a quota or limit is reached; this is no denial",
        "no policy: the quotas of the account, or the rotations of the key",
        "",
        causes(("too many of a kind exist", "EM-37")),
        ("EM-37",),
    ),
    Form.OTHER: Words(
        "KMS ended the call with this error, which is no denial",
        "no policy: the call and the key",
        "",
        causes(("denials have the code AccessDeniedException", "EM-1")),
        ("EM-1",),
    ),
}
