"""The scenario file: every field and its default, what refers to what, and how a mistake is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.operations import GRANT_OPERATIONS, KEY_SPECS
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import PrincipalKind
from kmssim.evaluator.world import Constraints
from kmssim.scenario import Expectation, json_schema, load_policy_cases, load_scenario, parse_scenario
from kmssim.scenario_file.policies import MANAGED_POLICIES, managed_policy

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
WORLDS = [path for path in CASES if path.stem != "refused-policies"]

A, B = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{A}:role/workload"
ORDERS = "1234abcd-12ab-34cd-56ef-1234567890ab"
ORDERS_ARN = f"arn:aws:kms:us-east-1:{A}:key/{ORDERS}"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"}],
}
DENY_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}],
}
SMALL = {
    "accounts": {
        A: {
            "users": {"ana": {"path": "/eng/"}, "broker": {}},
            "roles": {"workload": {}},
            "keys": {
                "orders": {
                    "id": ORDERS,
                    "aliases": ["alias/orders"],
                    "grants": [{"Name": "to-workload", "GranteePrincipal": ROLE, "Operations": ["Decrypt"]}],
                }
            },
        }
    },
    "requests": [{"principal": ROLE, "operation": "kms:Decrypt", "parameters": {"KeyId": "alias/orders"}}],
}
ACCOUNT, KEY, REQUEST = ("accounts", A), ("accounts", A, "keys", "orders"), ("requests", 0)
GRANT = (*KEY, "grants", 0)


def changed(*changes, document=SMALL):
    """A copy of the document with some values set: `(path, value)` each."""
    document = copy.deepcopy(document)
    for path, value in changes:
        inner = document
        for step in path[:-1]:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
        inner[path[-1]] = value
    return document


def read(*changes):
    return parse_scenario(changed(*changes))


def call(*changes):
    return read(*(((*REQUEST, *path), value) for path, value in changes)).requests[0].call


def key(**fields):
    return read((KEY, fields)).world.accounts[A].keys[0]


def refused(document, **options):
    with pytest.raises(InputError) as refusal:
        parse_scenario(document, **options)
    return refusal.value


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_every_case_file_loads(path):
    stated = json.loads(path.read_text())
    scenario = load_scenario(path)
    assert (scenario.title, scenario.file) == (stated["title"], str(path))
    assert set(scenario.world.accounts) == set(stated["accounts"])
    assert [request.name for request in scenario.requests] == [request["name"] for request in stated["requests"]]
    assert [request.path for request in scenario.requests] == [f"requests[{n}]" for n in range(len(scenario.requests))]
    for request, original in zip(scenario.requests, stated["requests"], strict=True):
        expect = original["expect"]
        layers = frozenset(expect["layers"])
        uncertain = tuple(expect.get("uncertain", ()))
        has_error = "error" in expect
        assert request.expect == Expectation(expect["decision"], layers, expect["error"], has_error, uncertain)


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_a_scenario_reads_the_same_each_time_and_from_text(path):
    assert load_scenario(path) == load_scenario(path) == parse_scenario(path.read_text(), file=str(path))


def test_the_refused_policies_are_read():
    cases = load_policy_cases(Path(__file__).parent / "cases" / "refused-policies.json")
    assert {case.error is None for case in cases} == {True, False}
    assert all(isinstance(case.kind, PolicyKind) and case.path and case.rules for case in cases)
    assert any(isinstance(case.policy, str) for case in cases)


def test_a_refused_policy_needs_its_error(tmp_path):
    path = tmp_path / "policies.json"
    path.write_text(json.dumps({"refused": [{"name": "x", "kind": "scp", "policy": {}}]}))
    with pytest.raises(InputError, match=r"\$\.refused\[0\]: a policy listed here names the `error`"):
        load_policy_cases(path)


# Defaults: only `accounts` is required.


def test_only_accounts_are_required():
    scenario = parse_scenario({"accounts": {}})
    assert (scenario.title, scenario.description, scenario.requests) == ("untitled", "", ())
    assert (scenario.world.region, scenario.world.organization) == ("us-east-1", None)


def test_a_file_without_title_is_called_by_its_name(tmp_path):
    (tmp_path / "trust.json").write_text('{"accounts": {}}')
    assert load_scenario(tmp_path / "trust.json").title == "trust"


def test_a_key_has_the_default_policy_and_no_state_of_its_own():
    made = read((KEY, {})).world.accounts[A].keys[0]
    assert made.policy == default_key_policy(A)
    assert (made.label, made.region, made.spec, made.usage) == (
        "orders",
        "us-east-1",
        "SYMMETRIC_DEFAULT",
        "ENCRYPT_DECRYPT",
    )
    assert (made.origin, made.manager, made.state, made.multi_region) == ("AWS_KMS", "CUSTOMER", "Enabled", None)


def test_an_absent_key_id_depends_on_account_region_and_name():
    ids = [
        key().id,
        key(region="eu-west-1").id,
        read(((*ACCOUNT, "keys"), {"other": {}})).world.accounts[A].keys[0].id,
        parse_scenario({"accounts": {B: {"keys": {"orders": {}}}}}).world.accounts[B].keys[0].id,
    ]
    assert len(set(ids)) == 4
    assert ids[0] == key().id
    assert key(multi_region="PRIMARY").id.startswith("mrk-")


@pytest.mark.parametrize("spec", sorted({spec for specs in KEY_SPECS.values() for spec in specs}))
def test_an_absent_usage_follows_from_the_spec(spec):
    if spec.startswith(("RSA", "SM2", "SYM")):
        wanted = "ENCRYPT_DECRYPT"
    elif spec.startswith("HMAC"):
        wanted = "GENERATE_VERIFY_MAC"
    else:
        wanted = "ENCAPSULATE_DECAPSULATE" if spec.startswith("ML_KEM") else "SIGN_VERIFY"
    assert key(spec=spec).usage == wanted


def test_regions_and_partitions_follow_the_scenario():
    world = read((("region",), "us-gov-west-1"), (("requests",), [])).world
    assert world.accounts[A].keys[0].arn == f"arn:aws-us-gov:kms:us-gov-west-1:{A}:key/{ORDERS}"
    assert world.accounts[A].roles["workload"].arn == f"arn:aws-us-gov:iam::{A}:role/workload"


def test_paths_stand_in_arns():
    users = read().world.accounts[A].users
    assert users["ana"].arn == f"arn:aws:iam::{A}:user/eng/ana"


# The organization.


def test_without_an_organization_there_are_no_guardrails():
    account = read().world.accounts[A]
    assert (account.unit, account.scps, account.rcps) == (None, (), ())


def test_an_organization_has_a_root_and_full_access_where_nothing_is_stated():
    world = read((("organization",), {"units": {"ou-prod": {}}})).world
    full = managed_policy("FullAWSAccess", PolicyKind.SCP)
    assert world.accounts[A].unit == "root"
    assert world.accounts[A].scps == (full,)
    assert [unit.name for unit in world.organization.units_above("ou-prod")] == ["root", "ou-prod"]
    assert {unit.scps for unit in world.organization.units.values()} == {(full,)}


def test_an_empty_list_of_scps_attaches_none():
    world = read((("organization",), {"units": {"root": {"scps": []}}}), ((*ACCOUNT, "scps"), [])).world
    assert (world.organization.units["root"].scps, world.accounts[A].scps) == ((), ())


def test_a_null_unit_is_outside_the_organization():
    account = read((("organization",), {}), ((*ACCOUNT, "unit"), None)).world.accounts[A]
    assert (account.unit, account.scps) == (None, ())


def test_the_rcp_that_is_always_there_may_be_listed():
    rcps = read((("organization",), {}), ((*ACCOUNT, "rcps"), ["RCPFullAWSAccess", DENY_ALL])).world.accounts[A].rcps
    assert [rcp.source for rcp in rcps] == [f"accounts.{A}.rcps[1]"]


@pytest.mark.parametrize(
    ("organization", "path", "what"),
    [
        ({"units": {"a": {"parent": "b"}, "b": {"parent": "a"}}}, "organization.units.a.parent", "in a circle"),
        ({"units": {"a": {"parent": "a"}}}, "organization.units.a.parent", "in a circle"),
        ({"units": {"a": {"parent": "rot"}}}, "organization.units.a.parent", "did you mean `root`?"),
        ({"units": {"root": {"parent": "a"}, "a": {}}}, "organization.units.root.parent", "the root has no parent"),
        (
            {"units": {"u0": {}, **{f"u{n}": {"parent": f"u{n - 1}"} for n in range(1, 2000)}}},
            "organization.units.u5.parent",
            "more than 5 units below the root",
        ),
    ],
    ids=["circle", "own parent", "unknown parent", "parent of the root", "too deep"],
)
def test_units_form_a_tree(organization, path, what):
    refusal = refused(changed((("organization",), organization)))
    assert refusal.path == path
    assert what in str(refusal)


@pytest.mark.parametrize(("field", "value"), [("unit", "ou"), ("scps", ["FullAWSAccess"]), ("rcps", [DENY_ALL])])
def test_guardrails_without_an_organization_are_a_mistake(field, value):
    assert refused(changed(((*ACCOUNT, field), value))).path == f"accounts.{A}.{field}"


# Policies: documents, files, names.


def test_every_managed_policy_is_there():
    for name, kinds in MANAGED_POLICIES.items():
        for kind in kinds - {PolicyKind.RCP}:
            assert managed_policy(name, kind).source == name


def test_the_source_of_a_policy_is_where_it_stands(tmp_path):
    (tmp_path / "key-policy.json").write_text(json.dumps(KEY_POLICY))
    document = changed(
        ((*ACCOUNT, "roles", "workload", "policies"), {"use-keys": ALLOW_ALL, "admin": "AdministratorAccess"}),
        ((*KEY, "policy"), "key-policy.json"),
    )
    (tmp_path / "world.json").write_text(json.dumps(document))
    account = load_scenario(tmp_path / "world.json").world.accounts[A]
    use_keys, admin = account.roles["workload"].policies
    assert use_keys.source == f"accounts.{A}.roles.workload.policies.use-keys"
    assert admin.source == "AdministratorAccess"
    assert account.keys[0].policy.source == "key-policy.json"
    assert account.keys[0].policy == parse_policy(KEY_POLICY, PolicyKind.KEY_POLICY)


def test_every_place_for_a_policy_reads_it_as_its_kind():
    resource = {"Version": "2012-10-17", "Statement": [{**DENY_ALL["Statement"][0], "Principal": {"AWS": A}}]}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}],
    }
    role = {"trust": trust, "policies": {"p": ALLOW_ALL}, "boundary": ALLOW_ALL}
    scenario = read(
        (("organization",), {"units": {"root": {"scps": [ALLOW_ALL], "rcps": [DENY_ALL]}}}),
        ((*ACCOUNT, "roles", "workload"), role),
        ((*ACCOUNT, "groups"), {"g": {"policies": {"p": ALLOW_ALL}}}),
        ((*ACCOUNT, "users", "ana"), {"groups": ["g"], "policies": {"p": ALLOW_ALL}}),
        ((*KEY, "ram_policy"), KEY_POLICY),
        ((*ACCOUNT, "buckets"), {"reports": {"key": "alias/orders", "bucket_key": True, "policy": resource}}),
        ((*ACCOUNT, "secrets"), {"db": {"key": "alias/orders", "policy": resource}}),
        (("vpc_endpoints",), {"vpce-1": {"account": A, "vpc": "vpc-1", "policy": resource}}),
        ((*REQUEST, "session"), {"policy": ALLOW_ALL}),
    )
    account, root = scenario.world.accounts[A], scenario.world.organization.units["root"]
    workload, orders = account.roles["workload"], account.keys[0]
    assert {
        PolicyKind.SCP: root.scps[0],
        PolicyKind.RCP: root.rcps[0],
        PolicyKind.TRUST: workload.trust,
        PolicyKind.IDENTITY: workload.policies[0],
        PolicyKind.BOUNDARY: workload.boundary,
        PolicyKind.KEY_POLICY: orders.ram_policy,
        PolicyKind.BUCKET: account.buckets["reports"].policy,
        PolicyKind.SECRET: account.secrets["db"].policy,
        PolicyKind.VPC_ENDPOINT: scenario.world.vpc_endpoints["vpce-1"].policy,
        PolicyKind.SESSION: scenario.requests[0].call.principal.session.policies[0],
    } == {
        kind: policy
        for kind in PolicyKind
        for policy in (
            parse_policy(
                {
                    PolicyKind.RCP: DENY_ALL,
                    PolicyKind.TRUST: trust,
                    PolicyKind.KEY_POLICY: KEY_POLICY,
                    PolicyKind.BUCKET: resource,
                    PolicyKind.SECRET: resource,
                    PolicyKind.VPC_ENDPOINT: resource,
                }.get(kind, ALLOW_ALL),
                kind,
            ),
        )
    }
    assert account.buckets["reports"].bucket_key is True


def test_a_policy_that_aws_refuses_is_named_with_its_full_path():
    bad = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
    refusal = refused(changed(((*KEY, "policy"), bad)), file="world.json")
    assert isinstance(refusal, PolicyError)
    assert (refusal.code, refusal.rule) == ("MalformedPolicyDocumentException", "PG-5")
    assert str(refusal).startswith(f"world.json: $.accounts.{A}.keys.orders.policy.Statement[0].Effect: `allow`")


def test_a_policy_file_that_aws_refuses_is_named_itself(tmp_path):
    (tmp_path / "key-policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    refusal = refused(changed(((*KEY, "policy"), "key-policy.json")), file="world.json", folder=tmp_path)
    assert isinstance(refusal, PolicyError)
    assert (refusal.file, refusal.path) == (str(tmp_path / "key-policy.json"), "Statement")


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("/etc/key-policy.json", "no relative path"),
        ("C:\\key-policy.json", "no relative path"),
        ("missing.json", "no such file: `missing.json`"),
        ("nul\0.json", "no such file"),
        ("x" * 5000 + ".json", "no such file"),
        ("folder.json", "no such file"),
        ("list.json", "a policy is a JSON object"),
        ("FullAWSAcces", "is no path ending in .json and no managed policy"),
        ("FullAWSAccess", "cannot be attached here"),
        (json.dumps(KEY_POLICY), "leave out the quotation marks"),
    ],
)
def test_a_policy_that_cannot_be_found_is_refused(reference, what, tmp_path):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "list.json").write_text("[]")
    refusal = refused(changed(((*KEY, "policy"), reference)), file="world.json", folder=tmp_path)
    assert what in str(refusal)


def test_a_policy_file_needs_a_folder():
    assert "this scenario is no file" in str(refused(changed(((*KEY, "policy"), "key-policy.json"))))


def test_a_misspelt_managed_policy_has_near_names():
    document = changed(((*ACCOUNT, "roles", "workload", "boundary"), "AdministratorAcess"))
    assert "did you mean `AdministratorAccess`?" in str(refused(document))


# Grants.


def test_a_grant_has_the_words_of_create_grant():
    stated = {
        "Name": "all",
        "GranteeServicePrincipal": "dynamodb.us-east-1.amazonaws.com",
        "RetiringPrincipal": ROLE,
        "Operations": ["Encrypt", "CreateGrant"],
        "Constraints": {
            "EncryptionContextSubset": {"tenant": 7},
            "SourceArn": f"arn:aws:dynamodb:us-east-1:{A}:table/t",
        },
        "IssuingAccount": B,
        "pending": True,
    }
    grant = read((GRANT, stated)).world.accounts[A].keys[0].grants[0]
    assert (grant.grantee, grant.grantee_service) == (None, "dynamodb.us-east-1.amazonaws.com")
    assert (grant.retiring, grant.operations) == (ROLE, ("Encrypt", "CreateGrant"))
    assert (grant.issuing_account, grant.pending) == (B, True)
    assert grant.constraints == Constraints(None, {"tenant": "7"}, stated["Constraints"]["SourceArn"])


def test_the_key_account_issues_a_grant_that_does_not_say():
    assert read().world.accounts[A].keys[0].grants[0].issuing_account == A


def test_grant_ids_are_64_hexadecimal_digits_and_all_different():
    unnamed = {"GranteePrincipal": ROLE, "Operations": ["Decrypt"]}
    document = changed(((*KEY, "grants"), [unnamed, unnamed, {**unnamed, "Name": "n"}]))
    grants = parse_scenario(document).world.accounts[A].keys[0].grants
    assert len({grant.id for grant in grants}) == 3
    assert all(len(grant.id) == 64 and int(grant.id, 16) for grant in grants)
    assert grants == parse_scenario(document).world.accounts[A].keys[0].grants


GRANTEE = {"GranteePrincipal": ROLE}
REFUSED_GRANTS = {
    "no grantee": ({"Operations": ["Decrypt"]}, "", "GR-2"),
    "two grantees": ({**GRANTEE, "GranteeServicePrincipal": "a.b", "Operations": ["Decrypt"]}, "", "GR-2"),
    "two retiring principals": (
        {**GRANTEE, "RetiringPrincipal": ROLE, "RetiringServicePrincipal": "a.b", "Operations": ["Decrypt"]},
        "",
        "GR-2",
    ),
    "a service without source": ({"GranteeServicePrincipal": "a.b", "Operations": ["Decrypt"]}, "", "GR-2"),
    "a grantee that is no principal": (
        {"GranteePrincipal": "workload", "Operations": ["Decrypt"]},
        ".GranteePrincipal",
        "GR-3",
    ),
    "no operation": ({**GRANTEE, "Operations": []}, ".Operations", "at least one element"),
    "an operation in small letters": (
        {**GRANTEE, "Operations": ["decrypt"]},
        ".Operations[0]",
        "did you mean `Decrypt`",
    ),
    "an operation of other keys": ({**GRANTEE, "Operations": ["Decrypt", "Sign"]}, ".Operations[1]", "GR-5"),
    "nothing but CreateGrant": ({**GRANTEE, "Operations": ["CreateGrant"]}, ".Operations", "GR-18"),
    "both constraints": (
        {
            **GRANTEE,
            "Operations": ["Decrypt"],
            "Constraints": {"EncryptionContextEquals": {}, "EncryptionContextSubset": {}},
        },
        ".Constraints",
        "GR-10",
    ),
    "nine pairs": (
        {
            **GRANTEE,
            "Operations": ["Decrypt"],
            "Constraints": {"EncryptionContextEquals": dict.fromkeys("abcdefghi", "")},
        },
        ".Constraints.EncryptionContextEquals",
        "GR-4",
    ),
    "our spelling": ({**GRANTEE, "operations": ["Decrypt"]}, ".operations", "did you mean `Operations`?"),
}


@pytest.mark.parametrize(("grant", "path", "what"), REFUSED_GRANTS.values(), ids=REFUSED_GRANTS)
def test_a_grant_that_aws_would_not_make_is_refused(grant, path, what):
    refusal = refused(changed((GRANT, grant)))
    assert refusal.path == f"accounts.{A}.keys.orders.grants[0]{path}"
    assert what in str(refusal)


def test_two_grants_of_a_key_do_not_share_a_name():
    grant = SMALL["accounts"][A]["keys"]["orders"]["grants"][0]
    assert refused(changed(((*KEY, "grants"), [grant, grant]))).path.endswith("grants[1].Name")


def test_the_grant_operations_are_those_of_kms():
    listed = json_schema()["$defs"]["GrantDocument"]["properties"]["Operations"]["items"]["enum"]
    assert set(listed) == set().union(*GRANT_OPERATIONS.values())


# Keys that AWS would not make.

REFUSED_KEYS = {
    "usage against spec": ({"spec": "RSA_2048", "usage": "GENERATE_VERIFY_MAC"}, "usage", "`RSA_2048` goes with"),
    "unknown spec": ({"spec": "RSA_248"}, "spec", "did you mean `RSA_2048`"),
    "a word for an id": ({"id": "orders"}, "id", "expected a key id"),
    "a multi-Region id on a single-Region key": ({"id": f"mrk-{'0' * 32}"}, "id", "state `multi_region`"),
    "a single-Region id on a replica": ({"id": ORDERS, "multi_region": "REPLICA"}, "id", "mrk-"),
    "alias without its prefix": ({"aliases": ["orders"]}, "aliases[0]", "expected alias/ followed by"),
    "an AWS managed key without policy": ({"manager": "AWS"}, "", "needs its `policy` stated"),
    "tags that are no text": ({"tags": {"team": 1}}, "tags.team", "expected a string; found the number 1"),
    "a list for an object": ({"tags": []}, "tags", "expected an object; found an empty list"),
}


@pytest.mark.parametrize(("fields", "path", "what"), REFUSED_KEYS.values(), ids=REFUSED_KEYS)
def test_a_key_that_aws_would_not_make_is_refused(fields, path, what):
    refusal = refused(changed((KEY, fields)))
    assert refusal.path == f"accounts.{A}.keys.orders{'.' if path else ''}{path}"
    assert what in str(refusal)


@pytest.mark.parametrize(
    ("other", "path"),
    [({"id": ORDERS}, "id"), ({"aliases": ["alias/x", "alias/orders"]}, "aliases[1]")],
    ids=["id", "alias"],
)
def test_two_keys_of_a_region_share_neither_id_nor_alias(other, path):
    assert refused(changed(((*ACCOUNT, "keys", "other"), other))).path == f"accounts.{A}.keys.other.{path}"
    elsewhere = read(((*ACCOUNT, "keys", "other"), {**other, "region": "eu-west-1"}))
    assert len(elsewhere.world.keys_by_arn) == 2


def test_bucket_names_are_global():
    refusal = refused(changed(((*ACCOUNT, "buckets"), {"b": {}}), (("accounts", B), {"buckets": {"b": {}}})))
    assert refusal.path == f"accounts.{B}.buckets.b"


def test_the_groups_of_a_user_are_declared():
    document = changed(((*ACCOUNT, "groups"), {"analysts": {}}), ((*ACCOUNT, "users", "ana", "groups"), ["analyst"]))
    assert "did you mean `analysts`?" in str(refused(document))


# Who calls.

PRINCIPALS = {
    "a role means a session of it": (
        ROLE,
        PrincipalKind.ROLE_SESSION,
        f"arn:aws:sts::{A}:assumed-role/workload/session",
    ),
    "a session": (f"arn:aws:sts::{A}:assumed-role/workload/batch", PrincipalKind.ROLE_SESSION, None),
    "a user with its path": (f"arn:aws:iam::{A}:user/eng/ana", PrincipalKind.USER, None),
    "the root": (f"arn:aws:iam::{A}:root", PrincipalKind.ROOT, None),
    "a federated user, declared nowhere": (
        f"arn:aws:sts::{A}:federated-user/kiosk",
        PrincipalKind.FEDERATED_USER,
        None,
    ),
}


@pytest.mark.parametrize(("arn", "kind", "shown"), PRINCIPALS.values(), ids=PRINCIPALS)
def test_every_form_of_principal_is_read(arn, kind, shown):
    principal = call((["principal"], arn)).principal
    assert (principal.kind, principal.arn, principal.account) == (kind, shown or arn, A)


def test_a_service_calls_for_itself():
    service = {
        "service": "logs.us-east-1.amazonaws.com",
        "source_arn": f"arn:aws:logs:us-east-1:{A}:x",
        "source_account": A,
    }
    principal = call((["principal"], service)).principal
    assert (principal.kind, principal.name, principal.account) == (PrincipalKind.SERVICE, service["service"], "")
    assert (principal.source_arn, principal.source_account) == (service["source_arn"], A)


def test_a_session_is_read():
    broker = f"arn:aws:iam::{A}:user/broker"
    stated = {
        "policy": ALLOW_ALL,
        "tags": {"team": "shop"},
        "mfa": True,
        "source_identity": "ana",
        "federated_by": broker,
    }
    session = call((["principal"], f"arn:aws:sts::{A}:federated-user/kiosk"), (["session"], stated)).principal.session
    assert [policy.kind for policy in session.policies] == [PolicyKind.SESSION]
    assert (session.tags, session.mfa) == ({"team": "shop"}, True)
    assert (session.source_identity, session.federated_by) == ("ana", broker)


REFUSED_PRINCIPALS = {
    "a name": ("ana", None, "principal", "write the ARN of a user"),
    "a group": (f"arn:aws:iam::{A}:group/analysts", None, "principal", "is no ARN of a caller"),
    "an undeclared account": ("arn:aws:iam::111122223334:root", None, "principal", f"did you mean `{A}`?"),
    "an undeclared role": (
        f"{ROLE}s",
        None,
        "principal",
        "no role `workloads` in account 111122223333 (did you mean `workload`?)",
    ),
    "an undeclared user": (f"arn:aws:iam::{A}:user/bob", None, "principal", f"no user `bob` in account {A}"),
    "a user without its path": (f"arn:aws:iam::{A}:user/ana", None, "principal", f"arn:aws:iam::{A}:user/eng/ana"),
    "a number": (5, None, "principal", "expected the ARN of a principal"),
    "a service misspelt": ({"servic": "a.b"}, None, "principal.servic", "did you mean `service`?"),
    "a service with a session": ({"service": "a.b"}, {"mfa": True}, "session", "has no session"),
    "an unknown broker": (
        f"arn:aws:sts::{A}:federated-user/kiosk",
        {"federated_by": f"arn:aws:iam::{A}:user/brokr"},
        "session.federated_by",
        f"did you mean `arn:aws:iam::{A}:user/broker`",
    ),
    "a role with a broker": (
        ROLE,
        {"federated_by": f"arn:aws:iam::{A}:user/broker"},
        "session.federated_by",
        "only federated",
    ),
}


@pytest.mark.parametrize(("principal", "session", "path", "what"), REFUSED_PRINCIPALS.values(), ids=REFUSED_PRINCIPALS)
def test_a_principal_that_cannot_call_is_refused(principal, session, path, what):
    refusal = refused(changed(((*REQUEST, "principal"), principal), ((*REQUEST, "session"), session)))
    assert refusal.path == f"requests[0].{path}"
    assert what in str(refusal)


def test_somebody_of_an_account_that_nobody_declared_calls_without_policies_of_their_own():
    """A stranger, or the management account, which need not be listed."""
    stranger = "arn:aws:sts::999988887777:assumed-role/stranger/visit"
    there = next(iter(parse_scenario(SMALL).world.keys_by_arn))
    scenario = parse_scenario(
        changed(((*REQUEST, "principal"), stranger), ((*REQUEST, "parameters"), {"KeyId": there}))
    )
    decision = decide(scenario.world, scenario.requests[0].call)
    assert (decision.word, {layer.value for layer in decision.layers}) == ("DENY", {"key_policy", "identity"})


def test_a_role_of_awss_own_can_be_declared_and_named_in_a_key_policy():
    """OR-8: EC2's identity-only role."""
    arn = f"arn:aws:iam::{A}:role/aws:ec2-infrastructure"
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "kms:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    scenario = parse_scenario(
        changed(
            ((*ACCOUNT, "roles", "aws:ec2-infrastructure"), {}),
            ((*KEY, "policy"), policy),
            ((*REQUEST, "principal"), f"arn:aws:sts::{A}:assumed-role/aws:ec2-infrastructure/i-0a1b2c3d"),
        )
    )
    assert decide(scenario.world, scenario.requests[0].call).word == "ALLOW"


