"""This lab, held to what it says: by the evaluator, and by real calls in the sandbox."""

from __future__ import annotations

from pathlib import Path

from kmssim.authority import find_authority
from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.labs import Lab, check_prediction, check_simulation

LAB = Lab(Path(__file__).parent)


def test_every_request_is_decided_as_the_lab_says():
    assert check_prediction(LAB) == []


def test_the_sandbox_answers_as_predicted():
    assert check_simulation(LAB) == []


def test_the_lines_of_the_lab_page_are_what_the_evaluator_says():
    scenario = LAB.read_scenario()
    explanation = explain(decide(scenario.world, scenario.requests[0].call, find_authority()))
    assert [f"{name}: {text}" for name, text in explanation.lines] == [
        "IAM policy: kms:Decrypt allowed",
        "KMS key policy: workload role not trusted",
        "Grant: none",
        "Encryption context: not applicable",
        "Final decision: DENY",
    ]
