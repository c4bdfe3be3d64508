"""The layer lines that a lab's text shows are those that `kmssim decide` prints for one of its requests as shipped."""

from __future__ import annotations

import re

import pytest

from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.labs.folder import find_labs
from kmssim.scenario import load_scenario

BLOCK = re.compile(r"^```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LABS = find_labs()


def shown_in(lab):
    """The blocks of a lab's text that end in a decision."""
    blocks = BLOCK.findall((lab.folder / "architecture.md").read_text(encoding="utf-8"))
    return [block.strip() for block in blocks if "Final decision:" in block]


def test_labs_show_layer_lines():
    assert sum(bool(shown_in(lab)) for lab in LABS) >= len(LABS) // 2


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_the_layer_lines_of_a_lab_are_those_of_one_of_its_requests(lab):
    scenario = load_scenario(lab.scenario)
    told = [explain(decide(scenario.world, request.call)) for request in scenario.requests]
    printed = ["\n".join(f"{name}: {text}" for name, text in one.lines) for one in told]
    for block in shown_in(lab):
        assert block in printed
