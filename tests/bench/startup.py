"""Times whole processes: the least time of several runs, and the ratio to a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Result, UnmeasurableError, figure

ROOT = Path(__file__).resolve().parents[2]
RUNS, SHORT_RUNS = 9, 5
IDLE = "python -c pass"
PYTHON = [sys.executable]
KMSSIM = [*PYTHON, "-c", "from kmssim.cli import main; main()"]  # what the console script does
COMMANDS = {
    IDLE: [*PYTHON, "-c", "pass"],
    "import kmssim.evaluator": [*PYTHON, "-c", "import kmssim.evaluator"],
    "import kmssim.evaluator.pdp": [*PYTHON, "-c", "import kmssim.evaluator.pdp"],
    "kmssim --help": [*KMSSIM, "--help"],
    "kmssim decide 01_key_policy_must_trust": [*KMSSIM, "decide", "01_key_policy_must_trust"],
    "kmssim compare 01_key_policy_must_trust": [*KMSSIM, "compare", "01_key_policy_must_trust"],
}
_LONG_ONLY = {"kmssim compare 01_key_policy_must_trust"}


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode != 0:
        raise UnmeasurableError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return taken


def measure() -> Result:
    """Every command."""
    return _measure(COMMANDS, RUNS)


def measure_short() -> Result:
    """What a learner waits for first."""
    return _measure({name: each for name, each in COMMANDS.items() if name not in _LONG_ONLY}, SHORT_RUNS)


def _measure(commands: dict[str, list[str]], runs: int) -> Result:
    for command in commands.values():
        _seconds(command)  # once uncounted: compiled modules, warm files
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):  # in turn, so that a busy moment is everybody's
        for name, command in commands.items():
            times[name].append(_seconds(command))
    idle = min(times[IDLE])
    return Result({name: figure("seconds", min(found), idle) for name, found in times.items()})
