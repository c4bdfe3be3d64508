"""Every HTTP request of botocore is answered in this process or refused.

`URLLib3Session.send` is the one method through which every client, whenever and however it was made, and the fetchers
of credentials reach the network. AWS hosts are answered by moto; so clients and sessions from before the sandbox,
sessions without built-in handlers, and the dual-stack hosts that moto does not know reach the same gate as all others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kmssim.errors import SetupError
from kmssim.sandbox.seams import Function, find_seam, replaced
from kmssim.sandbox.sockets import is_this_machine, refuse

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

Answer = Callable[["AWSPreparedRequest"], "AWSResponse | None"]

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")
_DUAL_STACK = {".api.aws": ".amazonaws.com", ".api.amazonwebservices.com.cn": ".amazonaws.com.cn"}


@contextmanager
def in_memory_transport(answer: Answer) -> Iterator[None]:
    """Botocore's requests to AWS go to `answer`, those to loopback out, all others (and unanswered ones) are refused.

    Raises NetworkEscapeError at the attempt; SetupError when botocore or boto3 lack the methods to stand on.
    """

    def wrap(real: Function) -> Function:
        def send(session: Any, request: AWSPreparedRequest) -> Any:  # noqa: ANN401 (botocore's session and response)
            host = urlsplit(request.url).hostname or ""
            if is_this_machine(host):
                return real(session, request)
            response = answer(_for_moto(request, host)) if is_aws(host) else None
            if response is None:
                refuse(f"send {request.method} {_shown(request.url)}")
            response.url = request.url
            return response

        return send

    with ExitStack() as stack:
        stack.enter_context(replaced(find_seam("botocore.httpsession", "URLLib3Session"), "send", wrap))
        _switch_off_native_transfers(stack)
        yield


def is_aws(host: str) -> bool:
    """Whether `host` is a name of AWS's own, in the commercial and the China partition."""
    return host.lower().endswith((*_AWS_DOMAINS, *_DUAL_STACK))


def answer_with_moto() -> Answer:
    """What answers when nothing else is given: moto's own routing, whether or not a mock is active.

    Raises SetupError when moto lacks it, or was imported in a mode that sends requests elsewhere.
    """
    if find_seam("moto.settings", "TEST_SERVER_MODE"):
        raise SetupError("moto was imported with TEST_SERVER_MODE set, so it mocks nothing; unset it and start again")
    find_seam("moto.core.botocore_stubber", "BotocoreStubber", "process_request")
    route = find_seam("moto.core.botocore_stubber", "BotocoreStubber")().process_request
    raw = find_seam("moto.core.botocore_stubber", "MockRawResponse")
    response = find_seam("botocore.awsrequest", "AWSResponse")

    def answer(request: AWSPreparedRequest) -> AWSResponse | None:
        routed = route(request)
        if routed is None:
            return None
        status, headers, body = routed
        return response(request.url, int(status), headers, raw(body))

    return answer


def _for_moto(request: AWSPreparedRequest, host: str) -> AWSPreparedRequest:
    """The request under the host name that moto knows: kms.eu-west-1.api.aws is kms.eu-west-1.amazonaws.com."""
    for suffix, known in _DUAL_STACK.items():
        if host.endswith(suffix):
            request = copy.copy(request)
            request.url = request.url.replace(host, host.removesuffix(suffix) + known, 1)
    return request


def _shown(url: str) -> str:
    """The URL without its query, which may carry a signature."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _switch_off_native_transfers(stack: ExitStack) -> None:
    """boto3's CRT transfer client opens sockets of its own, which nothing in Python sees; S3 goes the classic way."""
    transfer = find_seam("boto3.s3.transfer")
    stack.enter_context(replaced(transfer, "_should_use_crt", lambda _real: lambda _config: False))
    if getattr(transfer, "HAS_CRT", False):
        # Who asks for it past boto3's choice is told; a client that exists already cannot be taken back.
        for module in ("s3transfer.crt", "boto3.crt"):
            native = find_seam(module)
            stack.enter_context(replaced(native, "create_s3_crt_client", lambda _real: _refuse_native_client))


def _refuse_native_client(*_args: object, **_kwargs: object) -> None:
    refuse("make a CRT client for S3, whose sockets cannot be guarded", 'set preferred_transfer_client to "classic"')
