"""The short form of the load test; `python -m tests.load` is the long one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.load.__main__ import WARM_UP_DECISIONS, run

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc, as Linux has it"
)


def test_under_load_every_call_ends_as_predicted_and_nothing_leaks():
    result = run(threads=4, processes=2, seconds=8)
    assert result.problems == []
    assert result.decisions >= result.calls > WARM_UP_DECISIONS
    assert 0 < result.refused < result.calls
    assert result.killed > 10
