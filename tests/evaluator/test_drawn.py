"""Bare, remembered, traced: one set of rules, held together over a hundred thousand drawn requests.

A decision is taken by views and from memory; its evidence is gathered from what a policy showed before. Here each is
held against the plain way: layers asked anew, and every statement of the evidence matched by `match.mismatch` alone.
"""

from __future__ import annotations

from collections import Counter

import pytest
from drawn import drawn

from kmssim.evaluator.alike import policies_of
from kmssim.evaluator.conditions import OPERATORS
from kmssim.evaluator.decision import Layer, Verdict
from kmssim.evaluator.facts import gather_facts
from kmssim.evaluator.layers import judge_all
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
