"""`python -m kmssim.labs.verify LAB…`: hold a lab to what it promises.

The exercise fails, the solution passes, each wrong answer trips its check first, every mutant of the solution's
policies is caught or listed, the sandbox agrees with the evaluator throughout, and no stray file lies about.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from kmssim.errors import InputError, KmssimError
from kmssim.evaluator.policy import PolicyKind
from kmssim.labs.checking import CODE_KINDS, check_answer, check_up_to
from kmssim.labs.folder import FILES, Lab, find_lab, find_labs
from kmssim.labs.metadata import Metadata
from kmssim.labs.mutants import Mutant, mutants_of
from kmssim.labs.outcomes import Outcome, Report
from kmssim.labs.promises import POLICY_KINDS, Check
from kmssim.labs.variants import Variant, exercise_of, solution_of, wrong_answers
from kmssim.strict_json import read_json

_FOLDERS = ("exercise", "solution", "wrong", "text")
_LEFT_BEHIND = {"__pycache__", ".DS_Store"}
_FAULTS = {Outcome.BROKEN, Outcome.MACHINE}


@dataclass(frozen=True)
class Verified:
    """One thing that a lab promises: whether it holds, and what was found."""

    topic: str
    holds: bool
    said: str


@dataclass(frozen=True)
class Mutated:
    """A mutant and a check that caught it; None: it lives."""

    mutant: Mutant
    caught_by: str | None


def verify(lab: Lab, *, simulated: bool = True, answers: bool = True, mutated: bool = True) -> tuple[Verified, ...]:
    """Everything that a lab promises, in the order in which an author works. Nothing in a broken lab raises.

    `simulated`: with the sandbox beside the evaluator. `answers`: with exercise, solution and wrong answers. `mutated`:
    with the mutants, which take the longest.
    """
    found = [_verified("files", _stray_files(lab))]
    try:
        metadata = lab.read_metadata()
    except InputError as error:
        return (*found, Verified("metadata", holds=False, said=str(error)))
    found.append(_verified("metadata", _loose_ends(lab, metadata)))
    steps: dict[str, Callable[[], Verified]] = {}
    if answers:
        steps["exercise"] = partial(_exercise, lab, simulated=simulated)
        steps["solution"] = partial(_solution, lab, simulated=simulated)
        steps["wrong answers"] = partial(_wrong, lab, simulated=simulated)
    if mutated:
        steps["mutants"] = partial(_mutants, lab)
    for topic, step in steps.items():
        try:
            found.append(step())
        except KmssimError as error:
            found.append(Verified(topic, holds=False, said=str(error)))
    return tuple(found)


def _verified(topic: str, problems: Iterator[str]) -> Verified:
    told = list(problems)
    return Verified(topic, not told, "; ".join(told) or "ok")


def _stray_files(lab: Lab) -> Iterator[str]:
    """Files that must be there and are not, and those that nothing mentions."""
    known = {*FILES, "checks.py"}
    for name in FILES:
        if not (lab.folder / name).is_file():
            yield f"{name} is missing"
    for entry in sorted(lab.folder.iterdir()):
        if entry.name not in known and entry.name not in {*_FOLDERS, *_LEFT_BEHIND}:
            yield f"{entry.name} is a stray file"
    try:
        metadata = lab.read_metadata()
    except InputError:
        return
    yield from _stray_answers(lab, metadata)


def _stray_answers(lab: Lab, metadata: Metadata) -> Iterator[str]:
    """The same of the answers: each has the files to edit and no others."""
    edits = {edit.path for edit in metadata.edit}
    wrong = {each.path: lab.folder / each.path for each in metadata.wrong}
    for name, folder in {"exercise": lab.exercise, "solution": lab.solution, **wrong}.items():
        files = {str(file.relative_to(folder)) for file in _files_in(folder)}
        yield from (f"{name}/{file} is not in `edit`" for file in sorted(files - edits))
        if name in {"exercise", "solution"}:
            yield from (f"{name}/{file} is missing" for file in sorted(edits - files))
        elif not files:
            yield f"{name} has no file"
    listed = set(wrong.values())
    for folder in sorted((lab.folder / "wrong").glob("*")):
        if folder not in listed and folder.name not in _LEFT_BEHIND:
            yield f"wrong/{folder.name} is not in `wrong`"


def _files_in(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not _LEFT_BEHIND & set(file.parts):
            yield file


def _loose_ends(lab: Lab, metadata: Metadata) -> Iterator[str]:
    """Names in the metadata that lead nowhere in the lab's other files."""
    try:
        scenario = lab.read_scenario()
    except InputError as error:
        yield str(error)
        return
    names = {request.name for request in scenario.requests}
    for check in metadata.checks:
        if check.request and check.request not in names:
            yield f"check {check.id}: the scenario has no request `{check.request}`"
    if metadata.example.request not in names:
        yield f"example: the scenario has no request `{metadata.example.request}`"
    for request in scenario.requests:
        if request.expect is not None:
            yield f"request `{request.name}` has an `expect`: the checks say that"
    if any(check.kind in CODE_KINDS for check in metadata.checks) and not lab.checks.is_file():
        yield "code checks need a checks.py"
    yield from _unanswered(lab, metadata)


