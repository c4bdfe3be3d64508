"""The services that stand in front of KMS, and which of their operations are decided: their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kmssim.sandbox import services_s3, services_secrets
from kmssim.sandbox.front import Front, Outcome

SERVICES: Mapping[str, Mapping[str, Callable[[Front], Outcome]]] = {
    "s3": services_s3.SERVES,
    "secretsmanager": services_secrets.SERVES,
}


def serve(front: Front) -> Outcome | None:
    """What comes of a call to a service; None: it is none that needs KMS, and passes undecided."""
    found = SERVICES[front.wire.service].get(front.wire.operation)
    return found(front) if found else None
