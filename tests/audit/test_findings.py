"""Every finding on a small world that has nothing else; and the witnesses, replayed by `decide`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_worlds import EXPECTED, FILES, HERE, KEY_ARN, ORGANIZATION, VENDOR, WORLDS, condition, own, role, root
from audit_worlds import policy as document
from audit_worlds import statement as allow
from audit_worlds import world as small

from kmssim.audit.finding import Finding
from kmssim.audit.run import Report, audit_subject, subject_of
from kmssim.audit.wording import WORDING
from kmssim.scenario import load_scenario, parse_scenario

ABOUT_SUPPRESSIONS = {"suppression-expired", "suppression-unused"}


def audited(data, folder: Path) -> Report:
    for name, content in FILES.items():
        (folder / name).write_text(json.dumps(content))
    return audit_subject(subject_of(parse_scenario(data, folder=folder)))


def ids(report: Report) -> set[str]:
    return {finding.id for finding in report.findings}


def only(report: Report, name: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.id == name]
    return found


def words(finding: Finding) -> list[str]:
    return [witness.word for witness in finding.witnesses]


def test_there_is_a_world_for_each_finding():
    assert set(WORLDS) == set(WORDING) - ABOUT_SUPPRESSIONS


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_has_its_finding_and_no_other(name, tmp_path):
    assert ids(audited(WORLDS[name], tmp_path)) == EXPECTED.get(name, {name})


@pytest.mark.parametrize("name", WORLDS)
def test_a_finding_says_everything_and_has_a_witness(name, tmp_path):
    for finding in audited(WORLDS[name], tmp_path).findings:
        assert finding.witnesses
        assert finding.rules
        for text in (finding.executive, finding.technical, finding.fix):
            assert "{" not in text.replace('{"', "").replace("${", "")
            assert text.endswith((".", "?"))
        assert finding.executive.count(". ") == 0, "an executive reads one sentence"


WITNESSES = {
    "public-access": ["ALLOW"],
    "public-through-service": ["ALLOW"],
    "cross-organization": ["ALLOW"],
    "foreign-account-all": ["ALLOW"],
    "all-keys": ["ALLOW"],
    "confused-deputy": ["ALLOW"],
    "create-grant-unlimited": ["ALLOW"],
    "administrators-can-grant": ["ALLOW", "DENY"],
    "administrators-can-use": ["ALLOW", "DENY"],
    "reencrypt-escape": ["ALLOW", "DENY"],
    "tag-escalation": ["DENY", "ALLOW", "ALLOW"],
    "alias-escalation": ["DENY", "ALLOW", "ALLOW"],
    "nobody-can-change-policy": ["DENY", "DENY"],
    "one-principal-can-change-policy": ["ALLOW", "DENY"],
    "policy-change-needs-condition": ["ALLOW", "DENY"],
    "missing-delegation": ["DENY"],
    "orphaned-principal": ["DENY"],
    "incomplete-statement": ["DENY"],
    "dead-resource": ["DENY"],
    "alias-as-resource": ["DENY"],
    "unknown-action": ["DENY"],
    "not-principal-deny": ["DENY"],
    "not-across-accounts": ["DENY"],
    "never-met": ["DENY"],
    "for-all-values-without-null": ["ALLOW"],
    "condition-never-carried": ["DENY"],
    "unknown-condition-key": ["DENY"],
    "plain-operator-on-list": ["DENY"],
    "grant-unconstrained": ["ALLOW"],
    "grant-without-effect": ["DENY"],
    "grant-passes-on": ["ALLOW"],
    "pending-grant": ["DENY", "ALLOW"],
    "inline-decrypt-on-all-keys": ["ALLOW"],
    "scheduled-for-deletion": ["ALLOW"],
}


@pytest.mark.parametrize("name", WITNESSES)
def test_the_witness_of_a_finding_is_decided_as_the_finding_says(name, tmp_path):
    assert words(only(audited(WORLDS[name], tmp_path), name)) == WITNESSES[name]


def test_a_key_that_is_going_lets_its_user_through_and_then_fails(tmp_path):
    """ST-3: authorization does not look at the state."""
    found = only(audited(WORLDS["scheduled-for-deletion"], tmp_path), "scheduled-for-deletion")
    failure = found.witnesses[0].decision.failure
    assert failure is not None
    assert failure.code == "KMSInvalidStateException"


def test_a_finding_names_file_path_and_line(tmp_path):
    path = tmp_path / "scenario.json"
    text = json.dumps(WORLDS["public-access"], indent=2)
    path.write_text(text)
    found = only(audit_subject(subject_of(load_scenario(path))), "public-access")
    assert found.where.file == str(path)
    assert found.where.path == f"accounts.{HERE}.keys.orders.policy.Statement[1]"
    assert found.where.line is not None
    assert text.splitlines()[found.where.line - 1].strip() == "{"
    assert '"Principal": "*"' in text.splitlines()[found.where.line + 1]


def test_a_statement_in_a_policy_file_is_found_there(tmp_path):
    found = only(audited(WORLDS["decrypt-on-all-keys"], tmp_path), "decrypt-on-all-keys")
    assert found.where.file == "read.json"
    assert found.where.path == "Statement[0]"
    assert found.controls == ("KMS.1",)


def test_a_star_for_the_callers_of_another_account_is_sharing_with_that_account(tmp_path):
    data = small(allow("*", "kms:Decrypt", **condition("StringEquals", kms__CallerAccount=VENDOR)), **ORGANIZATION)
    assert ids(audited(data, tmp_path)) == {"cross-organization"}


@pytest.mark.parametrize(
    ("organization", "name"), [("o-elsewhere123", {"cross-organization"}), ("o-a1b2c3d4e5", set())]
)
def test_a_star_for_an_organization_is_sharing_unless_it_is_ones_own(organization, name, tmp_path):
    data = small(
        allow("*", "kms:Decrypt", **condition("StringEquals", aws__PrincipalOrgID=organization)), **ORGANIZATION
    )
    assert ids(audited(data, tmp_path)) == name


def test_an_iam_policy_makes_an_administrator_as_well_as_a_key_policy_does(tmp_path):
    """PE-2."""
    data = small(roles={"keyadmin": {"policies": {"change": own("kms:PutKeyPolicy", KEY_ARN)}}})
    assert ids(audited(data, tmp_path)) == {"administrators-can-use"}


@pytest.mark.parametrize("action", ["kms:UpdateAliases", "kms:RetireGrants", "kms:ReplicateKeys", "kms:Decrpyt"])
def test_a_misspelt_action_is_shown_on_a_key_that_cannot_take_it_as_well(action, tmp_path):
    data = small(roles={"worker": {"policies": {"use": own(action, KEY_ARN)}}})
    data["accounts"][HERE]["keys"]["orders"]["aliases"] = []
    assert ids(audited(data, tmp_path)) == {"unknown-action"}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        (condition("StringEquals", aws__PrincipalOrgID="o-a1b2c3d4e5"), None),
        (condition("StringEquals", kms__CallerAccount=HERE), None),
        (condition("ArnLike", aws__PrincipalArn=f"arn:aws:iam::{HERE}:role/*"), None),
        (condition("ArnLike", aws__PrincipalArn="arn:aws:iam::*:role/worker"), "public-access"),
        (condition("StringEquals", aws__PrincipalTag___team="blue"), "public-access"),
        (condition("StringEqualsIfExists", kms__ViaService="s3.us-east-1.amazonaws.com"), "public-access"),
        (condition("StringNotEquals", aws__PrincipalAccount=VENDOR), "public-access"),
        (condition("IpAddress", aws__SourceIp="203.0.113.0/24"), None),
        (condition("StringEquals", kms__EncryptionContext__tenant="a"), "public-access"),
    ],
    ids=str,
)
def test_a_star_is_public_exactly_when_a_stranger_can_meet_its_condition(more, name, tmp_path):
    """PE-20: what a stranger can bring along holds nobody off."""
    found = ids(audited(small(allow("*", "kms:Decrypt", **more), roles={"worker": {}}, **ORGANIZATION), tmp_path))
    assert {one for one in found if one.startswith("public")} == ({name} if name else set())


def test_a_resource_control_policy_closes_what_the_key_policy_opens(tmp_path):
    closing = document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "kms:*",
            "Resource": "*",
            **condition("StringNotEqualsIfExists", aws__PrincipalOrgID="o-a1b2c3d4e5"),
        }
    )
    data = {**WORLDS["public-access"], "organization": {"id": "o-a1b2c3d4e5", "units": {"root": {"rcps": [closing]}}}}
    assert "public-access" not in ids(audited(data, tmp_path))


@pytest.mark.parametrize(
    "more",
    [
        condition("Bool", kms__GrantIsForAWSResource="true"),
        condition("StringEquals", kms__GranteePrincipal=role("worker")),
        condition("ForAllValues:StringEquals", kms__GrantOperations=["Decrypt"]),
        condition("StringEquals", kms__ViaService="ec2.us-east-1.amazonaws.com"),
        condition("StringEquals", kms__GrantConstraintType="EncryptionContextSubset"),
    ],
    ids=str,
)
def test_a_limit_on_create_grant_is_a_limit(more, tmp_path):
    """PE-1, GR-70: each of the counter-controls."""
    data = small(
        allow(role("worker"), "kms:Decrypt"), allow(role("worker"), "kms:CreateGrant", **more), roles={"worker": {}}
    )
    assert not ids(audited(data, tmp_path)) & {"create-grant-unlimited", "never-met", "for-all-values-without-null"}


@pytest.mark.parametrize(
    "more",
    [
        condition("ArnLike", aws__SourceArn=f"arn:aws:logs:{'us-east-1'}:{HERE}:*"),
        condition("StringEquals", aws__SourceAccount=HERE),
        condition("ArnLike", **{"kms__EncryptionContext__aws:logs:arn": f"arn:aws:logs:us-east-1:{HERE}:*"}),
    ],
    ids=str,
)
def test_a_service_that_is_bound_to_a_source_is_no_confused_deputy(more, tmp_path):
    """SV-5."""
    data = small(allow({"Service": "logs.us-east-1.amazonaws.com"}, "kms:Encrypt", **more))
    assert ids(audited(data, tmp_path)) == set()


def test_a_source_arn_of_any_account_does_not_bind_a_service(tmp_path):
    more = condition("StringLike", aws__SourceArn="arn:aws:cloudtrail:*:*:trail/*")
    data = small(allow({"Service": "cloudtrail.amazonaws.com"}, "kms:GenerateDataKey", **more))
    assert ids(audited(data, tmp_path)) == {"confused-deputy"}


@pytest.mark.parametrize("action", ["kms:ReEncrypt*", ["kms:ReEncrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]])
def test_reencrypt_beside_its_halves_is_no_unknown_action(action, tmp_path):
    """PG-11."""
    data = small(roles={"mover": {"policies": {"move": own(action, KEY_ARN)}}})
    assert "unknown-action" not in ids(audited(data, tmp_path))


def test_an_alias_is_a_resource_for_the_alias_operations(tmp_path):
    """PG-23."""
    resources = [KEY_ARN, f"arn:aws:kms:us-east-1:{HERE}:alias/orders"]
    data = small(roles={"namer": {"policies": {"name": own(["kms:CreateAlias", "kms:DeleteAlias"], resources)}}})
    assert ids(audited(data, tmp_path)) == set()


def test_an_operation_without_a_resource_is_dead_on_any_but_the_star(tmp_path):
    """PG-24."""
    data = small(roles={"lister": {"policies": {"list": own("kms:ListKeys", KEY_ARN)}}})
    assert ids(audited(data, tmp_path)) == {"dead-resource"}
    data = small(roles={"lister": {"policies": {"list": own("kms:ListKeys")}}})
    assert ids(audited(data, tmp_path)) == set()


@pytest.mark.parametrize(
    "more",
    [
        condition("StringEquals", aws__PrincipalTag___team="blue"),
        condition("IpAddress", aws__SourceIp="203.0.113.0/24"),
        condition("NumericLessThan", aws__MultiFactorAuthAge="300"),
        condition("DateGreaterThan", aws__CurrentTime="2030-01-01T00:00:00Z"),
        condition("StringLike", kms__RequestAlias="alias/o*"),
        condition("StringEquals", aws__SourceVpce="vpce-0a1b2c3d"),
        condition("StringEquals", kms__EncryptionContext__tenant="${aws:username}"),
    ],
    ids=str,
)
def test_a_condition_that_somebody_can_meet_some_day_is_not_dead(more, tmp_path):
    data = small(allow(role("worker"), "kms:Decrypt", **more), roles={"worker": {}})
    assert "never-met" not in ids(audited(data, tmp_path))


def test_for_all_values_is_guarded_by_null_or_by_a_key_that_is_always_there(tmp_path):
    """CO-7."""
    guarded = {
        "Condition": {
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]},
            "Null": {"kms:EncryptionContextKeys": "false"},
        }
    }
    data = small(roles={"worker": {"policies": {"use": own("kms:Decrypt", KEY_ARN, **guarded)}}})
    assert ids(audited(data, tmp_path)) == set()


def test_a_key_with_no_delegation_and_an_administrator_behind_a_condition_is_not_locked(tmp_path):
    more = condition("Bool", aws__MultiFactorAuthPresent="true")
    data = small(allow(role("worker"), "kms:*", **more), roles={"worker": {}}, delegated=False)
    found = audited(data, tmp_path)
    assert "policy-change-needs-condition" in ids(found)
    assert "nobody-can-change-policy" not in ids(found)


def test_a_lock_out_has_a_witness_for_everybody_who_is_there(tmp_path):
    data = small(allow(role("one"), "kms:Decrypt"), roles={"one": {}, "two": {}}, delegated=False)
    found = only(audited(data, tmp_path), "nobody-can-change-policy")
    assert [witness.call.principal.arn for witness in found.witnesses] == [
        root(),
        f"arn:aws:sts::{HERE}:assumed-role/one/session",
        f"arn:aws:sts::{HERE}:assumed-role/two/session",
    ]


def test_a_grant_that_gives_as_much_to_a_stranger_is_shown_as_such(tmp_path):
    grant = {"GranteePrincipal": role("theirs", VENDOR), "Operations": ["Decrypt"]}
    found = audited(small(grants=[grant], **ORGANIZATION), tmp_path)
    assert "cross-organization" in ids(found)
    assert only(found, "cross-organization").where.path == f"accounts.{HERE}.keys.orders.grants[0]"


def test_controls_are_failed_by_what_fails_them_and_say_so_where_no_world_can_tell(tmp_path):
    assert audited(small(), tmp_path).controls == {
        "KMS.1": "passed",
        "KMS.2": "passed",
        "KMS.3": "passed",
        "KMS.4": "not applicable",
        "KMS.5": "passed",
    }
    for name, control in {
        "public-access": "KMS.5",
        "scheduled-for-deletion": "KMS.3",
        "inline-decrypt-on-all-keys": "KMS.2",
        "decrypt-on-all-keys": "KMS.1",
        "all-keys": "KMS.2",
    }.items():
        assert audited(WORLDS[name], tmp_path).controls[control] == "failed"


def test_an_aws_managed_policy_fails_no_control(tmp_path):
    """KMS.1 and KMS.2 are about policies that a customer writes."""
    data = small(roles={"admin": {"policies": {"all": "AdministratorAccess"}}})
    found = audited(data, tmp_path)
    assert ids(found) == {"all-keys"}
    assert set(found.controls.values()) == {"passed", "not applicable"}
