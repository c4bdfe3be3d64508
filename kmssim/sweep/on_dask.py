"""Parts of a large sweep found by Dask workers: of this machine, or of the scheduler at an address.

The job travels to each worker once, as a plug-in of the worker, and reaches those that come later, too. When a worker
dies the scheduler gives its parts to others.
"""

from __future__ import annotations

import logging
import signal
import threading
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

from kmssim import __version__
from kmssim.errors import KmssimError, SetupError
from kmssim.sweep.parts import Job, Part

_AHEAD = 2
_PATIENCE = 10
"""Seconds that a scheduler has to answer."""
_KEPT = "what is done is kept"


class Dask:
    """Dask distributed as the engine."""

    def __init__(self, address: str | None, workers: int) -> None:
        """`address` None: a scheduler and so many worker processes of its own, on loopback."""
        self.address = address
        self.workers = workers

    def run(self, job: Job, accounts: Sequence[str]) -> Iterator[Part]:
        """The parts as they are found. Raises SetupError where no scheduler answers, or workers fail."""
        run = f"kmssim-sweep-{uuid4().hex}"
        with _quiet(), self._client() as client:
            self._send(client, Keeping(job, __version__), run)
            try:
                yield from _parts(client, run, accounts)
            except (CancelledError, CommClosedError, OSError):
                raise SetupError(f"the Dask scheduler is gone; {_KEPT}: the same command goes on") from None
            finally:
                with suppress(CommClosedError, OSError):  # whoever is gone keeps no job
                    client.unregister_worker_plugin(run)

    def _send(self, client: Client, keeping: Keeping, run: str) -> None:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise SetupError(f"the Dask scheduler at {self.address} has no workers") from None
        try:
            client.register_plugin(keeping, name=run)
        except KmssimError:
            raise
        except Exception as error:
            raise _unable(error) from error

    @contextmanager
    def _client(self) -> Iterator[Client]:
        if self.address is None:
            with self._own_cluster() as cluster, Client(cluster) as client:
                yield client
            return
        try:
            client = Client(self.address, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise SetupError(f"no Dask scheduler answers at {self.address}: {error}") from None
        with client:
            yield client

    def _own_cluster(self) -> LocalCluster:
        """Workers that leave it to the driver what an interrupt from the terminal means."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # they inherit it
        try:
            return LocalCluster(
                self.workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)


def _parts(client: Client, run: str, accounts: Sequence[str]) -> Iterator[Part]:
    waiting = iter(accounts)

    def submit(number: int) -> list[Future]:
        some = [account for _, account in zip(range(number), waiting, strict=False)]
        return [client.submit(find_kept, run, account, key=f"{run}-{account}") for account in some]

    under_way = as_completed(submit(_AHEAD * max(1, sum(client.nthreads().values()))))
    for done in under_way:
        yield _result_of(done)
        under_way.update(submit(1))


def _result_of(done: Future) -> Part:
    try:
        found: Part = done.result()
    except (CancelledError, CommClosedError, OSError, KmssimError):
        raise
    except KilledWorker as killed:
        raise SetupError(f"workers die of a part: {killed}; {_KEPT}") from None
    except Exception as error:
        raise _unable(error) from error
    return found


def _unable(error: Exception) -> SetupError:
    said = str(error).partition("\n")[0] or type(error).__name__
    return SetupError(f"a Dask worker failed, each needs this kmssim and this Python: {said}; {_KEPT}")


@contextmanager
def _quiet() -> Iterator[None]:
    """That a worker died and another took over is no news to the user; what is, comes as an error of ours."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {log: log.level for log in map(logging.getLogger, names)}
    for log in before:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in before.items():
            log.setLevel(level)


class Keeping(WorkerPlugin):
    """Keeps a job in a worker."""

    def __init__(self, job: Job, version: str) -> None:
        """`job`: what the worker is to find parts of, as kmssim of this `version` would."""
        self.job = job
        self.version = version
        self.one_at_a_time: threading.Lock | None = None

    def setup(self, worker: Worker) -> None:
        """Begin to keep it. Raises SetupError where the worker has another kmssim, which may decide otherwise."""
        if self.version != __version__:
            raise SetupError(f"the Dask worker {worker.address} has kmssim {__version__}, not {self.version}")
        self.one_at_a_time = threading.Lock()


def find_kept(run: str, account: str) -> Part:
    """In a worker: the part of the job that was kept for this run.

    Threads of one worker take turns: they share one processor in any case, and so they need the memory of one part.
    """
    keeping = get_worker().plugins.get(run)
    if keeping is None:
        raise SetupError(f"the Dask worker {get_worker().address} could not take the job")
    with keeping.one_at_a_time:
        found: Part = keeping.job.find(account)
    return found
