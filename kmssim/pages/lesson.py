"""What a page is made of: a lab's words, its scenario, every request decided and explained, and the shared texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kmssim.authority import find_authority
from kmssim.errors import InputError
from kmssim.evaluator.decision import Decision, PermissionTrace
from kmssim.evaluator.pdp import decide
from kmssim.explain import Explanation, deciding_permission, explain
from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.scenario import Scenario, ScenarioRequest

_CONTENT = Path(__file__).with_name("content.json")


@dataclass(frozen=True)
class Answer:
    """One request of the scenario with its decision and what is said of it."""

    request: ScenarioRequest
    decision: Decision
    explanation: Explanation

    @property
    def permission(self) -> PermissionTrace | None:
        """The permission that the explanation is about; None where the call never reached authorization."""
        return deciding_permission(self.decision)


@dataclass(frozen=True)
class Lesson:
    """A lab, read and decided. `example` is the answer whose story the page tells."""

    lab: Lab
    metadata: Metadata
    scenario: Scenario
    answers: tuple[Answer, ...]
    example: Answer


def prepare(lab: Lab) -> Lesson:
    """Read a lab and decide its requests. Raises InputError for broken files, an unknown example or deep dive."""
    metadata, scenario = lab.read_metadata(), lab.read_scenario()
    for at, name in enumerate(metadata.deep_dives):
        if name not in content()["deep_dives"]:
            known = ", ".join(content()["deep_dives"])
            raise InputError(
                f"no deep dive `{name}`", path=f"deep_dives[{at}]", file=str(lab.metadata), hint=f"known: {known}"
            )
    answers = tuple(_answer(scenario, request) for request in scenario.requests)
    for answer in answers:
        if answer.request.name == metadata.example.request:
            return Lesson(lab, metadata, scenario, answers, answer)
    names = ", ".join(request.name for request in scenario.requests)
    raise InputError(
        f"the scenario has no request `{metadata.example.request}`",
        path="example.request",
        file=str(lab.metadata),
        hint=f"it has: {names}",
    )


def _answer(scenario: Scenario, request: ScenarioRequest) -> Answer:
    decision = decide(scenario.world, request.call, find_authority())
    return Answer(request, decision, explain(decision))


@cache
def content() -> Mapping[str, Any]:
    """The texts that all pages share."""
    loaded: Mapping[str, Any] = json.loads(_CONTENT.read_text(encoding="utf-8"))
    return loaded
