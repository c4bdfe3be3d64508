"""Who does the parts of a large sweep: this process, or several of this machine; for others see `on_dask`.

An engine hands out parts and gives back what was found, in any order. Only the caller writes files: whatever a worker
that dies had begun is begun again by another, so nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from kmssim.errors import SetupError
from kmssim.sweep.parts import Job, Part

_AHEAD = 2
"""So many parts for each worker are under way: enough to keep it busy, few enough to hold."""
_DEATHS_BORNE = 3


class Engine(Protocol):
    """Finds the parts of a job."""

    def run(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        """The part of each account, in the order in which they are found. Raises SetupError when workers fail."""


class Local:
    """One part after the other, in this process."""

    def run(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        """As `Engine` says; this one keeps the order."""
        return map(job.find, accounts)


class Processes:
    """Several processes of this machine. Each gets the job once, when it starts."""

    def __init__(self, workers: int) -> None:
        """`workers`: how many processes."""
        self.workers = workers

    def run(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        """As `Engine` says. When a process dies, what had not come back is given to new ones."""
        left, deaths = dict.fromkeys(accounts), 0
        while left:
            try:
                for part in self._run_all(job, list(left)):
                    del left[part.account]
                    deaths = 0
                    yield part
            except BrokenProcessPool:
                deaths += 1
                if deaths > _DEATHS_BORNE:
                    raise SetupError(
                        f"worker processes died {deaths} times in a row and found nothing: if memory runs out, take "
                        "fewer --workers; what is done is kept"
                    ) from None

    def _run_all(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        spawn = multiprocessing.get_context("spawn")  # forking a process that has threads is asking for trouble
        not_ours = set(multiprocessing.active_children())
        with ProcessPoolExecutor(self.workers, spawn, _keep, (job,)) as pool:
            waiting = iter(accounts)
            under_way: set[Future[Part]] = set()
            try:
                while True:
                    for account in _first(waiting, self.workers * _AHEAD - len(under_way)):
                        under_way.add(pool.submit(_find, account))
                    if not under_way:
                        return
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for one in done:
                        yield one.result()
            except BaseException:  # whoever interrupts does not wait for parts that are under way
                pool.shutdown(wait=False, cancel_futures=True)
                for process in set(multiprocessing.active_children()) - not_ours:
                    process.terminate()
                raise


def _first(waiting: Iterator[str], number: int) -> Iterator[str]:
    for _, account in zip(range(number), waiting, strict=False):
        yield account


_kept: list[Job] = []
"""In a worker process: the job that it was started for."""


def _keep(job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; the driver says what becomes of workers
    threading.Thread(target=_end_with_driver, daemon=True).start()
    _kept.append(job)


def _end_with_driver() -> None:
    """A driver that is killed can end nobody: its workers would wait for work for ever."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def _find(account: str) -> Part:
    return _kept[0].find(account)
