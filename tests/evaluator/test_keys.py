"""Which key a call means: ids in all forms, aliases, ciphertexts; and what is said when there is none."""

from __future__ import annotations

import pytest
from building import (
    ACCOUNT,
    DELEGATION,
    GUEST_SESSION,
    KEY_ARN,
    KEY_ID,
    OTHER,
    REGION,
    allow,
    call,
    caller,
    decided,
    key,
    words,
    world,
)

from kmssim.evaluator.keys import Absence, FoundKey, find_ciphertext_key, find_key, home_account, related_key
from kmssim.evaluator.request import Ciphertext, service_principal

MRK = "mrk-" + "0" * 32
ALIAS_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/orders"
HERE = world(
    key(*DELEGATION, aliases=("alias/orders",)),
    key(*DELEGATION, id=MRK, multi_region="PRIMARY"),
    key(*DELEGATION, id=MRK, multi_region="REPLICA", region="eu-west-1"),
    key(*DELEGATION, id="cccccccc-12ab-34cd-56ef-1234567890ab", partition="aws-cn", region="cn-north-1"),
    mine=(allow(),),
    theirs=(allow(),),
)


def found(reference, *, by=None, region=REGION, alias_allowed=True):
    result = find_key(HERE, call(principal=by or caller()), reference, region, alias_allowed=alias_allowed)
    return (result.key.arn, result.alias) if isinstance(result, FoundKey) else result.absence


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (KEY_ID, (KEY_ARN, None)),
        (KEY_ARN, (KEY_ARN, None)),
        ("alias/orders", (KEY_ARN, "alias/orders")),
        (ALIAS_ARN, (KEY_ARN, "alias/orders")),
        (MRK, (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{MRK}", None)),
        (KEY_ID.replace("1234abcd", "00000000"), Absence.NO_KEY),
        (KEY_ARN.replace("1234abcd", "00000000"), Absence.NO_KEY),
        ("alias/none", Absence.NO_ALIAS),
        ("alias/", Absence.NO_ALIAS),
        (ALIAS_ARN + "2", Absence.NO_ALIAS),
        ("", Absence.INVALID_ID),
        ("orders", Absence.INVALID_ID),
        (KEY_ID + "\n", Absence.INVALID_ID),
        (KEY_ID[:-1], Absence.INVALID_ID),
        ("mrk-12", Absence.INVALID_ID),
        (f"key/{KEY_ID}", Absence.INVALID_ID),
        ("arn:aws:kms", Absence.INVALID_ARN),
        ("arn:aws:s3:::bucket", Absence.INVALID_ARN),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:grant/x", Absence.INVALID_ARN),
        (KEY_ARN.replace(REGION, "eu-west-1"), Absence.OTHER_REGION),
        (KEY_ARN.replace(ACCOUNT, OTHER), Absence.FOREIGN),
        (ALIAS_ARN.replace(ACCOUNT, OTHER), Absence.FOREIGN),
    ],
)
def test_how_a_call_names_its_key(reference, expected):
    assert found(reference) == expected


@pytest.mark.parametrize("reference", ["alias/orders", ALIAS_ARN])
def test_where_no_alias_is_taken_it_is_an_invalid_id(reference):
    """OP-58."""
    assert found(reference, alias_allowed=False) is Absence.INVALID_ID


def test_bare_ids_and_aliases_are_looked_up_at_home_and_arns_everywhere():
    """XA-5."""
    guest = caller(GUEST_SESSION)
    assert found(KEY_ID, by=guest) is Absence.NO_KEY
    assert found("alias/orders", by=guest) is Absence.NO_ALIAS
    assert found(KEY_ARN, by=guest) == (KEY_ARN, None)
    assert found(ALIAS_ARN, by=guest) == (KEY_ARN, "alias/orders")
    assert found(KEY_ARN.replace("1234abcd", "00000000"), by=guest) is Absence.FOREIGN


def test_a_service_looks_at_home_of_the_resource_that_it_works_for():
    """DS-6."""
    assert found(KEY_ID, by=service_principal("s3.amazonaws.com", None, ACCOUNT)) == (KEY_ARN, None)
    assert found(KEY_ID, by=service_principal("s3.amazonaws.com")) is Absence.NO_KEY
    assert home_account(call(principal=service_principal("s3.amazonaws.com"))) == ""


def test_the_partition_of_a_bare_id_is_that_of_its_key():
    assert found("cccccccc-12ab-34cd-56ef-1234567890ab", region="cn-north-1")[0].startswith("arn:aws-cn:kms")


def test_the_key_behind_a_ciphertext_is_found_whoever_owns_it():
    """XA-6, CH-7."""
    guest = caller(GUEST_SESSION)
    assert find_ciphertext_key(HERE, call(principal=guest, ciphertext=Ciphertext(KEY_ARN))).key.arn == KEY_ARN
    elsewhere = call(ciphertext=Ciphertext(KEY_ARN), region="eu-west-1")
    for lost in (call(), call(ciphertext=Ciphertext("x")), elsewhere):
        assert find_ciphertext_key(HERE, lost).absence is Absence.CIPHERTEXT


def test_related_keys_share_id_and_account_and_differ_in_region():
    primary = next(one for one in HERE.keys_by_arn.values() if one.multi_region == "PRIMARY")
    assert related_key(HERE, primary, "eu-west-1").multi_region == "REPLICA"
    assert related_key(HERE, primary, "us-west-2") is None


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        (KEY_ID.replace("1234abcd", "00000000"), "NotFoundException",
         f"Key '{KEY_ARN.replace('1234abcd', '00000000')}' does not exist"),
        ("orders", "NotFoundException", "Invalid keyId 'orders'"),
        (KEY_ARN.replace(REGION, "eu-west-1"), "NotFoundException", "Invalid arn eu-west-1"),
        ("alias/none", "NotFoundException", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found."),
        ("arn:aws:s3:::bucket", "NotFoundException", "Invalid arn arn:aws:s3:::bucket"),
    ],
)  # fmt: skip
def test_what_the_caller_is_told_of_a_missing_key(reference, error, message):
    decision = decided(HERE, operation="kms:Encrypt", parameters={"KeyId": reference})
    assert words(decision) == ("DENY", (), error)
    assert decision.failure.message == message


def test_without_a_key_and_without_a_ciphertext_there_is_nothing_to_decrypt():
    """EM-12."""
    decision = decided(HERE, parameters={})
    assert words(decision) == ("DENY", (), "AccessDeniedException")
    assert decision.failure.message.startswith("The ciphertext refers to a customer master key that does not exist")


def test_who_may_not_do_it_is_not_told_that_the_key_does_not_exist():
    """CH-3: and since AWS leaves that open, the answer says so."""
    decision = decided(world(), parameters={"KeyId": KEY_ID.replace("1234abcd", "00000000")})
    assert decision.failure.code == "AccessDeniedException"
    assert "on this resource because the resource does not exist in this Region" in decision.failure.message
    assert decision.uncertain == ("UN-11",)
