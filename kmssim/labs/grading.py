"""Grade a folder of hand-ins: each in a process of its own, so that one which hangs does not stop the others."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from kmssim.errors import InputError, KmssimError
from kmssim.labs.beliefs import find_belief
from kmssim.labs.checking import CODE_KINDS, check_answer
from kmssim.labs.folder import Lab, find_labs, lab_named
from kmssim.labs.packing import hand_ins, take_answers
from kmssim.labs.variants import answer_in
from kmssim.strict_json import printable

_START = 20
_PER_LAB = 10
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Grade:
    """One lab of one hand-in. `state`: solved, not solved, missing, cannot be read, time limit, lab broken."""

    who: str
    lab: str
    state: str
    passed: int
    checks: int
    first_failed: str | None = None
    said: str = ""
    belief: str | None = None


@dataclass(frozen=True)
class Grades:
    """A whole class."""

    grades: tuple[Grade, ...]
    seconds: float = 0.0
    seed: int | None = None
    labs: tuple[str, ...] = field(default=())


def grade_class(
    folder: Path,
    shipped: Path,
    names: Sequence[str] = (),
    *,
    seed: int | None = None,
    processes: int = 2,
    told: Callable[[], None] = lambda: None,
) -> Grades:
    """Grade all hand-ins against the labs in `shipped`; `told` is called after each. Raises InputError."""
    begun = time.perf_counter()
    known = find_labs(shipped)
    labs = [lab_named(name, known) for name in names] or [lab for lab in known if lab.solution.is_dir()]

    def grade(hand_in: Path) -> list[Grade]:
        found = _grade_apart(hand_in, labs, shipped)
        told()
        return found

    with ThreadPoolExecutor(max(1, processes)) as pool:
        graded = [each for found in pool.map(grade, hand_ins(folder)) for each in found]
    return Grades(tuple(graded), time.perf_counter() - begun, seed, tuple(lab.id for lab in labs))


def _grade_apart(hand_in: Path, labs: Sequence[Lab], shipped: Path) -> list[Grade]:
    task = {"hand_in": str(hand_in), "labs": [lab.id for lab in labs], "shipped": str(shipped)}
    command = [sys.executable, "-P", "-m", "kmssim.labs.grading"]
    try:
        ran = subprocess.run(  # noqa: S603 - ourselves
            command,
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=sum(_longest(lab) for lab in labs) + _START,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        return [_not_graded(hand_in, lab, "time limit", "the whole hand-in took too long") for lab in labs]
    if ran.returncode:
        said = (ran.stderr.strip().splitlines() or ["the grading process ended"])[-1]
        return [_not_graded(hand_in, lab, "cannot be read", said) for lab in labs]
    return [Grade(**each) for each in json.loads(ran.stdout)]


def _environment() -> dict[str, str]:
    import os  # noqa: PLC0415 - for the child's sake only

    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PACKAGE_ROOT), *([known] if known else [])])}


def _longest(lab: Lab) -> int:
    metadata = lab.read_metadata()
    return _PER_LAB + metadata.limits.seconds * sum(check.kind in CODE_KINDS for check in metadata.checks)


def _who(hand_in: Path) -> str:
    return printable(hand_in.stem)


def _not_graded(hand_in: Path, lab: Lab, state: str, said: str) -> Grade:
    return Grade(_who(hand_in), lab.id, state, 0, len(lab.read_metadata().checks), said=said)


def grade_hand_in(hand_in: Path, labs: Sequence[Lab]) -> list[Grade]:
    """Grade one hand-in in this process. Raises InputError for one that cannot be unzipped."""
    with tempfile.TemporaryDirectory(prefix="kmssim-grade-") as scratch:
        there = take_answers(hand_in, labs, Path(scratch))
        return [_grade_one(hand_in, lab, Path(scratch, lab.id), there.get(lab.id)) for lab in labs]


def _grade_one(hand_in: Path, lab: Lab, folder: Path, refused: str | None) -> Grade:
    """`refused`: why the answer was not taken; "": it was; None: there is none. What goes wrong stays with this lab."""
    if refused is None:
        return _not_graded(hand_in, lab, "missing", "not handed in")
    if refused:
        return _not_graded(hand_in, lab, "cannot be read", refused)
    try:
        return _grade(hand_in, lab, folder)
    except Exception as error:  # noqa: BLE001 - whatever an answer makes of us, the others are graded
        return _not_graded(hand_in, lab, "lab broken", f"{type(error).__name__}: {error}")


def _grade(hand_in: Path, lab: Lab, folder: Path) -> Grade:
    report = check_answer(answer_in(folder, lab))
    checks = report.variant.metadata.checks
    if report.unreadable:
        where = f"{report.spot.path}:{report.spot.line}:{report.spot.column}: " if report.spot else ""
        state = "not solved" if report.refused else "cannot be read"
        return Grade(_who(hand_in), lab.id, state, 0, len(checks), report.trips, where + report.unreadable)
    failed = report.first_failed
    if failed is None:
        return Grade(_who(hand_in), lab.id, "solved", report.passed, len(checks))
    belief = find_belief(report)
    state = "not solved" if failed.outcome.value == "fail" else failed.outcome.value
    return Grade(
        _who(hand_in),
        lab.id,
        state,
        report.passed,
        len(checks),
        failed.check.id,
        failed.said,
        belief.belief if belief else None,
    )


def grades_text(graded: Grades) -> str:
    """The class for a person: who did not solve what and why, then what was missed most."""
    people = len({each.who for each in graded.grades})
    lines = [f"{people} hand-ins · {len(graded.labs)} labs · {graded.seconds:.0f} s"]
    width = max((len(each.who) for each in graded.grades), default=0)
    for each in graded.grades:
        told = f" in {each.first_failed}" if each.first_failed else ""
        said = f": {each.said}" if each.said and each.state != "solved" else ""
        lines.append(f"{each.who:<{width}}  {each.lab:<28}  {each.passed}/{each.checks}  {each.state}{told}{said}")
    return "\n".join([*lines, *missed_lines(graded)]) + "\n"


def missed_lines(graded: Grades) -> list[str]:
    """Which checks and which beliefs trip most."""
    tried = Counter(each.lab for each in graded.grades if each.state != "missing")
    missed = Counter((each.lab, each.first_failed) for each in graded.grades if each.first_failed)
    beliefs = Counter((each.lab, each.belief) for each in graded.grades if each.belief)
    lines = [f"missed most: {lab} {check} ({count} of {tried[lab]})" for (lab, check), count in missed.most_common(5)]
    return lines + [f'believed most: {lab} "{belief}" ({count})' for (lab, belief), count in beliefs.most_common(5)]


def grades_json(graded: Grades) -> dict[str, Any]:
    """The class as data; `read_grades` reads it back."""
    return {
        "seed": graded.seed,
        "seconds": round(graded.seconds, 1),
        "labs": list(graded.labs),
        "grades": [asdict(each) for each in graded.grades],
    }


def read_grades(file: Path) -> Grades:
    """Read what `kmssim lab grade --json` wrote. Raises InputError."""
    from kmssim.strict_json import read_json  # noqa: PLC0415 - for reports only

    content = read_json(file)
    try:
        assert isinstance(content, dict)  # noqa: S101 - told below
        grades = tuple(Grade(**each) for each in content["grades"])
        return Grades(grades, float(content["seconds"]), content["seed"], tuple(content["labs"]))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise InputError("this is not what `kmssim lab grade --json` writes", file=str(file)) from None


def grades_csv(graded: Grades) -> str:
    """One row for each lab of each hand-in."""
    text = io.StringIO()
    names = ("who", "lab", "state", "passed", "checks", "first_failed", "said", "belief")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for each in graded.grades:
        # a spreadsheet takes a text that begins with one of these for a formula
        row = {
            name: f"'{value}" if str(value).startswith(("=", "+", "-", "@")) else value
            for name, value in asdict(each).items()
        }
        writer.writerow(row)
    return text.getvalue()


def grades_junit(graded: Grades) -> str:
    """A test suite for each hand-in, a test case for each lab."""
    root = ET.Element("testsuites")
    for who in dict.fromkeys(each.who for each in graded.grades):
        own = [each for each in graded.grades if each.who == who]
        failures = [each for each in own if each.state != "solved"]
        suite = ET.SubElement(root, "testsuite", name=who, tests=str(len(own)), failures=str(len(failures)))
        for each in own:
            case = ET.SubElement(suite, "testcase", classname=who, name=each.lab)
            if each.state != "solved":
                message = _printable(f"{each.state} {each.first_failed or ''} {each.said}")
                ET.SubElement(case, "failure", message=message)
    return ET.tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text).strip()


def main() -> int:
    """Grade the hand-in that standard input names, and write its grades to standard output."""
    task = json.load(sys.stdin)
    try:
        known = find_labs(Path(task["shipped"]))
        grades = grade_hand_in(Path(task["hand_in"]), [lab_named(name, known) for name in task["labs"]])
    except KmssimError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump([asdict(each) for each in grades], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
