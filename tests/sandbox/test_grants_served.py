"""Grants as a client of KMS sees them: ids and tokens, names, lists, and who gets rid of them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from itertools import count

import pytest
from botocore.exceptions import ClientError

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import Account, Constraints, Grant, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.seams import find_seam
from kmssim.sandbox.stored_grants import GrantNotes

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
KEY_ID, OTHER_ID, FAR_ID, CROWDED_ID, MAC_ID = (f"1234abcd-12ab-34cd-56ef-12345678900{n}" for n in range(5))
KEY, OTHER, CROWDED = (f"arn:aws:kms:{REGION}:{HERE}:key/{key}" for key in (KEY_ID, OTHER_ID, CROWDED_ID))
FAR = f"arn:aws:kms:{REGION}:{THERE}:key/{FAR_ID}"
ADMIN, FAR_ADMIN = (f"arn:aws:sts::{account}:assumed-role/admin/job" for account in (HERE, THERE))
READER, RETIRER = (f"arn:aws:iam::{HERE}:role/{name}" for name in ("reader", "retirer"))
DECLARED, PENDING = "d" * 64, "e" * 64
names = (f"grant-{n}" for n in count())


def allow_all():
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.IDENTITY)


def open_to_both():
    principals = [f"arn:aws:iam::{account}:root" for account in (HERE, THERE)]
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "kms:*", "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.KEY_POLICY)


def roles(account: str) -> dict[str, Role]:
    return {
        "admin": Role(f"arn:aws:iam::{account}:role/admin", "admin", policies=(allow_all(),)),
        **{name: Role(f"arn:aws:iam::{account}:role/{name}", name) for name in ("reader", "retirer", "nobody")},
    }


@pytest.fixture(scope="module")
def sandbox():
    declared = (
        Grant(DECLARED, None, ("Decrypt",), HERE, grantee=READER, retiring=RETIRER),
        Grant(PENDING, None, ("Encrypt",), HERE, grantee=READER, retiring=RETIRER, pending=True),
    )
    keys = (
        Key(KEY_ID, REGION, HERE, default_key_policy(HERE)),
        Key(OTHER_ID, REGION, HERE, default_key_policy(HERE), grants=declared),
        Key(CROWDED_ID, REGION, HERE, default_key_policy(HERE)),
        Key(MAC_ID, REGION, HERE, default_key_policy(HERE), spec="HMAC_256", usage="GENERATE_VERIFY_MAC"),
    )
    far = Account(THERE, roles=roles(THERE), keys=(Key(FAR_ID, REGION, THERE, open_to_both()),))
    with Sandbox(World({HERE: Account(HERE, roles=roles(HERE), keys=keys), THERE: far})) as opened:
        yield opened
        assert not opened.faults


@pytest.fixture(scope="module")
def kms(sandbox):
    return sandbox.client("kms", as_=ADMIN)


def as_role(sandbox, name: str, account: str = HERE):
    return sandbox.client("kms", as_=f"arn:aws:sts::{account}:assumed-role/{name}/job")


def refused(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make(kms, **parameters) -> dict:
    return kms.create_grant(**{"KeyId": KEY, "GranteePrincipal": READER, "Operations": ["Encrypt"], **parameters})


def ids(kms, **parameters) -> list[str]:
    return [grant["GrantId"] for grant in kms.list_grants(**{"KeyId": KEY, **parameters})["Grants"]]


def test_a_grant_has_an_id_of_64_hex_digits_and_an_opaque_token(kms):
    made = make(kms)
    assert re.fullmatch(r"[0-9a-f]{64}", made["GrantId"])
    assert re.fullmatch(r"[A-Za-z0-9_=-]{100,}", made["GrantToken"])
    assert made["GrantId"] not in made["GrantToken"]


def test_the_same_name_and_parameters_give_the_same_grant_and_another_token(kms, sandbox):
    wish = {"Name": next(names), "Operations": ["Encrypt", "DescribeKey"], "RetiringPrincipal": RETIRER}
    first, second = make(kms, **wish), make(kms, **{**wish, "Operations": ["DescribeKey", "Encrypt"]})
    assert first["GrantId"] == second["GrantId"]
    assert first["GrantToken"] != second["GrantToken"]
    reader = as_role(sandbox, "reader")
    for made in (first, second):
        reader.encrypt(KeyId=KEY, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
    as_role(sandbox, "retirer").retire_grant(GrantToken=first["GrantToken"])
    code, _ = refused(kms.retire_grant, GrantToken=second["GrantToken"])
    assert code == "InvalidGrantTokenException"


@pytest.mark.parametrize(
    "other",
    [
        {"Operations": ["Decrypt"]},
        {"GranteePrincipal": RETIRER},
        {"RetiringPrincipal": RETIRER},
        {"Constraints": {"EncryptionContextSubset": {"a": "b"}}},
        {"Constraints": {"EncryptionContextEquals": {}}},
    ],
)
def test_the_same_name_with_other_parameters_is_another_grant(kms, other):
    name = {"Name": next(names)}
    assert make(kms, **name)["GrantId"] != make(kms, **name, **other)["GrantId"]


def test_without_a_name_each_call_makes_a_grant(kms):
    assert make(kms)["GrantId"] != make(kms)["GrantId"]


def test_the_same_name_on_two_keys_is_two_grants(kms):
    name = next(names)
    wish = {"Name": name, "Operations": ["DescribeKey"]}
    assert make(kms, **wish)["GrantId"] != make(kms, **wish, KeyId=OTHER)["GrantId"]


def test_a_new_grant_counts_at_once_with_and_without_its_token(kms, sandbox):
    code, _ = refused(as_role(sandbox, "nobody").generate_data_key, KeyId=KEY, KeySpec="AES_256")
    assert code == "AccessDeniedException"
    made = make(kms, GranteePrincipal=f"arn:aws:iam::{HERE}:role/nobody", Operations=["GenerateDataKey"])
    nobody = as_role(sandbox, "nobody")
    nobody.generate_data_key(KeyId=KEY, KeySpec="AES_256")
    nobody.generate_data_key(KeyId=KEY, KeySpec="AES_256", GrantTokens=[made["GrantToken"]])
    kms.revoke_grant(KeyId=KEY, GrantId=made["GrantId"])
    assert refused(nobody.generate_data_key, KeyId=KEY, KeySpec="AES_256")[0] == "AccessDeniedException"


def test_a_pending_grant_of_the_world_counts_with_its_token_only(sandbox):
    reader = as_role(sandbox, "reader")
    token = sandbox.memory.notes(GrantNotes).token_of(PENDING)
    assert refused(reader.encrypt, KeyId=OTHER, Plaintext=b"x")[0] == "AccessDeniedException"
    reader.encrypt(KeyId=OTHER, Plaintext=b"x", GrantTokens=[token])


@pytest.mark.parametrize("token", ["made-up", DECLARED, "x" * 300, "ü", "AQpA", "!" * 8192])
def test_what_is_no_token_is_refused_even_when_it_is_a_grants_id(sandbox, token):
    reader = as_role(sandbox, "reader")
    assert refused(reader.decrypt, KeyId=OTHER, CiphertextBlob=b"x" * 80, GrantTokens=[token])[0] in {
        "InvalidGrantTokenException",
        "InvalidCiphertextException",
    }
    assert refused(reader.retire_grant, GrantToken=token)[0] == "InvalidGrantTokenException"


def test_a_damaged_token_and_one_of_another_sandbox_are_none(kms, sandbox):
    token = make(kms)["GrantToken"]
    damaged = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
    foreign = GrantNotes().new_token(DECLARED)
    for wrong in (damaged, foreign):
        assert refused(kms.retire_grant, GrantToken=wrong)[0] == "InvalidGrantTokenException"
    assert sandbox.world.key_of_grant(DECLARED)


def test_a_listed_grant_shows_all_that_aws_shows(kms):
    before = datetime.now(UTC)
    made = make(kms, KeyId=KEY_ID, Name=next(names), RetiringPrincipal=RETIRER,
                Constraints={"EncryptionContextSubset": {"tenant": "a"}})  # fmt: skip
    [listed] = kms.list_grants(KeyId=KEY_ID, GrantId=made["GrantId"])["Grants"]
    assert abs((listed.pop("CreationDate") - before).total_seconds()) < 60
    assert listed.pop("Name").startswith("grant-")
    assert listed == {
        "KeyId": KEY,
        "GrantId": made["GrantId"],
        "GranteePrincipal": READER,
        "RetiringPrincipal": RETIRER,
        "IssuingAccount": f"arn:aws:iam::{HERE}:root",
        "Operations": ["Encrypt"],
        "Constraints": {"EncryptionContextSubset": {"tenant": "a"}},
    }
    [unnamed] = kms.list_grants(KeyId=OTHER, GrantId=DECLARED)["Grants"]
    assert (unnamed["Name"], "Constraints" in unnamed) == ("", False)


def test_a_grant_to_a_service_is_listed_and_found_as_such(kms):
    service = "rds.us-east-1.amazonaws.com"
    source = f"arn:aws:rds:{REGION}:{HERE}:cluster:main"
    parameters = {"GranteeServicePrincipal": service, "RetiringServicePrincipal": service, "Operations": ["Encrypt"]}
    made = kms.create_grant(KeyId=KEY, Constraints={"SourceArn": source}, **parameters)
    [listed] = kms.list_grants(KeyId=KEY, GranteeServicePrincipal=service)["Grants"]
    assert (listed["GrantId"], listed["Constraints"]) == (made["GrantId"], {"SourceArn": source})
    assert {name: listed.get(name) for name in parameters} == parameters
    assert "GranteePrincipal" not in listed
    retirable = kms.list_retirable_grants(RetiringServicePrincipal=service)["Grants"]
    assert [grant["GrantId"] for grant in retirable] == [made["GrantId"]]


def test_filters_narrow_each_other_down(kms):
    mine = make(kms, GranteePrincipal=ADMIN)["GrantId"]
    other = make(kms)["GrantId"]
    assert ids(kms, GranteePrincipal=ADMIN) == [mine]
    assert ids(kms, GrantId=mine, GranteePrincipal=ADMIN) == [mine]
    assert ids(kms, GrantId=other, GranteePrincipal=ADMIN) == []
    assert ids(kms, GrantId="f" * 64) == []
    assert ids(kms, GranteePrincipal=f"arn:aws:iam::{HERE}:role/who") == []


def test_retirable_grants_are_those_of_a_principal_at_home_on_keys_of_any_account(kms, sandbox):
    """XA-9, GR-64."""
    far = sandbox.client("kms", as_=FAR_ADMIN)
    retirer = f"arn:aws:iam::{THERE}:role/retirer"
    made = {
        make(kms, RetiringPrincipal=retirer)["GrantId"],
        make(far, KeyId=FAR, RetiringPrincipal=retirer)["GrantId"],
    }
    assert {grant["GrantId"] for grant in far.list_retirable_grants(RetiringPrincipal=retirer)["Grants"]} == made
    assert refused(kms.list_retirable_grants, RetiringPrincipal=retirer)[0] == "InvalidArnException"
    elsewhere = sandbox.client("kms", as_=FAR_ADMIN, region="eu-west-1")
    assert elsewhere.list_retirable_grants(RetiringPrincipal=retirer)["Grants"] == []
    assert refused(as_role(sandbox, "reader").list_retirable_grants, RetiringPrincipal=READER)[0] == (
        "AccessDeniedException"
    )
    assert refused(kms.list_retirable_grants)[0] == "ValidationException"


def test_the_issuing_account_of_a_grant_across_accounts_may_retire_it(kms, sandbox):
    made = make(kms, KeyId=FAR, GranteePrincipal=f"arn:aws:iam::{THERE}:role/reader")
    far = sandbox.client("kms", as_=FAR_ADMIN)
    [listed] = far.list_grants(KeyId=FAR_ID, GrantId=made["GrantId"])["Grants"]
    assert (listed["IssuingAccount"], listed["KeyId"]) == (f"arn:aws:iam::{HERE}:root", FAR)
    as_role(sandbox, "reader", THERE).encrypt(KeyId=FAR, Plaintext=b"x")
    assert refused(far.retire_grant, KeyId=FAR, GrantId=made["GrantId"])[0] == "AccessDeniedException"
    kms.retire_grant(KeyId=FAR, GrantId=made["GrantId"])
    assert refused(as_role(sandbox, "reader", THERE).encrypt, KeyId=FAR, Plaintext=b"x")[0] == "AccessDeniedException"


def test_who_may_retire_a_grant_retires_it_and_nobody_else_does(kms, sandbox):
    made = make(kms, RetiringPrincipal=RETIRER)
    named = {"KeyId": KEY, "GrantId": made["GrantId"]}
    for who in ("reader", "nobody"):
        assert refused(as_role(sandbox, who).retire_grant, **named)[0] == "AccessDeniedException"
        assert refused(as_role(sandbox, who).revoke_grant, **named)[0] == "AccessDeniedException"
    as_role(sandbox, "retirer").retire_grant(**named)
    assert ids(kms, GrantId=made["GrantId"]) == []
    assert refused(kms.retire_grant, **named)[0] == "InvalidGrantIdException"
    assert refused(kms.revoke_grant, **named)[0] == "InvalidGrantIdException"
    assert refused(kms.retire_grant)[0] == "ValidationException"


def test_a_grantee_with_retire_grant_retires_its_own(kms, sandbox):
    made = make(kms, Operations=["Encrypt", "RetireGrant"])
    as_role(sandbox, "reader").retire_grant(GrantToken=made["GrantToken"])
    assert ids(kms, GrantId=made["GrantId"]) == []


@pytest.mark.parametrize("operation", ["create_grant", "revoke_grant", "retire_grant"])
def test_a_dry_run_changes_nothing(kms, operation):
    before = ids(kms, Limit=100)
    grant = make(kms)["GrantId"]
    wish = (
        {"GranteePrincipal": READER, "Operations": ["Encrypt"]} if operation == "create_grant" else {"GrantId": grant}
    )
    code, message = refused(getattr(kms, operation), KeyId=KEY, DryRun=True, **wish)
    assert (code, message) == (
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
    assert ids(kms, Limit=100) == [*before, grant]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"KeyId": "invalid"}, "NotFoundException"),
        ({"GranteePrincipal": "bob"}, "InvalidArnException"),
        ({"Operations": ["Encrypt", "Fly"]}, "ValidationException"),
        ({"Operations": ["Sign"]}, "ValidationException"),
        ({"Operations": ["CreateGrant"]}, "ValidationException"),
        ({"Name": "no blanks"}, "ValidationException"),
        ({"GranteeServicePrincipal": "rds.us-east-1.amazonaws.com"}, "ValidationException"),
        ({"KeyId": MAC_ID, "Operations": ["GenerateMac"], "Constraints": {"EncryptionContextEquals": {"a": "b"}}},
         "ValidationException"),
    ],
)  # fmt: skip
def test_a_grant_that_aws_would_not_make_is_not_made(kms, parameters, code):
    before = ids(kms, Limit=100)
    assert refused(make, kms=kms, **parameters)[0] == code
    assert ids(kms, Limit=100) == before


def test_what_was_revoked_leaves_no_note(kms, sandbox):
    notes = sandbox.memory.notes(GrantNotes)
    before = len(notes.by_grant)
    for _ in range(5):
        kms.revoke_grant(KeyId=KEY, GrantId=make(kms)["GrantId"])
    assert len(notes.by_grant) == before


def test_the_world_is_read_back_with_the_new_grant(kms, sandbox):
    constraints = {"EncryptionContextEquals": {"a": "b"}}
    name = next(names)
    made = make(kms, Name=name, RetiringPrincipal=RETIRER, Constraints=constraints)
    assert sandbox.world.keys_by_arn[KEY].grant_index.find(made["GrantId"]) == Grant(
        made["GrantId"], name, ("Encrypt",), HERE, READER, None, RETIRER, None, Constraints({"a": "b"})
    )


def test_a_key_with_50_000_grants_is_served_page_by_page(kms):
    crowd = 50_000
    key = find_seam("moto.kms.models", "kms_backends")[HERE][REGION].keys[CROWDED_ID]
    for number in range(crowd):
        grant = key.add_grant(f"n-{number}", f"arn:aws:iam::{HERE}:role/r{number}", ["Encrypt"], None, None)
        key.grants[f"{number:064x}"] = key.grants.pop(grant.id)
        grant.id = f"{number:064x}"
    kms.tag_resource(KeyId=CROWDED, Tags=[{"TagKey": "a", "TagValue": "b"}])  # makes the sandbox look at it again
    page = kms.list_grants(KeyId=CROWDED, Limit=100)
    assert refused(make, kms=kms, KeyId=CROWDED)[0] == "LimitExceededException"
    started = time.perf_counter()
    for _ in range(20):
        page = kms.list_grants(KeyId=CROWDED, Limit=100, Marker=page["NextMarker"])
    one = kms.list_grants(KeyId=CROWDED, GranteePrincipal=f"arn:aws:iam::{HERE}:role/r49999")
    took = time.perf_counter() - started
    assert page["Grants"][0]["GrantId"] == f"{2000:064x}"
    assert [grant["Name"] for grant in one["Grants"]] == ["n-49999"]
    assert took / 21 < 0.1, "a page costs a page, not a walk through all grants"
    key.grants.clear()
    kms.untag_resource(KeyId=CROWDED, TagKeys=["a"])


def test_a_grant_that_moto_made_alone_is_found_afterwards(kms, sandbox):
    with sandbox.moto_alone():
        made = make(sandbox.client("kms", as_=ADMIN), KeyId=KEY_ID, GranteePrincipal=ADMIN, Operations=["DescribeKey"])
    [listed] = kms.list_grants(KeyId=KEY, GrantId=made["GrantId"])["Grants"]
    assert listed["IssuingAccount"] == f"arn:aws:iam::{HERE}:root"
    assert re.fullmatch(r"[0-9a-f]+", made["GrantToken"]), "moto's own, which is no token of KMS"
    kms.revoke_grant(KeyId=KEY, GrantId=made["GrantId"])
