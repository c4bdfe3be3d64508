"""Lists of KMS a page at a time, and what aliases and tags do to them."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import Account, Grant, Key, Role, World
from kmssim.sandbox.sandbox import Sandbox

HERE, THERE, REGION = "111122223333", "444455556666", "us-east-1"
ADMIN = f"arn:aws:sts::{HERE}:assumed-role/admin/job"
READER = f"arn:aws:iam::{HERE}:role/reader"


def key_id(number: int) -> str:
    return f"1234abcd-12ab-34cd-56ef-{number:012}"


def arn(number: int, account: str = HERE) -> str:
    return f"arn:aws:kms:{REGION}:{account}:key/{key_id(number)}"


PREFIX = (
    'Alias must start with the prefix "alias/". '
    "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)
BUSY, PLAIN, MANAGED, SHARED = 1, 2, 3, 4
TAGS = {f"tag-{n:02}": f"value-{n}" for n in range(12)}
GRANTS = tuple(Grant(f"{n:064x}", None, ("Encrypt",), HERE, READER, retiring=READER) for n in range(12))


def world() -> World:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.IDENTITY)
    mine = default_key_policy(HERE)
    keys = (
        Key(key_id(BUSY), REGION, HERE, mine, aliases=("alias/a", "alias/b"), tags=TAGS, grants=GRANTS),
        Key(key_id(PLAIN), REGION, HERE, mine, aliases=("alias/Z",)),
        Key(key_id(MANAGED), REGION, HERE, mine, manager="AWS", aliases=("alias/aws/s3",)),
        Key(key_id(SHARED), REGION, HERE, mine, ram_policy=mine),
        *(Key(key_id(n), REGION, HERE, mine) for n in range(20, 12, -1)),
        Key(key_id(50), "eu-west-1", HERE, mine, aliases=("alias/far",)),
    )
    admin = Role(f"arn:aws:iam::{HERE}:role/admin", "admin", policies=(policy,))
    foreign = Key(key_id(60), REGION, THERE, default_key_policy(THERE), aliases=("alias/theirs",))
    roles = {"admin": admin, "reader": Role(READER, "reader")}
    return World({HERE: Account(HERE, roles=roles, keys=keys), THERE: Account(THERE, keys=(foreign,))})


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(world()) as opened:
        yield opened
        assert not opened.faults


@pytest.fixture(scope="module")
def kms(sandbox):
    return sandbox.client("kms", as_=ADMIN)


def refused(call, **parameters) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


LISTS = [
    ("list_keys", {}, "Keys", "KeyId", 12, 1000),
    ("list_aliases", {}, "Aliases", "AliasName", 4, 100),
    ("list_grants", {"KeyId": arn(BUSY)}, "Grants", "GrantId", 12, 100),
    ("list_retirable_grants", {"RetiringPrincipal": READER}, "Grants", "GrantId", 12, 100),
    ("list_resource_tags", {"KeyId": key_id(BUSY)}, "Tags", "TagKey", 12, 50),
    ("list_key_policies", {"KeyId": key_id(SHARED)}, "PolicyNames", None, 2, 1000),
]
each_list = pytest.mark.parametrize(("operation", "given", "member", "name", "size", "most"), LISTS)


def pages(call, member: str, **parameters) -> list[list]:
    found = [call(**parameters)]
    while found[-1]["Truncated"]:
        found.append(call(**parameters, Marker=found[-1]["NextMarker"]))
    assert "NextMarker" not in found[-1]
    return [page[member] for page in found]


@each_list
def test_pages_of_any_size_are_the_whole_list(kms, operation, given, member, name, size, most):  # noqa: ARG001
    call = getattr(kms, operation)
    [whole] = pages(call, member, **given)
    assert len(whole) == size
    assert len({item[name] if name else item for item in whole}) == size
    for limit in (1, 2, size - 1, size, size + 1):
        found = pages(call, member, **given, Limit=limit)
        assert [item for page in found for item in page] == whole
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


@each_list
def test_boto3s_paginator_walks_through_the_pages(kms, operation, given, member, name, size, most):  # noqa: ARG001
    walk = kms.get_paginator(operation).paginate(**given, PaginationConfig={"PageSize": 5})
    assert len([item for page in walk for item in page[member]]) == size


@each_list
def test_a_limit_that_is_too_large_or_small_is_refused(kms, operation, given, member, name, size, most):  # noqa: ARG001
    call = getattr(kms, operation)
    call(**given, Limit=most)
    for limit in (most + 1, 1001):
        code, message = refused(call, **given, Limit=limit)
        assert (code, "at 'limit' failed to satisfy constraint" in message) == ("ValidationException", True)


@pytest.mark.parametrize("marker", ["x", "bm90IG91cnM=", "W10=", "WyJ4IiwgMV0=", "!", "x" * 1024])
@each_list
def test_a_marker_that_nobody_gave_is_refused(kms, marker, operation, given, member, name, size, most):  # noqa: ARG001
    assert refused(getattr(kms, operation), **given, Marker=marker)[0] == "InvalidMarkerException"


def test_a_marker_of_another_list_is_refused(kms):
    marker = kms.list_keys(Limit=1)["NextMarker"]
    assert refused(kms.list_aliases, Marker=marker)[0] == "InvalidMarkerException"
    of_grants = kms.list_grants(KeyId=arn(BUSY), Limit=1)["NextMarker"]
    assert refused(kms.list_grants, KeyId=arn(PLAIN), Marker=of_grants)[0] == "InvalidMarkerException"


def test_whoever_revokes_each_page_before_the_next_misses_no_grant(kms):
    made = {
        kms.create_grant(KeyId=arn(PLAIN), GranteePrincipal=READER, Operations=["Encrypt"])["GrantId"] for _ in range(7)
    }
    seen, marker = set(), {}
    while True:
        page = kms.list_grants(KeyId=arn(PLAIN), Limit=2, **marker)
        for grant in page["Grants"]:
            kms.revoke_grant(KeyId=arn(PLAIN), GrantId=grant["GrantId"])
            seen.add(grant["GrantId"])
        if not page["Truncated"]:
            break
        marker = {"Marker": page["NextMarker"]}
    assert seen == made


def test_keys_are_those_of_the_account_and_region(kms, sandbox):
    assert {key["KeyArn"] for key in kms.list_keys()["Keys"]} == {arn(n) for n in (1, 2, 3, 4, *range(13, 21))}
    elsewhere = sandbox.client("kms", as_=ADMIN, region="eu-west-1").list_keys()["Keys"]
    assert [key["KeyId"] for key in elsewhere] == [key_id(50)]


def test_aliases_show_reserved_names_only_where_such_a_key_is(kms):
    listed = kms.list_aliases()["Aliases"]
    assert [alias["AliasName"] for alias in listed] == ["alias/Z", "alias/a", "alias/aws/s3", "alias/b"]
    assert listed[2]["TargetKeyId"] == key_id(MANAGED)
    assert listed[2]["AliasArn"] == f"arn:aws:kms:{REGION}:{HERE}:alias/aws/s3"


@pytest.mark.parametrize("reference", [key_id(BUSY), arn(BUSY)])
def test_aliases_of_one_key(kms, reference):
    assert [alias["AliasName"] for alias in kms.list_aliases(KeyId=reference)["Aliases"]] == ["alias/a", "alias/b"]


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        (key_id(99), ("NotFoundException", f"Key '{arn(99)}' does not exist")),
        ("no-id", ("NotFoundException", "Invalid keyId 'no-id'")),
        (arn(60, THERE), ("NotFoundException", f"Key '{arn(60, THERE)}' does not exist")),
        (arn(61, THERE), ("NotFoundException", f"Key '{arn(61, THERE)}' does not exist")),
        (f"arn:aws:kms:eu-west-1:{HERE}:key/{key_id(50)}", ("NotFoundException", "Invalid arn eu-west-1")),
        ("alias/a", ("NotFoundException", "Invalid keyId 'alias/a'")),
    ],
)
def test_aliases_of_a_key_that_is_not_the_accounts_own(kms, reference, error):
    assert refused(kms.list_aliases, KeyId=reference) == error


def test_an_alias_tells_when_it_was_made_and_moved(kms):
    started = time.time()
    kms.create_alias(AliasName="alias/moving", TargetKeyId=key_id(BUSY))
    [made] = [one for one in kms.list_aliases(KeyId=key_id(BUSY))["Aliases"] if one["AliasName"] == "alias/moving"]
    assert made["CreationDate"] == made["LastUpdatedDate"]
    assert started - 1 <= made["CreationDate"].timestamp() <= time.time() + 1
    time.sleep(0.01)
    kms.update_alias(AliasName="alias/moving", TargetKeyId=arn(PLAIN))
    [moved] = [one for one in kms.list_aliases(KeyId=key_id(PLAIN))["Aliases"] if one["AliasName"] == "alias/moving"]
    assert moved["CreationDate"] == made["CreationDate"]
    assert moved["LastUpdatedDate"] > made["LastUpdatedDate"]
    assert kms.describe_key(KeyId="alias/moving")["KeyMetadata"]["KeyId"] == key_id(PLAIN)
    kms.delete_alias(AliasName="alias/moving")
    gone = f"Alias arn:aws:kms:{REGION}:{HERE}:alias/moving is not found."
    assert refused(kms.delete_alias, AliasName="alias/moving") == ("NotFoundException", gone)
    assert refused(kms.describe_key, KeyId="alias/moving") == ("NotFoundException", gone)


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"AliasName": "app"}, "ValidationException", PREFIX),
        ({"AliasName": "alias/aws/mine"}, "InvalidAliasNameException", None),
        ({"AliasName": "alias/"}, None, None),
        ({"AliasName": "alias/a b"}, None, None),
        ({"AliasName": "alias/" + "x" * 251}, "ValidationException", None),
        ({"AliasName": "alias/a"}, "AlreadyExistsException",
            f"An alias with the name arn:aws:kms:{REGION}:{HERE}:alias/a already exists"),
        ({"TargetKeyId": "alias/a"}, "NotFoundException", "Invalid keyId 'alias/a'"),
        ({"TargetKeyId": key_id(99)}, "NotFoundException", f"Key '{arn(99)}' does not exist"),
    ],
)  # fmt: skip
def test_an_alias_that_aws_would_not_make_is_not_made(kms, parameters, code, message):
    before = kms.list_aliases()["Aliases"]
    found = refused(kms.create_alias, **{"AliasName": "alias/new", "TargetKeyId": key_id(PLAIN), **parameters})
    assert found[0] == code or (code is None and found[0] in {"ValidationException", "InvalidAliasNameException"})
    assert message is None or found[1] == message
    assert kms.list_aliases()["Aliases"] == before


def test_tags_are_added_overwritten_and_taken_away(kms):
    def tags() -> dict[str, str]:
        return {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id(PLAIN))["Tags"]}

    kms.tag_resource(KeyId=key_id(PLAIN), Tags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": ""}])
    kms.tag_resource(KeyId=key_id(PLAIN), Tags=[{"TagKey": "a", "TagValue": "2"}])
    assert tags() == {"a": "2", "b": ""}
    kms.untag_resource(KeyId=key_id(PLAIN), TagKeys=["a", "never"])
    assert tags() == {"b": ""}
    kms.untag_resource(KeyId=key_id(PLAIN), TagKeys=["b"])
    assert tags() == {}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["aws:mine"], "Tags beginning with aws: are reserved"),
        (["AWS:mine"], "Tags beginning with aws: are reserved"),
        (["a", "a"], "Duplicate tag keys"),
        ([f"t{n}" for n in range(51)], "Too many tags"),
    ],
)
def test_tags_that_aws_would_not_take(kms, tags, message):
    wish = [{"TagKey": tag, "TagValue": "x"} for tag in tags]
    assert refused(kms.tag_resource, KeyId=key_id(PLAIN), Tags=wish) == ("TagException", message)
    assert kms.list_resource_tags(KeyId=key_id(PLAIN))["Tags"] == []


def test_a_shared_key_has_two_policies(kms):
    assert kms.list_key_policies(KeyId=key_id(PLAIN))["PolicyNames"] == ["default"]
    assert kms.list_key_policies(KeyId=key_id(SHARED))["PolicyNames"] == ["default", "AWS_RAM"]