def test_a_grant_to_a_service_may_be_written_as_list_grants_shows_it():
    """GR-3."""
    grant = {"GranteePrincipal": "lambda.amazonaws.com", "Operations": ["Decrypt"]}
    scenario = parse_scenario(changed(((*KEY, "grants"), [grant])))
    found = next(iter(scenario.world.keys_by_arn.values())).grants[0]
    assert (found.grantee, found.grantee_service) == (None, "lambda.amazonaws.com")


# What is called.


@pytest.mark.parametrize("operation", ["kms:decrypt", "Decrypt", "kms:ReEncryptFrom", "s3:ListBucket", "kms:*", ""])
def test_an_unknown_operation_is_refused(operation):
    refusal = refused(changed(((*REQUEST, "operation"), operation)))
    assert (refusal.path, refusal.what) == ("requests[0].operation", f"no operation `{operation}`")
    assert refusal.hint


MRK = f"mrk-{'0' * 31}1"
TWO_REGIONS = changed(
    ((*ACCOUNT, "keys", "west"), {"region": "us-west-2", "aliases": ["alias/west"]}),
    ((*ACCOUNT, "keys", "primary"), {"id": MRK, "multi_region": "PRIMARY", "aliases": ["alias/both"]}),
    (
        (*ACCOUNT, "keys", "replica"),
        {"id": MRK, "multi_region": "REPLICA", "region": "eu-west-1", "aliases": ["alias/both"]},
    ),
    ((*ACCOUNT, "buckets"), {"far": {"region": "eu-west-1"}}),
    ((*ACCOUNT, "secrets"), {"db": {"region": "us-west-2"}}),
    (("accounts", B), {"keys": {"theirs": {"region": "eu-west-1", "aliases": ["alias/theirs"]}}}),
)
REGIONS = {
    "stated": ({"region": "us-east-1", "parameters": {"KeyId": "alias/west"}}, "us-east-1"),
    "of the ARN": ({"parameters": {"KeyId": f"arn:aws:kms:ap-south-1:{B}:key/{ORDERS}"}}, "ap-south-1"),
    "of the alias": ({"parameters": {"KeyId": "alias/west"}}, "us-west-2"),
    "of the key that is read first": (
        {"operation": "kms:ReEncrypt", "parameters": {"SourceKeyId": "alias/west", "DestinationKeyId": "alias/orders"}},
        "us-west-2",
    ),
    "of the target": ({"operation": "kms:CreateAlias", "parameters": {"TargetKeyId": "alias/west"}}, "us-west-2"),
    "of an alias to delete": ({"operation": "kms:DeleteAlias", "parameters": {"AliasName": "alias/west"}}, "us-west-2"),
    "of the ciphertext": ({"parameters": {}, "ciphertext": {"key": "west"}}, "us-west-2"),
    "of a related id, which two Regions have": ({"parameters": {"KeyId": MRK}}, "us-east-1"),
    "of nobody's alias": ({"parameters": {"KeyId": "alias/gone"}}, "us-east-1"),
    "of another account's alias": ({"parameters": {"KeyId": "alias/theirs"}}, "us-east-1"),
    "of the bucket": ({"operation": "s3:GetObject", "parameters": {"Bucket": "far", "Key": "k"}}, "eu-west-1"),
    "of the secret": ({"operation": "secretsmanager:GetSecretValue", "parameters": {"SecretId": "db"}}, "us-west-2"),
    "of nothing": ({"operation": "kms:ListKeys", "parameters": {}}, "us-east-1"),
}


