"""The least processor time of a piece of the requests over several passes, as our own figures are taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

PIECE = 100


def timed(requests: Sequence[dict], answer: Callable[[Sequence[dict]], list[bool]], passes: int) -> dict[str, object]:
    """Time a program that answers a piece of the requests at a time."""
    pieces = [requests[start : start + PIECE] for start in range(0, len(requests), PIECE)]
    best, answers = [float("inf")] * len(pieces), []
    for _ in range(passes):
        answers = []
        for number, piece in enumerate(pieces):
            start = time.process_time()
            answers += answer(piece)
            best[number] = min(best[number], time.process_time() - start)
    return {"microseconds": sum(best) / len(requests) * 1e6, "answers": answers}
