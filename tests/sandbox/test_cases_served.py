"""Every case file on the sandbox: each request made with real boto3 ends as predicted, or is one that no client can make.

`NOT_MADE` names what a client cannot express; `DIFFERENT` lists, with a reason, requests on which the two sides differ.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kmssim.compare import agree, predicted_by
from kmssim.evaluator.pdp import decide
from kmssim.sandbox.bench import Bench, _plainly
from kmssim.sandbox.enforce import changes_state
from kmssim.scenario import load_scenario

CASES = Path(__file__).parent.parent / "cases"
FILES = [path for path in sorted(CASES.rglob("*.json")) if not path.stem.startswith("refused-policies")]

NOT_MADE = (
    "no client can make this call",  # botocore refuses the parameters, or nobody can sign in as this principal
    "^kmssim: ",  # a limit of ours, listed in the README
)
DIFFERENT: dict[str, str] = {}


def identify(path):
    return str(path.relative_to(CASES).with_suffix(""))


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_each_request_ends_in_the_sandbox_as_predicted(path):
    scenario = load_scenario(path)
    wrong = []
    with Bench(scenario.world) as bench:
        for request in scenario.requests:
            predicted = predicted_by(decide(scenario.world, request.call))
            observed = bench._observe(request.call, _plainly)
            name = f"{identify(path)}: {request.name}"
            if observed.decision is None:
                if not re.search("|".join(NOT_MADE), observed.message or ""):
                    wrong.append((name, "not made", observed.message))
            elif agree(predicted, observed) is (name in DIFFERENT):
                wrong.append((name, predicted, observed))
    assert not wrong, "\n".join(str(one) for one in wrong)


def may_change(call):
    return changes_state(call.name) or (call.service != "kms" and not call.name.startswith("Get"))


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_calls_that_are_refused_change_nothing(path):
    """So the bench restores the world after those alone that are let in."""
    scenario = load_scenario(path)
    with Bench(scenario.world) as bench:
        before = bench._sandbox.world
        for request in scenario.requests:
            if may_change(request.call) and not decide(scenario.world, request.call).allowed:
                bench._observe(request.call, _plainly)
        bench._sandbox._enforcement.forget_world()
        assert bench._sandbox.world == before