@pytest.mark.parametrize(("fields", "region"), REGIONS.values(), ids=REGIONS)
def test_a_call_is_sent_to_the_region_of_what_it_names(fields, region):
    request = {"principal": ROLE, "operation": "kms:Decrypt", **fields}
    assert parse_scenario({**TWO_REGIONS, "requests": [request]}).requests[0].call.region == region


THEIRS_ARN = parse_scenario(TWO_REGIONS).world.accounts[B].keys[0].arn
CIPHERTEXT_KEYS = {
    "an alias": ("alias/orders", ORDERS_ARN),
    "an id": (ORDERS, ORDERS_ARN),
    "a label": ("orders", ORDERS_ARN),
    "an ARN": (ORDERS_ARN, ORDERS_ARN),
    "an alias ARN": (f"arn:aws:kms:us-east-1:{A}:alias/orders", ORDERS_ARN),
    "an ARN that nobody has": (f"arn:aws:kms:us-east-1:{A}:key/gone", f"arn:aws:kms:us-east-1:{A}:key/gone"),
    "the related key of the call's Region": (MRK, f"arn:aws:kms:us-east-1:{A}:key/{MRK}"),
    "another account's label": ("theirs", THEIRS_ARN),
    "none, so the one that the call names": (None, ORDERS_ARN),
}


