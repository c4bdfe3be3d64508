"""A grant bound to an encryption context: predicted, explained and simulated."""

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
IAM policy: kms:Decrypt not allowed, the workload role has no policy
KMS key policy: workload role not trusted
Grant: tenant-a-reader allows kms:Decrypt
Encryption context: tenant=a, order=1001, matches
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


def test_a_wrong_claim_is_authorized_and_still_reads_nothing(simulated):
    row = simulated["the workload claims tenant a for a ciphertext of tenant b"]
    assert row.predicted.layers == ("grant",)
    assert (row.sandbox.decision, row.sandbox.error) == ("ALLOW", "InvalidCiphertextException")
