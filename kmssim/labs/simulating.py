"""The requests of checks, made for real beside the evaluator: some at a time in a process of their own.

`simulation_tasks` hands them out, `make_requests` makes them over there, `contradicted` marks the results that the
sandbox contradicts. Which of both is right is no question for a learner: a lab whose two answers differ is broken.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmssim.errors import KmssimError, SetupError
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import PrincipalKind
from kmssim.labs.apart import Answer, Task
from kmssim.labs.limits import limited
from kmssim.labs.outcomes import Outcome, Result
from kmssim.labs.promises import WORLDS, Check
from kmssim.labs.variants import Variant, exercise_of
from kmssim.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from kmssim.sandbox.bench import Bench

_IN_SANDBOX = frozenset({"positive", "negative", "absence", "prediction"})


def simulation_tasks(checks: Iterable[Check], variant: Variant) -> list[Task]:
    """The requests of checks, a process for each world in which they are made: seeding a second one gains nothing."""
    made = [check for check in checks if check.kind in _IN_SANDBOX and check.request]
    worlds = {world: [check for check in made if check.world == world] for world in WORLDS}
    return [_task(wanted, variant, world) for world, wanted in worlds.items() if wanted]


def _task(checks: Sequence[Check], variant: Variant, world: str) -> Task:
    here = variant if world == "answer" else exercise_of(variant.lab)
    return {
        "does": "simulate",
        "scenario": str(variant.lab.scenario.resolve()),
        "moved": here.moved,
        "requests": {check.id: check.request for check in checks},
        "seconds": variant.metadata.limits.seconds,
        "memory_mb": variant.metadata.limits.memory_mb,
    }


def make_requests(task: Task) -> Answer:
    """Make the requests of a task. The answer has `differs`: how the sandbox answers otherwise, by the check's id.

    A check whose request is answered alike is not in it. Where nothing could be made, `outcome` and `said` tell why.
    """
    try:
        with limited(task["memory_mb"], task["seconds"]):
            return {"outcome": Outcome.PASSED.value, "said": "", "differs": _made(task)}
    except SetupError as error:
        return {"outcome": Outcome.MACHINE.value, "said": str(error)}
    except KmssimError as error:
        return {"outcome": Outcome.BROKEN.value, "said": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever our sandbox raises is our fault, and told
        trace = "".join(traceback.format_exception(error))
        return {"outcome": Outcome.BROKEN.value, "said": f"{type(error).__name__}: {error}", "trace": trace}


def _made(task: Task) -> dict[str, str]:
    from kmssim.sandbox.bench import Bench  # noqa: PLC0415 - only the process that makes requests needs the runtime

    scenario = load_scenario(task["scenario"], {name: Path(path) for name, path in task["moved"].items()})
    with Bench(scenario.world) as bench:
        found = {check: simulate(request, scenario, bench) for check, request in task["requests"].items()}
    return {check: difference for check, difference in found.items() if difference}


def simulate(name: str, scenario: Scenario, bench: Bench) -> str:
    """Make the request of that name for real. How the sandbox answers otherwise than the evaluator; "" for alike.

    A request that no client can make has no second answer: where a service calls for itself that is as in AWS,
    elsewhere it is a flaw of the lab. What AWS leaves open is not compared.
    """
    from kmssim.compare import agree, predicted_by  # noqa: PLC0415 - as above

    call = scenario.request(name).call
    decision = decide(scenario.world, call)
    if decision.uncertain:
        return ""
    predicted = predicted_by(decision)
    observed = bench.observe_sandbox(call)
    if agree(predicted, observed):
        return ""
    if observed.decision is None:
        if call.principal.kind is PrincipalKind.SERVICE:
            return ""  # nobody has a service's credentials
        return f"the request `{name}` cannot be made for real: {observed.message}"
    told = f"{observed.decision}{f', {observed.error}' if observed.error else ''}"
    wanted = f"{predicted.decision}{f', {predicted.error}' if predicted.error else ''}"
    return f"the evaluator answers `{name}` with {wanted}, the sandbox with {told}"


def contradicted(results: Sequence[Result], tasks: Sequence[Task], answers: Sequence[Answer]) -> list[Result]:
    """The results, those marked which the sandbox contradicts or could not be asked about."""
    faults: dict[str, Mapping[str, Any]] = {}
    for task, answer in zip(tasks, answers, strict=True):
        faults |= _faults(task, answer)
    decided = {Outcome.PASSED, Outcome.FAILED}
    return [replace(each, **faults.get(each.check.id, {})) if each.outcome in decided else each for each in results]


def _faults(task: Task, answer: Answer) -> dict[str, Mapping[str, Any]]:
    """What is to be changed in the results of a task's checks, by their ids."""
    outcome = Outcome(answer["outcome"])
    if outcome is Outcome.PASSED:
        return {check: {"outcome": Outcome.BROKEN, "said": text} for check, text in answer["differs"].items()}
    said = answer["said"]
    if outcome is Outcome.TIME_LIMIT:
        said = f"the sandbox did not answer within {task['seconds']} seconds"
    if outcome is not Outcome.BROKEN:
        outcome = Outcome.MACHINE
    mark = {"outcome": outcome, "said": said, "printed": answer.get("trace") or answer.get("printed", "")}
    return dict.fromkeys(task["requests"], mark)
