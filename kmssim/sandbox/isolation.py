"""Nothing leaves the machine: the guard that every sandbox stands in.

Four rings, each closed without the others:

    environment   real credentials, profiles, endpoints and proxies are taken out; child processes inherit that
    sockets       Python's sockets and name look-ups: loopback and Unix sockets only
    transport     botocore's requests: AWS hosts are answered in memory, loopback goes through, all else is refused
    credentials   no profile from before, no credential_process, no metadata endpoint, no token file

Whatever is not known to be safe is refused with NetworkEscapeError, which is no OSError: nothing retries it.

What this does not cover, because nothing in Python can:
  - native code that opens sockets itself: a CRT client that existed before, uvloop, curl bindings, `_socket.socket`;
  - a child process: it inherits invented credentials and proxies that lead nowhere, which holds for programs that heed
    them (the AWS CLI, the SDKs, curl); one that sets its own environment or ignores proxies is free;
  - `gethostbyname` and its kin where a module imported the function itself before the guard;
  - credentials that a session had already loaded before: they may sign requests, which stay in memory.

The guard is process-wide and ends for all threads at once. A thread that goes on afterwards is outside.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kmssim.errors import SetupError
from kmssim.sandbox.credentials import no_real_credentials
from kmssim.sandbox.environment import scrubbed_environment
from kmssim.sandbox.sockets import loopback_only
from kmssim.sandbox.transport import Answer, answer_with_moto, in_memory_transport


@dataclass
class _Standing:
    """The one guard of this process: how many entered it, what answers, and how to take it down."""

    entered: int
    answer: Answer | None
    rings: ExitStack


_lock = threading.Lock()
_standing: _Standing | None = None


@contextmanager
def guard(*, answer: Answer | None = None) -> Iterator[None]:
    """Nothing leaves this process while any guard is open; at the last exit everything is as it was before the first.

    `answer` takes botocore's requests to AWS hosts and returns a response, or None to have them refused; by default
    moto does. May be nested and entered from several threads. Raises SetupError when a guard with another `answer` is
    open, or when this installation lacks something to stand on; each attempt to get out raises NetworkEscapeError.
    """
    _enter(answer)
    try:
        yield
    finally:
        _leave()


def _enter(answer: Answer | None) -> None:
    global _standing  # noqa: PLW0603 (what is patched is the process's, and so is this)
    with _lock:
        if _standing is None:
            _standing = _Standing(1, answer, _raise_rings(answer))
        elif answer is None or answer is _standing.answer:
            _standing.entered += 1
        else:
            raise SetupError(
                "a sandbox that answers differently is open in this process; leave it before starting another"
            )


def _leave() -> None:
    global _standing
    with _lock:
        if _standing is None:
            raise SetupError("a guard was left that is not open")
        _standing.entered -= 1
        if not _standing.entered:
            rings, _standing = _standing.rings, None
            rings.close()


def _raise_rings(answer: Answer | None) -> ExitStack:
    """All four or none; the environment first, because moto and botocore read it when they are imported."""
    with ExitStack() as rings:
        dead_end = rings.enter_context(scrubbed_environment())
        rings.enter_context(loopback_only(dead_end))
        rings.enter_context(no_real_credentials())
        rings.enter_context(in_memory_transport(answer or answer_with_moto()))
        return rings.pop_all()
