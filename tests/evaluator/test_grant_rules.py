"""Which grants fit a request: accounts and services as grantees, constraints, and grants that are not yet consistent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    GUEST,
    GUEST_SESSION,
    KEY_ARN,
    OTHER,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    decided,
    grant,
    key,
    words,
    world,
)

from kmssim.evaluator.decision import Layer, Mismatch
from kmssim.evaluator.request import service_principal

SERVICE = "logs.us-east-1.amazonaws.com"
SOURCE = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:orders"
SECOND_KEY = KEY_ARN.replace("1234abcd", "9999abcd")
ROOT_OF_OTHER = f"arn:aws:iam::{OTHER}:root"
BY_SERVICE = service_principal(SERVICE, SOURCE, ACCOUNT)
REENCRYPT = {"SourceKeyId": KEY_ARN, "DestinationKeyId": SECOND_KEY}


def to_service(operation, name="a-grant", **parts):
    return replace(grant(operation, name=name, **parts), grantee=None, grantee_service=SERVICE)


def two_keys(of_source, of_destination):
    second = key(grants=tuple(of_destination), id=SECOND_KEY.rpartition("/")[2])
    return world(key(grants=tuple(of_source)), second)


@pytest.mark.parametrize(
    ("of_source", "of_destination", "blamed"),
    [
        ([None], [None], None),
        ([SOURCE], [SOURCE], None),
        ([None], [SOURCE], "kms:ReEncryptFrom"),
        ([SOURCE], [None], "kms:ReEncryptTo"),
        ([None], [SOURCE, None], None),
        ([SOURCE, None], [None], None),
        ([None], [], "kms:ReEncryptTo"),
    ],
)
def test_both_grants_of_a_reencryption_carry_the_source_or_neither_does(of_source, of_destination, blamed):
    """GR-15."""

    here = two_keys(
        [to_service("ReEncryptFrom", f"from-{source}", constraints={"source_arn": source}) for source in of_source],
        [to_service("ReEncryptTo", f"to-{source}", constraints={"source_arn": source}) for source in of_destination],
    )
    decision = decided(here, call("kms:ReEncrypt", BY_SERVICE, parameters=REENCRYPT))
    denied = [found.action for found in decision.permissions if not found.ruling.allowed]
    assert denied == ([blamed] if blamed else [])
    if blamed and of_destination:
        asked = next(found for found in decision.permissions if found.action == blamed)
        (told,) = asked.layer(Layer.GRANT).grants
        wanted = f"{SOURCE}, as in the other key's grant"
        assert told.mismatch == Mismatch("SourceArn", wanted, "none in this grant", "GR-15")


@pytest.mark.parametrize(
    "gives", [{"retiring": GUEST}, {"grantee": GUEST}], ids=["as retiring principal", "as grantee"]
)
def test_a_fresh_grant_is_retired_with_its_token_only(gives):
    """GR-50, GR-60."""
    fresh = replace(grant("RetireGrant", pending=True), **gives)
    by_id = {"KeyId": KEY_ARN, "GrantId": fresh.id}
    without = decided(world(key(grants=(fresh,))), call("kms:RetireGrant", GUEST_SESSION, parameters=by_id))
    assert words(without) == ("DENY", ("grant",), "AccessDeniedException")
    (told,) = without.permissions[0].layer(Layer.GRANT).grants
    assert (told.mismatch.element, told.mismatch.rule) == ("GrantTokens", "GR-50")
    token = {"parameters": {"GrantToken": fresh.id}}
    assert decided(world(key(grants=(fresh,))), call("kms:RetireGrant", GUEST_SESSION, **token)).allowed


@pytest.mark.parametrize("to", [ROOT, ACCOUNT])
@pytest.mark.parametrize(
    ("by", "mine", "answer", "uncertain"),
    [
        (WORKER_SESSION, (allow("kms:Decrypt"),), ("ALLOW", ("grant", "identity"), None), ("UN-5",)),
        (WORKER_SESSION, (), ("DENY", ("identity",), "AccessDeniedException"), ()),
        (ROOT, (), ("ALLOW", ("grant",), None), ("UN-5",)),
    ],
    ids=["whom IAM allows", "whom IAM does not allow", "root"],
)
def test_a_grant_to_an_account_is_like_a_delegation_to_it(to, by, mine, answer, uncertain):
    """GR-22, UN-5."""
    decision = decided(world(key(grants=(grant("Decrypt", to=to),)), mine=mine), call(principal=by))
    assert (words(decision), decision.uncertain) == (answer, uncertain)


@pytest.mark.parametrize(
    ("constraints", "binds"),
    [
        ({"encryption_context_equals": {"a": "1"}}, True),
        ({"encryption_context_equals": {}}, True),
        ({"encryption_context_subset": {"a": "1"}}, True),
        ({"encryption_context_subset": {}}, False),
        ({"source_arn": SOURCE}, False),
        ({}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["Decrypt", "DescribeKey"])
def test_a_grant_binds_the_context_of_operations_that_carry_one(operation, constraints, binds):
    """GR-10, GR-11: an exact context may be the empty one; a part without pairs asks nothing."""
    decision = decided(world(key(grants=(grant(operation, constraints=constraints),))), operation=f"kms:{operation}")
    (told,) = decision.permissions[0].layer(Layer.GRANT).grants
    assert told.constrained is (binds and operation == "Decrypt")


@pytest.mark.parametrize(
    ("source", "answer", "found"),
    [
        (SOURCE, "ALLOW", None),
        (SOURCE + "-2", "DENY", SOURCE + "-2"),
        (None, "DENY", "aws:SourceArn is absent"),
    ],
)
def test_the_source_of_a_service_is_the_one_of_its_grant(source, answer, found):
    """GR-15; of a service's own call there is no other reading (UN-6)."""
    held = to_service("Decrypt", constraints={"source_arn": SOURCE})
    decision = decided(world(key(grants=(held,))), call(principal=service_principal(SERVICE, source, ACCOUNT)))
    assert (decision.word, decision.uncertain) == (answer, ())
    (told,) = decision.permissions[0].layer(Layer.GRANT).grants
    assert told.mismatch == (found and Mismatch("SourceArn", SOURCE, found, "GR-15"))


