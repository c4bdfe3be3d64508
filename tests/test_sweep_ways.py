"""A large sweep tells of each pair what `decide` tells, and leaves out no account that a key lets in, on every case file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench.crowd import crowd
from sweeping import way_by_decide

from kmssim.access import Answers, Question, actions_on, callers_of
from kmssim.circumstances import contexts_of
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.world import Account, Grant, Key, World
from kmssim.scenario import load_scenario
from kmssim.sweep.admission import accounts_let_in
from kmssim.sweep.sweep import Asking, Sweep
from kmssim.sweep.ways import Ways

CASES = Path(__file__).parent / "cases"
FILES = [path for path in sorted(CASES.rglob("*.json")) if not path.name.startswith("refused-policies")]
ACTIONS = ("kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:RetireGrant", "kms:UpdateAlias")
MOST_CONTEXTS = 2


def asked_of(scenario):
    """Sweeps over a scenario, and its callers."""
    world = scenario.world
    callers = tuple(dict.fromkeys((*callers_of(world), *scenario.callers)))
    for action in ACTIONS:
        keys = tuple(key for key in world.keys_by_arn.values() if action in actions_on(key))
        contexts = list(dict.fromkeys(context for key in keys for context in contexts_of(key, world)))
        for context in contexts[:MOST_CONTEXTS] or [None]:
            yield Sweep(world, Asking(action, context), keys), callers


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_pair_has_the_paths_and_the_open_questions_of_its_decision(path):
    for sweep, callers in asked_of(load_scenario(path)):
        ways = Ways(sweep)
        for caller in callers:
            by_decide = [(n, way_by_decide(sweep.world, sweep.question(caller, k))) for n, k in enumerate(sweep.keys)]
            assert list(ways.of(caller)) == [(n, way) for n, way in by_decide if way is not None], caller.arn


def test_the_case_files_have_ways_of_every_kind():
    """So that the test above is one: paths of each kind, some together, and answers that rest on open questions."""
    found = set()
    for path in FILES:
        for sweep, callers in asked_of(load_scenario(path)):
            ways = Ways(sweep)
            found |= {way for caller in callers for _, way in ways.of(caller)}
    paths, uncertain = {way.path for way in found}, {question for way in found for question in way.uncertain.split()}
    assert {"direct", "delegation", "across", "grant", "direct delegation", "grant direct"} <= paths
    assert {"UN-1", "UN-2", "UN-12"} <= uncertain


def test_the_ways_of_a_crowd_are_those_of_decide_on_a_sample():
    world = crowd(200, 40)
    sweep, chance = Sweep(world, Asking("kms:Decrypt")), random.Random(5)  # noqa: S311 - a sample
    ways, callers = Ways(sweep), callers_of(world)
    for caller in chance.sample(callers, 60):
        found = dict(ways.of(caller))
        for number in chance.sample(range(40), 10):
            assert found.get(number) == way_by_decide(world, sweep.question(caller, sweep.keys[number]))


def test_callers_who_differ_in_an_open_question_alone_are_told_apart():
    """Two keys of which all layers say the same by default; for one of them that hangs on UN-12."""
    named = "arn:aws:kms:us-east-1:111122223333:key/b"

    def key(name, resource):
        statement = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": resource}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return Key(name, "us-east-1", "111122223333", parse_policy(document, PolicyKind.KEY_POLICY))

    world = World({"111122223333": Account("111122223333", keys=(key("a", "*"), key("b", named)))}, "us-east-1")
    ways = Ways(Sweep(world, Asking("kms:Decrypt"))).of(callers_of(world)[0])
    assert [(number, way.uncertain) for number, way in ways] == [(0, ""), (1, "UN-12")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whoever_is_allowed_something_from_outside_is_of_an_account_that_was_to_be_asked(path):
    scenario = load_scenario(path)
    answers = Answers(scenario.world)
    callers = tuple(dict.fromkeys((*callers_of(scenario.world), *scenario.callers)))
    for key in scenario.world.keys_by_arn.values():
        let_in = accounts_let_in([key])
        if let_in is None:
            continue
        outside = [one for one in callers if one.account and one.account not in {key.account, *let_in}]
        for caller in outside:
            grants = [grant.id for grant in key.grants] or [None]
            for action in actions_on(key):
                for grant in grants if action == "kms:RetireGrant" else [None]:
                    question = Question(caller, action, key.arn, grant=grant)
                    assert not answers.allows(question), (caller.arn, action, key.arn)


HOME, RETIRER, ISSUER = "111122223333", "444455556666", "777788889999"


def test_who_may_retire_a_grant_is_let_in():
    statement = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyKind.KEY_POLICY)
    role = f"arn:aws:iam::{RETIRER}:role/r"
    grant = Grant("g", None, ("Decrypt",), ISSUER, grantee=f"arn:aws:iam::{HOME}:role/r", retiring=role)
    assert accounts_let_in([Key("k", "us-east-1", HOME, policy, grants=(grant,))]) == {HOME, RETIRER, ISSUER}
