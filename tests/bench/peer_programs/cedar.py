"""Asks Cedar for the workload on standard input; says on standard output what it answers and how long it takes.

The policies are translated first (`cedar_translation`). Policies and entities are parsed once.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys

import cedarpy
from cedar_translation import entities_of, policies_of, request_of
from pieces import timed

asked = json.load(sys.stdin)
policies = cedarpy.PolicySet.from_str(policies_of(asked))
entities = cedarpy.Entities.from_json_str(json.dumps(entities_of(asked)))
requests = [request_of(request) for request in asked["requests"]]


def _allowed(results: list[cedarpy.AuthzResult]) -> list[bool]:
    errors = [error for result in results for error in result.diagnostics.errors]
    if errors:
        raise SystemExit(f"a translated policy fails: {errors[0]}")
    return [result.allowed for result in results]


def one_by_one(piece: list[dict]) -> list[bool]:
    return _allowed([cedarpy.is_authorized(request, policies, entities) for request in piece])


def in_a_batch(piece: list[dict]) -> list[bool]:
    return _allowed(cedarpy.is_authorized_batch(piece, policies, entities))


ways = {
    "is_authorized": timed(requests, one_by_one, asked["passes"]),
    "is_authorized_batch, a hundred at a time": timed(requests, in_a_batch, asked["passes"]),
}
json.dump({"version": importlib.metadata.version("cedarpy"), "ways": ways}, sys.stdout)
