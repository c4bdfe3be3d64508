"""`kmssim audit` as people, scripts and hooks meet it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from audit_worlds import DELEGATION, WORLDS, policy, statement

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = "labs/01_key_policy_must_trust/scenario.json"


def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kmssim", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("public-access", "cross-account", "cross-organization", "all-keys"):
        (tmp_path / f"{name}.json").write_text(json.dumps(WORLDS[name], indent=2))
    (tmp_path / "key-policy.json").write_text(json.dumps(policy(DELEGATION, statement("*", "kms:Decrypt"))))
    return tmp_path


def test_a_lab_is_audited_by_file_and_by_name():
    ran = run("audit", LAB, "--fail-on", "never")
    assert ran.returncode == 0, ran.stderr
    assert "AWS Security Hub: KMS.1" in ran.stdout
    by_name = run("audit", "01_key_policy_must_trust", "--fail-on", "never")
    assert by_name.returncode == 0, by_name.stderr
    assert by_name.stdout.splitlines()[2:] == ran.stdout.splitlines()[2:]


def test_text_is_for_people_the_worst_first_without_colour_in_a_pipe(files):
    ran = run("audit", str(files / "public-access.json"), NO_COLOR="1")
    lines = ran.stdout.splitlines()
    assert lines[:4] == ["small", str(files / "public-access.json"), "", "CRITICAL (1)"]
    assert lines[-1] == "1 finding: 1 critical. Failed: --fail-on high."
    assert "\x1b" not in ran.stdout


@pytest.mark.parametrize(
    ("name", "threshold", "code"),
    [
        ("public-access", None, 1),
        ("public-access", "critical", 1),
        ("public-access", "never", 0),
        ("cross-organization", None, 1),
        ("cross-organization", "critical", 0),
        ("all-keys", None, 0),
        ("all-keys", "medium", 1),
        ("cross-account", "medium", 0),
        ("cross-account", "low", 1),
    ],
)
def test_the_exit_code_says_whether_a_finding_is_as_bad_as_asked(files, name, threshold, code):
    options = ["--fail-on", threshold] if threshold else []
    ran = run("audit", str(files / f"{name}.json"), *options, "--json")
    assert ran.returncode == code, ran.stderr
    assert json.loads(ran.stdout)["failed"] is (code == 1)


def test_several_files_are_one_audit(files):
    ran = run("audit", *map(str, sorted(files.glob("*.json"))), "--json", "--account", "111122223333")
    answer = json.loads(ran.stdout)
    assert len(answer["files"]) == 5
    assert answer["totals"] == {"critical": 2, "high": 1, "medium": 1, "low": 1}


def test_json_says_where_what_and_how_to_replay(files):
    answer = json.loads(run("audit", str(files / "public-access.json"), "--json").stdout)
    (finding,) = answer["files"][0]["findings"]
    assert (finding["id"], finding["severity"]) == ("public-access", "critical")
    assert finding["path"] == "accounts.111122223333.keys.orders.policy.Statement[1]"
    lines = (files / "public-access.json").read_text().splitlines()
    assert '"Principal": "*"' in lines[finding["line"] + 1]
    (witness,) = finding["witnesses"]
    assert witness["decision"] == "ALLOW"
    assert witness["request"]["principal"] == "arn:aws:iam::000000000000:root"
    assert witness["request"]["expect"]["decision"] == "ALLOW"
    assert answer["files"][0]["controls"]["KMS.5"] == "failed"


@pytest.mark.parametrize("wanted", ["public-access", "public-access@Statement[1]"])
def test_a_witness_is_a_scenario_that_decide_replays(files, wanted):
    written = run("audit", str(files / "key-policy.json"), "--witness", wanted)
    assert written.returncode == 0, written.stderr
    replay = files / "witness.json"
    replay.write_text(written.stdout)
    decided = json.loads(run("decide", str(replay), "--json", "--brief").stdout)
    assert [request["decision"] for request in decided["requests"]] == ["ALLOW"]


def test_sarif_of_several_files_is_valid(files):
    schema = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text())
    ran = run("audit", *map(str, sorted(files.glob("*.json"))), "--sarif", "--account", "111122223333")
    assert ran.returncode == 1
    jsonschema.validate(json.loads(ran.stdout), schema)


def test_suppressions_are_read_on_the_day_that_is_said(files):
    off = {"finding": "public-access", "where": "*", "reason": "a demonstration", "expires": "2026-05-31"}
    (files / "off.json").write_text(json.dumps({"suppressions": [off]}))
    arguments = ("audit", str(files / "public-access.json"), "--suppressions", str(files / "off.json"))
    held = run(*arguments, "--today", "2026-05-31")
    assert held.returncode == 0
    assert "Suppressed until 2026-05-31: public-access" in held.stdout
    late = run(*arguments, "--today", "2026-06-01")
    assert late.returncode == 1
    assert "suppression-expired" in late.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.json"], "nowhere.json"),
        ([LAB, "--today", "tomorrow"], "`tomorrow` is no date"),
        ([LAB, "--suppressions", "nowhere.json"], "nowhere.json: no such file"),
        ([LAB, "--witness", "public-acess"], "no finding `public-acess`"),
    ],
    ids=str,
)
def test_broken_input_ends_with_2_and_one_message(arguments, said):
    ran = run("audit", *arguments)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("kmssim: ")


def test_a_file_that_is_no_json_is_refused(files):
    (files / "broken.json").write_text("{")
    ran = run("audit", str(files / "broken.json"))
    assert ran.returncode == 2
    assert "broken.json" in ran.stderr


def test_help_has_an_example():
    ran = run("audit", "--help")
    assert ran.returncode == 0
    assert "Example: kmssim audit" in ran.stdout


def test_an_audit_starts_without_a_runtime():
    program = (
        "import sys\nfrom kmssim.cli import main\n"
        f"try:\n    main(['audit', {LAB!r}])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'moto', 'boto3', 'botocore'} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.strip().splitlines()[-1] == "[]"


HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]


def test_the_hook_has_what_a_hook_needs():
    assert HOOK["id"] == "kmssim-audit"
    assert HOOK["language"] == "python"
    assert {"name", "entry", "files", "types"} <= set(HOOK)


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("scenario.json", True),
        ("labs/01/scenario.json", True),
        ("deploy/orders.key-policy.json", True),
        ("deploy/orders-key-policy.json", True),
        ("package.json", False),
        ("labs/01/metadata.json", False),
        ("scenario.jsonl", False),
    ],
)
def test_the_hook_takes_scenarios_and_key_policies(path, taken):
    assert bool(re.search(HOOK["files"], path)) is taken


def test_the_hook_fails_a_commit_that_opens_a_key_and_passes_another(files):
    program, *arguments = shlex.split(HOOK["entry"])
    assert program == "kmssim"
    assert run(*arguments, "key-policy.json", cwd=files).returncode == 1
    (files / "key-policy.json").write_text(json.dumps(policy(DELEGATION)))
    assert run(*arguments, "key-policy.json", cwd=files).returncode == 0
