"""Python's garbage collector, held while many objects are made that stay.

It looks through everything that the process has, again and again as their number grows, and finds nothing to free: a
quarter of a first sandbox's start.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_held() -> Iterator[None]:
    """The collector does not run while this is open, in no thread; afterwards it does as before."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()
