"""A lab as pytest sees it: two lines in each lab's `test_lab.py`, the same in all of them.

    from kmssim.labs.testing import lab_tests

    globals().update(lab_tests(__file__))

Where the solution lies beside it, the lab itself is tested: the exercise fails, the solution passes, each wrong answer
trips its check. In a learner's copy there is a test for each check, and a failure is the lesson.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from kmssim.labs.checking import check_answer, check_up_to
from kmssim.labs.folder import Lab, find_labs, lab_named
from kmssim.labs.outcomes import Outcome, Report
from kmssim.labs.variants import Variant, answer_in, exercise_of, solution_of, wrong_answers
from kmssim.labs.workspace import workspace_at

Tests = Mapping[str, Callable[..., None]]


def lab_tests(file: str) -> Tests:
    """The tests of the lab in whose folder `file` lies. Raises InputError for broken metadata."""
    lab = Lab(Path(file).resolve().parent)
    return _of_lab(lab) if lab.solution.is_dir() else _of_answer(lab)


def _of_lab(lab: Lab) -> Tests:
    trips = {wrong.path: wrong.trips for wrong in lab.read_metadata().wrong}

    def test_the_exercise_is_not_solved() -> None:
        report = check_answer(exercise_of(lab))
        _refuse_faults(report)
        assert report.trips is not None  # noqa: S101 - this is a test

    def test_the_solution_passes() -> None:
        report = check_answer(solution_of(lab))
        assert report.solved, [(each.check.id, each.said) for each in report.results if not each.counts_as_passed]  # noqa: S101

    @pytest.mark.parametrize("wrong", wrong_answers(lab), ids=lambda wrong: wrong.name.partition("/")[2])
    def test_a_wrong_answer_trips_its_check(wrong: Variant) -> None:
        report = check_up_to(wrong, trips[wrong.name], simulated=False)  # the sandbox is held to it above
        _refuse_faults(report)
        assert report.trips == trips[wrong.name]  # noqa: S101

    return {
        test.__name__: test
        for test in (
            test_the_exercise_is_not_solved,
            test_the_solution_passes,
            test_a_wrong_answer_trips_its_check,
        )
    }


def _refuse_faults(report: Report) -> None:
    faults = [each for each in report.results if each.outcome in {Outcome.BROKEN, Outcome.MACHINE}]
    assert not faults, [(each.check.id, each.said, each.printed) for each in faults]  # noqa: S101


def _of_answer(copy: Lab) -> Tests:
    shipped = lab_named(copy.id, find_labs(workspace_at(copy.folder.parent).shipped))
    checks = [check.id for check in shipped.read_metadata().checks]

    @cache
    def report() -> Report:
        return check_answer(answer_in(copy.exercise, shipped))

    @pytest.mark.parametrize("check", checks)
    def test_check(check: str) -> None:
        __tracebackhide__ = True
        from kmssim.labs.telling import Style, failure_text  # noqa: PLC0415 - words are for failures

        failure = failure_text(report(), Style(plain=True), check)
        if failure:
            pytest.fail(failure, pytrace=False)

    return {"test_check": test_check}
