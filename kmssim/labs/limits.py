"""What a process that is forked for one task may take of the machine."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEGABYTE = 1024 * 1024
LARGEST_FILE_MB = 64


@contextmanager
def limited(memory_mb: int, seconds: int) -> Iterator[None]:
    """No more memory than this beyond what is in use, and no file that fills a disk.

    Whoever forked the process ends it after so many seconds. Should it have ended before, the system does, after some
    more of work.
    """
    largest = LARGEST_FILE_MB * _MEGABYTE
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    at_work = 2 * seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (at_work, at_work))
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = _address_space()
    if used is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_mb * _MEGABYTE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)  # telling of a MemoryError needs some


def _address_space() -> int | None:
    """Bytes in use; None where the system does not say, and would not heed a limit either."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return None
    return int(pages) * resource.getpagesize()