@pytest.mark.parametrize(("stated", "arn"), CIPHERTEXT_KEYS.values(), ids=CIPHERTEXT_KEYS)
def test_the_key_of_a_ciphertext_is_found(stated, arn):
    ciphertext = {"key": stated, "encryption_context": {"n": 1, "f": 1.5, "b": True, "t": "x"}}
    request = {
        "principal": ROLE,
        "operation": "kms:Decrypt",
        "region": "us-east-1",
        "parameters": {"KeyId": "alias/orders"},
        "ciphertext": ciphertext,
    }
    made = parse_scenario({**TWO_REGIONS, "requests": [request]}).requests[0].call.ciphertext
    assert made.key == arn
    assert made.encryption_context == {"n": "1", "f": "1.5", "b": "true", "t": "x"}


def test_numbers_and_booleans_in_an_encryption_context_are_text():
    parameters = {"KeyId": "alias/orders", "EncryptionContext": {"n": 1, "b": False}, "DryRun": False}
    assert call((["parameters"], parameters)).parameters == {
        "KeyId": "alias/orders",
        "EncryptionContext": {"n": "1", "b": "false"},
        "DryRun": False,
    }


def test_a_policy_parameter_stays_a_document(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(KEY_POLICY))
    for given_policy in (KEY_POLICY, "p.json"):
        document = changed(
            ((*REQUEST, "operation"), "kms:PutKeyPolicy"), ((*REQUEST, "parameters", "Policy"), given_policy)
        )
        assert parse_scenario(document, folder=tmp_path).requests[0].call.parameters["Policy"] == KEY_POLICY


