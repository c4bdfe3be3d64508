"""What the sandbox answers to boto3 is imported, and shows the world that it was seeded with."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from aws_exports import answering, as_exported, exports_of, write_files
from hypothesis import HealthCheck, given, settings

from kmssim.exports.gather import Imported, Told, import_files
from kmssim.scenario import load_scenario

sys.path.insert(0, str(Path(__file__).parent / "sandbox"))
from worlds import worlds

ROOT = Path(__file__).resolve().parent.parent
CASES = [path for path in sorted((ROOT / "tests/cases").glob("*.json")) if "refused" not in path.name]


def through_files(world) -> Imported:
    with answering(world) as client, tempfile.TemporaryDirectory() as folder:
        write_files(exports_of(world, client), Path(folder))
        return import_files([Path(folder)], Told(region=world.region))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_world_of_every_case_comes_back_from_its_exports(path):
    world = load_scenario(path).world
    result = through_files(world)
    assert as_exported(result.world) == as_exported(world)
    assert not result.not_understood


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_any_world_comes_back_from_its_exports(world):
    result = through_files(world)
    assert as_exported(result.world) == as_exported(world)
    assert not result.not_understood
