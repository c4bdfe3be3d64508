"""`kmssim import`: files that other tools wrote, and what becomes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aws_exports import as_exported
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_cli import kmssim, refused

from kmssim.errors import InputError
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, parse_principal
from kmssim.exports.gather import Told, import_files
from kmssim.exports.notes import Notes
from kmssim.exports.sources import find_sources
from kmssim.exports.told import read_told
from kmssim.scenario import parse_scenario

ROOT = Path(__file__).resolve().parent.parent
EXPORTS = Path("tests/exports")
A, C, M = "111122223333", "444455556666", "999900001111"
ORDERS = "1234abcd-12ab-34cd-56ef-1234567890ab"
ORDERS_ARN = f"arn:aws:kms:us-east-1:{A}:key/{ORDERS}"
GOLDEN = {"shop": "shop", "template": "template.yaml", "plan": "plan.json"}


def policy(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ROOT_MAY = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:root"}, "Action": "kms:*", "Resource": "*"}
KEY_POLICY = policy(ROOT_MAY)


def describe(key: str = ORDERS, region: str = "us-east-1", **more) -> dict:
    arn = f"arn:aws:kms:{region}:{A}:key/{key}"
    return {"KeyMetadata": {"AWSAccountId": A, "KeyId": key, "Arn": arn, "KeyState": "Enabled", **more}}


def put(folder: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def imported(folder: Path, files: dict[str, object], **told):
    return import_files([put(folder, files)], Told(**told))


def said(result) -> list[str]:
    return [note.what for note in result.not_understood]


# --- whole exports


@pytest.mark.parametrize("name", GOLDEN)
def test_an_export_becomes_the_world_that_its_golden_file_shows(name):
    ran = kmssim("import", str(EXPORTS / GOLDEN[name]), "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == json.loads((ROOT / EXPORTS / "expected" / f"{name}.json").read_text())


def test_the_order_of_the_files_does_not_matter(tmp_path):
    whole = import_files([ROOT / EXPORTS / "shop"]).world
    for number, path in enumerate(sorted((ROOT / EXPORTS / "shop").rglob("*.json"), reverse=True)):
        inside = path.relative_to(ROOT / EXPORTS / "shop")
        target = tmp_path / inside.parent / f"{number:02}.{inside.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert as_exported(import_files([tmp_path]).world) == as_exported(whole)


def test_the_imported_world_decides_as_the_account_would():
    world = import_files([ROOT / EXPORTS / "shop"]).world
    call = {"KeyId": ORDERS_ARN, "EncryptionContext": {"tenant": "a"}}
    partner, admin = (parse_principal(f"arn:aws:iam::{name}") for name in (f"{C}:role/partner", f"{A}:role/admin"))
    assert decide(world, Call(partner, "kms:Decrypt", "us-east-1", call)).allowed
    assert not decide(world, Call(partner, "kms:Encrypt", "us-east-1", call)).allowed
    deletion = decide(world, Call(admin, "kms:ScheduleKeyDeletion", "us-east-1", {"KeyId": ORDERS}))
    assert {layer.value for layer in deletion.layers} == {"scp"}


# --- which key a policy is of


@pytest.mark.parametrize(
    "files",
    [
        {"describe.json": describe(), f"{ORDERS}.json": {"Policy": json.dumps(KEY_POLICY), "PolicyName": "default"}},
        {f"keys/{ORDERS}/a.json": describe(), f"keys/{ORDERS}/b.json": KEY_POLICY},
        {"orders/a.json": describe(), "orders/policy.json": KEY_POLICY},
        {f"{A}/us-east-1/{ORDERS}/policy.json": KEY_POLICY},
        {f"policy-of-{ORDERS}.json": KEY_POLICY, "list-keys.json": {"Keys": [{"KeyId": ORDERS, "KeyArn": ORDERS_ARN}]}},
    ],
    ids=[
        "file name",
        "folder of the key",
        "beside describe-key",
        "account and Region by folder",
        "known from list-keys",
    ],
)
def test_a_key_policy_finds_its_key(tmp_path, files):
    world = imported(tmp_path, files).world
    assert world.keys_by_arn[ORDERS_ARN].policy.document == KEY_POLICY


@pytest.mark.parametrize("key", [ORDERS, ORDERS_ARN, "alias/orders", f"arn:aws:kms:us-east-1:{A}:alias/orders"])
def test_a_key_policy_is_of_the_key_that_is_told(tmp_path, key):
    alias = {"AliasName": "alias/orders", "AliasArn": f"arn:aws:kms:us-east-1:{A}:alias/orders", "TargetKeyId": ORDERS}
    put(tmp_path, {"in/a.json": describe(), "in/b.json": {"Aliases": [alias]}, "policy.json": KEY_POLICY})
    world = import_files([tmp_path / "in"], Told(keys={tmp_path / "policy.json": key})).world
    assert world.keys_by_arn[ORDERS_ARN].aliases == ("alias/orders",)


def test_a_key_policy_of_no_key_is_listed_with_what_to_do(tmp_path):
    result = imported(tmp_path, {"a.json": KEY_POLICY, "b/details.json": details(role("app"))})
    [note] = result.not_understood
    assert note.file.endswith("a.json")
    assert "--key ID=FILE" in note.what


def test_a_key_that_nobody_describes_is_taken_for_a_symmetric_one_and_listed(tmp_path):
    result = imported(tmp_path, {f"{ORDERS}.json": KEY_POLICY}, account=A)
    assert ORDERS_ARN in result.world.keys_by_arn
    assert said(result) == ["taken for an enabled symmetric encryption key: nobody describes it (add kms describe-key)"]


def test_related_keys_need_to_be_told_apart(tmp_path):
    key = f"mrk-{ORDERS.replace('-', '')}"
    folders = {
        f"us-east-1/{key}.json": KEY_POLICY,
        f"eu-west-1/{key}.json": policy({**ROOT_MAY, "Action": "kms:Decrypt"}),
    }
    more = {"KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": True}
    described = {
        f"{region}.json": describe(key, region, **more, MultiRegionConfiguration={"MultiRegionKeyType": kind})
        for region, kind in (("us-east-1", "PRIMARY"), ("eu-west-1", "REPLICA"))
    }
    world = imported(tmp_path / "b", {**described, **folders}).world
    assert [key.multi_region for key in sorted(world.keys_by_arn.values(), key=lambda key: key.region)] == [
        "REPLICA",
        "PRIMARY",
    ]
    assert world.keys_by_arn[f"arn:aws:kms:us-east-1:{A}:key/{key}"].policy.document == KEY_POLICY


def test_several_files_may_be_told_for_one_key(tmp_path):
    tags = {"Tags": [{"TagKey": "team", "TagValue": "shop"}], "Truncated": False}
    put(tmp_path, {"in/a.json": describe(), "policy.json": KEY_POLICY, "tags.json": tags})
    told = read_told(None, "us-east-1", [f"{ORDERS}={tmp_path / name}.json" for name in ("policy", "tags")])
    assert import_files([tmp_path / "in"], told).world.keys_by_arn[ORDERS_ARN].tags == {"team": "shop"}
    with pytest.raises(InputError, match="takes files"):
        import_files([], Told(keys={tmp_path: ORDERS}))


# --- identities


def role(name: str, **more) -> dict:
    trust = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    arn = f"arn:aws:iam::{A}:role/{name}"
    return {"RoleName": name, "Arn": arn, "Path": "/", "AssumeRolePolicyDocument": trust, "RolePolicyList": [], **more}


def details(*roles: dict, **more) -> dict:
    return {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": list(roles), "Policies": [], **more}


def test_a_managed_policy_may_stand_on_another_page_than_who_has_it(tmp_path):
    arn = f"arn:aws:iam::{A}:policy/use"
    document = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
    version = {"Document": document, "VersionId": "v1", "IsDefaultVersion": True}
    pages = {
        "1.json": details(role("app", AttachedManagedPolicies=[{"PolicyName": "use", "PolicyArn": arn}])),
        "2.json": {"Policies": [{"PolicyName": "use", "Arn": arn, "PolicyVersionList": [version]}]},
    }
    result = imported(tmp_path, pages)
    assert result.world.accounts[A].roles["app"].policies[0].document == document
    assert not result.not_understood


def test_an_answer_that_goes_on_in_no_file_is_listed(tmp_path):
    result = imported(tmp_path, {"1.json": details(role("app"), IsTruncated=True, Marker="AAExample==")})
    assert "another page follows" in said(result)[0]
    put(tmp_path, {"2.json": details(role("other"))})
    assert not import_files([tmp_path]).not_understood


def test_an_identity_whose_boundary_nobody_knows_is_left_out(tmp_path):
    bounded = role("bounded", PermissionsBoundary={"PermissionsBoundaryArn": f"arn:aws:iam::{A}:policy/limit"})
    result = imported(tmp_path, {"1.json": details(role("app"), bounded)})
    assert list(result.world.accounts[A].roles) == ["app"]
    assert "policy/limit" in said(result)[0]


def test_of_two_files_that_differ_the_first_counts_and_the_other_is_listed(tmp_path):
    result = imported(
        tmp_path, {"1.json": details(role("app")), "2.json": details(role("app", Tags=[{"Key": "a", "Value": "b"}]))}
    )
    assert result.world.accounts[A].roles["app"].tags == {}
    assert "differs from what" in said(result)[0]


def test_a_policy_that_aws_would_refuse_is_left_out_with_its_path(tmp_path):
    broken = {"PolicyName": "broken", "PolicyDocument": policy({"Effect": "Permit", "Action": "*", "Resource": "*"})}
    result = imported(tmp_path, {"1.json": details(role("app", RolePolicyList=[broken]))})
    [note] = result.not_understood
    assert note.path == "RoleDetailList[0].RolePolicyList[0].PolicyDocument.Statement[0].Effect"


# --- what a scenario would refuse


def test_a_grant_that_no_scenario_takes_is_left_out_and_the_others_stay(tmp_path):
    def grant(number: int, *operations: str) -> dict:
        return {
            "KeyId": ORDERS_ARN,
            "GrantId": str(number),
            "GranteePrincipal": f"arn:aws:iam::{A}:root",
            "Operations": operations,
        }

    grants = [grant(1, "CreateGrant"), grant(2, "Decrypt"), grant(3, "Sign"), grant(4, "Encrypt"), grant(5, "Levitate")]
    files = {"a/describe.json": describe(), "a/policy.json": KEY_POLICY, "a/grants.json": {"Grants": grants}}
    result = imported(tmp_path, files)
    assert [grant.id for grant in result.world.keys_by_arn[ORDERS_ARN].grants] == ["2", "4"]
    assert sorted(note.path for note in result.not_understood) == ["Grants[0]", "Grants[2]", "Grants[4]"]


def test_a_service_that_retires_its_own_grants_stays_one(tmp_path):
    host = "dynamodb.us-east-1.amazonaws.com"
    entry = {
        "KeyId": ORDERS_ARN,
        "GrantId": "1",
        "GranteePrincipal": host,
        "RetiringPrincipal": host,
        "Operations": ["Decrypt"],
    }
    files = {"a/describe.json": describe(), "a/policy.json": KEY_POLICY, "a/grants.json": {"Grants": [entry]}}
    [grant] = imported(tmp_path, files).world.keys_by_arn[ORDERS_ARN].grants
    assert (grant.grantee_service, grant.retiring_service) == (host, host)


# --- templates and plans


def test_a_template_in_the_answer_of_get_template_is_read(tmp_path):
    template = {"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}}}
    text = "Resources:\n  Key:\n    Type: AWS::KMS::Key\n"
    one = imported(tmp_path / "1", {"t.json": {"TemplateBody": template}}, account=A).world
    two = imported(tmp_path / "2", {"t.json": {"TemplateBody": text}}, account=A).world
    three = imported(tmp_path / "3", {"t.yaml": text}, account=A).world
    assert one == two == three
    assert list(one.accounts) == [A]


@pytest.mark.parametrize(
    "function", ["Ref: Nothing", "Fn::GetAtt: Store.Arn", "Fn::GetAZs: ''", "Fn::Sub: '${Elsewhere}'"]
)
def test_what_only_a_deployment_knows_is_listed_where_it_stands(tmp_path, function):
    text = f"""
