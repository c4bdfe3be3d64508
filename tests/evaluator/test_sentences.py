"""AWS's sentences for keys and grants that cannot serve, word for word: a case states codes only."""

from __future__ import annotations

import pytest
from building import DELEGATION, EVERYTHING, KEY_ARN, WORKER, decided, key, world

from kmssim.evaluator.request import Ciphertext

OTHER_KEY = KEY_ARN.replace("1234abcd", "9999abcd")


def failure(operation="kms:Encrypt", *, parameters=None, ciphertext=None, **kind):
    keys = key(*DELEGATION, **kind), key(*DELEGATION, id=OTHER_KEY.rpartition("/")[2])
    given = {"KeyId": KEY_ARN, **(parameters or {})}
    return decided(world(*keys, mine=EVERYTHING), operation=operation, parameters=given, ciphertext=ciphertext).failure


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ({"state": "Disabled"}, "DisabledException", "is disabled."),
        ({"state": "PendingImport", "origin": "EXTERNAL"}, "KMSInvalidStateException", "is pending import."),
        ({"state": "PendingDeletion"}, "KMSInvalidStateException", "is pending deletion."),
        ({"state": "Unavailable", "origin": "AWS_CLOUDHSM"}, "KMSInvalidStateException", "is unavailable."),
        ({"state": "Creating"}, "KMSInvalidStateException", "is creating."),
    ],
    ids=lambda value: value["state"] if isinstance(value, dict) else "",
)
def test_a_state_is_told_with_the_arn_of_the_key(kind, code, sentence):
    """EM-25, EM-26."""
    ended = failure(**kind)
    assert (ended.code, ended.message, ended.status) == (code, f"{KEY_ARN} {sentence}", 400)


def test_updating_is_told_where_it_stands_in_the_way():
    """EM-26."""
    assert failure("kms:DisableKey", state="Updating").message == f"{KEY_ARN} is updating."
    assert failure(state="Updating") is None


def test_another_key_than_that_of_the_ciphertext():
    """EM-28."""
    ended = failure("kms:Decrypt", ciphertext=Ciphertext(OTHER_KEY))
    sentence = "The key ID in the request does not identify a CMK that can perform this operation."
    assert (ended.code, ended.message, ended.status) == ("IncorrectKeyException", sentence, 400)


def test_a_grant_that_would_only_make_grants():
    """EM-39."""
    ended = failure("kms:CreateGrant", parameters={"GranteePrincipal": WORKER, "Operations": ["CreateGrant"]})
    sentence = "Grants must not contain only the CreateGrant operation."
    assert (ended.code, ended.message, ended.status) == ("ValidationException", sentence, 400)
