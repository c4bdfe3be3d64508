"""Parts of a large sweep found by Dask workers: of this machine, or of the scheduler at an address.

The job travels to each worker once, as a plug-in of the worker, and reaches those that come later, too. When a worker
dies the scheduler gives its parts to others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import uuid4

from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    as_completed,
    get_worker,
)
from distributed.comm import CommClosedError

from kmssim.errors import SetupError
from kmssim.sweep.parts import Job, Part

_AHEAD = 2
_PATIENCE = 20
"""Seconds that a scheduler has to answer."""


class Dask:
    """Dask distributed as the engine."""

    def __init__(self, address: str | None, workers: int) -> None:
        """`address` None: a scheduler and so many worker processes of its own, on loopback."""
        self.address = address
        self.workers = workers

    def run(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        """The parts as they are found. Raises SetupError where no scheduler answers, or a part kills its workers."""
        run = f"kmssim-sweep-{uuid4().hex}"
        with self._client() as client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError:
                raise SetupError(f"the Dask scheduler at {self.address} has no workers") from None
            client.register_plugin(Keeping(job), name=run)
            waiting = iter(accounts)

            def submit(number: int) -> list[Future]:
                some = [account for _, account in zip(range(number), waiting, strict=False)]
                return [client.submit(find_kept, run, account, key=f"{run}-{account}") for account in some]

            under_way = as_completed(submit(_AHEAD * max(1, sum(client.nthreads().values()))))
            try:
                for done in under_way:
                    yield done.result()
                    under_way.update(submit(1))
            except KilledWorker as killed:
                raise SetupError(f"workers die of a part: {killed}; what is done is kept") from None
            except (CancelledError, CommClosedError, OSError) as lost:
                raise SetupError(f"the Dask scheduler is gone: {lost}; what is done is kept") from None
            finally:
                with suppress(CommClosedError, OSError):  # whoever is gone keeps no job
                    client.unregister_worker_plugin(run)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        if self.address is None:
            quiet = logging.CRITICAL  # that a worker died and another took over is no news to the user
            with (
                LocalCluster(
                    self.workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=quiet
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(self.address, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise SetupError(f"no Dask scheduler answers at {self.address}: {error}") from None
        with client:
            yield client


class Keeping(WorkerPlugin):
    """Keeps a job in a worker."""

    def __init__(self, job: Job) -> None:
        """`job`: what the worker is to find parts of."""
        self.job = job

    def setup(self, worker: Worker) -> None:
        """Nothing to be done: the worker holds its plug-ins."""


def find_kept(run: str, account: str) -> Part:
    """In a worker: the part of the job that was kept for this run."""
    found: Part = get_worker().plugins[run].job.find(account)
    return found
