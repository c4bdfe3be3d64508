"""Large sweeps: part by part the same answers as `decide`, and what is kept of them in a folder."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from sweeping import ACTIONS, PLAN, ROOT, environment, files_in, kmssim, needs_pyarrow, swept, way_by_decide

from kmssim.access import Question, callers_in
from kmssim.errors import InputError, SetupError
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.world import Grant, Key
from kmssim.sweep.admission import accounts_let_in
from kmssim.sweep.engines import Local
from kmssim.sweep.organization import parse_plan
from kmssim.sweep.parts import Job
from kmssim.sweep.source import Made


def rows_in(content):
    return [tuple(row.values()) for row in csv.DictReader(io.StringIO(content.decode()))]


# ---- what is swept ---------------------------------------------------------------------------------------------------


def test_every_pair_of_an_organization_is_answered_as_decide_answers_it():
    """Accounts that trust partners, one that trusts the whole organization, grants, tags, boundaries, guardrails."""
    world = PLAN.world()
    job = Job(Made(PLAN), ACTIONS, "csv", "python")
    for account in PLAN.account_ids:
        asked = [
            (key.arn, caller, action, way_by_decide(world, Question(caller, action, key.arn)))
            for key in world.accounts[account].keys
            for other in PLAN.account_ids
            for caller in callers_in(other, world)
            for action in ACTIONS
        ]
        expected = {(account, key, one.account, one.arn, action, *way) for key, one, action, way in asked if way}
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


# ---- what is kept -----------------------------------------------------------------------------------------------------


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


def test_a_part_without_rows_has_a_file_as_well(tmp_path):
    swept(Local(), tmp_path, replace(PLAN, accounts=1, roles=1, keys=1), "jsonl")
    assert list((tmp_path / "rows").iterdir()) == [tmp_path / "rows" / f"{HOME}.jsonl"]


def test_counts_are_the_same_when_no_rows_are_wanted(tmp_path):
    assert swept(Local(), None, format_name=None).as_json() == swept(Local(), tmp_path / "a").as_json()


FOUND = ("sweep", "--organization", "accounts=2,roles=12,keys=10", "--authority", "python")


@needs_pyarrow
def test_rows_are_the_same_as_parquet(tmp_path):
    for kept_as in ("csv", "parquet"):
        assert kmssim(*FOUND, "--format", kept_as, "--out", str(tmp_path / kept_as)).returncode == 0
    for path in (tmp_path / "parquet" / "rows").iterdir():
        command = [sys.executable, "-c", READ_PARQUET, str(path)]
        read = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
        in_csv = (tmp_path / "csv" / "rows" / f"{path.stem}.csv").read_text().partition("\n")[2]
        assert read.stdout == in_csv
        assert in_csv


WRITE_IN_GROUPS = """
import io
from pyarrow import parquet
from kmssim.sweep import rows
rows._ROWS_AT_ONCE = 4
for number in (0, 3, 8, 9):
    file = rows.begin("parquet")
    for one in range(number):
        file.add(rows.Row("1", f"key-{one}", "1", "me", "kms:Decrypt", "direct", ""))
    read = parquet.ParquetFile(io.BytesIO(file.content()))
    print(read.num_row_groups, *read.read().to_pydict()["key"])
"""


@needs_pyarrow
def test_parquet_is_written_in_groups_of_rows_and_has_all_of_them():
    command = [sys.executable, "-c", WRITE_IN_GROUPS]
    read = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    keys = [f"key-{number}" for number in range(9)]
    assert [line.split() for line in read.stdout.splitlines()] == [
        ["0"],
        ["1", *keys[:3]],
        ["2", *keys[:8]],
        ["3", *keys],
    ]


# ---- the verb --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_swept_as_who_can_answers():
    ran = kmssim("sweep", "02_what_root_says", "--action", "decrypt", "--action", "kms:DescribeKey", cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    counted = json.loads(kmssim("sweep", "02_what_root_says", "--json", cwd=ROOT).stdout)["by_action"]["kms:Decrypt"]
    told = json.loads(kmssim("who-can", "decrypt", "--in", "02_what_root_says", "--json", cwd=ROOT).stdout)
    assert counted["allowed"] == sum(len(key["callers"]) for key in told["keys"])
    assert re.search(rf"^kms:Decrypt +{counted['allowed']} +0$", ran.stdout, re.MULTILINE)


def test_several_actions_may_stand_in_one_word():
    counted = json.loads(kmssim(*FOUND, "--actions", "kms:Decrypt, encrypt", "--json").stdout)["by_action"]
    assert list(counted) == ["kms:Decrypt", "kms:Encrypt"]


def test_a_folder_of_another_sweep_ends_with_2_and_what_to_do(tmp_path):
    assert kmssim(*FOUND, "--format", "csv", "--out", str(tmp_path / "a")).returncode == 0
    ran = kmssim(*FOUND, "--format", "csv", "--action", "encrypt", "--out", str(tmp_path / "a"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "this folder holds another sweep (choose another --out, or empty this one)" in ran.stderr


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
