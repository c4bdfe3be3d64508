"""A sweep says of every pair what `decide` says, on every case file and in a crowd."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench.crowd import crowd

from kmssim.access import Answers, Question, actions_on, call_for, callers_of
from kmssim.circumstances import contexts_of
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import parse_principal
from kmssim.scenario import load_scenario
from kmssim.sweep.coverage import numbers_of
from kmssim.sweep.sweep import Asking, Sweep

CASES = Path(__file__).parent / "cases"
FILES = [path for path in sorted(CASES.rglob("*.json")) if not path.name.startswith("refused-policies")]
ACTIONS = ("kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:UpdateAlias")
MOST_CONTEXTS = 2


def keys_of(sweep, caller):
    return [sweep.keys[number] for number in numbers_of(sweep.bits_of(caller))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sweep_equals_asking_for_each_pair(path):
    scenario = load_scenario(path)
    world, answers = scenario.world, Answers(scenario.world)
    callers = tuple(dict.fromkeys((*callers_of(world), *scenario.callers)))
    for action in ACTIONS:
        keys = tuple(key for key in world.keys_by_arn.values() if action in actions_on(key))
        contexts = list(dict.fromkeys(context for key in keys for context in contexts_of(key, world)))
        for context in contexts[:MOST_CONTEXTS] or [None]:
            sweep = Sweep(world, Asking(action, context), keys)
            for caller in callers:
                wanted = [key for key in keys if answers.allows(Question(caller, action, key.arn, context))]
                assert keys_of(sweep, caller) == wanted, (action, context, caller.arn)


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:PutKeyPolicy"])
def test_a_sweep_of_a_crowd_equals_decide_on_a_sample(action):
    world = crowd(300, 60)
    callers, answers, sweep = callers_of(world), Answers(world), Sweep(world, Asking(action))
    chance = random.Random(3)  # noqa: S311 - a sample
    pairs = [(chance.choice(callers), chance.randrange(60)) for _ in range(1500)]
    found = [bool(sweep.bits_of(caller) >> number & 1) for caller, number in pairs]
    wanted = [answers.allows(Question(caller, action, sweep.keys[number].arn)) for caller, number in pairs]
    assert found == wanted
    assert any(wanted)
    assert not all(wanted)


def test_a_sweep_through_a_service_equals_decide():
    world = crowd(40, 20)
    via = "s3.us-east-1.amazonaws.com"
    answers, sweep = Answers(world), Sweep(world, Asking("kms:Decrypt", via=via))
    for caller in callers_of(world):
        wanted = [key for key in sweep.keys if answers.allows(Question(caller, "kms:Decrypt", key.arn, via=via))]
        assert keys_of(sweep, caller) == wanted


def test_the_number_of_decisions_does_not_follow_the_number_of_pairs():
    decided = []
    for principals, keys in ((50, 20), (500, 200)):
        world = crowd(principals, keys)
        sweep = Sweep(world, Asking("kms:Decrypt"))
        for caller in callers_of(world):
            sweep.bits_of(caller)
        decided.append(len(sweep._decided))
    assert decided[1] < 4 * decided[0]  # a hundred times as many pairs


def test_answers_are_those_of_decide_on_the_call_that_asks():
    world = crowd(5, 3)
    answers = Answers(world)
    for caller in callers_of(world):
        for arn, key in world.keys_by_arn.items():
            for action in actions_on(key):
                question = Question(caller, action, arn)
                whole = decide(world, call_for(question, world))
                if action.startswith("kms:ReEncrypt"):
                    half = [found for found in whole.permissions if found.action == action]
                    assert answers.allows(question) == half[0].ruling.allowed
                else:
                    assert answers.allows(question) == whole.allowed


@pytest.mark.parametrize("path", FILES[::4], ids=lambda path: path.stem)
def test_every_question_is_a_call_that_a_client_could_make(path):
    """What ends a call before it is authorized must not decide what the question is."""
    world = load_scenario(path).world
    answers = Answers(world)
    for arn, key in world.keys_by_arn.items():
        for action in actions_on(key):
            for caller in callers_of(world)[:6]:
                failure = answers.decide(Question(caller, action, arn)).failure
                assert failure is None or failure.rule != "EM-34", (action, failure)


def test_callers_are_everybody_that_a_world_declares_or_names_and_a_stranger():
    world = crowd(2, 1)
    arns = [caller.arn for caller in callers_of(world)]
    assert arns[0] == "arn:aws:iam::111122223333:root"
    assert arns[1:3] == [f"arn:aws:sts::111122223333:assumed-role/role-{number}/session" for number in (0, 1)]
    assert arns[-1] == "arn:aws:sts::000000000000:assumed-role/anybody/session"
    assert len(arns) == len(set(arns))


def test_numbers_of_bits_come_from_the_lowest():
    assert list(numbers_of(0b1010010)) == [1, 4, 6]
    assert parse_principal("arn:aws:iam::111122223333:root") in callers_of(crowd(1, 1))
