"""Times whole processes: `python -m tests.bench`. Medians of seven runs, and the ratio to a Python that does nothing.

`python -m tests.bench decisions` times decisions in one process, `… sandbox` the sandbox against moto alone, `… grants`
the index of a key with 50,000 grants, `… sweep` who can do what in a crowd; see the modules of these names.
Absolute times depend on the machine and on who else uses it; the ratio is what to compare. `--json` prints data.
"""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = 7
PYTHON = [sys.executable]
KMSSIM = [*PYTHON, "-c", "from kmssim.cli import main; main()"]  # what the console script does
COMMANDS = {
    "python -c pass": [*PYTHON, "-c", "pass"],
    "import kmssim.evaluator": [*PYTHON, "-c", "import kmssim.evaluator"],
    "import kmssim.evaluator.pdp": [*PYTHON, "-c", "import kmssim.evaluator.pdp"],
    "kmssim --help": [*KMSSIM, "--help"],
    "kmssim decide 01_key_policy_must_trust": [*KMSSIM, "decide", "01_key_policy_must_trust"],
    "kmssim compare 01_key_policy_must_trust": [*KMSSIM, "compare", "01_key_policy_must_trust"],
}
PARTS = {
    "decisions": ("microseconds", "8.1f"),
    "grants": ("microseconds", "10.1f"),
    "sandbox": ("milliseconds", "8.3f"),
    "sweep": ("milliseconds", "8.1f"),
}
"""Each is a module beside this one; its unit, and how a figure is written."""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def measure() -> dict[str, dict[str, float]]:
    for command in COMMANDS.values():
        seconds(command)  # once uncounted: compiled modules, warm files
    times = {name: [seconds(command) for _ in range(RUNS)] for name, command in COMMANDS.items()}
    medians = {name: statistics.median(found) for name, found in times.items()}
    idle = medians["python -c pass"]
    return {name: {"seconds": round(found, 3), "ratio": round(found / idle, 1)} for name, found in medians.items()}


def main(arguments: list[str]) -> None:
    named = next((name for name in PARTS if name in arguments), None)
    unit, width = PARTS[named] if named else ("seconds", "8.3f")
    figures = importlib.import_module(named).measure() if named else measure()
    if "--json" in arguments:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{figure[unit]:{width}} {unit}  {figure['ratio']:6.1f} x  {name}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1:])
