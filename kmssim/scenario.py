"""The scenario file, the project's public input: read it whole, or refuse it and say where and why.

A scenario is a small AWS world and the requests made in it. `load_scenario` reads a file, `parse_scenario` text or
data, and both give a frozen `Scenario`: the declared `World`, and for each request a `Call` with its expectation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.world import World
from kmssim.scenario_file.calls import read_call
from kmssim.scenario_file.models import ExpectDocument, RequestDocument, ScenarioDocument
from kmssim.scenario_file.places import Place, Problems
from kmssim.scenario_file.policy_cases import PolicyCase, load_policy_cases
from kmssim.scenario_file.problems import validate
from kmssim.scenario_file.world import read_world
from kmssim.strict_json import check_json, parse_json, read_json

__all__ = [
    "Expectation",
    "PolicyCase",
    "Scenario",
    "ScenarioRequest",
    "json_schema",
    "load_policy_cases",
    "load_scenario",
    "parse_scenario",
]


@dataclass(frozen=True)
class Expectation:
    """What a scenario expects of a request. None: it leaves that open.

    `has_error` tells an expected success (`error` None, stated) from an error that is left open.
    """

    decision: str | None = None
    layers: frozenset[str] | None = None
    error: str | None = None
    has_error: bool = False
    uncertain: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScenarioRequest:
    """One call of a scenario; `path` is where it stands in the file, e.g. `requests[0]`."""

    name: str
    call: Call
    expect: Expectation | None
    rules: tuple[str, ...]
    why: str
    path: str


@dataclass(frozen=True)
class Scenario:
    """A declared world and the calls that are asked of it, each by itself. `file` None: it was not read from a file."""

    title: str
    description: str
    file: str | None
    world: World
    requests: tuple[ScenarioRequest, ...]

    @property
    def callers(self) -> tuple[Principal, ...]:
        """Who makes the requests, in their order."""
        return tuple(request.call.principal for request in self.requests)

    def request(self, name: str) -> ScenarioRequest:
        """The request of that name.

        Raises:
            InputError: there is none; names that come near are offered.

        """
        found = next((request for request in self.requests if request.name == name), None)
        if found is None:
            known = [request.name for request in self.requests]
            raise Place(self.file, path="requests").unknown(f"no request is named `{name}`", name, known)
        return found


def load_scenario(path: Path | str, moved: Mapping[str, Path] | None = None) -> Scenario:
    """Read a scenario file; `moved` says where files lie that it names and that are elsewhere.

    Raises:
        InputError: it cannot be read, is not JSON or no scenario; the message names file, JSON path and what was
            expected.
        PolicyError: AWS would refuse one of its policies.

    """
    file = Path(path)
    return _read(read_json(file), Place(str(file), file.parent, moved=moved or {}))


def parse_scenario(
    data: Mapping[str, object] | str, *, file: str | None = None, folder: Path | None = None
) -> Scenario:
    """Read a scenario from JSON text or from data as `json.loads` gives it.

    `file` is what messages call it; policy files that it names are looked for in `folder`.

    Raises:
        InputError: as `load_scenario`.

    """
    content = parse_json(data, file) if isinstance(data, str) else check_json(data, file)
    return _read(content, Place(file, folder))


def _read(content: object, place: Place) -> Scenario:
    document = validate(ScenarioDocument, content, place)
    world = read_world(document, place)
    requests = _read_requests(document, world, place.at("requests"))
    title = document.title or (Path(place.file).stem if place.file else "untitled")
    return Scenario(title, document.description, place.file, world, requests)


def _read_requests(document: ScenarioDocument, world: World, place: Place) -> tuple[ScenarioRequest, ...]:
    requests: dict[str, ScenarioRequest] = {}
    problems = Problems()
    for index, each in enumerate(document.requests):
        here = place.at(index)
        with problems.noted():
            request = _read_request(each, index, world, here)
            if request.name in requests:
                raise here.at("name").refusal(f"another request is named `{request.name}`")
            requests[request.name] = request
    problems.raise_first()
    return tuple(requests.values())


def _read_request(document: RequestDocument, index: int, world: World, place: Place) -> ScenarioRequest:
    return ScenarioRequest(
        name=document.name or f"request {index + 1}",
        call=read_call(document, world, place),
        expect=None if document.expect is None else _read_expectation(document.expect),
        rules=tuple(document.rules),
        why=document.why,
        path=place.path,
    )


def _read_expectation(document: ExpectDocument) -> Expectation:
    return Expectation(
        decision=document.decision,
        layers=None if document.layers is None else frozenset(document.layers),
        error=document.error,
        has_error=document.states("error"),
        uncertain=tuple(document.uncertain),
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario file: its shape, not what its names refer to."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScenarioDocument.model_json_schema()}
    schema["title"] = "kmssim scenario"
    for part in (schema, *schema["$defs"].values()):
        for member in part.get("properties", {}).values():
            if "patternProperties" in member:  # a name that fits no pattern is refused
                member["additionalProperties"] = False
    return schema
