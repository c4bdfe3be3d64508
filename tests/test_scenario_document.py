"""A world written as a scenario, and read again."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from kmssim.errors import InputError
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.request import Session
from kmssim.evaluator.world import Account, Key, Role, User, World
from kmssim.scenario import ScenarioRequest, load_scenario, parse_scenario
from kmssim.scenario_file.document import write_scenario

sys.path.insert(0, str(Path(__file__).parent / "sandbox"))
from worlds import worlds

ROOT = Path(__file__).resolve().parent.parent
CASES = [
    path
    for path in [*sorted((ROOT / "tests/cases").rglob("*.json")), *sorted(ROOT.glob("labs/*/scenario.json"))]
    if not path.name.startswith("refused-policies")
]
A = "111122223333"
KEY = Key("1234abcd-12ab-34cd-56ef-1234567890ab", "us-east-1", A, default_key_policy(A))


def written(world: World, requests=()) -> dict:
    """The document as it comes out of a file."""
    return json.loads(json.dumps(write_scenario(world, requests=requests)))


def words(request: ScenarioRequest):
    return request.name, request.call, request.expect, request.rules, request.why


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_case_file_comes_back_with_an_equal_world_and_equal_requests(path):
    scenario = load_scenario(path)
    again = parse_scenario(written(scenario.world, scenario.requests))
    assert again.world == scenario.world
    assert [words(request) for request in again.requests] == [words(request) for request in scenario.requests]


def inside_its_organization(world: World) -> World:
    """A scenario has guardrails on members of an organization only."""
    loose = {
        name: account for name, account in world.accounts.items() if account.unit is None or not world.organization
    }
    freed = {name: replace(account, unit=None, scps=(), rcps=()) for name, account in loose.items()}
    return replace(world, accounts={**world.accounts, **freed})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_any_world_comes_back_equal(world):
    said = inside_its_organization(world)
    assert parse_scenario(written(said)).world == said


def one(key: Key = KEY, **account) -> World:
    return World({A: Account(A, keys=(key,), **account)})


FULL = parse_policy(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, PolicyKind.SCP
)
UNSAYABLE = {
    "material that waits": (one(replace(KEY, pending_material=True)), f"accounts.{A}.keys[0].pending_material"),
    "guardrails outside": (one(scps=(FULL,)), f"accounts.{A}.scps"),
    "a unit of none": (one(unit="root"), f"accounts.{A}.unit"),
    "a key elsewhere": (one(replace(KEY, account="444455556666")), f"accounts.{A}.keys"),
    "a partition elsewhere": (one(replace(KEY, partition="aws-cn")), f"accounts.{A}.keys[0].partition"),
    "a group of none": (
        one(users={"ana": User(f"arn:aws:iam::{A}:user/ana", "ana", groups=("nobody",))}),
        f"accounts.{A}.users.ana.groups[0]",
    ),
    "a foreign ARN": (
        one(roles={"app": Role("arn:aws:iam::444455556666:role/app", "app")}),
        f"accounts.{A}.roles.app.arn",
    ),
    "a state of no key": (one(replace(KEY, state="Asleep")), f"accounts.{A}.keys"),
}


@pytest.mark.parametrize(("world", "path"), UNSAYABLE.values(), ids=UNSAYABLE)
def test_what_a_scenario_cannot_say_is_refused_with_its_place(world, path):
    with pytest.raises(InputError) as refused:
        write_scenario(world)
    assert refused.value.path.startswith(path)


def test_a_session_that_no_request_can_state_is_refused():
    scenario = load_scenario(CASES[0])
    request = scenario.requests[0]
    principal = replace(request.call.principal, session=Session(temporary=True))
    with pytest.raises(InputError, match="GetSessionToken"):
        write_scenario(scenario.world, requests=[replace(request, call=replace(request.call, principal=principal))])


def test_what_is_the_default_is_not_written():
    assert written(one()) == {"region": "us-east-1", "accounts": {A: {"keys": {KEY.id: {"id": KEY.id}}}}}


def test_policies_keep_their_names_and_managed_ones_go_by_theirs():
    own = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    policies = {"use keys": own, "admin": "AdministratorAccess", "more.of-it": own}
    account = {"roles": {"app": {"policies": policies}}}
    document = written(parse_scenario({"accounts": {A: account}}).world)
    assert document["accounts"][A]["roles"]["app"]["policies"] == {
        "use keys": own,
        "AdministratorAccess": "AdministratorAccess",
        "more.of-it": own,
    }


def test_keys_of_one_label_get_labels_of_their_own():
    other = replace(KEY, id="0987dcba-09fe-87dc-65ba-ab0987654321", label="orders")
    world = World({A: Account(A, keys=(replace(KEY, label="orders"), other))})
    assert list(written(world)["accounts"][A]["keys"]) == ["orders", other.id]


def grants(*stated: dict) -> dict:
    common = {"GranteePrincipal": f"arn:aws:iam::{A}:root", "Operations": ["Decrypt"]}
    return {"accounts": {A: {"keys": {"orders": {"grants": [{**common, **each} for each in stated]}}}}}


def test_grants_may_share_a_name_when_each_has_its_id():
    [account] = parse_scenario(
        grants({"Name": "n", "GrantId": "1"}, {"Name": "n", "GrantId": "2"})
    ).world.accounts.values()
    assert [grant.id for grant in account.keys[0].grants] == ["1", "2"]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (({"Name": "n"}, {"Name": "n"}), "named `n`"),
        (({"GrantId": "1"}, {"GrantId": "1"}), "has the id `1`"),
        (({"GrantId": "a b"},), "a grant id"),
    ],
)
def test_grants_of_one_id_are_refused(stated, said):
    with pytest.raises(InputError, match=said):
        parse_scenario(grants(*stated))
