"""Large sweeps: part by part, by whichever engine, the same answers as `decide`; nothing lost when somebody dies."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import active_children
from pathlib import Path

import pytest

from kmssim.access import Question, call_for, callers_in
from kmssim.errors import InputError, SetupError
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.world import Grant, Key
from kmssim.sweep.admission import accounts_let_in
from kmssim.sweep.engines import Local, Processes
from kmssim.sweep.large import sweep_all
from kmssim.sweep.organization import Plan, parse_plan
from kmssim.sweep.parts import Job
from kmssim.sweep.source import Made

ROOT = Path(__file__).resolve().parent.parent
EXTRA = os.environ.get("KMSSIM_DASK")
"""A folder with the packages of the extra `dask`, where they are not installed."""
PLAN = Plan(accounts=6, roles=12, keys=10, seed=0)
SIZES = "accounts=40,roles=300,keys=40"
ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy")

needs_pyarrow = pytest.mark.skipif(
    not (EXTRA or find_spec("pyarrow")), reason="pyarrow is not installed: pip install 'kmssim[sweep]'"
)
needs_dask = pytest.mark.skipif(
    not (EXTRA or find_spec("distributed")), reason="Dask is not installed: pip install 'kmssim[dask]'"
)


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), EXTRA)))}


def kmssim(*arguments, **more):
    command = [sys.executable, "-m", "kmssim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=300, **more)


def rows_in(content):
    return [tuple(row.values()) for row in csv.DictReader(io.StringIO(content.decode()))]


def ignore(_steps):
    """Nobody watches the progress."""


# ---- what is swept ---------------------------------------------------------------------------------------------------


def test_every_pair_of_an_organization_is_answered_as_decide_answers_it():
    """Accounts that trust partners, one that trusts the whole organization, grants, tags, boundaries, guardrails."""
    world = PLAN.world()
    job = Job(Made(PLAN), ACTIONS, "csv", "python")
    for account in PLAN.account_ids:
        expected = {
            (account, key.arn, caller.account, caller.arn, action)
            for key in world.accounts[account].keys
            for other in PLAN.account_ids
            for caller in callers_in(other, world)
            for action in ACTIONS
            if decide(world, call_for(Question(caller, action, key.arn), world)).allowed
        }
        found = rows_in(job.find(account).content)
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_the_organization_of_the_exactness_test_has_all_that_makes_it_hard():
    world = PLAN.world()
    keys = tuple(world.keys_by_arn.values())
    assert any(accounts_let_in([key]) is None for key in keys)
    assert any(accounts_let_in([key]) and accounts_let_in([key]) != {key.account} for key in keys)
    assert any(grant.grantee.split(":")[4] != key.account for key in keys for grant in key.grants)
    assert {role.boundary is None for account in world.accounts.values() for role in account.roles.values()} == {
        True,
        False,
    }


def test_an_account_is_the_same_whoever_else_is_made():
    alone = PLAN.account(PLAN.account_ids[4])
    assert alone == PLAN.world().accounts[PLAN.account_ids[4]]
    assert alone == replace(PLAN, roles=12).account(PLAN.account_ids[4])
    assert alone != replace(PLAN, seed=4).account(PLAN.account_ids[4])


HOME, OTHER, THIRD = PLAN.account_ids[:3]


def let_in_by(*statements, grants=()):
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Action": "kms:*", "Resource": "*", **one} for one in statements],
    }
    return accounts_let_in(
        [Key("k", "us-east-1", HOME, parse_policy(document, PolicyKind.KEY_POLICY, lenient=True), grants=grants)]
    )


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"Effect": "Allow", "Principal": {"AWS": [HOME, f"arn:aws:iam::{OTHER}:root"]}}, {HOME, OTHER}),
        ({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/r"}}, {OTHER}),
        ({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:sts::{OTHER}:assumed-role/r/s"}}, {OTHER}),
        ({"Effect": "Allow", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}}, set()),
        ({"Effect": "Allow", "Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}, set()),
        ({"Effect": "Allow", "Principal": "*"}, None),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}}, None),
        ({"Effect": "Deny", "Principal": "*"}, set()),
        (
            {"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"kms:CallerAccount": [HOME, OTHER]}}},
            {HOME, OTHER},
        ),
        (
            {"Effect": "Allow", "Principal": "*", "Condition": {"StringEqualsIfExists": {"kms:CallerAccount": HOME}}},
            None,
        ),
        ({"Effect": "Allow", "Principal": "*", "Condition": {"StringLike": {"kms:CallerAccount": HOME}}}, None),
        (
            {"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "${aws:x}"}}},
            None,
        ),
    ],
)  # fmt: skip
def test_the_accounts_that_a_statement_could_let_in(statement, found):
    assert let_in_by(statement) == found


def test_a_grant_lets_in_its_holders_account():
    grants = (Grant("g", None, ("Decrypt",), HOME, grantee=f"arn:aws:iam::{THIRD}:role/r"),)
    assert let_in_by({"Effect": "Allow", "Principal": {"AWS": HOME}}, grants=grants) == {HOME, THIRD}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts=2,roles=3", "keys"),
        ("accounts=2,roles=3,keys=x", "keys=x"),
        ("accounts=2,roles=3,keys=0", "from 1"),
        ("accounts=2,roles=3,keys=1,people=3", "people=3"),
        ("", "``"),
    ],
)
def test_a_size_that_says_nothing_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_plan(text)


# ---- who does it, and what is kept -----------------------------------------------------------------------------------


def swept(engine, folder, plan=PLAN, format_name="csv"):
    return sweep_all(Job(Made(plan), ACTIONS[:2], format_name, "python"), engine, folder, ignore)


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


def test_a_driver_that_was_killed_goes_on_where_it_was(tmp_path):
    arguments = ("sweep", "--organization", SIZES, "--format", "csv", "--authority", "python")
    in_processes = (*arguments, "--engine", "processes", "--workers", "2", "--out", str(tmp_path / "b"))
    kill_after_parts([sys.executable, "-m", "kmssim", *in_processes], tmp_path / "b")
    again = kmssim(*in_processes)
    assert again.returncode == 0, again.stderr
    assert "accounts were done before." in again.stdout
    assert kmssim(*arguments, "--out", str(tmp_path / "a")).returncode == 0
    assert whole(files_in(tmp_path / "a")) == whole(files_in(tmp_path / "b"))


def kill_after_parts(command, folder):
    """Start a sweep, and kill it with all its processes when some parts are done, but not all."""
    driver = subprocess.Popen(command, env=environment(), start_new_session=True, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(list((folder / "done").glob("*.json"))) > 2 or driver.poll() is not None)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert 2 < len(list((folder / "done").glob("*.json"))) < 40


def whole(files):
    """Without what a killed driver had begun to write."""
    return {name: content for name, content in files.items() if not name.endswith(".begun")}


def wait_for(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_folder_with_another_sweep_or_with_anything_else_is_left_alone(tmp_path):
    swept(Local(), tmp_path / "a")
    before = files_in(tmp_path / "a")
    with pytest.raises(InputError, match="another sweep"):
        swept(Local(), tmp_path / "a", replace(PLAN, seed=9))
    assert files_in(tmp_path / "a") == before
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        swept(Local(), tmp_path / "b")
    with pytest.raises(SetupError, match="cannot write"):
        swept(Local(), tmp_path / "b" / "letter.txt" / "c")


def test_a_folder_whose_counts_are_broken_is_told_by_name(tmp_path):
    swept(Local(), tmp_path / "a")
    (tmp_path / "a" / "done" / f"{HOME}.json").write_text("{")
    with pytest.raises(InputError, match=f"{HOME}.json"):
        swept(Local(), tmp_path / "a")


def test_rows_are_the_same_as_json_lines(tmp_path):
    swept(Local(), tmp_path / "a")
    swept(Local(), tmp_path / "b", format_name="jsonl")
    for account in PLAN.account_ids:
        lines = (tmp_path / "b" / "rows" / f"{account}.jsonl").read_text().splitlines()
        in_csv = rows_in((tmp_path / "a" / "rows" / f"{account}.csv").read_bytes())
        assert [tuple(json.loads(line).values()) for line in lines] == in_csv


READ_PARQUET = """
import sys
from pyarrow import parquet
for row in parquet.read_table(sys.argv[1]).to_pylist():
    print(*row.values(), sep=",")
