"""The warm server: which task begins first, and what a check without a sandbox costs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kmssim.labs import code_child, warm_server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["warm_server", str(tmp_path)])
    monkeypatch.setattr(warm_server, "_seconds_of", {})
    monkeypatch.setattr(warm_server.os, "cpu_count", lambda: 1)
    return tmp_path


def task(function, **more):
    return {"does": "code", "function": function, "seconds": 30, **more}


def test_what_took_longest_the_last_time_begins_first(folder):
    def work(given):
        with (folder / "begun").open("a") as file:
            file.write(f"{given['function']} ")
        time.sleep(given["nap"])
        return {"outcome": "pass", "said": given["function"]}

    tasks = [task("short", nap=0.0), task("long", nap=0.2)]
    for _ in range(2):
        said = [answer["said"] for answer in warm_server.answer_all(tasks, {"code": work})]
        assert said == ["short", "long"]  # in the order of the tasks, whichever began first
    assert (folder / "begun").read_text().split() == ["short", "long", "long", "short"]


def test_a_check_that_only_decides_opens_no_sandbox(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(code_child.Sandbox, "__enter__", lambda sandbox: opened.append(sandbox) or sandbox)
    monkeypatch.setattr(code_child.Sandbox, "__exit__", lambda *_: None)
    checks = tmp_path / "checks.py"
    checks.write_text(
        "def decides(lab):\n    lab.expect(lab.world.accounts and lab.shipped().requests, 'no world')\n\n\n"
        "def asks(lab):\n    lab.expect(lab.sandbox is lab.sandbox, 'two')\n\n\n"
        "def runs(lab):\n    lab.expect(lab.code.ANSWER == 42, 'another answer')\n",
        encoding="utf-8",
    )
    answer = tmp_path / "answer.py"
    answer.write_text("ANSWER = 42\n", encoding="utf-8")
    scenario = Path(code_child.__file__).with_name("warm_world.json")
    for function, count in (("decides", 0), ("asks", 1), ("runs", 2)):
        given = {"checks": str(checks), "function": function, "scenario": str(scenario), "folder": str(tmp_path)}
        code_child._check({**given, "moved": {}, "shipped": {}}, (answer,))
        assert len(opened) == count, function
