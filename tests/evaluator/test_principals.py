"""Principals: how policies write them, how callers are read, and which entry means which caller."""

from __future__ import annotations

import pytest
from building import (
    ACCOUNT,
    ANA,
    GUEST_SESSION,
    OTHER,
    ROOT,
    WORKER,
    WORKER_SESSION,
    caller,
    policy,
    with_account,
    world,
)
from hypothesis import given
from hypothesis import strategies as st

from kmssim.evaluator.caller import find_caller, is_exempt, is_meant
from kmssim.evaluator.principals import InvalidPrincipalError, PrincipalForm, parse_principals
from kmssim.evaluator.request import (
    Arn,
    PrincipalKind,
    Session,
    parse_arn,
    parse_principal,
    service_principal,
)
from kmssim.evaluator.world import Group, Role, User

FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/fed"
LINKED = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"


@pytest.mark.parametrize(
    ("element", "forms"),
    [
        ("*", [(PrincipalForm.ANYONE, "*")]),
        ({"AWS": "*"}, [(PrincipalForm.ANYONE, "*")]),
        ({"AWS": ["*"]}, [(PrincipalForm.ANYONE, "*")]),
        ({"AWS": ACCOUNT}, [(PrincipalForm.ACCOUNT, ACCOUNT)]),
        ({"AWS": ROOT}, [(PrincipalForm.ACCOUNT, ACCOUNT)]),
        ({"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}, [(PrincipalForm.ACCOUNT, ACCOUNT)]),
        ({"AWS": ANA}, [(PrincipalForm.USER, ANA)]),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/a/b"}, [(PrincipalForm.USER, f"arn:aws:iam::{ACCOUNT}:user/a/b")]),
        ({"AWS": WORKER}, [(PrincipalForm.ROLE, WORKER)]),
        ({"AWS": WORKER_SESSION}, [(PrincipalForm.ROLE_SESSION, WORKER_SESSION)]),
        ({"AWS": FEDERATED}, [(PrincipalForm.FEDERATED_USER, FEDERATED)]),
        ({"AWS": "AROA" + "X" * 17}, [(PrincipalForm.UNIQUE_ID, "AROA" + "X" * 17)]),
        ({"Service": "logs.amazonaws.com"}, [(PrincipalForm.SERVICE, "logs.amazonaws.com")]),
        ({"Federated": "accounts.google.com"}, [(PrincipalForm.PROVIDER, "accounts.google.com")]),
        ({"AWS": [ACCOUNT, ANA], "Service": ["a.amazonaws.com"]},
         [(PrincipalForm.ACCOUNT, ACCOUNT), (PrincipalForm.USER, ANA), (PrincipalForm.SERVICE, "a.amazonaws.com")]),
    ],
)  # fmt: skip
def test_how_a_principal_is_read(element, forms):
    """PG-30 to PG-40."""
    assert [(entry.form, entry.text) for entry in parse_principals(element)] == forms


@pytest.mark.parametrize(
    "text",
    ["", " ", "root", "11112222333", "1111222233334", f"{ACCOUNT}\n", f"{ROOT}\n", f"{WORKER}\n", "arn:aws:iam::1:root", f"{ROOT}x",
     f"arn:aws:iam::{ACCOUNT}:user/", f"arn:aws:sts::{ACCOUNT}:assumed-role/worker", f"arn:aws:s3::{ACCOUNT}:root",
     f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/a/b", "AROA1", "AROA" + "X" * 17 + "\n", f"arn:aws:iam:us-east-1:{ACCOUNT}:root"],
)  # fmt: skip
def test_what_is_no_principal_is_refused(text):
    with pytest.raises(InvalidPrincipalError) as caught:
        parse_principals({"AWS": text})
    assert caught.value.rule == "EM-30"
    assert not caught.value.group


@pytest.mark.parametrize(
    ("text", "kind", "name", "arn"),
    [
        (ROOT, PrincipalKind.ROOT, "", ROOT),
        (ANA, PrincipalKind.USER, "ana", ANA),
        (f"arn:aws:iam::{ACCOUNT}:user/a/b", PrincipalKind.USER, "b", f"arn:aws:iam::{ACCOUNT}:user/a/b"),
        (WORKER, PrincipalKind.ROLE_SESSION, "worker", WORKER_SESSION),
        (f"arn:aws:iam::{ACCOUNT}:role/path/worker", PrincipalKind.ROLE_SESSION, "worker", WORKER_SESSION),
        (WORKER_SESSION, PrincipalKind.ROLE_SESSION, "worker", WORKER_SESSION),
        (FEDERATED, PrincipalKind.FEDERATED_USER, "fed", FEDERATED),
    ],
)
def test_how_a_caller_is_read(text, kind, name, arn):
    found = parse_principal(text)
    assert (found.kind, found.name, found.arn, found.account) == (kind, name, arn, ACCOUNT)
    assert found.session == Session()


@pytest.mark.parametrize(
    "text",
    ["", "ana", ACCOUNT, "*", f"arn:aws:iam::{ACCOUNT}:group/staff", f"arn:aws:iam::{ACCOUNT}:user/", f"arn:aws:iam::{ACCOUNT}:role/",
     f"arn:aws:sts::{ACCOUNT}:assumed-role/worker", f"arn:aws:sts::{ACCOUNT}:assumed-role/a/b/c", f"arn:aws:s3::{ACCOUNT}:user/a",
     f"arn:aws:iam:us-east-1:{ACCOUNT}:root", f"arn:aws:sts::{ACCOUNT}:federated-user/", "arn:aws:iam::1"],
)  # fmt: skip
def test_who_cannot_call(text):
    assert parse_principal(text) is None


@given(st.text("a:/", max_size=20))
def test_an_arn_is_written_as_it_was_read(text):
    found = parse_arn(f"arn:{text}")
    if found is not None:
        assert str(found) == f"arn:{text}"


def test_a_resource_keeps_its_colons():
    assert parse_arn("arn:aws:s:r:1:a:b/c:d") == Arn("aws", "s", "r", "1", "a:b/c:d")
    assert parse_arn("aws:s:r:1:a:b/c:d") is None


def entry(text, kind="AWS"):
    return parse_principals("*" if text == "*" else {kind: text})[0]


@pytest.mark.parametrize(
    ("by", "meant", "not_meant"),
    [
        (
            WORKER_SESSION,
            ["*", ACCOUNT, ROOT, WORKER, WORKER_SESSION],
            [OTHER, ANA, f"{WORKER}2", WORKER_SESSION + "2"],
        ),
        (ANA, ["*", ACCOUNT, ANA], [WORKER, f"arn:aws:iam::{ACCOUNT}:user/Ana", f"arn:aws:iam::{ACCOUNT}:user/x/ana"]),
        (ROOT, ["*", ACCOUNT, ROOT], [ANA, WORKER, OTHER]),
        (FEDERATED, ["*", ACCOUNT, FEDERATED, ANA], [WORKER, FEDERATED + "2", f"arn:aws:iam::{ACCOUNT}:user/fed"]),
        (GUEST_SESSION, ["*", OTHER, GUEST_SESSION], [ACCOUNT, WORKER, "AROA" + "X" * 17]),
    ],
)
def test_whom_a_principal_means(by, meant, not_meant):
    federated_by = ANA if by == FEDERATED else None
    found = find_caller(world(), caller(by, federated_by=federated_by))
    assert [text for text in meant if not is_meant(entry(text), found)] == []
    assert [text for text in not_meant if is_meant(entry(text), found)] == []


def test_a_service_is_meant_by_its_host_and_by_anyone_only():
    found = find_caller(world(), service_principal("logs.amazonaws.com", f"arn:aws:logs:::{ACCOUNT}", ACCOUNT))
    assert is_meant(entry("*"), found)
    assert is_meant(entry("logs.amazonaws.com", "Service"), found)
    assert not is_meant(entry("s3.amazonaws.com", "Service"), found)
    assert not is_meant(entry(ACCOUNT), found)
    assert not is_meant(entry("logs.amazonaws.com", "Federated"), found)


def test_a_provider_and_a_person_named_like_a_service_mean_nobody():
    found = find_caller(world(), caller(ANA))
    assert not is_meant(entry("ana.example.com", "Service"), find_caller(world(), caller(f"{ANA}.example.com")))
    assert not is_meant(entry(ANA, "Federated"), found)


@pytest.mark.parametrize(
    ("by", "listed", "exempt"),
    [
        (WORKER_SESSION, [WORKER], False),
        (WORKER_SESSION, [WORKER, WORKER_SESSION], False),
        (WORKER_SESSION, [ACCOUNT, WORKER, WORKER_SESSION], True),
        (WORKER_SESSION, [ROOT, WORKER, WORKER_SESSION], True),
        (ANA, [ANA], False),
        (ANA, [ACCOUNT, ANA], True),
        (ROOT, [ACCOUNT], True),
        (ROOT, [OTHER], False),
        (ANA, ["*"], True),
    ],
)
def test_not_principal_must_list_every_form_of_a_caller(by, listed, exempt):
    """PG-45."""
    found = find_caller(world(), caller(by))
    assert is_exempt(tuple(entry(text) for text in listed), found) is exempt


def test_not_principal_exempts_a_service_by_its_host():
    found = find_caller(world(), service_principal("logs.amazonaws.com"))
    assert is_exempt((entry("logs.amazonaws.com", "Service"),), found)
    assert not is_exempt((entry("s3.amazonaws.com", "Service"),), found)


def test_not_principal_exempts_nobody_with_a_boundary():
    """PG-46."""
    found = find_caller(world(boundary=()), caller(ANA))
    assert not is_exempt((entry(ACCOUNT), entry(ANA)), found)
    assert not is_exempt((entry("*"),), found)


def test_nobody_is_meant_across_partitions():
    """PG-48."""
    found = find_caller(world(), caller(ANA))
    there = [entry(text.replace("arn:aws:", "arn:aws-cn:")) for text in (ROOT, ANA)]
    assert not any(is_meant(one, found) for one in there)
    assert not is_exempt((*there, entry(ANA)), found)


# ---- the caller as the world knows it


def some_policy(name):
    return policy("identity", {"Sid": name, "Effect": "Allow", "Action": "kms:*", "Resource": "*"})


def sids(found):
    return [statement.sid for one in found.policies for statement in one.statements]


@pytest.fixture
def peopled():
    limits = policy("boundary")
    users = {
        "ana": User(
            f"arn:aws:iam::{ACCOUNT}:user/x/ana",
            "ana",
            (some_policy("own"),),
            ("staff", "gone"),
            limits,
            {"team": "a", "x": "1"},
        ),
    }
    roles = {
        "worker": Role(f"arn:aws:iam::{ACCOUNT}:role/p/worker", "worker", None, (some_policy("role"),), limits, {"team": "r"}),
        "AWSServiceRoleForAutoScaling": Role(LINKED, "AWSServiceRoleForAutoScaling", boundary=limits),
    }  # fmt: skip
    return with_account(
        world(), ACCOUNT, users=users, groups={"staff": Group("staff", (some_policy("group"),))}, roles=roles
    )


def test_a_user_has_its_own_policies_and_those_of_its_groups(peopled):
    """DA-36."""
    found = find_caller(peopled, caller(ANA))
    assert sids(found) == ["own", "group"]
    assert found.issuer_arn == f"arn:aws:iam::{ACCOUNT}:user/x/ana"
    assert found.boundary is not None


def test_a_role_session_has_the_roles_policies_and_its_path(peopled):
    found = find_caller(peopled, caller(WORKER_SESSION, tags={"team": "session"}))
    assert (sids(found), found.issuer_arn) == (["role"], f"arn:aws:iam::{ACCOUNT}:role/p/worker")
    assert (found.tags, found.service_linked) == ({"team": "session"}, False)


def test_a_service_linked_role_has_no_boundary(peopled):
    """DA-33."""
    found = find_caller(peopled, caller(LINKED))
    assert (found.service_linked, found.boundary) == (True, None)


def test_a_federated_user_acts_on_the_policies_of_whoever_asked_for_the_session(peopled):
    """DA-24."""
    by = f"arn:aws:iam::{ACCOUNT}:user/x/ana"
    found = find_caller(peopled, caller(FEDERATED, federated_by=by, tags={"team": "f"}))
    assert (sids(found), found.issuer_arn, found.tags) == (["own", "group"], FEDERATED, {"team": "f", "x": "1"})
    assert found.boundary is not None


@pytest.mark.parametrize("federated_by", [None, "no arn", f"arn:aws:iam::{ACCOUNT}:user/nobody"])
def test_a_federated_user_of_nobody_has_nothing(federated_by, peopled):
    found = find_caller(peopled, caller(FEDERATED, federated_by=federated_by, tags={"a": "b"}))
    assert (found.policies, found.boundary, found.tags) == ((), None, {"a": "b"})


@pytest.mark.parametrize("by", [f"arn:aws:iam::{ACCOUNT}:user/nobody", f"arn:aws:iam::{ACCOUNT}:role/nobody", ROOT,
                                "arn:aws:iam::999999999999:user/a"])  # fmt: skip
def test_who_is_not_declared_has_no_policies(by, peopled):
    found = find_caller(peopled, caller(by))
    assert (found.policies, found.boundary) == ((), None)
    assert found.is_root is (by == ROOT)


def test_an_undeclared_role_is_known_by_an_arn_without_path(peopled):
    assert find_caller(peopled, caller(f"arn:aws:iam::{ACCOUNT}:role/p/nobody")).issuer_arn == (
        f"arn:aws:iam::{ACCOUNT}:role/nobody"
    )


def test_a_role_of_an_account_that_is_not_declared_is_meant_by_its_arn():
    """PG-32: whoever owns the role, its session is meant by the role's ARN."""
    found = find_caller(world(), caller("arn:aws:sts::999988887777:assumed-role/x/run"))
    assert found.issuer_arn == "arn:aws:iam::999988887777:role/x"
    assert is_meant(entry("arn:aws:iam::999988887777:role/x"), found)