def test_a_grant_that_does_not_fit_is_no_partner():
    """GR-15, GR-50: of the destination's grants the one without a source is not yet consistent."""
    bound = to_service("ReEncryptTo", "to", constraints={"source_arn": SOURCE})
    here = two_keys([to_service("ReEncryptFrom")], [bound, to_service("ReEncryptTo", "fresh", pending=True)])
    assert not decided(here, call("kms:ReEncrypt", BY_SERVICE, parameters=REENCRYPT)).allowed
    with_token = {"parameters": REENCRYPT, "grant_tokens": ("id-of-fresh",)}
    assert decided(here, call("kms:ReEncrypt", BY_SERVICE, **with_token)).allowed


def test_of_a_call_without_a_source_the_grants_make_no_pair():
    """UN-6: by the other reading the one grant's SourceArn is not looked at, and asks nothing of the other."""
    here = two_keys([grant("ReEncryptFrom")], [grant("ReEncryptTo", constraints={"source_arn": SOURCE})])
    decision = decided(here, call("kms:ReEncrypt", parameters=REENCRYPT))
    assert (decision.word, decision.uncertain) == ("DENY", ("UN-6",))


def why_not(held, operation="Decrypt", by=WORKER_SESSION, **parameters):
    """What the evidence says of the one grant."""
    asked = call(f"kms:{operation}", by, parameters={"KeyId": KEY_ARN, **parameters})
    (told,) = decided(world(key(grants=(held,))), asked).permissions[0].layer(Layer.GRANT).grants
    return told.mismatch


EQUALS, SUBSET = "EncryptionContextEquals", "EncryptionContextSubset"


@pytest.mark.parametrize(
    ("constraints", "context", "mismatch"),
    [
        ({"equals": {"b": "2", "a": "1"}}, {"c": "3", "a": "1"}, (EQUALS, "{a: 1, b: 2}", "{a: 1, c: 3}")),
        ({"equals": {}}, {"a": "1"}, (EQUALS, "none", "{a: 1}")),
        ({"subset": {"a": "1"}}, None, (SUBSET, "{a: 1}", "none")),
        ({"subset": {"a": "1"}}, {"a": "2"}, (SUBSET, "{a: 1}", "{a: 2}")),
        ({"subset": {"a": "1"}}, {"b": "2", "a": "1"}, None),
    ],
)
def test_which_context_a_grant_wants_is_told(constraints, context, mismatch):
    """GR-10."""
    held = grant("Decrypt", constraints={f"encryption_context_{kind}": pairs for kind, pairs in constraints.items()})
    assert why_not(held, EncryptionContext=context) == (mismatch and Mismatch(*mismatch, "GR-10"))


