"""Fixtures for tests of code that calls KMS, S3 with SSE-KMS or Secrets Manager: each call is authorized as AWS would.

    @pytest.mark.kms_scenario("orders.json")                   # a file beside the test, or ini option kmssim_scenario
    def test_the_batch_job_reads_orders(kms_client, kms_decisions):
        kms = kms_client("arn:aws:sts::111122223333:assumed-role/workload/batch")
        read_orders(kms)                                       # your code, a real boto3 client
        assert kms_decisions.of("kms:Decrypt").last.allowed    # a failure prints why, layer by layer

Fixtures, made anew for each test:
    kms_sandbox     the open sandbox, holding the scenario's world; without one an empty account, 123456789012, to be
                    built with boto3. Nothing leaves the machine while it is open.
    kms_client      `kms_client(arn, service="kms", region=None)`: a boto3 client of any principal; without an ARN, of
                    the account's administrator (in an empty account) or of `kmssim_caller`.
    kms_decisions   the decisions on this test's KMS calls: a sequence with `.last`, `.denied`, `.allowed`,
                    `.of("kms:Decrypt")`, `.by(arn)`, which can be chained.

Marker `kms_scenario(file=None, *, caller=None)`: `file` is relative to the test's own file, or the scenario as a dict;
`caller` overrides `kmssim_caller` for this test.

Ini options:
    kmssim_scenario     a scenario for tests without the marker, relative to the ini file
    kmssim_caller       the ARN as whom clients call whose credentials kmssim did not give out: module-level clients
                        with dummy credentials, clients inside `mock_aws`. Without it they are the administrator of an
                        empty account; in a scenario they are refused, as AWS refuses unknown keys
    kmssim_authority    who rules, as `kmssim decide --authority` takes it

With `mock_aws`, as decorator or context manager: inside the sandbox it changes nothing. Around the sandbox, an empty
account takes part in what the mock holds, and leaves there what the test makes; the accounts of a scenario are set
aside until the end of the test.

One sandbox at a time in a process, so tests may run under pytest-xdist, but not in threads of one process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pytest

if TYPE_CHECKING:
    from kmssim.evaluator.decision import Decision
    from kmssim.sandbox.sandbox import Sandbox
    from kmssim.scenario import Scenario

_MARKER = "kms_scenario"
_MOST_SHOWN = 5
_DECISION = "kmssim.evaluator.decision"

_mentioned: list[Decision] = []
_mentioned_together: list[list[Decision]] = []
"""The decisions of which a message of the running test speaks, alone or as one of several; its report shows them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the ini options known."""
    parser.addini("kmssim_scenario", "kmssim: the scenario file of tests without a kms_scenario marker")
    parser.addini("kmssim_caller", "kmssim: the ARN as whom clients with unknown (dummy) credentials call")
    parser.addini("kmssim_authority", "kmssim: who rules: rego, regopy, regorus, python or an OPA server's URL")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(file=None, *, caller=None): the kmssim scenario of this test, relative to its file or as a dict, "
        "and the ARN as whom clients with unknown (dummy) credentials call",
    )


class Decisions(Sequence["Decision"]):
    """Decisions in the order of the calls; seen anew each time, so it grows with the test."""

    def __init__(self, log: Sequence[Decision]) -> None:
        """Over a log."""
        self._log = log

    @overload
    def __getitem__(self, index: int) -> Decision: ...
    @overload
    def __getitem__(self, index: slice) -> Decisions: ...
    def __getitem__(self, index: int | slice) -> Decision | Decisions:
        """One of them, or some."""
        return Decisions(self._log[index]) if isinstance(index, slice) else self._log[index]

    def __len__(self) -> int:
        """How many calls there were."""
        return len(self._log)

    def __eq__(self, other: object) -> bool:
        """The same decisions, in whatever sequence."""
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Each decision in short."""
        _mentioned_together.append(list(self))
        return f"[{', '.join(map(_in_short, self))}]"

    @property
    def last(self) -> Decision:
        """The newest. Fails the test, and says so, when there is none."""
        __tracebackhide__ = True  # the user's own line is the one to show
        if not self._log:
            pytest.fail("no such call was made to KMS through the sandbox")
        return self._log[-1]

    @property
    def denied(self) -> Decisions:
        """Those that were denied."""
        return Decisions([decision for decision in self if not decision.allowed])

    @property
    def allowed(self) -> Decisions:
        """Those that were allowed, whatever the call ended with."""
        return Decisions([decision for decision in self if decision.allowed])

    def of(self, operation: str) -> Decisions:
        """Those on an operation, for example `kms:Decrypt`; `Decrypt` is enough."""
        name = operation if ":" in operation else f"kms:{operation}"
        return Decisions([decision for decision in self if decision.call.operation == name])

    def by(self, arn: str) -> Decisions:
        """Those on calls of a principal: of a session by its own ARN, of all sessions by their role's."""
        return Decisions([decision for decision in self if _is_by(decision, arn)])


def _is_by(decision: Decision, arn: str) -> bool:
    from kmssim.evaluator.request import parse_principal  # noqa: PLC0415 - nothing is loaded before it is used

    caller, wanted = decision.call.principal, parse_principal(arn)
    if wanted is not None and ":role/" in arn:
        return (caller.kind, caller.account, caller.name) == (wanted.kind, wanted.account, wanted.name)
    return caller.arn == arn