Resources:
  Key: {{Type: AWS::KMS::Key}}
  Store: {{Type: AWS::EFS::FileSystem}}
  Alias: {{Type: AWS::KMS::Alias, Properties: {{AliasName: alias/a, TargetKeyId: {{{function}}}}}}}
"""
    result = imported(tmp_path, {"t.yaml": text})
    [note] = result.not_understood
    assert note.path.startswith("Resources.Alias.Properties.TargetKeyId")
    assert [key.aliases for key in result.world.keys_by_arn.values()] == [()]


@pytest.mark.parametrize("condition", ["Fn::Not: []", "Fn::Equals: [1]", "Condition: Sometimes", "Fn::Xor: [1]"])
def test_a_condition_that_cannot_be_worked_out_leaves_its_resource_out_and_is_listed(tmp_path, condition):
    text = f"""
Conditions: {{Sometimes: {{{condition}}}}}
Resources:
  Key: {{Type: AWS::KMS::Key}}
  Other: {{Type: AWS::KMS::Key, Condition: Sometimes}}
"""
    result = imported(tmp_path, {"t.yaml": text})
    assert len(result.world.keys_by_arn) == len(result.not_understood) == 1


def test_names_that_refer_to_each_other_in_a_circle_are_listed(tmp_path):
    trust = json.dumps(role("x")["AssumeRolePolicyDocument"])
    resources = [
        f"  {one}: {{Type: AWS::IAM::Role, Properties: {{RoleName: !Ref {other}, AssumeRolePolicyDocument: {trust}}}}}"
        for one, other in (("One", "Two"), ("Two", "One"))
    ]
    text = "\n".join(["Resources:", "  Key: {Type: AWS::KMS::Key}", *resources])
    result = imported(tmp_path, {"t.yaml": text})
    assert said(result) == ["`Two` is known only after deployment", "`One` is known only after deployment"]


def test_a_replica_key_shares_the_id_of_its_primary(tmp_path):
    key = f"mrk-{ORDERS.replace('-', '')}"
    properties = {"PrimaryKeyArn": f"arn:aws:kms:us-east-1:{A}:key/{key}", "KeyPolicy": KEY_POLICY}
    template = {"Resources": {"Copy": {"Type": "AWS::KMS::ReplicaKey", "Properties": properties}}}
    world = imported(tmp_path, {"t.json": template}, account=A, region="eu-west-1").world
    assert world.keys_by_arn[f"arn:aws:kms:eu-west-1:{A}:key/{key}"].multi_region == "REPLICA"


def test_a_state_is_read_like_a_plan(tmp_path):
    values = {"key_id": ORDERS, "arn": ORDERS_ARN, "policy": json.dumps(KEY_POLICY), "is_enabled": True}
    alias = {"name": "alias/orders", "target_key_id": ORDERS, "arn": f"arn:aws:kms:us-east-1:{A}:alias/orders"}
    resources = [
        {"address": f"{kind}.a", "mode": "managed", "type": kind, "name": "a", "values": each}
        for kind, each in (("aws_kms_key", values), ("aws_kms_alias", alias))
    ]
    state = {"format_version": "1.0", "values": {"root_module": {"resources": resources}}}
    result = imported(tmp_path, {"state.json": state})
    assert result.world.keys_by_arn[ORDERS_ARN].aliases == ("alias/orders",)
    assert not result.not_understood


# --- the organization


def test_without_describe_organization_there_is_none_and_that_is_listed(tmp_path):
    result = imported(tmp_path, {"a.json": details(role("app")), "b.json": {"Accounts": [{"Id": A}]}})
    assert result.world.organization is None
    assert "add organizations describe-organization" in said(result)[0]


def test_targets_of_a_policy_say_the_same_as_policies_of_a_target(tmp_path):
    summary = {"Id": "p-ex4mpl31", "Type": "SERVICE_CONTROL_POLICY", "Name": "no"}
    deny = policy({"Effect": "Deny", "Action": "kms:*", "Resource": "*"})
    files = {
        "a.json": {"Organization": {"Id": "o-a1b2c3d4e5", "MasterAccountId": M}},
        "b.json": {"Roots": [{"Id": "r-ab12", "Name": "Root", "PolicyTypes": []}]},
        "c.json": {"Accounts": [{"Id": A, "Paths": ["o-a1b2c3d4e5/r-ab12/"]}]},
        "d.json": {"Policy": {"PolicySummary": summary, "Content": json.dumps(deny)}},
        "list-targets-for-policy.p-ex4mpl31.json": {"Targets": [{"TargetId": A, "Type": "ACCOUNT"}]},
    }
    result = imported(tmp_path, files)
    assert [policy.document for policy in result.world.accounts[A].scps] == [deny]
    assert not result.not_understood


# --- broken and foreign files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "", "empty"),
        ("a.json", "[]", "nothing that can be imported"),
        ("a.json", '{"hello": 1}', "nothing that can be imported"),
        ("a.json", '{"accounts": {}}', "a scenario already"),
        ("a.json", '{"a": 1, "a": 2}', "twice"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.yaml", "a: &x 1\nb: *x", "alias"),
        ("a.yaml", "a: 1\na: 2", "twice"),
        ("a.yaml", "!!python/object:os.system {}", "not YAML"),
    ],
)
def test_a_broken_or_foreign_file_is_refused_with_a_message(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    answer = refused(kmssim("import", str(tmp_path / name)))
    assert name in answer
    assert message in answer


def test_nothing_and_no_file_are_refused(tmp_path):
    assert "no such file" in refused(kmssim("import", str(tmp_path / "nobody.json")))
    assert "no account" in refused(kmssim("import", str(tmp_path)))
    assert "no account" in refused(kmssim("import"))
    put(tmp_path, {"empty.json": details()})
    assert "no account" in refused(kmssim("import", str(tmp_path)))


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--account", "1"), "12 digits"), (("--region", "mars"), "no Region"), (("--key", "x"), "ID=FILE")],
)
def test_an_option_that_cannot_be_is_refused(option, message):
    assert message in refused(kmssim("import", str(EXPORTS / "plan.json"), *option))


_PATHS = st.lists(st.integers(0, 30), max_size=8)
_VALUES = st.sampled_from([None, 0, 1.5, True, "", "x", "arn:aws:iam::1:x", [], ["x"], {}, {"x": {}}, "%7B", "{}"])


def changed(value, path, new):
    """The value with the part that `path` leads to replaced, by position."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = changed(value[key], path[1:], new)
    return copy


