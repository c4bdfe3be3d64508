"""This lab, held to what it says: by the evaluator, and by real calls in the sandbox."""

from __future__ import annotations

from pathlib import Path

from kmssim.labs.folder import Lab
from kmssim.labs.stated import check_prediction, check_simulation

LAB = Lab(Path(__file__).parent)


def test_every_request_is_decided_as_the_lab_says():
    assert check_prediction(LAB) == []


def test_the_sandbox_answers_as_predicted():
    assert check_simulation(LAB) == []
