"""The one seam into moto: every call to a gated service passes here, and here only.

Both of moto's front ends, the botocore handler of `mock_aws` and the HTTP server, look a request up in
`moto.SERVICE.urls.url_paths` and call what they find there. The gate puts itself in its place:

    wire call → who calls → hook `before` → moto → what the answer teaches → hook `after`

Nothing else in moto is patched. The class methods that the table is made of are replaced as well, because moto makes
S3's table anew on every look-up. A server has to be started while the gate is up: it copies the table when it serves a
service for the first time.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

from kmssim.errors import NetworkEscapeError, SetupError
from kmssim.evaluator.request import Principal
from kmssim.sandbox import moto_request
from kmssim.sandbox.access_keys import learn_access_keys
from kmssim.sandbox.answers import (
    Answer,
    Refusal,
    Rewrite,
    expired_credentials,
    missing_credentials,
    render,
    unknown_credentials,
)
from kmssim.sandbox.contract import check_contract, handlers_of
from kmssim.sandbox.faults import Faults
from kmssim.sandbox.identity import Identities, Identity, root_user
from kmssim.sandbox.reader import ACCOUNT_HEADER, Reader, is_bypassed
from kmssim.sandbox.sessions import UNSIGNED_OPERATIONS, Asked, Assume, Finish, begin_session, refuse_unsigned
from kmssim.sandbox.turns import TURN
from kmssim.sandbox.wire import WireCall, read_wire

GATED = ("kms", "sts", "iam", "organizations")

_Handler = Callable[..., Any]
_NO_ACCOUNT = "000000000000"
_lock = threading.Lock()
_up: Gate | None = None


class Hooks(Protocol):
    """Who decides. Called from any thread."""

    def before(self, service: str, wire: WireCall, principal: Principal) -> Refusal | Answer | Rewrite | None:
        """Before moto: refuse, answer in its place, change the request, or let it pass."""

    def after(self, service: str, wire: WireCall, principal: Principal, answer: Answer) -> Refusal | Answer | None:
        """After moto answered, with success or not: refuse, answer in its place, or let it pass."""


class Gate:
    """Open with `with`; calls are gated until the end of the block, then moto is exactly what it was before."""

    def __init__(
        self,
        hooks: Hooks,
        *,
        services: tuple[str, ...] = GATED,
        identities: Identities | None = None,
        reader: Reader | None = None,
        faults: Faults | None = None,
        assume: Assume | None = None,
    ) -> None:
        """`services` are moto's names; sessions and access keys are learned when `sts` and `iam` are among them.

        What goes wrong while a call is served is kept in `faults`. `assume` decides who may assume a role; None:
        whoever asks may.
        """
        self.hooks = hooks
        self.services = services
        self.identities = identities or Identities()
        self.reader = reader or Reader()
        self.faults = Faults() if faults is None else faults
        self._assume = assume
        self._installed = ExitStack()

    def __enter__(self) -> Self:
        """Install. Raises SetupError when another gate is up, or moto is not what the gate knows."""
        global _up  # noqa: PLW0603 (moto is one for the whole process, and so is the gate)
        with _lock:
            if _up is not None:
                raise SetupError("another gate is up in this process; leave its sandbox before starting another")
            check_contract(self.services)
            with ExitStack() as installed:
                for service in self.services:
                    _install(service, self._serve, installed)
                self._installed = installed.pop_all()
            _up = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Uninstall. A server that outlives the gate answers that it knows no credentials."""
        global _up  # noqa: PLW0603 (as above)
        with _lock:
            self._installed.close()
            _up = None

    def _serve(self, service: str, handler: _Handler, request: Any, url: str, headers: Any) -> Any:  # noqa: ANN401 (moto's)
        """Answer a request, whatever happens: a fault inside is told as the service would tell one of its own."""
        wire: WireCall | Refusal | None = None
        try:
            wire = read_wire(service, request, url)
            if isinstance(wire, Refusal):
                return _as_moto(render(wire, service, request.method))
            with TURN:
                return self._serve_call(wire, handler, request, url, headers)
        except NetworkEscapeError:
            raise  # nothing may swallow it: the guard has just kept something on this machine
        except Exception as error:  # noqa: BLE001 (moto answers some requests with a bare KeyError)
            call = wire if isinstance(wire, WireCall) else None
            fault = self.faults.record(service, call.operation if call else "", error, call.headers if call else {})
            return _as_moto(render(fault, service, request.method))

    def _serve_call(self, wire: WireCall, handler: _Handler, request: Any, url: str, headers: Any) -> Any:  # noqa: ANN401 (moto's)
        service = wire.service
        caller = self._identify(wire)
        if isinstance(caller, Refusal):
            return _as_moto(render(caller, service, wire.method))

        def run_moto(rewrite: Rewrite) -> Answer:
            _apply(rewrite, request)
            status, sent, body = handler(request, url, moto_request.headers_for_handler(request, headers))
            return Answer(body.encode() if isinstance(body, str) else body, int(status), sent)

        answer = self._answer(wire, caller, run_moto)
        return _as_moto(render(answer, service, wire.method) if isinstance(answer, Refusal) else answer)

    def _identify(self, wire: WireCall) -> Identity | Refusal:
        if _up is not self:
            return unknown_credentials(wire.service)
        if is_bypassed() and ACCOUNT_HEADER in wire.headers:
            return Identity(root_user(wire.headers[ACCOUNT_HEADER]))
        if wire.service == "sts" and wire.operation in UNSIGNED_OPERATIONS:
            return refuse_unsigned(wire.operation)
        if wire.access_key is None:
            return missing_credentials(wire.service)
        found = self.identities.find(wire.access_key, wire.token)
        if found is not None and self.identities.has_expired(found):
            return expired_credentials(wire.service)
        return found or unknown_credentials(wire.service)

    def _answer(self, wire: WireCall, caller: Identity, run_moto: Callable[[Rewrite], Answer]) -> Answer | Refusal:
        bypassed = is_bypassed()
        said = None if bypassed else self.hooks.before(wire.service, wire, caller.principal)
        if isinstance(said, Refusal | Answer):
            return said
        finish = self._begin_session(wire, caller)
        if isinstance(finish, Refusal):
            return finish
        account = (said and said.account) or _home(caller.principal)
        try:
            answer = run_moto(replace(said or Rewrite(), account=account))
        except Exception:
            if not bypassed:  # what moto changed before it failed must be read again
                self.hooks.after(wire.service, wire, caller.principal, Answer(b"", 500))
            raise
        if finish and answer.status < 300:  # noqa: PLR2004 - HTTP success
            answer = finish(answer)
        if wire.service == "iam":
            learn_access_keys(wire, account, answer, self.identities, self.reader)
        changed = None if bypassed else self.hooks.after(wire.service, wire, caller.principal, answer)
        return changed or answer

    def _begin_session(self, wire: WireCall, caller: Identity) -> Refusal | Finish | None:
        if wire.service != "sts":
            return None
        bypassed = is_bypassed()
        assume = None if bypassed else self._assume
        return begin_session(Asked(wire, caller, self.identities, self.reader, assume, lasting=bypassed))