def _unanswered(lab: Lab, metadata: Metadata) -> Iterator[str]:
    """The shipped answers hold a null for all that is asked, and nothing else."""
    asked = {check.id: dict.fromkeys(check.asks) for check in metadata.checks if check.kind == "prediction"}
    for edit in metadata.edit:
        if edit.kind == "answers" and (lab.exercise / edit.path).is_file():
            shipped = read_json(lab.exercise / edit.path)
            if shipped != asked:
                yield f"exercise/{edit.path} must be {json.dumps(asked)}"


def _exercise(lab: Lab, *, simulated: bool) -> Verified:
    report = check_answer(exercise_of(lab), simulated=simulated)
    fault = _fault(report)
    if fault:
        return Verified("exercise", holds=False, said=fault)
    if report.unreadable and not report.refused:
        return Verified("exercise", holds=False, said=f"cannot be read: {report.unreadable}")
    if report.trips is None:
        return Verified("exercise", holds=False, said="passes as shipped: nothing is left to do")
    failing = {each.check.kind for each in report.results if not each.counts_as_passed}
    if report.results and report.variant.metadata.type == "fix" and not failing & {"positive", "negative"}:
        return Verified("exercise", holds=False, said="fails in no positive and no negative check")
    return Verified("exercise", holds=True, said=f"fails in {report.trips}, as intended")


def _solution(lab: Lab, *, simulated: bool) -> Verified:
    report = check_answer(solution_of(lab), simulated=simulated)
    total = len(report.results)
    if report.solved:
        open_questions = sum(each.outcome is Outcome.OPEN_QUESTION for each in report.results)
        also = f", {open_questions} of them open questions" if open_questions else ""
        return Verified("solution", holds=True, said=f"passes {total} of {total} in {report.seconds:.2f} s{also}")
    return Verified("solution", holds=False, said=_fault(report) or _failure(report))


def _wrong(lab: Lab, *, simulated: bool) -> Verified:
    promised = {wrong.path: wrong.trips for wrong in lab.read_metadata().wrong}
    problems = []
    for variant in wrong_answers(lab):
        report = check_up_to(variant, promised[variant.name], simulated=simulated)
        if fault := _fault(report):
            problems.append(f"{variant.name}: {fault}")
        elif report.unreadable and not report.refused:
            problems.append(f"{variant.name} cannot be read: {report.unreadable}")
        elif report.trips is None:
            problems.append(f"{variant.name} passes, it must fail in {promised[variant.name]}")
        elif report.trips != promised[variant.name]:
            problems.append(f"{variant.name} fails first in {report.trips}, not in {promised[variant.name]}")
    count = len(promised)
    said = "; ".join(problems) or f"{count} of {count} fail in the named check"
    return Verified("wrong answers", not problems, said)


def _fault(report: Report) -> str:
    """What is wrong with the lab or the machine, and not with the answer."""
    faults = [each for each in report.results if each.outcome in _FAULTS]
    return "; ".join(f"check {each.check.id}: {each.said}{_trace(each.printed)}" for each in faults)


def _trace(printed: str) -> str:
    return f"\n{printed}" if printed else ""


def _failure(report: Report) -> str:
    if report.unreadable:
        return f"{'AWS refuses it' if report.refused else 'cannot be read'}: {report.unreadable}"
    failed = [each for each in report.results if not each.counts_as_passed]
    return "; ".join(f"fails in {each.check.id}: {each.said}" for each in failed)


