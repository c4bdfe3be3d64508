"""The key policy trusts the account or the role: predicted, explained and simulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmssim.compare import compare_scenario
from kmssim.evaluator.pdp import decide
from kmssim.labs import Lab, explained_lines, unmet_expectations

LAB = Lab(Path(__file__).resolve().parent)
SCENARIO = LAB.read_scenario()
FIRST = SCENARIO.requests[0]

LINES = """\
IAM policy: kms:Decrypt allowed
KMS key policy: account trusted, IAM decides
Grant: none
Encryption context: not applicable
Final decision: ALLOW"""

each_request = pytest.mark.parametrize("name", [request.name for request in SCENARIO.requests])


@pytest.fixture(scope="module")
def simulated():
    return {row.name: row for row in compare_scenario(SCENARIO).rows}


@each_request
def test_the_prediction_is_what_the_scenario_states(name):
    request = SCENARIO.request(name)
    assert unmet_expectations(request, decide(SCENARIO.world, request.call)) == []


@each_request
def test_made_for_real_the_call_ends_as_predicted(name, simulated):
    row = simulated[name]
    assert (row.sandbox.decision, row.sandbox.error) == (row.predicted.decision, row.predicted.error)
    assert row.as_expected


def test_the_first_request_is_explained_in_these_words():
    assert explained_lines(decide(SCENARIO.world, FIRST.call)) == LINES


def test_without_an_iam_policy_the_caller_is_told_that_none_allows(simulated):
    row = simulated["the intern has no IAM policy"]
    assert row.sandbox.message.endswith("because no identity-based policy allows the kms:Decrypt action")
    assert row.moto_differs_because