def test_context_keys_are_in_small_letters_and_their_values_text():
    context = {
        "aws:CurrentTime": "2026-02-02T09:00:00Z",
        "kms:Days": 120,
        "aws:Bool": True,
        "aws:TagKeys": ["a", 1],
        "x:e": [],
    }
    assert call((["context"], context)).context == {
        "aws:currenttime": "2026-02-02T09:00:00Z",
        "kms:days": "120",
        "aws:bool": "true",
        "aws:tagkeys": ("a", "1"),
        "x:e": (),
    }


def test_network_and_via():
    made = call(
        (["via"], "s3.us-east-1.amazonaws.com"), (["network"], {"source_ip": "2001:db8::1", "secure_transport": False})
    )
    assert made.via == "s3.us-east-1.amazonaws.com"
    assert (made.network.source_ip, made.network.vpc_endpoint, made.network.secure_transport) == (
        "2001:db8::1",
        None,
        False,
    )
    assert call().network.secure_transport is True


GRANT_ID = read().world.accounts[A].keys[0].grants[0].id


@pytest.mark.parametrize(
    "token", ["to-workload", GRANT_ID, "AQp" + "x" * 80], ids=["name", "id", "somebody's real token"]
)
def test_grant_tokens_stand_for_grants(token):
    wanted = (token if token.startswith("AQp") else GRANT_ID,)
    made = call((["grant_tokens"], [token]))
    assert made.grant_tokens == wanted
    as_boto3_has_it = call((["parameters"], {"GrantTokens": [token]}))
    assert (as_boto3_has_it.grant_tokens, dict(as_boto3_has_it.parameters)) == (wanted, {})


