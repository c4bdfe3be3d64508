"""IAM allows, the key policy does not trust: predicted, explained and simulated."""

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
KMS key policy: workload role not trusted
Grant: none
Encryption context: not applicable
Final decision: DENY"""

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


def test_moto_alone_lets_the_workload_in_and_the_sandbox_refuses_as_aws_does(simulated):
    row = simulated[FIRST.name]
    assert row.moto.decision == "ALLOW"
    assert row.sandbox.error == "AccessDeniedException"
    assert row.sandbox.message == (
        "User: arn:aws:sts::111122223333:assumed-role/workload/batch is not authorized to perform: kms:Decrypt "
        "on resource: arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab "
        "because no resource-based policy allows the kms:Decrypt action"
    )
