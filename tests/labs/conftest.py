"""Labs of our own as those that the installation ships, and a learner's folder made of them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from lab_samples import sample

from kmssim.errors import KmssimError
from kmssim.labs import folder as lab_folder
from kmssim.verbs.lab import lab


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Three small labs, which this installation ships for the length of a test."""
    place = tmp_path / "shipped"
    for kind in ("fix", "predict", "write"):
        sample(place, kind)
    monkeypatch.setattr(lab_folder, "_INSTALLED", place)
    return place


@pytest.fixture
def run(shipped, tmp_path, monkeypatch):
    """`kmssim lab …` as a learner runs it; errors of ours come back as exceptions."""
    del shipped
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("KMSSIM_LANG", raising=False)

    def call(*arguments, typed=None):
        ended = CliRunner().invoke(lab, arguments, input=typed, catch_exceptions=True)
        if isinstance(ended.exception, KmssimError):
            raise ended.exception
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended

    return call


@pytest.fixture
def started(run, tmp_path, monkeypatch):
    """A learner's folder, with the learner in it."""
    run("start")
    folder = tmp_path / "home" / "kmssim-labs"
    monkeypatch.chdir(folder)
    return folder
