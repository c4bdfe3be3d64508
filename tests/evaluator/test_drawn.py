"""Bare, remembered, traced: one set of rules, held together over a hundred thousand drawn requests.

A decision is taken by views and from memory; its evidence is gathered from what a policy showed before. Here each is
held against the plain way: layers asked anew, and every statement of the evidence matched by `match.mismatch` alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from drawn import drawn

from kmssim.evaluator import recall, views
from kmssim.evaluator.alike import policies_of
from kmssim.evaluator.conditions import OPERATORS
from kmssim.evaluator.decision import Layer, Verdict
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import LAYER_OF, judge_all
from kmssim.evaluator.match import mismatch
from kmssim.evaluator.pdp import Authorizer, decide
from kmssim.evaluator.questions import OpenQuestions

CALLS = 250  # in each world
MANY, FEW = 400, 60  # worlds


class Reached:
    """What the drawn requests came by."""

    def __init__(self):
        self.verdicts = Counter()
        self.operators = Counter()


def hold_together(seed, worlds):
    reached = Reached()
    for world, calls in drawn(seed, worlds, CALLS):
        authorizer = Authorizer(world)
        for call in calls:
            for found in authorizer.decide(call).permissions:
                hold(authorizer, found, reached)
        for call in calls[::5]:
            assert authorizer.decide(call) == decide(world, call)
    return reached


def hold(authorizer, found, reached):
    asked = found.gather.args[0]
    anew = gather_facts(asked, *judge_all(asked))
    assert anew == found.facts
    traced = authorizer.trace(asked)
    assert (traced.facts, traced.ruling) == (found.facts, found.ruling)
    assert traced.evidence == found.evidence
    statements = {
        (policy.source, one.path): (policy, one) for policy in policies_of(asked) for one in policy.statements
    }
    for layer in found.layers:
        reached.verdicts[layer.layer, layer.verdict] += 1
        for trace in layer.statements:
            policy, statement = statements[trace.policy, trace.path]
            assert LAYER_OF[policy.kind] is layer.layer
            wanted = mismatch(statement, asked.request, policy.kind, OpenQuestions(asked.questions.others))
            assert trace.mismatch == wanted
            assert trace[2:4] + trace[5:6] == (statement.sid, statement.effect.value, statement.condition_keys)
            note_operators(statement, wanted, reached)


def note_operators(statement, wanted, reached):
    if wanted is None:
        reached.operators.update((condition.operator.name, True) for condition in statement.conditions)
    elif wanted.element == "Condition":
        unmet = next(condition for condition in statement.conditions if condition.written == wanted.wanted)
        reached.operators[unmet.operator.name, False] += 1


def test_bare_remembered_and_traced_decisions_are_one():
    """Over requests that come by every verdict and every operator, met and unmet."""
    assert_everything_was_reached(hold_together(7, FEW))


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(11, 15))
def test_bare_remembered_and_traced_decisions_are_one_over_a_hundred_thousand_calls(seed):
    assert_everything_was_reached(hold_together(seed, MANY // 4))


def assert_everything_was_reached(reached):
    cannot = {(Layer.RCP, Verdict.SILENT), (Layer.GRANT, Verdict.DENY)}  # OR-4, GR-20
    verdicts = {(layer, verdict) for layer in Layer for verdict in Verdict} - cannot
    assert verdicts - set(reached.verdicts) == set()
    assert {(name, met) for name in OPERATORS for met in (True, False)} - set(reached.operators) == set()


def test_threads_that_share_an_authorizer_decide_as_each_alone_however_little_is_remembered(monkeypatch):
    monkeypatch.setattr(recall, "_MOST_KEPT", 20)
    monkeypatch.setattr(recall, "_MOST_VALUES", 60)
    monkeypatch.setattr(views, "_MOST_KEPT", 12)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for world, calls in drawn(3, 4, 80):
            alone = [told(decide(world, call)) for call in calls]
            shared = Authorizer(world)

            def ask(start, calls=calls, alone=alone, shared=shared):
                order = [*range(start, len(calls)), *range(start)]
                return [number for number in order if told(shared.decide(calls[number])) != alone[number]]

            with ThreadPoolExecutor(8) as threads:
                assert list(threads.map(ask, range(0, 80, 10))) == [[]] * 8
    finally:
        sys.setswitchinterval(interval)


def told(decision):
    return decision, [found.evidence for found in decision.permissions]
