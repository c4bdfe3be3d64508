"""What botocore knows about the services that can be gated: protocol, and names and shapes of the operations.

The models are read from disk once for the whole process: reading those of a sandbox takes longer than all it does
until its first decision.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from kmssim.errors import SetupError
from kmssim.sandbox.model_loaders import loader_of_clients, untouched_loader


class Protocol(Enum):
    """How a service's requests and errors travel; the values are those of botocore's models."""

    JSON = "json"
    QUERY = "query"
    EC2 = "ec2"
    REST = "rest-xml"


_CHANGED_BY_CLIENTS = frozenset({"s3"})
"""botocore's clients of S3 take the bucket out of the paths of their model."""


@cache
def service_model(service: str) -> Any:  # noqa: ANN401 (botocore's ServiceModel)
    """The service's model. Raises SetupError when botocore has none of that name."""
    loader = untouched_loader() if service in _CHANGED_BY_CLIENTS else loader_of_clients()
    try:
        return ServiceModel(loader.load_service_model(service, "service-2"), service)
    except UnknownServiceError:
        raise SetupError(f"botocore knows no service `{service}`") from None


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
    endpoints = EndpointResolver(loader_of_clients().load_data("endpoints"))
    prefix = service_model(service).endpoint_prefix
    partitions = endpoints.get_available_partitions()
    return frozenset(region for name in partitions for region in endpoints.get_available_endpoints(prefix, name))