"""


@needs_pyarrow
def test_rows_are_the_same_as_parquet(tmp_path):
    for kept_as in ("csv", "parquet"):
        arguments = (
            "--organization",
            "accounts=2,roles=12,keys=10",
            "--format",
            kept_as,
            "--out",
            str(tmp_path / kept_as),
        )
        assert kmssim("sweep", *arguments, "--authority", "python").returncode == 0
    for path in (tmp_path / "parquet" / "rows").iterdir():
        command = [sys.executable, "-c", READ_PARQUET, str(path)]
        read = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
        in_csv = (tmp_path / "csv" / "rows" / f"{path.stem}.csv").read_text().partition("\n")[2]
        assert read.stdout == in_csv
        assert in_csv


# ---- Dask ------------------------------------------------------------------------------------------------------------


@contextmanager
def dask_on_loopback(folder, workers):
    """A scheduler and so many workers, each a process of its own; gives the address and the workers."""
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment(), "cwd": folder}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    started = [subprocess.Popen([*scheduler, "--no-dashboard", "--scheduler-file", str(file)], **quiet)]
    try:
        wait_for(lambda: file.exists() and file.stat().st_size > 0)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny"]
        worker += ["--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        started += [subprocess.Popen(worker, **quiet) for _ in range(workers)]
        yield json.loads(file.read_text())["address"], started[1:]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@needs_dask
def test_dask_finds_the_same_though_a_worker_and_then_the_driver_are_killed(tmp_path):
    arguments = ("sweep", "--organization", SIZES, "--format", "csv", "--authority", "python")
    assert kmssim(*arguments, "--out", str(tmp_path / "a")).returncode == 0
    with dask_on_loopback(tmp_path, workers=3) as (address, workers):
        on_dask = (*arguments, "--engine", "dask", "--address", address, "--out", str(tmp_path / "b"))
        kill_after_parts([sys.executable, "-m", "kmssim", *on_dask], tmp_path / "b")
        done = len(list((tmp_path / "b" / "done").iterdir()))
        command = [sys.executable, "-m", "kmssim", *on_dask]
        again = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(list((tmp_path / "b" / "done").glob("*.json"))) > done or again.poll() is not None)
        workers[0].kill()
        said, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert "accounts were done before." in said
    assert whole(files_in(tmp_path / "a")) == whole(files_in(tmp_path / "b"))


@needs_dask
def test_dask_without_an_address_starts_workers_of_its_own():
    arguments = ("sweep", "--organization", "accounts=4,roles=12,keys=10", "--authority", "python", "--json")
    alone, on_dask = kmssim(*arguments), kmssim(*arguments, "--engine", "dask", "--workers", "2")
    assert on_dask.returncode == 0, on_dask.stderr
    assert on_dask.stdout == alone.stdout


@needs_dask
def test_an_address_where_no_scheduler_answers_is_told():
    ran = kmssim("sweep", "--organization", "accounts=1,roles=1,keys=1", "--engine", "dask", "--address", "nowhere:1:1")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no Dask scheduler answers at nowhere:1:1" in ran.stderr
    assert "Traceback" not in ran.stderr


# ---- the verb --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_swept_as_who_can_answers():
    ran = kmssim("sweep", "02_what_root_says", "--action", "decrypt", "--action", "kms:DescribeKey", cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    counted = json.loads(kmssim("sweep", "02_what_root_says", "--json", cwd=ROOT).stdout)["by_action"]["kms:Decrypt"]
    told = json.loads(kmssim("who-can", "decrypt", "--in", "02_what_root_says", "--json", cwd=ROOT).stdout)
    assert counted["allowed"] == sum(len(key["callers"]) for key in told["keys"])
    assert re.search(rf"^kms:Decrypt +{counted['allowed']} +0$", ran.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a FILE"),
        (("01_key_policy_must_trust", "--organization", "accounts=1,roles=1,keys=1"), "not both"),
        (("01_key_policy_must_trust", "--address", "tcp://127.0.0.1:1"), "--address is for --engine dask"),
        (("01_key_policy_must_trust", "--action", "decipher"), "decipher"),
        (("no-such.json",), "no such file"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(arguments, message):
    ran = kmssim("sweep", *arguments, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
