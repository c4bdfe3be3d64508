"""Several processes, or Dask, find what one process finds; nothing is lost and nothing is there twice when one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest
from sweeping import (
    ACTIONS,
    MANY,
    PLAN,
    begin,
    environment,
    files_in,
    kill_after_parts,
    kmssim,
    needs_dask,
    needs_pyarrow,
    parts_done,
    swept,
    wait_for,
    wait_for_parts,
)

from kmssim.errors import SetupError
from kmssim.sweep.engines import Local, Processes
from kmssim.sweep.parts import Job

# ---- processes of this machine ---------------------------------------------------------------------------------------


def test_processes_find_what_one_process_finds(tmp_path):
    alone, together = swept(Local(), tmp_path / "a"), swept(Processes(2), tmp_path / "b")
    assert alone.as_json() == together.as_json()
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    assert alone.total("kms:Decrypt").allowed > alone.total("kms:Decrypt").across > 0


class KillingOne(Processes):
    """Kills one of its processes after the first part."""

    def run(self, job, accounts):
        for number, part in enumerate(super().run(job, accounts)):
            if number == 0:
                os.kill(active_children()[0].pid, signal.SIGKILL)
            yield part


def test_when_a_process_is_killed_nothing_is_lost_and_nothing_is_there_twice(tmp_path):
    plan = replace(PLAN, accounts=12)
    swept(Local(), tmp_path / "a", plan)
    found = swept(KillingOne(2), tmp_path / "b", plan)
    assert len(found.by_account) == plan.accounts
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


class Dying:
    """A source whose parts kill the process that looks for them."""

    accounts = ("111122223333",)

    def blocks(self, _account):
        os.kill(os.getpid(), signal.SIGKILL)


def test_parts_that_kill_every_process_end_the_sweep_with_a_message():
    with pytest.raises(SetupError, match="died 4 times in a row"):
        list(Processes(1).run(Job(Dying(), ACTIONS, None), Dying.accounts))


IN_PROCESSES = ("--engine", "processes", "--workers", "2")


def test_a_driver_that_was_killed_goes_on_where_it_was(tmp_path):
    kill_after_parts(tmp_path / "b", *MANY, *IN_PROCESSES)
    again = kmssim(*MANY, *IN_PROCESSES, "--out", str(tmp_path / "b"))
    assert again.returncode == 0, again.stderr
    assert "accounts were done before." in again.stdout
    assert kmssim(*MANY, "--out", str(tmp_path / "a")).returncode == 0
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


PROCESSES = Path("/proc")
needs_processes = pytest.mark.skipif(not PROCESSES.is_dir(), reason="this system tells of no processes in /proc")


def processes_of(driver):
    """How many processes of its session there are, those left out that nobody has buried yet."""
    found = 0
    for file in PROCESSES.glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            state, _, _, session = file.read_text().rpartition(")")[2].split()[:4]
            found += session == str(driver.pid) and state != "Z"
    return found


@needs_processes
def test_processes_end_with_a_driver_that_was_killed_alone(tmp_path):
    driver = begin(*MANY, *IN_PROCESSES, "--out", str(tmp_path / "b"), stdout=subprocess.DEVNULL)
    wait_for_parts(tmp_path / "b", 1, driver)
    assert processes_of(driver) > 2
    driver.kill()
    driver.wait()
    wait_for(lambda: processes_of(driver) == 0, seconds=20)


def interrupted(folder, *arguments):
    """What is said of an interrupt from the terminal, which every process of the group gets."""
    driver = begin(*MANY, *arguments, "--out", str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_parts(folder, 1, driver)
    os.killpg(driver.pid, signal.SIGINT)
    said, told = driver.communicate(timeout=60)
    wait_for(lambda: processes_of(driver) == 0, seconds=20)
    return driver.returncode, said.strip(), told.strip()


@needs_processes
@pytest.mark.parametrize("engine", ["local", "processes", pytest.param("dask", marks=needs_dask)])
def test_an_interrupt_ends_every_engine_at_once_with_one_line(tmp_path, engine):
    found = interrupted(tmp_path / "a", "--engine", engine, "--workers", "2")
    assert found == (130, "", "kmssim: interrupted")


@needs_processes
def test_whoever_interrupts_twice_sees_no_traceback(tmp_path):
    """The second comes while the first is being obeyed."""
    arguments = (*MANY, *IN_PROCESSES, "--out", str(tmp_path / "a"))
    driver = begin(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_parts(tmp_path / "a", 1, driver)
    os.killpg(driver.pid, signal.SIGINT)
    told = next(line for line in driver.stderr if line.strip())
    with suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGINT)
    rest = driver.communicate(timeout=60)[1]
    assert (told, rest) == ("kmssim: interrupted\n", "")
    assert driver.returncode == 130


def test_two_drivers_do_not_write_into_one_folder(tmp_path):
    first = begin(*MANY, "--out", str(tmp_path / "a"), stdout=subprocess.DEVNULL)
    wait_for_parts(tmp_path / "a", 1, first)
    second = kmssim(*MANY, "--out", str(tmp_path / "a"))
    first.kill()
    first.wait()
    assert (second.returncode, second.stdout) == (2, "")
    assert "another process is sweeping into" in second.stderr
    third = begin(*MANY, "--out", str(tmp_path / "a"), stdout=subprocess.DEVNULL)
    wait_for_parts(tmp_path / "a", parts_done(tmp_path / "a") + 1, third)  # whoever is dead holds nothing
    third.kill()
    third.wait()


# ---- Dask ------------------------------------------------------------------------------------------------------------


@contextmanager
def dask_on_loopback(folder, workers, threads="1", path=""):
    """A scheduler and so many workers, each a process of its own; gives the address, the scheduler and the workers.

    `path`: a folder where workers look for packages first.
    """
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    found = environment()
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)]
    started = [subprocess.Popen(scheduler, env=found, **quiet)]
    try:
        wait_for(lambda: file.exists() and file.stat().st_size > 0)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny"]
        worker += ["--nthreads", threads, "--no-dashboard", "--host", "127.0.0.1"]
        theirs = {**found, "PYTHONPATH": os.pathsep.join(filter(None, (str(path), found["PYTHONPATH"])))}
        started += [subprocess.Popen(worker, env=theirs, **quiet) for _ in range(workers)]
        yield json.loads(file.read_text())["address"], started[0], started[1:]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@needs_dask
def test_dask_finds_the_same_though_a_worker_and_then_the_driver_are_killed(tmp_path):
    assert kmssim(*MANY, "--out", str(tmp_path / "a")).returncode == 0
    with dask_on_loopback(tmp_path, workers=3, threads="2") as (address, _, workers):
        on_dask = (*MANY, "--engine", "dask", "--address", address)
        kill_after_parts(tmp_path / "b", *on_dask)
        done = parts_done(tmp_path / "b")
        again = begin(*on_dask, "--out", str(tmp_path / "b"), stdout=subprocess.PIPE)
        wait_for_parts(tmp_path / "b", done + 1, again)
        workers[0].kill()
        said, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert "accounts were done before." in said
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")


@needs_dask
def test_dask_without_an_address_starts_workers_of_its_own():
    arguments = ("sweep", "--organization", "accounts=4,roles=12,keys=10", "--authority", "python", "--json")
    alone, on_dask = kmssim(*arguments), kmssim(*arguments, "--engine", "dask", "--workers", "2")
    assert on_dask.returncode == 0, on_dask.stderr
    assert (on_dask.stdout, on_dask.stderr) == (alone.stdout, "")


FEW = ("sweep", "--organization", "accounts=2,roles=2,keys=2", "--authority", "python", "--engine", "dask")


def refused(*arguments):
    ran = kmssim(*FEW, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1  # and so no traceback, and nothing of Dask's own
    return ran.stderr


@needs_dask
def test_an_address_where_no_scheduler_answers_is_told():
    assert "no Dask scheduler answers at nowhere:1:1" in refused("--address", "nowhere:1:1")


@needs_dask
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("kmssim/__init__.py", "raise ImportError('there is no kmssim')", "there is no kmssim"),
        ("sitecustomize.py", "import kmssim; kmssim.__version__ = '0.0.1'", "has kmssim 0.0.1, not"),
    ],
)
def test_workers_that_would_decide_otherwise_are_not_asked(tmp_path, file, content, message):
    shadow = tmp_path / "shadow" / file
    shadow.parent.mkdir(parents=True)
    shadow.write_text(content)
    with dask_on_loopback(tmp_path, workers=1, path=tmp_path / "shadow") as (address, _, _):
        assert message in refused("--address", address)


@needs_dask
@needs_pyarrow
def test_workers_without_pyarrow_are_told_of(tmp_path):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "pyarrow.py").write_text("raise ImportError")
    with dask_on_loopback(tmp_path, workers=1, path=tmp_path / "shadow") as (address, _, _):
        assert "Parquet files need pyarrow" in refused("--address", address, "--out", str(tmp_path / "a"))


@needs_dask
def test_a_scheduler_that_dies_ends_the_sweep_with_one_line(tmp_path):
    with dask_on_loopback(tmp_path, workers=2) as (address, scheduler, _):
        on_dask = (*MANY, "--engine", "dask", "--address", address, "--out", str(tmp_path / "a"))
        driver = begin(*on_dask, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for_parts(tmp_path / "a", 1, driver)
        scheduler.kill()
        said, told = driver.communicate(timeout=120)
    assert (driver.returncode, said) == (2, "")
    assert told == "kmssim: the Dask scheduler is gone; what is done is kept: the same command goes on\n"
