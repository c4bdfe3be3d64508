"""The conformance cases: every file of `tests/cases`, request by request, on the evaluator.

The files of `tests/cases/by_rule` are of the same form; they show the rules, and combinations of rules, that the others
leave out.

A file that is not expected to pass yet stands in NOT_YET_EXPECTED. An unexpected pass of such a file fails, so that the
list can only shrink.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kmssim.errors import PolicyError
from kmssim.evaluator.decision import Decision
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import parse_policy
from kmssim.scenario import ScenarioRequest, load_policy_cases, load_scenario

CASES = Path(__file__).parent / "cases"
POLICY_FILES = sorted(CASES.rglob("refused-policies*.json"))
FILES = sorted(path for path in CASES.rglob("*.json") if path not in POLICY_FILES)

NOT_YET_EXPECTED: tuple[str, ...] = ()

SCENARIOS = {path.name: load_scenario(path) for path in FILES}
REQUESTS = [
    pytest.param(name, request, id=f"{name.removesuffix('.json')}::{request.name}")
    for name, scenario in SCENARIOS.items()
    if name not in NOT_YET_EXPECTED
    for request in scenario.requests
]
POLICIES = [case for path in POLICY_FILES for case in load_policy_cases(path)]


def found(decision: Decision):
    """What a case states, as the evaluator answers it."""
    return {
        "decision": decision.word,
        "layers": {layer.value for layer in decision.layers},
        "error": decision.failure.code if decision.failure else None,
        "uncertain": set(decision.uncertain),
    }


def stated(request: ScenarioRequest):
    expect = request.expect
    assert expect is not None, "a case states what it expects"
    assert expect.layers is not None
    assert expect.has_error
    return {
        "decision": expect.decision,
        "layers": set(expect.layers),
        "error": expect.error,
        "uncertain": set(expect.uncertain),
    }


def test_there_are_cases():
    assert len(FILES) >= 43
    assert sum(len(scenario.requests) for scenario in SCENARIOS.values()) >= 722
    assert set(NOT_YET_EXPECTED) <= set(SCENARIOS)


@pytest.mark.parametrize(("name", "request_"), [pytest.param(*param.values, id=param.id) for param in REQUESTS])
def test_a_case_is_decided_as_it_states(name, request_):
    assert found(decide(SCENARIOS[name].world, request_.call)) == stated(request_), request_.why


def test_a_file_that_passes_leaves_the_list():
    def fails(name: str) -> bool:
        scenario = SCENARIOS[name]
        return any(found(decide(scenario.world, one.call)) != stated(one) for one in scenario.requests)

    passing = [name for name in NOT_YET_EXPECTED if not fails(name)]
    assert not passing, f"take {passing} out of NOT_YET_EXPECTED"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in POLICIES if case.error])
def test_a_policy_that_aws_refuses_is_refused_with_its_code_its_rule_and_a_path(case):
    with pytest.raises(PolicyError) as caught:
        parse_policy(case.policy, case.kind)
    refused = caught.value
    assert refused.code == case.error
    assert refused.rule in case.rules
    if isinstance(case.policy, dict) and refused.rule != "PG-8":
        assert refused.path
    if refused.path:
        assert f"$.{refused.path}" in str(refused)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in POLICIES if not case.error])
def test_a_policy_that_aws_accepts_is_accepted(case):
    assert parse_policy(case.policy, case.kind).kind is case.kind


def test_both_kinds_of_policy_case_are_there():
    assert len([case for case in POLICIES if case.error]) >= 23
    assert len([case for case in POLICIES if not case.error]) >= 12
