"""S3's REST requests → operation and parameters, after botocore's own model: method, path, query and headers decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from kmssim.sandbox.service_models import service_model

_BUCKET_IN_HOST = re.compile(
    r"^(?P<bucket>.+?)\.(?:s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?|localhost)(?::\d+)?$"
)
_TARGETS = {"/": (), "/{Bucket}": ("Bucket",), "/{Bucket}/{Key+}": ("Bucket", "Key")}


@dataclass(frozen=True)
class _Route:
    """One operation: what a request must have to be it, and its members that travel in the query and the headers."""

    operation: str
    method: str
    target: tuple[str, ...]
    literals: Mapping[str, str]
    query: frozenset[str]
    headers: frozenset[str]
    members: tuple[tuple[str, str, str], ...]

    @property
    def weight(self) -> tuple[int, int]:
        """The more a route demands, the more it means; of two that demand the same the plainer name (ListBuckets)."""
        return len(self.literals) + len(self.query) + len(self.headers), -len(self.operation)

    def takes(self, method: str, target: tuple[str, ...], query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Whether a request can be this operation."""
        return (
            (method, target) == (self.method, self.target)
            and all(name in query and value in {"", query[name]} for name, value in self.literals.items())
            and self.query <= query.keys()
            and self.headers <= headers.keys()
        )


def read_s3(
    method: str, host: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[str, Mapping[str, object]]:
    """The operation ("" when it is none) and its parameters but for the body; header names are in lower case."""
    in_host = _BUCKET_IN_HOST.match(host)
    names = [in_host["bucket"]] if in_host else []
    names += unquote(path).removeprefix("/").split("/", 1 - len(names))
    found = {place: name for place, name in zip(("Bucket", "Key"), names, strict=False) if name}
    fitting = (route for route in _routes() if route.takes(method, tuple(found), query, headers))
    route = max(fitting, key=lambda route: route.weight, default=None)
    if route is None:
        return "", found
    places = {"querystring": query, "header": headers}
    sent = {member: places[place][name] for place, name, member in route.members if name in places[place]}
    return route.operation, {**found, **sent}


@cache
def _routes() -> tuple[_Route, ...]:
    model = service_model("s3")
    operations = (model.operation_model(name) for name in model.operation_names)
    return tuple(route for operation in operations if not operation.deprecated for route in _route(operation))


def _route(operation: Any) -> Iterator[_Route]:  # noqa: ANN401 (botocore's OperationModel)
    path, _, literals = operation.http["requestUri"].partition("?")
    if path not in _TARGETS:
        return  # WriteGetObjectResponse goes to a host of its own
    shape = operation.input_shape
    members = tuple(_members(shape)) if shape else ()
    required = set(shape.required_members) if shape else set()
    yield _Route(
        operation=operation.name,
        method=operation.http["method"],
        target=_TARGETS[path],
        literals=dict(parse_qsl(literals, keep_blank_values=True)),
        query=frozenset(name for place, name, member in members if place == "querystring" and member in required),
        headers=frozenset(name for place, name, member in members if place == "header" and member in required),
        members=members,
    )


def _members(shape: Any) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 (botocore's StructureShape)
    """Where each member travels: place, name there, name in boto3."""
    for member, member_shape in shape.members.items():
        place = member_shape.serialization.get("location")
        name = member_shape.serialization.get("name", member)
        if place == "querystring":
            yield place, name, member
        elif place == "header":
            yield place, name.lower(), member
