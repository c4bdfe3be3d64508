"""`kmssim lab watch|check|predict|explain|compare`: answers, held against the lab."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from kmssim.verbs.options import is_colored, print_json, with_json

if TYPE_CHECKING:
    from kmssim.labs.folder import Lab
    from kmssim.labs.outcomes import Report
    from kmssim.labs.variants import Variant
    from kmssim.labs.workspace import Workspace
    from kmssim.scenario import Scenario

_plain = click.option("--plain/--no-plain", default=None, help="One fact a line; so it is where there is no terminal.")


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--all", "every", is_flag=True, help="Check every lab whose answer is not known to be right.")
@click.option("--only", multiple=True, metavar="CHECK", help="Run this check only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@_plain
def check(name: str | None, only: Sequence[str], *, every: bool, as_json: bool, plain: bool | None) -> None:
    """Check LAB (the current one). What fails is explained."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    labs = _not_done(workspace) if every else [workspace.find(name)]
    reports = [_checked(workspace, lab, only) for lab in labs]
    if as_json:
        from kmssim.labs.report_json import report_json

        found = [report_json(report) for report in reports]
        print_json(found if every else found[0])
    else:
        for report in reports:
            click.echo(_text(workspace, report, plain=plain, whole=not only), nl=False)
    if every and not reports:
        click.echo("Every answer that was right is unchanged; nothing is open.")
    sys.exit(max((report.exit_code.value for report in reports), default=0))


def _not_done(workspace: Workspace) -> list[Lab]:
    """Only what may have changed is run again."""
    from kmssim.labs.progress_file import Standing

    return [each.lab for each in workspace.standings() if each.standing in {Standing.OPEN, Standing.STALE}]


def _checked(workspace: Workspace, lab: Lab, only: Sequence[str] = (), *, simulated: bool = True) -> Report:
    """Check an answer and keep what was found. A broken lab ends the command: that is our fault."""
    from kmssim.errors import InputError
    from kmssim.labs.checking import check_answer

    answer = workspace.answer(lab)
    for each in only:
        answer.metadata.check(each)
    simulated = simulated and "sandbox" in answer.metadata.needs
    try:
        report = check_answer(answer, only=only, simulated=simulated)
    except InputError as error:
        _our_fault(lab, error)
    if not only:
        workspace.note_check(lab, report)
    return report


def _our_fault(lab: Lab, error: Exception) -> NoReturn:
    from kmssim.labs.outcomes import ExitCode

    click.echo(f"kmssim: lab {lab.id} is broken, and that is our fault. Please report this line: {error}", err=True)
    sys.exit(ExitCode.BROKEN.value)


def _text(workspace: Workspace, report: Report, *, plain: bool | None, whole: bool = True) -> str:
    from kmssim.labs.outcomes import ExitCode
    from kmssim.labs.showing import done_text
    from kmssim.labs.telling import Style, report_text

    plainly = not sys.stdout.isatty() if plain is None else plain
    told = report_text(report, Style(plainly, is_colored() and not plainly))
    if report.solved and whole:
        return f"{told}\n{done_text(workspace, report.variant.lab, report.variant.metadata)}"
    if report.exit_code in {ExitCode.NOT_SOLVED, ExitCode.TIME_LIMIT}:
        return f"{told}\nhint: kmssim lab hint\n"
    return told


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--poll", type=click.FloatRange(0.01, 60), metavar="SECONDS", help="How often to look (0.03).")
@click.option("--manual", is_flag=True, help="Check when c or Enter is pressed, not on a save.")
@click.option("--once", is_flag=True, hidden=True, help="Look once and end; for tests.")
@click.option("--json", "as_json", is_flag=True, help="Print what each check finds as a line of JSON.")
@_plain
def watch(name: str | None, poll: float | None, *, manual: bool, once: bool, as_json: bool, plain: bool | None) -> None:
    """Check LAB (the current one) on every save, until q.

    Keys: c check, h hint, p predict, d diff, r reset, n next, q quit. Nothing moves on by itself.
    """
    from kmssim.labs.watching import PAUSE, Watch
    from kmssim.labs.workspace import find_workspace

    session = _Session(find_workspace(), plain=plain, as_json=as_json)
    session.go_to(name)
    Watch(session.answer, session.check, session.keys, manual, poll or PAUSE).run(1 if once else None)


