"""Times `kmssim lab watch` as a learner meets it: `python -m tests.bench labs`, from a save to the last line.

A real watching process for each lab, answers saved at odd moments, the solution first and then the exercise as shipped.
The ratio is to a Python that does nothing. What is to be met on two free cores: 300 ms for labs without code, 600 ms
for the others.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KMSSIM = [sys.executable, "-m", "kmssim"]
LABS = ("06_tenant_lock", "03_only_the_application", "08_not_equal_to_a_list", "19_perimeter")
LABS_WITH_CODE = (
    "04_first_decrypt",
    "12_access_without_the_policy",
    "23_disabled_pending_recreated_copied",
    "24_the_quiet_path",
)
SAVES = 7
_LAST_LINE = "] watching "


@contextmanager
def _watching(folder: Path, lab: str) -> Iterator[subprocess.Popen[str]]:
    command = [*KMSSIM, "lab", "watch", lab, "--plain"]
    with subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as watching:
        try:
            yield watching
        finally:
            watching.kill()


def _wait_for_the_last_line(watching: subprocess.Popen[str]) -> None:
    assert watching.stdout is not None
    for line in watching.stdout:
        if _LAST_LINE in line:
            return
    raise SystemExit("the watching process ended")


def _save(answer: Path, exercise: Path, number: int) -> None:
    """The files of an answer, each with as many empty lines at its end as make it new."""
    for file in sorted(answer.iterdir()):
        text = file.read_text(encoding="utf-8").rstrip("\n")
        (exercise / file.name).write_text(text + "\n" * (number + 1), encoding="utf-8")


def seconds_of(folder: Path, lab: str, answer: Path) -> list[float]:
    """How long each save takes to be told about; the first, which warms the process up, is left out."""
    exercise, found = folder / lab / "exercise", []
    chance = random.Random(lab)  # noqa: S311 - odd moments, not secret ones
    with _watching(folder, lab) as watching:
        _wait_for_the_last_line(watching)
        for number in range(SAVES + 1):
            time.sleep(0.3 + chance.random() / 5)
            _save(answer, exercise, number)
            start = time.perf_counter()
            _wait_for_the_last_line(watching)
            found.append(time.perf_counter() - start)
    return found[1:]


def _idle() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - start


def measure() -> dict[str, dict[str, float]]:
    idle = statistics.median(_idle() for _ in range(7))
    figures: dict[str, dict[str, float]] = {}

    def tell(name: str, seconds: float) -> None:
        figures[name] = {"milliseconds": round(seconds * 1000, 1), "ratio": round(seconds / idle, 1)}

    tell("python -c pass", idle)
    with tempfile.TemporaryDirectory(prefix="kmssim-bench-") as scratch:
        folder = Path(scratch, "kmssim-labs")
        subprocess.run([*KMSSIM, "lab", "start", str(folder)], check=True, capture_output=True, cwd=scratch)
        for lab in (*LABS, *LABS_WITH_CODE):
            for answer in ("solution", "exercise"):
                taken = seconds_of(folder, lab, ROOT / "labs" / lab / answer)
                tell(f"save of the {answer} of {lab}, median", statistics.median(taken))
                tell(f"save of the {answer} of {lab}, worst", max(taken))
        shutil.rmtree(folder)
    return figures
