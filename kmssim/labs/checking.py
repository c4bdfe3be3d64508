"""Run a lab's checks on an answer: the evaluator's here, while code and sandbox work in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from kmssim.errors import InputError, PolicyError, SetupError
from kmssim.labs import apart
from kmssim.labs.asking import ask, hold_guess, read_guesses
from kmssim.labs.code_checks import code_result, code_task
from kmssim.labs.outcomes import Outcome, Report, Result, Spot
from kmssim.labs.promises import Check
from kmssim.labs.simulating import contradicted, simulation_tasks
from kmssim.labs.variants import Variant, exercise_of
from kmssim.positions import position_in_text
from kmssim.scenario import Scenario

CODE_KINDS = frozenset({"code", "path"})


def check_answer(
    variant: Variant,
    *,
    only: Iterable[str] = (),
    simulated: bool = True,
    with_code: bool = True,
    to_the_end: bool = True,
) -> Report:
    """Run the checks of a lab on one answer.

    `only` names checks; none means all. `simulated`: each request is made for real as well, and a sandbox that answers
    otherwise makes the check BROKEN. `with_code`: run code checks, too. `to_the_end`: go on after a failure.

    Raises InputError when the lab itself is broken. A file of the answer that cannot be read is in the report.
    """
    begun = time.perf_counter()
    checks = [check for check in variant.metadata.checks if with_code or check.kind not in CODE_KINDS]
    wanted = set(only)
    for name in wanted:
        variant.metadata.check(name)
    checks = [check for check in checks if not wanted or check.id in wanted]
    if simulated or any(check.kind in CODE_KINDS for check in checks):
        apart.warm_up()
    try:
        running = _Running(variant)
    except InputError as error:
        if not variant.blames(error):
            raise
        return _unread(variant, error, time.perf_counter() - begun)
    run = running.run_all if to_the_end else running.run_to_first_failure
    results = run(checks, simulated=simulated)
    return Report(variant, tuple(results), seconds=time.perf_counter() - begun, world=running.answer.world)


def check_up_to(variant: Variant, name: str, *, simulated: bool) -> Report:
    """Run the checks up to one that must be the first to fail, side by side; all of them where none of these fails.

    Raises InputError as `check_answer` does.
    """
    ids = [check.id for check in variant.metadata.checks]
    report = check_answer(variant, only=ids[: ids.index(name) + 1], simulated=simulated)
    if report.trips is None and not report.unreadable:
        return check_answer(variant, simulated=False, to_the_end=False)
    return report


def _unread(variant: Variant, error: InputError, seconds: float) -> Report:
    refused = isinstance(error, PolicyError)
    return Report(variant, (), _without_folder(error), refused, _spot_of(error, variant), seconds, None)


class _Running:
    """What the checks of one answer share: its world, the shipped world, its predictions."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.answer = variant.read_scenario()
        self.guesses = _guesses_of(variant)
        self._shipped: Scenario | None = None

    @property
    def shipped(self) -> Scenario:
        if self._shipped is None:
            exercise = exercise_of(self.variant.lab)
            same = exercise.digest == self.variant.digest
            self._shipped = self.answer if same else exercise.read_scenario()
        return self._shipped

    def scenario_of(self, check: Check) -> Scenario:
        return self.answer if check.world == "answer" else self.shipped

    def run_all(self, checks: Sequence[Check], *, simulated: bool) -> list[Result]:
        """All of them: what runs apart begins first, and is asked for last."""
        code, broken = self._code_tasks(checks)
        made = simulation_tasks(checks, self.variant) if simulated else []
        handed = apart.hand_in([*made, *code.values()])
        decided = {check.id: self._decide(check) for check in checks if check.kind not in CODE_KINDS}
        begun = time.perf_counter()
        answers = _answers(handed)
        waited = time.perf_counter() - begun
        coded = zip(code, answers[len(made) :], strict=True)
        ran = {check.id: replace(code_result(check, self.variant, each), seconds=waited) for check, each in coded}
        found = decided | ran | broken
        return contradicted([found[check.id] for check in checks], made, answers[: len(made)])

    def run_to_first_failure(self, checks: Sequence[Check], *, simulated: bool) -> list[Result]:
        """In their order, and no further than needed; then the requests of those that were looked at."""
        results: list[Result] = []
        for check in checks:
            results += self.run_all([check], simulated=False)
            if not results[-1].counts_as_passed:
                break
        if not simulated:
            return results
        made = simulation_tasks([each.check for each in results], self.variant)
        return contradicted(results, made, _answers(apart.hand_in(made)))

    def _code_tasks(self, checks: Sequence[Check]) -> tuple[dict[Check, apart.Task], dict[str, Result]]:
        """The tasks of code checks; or what is wrong with a lab that has none to run."""
        coded = [check for check in checks if check.kind in CODE_KINDS]
        lab = self.variant.lab
        if lab.checks.is_file():
            return {check: code_task(check, self.variant) for check in coded}, {}
        return {}, {
            check.id: Result(check, Outcome.BROKEN, f"{lab.id} has no checks.py for its check {check.id}")
            for check in coded
        }

    def _decide(self, check: Check) -> Result:
        begun = time.perf_counter()
        try:
            result = _BY_KIND[check.kind](self, check)
        except SetupError as error:
            result = Result(check, Outcome.MACHINE, str(error))
        except InputError as error:
            result = Result(check, Outcome.BROKEN, str(error))
        return replace(result, seconds=time.perf_counter() - begun)


def _answers(handed: apart.HandedIn) -> list[apart.Answer]:
    """What came back; of a machine that cannot, the same word for every task."""
    try:
        return handed.answers()
    except SetupError as error:
        return [{"outcome": Outcome.MACHINE.value, "said": str(error)} for _ in handed.tasks]


def _guesses_of(variant: Variant) -> Mapping[str, Mapping[str, str | None]]:
    return {
        name: said for edit in variant.only("answers") for name, said in read_guesses(variant.file(edit.path)).items()
    }


def _ask(running: _Running, check: Check) -> Result:
    if check.reach is not None:
        from kmssim.labs.reaching import look_for_paths  # noqa: PLC0415 - few labs search

        return look_for_paths(check, running.answer.world)
    return ask(check, running.scenario_of(check))


def _predict(running: _Running, check: Check) -> Result:
    return hold_guess(check, running.scenario_of(check), running.guesses.get(check.id, {}))


def _compare(running: _Running, check: Check) -> Result:
    from kmssim.labs.collateral import compare_matrices  # noqa: PLC0415 - labs without it start sooner

    return compare_matrices(check, running.shipped.world, running.answer.world)


_BY_KIND: Mapping[str, Callable[[_Running, Check], Result]] = {
    "positive": _ask,
    "negative": _ask,
    "absence": _ask,
    "prediction": _predict,
    "collateral": _compare,
}


def _without_folder(error: InputError) -> str:
    """The refusal without the name of the file, which stands before it wherever it is shown."""
    return str(InputError(error.what, path=error.path, hint=error.hint))


def _spot_of(error: InputError, variant: Variant) -> Spot | None:
    """Where in the learner's file a mistake is: said in the message, or found by its JSON path."""
    for edit in variant.metadata.edit:
        file = variant.file(edit.path)
        if error.file == str(file):
            line, column = position_in_text(file, error)
            return Spot(edit.path, line, column)
    return None
