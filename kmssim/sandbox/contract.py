"""What the gate relies on in moto, checked each time a gate goes up.

moto names none of it as its interface. So a release that moved something must be a clear SetupError, never a gate
through which calls pass unseen:

    1  moto.SERVICE.urls.url_paths is a dict of handlers, bound to a response class or plain functions
    2  a handler is called as handler(request, full_url, headers) and answers (status, headers, body)
    3  the header x-moto-account-id chooses the account
    4  moto.core.botocore_stubber routes botocore's requests through that table, and moto.core.models registers it
    5  moto.kms.models keeps grants as objects, in a dictionary of each key
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from kmssim.errors import SetupError
from kmssim.sandbox.reader import ACCOUNT_HEADER
from kmssim.sandbox.seams import find_seam

SUPPORTED = "moto>=5.2.1,<5.3"
"""The releases that the gate knows, said here and, for whoever installs, in pyproject.toml."""

_PROBE_ACCOUNT = "000000000042"


def check_contract(services: Iterable[str]) -> None:
    """Check all of the above for `services`. Raises SetupError naming moto's version and what moved."""
    version = str(find_seam("moto", "__version__"))
    _check_version(version)
    if os.environ.get("MOTO_ACCOUNT_ID"):
        raise SetupError("MOTO_ACCOUNT_ID is set, which makes moto serve every call from one account; unset it")
    for service in services:
        _check_handlers(service, version)
    _check_header(version)
    _check_routing(version)
    _check_grants(version)


def import_services(services: Iterable[str]) -> None:
    """Import what moto itself imports at the first call to each service; what is not there `check_contract` tells."""
    for service in services:
        with suppress(ImportError):
            import_module(f"moto.{service}.urls")


def handlers_of(service: str) -> dict[str, Callable[..., Any]]:
    """The service's handlers by URL: moto's table itself, not a copy."""
    table: dict[str, Callable[..., Any]] = find_seam(f"moto.{service}.urls", "url_paths")
    return table


def _check_version(version: str) -> None:
    first, before = (_numbers(bound) for bound in SUPPORTED.split(","))
    if not first <= _numbers(version) < before:
        raise SetupError(f"moto {version} is installed, which the gate does not know; install {SUPPORTED}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _check_handlers(service: str, version: str) -> None:
    where = f"moto.{service}.urls.url_paths"
    table: Any
    try:
        table = handlers_of(service)
    except SetupError as error:
        raise _moved(version, f"{where} is gone") from error
    if not isinstance(table, dict) or not table:
        raise _moved(version, f"{where} is no longer a dict of handlers")
    for path, handler in table.items():
        owner = getattr(handler, "__self__", None)
        if not callable(handler) or not (inspect.isclass(owner) or inspect.isfunction(handler)):
            raise _moved(version, f"{where}[{path!r}] is neither a class method nor a function")


def _check_header(version: str) -> None:
    response = _find(version, "moto.core.responses", "BaseResponse")
    dispatch = _find(version, "moto.core.responses", "BaseResponse", "_dispatch")
    if list(inspect.signature(dispatch).parameters) != ["self", "request", "full_url", "headers"]:
        raise _moved(version, "moto.core.responses.BaseResponse._dispatch takes other arguments")
    _find(version, "moto.core.responses", "BaseResponse", "get_current_account")
    probe = SimpleNamespace(headers={ACCOUNT_HEADER: _PROBE_ACCOUNT})
    try:
        account = response.get_current_account(probe)
    except AttributeError as error:
        raise _moved(version, "BaseResponse.get_current_account no longer looks at the headers first") from error
    if account != _PROBE_ACCOUNT:
        raise _moved(version, f"the header {ACCOUNT_HEADER} no longer chooses the account")


def _check_routing(version: str) -> None:
    _find(version, "moto.core.botocore_stubber", "BotocoreStubber", "process_request")
    _find(version, "moto.core.botocore_stubber", "MockRawResponse")
    _find(version, "moto.core.models", "botocore_stubber")


def _check_grants(version: str) -> None:
    """Grants are made by moto and read past its API (`stored_grants`)."""
    _find(version, "moto.kms.models", "kms_backends")
    known = inspect.signature(_find(version, "moto.kms.models", "Key", "add_grant")).parameters
    if not {"name", "grantee_principal", "operations", "constraints", "retiring_principal"} <= known.keys():
        raise _moved(version, "moto.kms.models.Key.add_grant takes other arguments")
    made = _find(version, "moto.kms.models", "Grant")("key", "name", "grantee", ["Encrypt"], {}, "retiring")
    for name in ("id", "token", "name", "operations", "constraints", "grantee_principal", "retiring_principal"):
        if not hasattr(made, name):
            raise _moved(version, f"a grant of moto.kms.models has no {name}")


def _find(version: str, module: str, *path: str) -> Any:  # noqa: ANN401 (a part of moto)
    try:
        return find_seam(module, *path)
    except SetupError as error:
        raise _moved(version, ".".join((module, *path)) + " is gone") from error


def _moved(version: str, what: str) -> SetupError:
    return SetupError(f"moto {version} does not have what the gate stands on: {what}; install another {SUPPORTED}")
