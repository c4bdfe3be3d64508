"""What was seeded reads back equal, and what changes in the runtime afterwards is read as changed."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import moto.backends
import moto.kms.utils
import pytest
from moto import mock_aws

from kmssim.errors import InputError, SetupError
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import (
    Account,
    Bucket,
    Constraints,
    Grant,
    Group,
    Key,
    Organization,
    Role,
    Secret,
    Unit,
    User,
    VpcEndpoint,
    World,
)
from kmssim.sandbox.memory import Memory
from kmssim.sandbox.read import read_world
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.repairs import forget_earlier_organizations
from kmssim.sandbox.seed import seed
from kmssim.sandbox.stored_grants import GrantNotes
from kmssim.scenario import load_scenario

CASES = [path for path in sorted(Path(__file__).parent.parent.glob("cases/*.json")) if path.stem != "refused-policies"]
HERE, THERE, BOSS = "111122223333", "444455556666", "999900001111"
EAST, WEST, CHINA = "us-east-1", "eu-west-1", "cn-north-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
PAIR_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
KEY_ARN = f"arn:aws:kms:{EAST}:{HERE}:key/{KEY_ID}"

client = Reader().client


@pytest.fixture(autouse=True)
def runtime():
    with mock_aws():
        yield


def round_trip(world):
    seeded = seed(world, client)
    return reread(seeded)


def reread(seeded):
    return read_world(client, seeded.memory, accounts=seeded.accounts, regions=seeded.regions)


def one_account(**members):
    return World({HERE: Account(HERE, **members)})


def statement(effect="Allow", action="kms:*", **members):
    return {"Effect": effect, "Action": action, "Resource": "*"} | members


def policy(kind, *statements, source=""):
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind, source)


def key(key_id=KEY_ID, region=EAST, account=HERE, **members):
    return Key(key_id, region, account, members.pop("policy", default_key_policy(account)), **members)


def grant(number, **members):
    members = {"grantee": f"arn:aws:iam::{HERE}:role/app"} | members
    return Grant(
        str(number) * 64, f"grant-{number}", ("Decrypt", "ReEncryptFrom"), members.pop("issuer", HERE), **members
    )


def key_id(number):
    return f"00000000-0000-4000-8000-{number:012}"


FULL = policy(PolicyKind.SCP, {"Effect": "Allow", "Action": "*", "Resource": "*"})
NO_SIGN = policy(PolicyKind.SCP, statement("Deny", "kms:Sign"))
FENCE = policy(PolicyKind.RCP, statement("Deny", "kms:*", Principal="*"))
USE = policy(PolicyKind.IDENTITY, statement(action="kms:Decrypt"))
# IAM takes a document without version, moto's own check does not.
ODD = parse_policy(
    {"Statement": statement(Condition={"NumericEquals": {"aws:MultiFactorAuthAge": 5}})}, PolicyKind.IDENTITY
)
BOUNDARY = policy(PolicyKind.BOUNDARY, statement(action="kms:*"))
OWN_TRUST = parse_policy(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": "sts:AssumeRole"}},
    PolicyKind.TRUST,
)
DENY_ALL_KEY = parse_policy(
    {"Version": "2012-10-17", "Statement": statement("Deny", "kms:*", Principal={"AWS": f"arn:aws:iam::{THERE}:root"})},
    PolicyKind.KEY_POLICY,
)
BUCKET = policy(PolicyKind.BUCKET, statement(action="s3:GetObject", Principal="*"))
SECRET = policy(PolicyKind.SECRET, statement(action="secretsmanager:GetSecretValue", Principal="*"))
ENDPOINT = policy(PolicyKind.VPC_ENDPOINT, statement(Principal="*"))

STATES = (
    "Enabled", "Disabled", "PendingDeletion", "PendingImport", "Unavailable", "Creating", "Updating",
    "PendingReplicaDeletion",
)  # fmt: skip
SPECS = {
    "HMAC_384": "GENERATE_VERIFY_MAC",
    "ECC_NIST_P256": "SIGN_VERIFY",
    "ECC_NIST_P384": "KEY_AGREEMENT",
    "RSA_2048": "ENCRYPT_DECRYPT",
    "ML_DSA_65": "SIGN_VERIFY",
    "ML_KEM_768": "ENCAPSULATE_DECAPSULATE",
}


def user(name, path="/", **members):
    return User(f"arn:aws:iam::{HERE}:user{path}{name}", name, **members)


def role(name, path="/", **members):
    return Role(f"arn:aws:iam::{HERE}:role{path}{name}", name, **members)


def organized(units, accounts, management=BOSS):
    return World(accounts, organization=Organization("o-a1b2c3d4e5", management, units))


ROOT = Unit("root", None, (FULL,))
WORLDS = {
    "nothing in it": one_account(),
    "no accounts": World({}),
    "another home Region": World({HERE: Account(HERE, keys=(key(region="ap-south-1"),))}, region=WEST),
    "the China partition": World(
        {
            HERE: Account(
                HERE,
                "root",
                (FULL,),
                users={"ana": User(f"arn:aws-cn:iam::{HERE}:user/ana", "ana", boundary=BOUNDARY)},
                roles={"app": Role(f"arn:aws-cn:iam::{HERE}:role/app", "app")},
                keys=(Key(KEY_ID, CHINA, HERE, default_key_policy(HERE, "aws-cn"), "aws-cn", aliases=("alias/a",)),),
                buckets={"lake": Bucket("lake", HERE, CHINA, "alias/a", policy=BUCKET)},
            )
        },
        region=CHINA,
        organization=Organization("o-a1b2c3d4e5", BOSS, {"root": ROOT}),
    ),
    "groups joined against their order": one_account(
        groups={"a": Group("a", (USE,)), "b": Group("b", (USE, ODD))}, users={"ana": user("ana", groups=("b", "a"))}
    ),
    "a user with everything": one_account(
        users={
            "ana": user("ana", "/eng/ana/", policies=(USE, ODD), boundary=BOUNDARY, tags={"team": "shop", "env": ""}),
            "ben": user("ben"),
        }
    ),
    "roles": one_account(
        roles={
            "plain": role("plain"),
            "own": role("own", trust=OWN_TRUST, policies=(USE,), boundary=BOUNDARY, tags={"a": "b"}),
            "Linked": role("Linked", "/aws-service-role/autoscaling.amazonaws.com/"),
            "OrganizationAccountAccessRole": role("OrganizationAccountAccessRole", policies=(USE,)),
        }
    ),
    "every state": one_account(keys=tuple(key(key_id(n), state=state) for n, state in enumerate(STATES))),
    "every kind of key": one_account(
        keys=tuple(key(key_id(n), spec=spec, usage=usage) for n, (spec, usage) in enumerate(SPECS.items()))
    ),
    "imported and managed keys": one_account(
        keys=(
            key(key_id(1), origin="EXTERNAL", state="PendingImport"),
            key(key_id(2), manager="AWS", aliases=("alias/aws/s3", "alias/aws/sns")),
            key(key_id(3), manager="AWS"),
        )
    ),
    "policies that moto stumbles over": one_account(keys=(key(policy=DENY_ALL_KEY, ram_policy=DENY_ALL_KEY),)),
    "keys listed across Regions": one_account(
        keys=(key(key_id(1)), key(key_id(2), WEST), key(key_id(3), aliases=("alias/b", "alias/a"), tags={"t": ""}))
    ),
    "a multi-Region pair": one_account(
        keys=(
            key(PAIR_ID, WEST, multi_region="REPLICA", state="Disabled", grants=(grant(1),), aliases=("alias/r",)),
            key(PAIR_ID, EAST, multi_region="PRIMARY", state="PendingDeletion", grants=(grant(2),), tags={"a": "b"}),
        )
    ),
    "grants": one_account(
        keys=(
            key(
                grants=(
                    grant(1, retiring=f"arn:aws:iam::{THERE}:user/ana", pending=True),
                    grant(2, constraints=Constraints(encryption_context_subset={"tenant": "a"})),
                    grant(3, constraints=Constraints(encryption_context_equals={"a": "b", "c": "d"})),
                    grant(4, constraints=Constraints(encryption_context_equals={})),
                    grant(
                        5,
                        grantee=None,
                        grantee_service="rds.amazonaws.com",
                        retiring_service="rds.amazonaws.com",
                        constraints=Constraints(source_arn=f"arn:aws:rds:{EAST}:{HERE}:cluster:main"),
                        issuer=THERE,
                    ),
                )
            ),
        )
    ),
    "buckets and secrets": one_account(
        buckets={
            "plain": Bucket("plain", HERE, EAST, None),
            "lake": Bucket("lake", HERE, WEST, "alias/lake", bucket_key=True, policy=BUCKET),
        },
        secrets={
            "db": Secret("db", HERE, WEST, KEY_ARN, SECRET),
            "api": Secret("api", HERE, EAST, None),
            "web": Secret("web", HERE, EAST, "alias/aws/secretsmanager"),
        },
    ),
    "VPC endpoints": World(
        {HERE: Account(HERE)},
        vpc_endpoints={
            "vpce-1": VpcEndpoint("vpce-1", HERE, "vpc-1", ENDPOINT),
            "vpce-2": VpcEndpoint("vpce-2", HERE, "vpc-2"),
        },
    ),
    "policies of an account in no organization": one_account(scps=(FULL,), rcps=(FENCE,)),
    "an organization": organized(
        {
            "deep": Unit("deep", "mid", (NO_SIGN, FULL), (FENCE, FENCE)),
            "root": ROOT,
            "mid": Unit("mid", "root", ()),
        },
        {
            HERE: Account(HERE, "deep", (FULL, NO_SIGN, NO_SIGN, FULL), (FENCE,), roles={"app": role("app")}),
            THERE: Account(THERE, "root", (NO_SIGN,)),
            BOSS: Account(BOSS, "mid", (FULL,)),
            "123456789012": Account("123456789012", None, (NO_SIGN,)),
        },
    ),
    "an organization without management account": organized({"root": ROOT}, {HERE: Account(HERE, "root")}, None),
    "an organization of nobody": organized({"root": ROOT}, {HERE: Account(HERE)}),
    "more units and accounts than fit on a page": organized(
        {"root": ROOT} | {f"ou-{n}": Unit(f"ou-{n}", "root", (FULL,)) for n in range(25)},
        {f"{n:012}": Account(f"{n:012}", f"ou-{n}", (FULL,)) for n in range(1, 25)},
    ),
}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_world_of_a_case_file_reads_back_equal(path):
    world = load_scenario(path).world
    assert round_trip(world) == world


def test_there_are_case_files():
    assert len(CASES) > 40


@pytest.mark.parametrize("name", WORLDS)
def test_a_small_world_reads_back_equal(name):
    assert round_trip(WORLDS[name]) == WORLDS[name]


def test_policies_read_back_say_where_they_stand():
    named = policy(PolicyKind.IDENTITY, statement(), source=f"accounts.{HERE}.users.ana.policies.use-keys")
    account = Account(
        HERE,
        "root",
        (FULL, NO_SIGN),
        (FENCE,),
        users={"ana": user("ana", policies=(named, USE), boundary=BOUNDARY)},
        groups={"team": Group("team", (USE,))},
        roles={"app": role("app", trust=OWN_TRUST)},
        keys=(key(label="orders"),),
        buckets={"lake": Bucket("lake", HERE, EAST, None, policy=BUCKET)},
        secrets={"db": Secret("db", HERE, EAST, None, SECRET)},
    )
    world = round_trip(organized({"root": ROOT}, {HERE: account}))
    read = world.accounts[HERE]
    found = [
        *world.organization.units["root"].scps,
        *read.scps,
        *read.rcps,
        *read.users["ana"].policies,
        read.users["ana"].boundary,
        *read.groups["team"].policies,
        read.roles["app"].trust,
        read.keys[0].policy,
        read.buckets["lake"].policy,
        read.secrets["db"].policy,
    ]
    assert [one.source.removeprefix(f"accounts.{HERE}.") for one in found] == [
        "organization.units.root.scps[0]",
        "scps[0]",
        "scps[1]",
        "rcps[0]",
        "users.ana.policies.use-keys",
        "users.ana.policies.policy-1",
        "users.ana.boundary",
        "groups.team.policies.policy-0",
        "roles.app.trust",
        "keys.orders.policy",
        "buckets.lake.policy",
        "secrets.db.policy",
    ]


def test_a_users_access_key_is_that_users():
    seeded = seed(one_account(users={"ana": user("ana", "/eng/")}), client)
    access_key, secret = seeded.credentials[HERE, "ana"]
    sts = boto3.Session(access_key, secret).client("sts", region_name=EAST)
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{HERE}:user/eng/ana"


def test_moto_holds_declared_grants_under_their_ids_and_with_tokens_of_ours():
    seeded = seed(one_account(keys=(key(grants=(grant(1), grant(2))),)), client)
    kms = client("kms", HERE, EAST)
    [listed] = kms.list_grants(KeyId=KEY_ID, GrantId="2" * 64)["Grants"]
    assert listed["Name"] == "grant-2"
    kms.retire_grant(GrantToken=seeded.memory.notes(GrantNotes).token_of("2" * 64))
    assert [left.id for left in reread(seeded).accounts[HERE].keys[0].grants] == ["1" * 64]


def test_the_regions_of_a_world_are_read_its_own_first():
    seeded = seed(World({HERE: Account(HERE, keys=(key(region=EAST),))}, region=WEST), client)
    assert (seeded.accounts, seeded.regions) == ((HERE,), (WEST, EAST))


@pytest.fixture
def seeded():
    world = one_account(
        keys=(key(PAIR_ID, multi_region="PRIMARY", aliases=("alias/old",)),),
        users={"ana": user("ana", boundary=BOUNDARY)},
        roles={"app": role("app")},
    )
    return seed(world, client)


def test_a_new_key_policy_is_read(seeded):
    text = json.dumps(DENY_ALL_KEY.document)
    arn = f"arn:aws:kms:{EAST}:{HERE}:key/{PAIR_ID}"
    client("kms", HERE, EAST).put_key_policy(KeyId=arn, PolicyName="default", Policy=text)
    assert reread(seeded).accounts[HERE].keys[0].policy == DENY_ALL_KEY


def test_a_key_that_was_made_later_comes_last_with_its_own_id(seeded):
    made = client("kms", HERE, EAST).create_key()["KeyMetadata"]["KeyId"]
    first, second = reread(seeded).accounts[HERE].keys
    assert (first.id, second.id) == (PAIR_ID, made)
    assert second == key(made)


def test_a_grant_that_was_made_later_is_issued_by_the_keys_account(seeded):
    arn = reread(seeded).accounts[HERE].keys[0].arn
    app = f"arn:aws:iam::{HERE}:role/app"
    made = client("kms", HERE, EAST).create_grant(KeyId=arn, GranteePrincipal=app, Operations=["Decrypt"])
    [read] = reread(seeded).accounts[HERE].keys[0].grants
    assert read == Grant(made["GrantId"], None, ("Decrypt",), HERE, app)


def test_a_replicated_key_leaves_its_primary_primary():
    seeded = seed(World({HERE: Account(HERE)}), client)
    kms = client("kms", HERE, EAST)
    made = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=made, ReplicaRegion=WEST)
    read = read_world(client, seeded.memory, accounts=[HERE], regions=[EAST, WEST])
    assert [(one.region, one.multi_region) for one in read.accounts[HERE].keys] == [
        (EAST, "PRIMARY"),
        (WEST, "REPLICA"),
    ]


def test_an_attached_managed_policy_joins_the_inline_ones(seeded):
    iam = client("iam", HERE, EAST)
    made = iam.create_policy(PolicyName="use", PolicyDocument=json.dumps(USE.document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="app", PolicyArn=made)
    [attached] = reread(seeded).accounts[HERE].roles["app"].policies
    assert attached == USE
    assert attached.source == f"accounts.{HERE}.roles.app.policies.use"


def test_a_new_version_of_a_users_boundary_counts(seeded):
    text = json.dumps(USE.document)
    arn = seeded.memory.user_boundaries[HERE, "ana"]
    client("iam", HERE, EAST).create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
    assert reread(seeded).accounts[HERE].users["ana"].boundary.statements == USE.statements


def test_an_account_that_was_moved_is_read_where_it_stands():
    units = {"root": ROOT, "ou": Unit("ou", "root", (FULL,))}
    seeded = seed(organized(units, {HERE: Account(HERE, "ou", (FULL,))}), client)
    organizations = client("organizations", BOSS, EAST)
    root = organizations.list_roots()["Roots"][0]["Id"]
    ou = organizations.list_parents(ChildId=HERE)["Parents"][0]["Id"]
    organizations.move_account(AccountId=HERE, SourceParentId=ou, DestinationParentId=root)
    assert reread(seeded).accounts[HERE].unit == "root"


def test_a_second_unit_of_a_name_goes_by_its_id():
    units = {"root": ROOT, "ou": Unit("ou", "root", (FULL,))}
    seeded = seed(organized(units, {}), client)
    organizations = client("organizations", BOSS, EAST)
    root = organizations.list_roots()["Roots"][0]["Id"]
    parent = organizations.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"][0]["Id"]
    made = organizations.create_organizational_unit(ParentId=parent, Name="ou")["OrganizationalUnit"]["Id"]
    assert reread(seeded).organization.units[made].parent == "ou"


def test_a_key_policy_that_aws_would_refuse_is_named_with_its_key(seeded):
    made = client("kms", HERE, EAST).create_key(Policy="zzz")["KeyMetadata"]["Arn"]
    with pytest.raises(SetupError, match=made):
        reread(seeded)


def test_a_runtime_that_was_never_seeded_can_be_read():
    forget_earlier_organizations()
    made = client("kms", HERE, EAST).create_key()["KeyMetadata"]["KeyId"]
    assert read_world(client, Memory(), accounts=[HERE], regions=[EAST]) == one_account(keys=(key(made),))


def test_the_management_account_cannot_stand_outside():
    world = organized({"root": ROOT}, {BOSS: Account(BOSS, None)})
    with pytest.raises(InputError, match=f"accounts.{BOSS}.unit"):
        seed(world, client)


def test_what_the_runtime_refuses_is_told():
    world = one_account(users={"ana": user("ana", groups=("nobody-made-it",))})
    with pytest.raises(SetupError, match="AddUserToGroup"):
        seed(world, client)


def test_seeding_makes_no_private_key_that_nobody_uses(monkeypatch):
    made = []
    real = moto.kms.utils.rsa.generate_private_key
    monkeypatch.setattr(moto.kms.utils.rsa, "generate_private_key", lambda **how: made.append(how) or real(**how))
    specs = ("SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256", "ML_KEM_768", "RSA_2048")
    seed(one_account(keys=tuple(key(key_id(n), spec=spec) for n, spec in enumerate(specs))), client)
    assert made == []


def test_seeding_leaves_moto_as_it_was():
    kms = client("kms", HERE, EAST)
    seed(one_account(keys=(key(manager="AWS", aliases=("alias/aws/s3",)),)), client)
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)}
    assert len(made - {KEY_ID}) == 2
    with pytest.raises(kms.exceptions.ClientError, match="NotAuthorized"):
        kms.create_alias(AliasName="alias/aws/s3", TargetKeyId=made.pop())


def test_a_moto_without_the_id_generator_is_a_set_up_error(monkeypatch):
    monkeypatch.delattr("moto.kms.models.generate_key_id")
    with pytest.raises(SetupError, match="generate_key_id"):
        seed(one_account(keys=(key(),)), client)


def test_an_earlier_organization_is_forgotten():
    with mock_aws():
        seed(organized({"root": ROOT}, {HERE: Account(HERE, "root", (FULL,))}), client)
    reset_backends()
    assert round_trip(one_account()) == one_account()


def reset_backends():
    """What entering an outermost mock does."""
    for backend in (moto.backends.get_backend(name) for name in ("iam", "organizations")):
        backend.reset()


def test_the_trust_of_a_role_that_states_none_lets_its_own_account_in(seeded):
    trust = client("iam", HERE, EAST).get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{HERE}:root"}
    assert reread(seeded).accounts[HERE].roles["app"].trust is None
