"""AWS's own sentences for denials and for keys that cannot be found (EM-1 to EM-23), compared word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    ANA,
    DELEGATION,
    EVERYTHING,
    GUEST_SESSION,
    KEY_ARN,
    KEY_ID,
    OTHER,
    REGION,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    decided,
    deny,
    key,
    organization,
    policy,
    with_account,
    world,
)

from kmssim.evaluator.request import Ciphertext, Network
from kmssim.evaluator.world import VpcEndpoint

MASK = (
    "on this resource because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)
NO_DECRYPT = (allow("kms:Encrypt"),)
START = f"User: {WORKER_SESSION} is not authorized to perform: kms:Decrypt on resource: {KEY_ARN} "
ENDPOINT = Network(vpc_endpoint="vpce-1")


def endpoint(*statements):
    return {"vpc_endpoints": {"vpce-1": VpcEndpoint("vpce-1", ACCOUNT, "vpc-1", policy("vpc_endpoint", *statements))}}


def in_organization(a_world):
    return with_account(a_world, ACCOUNT, scps=(policy("scp", allow("*")),))


MISSING = {
    "EM-2": (world(mine=EVERYTHING), {}, "because no resource-based policy allows the kms:Decrypt action"),
    "EM-3": (world(key(*DELEGATION)), {}, "because no identity-based policy allows the kms:Decrypt action"),
    "EM-4": (
        world(key(*DELEGATION), mine=EVERYTHING),
        {"session": NO_DECRYPT},
        "because no session policy allows the kms:Decrypt action",
    ),
    "EM-5": (
        world(key(*DELEGATION), mine=EVERYTHING, boundary=NO_DECRYPT),
        {},
        "because no permissions boundary allows the kms:Decrypt action",
    ),
    "EM-6": (
        in_organization(world(key(*DELEGATION), mine=EVERYTHING, organization=organization(scps=NO_DECRYPT))),
        {},
        "because no service control policy allows the kms:Decrypt action",
    ),
    "EM-7": (
        world(key(*DELEGATION), mine=EVERYTHING, **endpoint(allow("kms:Encrypt", to="*"))),
        {"network": ENDPOINT},
        "because no VPC endpoint policy allows the kms:Decrypt action",
    ),
}


@pytest.mark.parametrize("rule", MISSING)
def test_a_missing_allow_is_told_with_the_policy_type(rule):
    a_world, parts, reason = MISSING[rule]
    failure = decided(a_world, **parts).failure
    assert (failure.code, failure.message, failure.rule) == ("AccessDeniedException", START + reason, rule)


DENYING = {
    "an explicit deny in a resource control policy": (
        in_organization(
            world(key(*DELEGATION), mine=EVERYTHING, organization=organization(rcps=(deny("kms:Decrypt", to="*"),)))
        ),
        {},
    ),
    "an explicit deny in a service control policy": (
        in_organization(
            world(key(*DELEGATION), mine=EVERYTHING, organization=organization(scps=(*EVERYTHING, deny("kms:Decrypt"))))
        ),
        {},
    ),
    "an explicit deny in a VPC endpoint policy": (
        world(key(*DELEGATION), mine=EVERYTHING, **endpoint(deny("kms:Decrypt", to="*"))),
        {"network": ENDPOINT},
    ),
    "an explicit deny in a resource-based policy": (
        world(key(*DELEGATION, deny("kms:Decrypt", to=WORKER)), mine=EVERYTHING),
        {},
    ),
    "an explicit deny in an identity-based policy": (
        world(key(*DELEGATION), mine=(*EVERYTHING, deny("kms:Decrypt"))),
        {},
    ),
    "an explicit deny in a permissions boundary": (
        world(key(*DELEGATION), mine=EVERYTHING, boundary=(*EVERYTHING, deny("kms:Decrypt"))),
        {},
    ),
    "an explicit deny in a session policy": (
        world(key(*DELEGATION), mine=EVERYTHING),
        {"session": (*EVERYTHING, deny("kms:Decrypt"))},
    ),
}


@pytest.mark.parametrize("reason", DENYING)
def test_an_explicit_deny_is_told_with_the_policy_type(reason):
    """EM-8."""
    a_world, parts = DENYING[reason]
    failure = decided(a_world, **parts).failure
    assert (failure.message, failure.rule) == (f"{START}with {reason}", "EM-8")


def test_of_several_denies_one_is_named_in_the_order_of_evaluation():
    """EM-10, UN-9: AWS names one and does not say which; here it is the first in the order of DA-2."""
    against = deny("kms:Decrypt")
    a_world = world(
        key(*DELEGATION, deny("kms:Decrypt", to="*")),
        mine=(against,),
        boundary=(against,),
        organization=organization(scps=(*EVERYTHING, against), rcps=(deny("kms:Decrypt", to="*"),)),
        **endpoint(deny("kms:Decrypt", to="*")),
    )
    named = []
    for changed in (
        in_organization(a_world),
        in_organization(replace(a_world, organization=organization(scps=(*EVERYTHING, against)))),
        replace(a_world, organization=None),
        replace(a_world, organization=None, vpc_endpoints={}),
        world(key(*DELEGATION), mine=(against,), boundary=(against,)),
        world(key(*DELEGATION), mine=EVERYTHING, boundary=(against,)),
    ):
        failure = decided(changed, network=ENDPOINT, session=(against,)).failure
        named.append(failure.message.partition("with an explicit deny in ")[2])
    assert named == [
        "a resource control policy",
        "a service control policy",
        "a VPC endpoint policy",
        "a resource-based policy",
        "an identity-based policy",
        "a permissions boundary",
    ]


def test_an_explicit_deny_of_a_later_permission_is_named_before_a_missing_one():
    other = key(*DELEGATION, deny("kms:ReEncryptTo", to="*"), id=KEY_ID.replace("1234abcd", "9999abcd"))
    parameters = {"SourceKeyId": KEY_ARN, "DestinationKeyId": other.arn}
    decision = decided(world(key(), other, mine=EVERYTHING), operation="kms:ReEncrypt", parameters=parameters)
    assert decision.failure.message == (
        f"User: {WORKER_SESSION} is not authorized to perform: kms:ReEncryptTo on resource: {other.arn} "
        "with an explicit deny in a resource-based policy"
    )


@pytest.mark.parametrize(
    ("arn", "shown"),
    [
        (WORKER, WORKER_SESSION),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/batch-7", f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/batch-7"),
        (ANA, ANA),
        (ROOT, ROOT),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/fed", f"arn:aws:sts::{ACCOUNT}:federated-user/fed"),
    ],
)
def test_the_caller_is_named_by_its_session_and_the_status_is_400(arn, shown):
    """EM-1, EM-14, UN-27: KMS answers denials with HTTP 400."""
    failure = decided(world(), call(principal=caller(arn))).failure
    assert failure.message.startswith(f"User: {shown} is not authorized to perform: kms:Decrypt on resource: {KEY_ARN}")
    assert failure.status == 400


def test_a_call_without_a_resource_is_denied_on_the_star():
    failure = decided(world(), operation="kms:ListKeys", parameters={}).failure
    assert failure.message == (
        f"User: {WORKER_SESSION} is not authorized to perform: kms:ListKeys on resource: * "
        "because no identity-based policy allows the kms:ListKeys action"
    )


def test_a_denied_alias_leg_names_the_alias():
    parameters = {"AliasName": "alias/new", "TargetKeyId": KEY_ARN}
    a_world = world(key(*DELEGATION), mine=(allow("kms:CreateAlias", on=KEY_ARN),))
    failure = decided(a_world, operation="kms:CreateAlias", parameters=parameters).failure
    alias = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/new"
    assert f"kms:CreateAlias on resource: {alias} because no identity-based policy" in failure.message


@pytest.mark.parametrize(
    ("statements", "theirs", "masked"),
    [
        ((), EVERYTHING, True),
        ((allow(to=OTHER), deny(to=OTHER)), EVERYTHING, True),
        ((allow(to=OTHER),), (), False),
        ((allow(to=OTHER),), (deny("kms:*"),), False),
    ],
)
def test_across_accounts_what_the_key_says_is_masked_and_what_the_caller_lacks_is_not(statements, theirs, masked):
    """EM-11, XA-11."""
    decision = decided(world(key(*statements), theirs=theirs), principal=GUEST_SESSION)
    text = f"User: {GUEST_SESSION} is not authorized to perform: kms:Decrypt {MASK}"
    assert (decision.failure.message == text) is masked
    assert ("identity-based policy" in decision.failure.message) is not masked


HERE = world(key(*DELEGATION, aliases=("alias/orders",)), mine=EVERYTHING)
AWAY = KEY_ID.replace("1234abcd", "00000000")


@pytest.mark.parametrize(
    ("operation", "reference", "message", "rule"),
    [
        ("DescribeKey", AWAY, f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{AWAY}' does not exist", "EM-20"),
        ("RotateKeyOnDemand", KEY_ARN.replace(KEY_ID, AWAY), f"Key '{KEY_ARN.replace(KEY_ID, AWAY)}' does not exist", "EM-20"),
        ("DescribeKey", "134f2428cec14b25a1ae9048164dba47", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'", "EM-21"),
        ("DescribeKey", "fake-key-id", "Invalid keyId 'fake-key-id'", "EM-21"),
        ("DescribeKey", "mrk-fake-key-id", "Invalid keyId 'mrk-fake-key-id'", "EM-21"),
        ("DisableKey", "alias/orders", "Invalid keyId 'alias/orders'", "EM-21"),
        ("DescribeKey", KEY_ARN.replace(REGION, "eu-west-1"), "Invalid arn eu-west-1", "EM-22"),
        ("Encrypt", "alias/none", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found.", "EM-23"),
    ],
)  # fmt: skip
def test_what_is_said_of_keys_that_cannot_be_found(operation, reference, message, rule):
    failure = decided(HERE, operation=f"kms:{operation}", parameters={"KeyId": reference}).failure
    assert (failure.code, failure.message, failure.rule) == ("NotFoundException", message, rule)


def test_a_ciphertext_of_no_key_of_this_region():
    """EM-12, CH-7."""
    failure = decided(HERE, parameters={}, ciphertext=Ciphertext(KEY_ARN.replace(KEY_ID, AWAY))).failure
    assert (failure.code, failure.rule) == ("AccessDeniedException", "EM-12")
    assert failure.message == (
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        "or you are not allowed to access."
    )
