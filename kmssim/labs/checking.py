"""Run a lab's checks on an answer: what only needs the evaluator first, then the calls in the sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kmssim.errors import InputError, KmssimError, PolicyError, SetupError
from kmssim.labs.asking import ask, hold_guess, read_guesses, simulate
from kmssim.labs.code_checks import run_code, warm_up
from kmssim.labs.outcomes import Outcome, Report, Result, Spot
from kmssim.labs.positions import position_in_text
from kmssim.labs.promises import Check
from kmssim.labs.variants import Variant, exercise_of
from kmssim.scenario import Scenario

CODE_KINDS = frozenset({"code", "path"})
_IN_SANDBOX = frozenset({"positive", "negative", "absence", "prediction"})


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
    if any(check.kind in CODE_KINDS for check in checks):
        warm_up()
    try:
        running = _Running(variant, [check for check in checks if check.kind in CODE_KINDS] if to_the_end else [])
    except InputError as error:
        if not variant.blames(error):
            raise
        return _unread(variant, error, time.perf_counter() - begun)
    results = []
    for check in checks:
        results.append(running.run(check))
        if not to_the_end and not results[-1].counts_as_passed:
            break
    if simulated:
        results = _beside_simulated(running, results)
    seconds = time.perf_counter() - begun
    return Report(variant, tuple(results), seconds=seconds, world=running.answer.world)


def _unread(variant: Variant, error: InputError, seconds: float) -> Report:
    refused = isinstance(error, PolicyError)
    return Report(variant, (), _without_folder(error), refused, _spot_of(error, variant), seconds, None)


class _Running:
    """What the checks of one answer share: its world, the shipped world, its predictions."""

    def __init__(self, variant: Variant, code_checks: list[Check]) -> None:
        """`code_checks`: those that can be run side by side, since all of them will be run."""
        self.variant = variant
        self._code_checks = code_checks
        self._coded: dict[str, Result] = {}
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

    def code(self, check: Check) -> Result:
        """A code check's result; at the first of them all are run."""
        if check.id not in self._coded:
            self._coded |= {each.check.id: each for each in run_code(self._code_checks or [check], self.variant)}
        return self._coded[check.id]

    def run(self, check: Check) -> Result:
        begun = time.perf_counter()
        try:
            result = _BY_KIND[check.kind](self, check)
        except SetupError as error:
            result = Result(check, Outcome.MACHINE, str(error))
        except InputError as error:
            result = Result(check, Outcome.BROKEN, str(error))
        return replace(result, seconds=time.perf_counter() - begun)


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


def _code(running: _Running, check: Check) -> Result:
    return running.code(check)


_BY_KIND: Mapping[str, Callable[[_Running, Check], Result]] = {
    "positive": _ask,
    "negative": _ask,
    "absence": _ask,
    "prediction": _predict,
    "collateral": _compare,
    "code": _code,
    "path": _code,
}


def _beside_simulated(running: _Running, results: list[Result]) -> list[Result]:
    """Make the requests for real, one sandbox for each world, and mark the results that the sandbox contradicts."""
    from kmssim.sandbox.bench import Bench  # noqa: PLC0415 - whoever only predicts needs no runtime

    marked = list(results)
    for scenario in _scenarios_asked(running, results):
        try:
            with Bench(scenario.world) as bench:
                for index, result in enumerate(results):
                    if _is_simulated(result) and running.scenario_of(result.check) is scenario:
                        marked[index] = _held(result, simulate(result.check, scenario, bench))
        except KmssimError as error:
            outcome = Outcome.MACHINE if isinstance(error, SetupError) else Outcome.BROKEN
            return [replace(each, outcome=outcome, said=str(error)) if _is_simulated(each) else each for each in marked]
    return marked


def _scenarios_asked(running: _Running, results: list[Result]) -> list[Scenario]:
    asked = {
        id(scenario): scenario
        for each in results
        if _is_simulated(each)
        for scenario in [running.scenario_of(each.check)]
    }
    return list(asked.values())


def _is_simulated(result: Result) -> bool:
    decided = result.outcome in {Outcome.PASSED, Outcome.FAILED}
    return decided and result.check.kind in _IN_SANDBOX and bool(result.check.request)


def _held(result: Result, difference: str) -> Result:
    return replace(result, outcome=Outcome.BROKEN, said=difference) if difference else result


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