SAMPLES = {
    source.spot.file: source.part.value
    for source in find_sources([ROOT / EXPORTS / name for name in GOLDEN.values()], Told(), Notes())
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SAMPLES)), path=_PATHS, new=_VALUES)
def test_whatever_stands_in_a_file_it_is_imported_listed_or_refused(tmp_path, name, path, new):
    file = tmp_path / Path(name).with_suffix(".json").name
    for old in tmp_path.glob("*"):
        old.unlink()
    file.write_text(json.dumps(changed(SAMPLES[name], path, new)))
    (tmp_path / "more.json").write_text(json.dumps(details(role("app"))))
    try:
        result = import_files([tmp_path])
    except InputError as error:
        assert str(error)
    else:
        assert parse_scenario(json.loads(json.dumps(result.document))).world == result.world


# --- the verb


def test_strict_makes_what_was_not_understood_a_finding():
    ran = kmssim("import", str(EXPORTS / "plan.json"), "--strict")
    assert ran.returncode == 1
    assert "kmssim: not understood: tests/exports/plan.json: $.planned_values" in ran.stderr
    parse_scenario(ran.stdout)


def test_strict_is_fine_when_all_was_understood(tmp_path):
    put(tmp_path, {"a.json": details(role("app"))})
    ran = kmssim("import", str(tmp_path), "--strict", "--title", "mine")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["title"] == "mine"


