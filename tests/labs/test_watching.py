"""Watching: a save is seen once, keys do their work, and nothing is lost while a check runs."""

from __future__ import annotations

import threading
import time

import pytest
from lab_samples import sample

from kmssim.labs.variants import exercise_of
from kmssim.labs.watching import Watch


@pytest.fixture
def answer(tmp_path):
    return exercise_of(sample(tmp_path))


def test_a_save_is_checked_once(answer):
    checked = []
    saver = threading.Timer(0.15, lambda: answer.file("key-policy.json").write_text("{}"))
    saver.start()
    Watch(lambda: answer, lambda: checked.append(time.monotonic()), {}, pause=0.05).run(rounds=12)
    saver.join()
    assert len(checked) == 2


def test_a_save_during_a_check_is_not_lost(answer):
    checked = []

    def check():
        checked.append(1)
        if len(checked) == 1:
            answer.file("key-policy.json").write_text('{"saved": "meanwhile"}')

    Watch(lambda: answer, check, {}, pause=0.01).run(rounds=3)
    assert len(checked) == 2


def test_by_hand_a_save_is_not_enough(answer):
    checked = []
    watch = Watch(lambda: answer, lambda: checked.append(1), {}, manual=True, pause=0.01)
    answer.file("key-policy.json").write_text("{ }")
    watch.run(rounds=3)
    assert len(checked) == 1


@pytest.mark.parametrize(("typed", "pressed", "checks"), [("hq", ["h"], 1), ("cq", [], 2), ("xq", [], 1), ("q", [], 1)])
def test_a_key_does_its_work(answer, monkeypatch, typed, pressed, checks):
    keys = iter(typed)
    monkeypatch.setattr("kmssim.labs.watching._wait", lambda _: next(keys))
    done, checked = [], []
    Watch(lambda: answer, lambda: checked.append(1), {"h": lambda: done.append("h")}).run(rounds=10)
    assert (done, len(checked)) == (pressed, checks)
    assert list(keys) == []


def test_a_file_that_goes_away_and_comes_back_is_a_change(answer):
    seen = []
    file = answer.file("key-policy.json")
    text = file.read_text()
    steps = iter([file.unlink, lambda: None, lambda: file.write_text(text)])

    def pause(_):
        next(steps, lambda: None)()
        return ""

    import kmssim.labs.watching as watching  # noqa: PLC0415, PLR0402

    original = watching._wait
    watching._wait = pause
    try:
        Watch(lambda: answer, lambda: seen.append(file.exists()), {}).run(rounds=4)
    finally:
        watching._wait = original
    assert seen == [True, False, True]
