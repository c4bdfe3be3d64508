"""The first minute: `kmssim lab start` writes one folder and shows the first task."""

from __future__ import annotations

import pytest
from lab_samples import NAMES

from kmssim.errors import InputError

FIX, WRITE = NAMES["fix"], NAMES["write"]


def test_starting_writes_exercises_and_no_solutions_and_shows_the_first_task(run, tmp_path):
    said = run("start").output
    folder = tmp_path / "home" / "kmssim-labs"
    assert "3 labs written" in said
    assert f"{FIX}  Fix it" in said
    assert "First: cd kmssim-labs" in said
    names = {file.name for file in (folder / FIX).iterdir()}
    assert names == {"exercise", "scenario.json", "metadata.json", "architecture.md", "index.html", "test_lab.py"}
    assert not (folder / WRITE / "checks.py").exists()


def test_starting_in_a_folder_that_holds_something_else_is_refused(run, tmp_path):
    other = tmp_path / "home" / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(InputError, match="not empty"):
        run("start", str(other))