@pytest.mark.parametrize(
    ("parent", "operations", "child", "mismatch"),
    [
        ({}, ["Encrypt", "DescribeKey"], {}, ("Operations", "CreateGrant, Decrypt", "DescribeKey, Encrypt")),
        ({}, ("Encrypt",), {}, ("Operations", "CreateGrant, Decrypt", "Encrypt")),
        ({}, ["Decrypt"], {}, None),
        ({}, None, {}, None),
        ({"equals": {"a": "1"}}, ["Decrypt"], {}, ("Constraints", f"{EQUALS} {{a: 1}}", "none")),
        ({"equals": {"a": "1"}}, ["Decrypt"], {EQUALS: {"a": "1"}}, None),
        ({"equals": {"a": "1"}}, ["Decrypt"], {SUBSET: {"a": "1"}},
         ("Constraints", f"{EQUALS} {{a: 1}}", f"{SUBSET} {{a: 1}}")),
        ({"subset": {"a": "1"}}, ["Decrypt"], {EQUALS: {"a": "1", "b": "2"}}, None),
        ({"subset": {"a": "1"}}, ["Decrypt"], {SUBSET: {"b": "2"}, "SourceArn": SOURCE},
         ("Constraints", f"{SUBSET} {{a: 1}}", f"{SUBSET} {{b: 2}} and SourceArn {SOURCE}")),
        ({"subset": {}}, ["Decrypt"], {}, None),
        ({}, ["Decrypt"], {"SourceArn": SOURCE}, None),
    ],
)  # fmt: skip
def test_what_a_grant_lets_its_holder_grant_is_told(parent, operations, child, mismatch):
    """GR-16, GR-17."""
    held = grant(
        "CreateGrant", "Decrypt", constraints={f"encryption_context_{kind}": pairs for kind, pairs in parent.items()}
    )
    found = why_not(held, "CreateGrant", GranteePrincipal=GUEST, Operations=operations, Constraints=child)
    assert found == (mismatch and Mismatch(*mismatch, "GR-16"))


def test_two_pairs_that_fall_together_are_not_the_one_that_an_exact_context_wants():
    """UN-3."""
    held = world(key(grants=(grant("Decrypt", constraints={"encryption_context_equals": {"team": "1"}}),)))
    for context, uncertain in (({"Team": "1"}, ("UN-3",)), ({"Team": "1", "TEAM": "1"}, ())):
        decision = decided(held, parameters={"KeyId": KEY_ARN, "EncryptionContext": context})
        assert (decision.word, decision.uncertain) == ("DENY", uncertain)


@pytest.mark.parametrize(
    ("held", "mismatch"),
    [
        (grant("Decrypt", to=GUEST), ("Operations", "Decrypt", "RetireGrant")),
        (grant("RetireGrant", retiring=WORKER), ("RetiringPrincipal", WORKER, GUEST_SESSION)),
        (grant("RetireGrant"), ("RetiringPrincipal", "nobody", GUEST_SESSION)),
        (grant("RetireGrant", to=GUEST), None),
        (grant("Decrypt", retiring=GUEST), None),
    ],
)
def test_why_a_grant_is_not_the_callers_to_retire_is_told(held, mismatch):
    """GR-60."""
    found = why_not(held, "RetireGrant", GUEST_SESSION, GrantId=held.id)
    assert found == (mismatch and Mismatch(*mismatch, "GR-60"))


@pytest.mark.parametrize(
    ("gives", "by", "answer", "uncertain"),
    [
        ({"retiring": ROOT_OF_OTHER}, ROOT_OF_OTHER, ("ALLOW", ("grant",), None), ()),
        ({"grantee": ROOT_OF_OTHER}, ROOT_OF_OTHER, ("ALLOW", ("grant",), None), ("UN-5",)),
        ({"retiring": ROOT_OF_OTHER}, GUEST_SESSION, ("ALLOW", ("grant", "identity"), None), ("UN-5",)),
    ],
    ids=["the root user that is named", "the root user of the grantee", "a delegate of the account that is named"],
)
def test_an_account_retires_its_grant_through_its_root_user_and_iam(gives, by, answer, uncertain):
    """GR-22, GR-60, UN-5."""
    held = replace(grant("RetireGrant"), **gives)
    here = world(key(grants=(held,)), theirs=(allow("kms:RetireGrant"),))
    decision = decided(here, call("kms:RetireGrant", by, parameters={"KeyId": KEY_ARN, "GrantId": held.id}))
    assert (words(decision), decision.uncertain) == (answer, uncertain)


@pytest.mark.parametrize(("operations", "uncertain"), [(["Decrypt"], ()), (["Encrypt"], ("UN-20",))])
def test_only_a_new_grant_that_goes_beyond_the_callers_own_rests_on_which_of_the_two_counts(operations, uncertain):
    """GR-16, UN-20: the key policy allows it, and the boundary stands in the way of the grant alone."""
    held = grant("CreateGrant", "Decrypt")
    here = world(key(allow("kms:CreateGrant", to=WORKER_SESSION), grants=(held,)), boundary=())
    asked = {"KeyId": KEY_ARN, "GranteePrincipal": GUEST, "Operations": operations}
    decision = decided(here, operation="kms:CreateGrant", parameters=asked)
    assert (decision.word, decision.uncertain) == ("ALLOW", uncertain)
