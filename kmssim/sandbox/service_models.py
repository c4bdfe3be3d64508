"""What botocore knows about the services that can be gated: protocol, and names and shapes of the operations.

The models are read from disk once for the whole process: reading those of a sandbox takes longer than all it does
until its first decision.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

import botocore.session
from botocore.loaders import create_loader
from botocore.model import ServiceModel

from kmssim.errors import SetupError


class Protocol(Enum):
    """How a service's requests and errors travel; the values are those of botocore's models."""

    JSON = "json"
    QUERY = "query"
    EC2 = "ec2"
    REST = "rest-xml"


_OF_CLIENTS = create_loader()
"""Reads botocore's models for clients, and keeps what it read. Clients change their models, so the gate has its own."""
_OF_GATE = create_loader()


def share_models(session: Any) -> Any:  # noqa: ANN401 (a botocore session)
    """The session, which has read no model yet, with the models that are here already."""
    session.register_component("data_loader", _OF_CLIENTS)
    return session


@cache
def service_model(service: str) -> Any:  # noqa: ANN401 (botocore's ServiceModel)
    """The service's model. Raises SetupError when botocore has none of that name."""
    if service not in _OF_GATE.list_available_services("service-2"):
        raise SetupError(f"botocore knows no service `{service}`")
    return ServiceModel(_OF_GATE.load_service_model(service, "service-2"), service)


@cache
def protocol_of(service: str) -> Protocol:
    """The service's protocol. Raises SetupError when the gate cannot speak it."""
    name = service_model(service).metadata["protocol"]
    try:
        return Protocol(name)
    except ValueError:
        raise SetupError(f"`{service}` speaks {name}, which the gate does not; it cannot be gated") from None


@cache
def operations_of(service: str) -> frozenset[str]:
    """The names of the service's operations."""
    return frozenset(service_model(service).operation_names)


@cache
def regions_of(service: str) -> frozenset[str]:
    """The Regions in which the service is, of all partitions."""
    session = share_models(botocore.session.Session())
    partitions = session.get_available_partitions()
    return frozenset(region for name in partitions for region in session.get_available_regions(service, name))