class ClientMaker:
    """Makes boto3 clients of any principal."""

    def __init__(self, sandbox: Sandbox, caller: str | None) -> None:
        """`caller` is who calls where nobody is named."""
        self._sandbox = sandbox
        self._caller = caller

    def __call__(self, as_: str | None = None, service: str = "kms", region: str | None = None) -> Any:  # noqa: ANN401 - a boto3 client
        """A client of the principal with this ARN."""
        from kmssim.errors import KmssimError  # noqa: PLC0415 - nothing is loaded before it is used

        __tracebackhide__ = True  # the user's own line is the one to show
        who = as_ or self._caller
        if who is None:
            pytest.fail("kms_client needs the ARN of a caller here, or the ini option kmssim_caller")
        try:
            return self._sandbox.client(service, who, region)
        except KmssimError as error:
            raise pytest.fail.Exception(f"kmssim: {error}") from None


@pytest.fixture
def kms_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A simulated KMS that authorizes each call, holding the test's scenario or an empty account."""
    from kmssim.errors import KmssimError  # noqa: PLC0415 - nothing is loaded before it is used
    from kmssim.sandbox.outer_mock import leave_behind  # noqa: PLC0415 - as above
    from kmssim.sandbox.sandbox import Sandbox  # noqa: PLC0415 - as above
    from kmssim.starting_world import ADMINISTRATOR, starting_world  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        try:
            scenario = _scenario(request)
            world = scenario.world if scenario else starting_world()
            sandbox = stack.enter_context(Sandbox(world, _authority(request.config), joins_outer_mock=scenario is None))
            if scenario is None:
                stack.enter_context(leave_behind(sandbox.reader, ADMINISTRATOR))
            caller = _caller(request)
            if caller is not None:
                stack.enter_context(sandbox.strangers_call_as(caller))
        except KmssimError as error:
            raise pytest.fail.Exception(_why_not(error), pytrace=False) from None
        yield sandbox


def _why_not(error: Exception) -> str:
    hint = ""
    if "is up in this process" in str(error) or "is open in this process" in str(error):
        hint = (
            "\nkms_sandbox opens a sandbox of its own, and there can be one at a time in a process: open no other one "
            "in a fixture of wider scope, and run no such tests in threads (processes, as of pytest-xdist, are fine)"
        )
    return f"kmssim: {error}{hint}"


@pytest.fixture
def kms_client(kms_sandbox: Sandbox, request: pytest.FixtureRequest) -> ClientMaker:
    """`kms_client(arn)` is a boto3 client of that principal."""
    return ClientMaker(kms_sandbox, _caller(request))


@pytest.fixture
def kms_decisions(kms_sandbox: Sandbox) -> Decisions:
    """The decisions on this test's KMS calls."""
    return Decisions(kms_sandbox.decisions)


def _scenario(request: pytest.FixtureRequest) -> Scenario | None:
    """The scenario of the nearest marker that names one, else that of the ini option, else none."""
    from kmssim.scenario import load_scenario, parse_scenario  # noqa: PLC0415 - as above

    for marker in request.node.iter_markers(_MARKER):
        named = marker.args[0] if marker.args else marker.kwargs.get("file")
        if isinstance(named, Mapping):
            return parse_scenario(named, file=f"marker of {request.node.name}", folder=request.path.parent)
        if named is not None:
            return load_scenario(request.path.parent / named)
    named = request.config.getini("kmssim_scenario")
    if not named:
        return None
    ini = request.config.inipath
    return load_scenario((ini.parent if ini else request.config.rootpath) / Path(named))


def _caller(request: pytest.FixtureRequest) -> str | None:
    from kmssim.starting_world import ADMINISTRATOR  # noqa: PLC0415 - as above

    for marker in request.node.iter_markers(_MARKER):
        if marker.kwargs.get("caller"):
            return str(marker.kwargs["caller"])
    named = str(request.config.getini("kmssim_caller"))
    return named or (ADMINISTRATOR if _scenario(request) is None else None)


def _authority(config: pytest.Config) -> Any:  # noqa: ANN401 - an Authority; not loaded yet
    from kmssim.authority import find_authority  # noqa: PLC0415 - as above

    return find_authority(str(config.getini("kmssim_authority")) or None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin with no decision mentioned; let decisions speak for themselves once there can be any."""
    _mentioned.clear()
    _mentioned_together.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """See to it that a decision in a failed assertion, which pytest shows by its repr, says why."""
    if _DECISION in sys.modules:
        sys.modules[_DECISION].Decision.__repr__ = _mention


def _mention(decision: Decision) -> str:
    if not any(known is decision for known in _mentioned):
        _mentioned.append(decision)
    return _in_short(decision)


def _in_short(decision: Decision) -> str:
    from kmssim.explain import explain  # noqa: PLC0415 - as above

    because = explain(decision).because
    return f"<{decision.word} {decision.call.operation} for {decision.call.principal.arn}, because {because}>"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:  # noqa: ANN401 - a generator as pytest wants it
    """A failed test shows the decisions that its message mentions; if none, the last one that was made."""
    shown = _meant(item)  # before the report is made: in it every argument of the test is mentioned
    report = yield
    if report.when == "call" and report.failed:
        for number, decision in enumerate(shown, 1):
            report.sections.append((f"kmssim decision {number} of {len(shown)}", _in_full(decision)))
    return report


def _meant(item: pytest.Item) -> list[Decision]:
    """The most special that is known: single decisions, the ones last chosen, the last one made."""
    chosen = _mentioned or (_mentioned_together[-1] if _mentioned_together else []) or _last_of(item)
    return chosen[:_MOST_SHOWN]


def _last_of(item: pytest.Item) -> list[Decision]:
    sandbox = getattr(item, "funcargs", {}).get("kms_sandbox")
    return list(sandbox.decisions[-1:]) if sandbox is not None else []


def _in_full(decision: Decision) -> str:
    """The layers, the causal sentence, the statements that mattered."""
    from kmssim.render import decision_text  # noqa: PLC0415 - as above

    return decision_text(decision.word, decision, None)
