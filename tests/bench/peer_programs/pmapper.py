"""Asks PMapper for the workload on standard input; says on standard output what it answers and how long it takes.

Its last release imports names from `collections` that Python 3.10 took away; they are put back before it is imported.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib.metadata
import json
import sys

collections.Mapping = collections.abc.Mapping
collections.MutableMapping = collections.abc.MutableMapping

from pieces import timed  # noqa: E402 - not before the repair, as what follows
from principalmapper.common import Node, Policy  # noqa: E402 - not before the repair
from principalmapper.querying.query_interface import local_check_authorization_full  # noqa: E402 - the same

asked = json.load(sys.stdin)
given = asked["policies"]


def policy(name: str, document: dict) -> Policy:
    return Policy(f"arn:aws:iam::{asked['account']}:policy/{name}", name, document)


identity, boundary = policy("identity", given["identity"]), policy("boundary", given["boundary"])
levels = [[policy("scp", document) for document in level] for level in given["scps"]]
nodes = {
    role: Node(
        role, role, [identity], None, {}, None, 0,
        active_password=False, is_admin=False, permissions_boundary=boundary, has_mfa=False, tags=None,
    )
    for role in {request["role"] for request in asked["requests"]}
}  # fmt: skip


def allows(request: dict) -> bool:
    return local_check_authorization_full(
        nodes[request["role"]],
        request["action"],
        request["resource"],
        request["context"],
        given["key_policy"],
        asked["account"],
        levels,
    )


def allowed(piece: list[dict]) -> list[bool]:
    return [allows(request) for request in piece]


way = timed(asked["requests"], allowed, asked["passes"])
version = importlib.metadata.version("principalmapper")
json.dump({"version": version, "ways": {"local check, everything given": way}}, sys.stdout)
