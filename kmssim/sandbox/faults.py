"""What went wrong inside moto or inside this package while a call was served, kept for whoever has to look into it.

A caller never sees a Python exception: it sees the error with which the service itself owns up to a fault, and the
sandbox goes on. Its message names kmssim, so that nobody takes the fault for one of AWS's.
"""

from __future__ import annotations

import re
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kmssim.sandbox.answers import Refusal, internal_failure, unsupported_operation

_MOST = 1000
_ATTEMPT = re.compile(r"attempt=(\d{1,4})\b")
_INTERNAL_ERROR, _NOT_IMPLEMENTED = 500, 501


@dataclass(frozen=True)
class Fault:
    """One call that could not be served: `error` says what was raised, `trace` where.

    `operation` is empty when the request could not even be read.
    """

    service: str
    operation: str
    error: str
    trace: str

    def __str__(self) -> str:
        """Service, operation and error in one line."""
        return f"{self.service}:{self.operation or '?'}: {self.error}"


class Faults:
    """The last faults of one runtime, oldest first. Reading it costs nothing and changes nothing."""

    def __init__(self) -> None:
        """Nothing went wrong yet."""
        self._kept: deque[Fault] = deque(maxlen=_MOST)

    def __iter__(self) -> Iterator[Fault]:
        """Oldest first."""
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        """How many are kept; of very many only the last ones are."""
        return len(self._kept)

    def __getitem__(self, index: int) -> Fault:
        """One of them; -1 is the last."""
        return self._kept[index]

    def __repr__(self) -> str:
        """All of them, a line each: what a failed `assert not sandbox.faults` shows."""
        return "\n".join(str(fault) for fault in self) or "no faults"

    def clear(self) -> None:
        """Forget them."""
        self._kept.clear()

    def record(self, service: str, operation: str, error: Exception, headers: Mapping[str, str]) -> Refusal:
        """Keep what went wrong; returns what the caller is told. `headers` are the request's, in lower case."""
        if isinstance(error, NotImplementedError):
            return unsupported_operation(service, f"kmssim: the sandbox does not simulate {service}:{operation}")
        said = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))  # text: an exception would keep every frame alive
        self._kept.append(Fault(service, operation, said, trace))
        return internal_failure(service, f"kmssim: a fault inside the sandbox: {said}", _status(headers))


def _status(headers: Mapping[str, str]) -> int:
    """A fault is 500, which SDKs take for one that may pass and repeat; ours do not pass.

    So a request that is such a repetition, which every SDK says of it, is answered with 501, a fault that no SDK
    repeats: a test waits once for less than a second, and not for minutes.
    """
    attempt = _ATTEMPT.search(headers.get("amz-sdk-request", ""))
    return _NOT_IMPLEMENTED if attempt and int(attempt[1]) > 1 else _INTERNAL_ERROR
