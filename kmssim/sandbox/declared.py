"""What a call cannot carry on the wire of a simulation, declared by the sandbox's own clients in headers of ours.

The network it comes from, the service through which it arrives, and condition keys stated outright. The headers are
heeded for calls from this machine only; whoever calls a served sandbox from elsewhere cannot pretend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from kmssim.evaluator.request import ContextValue, Network

NETWORK = "x-kmssim-network"
CONTEXT = "x-kmssim-context"
VIA = "x-kmssim-via"


@dataclass(frozen=True)
class Declared:
    """`context` holds condition keys in lower case; `via` is a service's host name (SV-1)."""

    network: Network = field(default_factory=Network)
    via: str | None = None
    context: Mapping[str, ContextValue] = field(default_factory=dict)


def write_declared(declared: Declared) -> dict[str, str]:
    """The headers that `read_declared` reads back as `declared`."""
    headers = {NETWORK: json.dumps(asdict(declared.network))}
    if declared.context:
        headers[CONTEXT] = json.dumps(dict(declared.context))
    if declared.via:
        headers[VIA] = declared.via
    return headers


def read_declared(headers: Mapping[str, str]) -> Declared:
    """What the headers (names in lower case) declare. Raises ValueError naming the header that cannot be read."""
    network = Network()
    if NETWORK in headers:
        network = _network(_object(headers, NETWORK))
    context = {name.lower(): _value(name, value) for name, value in _object(headers, CONTEXT).items()}
    return Declared(network, headers.get(VIA), context)


def _object(headers: Mapping[str, str], name: str) -> dict[str, object]:
    try:
        content = json.loads(headers.get(name, "{}"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{name}: expected a JSON object")  # noqa: TRY004 (broken input, not a broken program)
    return content


def _network(given: dict[str, object]) -> Network:
    kinds = {"source_ip": str | None, "vpc_endpoint": str | None, "secure_transport": bool}
    for name, value in given.items():
        if name not in kinds or not isinstance(value, kinds[name]):
            raise ValueError(f"{NETWORK}: `{name}` does not go with {value!r}")
    return Network(**given)  # type: ignore[arg-type]


def _value(name: str, value: object) -> ContextValue:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"{CONTEXT}: `{name}` is neither a string nor a list of strings")
