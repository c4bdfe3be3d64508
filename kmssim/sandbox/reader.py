"""The sandbox's own boto3 clients, for any account; and the mark of its own calls, which nobody authorizes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from kmssim.sandbox.model_loaders import new_session
from kmssim.sandbox.seams import find_seam

ACCOUNT_HEADER = "x-moto-account-id"
"""moto serves a request from the account that this header names."""

_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=AKIAKMSSIMREADER0000/20260101/{region}/{service}/aws4_request"
"""Tells moto the Region; a signature, which takes longer than the question, nobody looks at."""
_CLIENTS_KEPT = 256
_lock = threading.Lock()
_account: ContextVar[str] = ContextVar("kmssim_account")
_bypass: ContextVar[bool] = ContextVar("kmssim_bypass", default=False)


@contextmanager
def bypassed() -> Iterator[None]:
    """Calls made in this context reach moto without asking the hooks: for the sandbox's own reads and for seeding.

    They count as made by the root user of the account they go to. Holds in this thread or task, and in process only.
    """
    mark = _bypass.set(True)
    try:
        yield
    finally:
        _bypass.reset(mark)


def is_bypassed() -> bool:
    """Whether the current context is the sandbox's own."""
    return _bypass.get()


class Reader:
    """Real boto3 clients that talk to moto without HTTP, credentials or hooks, whether or not a mock is active."""

    def client(self, service: str, account: str, region: str = "us-east-1") -> Any:  # noqa: ANN401 (a boto3 client)
        """A client of `service` whose calls are served from `account`; the same one each time, fit for any thread.

        Raises SetupError when moto lacks what it stands on.
        """
        with _lock:
            return _client(service, account, region)


@lru_cache(maxsize=_CLIENTS_KEPT)
def _client(service: str, account: str, region: str) -> Any:  # noqa: ANN401 (a boto3 client)
    """The client of a service, bound to an account: to make one takes as long as several calls."""
    client = _of_any_account(service, region)
    ask = find_seam("botocore.client", "BaseClient", "_make_api_call")

    def make_api_call(operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 (an answer of botocore's)
        mark = _account.set(account)
        try:
            return ask(client, operation, parameters)
        finally:
            _account.reset(mark)

    bound = object.__new__(type(client))  # a copy by hand: `copy` looks for what botocore's clients take for events
    vars(bound).update(vars(client), _make_api_call=make_api_call)
    return bound


@cache
def _of_any_account(service: str, region: str) -> Any:  # noqa: ANN401 (a boto3 client)
    """Clients hold nothing of a sandbox, so the next one in this process uses them as well."""
    config = Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True, signature_version=UNSIGNED)
    client = _session().create_client(service, region_name=region, config=config)
    events = client.meta.events
    # botocore sends the event to every handler and then takes the first answer: moto's own handler would run each
    # request a second time, outside the bypass.
    events.unregister("before-send", find_seam("moto.core.models", "botocore_stubber"))
    events.register_first("before-send", _sender(_AUTHORIZATION.format(region=region, service=service)))
    return client


@cache
def _session() -> Any:  # noqa: ANN401 (a botocore session)
    return new_session()


def _sender(authorization: str) -> Any:  # noqa: ANN401 (a handler of botocore's)
    route = find_seam("moto.core.botocore_stubber", "BotocoreStubber")().process_request
    raw = find_seam("moto.core.botocore_stubber", "MockRawResponse")
    response = find_seam("botocore.awsrequest", "AWSResponse")

    def send(request: AWSPreparedRequest, **_: object) -> Any:  # noqa: ANN401 (botocore's response)
        request.headers[ACCOUNT_HEADER] = _account.get()
        request.headers["Authorization"] = authorization
        with bypassed():
            status, headers, body = route(request)
        return response(request.url, int(status), headers, raw(body))

    return send
