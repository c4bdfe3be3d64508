"""What moto holds, looked at past its API: whether a service holds anything of an account at all."""

from __future__ import annotations

import sys
from typing import Any

from kmssim.sandbox.seams import find_seam


def backends_of(service: str) -> dict[str, Any]:
    """The service's state by account, as moto holds it."""
    found: dict[str, Any] = find_seam("moto.backends", "get_backend")(service)
    return found


def is_untouched(service: str, account: str | None = None) -> bool:
    """Whether no call of the account (None: of any) has ever reached the service, so that there is nothing to read.

    To ask a service for its empty list takes moto a tenth of a second when it is the first question.
    """
    if f"moto.{service}.models" not in sys.modules:
        return True
    backends = backends_of(service)
    return not backends if account is None else account not in backends
