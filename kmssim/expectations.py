"""What a request's author expects, held against a decision."""

from __future__ import annotations

from collections.abc import Iterator

from kmssim.evaluator.decision import Decision
from kmssim.scenario import Expectation


def unmet_expectations(expected: Expectation, decision: Decision) -> list[str]:
    """How a decision differs from what is stated of it, a sentence each; empty where it is as stated."""
    return list(_unmet(expected, decision))


def _unmet(expected: Expectation, decision: Decision) -> Iterator[str]:
    layers = {layer.value for layer in decision.layers}
    error = decision.failure.code if decision.failure else None
    if expected.decision not in {None, decision.word}:
        yield f"expected {expected.decision}, decided {decision.word}"
    if expected.layers is not None and set(expected.layers) != layers:
        yield f"expected to be decided by {sorted(expected.layers)}, decided by {sorted(layers)}"
    if expected.has_error and expected.error != error:
        yield f"expected the caller to see {expected.error}, it sees {error}"
    if set(expected.uncertain) != set(decision.uncertain):
        yield f"expected to rest on {sorted(expected.uncertain)}, rests on {sorted(decision.uncertain)}"
