"""What a lab's page is made of: a lab's words, its scenario, every request decided as data, and the shared texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kmssim.authority import find_authority
from kmssim.errors import InputError, KmssimError
from kmssim.evaluator.decision import Decision, Layer
from kmssim.evaluator.pdp import decide
from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.pages.decision_data import decision_data, mattering_statements, picked
from kmssim.scenario import Scenario, ScenarioRequest

Json = Mapping[str, Any]

_CONTENT = Path(__file__).with_name("content.json")
_OF_THE_EXAMPLE = (
    *("name", "who", "operation", "decision", "decided_by", "error", "message"),
    *("because", "also", "failed", "uncertain", "lines", "permissions"),
)
_OF_THE_OTHERS = ("name", "who", "operation", "decision", "decided_by", "error", "because", "uncertain", "lines")
_ON_EVERY_PATH = (Layer.IDENTITY, Layer.KEY_POLICY)


@dataclass(frozen=True)
class Lesson:
    """A lab, read and decided on the documents that it ships.

    `example` is the data of the request whose story the page tells, `others` those of the other requests, in brief.
    What the scenario says of a request (`why`) is left out: it tells of the solution.
    `asked` are the names of the requests whose decision the learner is to predict: no page tells it.
    """

    lab: Lab
    metadata: Metadata
    scenario: Scenario
    example: Json
    others: tuple[Json, ...]
    asked: frozenset[str]

    @property
    def asks_example(self) -> bool:
        """Whether the learner is to predict the example, too: then its end is told behind a fold only."""
        return self.metadata.example.request in self.asked

    @property
    def data(self) -> Json:
        """What the page embeds, and draws."""
        return {"example": self.example, "others": list(self.others)}


def prepare(lab: Lab) -> Lesson:
    """Read a lab and decide its requests. Raises InputError for broken files, an unknown example or deep dive."""
    metadata, scenario = lab.read_metadata(), lab.read_scenario()
    for at, name in enumerate(metadata.deep_dives):
        if name not in content()["deep_dives"]:
            known = ", ".join(content()["deep_dives"])
            raise InputError(
                f"no deep dive `{name}`", path=f"deep_dives[{at}]", file=str(lab.metadata), hint=f"known: {known}"
            )
    asked = frozenset(check.request for check in metadata.checks if check.kind == "prediction")
    told = _example(lab, metadata, scenario)
    others = tuple(
        picked(decision_data(request.name, _decide(scenario, request)), *_OF_THE_OTHERS)
        for request in scenario.requests
        if request.name not in asked and request is not told
    )
    return Lesson(lab, metadata, scenario, _example_data(metadata, scenario, told), others, asked)


def _example(lab: Lab, metadata: Metadata, scenario: Scenario) -> ScenarioRequest:
    for request in scenario.requests:
        if request.name == metadata.example.request:
            return request
    names = ", ".join(request.name for request in scenario.requests)
    raise InputError(
        f"the scenario has no request `{metadata.example.request}`",
        path="example.request",
        file=str(lab.metadata),
        hint=f"it has: {names}",
    )


def _example_data(metadata: Metadata, scenario: Scenario, request: ScenarioRequest) -> Json:
    """IAM and the key policy are on its path, and the other layers that the lab is about or that decided."""
    decision = _decide(scenario, request)
    about = {layer for layer in Layer if layer.value in metadata.layers}
    data = decision_data(request.name, decision, drawn={*_ON_EVERY_PATH, *about, *decision.layers})
    permissions = [picked(permission, "action", "resource", "decision", "layers") for permission in data["permissions"]]
    statements = mattering_statements(decision)
    return {**picked(data, *_OF_THE_EXAMPLE), "permissions": permissions, "statements": statements}


def _decide(scenario: Scenario, request: ScenarioRequest) -> Decision:
    return decide(scenario.world, request.call, find_authority())


def prepare_all(labs: Iterable[Lab]) -> tuple[list[Lesson], list[KmssimError]]:
    """Every lab that can be read, and what is wrong with the others."""
    lessons, problems = [], []
    for lab in labs:
        try:
            lessons.append(prepare(lab))
        except KmssimError as error:
            problems.append(error)
    return lessons, problems


@cache
def content() -> Mapping[str, Any]:
    """The texts that all pages share."""
    loaded: Mapping[str, Any] = json.loads(_CONTENT.read_text(encoding="utf-8"))
    return loaded