def _home(principal: Principal) -> str:
    """The account that serves the call; a service that calls for itself has only its source's (SV-2)."""
    return principal.account or principal.source_account or _NO_ACCOUNT


def _apply(rewrite: Rewrite, request: moto_request.Request) -> None:
    if rewrite.account:
        moto_request.set_header(request, ACCOUNT_HEADER, rewrite.account)
    for name, value in rewrite.headers.items():
        moto_request.set_header(request, name, value)
    if rewrite.parameters is not None:
        body = json.dumps(dict(rewrite.parameters)).encode().replace(b"&", b"\\u0026")  # see `wire`
        moto_request.set_body(request, body)


def _as_moto(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, dict(answer.headers), answer.body


def _install(service: str, serve: Callable[..., Any], installed: ExitStack) -> None:
    """Put `serve` in the place of each of the service's handlers, and what undoes it on the stack."""
    handlers = dict(handlers_of(service))
    wrappers = {handler: _wrapper(service, handler, serve) for handler in handlers.values()}
    installed.callback(_restore_table, service, handlers)
    for handler, wrapper in wrappers.items():
        if inspect.ismethod(handler):
            installed.callback(_replace_method(handler, wrapper))
    handlers_of(service).update({path: wrappers[handler] for path, handler in handlers.items()})


def _wrapper(service: str, handler: _Handler, serve: Callable[..., Any]) -> _Handler:
    def gated(request: Any, full_url: str, headers: Any) -> Any:  # noqa: ANN401 (moto's)
        return serve(service, handler, request, full_url, headers)

    gated.__name__ = f"kmssim_gate_{service}"  # moto's server treats handlers named `dispatch` as methods
    return gated


def _replace_method(handler: Any, wrapper: _Handler) -> Callable[[], None]:  # noqa: ANN401 (a bound class method)
    """Replace the class method behind a handler; returns what undoes it, inherited or own."""
    owner, name = handler.__self__, handler.__func__.__name__
    own = vars(owner).get(name)
    setattr(owner, name, staticmethod(wrapper))
    return (lambda: delattr(owner, name)) if own is None else (lambda: setattr(owner, name, own))


def _restore_table(service: str, handlers: dict[str, _Handler]) -> None:
    """Put the handlers back into the table of today: moto may have made S3's anew, of what stood in the class then."""
    handlers_of(service).update(handlers)