def _mutants(lab: Lab) -> Verified:
    listed = {survivor.mutant for survivor in lab.read_metadata().survivors}
    mutated = mutate(lab)
    alive = {each.mutant.text for each in mutated if each.caught_by is None}
    problems = [f"no check catches: {text}" for text in sorted(alive - listed)]
    problems += [f"`survivors` lists a mutant that is caught or not made: {text}" for text in sorted(listed - alive)]
    if problems:
        return Verified("mutants", holds=False, said="; ".join(problems))
    counts = Counter(each.mutant.operator for each in mutated if each.caught_by)
    told = ", ".join(f"{operator} {count}" for operator, count in counts.most_common())
    also = f"; {len(alive)} listed as equivalent" if alive else ""
    said = f"{sum(counts.values())} of {len(mutated)} caught{f' ({told})' if told else ''}{also}"
    return Verified("mutants", holds=True, said=said if mutated else "the lab has no policy to edit")


def mutate(lab: Lab) -> tuple[Mutated, ...]:
    """Every mutant of the solution's policies, and a check that catches it. Raises InputError."""
    solution = solution_of(lab)
    catching = _Catching([check for check in solution.metadata.checks if check.kind in CODE_KINDS])
    found: list[Mutated] = []
    with tempfile.TemporaryDirectory(prefix="kmssim-mutants-") as scratch:
        for edit in solution.only(*POLICY_KINDS):
            document = read_json(solution.file(edit.path))
            assert isinstance(document, dict), edit.path  # noqa: S101 - the solution was read before
            for mutant in mutants_of(edit.path, document, PolicyKind(edit.kind)):
                folder = Path(scratch, str(len(found)))
                (folder / edit.path).parent.mkdir(parents=True)
                (folder / edit.path).write_text(json.dumps(mutant.document), encoding="utf-8")
                variant = Variant(lab, solution.metadata, mutant.text, folder, lab.solution)
                found.append(Mutated(mutant, catching.caught_by(variant)))
    return tuple(found)


class _Catching:
    """Asks the evaluator's checks first: only what they let live is worth a process. Then what caught the last one."""

    def __init__(self, code_checks: Sequence[Check]) -> None:
        """An attack is made in the world as shipped, where a mutant changes nothing: the solution passed it already."""
        self._code = [check.id for check in code_checks if check.world == "answer"]

    def caught_by(self, variant: Variant) -> str | None:
        report = check_answer(variant, simulated=False, with_code=False, to_the_end=False)
        if report.trips is not None:
            return report.trips
        for name in self._code:
            if check_answer(variant, only=[name], simulated=False).trips:
                self._code.remove(name)
                self._code.insert(0, name)
                return name
        return None


def verify_all(
    labs: Sequence[Lab], *, mutated: bool, processes: int, told: Callable[[], None]
) -> list[tuple[Verified, ...]]:
    """What `verify` finds of each lab, several labs at a time; `told` is called after each."""
    if processes == 1 or len(labs) == 1:
        return [_told(verify(lab, mutated=mutated), told) for lab in labs]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        # the later ones have more to do: who begins with them does not wait for one of them in the end
        working = {lab: pool.submit(verify, lab, mutated=mutated) for lab in reversed(labs)}
        return [_told(working[lab].result(), told) for lab in labs]


def _told(found: tuple[Verified, ...], told: Callable[[], None]) -> tuple[Verified, ...]:
    told()
    return found


def verified_text(lab: Lab, found: Sequence[Verified]) -> str:
    """What was found, a line for each topic; what does not hold is marked in words."""
    lines = [lab.id]
    lines += [f"  {'      ' if each.holds else 'WRONG '}{each.topic:<14} {each.said}" for each in found]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Verify the named labs, all of them when none is named; 0 when all hold, 1 when one does not, 2 on bad input."""
    fine = True
    try:
        for lab in [find_lab(name) for name in arguments] or find_labs():
            found = verify(lab)
            fine = fine and all(each.holds for each in found)
            sys.stdout.write(verified_text(lab, found) + "\n")
    except KmssimError as error:
        sys.stderr.write(f"kmssim.labs.verify: {error}\n")
        return 2
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
