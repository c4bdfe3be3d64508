"""No real credential is looked for: not in profiles, by running a program, or at a metadata endpoint.

The scrubbed environment settles this for sessions that are made inside. This module is about those from before, which
have read the real profiles and know the real metadata endpoint; and about endpoints on loopback, which the transport
lets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from kmssim.sandbox.seams import Function, find_seam, replaced
from kmssim.sandbox.sockets import refuse

_ADVICE = "make the session inside the sandbox, with an access key from there"


@dataclass(frozen=True)
class _Source:
    """A method of botocore's that fetches credentials, called for a first look and for every later refresh."""

    module: str
    owner: str
    method: str
    attempt: str
    optional: bool = False  # newer than the oldest botocore that kmssim works with


_SOURCES = (
    _Source("botocore.credentials", "ProcessProvider", "_retrieve_credentials_using", "run a credential_process"),
    _Source("botocore.utils", "IMDSFetcher", "_fetch_metadata_token", "ask the instance metadata service (IMDS)"),
    _Source("botocore.utils", "IMDSFetcher", "_get_request", "ask the instance metadata service (IMDS)"),
    _Source("botocore.utils", "ContainerMetadataFetcher", "_get_response", "ask the container credentials endpoint"),
    _Source("botocore.utils", "FileWebIdentityTokenLoader", "__call__", "read a web identity token file"),
    _Source("botocore.utils", "SSOTokenLoader", "__call__", "read a cached IAM Identity Center token"),
    _Source("botocore.utils", "LoginTokenLoader", "load_token", "read a cached `aws login` token", optional=True),
)


@contextmanager
def no_real_credentials() -> Iterator[None]:
    """Refuse every source of credentials but arguments, the environment, and files named inside the sandbox.

    Raises NetworkEscapeError at the attempt; SetupError when botocore lacks a method to stand on.
    """
    with ExitStack() as stack:
        for source in _SOURCES:
            if source.optional and not hasattr(find_seam(source.module), source.owner):
                continue  # this botocore has no such source
            owner = find_seam(source.module, source.owner)
            stack.enter_context(replaced(owner, source.method, _refusing(source.attempt)))
        _keep_older_sessions_from_looking(stack)
        yield


def _refusing(attempt: str) -> Callable[[Function], Function]:
    def wrap(real: Function) -> Function:
        def fetch(fetcher: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (botocore's own)
            if getattr(fetcher, "_disabled", False):  # AWS_EC2_METADATA_DISABLED: botocore gives up without asking
                return real(fetcher, *args, **kwargs)
            return refuse(attempt, _ADVICE)

        return fetch

    return wrap


def _keep_older_sessions_from_looking(stack: ExitStack) -> None:
    """A session from before knows the real profiles: it gets the environment's credentials, which are invented."""
    session_class = find_seam("botocore.session", "Session")
    from_environment = find_seam("botocore.credentials", "EnvProvider")
    inside: WeakSet[Any] = WeakSet()

    def remember(real: Function) -> Function:
        def initialise(session: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (botocore's own)
            inside.add(session)
            real(session, *args, **kwargs)

        return initialise

    def look(real: Function) -> Function:
        def get_credentials(session: Any) -> Any:  # noqa: ANN401 (botocore's own)
            if session in inside or session._credentials is not None:  # noqa: SLF001 (loaded already: nothing is looked for)
                return real(session)
            profile = session.instance_variables().get("profile")
            if profile is not None:
                refuse(f"load the credentials of profile {profile!r} into a session from before the sandbox", _ADVICE)
            return from_environment().load()  # not kept: outside, the session looks for itself again

        return get_credentials

    stack.enter_context(replaced(session_class, "__init__", remember))
    stack.enter_context(replaced(session_class, "get_credentials", look))
