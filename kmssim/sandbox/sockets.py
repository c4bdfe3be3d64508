"""No socket of Python's leads off this machine: connecting, sending and looking up names are refused beyond loopback.

This is the floor under the transport: whatever does not go through botocore (urllib3, requests, http.client, asyncio,
moto's own deliveries to https subscriptions) ends here. Connections that were opened before are stopped when they send.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from kmssim.errors import NetworkEscapeError
from kmssim.sandbox.seams import Function, find_seam, replaced

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_LOCAL = getattr(socket, "AF_UNIX", None)
_SENDMSG_ADDRESS = 3  # sendmsg(buffers, ancillary data, flags, address)
_ADVICE = "use a client that was made inside the sandbox, or a server on 127.0.0.1"

Check = Callable[..., None]


def refuse(attempt: str, advice: str = _ADVICE) -> NoReturn:
    """Raise NetworkEscapeError for `attempt`, for example "connect to 192.0.2.1"."""
    raise NetworkEscapeError(f"something tried to {attempt}; kmssim lets nothing leave this machine: {advice}")


def is_this_machine(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine; nobody is asked."""
    return _is_own_address(host) or _is_own_name(host)


@functools.lru_cache(maxsize=256)
def _is_own_address(host: str) -> bool:
    """Loopback, and the unspecified address. Odd spellings (127.1, 0x7f000001) are not, so they are refused."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _is_own_name(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost") or name == socket.gethostname().lower()


@contextmanager
def loopback_only(dead_end: int) -> Iterator[None]:
    """Refuse what is not loopback or a Unix socket, and port `dead_end`, where the environment's proxies point.

    Raises NetworkEscapeError at the attempt; SetupError when this Python lacks one of the functions to guard.
    """
    methods: dict[str, Check] = {
        "connect": functools.partial(_check_connect, dead_end),
        "connect_ex": functools.partial(_check_connect, dead_end),
        "sendto": _check_sendto,
        "sendmsg": _check_sendmsg,
        "send": _check_peer,
        "sendall": _check_peer,
        "sendfile": _check_peer,
    }
    with ExitStack() as stack:
        for name, check in methods.items():
            stack.enter_context(replaced(socket.socket, name, _checked(check)))
        # An open TLS connection writes past socket.send.
        for name in ("send", "write"):
            stack.enter_context(replaced(find_seam("ssl", "SSLSocket"), name, _checked(_check_peer)))
        # socket.getaddrinfo calls _socket.getaddrinfo: a reference to it that was taken earlier ends there.
        for module in (socket, find_seam("_socket")):
            for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
                stack.enter_context(replaced(module, name, _look_up_own_names_only))
            stack.enter_context(replaced(module, "getnameinfo", _checked(_check_reverse_look_up)))
        stack.enter_context(replaced(socket, "create_connection", _checked(_check_create_connection)))
        yield


def _checked(check: Check) -> Callable[[Function], Function]:
    """Wrap a function so that `check` sees the arguments first."""

    def wrap(real: Function) -> Function:
        def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the guarded function takes and returns)
            check(*args, **kwargs)
            return real(*args, **kwargs)

        return guarded

    return wrap


def _check_connect(dead_end: int, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 (a family's own shape)
    _check_address(sock, address, "connect")
    if sock.family in _INTERNET and address[1] == dead_end:
        refuse("reach a host outside through the environment's proxy, which is a dead end in the sandbox")


def _check_sendto(sock: socket.socket, _data: object, *rest: Any) -> None:  # noqa: ANN401 (flags, address)
    if rest:
        _check_address(sock, rest[-1], "send a datagram")


def _check_sendmsg(sock: socket.socket, *args: Any) -> None:  # noqa: ANN401 (buffers, ancillary data, flags, address)
    if len(args) > _SENDMSG_ADDRESS and args[_SENDMSG_ADDRESS] is not None:
        _check_address(sock, args[_SENDMSG_ADDRESS], "send a datagram")
    else:
        _check_peer(sock)


def _check_peer(sock: socket.socket, *_args: object, **_kwargs: object) -> None:
    """For sockets that may have been connected before there was a guard."""
    try:
        peer = sock.getpeername()
    except OSError:
        return  # not connected (any more): the real function says so in its own words
    _check_address(sock, peer, "send over an open connection")


def _check_address(sock: socket.socket, address: Any, attempt: str) -> None:  # noqa: ANN401 (a family's own shape)
    if sock.family == _LOCAL:
        return
    if sock.family in _INTERNET and isinstance(address, tuple) and address:
        host = _text(address[0])
        # Of the names only this one: the real function would go and ask for any other.
        if _is_own_address(host) or host == "localhost":
            return
    refuse(f"{attempt} to {address!r}")


def _look_up_own_names_only(real: Function) -> Function:
    """Our own names (RFC 6761) are all looked up as `localhost`, so that none is asked for outside."""

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (str, bytes or None; whatever comes back)
        name = _text(host)
        if _is_own_name(name):
            return real("localhost", *args, **kwargs)
        if name and not _is_own_address(name):
            refuse(f"look up the name {name!r}")
        return real(host, *args, **kwargs)

    return look_up


def _check_reverse_look_up(address: Any, flags: int) -> None:  # noqa: ANN401 (a family's own shape)
    if not flags & socket.NI_NUMERICHOST and not _is_own_address(_text(address[0])):
        refuse(f"look up the name of {address!r}")


def _check_create_connection(address: Any, *_args: object, **_kwargs: object) -> None:  # noqa: ANN401 (host and port)
    if not is_this_machine(_text(address[0])):
        refuse(f"connect to {address!r}")


def _text(host: Any) -> str:  # noqa: ANN401 (str, bytes or None)
    return bytes(host).decode("latin-1") if isinstance(host, bytes | bytearray) else str(host or "")
