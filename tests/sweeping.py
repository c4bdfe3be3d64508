"""What the tests of large sweeps share: an organization, sweeps over it, and drivers to kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from kmssim.access import HALVES, call_for
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.questions import OpenQuestions
from kmssim.sweep.large import sweep_all
from kmssim.sweep.organization import Plan
from kmssim.sweep.parts import Job
from kmssim.sweep.source import Made
from kmssim.sweep.ways import Way

ROOT = Path(__file__).resolve().parent.parent
EXTRA = os.environ.get("KMSSIM_DASK")
"""A folder with the packages of the extra `dask`, where they are not installed."""
PLAN = Plan(accounts=6, roles=12, keys=10, seed=0)
ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy")
MANY = ("sweep", "--organization", "accounts=40,roles=300,keys=40", "--format", "csv", "--authority", "python")
"""A sweep that is long enough to be killed in the middle."""

needs_pyarrow = pytest.mark.skipif(
    not (EXTRA or find_spec("pyarrow")), reason="pyarrow is not installed: pip install 'kmssim[sweep]'"
)
needs_dask = pytest.mark.skipif(
    not (EXTRA or find_spec("distributed")), reason="Dask is not installed: pip install 'kmssim[dask]'"
)


def way_by_decide(world, question):
    """The open paths of the whole decision, and the open questions whose other reading denies; None: it is denied."""
    authorizer, call, half = Authorizer(world), call_for(question, world), question.action in HALVES
    decision = authorizer.decide(call)

    def about(decided):
        return [one for one in decided.permissions if not half or one.action == question.action]

    def allows(decided):
        return bool(about(decided)) and all(one.ruling.allowed for one in about(decided))

    if not allows(decision):
        return None
    met = OpenQuestions()
    authorizer._decide(call, met)
    candidates = sorted(met.met, key=lambda one: int(one[3:])) if half else decision.uncertain
    rests_on = [one for one in candidates if not allows(authorizer._decide(call, OpenQuestions(frozenset({one}))))]
    paths = dict.fromkeys(kind.value for one in about(decision) for kind in one.ruling.paths)
    return Way(" ".join(paths), " ".join(rests_on))


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), EXTRA)))}


def kmssim(*arguments, **more):
    command = [sys.executable, "-m", "kmssim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=300, **more)


def begin(*arguments, **more):
    """The same without waiting for the end, in a process group of its own."""
    command = [sys.executable, "-m", "kmssim", *arguments]
    return subprocess.Popen(command, env=environment(), start_new_session=True, text=True, **more)


def swept(engine, folder, plan=PLAN, format_name="csv"):
    return sweep_all(Job(Made(plan), ACTIONS[:2], format_name, "python"), engine, folder, lambda _steps: None)


def files_in(folder):
    """What stands in a folder, without what a killed driver had begun to write."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: content for name, content in files.items() if not name.endswith(".begun")}


def parts_done(folder):
    return len(list((folder / "done").glob("*.json")))


def wait_for_parts(folder, number, driver):
    """Wait until a driver, which still runs, has done so many."""
    wait_for(lambda: parts_done(folder) >= number or driver.poll() is not None)
    assert driver.poll() is None
    assert number <= parts_done(folder) < 40


def kill_after_parts(folder, *arguments):
    """Start a sweep, and kill it with all its processes when some parts are done, but not all."""
    driver = begin(*arguments, "--out", str(folder), stdout=subprocess.DEVNULL)
    wait_for_parts(folder, 3, driver)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


def wait_for(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