@pytest.mark.parametrize("parameter", ["GrantId", "GrantToken"])
def test_a_grant_parameter_may_be_a_name(parameter):
    made = call((["operation"], "kms:RetireGrant"), (["parameters"], {parameter: "to-workload"}))
    assert made.parameters == {parameter: GRANT_ID}


def test_a_grant_name_on_two_keys_is_that_of_the_key_that_the_call_names():
    grant = SMALL["accounts"][A]["keys"]["orders"]["grants"][0]
    other = ((*ACCOUNT, "keys", "other"), {"grants": [grant]})
    named = read(other, ((*REQUEST, "grant_tokens"), ["to-workload"]))
    assert named.requests[0].call.grant_tokens == (GRANT_ID,)
    nothing = changed(other, ((*REQUEST, "grant_tokens"), ["to-workload"]), ((*REQUEST, "parameters"), {}))
    assert refused(nothing).what == "2 grants are named `to-workload`"


REFUSED_REQUESTS = {
    "a grant that nobody has": ({"grant_tokens": ["to-workloud"]}, "grant_tokens[0]", "did you mean `to-workload`?"),
    "a grant id that is a misspelt name": (
        {"parameters": {"GrantId": "to-wrkload"}},
        "parameters.GrantId",
        "to-workload",
    ),
    "grant tokens that are no list": (
        {"parameters": {"GrantTokens": "t"}},
        "parameters.GrantTokens",
        "expected a list",
    ),
    "a grant token that is no text": (
        {"parameters": {"GrantTokens": [1]}},
        "parameters.GrantTokens[0]",
        "expected a string",
    ),
    "a ciphertext of no key": (
        {"ciphertext": {"key": "alias/order"}},
        "ciphertext.key",
        "did you mean `alias/orders`?",
    ),
    "a ciphertext of nothing": ({"parameters": {}, "ciphertext": {}}, "ciphertext", "the field `key` is missing"),
    "a key that is no text": (
        {"parameters": {"KeyId": 1}},
        "parameters.KeyId",
        "expected a string; found the number 1",
    ),
    "a context that is a list": (
        {"parameters": {"EncryptionContext": []}},
        "parameters.EncryptionContext",
        "expected an object; found an empty list",
    ),
    "a context value that is null": (
        {"parameters": {"EncryptionContext": {"a": None}}},
        "parameters.EncryptionContext.a",
        "expected a string, a number or a boolean; found null",
    ),
    "a policy as text": ({"parameters": {"Policy": "{}"}}, "parameters.Policy", "expected a policy document"),
    "a condition key twice": ({"context": {"aws:A": "1", "AWS:a": "2"}}, 'context["AWS:a"]', "is stated twice"),
    "a condition key with an object": ({"context": {"aws:A": {}}}, 'context["aws:A"]', "found an object"),
    "an address that is none": ({"network": {"source_ip": "1.2.3"}}, "network.source_ip", "is no IP address"),
    "an endpoint that is not there": (
        {"network": {"vpc_endpoint": "vpce-1"}},
        "network.vpc_endpoint",
        "there are none",
    ),
    "a host that is none": ({"via": "s3"}, "via", "expected a service's host"),
    "a Region that is none": (
        {"region": "Virginia"},
        "region",
        "expected a Region such as us-east-1; found `Virginia`",
    ),
    "a bucket that is not there": (
        {"operation": "s3:GetObject", "parameters": {"Bucket": "b"}},
        "parameters.Bucket",
        "no bucket `b`",
    ),
    "a secret that is not there": (
        {"operation": "secretsmanager:GetSecretValue", "parameters": {"SecretId": "s"}},
        "parameters.SecretId",
        "no secret `s`",
    ),
    "a layer that is none": ({"expect": {"layers": ["keypolicy"]}}, "expect.layers[0]", "did you mean `key_policy`?"),
    "a decision in small letters": (
        {"expect": {"decision": "allow"}},
        "expect.decision",
        "expected one of ALLOW, DENY; found `allow`",
    ),
    "a field misspelt": ({"expects": {}}, "expects", "unknown field `expects` (did you mean `expect`?)"),
    "a flag as text": ({"session": {"mfa": "true"}}, "session.mfa", "expected true or false; found `true`"),
}


