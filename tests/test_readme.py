"""The README is true: its output is what the commands print, its example runs, its verbs and files exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kmssim.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTPUTS = re.findall(r"<!-- output of: kmssim (.+?) -->\n```\n\$ kmssim .+?\n(.*?)\n```", README, re.DOTALL)
STEPS = re.compile(
    r"<!-- in (?P<folder>\S+), exit (?P<exit>\d+): kmssim (?P<command>.+?) -->\n```\n\$ kmssim .+?\n(?P<shown>.*?)\n```"
    r"|<!-- a statement for (?P<file>\S+) -->\n```json\n(?P<statement>.*?)\n```",
    re.DOTALL,
)
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(command, folder):
    """A command of the README, run in a folder."""
    arguments = [sys.executable, "-m", "kmssim", *shlex.split(command)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def fits(shown, printed):
    """Whether the output is what is shown; a line `…` stands for any lines."""
    pattern = "\n".join(".*" if line == "…" else re.escape(line) for line in shown.splitlines())
    return re.fullmatch(pattern, printed.rstrip(), re.DOTALL) is not None


def test_what_is_left_out_hides_no_wrong_line():
    assert fits("one\n…\nfour", "one\ntwo\nthree\nfour\n")
    assert not fits("one\n…\nfour", "one\ntwo\nthree\nfive")
    assert not fits("one\nfour", "one\ntwo\nfour")


def test_the_readme_shows_output_and_an_example():
    assert len(OUTPUTS) >= 4
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(("command", "shown"), OUTPUTS)
def test_shown_output_is_what_the_command_prints(command, shown):
    ran = run(command, ROOT)
    assert ran.returncode == 0, ran.stderr
    assert fits(shown, ran.stdout), ran.stdout


def test_the_first_lab_goes_as_shown(tmp_path):
    """The section's blocks in their order, in one scratch folder."""
    steps = list(STEPS.finditer(README))
    assert len(steps) >= 5
    for step in steps:
        if step["file"]:
            add_statement(tmp_path / step["file"], json.loads(step["statement"]))
            continue
        ran = run(step["command"], tmp_path / step["folder"])
        assert ran.returncode == int(step["exit"]), ran.stdout + ran.stderr
        assert fits(step["shown"], ran.stdout), ran.stdout


def add_statement(path, statement):
    """Put one more statement into a policy file, as a reader of the README does."""
    policy = json.loads(path.read_text(encoding="utf-8"))
    policy["Statement"].append(statement)
    path.write_text(json.dumps(policy, indent=2), encoding="utf-8")


def test_the_python_example_runs():
    ran = subprocess.run([sys.executable, "-c", EXAMPLES[0]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "ALLOW"), ran.stderr


OWN_CODE = """
import pytest
from botocore.exceptions import ClientError


def read_orders(kms):
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        kms.decrypt(KeyId="alias/orders", CiphertextBlob=b"not made here")


"""


def test_the_example_for_own_tests_runs(tmp_path):
    scenario = ROOT / "labs" / "02_what_root_says" / "scenario.json"
    (tmp_path / "orders.json").write_text(scenario.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_orders.py").write_text(OWN_CODE + EXAMPLES[1], encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_every_verb_is_in_the_tour():
    for verb in VERBS:
        assert f"| `kmssim {verb}" in README


def test_every_file_that_it_names_exists():
    named = set(re.findall(r"`([\w/]+\.(?:py|md))`", README))
    files = {path.name for path in ROOT.rglob("*.py")} | {path.name for path in ROOT.rglob("*.md")}
    assert named
    assert {name.rpartition("/")[2] for name in named} <= files