class _Session:
    """What a watching terminal does; the lab may change under way."""

    def __init__(self, workspace: Workspace, *, plain: bool | None, as_json: bool) -> None:
        self.workspace = workspace
        self.as_json = as_json
        self.plain = plain
        self.lab = workspace.find()

    @property
    def keys(self) -> dict[str, Callable[[], None]]:
        return {"h": self.hint, "p": self.predict, "d": self.diff, "r": self.reset, "n": self.next}

    def go_to(self, name: str | None) -> None:
        self.lab = self.workspace.find(name)
        self.workspace.go_to(self.lab)

    def answer(self) -> Any:  # noqa: ANN401 - a variant
        return self.workspace.answer(self.lab)

    def check(self) -> None:
        import time

        begun = time.perf_counter()
        report = _checked(self.workspace, self.lab)
        if self.as_json:
            from kmssim.labs.report_json import report_json

            click.echo(json.dumps(report_json(report), ensure_ascii=False))
            return
        text = _text(self.workspace, report, plain=self.plain)
        click.echo(f"\n{'-' * 72}\n{text}")
        files = ", ".join(edit.path for edit in self.answer().metadata.edit)
        now = time.strftime("%H:%M:%S")
        keys = "h hint  p predict  d diff  r reset  n next  q quit"
        click.echo(f"[{now}, {time.perf_counter() - begun:.2f} s] watching {files}   {keys}")

    def hint(self) -> None:
        from kmssim.verbs.lab_help import next_hint

        click.echo(next_hint(self.workspace, self.lab, None))

    def predict(self) -> None:
        _predict_all(self.workspace, self.lab)

    def diff(self) -> None:
        from kmssim.verbs.lab_help import diff_text

        click.echo(diff_text(self.workspace, self.lab))

    def reset(self) -> None:
        click.echo(f"The exercise is as shipped again; what was there is in {self.workspace.reset(self.lab)}.")

    def next(self) -> None:
        from kmssim.labs.showing import task_text

        following = self.workspace.next()
        if following is None:
            click.echo("No lab is open any more.")
            return
        self.go_to(following.id)
        click.echo(task_text(self.workspace, self.lab))


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the open questions as JSON, and ask nothing.")
def predict(name: str | None, *, as_json: bool) -> None:
    """Answer before running: for each question the verdict and the layer that decides."""
    from kmssim.labs.workspace import find_workspace

    workspace = find_workspace()
    lab = workspace.find(name)
    if as_json:
        from kmssim.labs.predicting import Questions

        still_open = Questions(workspace.answer(lab)).open
        print_json([{"question": each.text, "parts": dict(each.parts)} for each in still_open])
        return
    try:
        right = _predict_all(workspace, lab)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        from kmssim.errors import InputError

        raise InputError("no answer came", hint="answers can be written into exercise/answers.json as well") from None
    sys.exit(0 if right else 1)


def _predict_all(workspace: Workspace, lab: Lab) -> bool:
    """Ask every question that is not answered rightly yet; whether all are in the end."""
    from kmssim.labs.predicting import Questions

    questions = Questions(workspace.answer(lab))
    if not questions.open:
        click.echo("Nothing is left to predict here.")
        return True
    all_right = True
    for number, question in enumerate(questions.open, start=1):
        click.echo(f"{lab.id}   question {number} of {len(questions.open)}")
        click.echo(question.text)
        given = {part: _asked(part, text) for part, text in question.parts.items()}
        right, told = questions.answer(question, given)
        click.echo(f"{told}\n")
        all_right = all_right and right
    return all_right


def _asked(part: str, text: str) -> str:
    """A word that is an answer; a slip of the fingers is no prediction."""
    from kmssim.labs.predicting import known_word

    while (word := known_word(part, click.prompt(f"  {text}", type=str))) is None:
        click.echo("  That is none of the answers.")
    return word


def _scenario_of(answer: Variant) -> Scenario:
    """The lab's scenario with the learner's documents. One that cannot be read ends the command with its own code."""
    from kmssim.errors import InputError, PolicyError
    from kmssim.labs.outcomes import ExitCode

    try:
        return answer.read_scenario()
    except InputError as error:
        if isinstance(error, PolicyError) or not answer.blames(error):
            raise
        click.echo(f"kmssim: your file cannot be read: {error}", err=True)
        sys.exit(ExitCode.UNREADABLE.value)


@click.command
@click.argument("request_name", metavar="REQUEST")
@click.option("--lab", "name", metavar="LAB", help="Of this lab; without it, of the current one.")
@click.option("--trace", is_flag=True, help="Show the trace as a tree.")
@with_json
def explain(request_name: str, name: str | None, *, trace: bool, as_json: bool) -> None:
    """Explain REQUEST of the lab, or the request of a CHECK, with your documents."""
    from kmssim.evaluator.pdp import decide
    from kmssim.labs.workspace import find_workspace
    from kmssim.render import decision_json, decision_text

    workspace = find_workspace()
    answer = workspace.answer(workspace.find(name))
    of_check = {each.id: each.request for each in answer.metadata.checks if each.request}
    scenario = _scenario_of(answer)
    request = scenario.request(of_check.get(request_name, request_name))
    decision = decide(scenario.world, request.call)
    if as_json:
        print_json(decision_json(request.name, decision, brief=not trace))
    else:
        learners = answer.folder.parent.name  # not the scenario's own folder, where the documents are as shipped
        click.echo(decision_text(request.name, decision, learners, trace=trace), nl=False)


@click.command
@click.argument("name", metavar="LAB", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(name: str | None, *, as_json: bool) -> None:
    """Predicted beside simulated, and beside moto alone, for every request of LAB with your documents."""
    from kmssim.compare import compare_scenario, summarize
    from kmssim.labs.workspace import find_workspace
    from kmssim.tables import comparisons_json, comparisons_text

    workspace = find_workspace()
    compared = [compare_scenario(_scenario_of(workspace.answer(workspace.find(name))))]
    totals = summarize(compared)
    if as_json:
        print_json(comparisons_json(compared, totals))
    else:
        click.echo(comparisons_text(compared, totals, color=is_colored()), nl=False)
    sys.exit(0 if totals.fine else 3)


COMMANDS = {"watch": watch, "check": check, "predict": predict, "explain": explain, "compare": compare}