@pytest.mark.parametrize(("fields", "path", "what"), REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS)
def test_a_request_with_a_mistake_is_refused(fields, path, what):
    refusal = refused(changed((REQUEST, {**SMALL["requests"][0], **fields})))
    assert refusal.path == f"requests[0].{path}"
    assert what in str(refusal)


# What is expected, and by which name.


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, None),
        ({}, Expectation()),
        ({"error": None}, Expectation(error=None, has_error=True)),
        ({"decision": "DENY", "layers": []}, Expectation("DENY", frozenset())),
        (
            {"error": "NotFoundException", "uncertain": ["UN-2"]},
            Expectation(error="NotFoundException", has_error=True, uncertain=("UN-2",)),
        ),
    ],
    ids=["nothing", "all open", "success", "no layer", "error"],
)
def test_an_expectation_tells_open_from_stated(stated, expected):
    assert read(((*REQUEST, "expect"), stated)).requests[0].expect == expected


def test_requests_are_found_by_name():
    scenario = read(
        ((*REQUEST, "name"), "the workload decrypts"), ((*REQUEST, "rules"), ["KP-1"]), ((*REQUEST, "why"), "so")
    )
    request = scenario.request("the workload decrypts")
    assert (request.rules, request.why, request.path) == (("KP-1",), "so", "requests[0]")
    with pytest.raises(InputError, match="did you mean `the workload decrypts`"):
        scenario.request("the workload decrypt")