def test_the_scenario_may_go_to_a_file(tmp_path):
    out = tmp_path / "world.json"
    ran = kmssim("import", str(EXPORTS / "shop"), "--out", str(out))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert parse_scenario(out.read_text()).world == import_files([ROOT / EXPORTS / "shop"]).world
    assert "cannot write" in refused(kmssim("import", str(EXPORTS / "shop"), "--out", str(tmp_path)))


def test_decide_takes_a_scenario_on_standard_input():
    case = ROOT / "tests/cases/errors.json"
    there, here = kmssim("decide", "-", "--json", stdin=case.read_text()), kmssim("decide", str(case), "--json")
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert "standard input" in refused(kmssim("decide", "-", stdin="{"))


def test_an_imported_world_without_requests_says_that_there_is_nothing_to_decide():
    world = kmssim("import", str(EXPORTS / "shop")).stdout
    ran = kmssim("decide", "-", stdin=world)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "no requests" in ran.stderr


def test_importing_needs_no_runtime():
    program = (
        "import sys\nfrom kmssim.cli import main\n"
        f"try:\n    main(['import', '{EXPORTS / 'plan.json'}'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'moto', 'boto3', 'botocore'} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", ["import", "seed"])
def test_the_help_has_an_example(verb):
    ran = kmssim(verb, "--help")
    assert ran.returncode == 0
    assert "Example: kmssim import" in ran.stdout  # seeding takes what importing gives
    assert "--json" in ran.stdout
