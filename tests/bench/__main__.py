"""Measures kmssim: `python -m tests.bench [PART …]`, all parts but the long ones without a name; `--list` names them.

Each part runs in a process of its own and prints figures, each with its ratio to something measured in the same run:
a loop of plain Python, a Python that does nothing, moto alone, another program. Fails, with exit code 1, when a ratio is
worse than its floor (`floors.toml`). `--short` measures less, in seconds; `--json FILE` writes everything down.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.figures import UnmeasurableError, lines_of
from bench.floors import FILE, Floor, FloorsError, broken, read_floors
from bench.parts import ONLY_WHEN_NAMED, PARTS, measured_apart


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures kmssim.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="; ".join(PARTS))
    parser.add_argument("--list", action="store_true", help="say what each part measures")
    parser.add_argument("--short", action="store_true", help="less of each part, in seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures into a file")
    parser.add_argument("--install", action="store_true", help="fetch the peers from npm and pip, then measure")
    asked = parser.parse_args(given)
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part is named `{unknown[0]}`; there are {', '.join(PARTS)}")  # exit code 2
    return asked


def _install_peers() -> None:
    from bench.other_programs import folder_of_peers, install  # noqa: PLC0415 - no other part needs them

    for line in install(folder_of_peers()):
        print(line)


def main(given: Sequence[str]) -> int:
    """Run the parts; 1 when a floor is broken, 2 when something asked for is not there."""
    asked = _arguments(given)
    if asked.list:
        print("\n".join(f"{part:<10} {what}" for part, what in PARTS.items()))
        return 0
    try:
        floors = read_floors(FILE.read_text(encoding="utf-8"))
    except FloorsError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.install:
        _install_peers()
    return _run(asked.parts or [part for part in PARTS if part not in ONLY_WHEN_NAMED], floors, asked)


def _run(parts: Sequence[str], floors: tuple[Floor, ...], asked: argparse.Namespace) -> int:
    results: dict[str, object] = {}
    problems: list[str] = []
    for part in parts:
        start = time.perf_counter()
        try:
            result = measured_apart(part, short=asked.short)
        except (UnmeasurableError, ImportError) as error:
            problems.append(f"{part}: not measured: {error}")
            continue
        if result is None:
            continue
        results[part] = result.as_data()
        problems += [*broken(floors, part, result, short=asked.short), *(f"{part}: {each}" for each in result.problems)]
        print(f"\n{part}: {PARTS[part]} ({time.perf_counter() - start:.0f} s)")
        print("\n".join(lines_of(result)))
    if asked.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        whole = {"machine": machine, "short": asked.short, "parts": results, "problems": problems}
        asked.json.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    print("\n" + ("\n".join(problems) if problems else "every figure is within its floor"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