def test_a_request_without_name_is_numbered():
    assert read().request("request 1").path == "requests[0]"


def test_two_requests_do_not_share_a_name():
    request = {**SMALL["requests"][0], "name": "twice"}
    assert refused(changed((("requests",), [request, request]))).path == "requests[1].name"


# Mistakes.


def test_the_first_mistake_in_the_document_is_named_and_the_others_counted():
    document = {"requests": [{"x": 1}], "accounts": {"12": {}}, "regoin": "us-east-1"}
    refusal = refused(document, file="world.json")
    assert str(refusal).startswith("world.json: $.requests[0].x: unknown field `x`")
    assert refusal.hint.endswith("; and 4 more problems")


def test_mistakes_in_the_world_and_in_requests_are_counted():
    world = changed(((*KEY, "policy"), {}), ((*ACCOUNT, "roles", "workload", "boundary"), "x"))
    assert refused(world).hint.endswith("and 1 more problem")
    wrong = {"principal": "ana", "operation": "kms:Decrypt"}
    requests = changed((("requests",), [{**wrong, "name": "a"}, {**wrong, "name": "b"}, {**wrong, "name": "c"}]))
    assert refused(requests).path == "requests[0].principal"
    assert refused(requests).hint.endswith("and 2 more problems")


@pytest.mark.parametrize("text", ["", "[]", "null", "7", '"x"', "{}", '{"accounts": [], "accounts": {}}'])
def test_what_is_no_scenario_is_refused(text):
    assert refused(text).what


# The JSON Schema says the same about the shape.

SCHEMA = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_every_case_file_fits_the_schema(path):
    SCHEMA.validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("acounts",), {}),
        (("accounts", "12"), {}),
        ((*ACCOUNT, "users", "a b"), {}),
        ((*KEY, "spec"), "RSA_248"),
        ((*KEY, "aliases"), ["orders"]),
        ((*KEY, "policy"), 5),
        ((*GRANT, "operations"), ["Decrypt"]),
        ((*GRANT, "Operations"), []),
        ((*REQUEST, "principal"), 5),
        ((*REQUEST, "principal"), {"servic": "a.b"}),
        ((*REQUEST, "expect"), {"decision": "allow"}),
        ((*REQUEST, "ciphertext"), {"encryption_context": {"a": None}}),
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_reader_refuses(path, value):
    document = changed((path, value))
    assert not SCHEMA.is_valid(document)
    assert refused(document).what


# Any JSON at all loads or is refused.

RICH = changed(
    (("organization",), {"units": {"ou": {"scps": ["FullAWSAccess"]}}, "management_account": B}),
    ((*ACCOUNT, "unit"), "ou"),
    ((*ACCOUNT, "buckets"), {"reports": {"key": "alias/orders", "policy": KEY_POLICY}}),
    ((*ACCOUNT, "secrets"), {"db": {"key": "alias/orders"}}),
    (
        (*ACCOUNT, "roles", "workload"),
        {"policies": {"p": ALLOW_ALL}, "boundary": "AdministratorAccess", "tags": {"a": "b"}},
    ),
    ((*GRANT, "Constraints"), {"EncryptionContextEquals": {"a": "b"}}),
    (("vpc_endpoints",), {"vpce-1": {"account": A, "vpc": "vpc-1"}}),
    ((*REQUEST, "session"), {"policy": ALLOW_ALL, "tags": {}}),
    ((*REQUEST, "ciphertext"), {"key": "alias/orders", "encryption_context": {"a": 1}}),
    ((*REQUEST, "network"), {"source_ip": "203.0.113.7", "vpc_endpoint": "vpce-1"}),
    ((*REQUEST, "context"), {"aws:CurrentTime": "2026-01-01T00:00:00Z"}),
    ((*REQUEST, "expect"), {"decision": "DENY", "layers": ["key_policy"], "error": None}),
    ((*REQUEST, "grant_tokens"), ["to-workload"]),
)


def paths_in(value, path=()):
    """The path of every member and element inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield (*path, step)
        yield from paths_in(each, (*path, step))


WORDS = st.sampled_from(
    ["", "root", "alias/orders", "x.json", "../x.json", "FullAWSAccess", ROLE, ORDERS_ARN, "us-east-1", A, "*"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | WORDS, inner, max_size=3),
    max_leaves=8,
)


def answer_to(content):
    """What the reader makes of it: a scenario, or a refusal as text."""
    try:
        return parse_scenario(content, file="world.json", folder=Path(__file__).parent)
    except InputError as refusal:
        return str(refusal)


def loads_or_is_refused(content):
    answer = answer_to(content)
    if isinstance(answer, str):
        assert answer.startswith(("world.json: ", str(Path(__file__).parent)))
        assert answer.isprintable()
    else:
        assert answer.file == "world.json"


@given(JSON)
def test_any_json_loads_or_is_refused(value):
    loads_or_is_refused(json.dumps(value))


@given(st.sampled_from(list(paths_in(RICH))), JSON)
def test_a_scenario_with_anything_put_anywhere_loads_or_is_refused(path, value):
    loads_or_is_refused(json.dumps(changed((path, value), document=RICH)))


def test_the_scenario_that_is_varied_loads():
    assert parse_scenario(RICH).requests[0].call.ciphertext.key == ORDERS_ARN
