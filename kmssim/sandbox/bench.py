"""One call, observed in three runtimes over the same state: the sandbox, moto alone, and moto with its own IAM switch.

Each is a real boto3 call with the caller's own credentials. A call that may change something is followed by a restored
world, since the requests of a scenario do not build on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from moto.core import set_initial_no_auth_action_count

from kmssim.errors import KmssimError
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World
from kmssim.sandbox.declared import Declared, write_declared
from kmssim.sandbox.enforce import changes_state, simulates
from kmssim.sandbox.observed import Observed
from kmssim.sandbox.parameters import Maker
from kmssim.sandbox.sandbox import Sandbox

_DENIALS = frozenset({"AccessDeniedException", "AccessDenied"})
_FORBIDDEN = 403


@dataclass(frozen=True)
class Observations:
    """What the three runtimes answered."""

    sandbox: Observed
    moto: Observed
    moto_iam: Observed


class Bench:
    """Observes calls over one world. Open it with `with`."""

    def __init__(self, world: World, authority: Authority | None = None) -> None:
        """Nothing starts before the `with`. `authority` is the sandbox's."""
        self._world = world
        self._sandbox = Sandbox(world, authority)

    def __enter__(self) -> Self:
        """Start the sandbox."""
        self._sandbox.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox."""
        self._sandbox.__exit__(kind, error, trace)

    def observe(self, call: Call) -> Observations:
        """Make the call in each runtime."""
        if call.service != "kms":
            unmade = Observed(None, None, f"the sandbox does not serve {call.service} in front of KMS yet")
            return Observations(unmade, unmade, unmade)
        return Observations(
            sandbox=self._observe(call, _plainly),
            moto=self._alone(call, _plainly),
            moto_iam=self._alone(call, _with_iam),
        )

    def _alone(self, call: Call, run: _Run) -> Observed:
        prepared = self._prepare(call)
        if isinstance(prepared, Observed):
            return prepared
        with self._sandbox.moto_alone():
            observed = run(prepared)
        self._put_right(call)
        return observed

    def _observe(self, call: Call, run: _Run) -> Observed:
        prepared = self._prepare(call)
        if isinstance(prepared, Observed):
            return prepared
        observed = run(prepared)
        self._put_right(call)
        if observed.error == "UnsupportedOperationException" and not simulates(call.name):
            return Observed(None, None, observed.message)
        return observed

    def _put_right(self, call: Call) -> None:
        if changes_state(call.name):
            self._sandbox.restore()

    def _prepare(self, call: Call) -> _Prepared | Observed:
        """The caller's client and the complete parameters; or why no client can make the call."""
        memory = self._sandbox.memory
        maker = Maker(
            self._world,
            lambda account, region: self._sandbox.reader("kms", account, region),
            lambda grant: next((note.token for _, note in memory.moto_grants(grant)), grant),
            lambda grant: next((moto_id for moto_id, _ in memory.moto_grants(grant)), grant),
        )
        try:
            client = self._sandbox.client("kms", call.principal, call.region)
            _declare(client, call)
            return _Prepared(client, call.name, maker.complete(call))
        except (ClientError, BotoCoreError, KmssimError) as error:
            return Observed(None, None, f"no client can make this call: {error}")


@dataclass(frozen=True)
class _Prepared:
    client: Any
    operation: str
    parameters: dict[str, Any]


_Run = Callable[[_Prepared], Observed]


def _declare(client: Any, call: Call) -> None:  # noqa: ANN401 - a boto3 client
    """Send along what a simulated call cannot carry otherwise: its network, its way, its stated condition keys."""
    headers = write_declared(Declared(call.network, call.via, call.context))

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"].update(headers)

    client.meta.events.register("before-call.kms", add)


def _plainly(prepared: _Prepared) -> Observed:
    """Make the call and reduce what the client sees."""
    try:
        getattr(prepared.client, xform_name(prepared.operation))(**prepared.parameters)
    except ClientError as error:
        return _observed_error(error)
    except BotoCoreError as error:
        return Observed(None, None, f"no client can make this call: {error}")
    except NotImplementedError:
        return Observed("ALLOW", "NotImplemented", f"moto has no {prepared.operation}")
    except Exception as error:  # noqa: BLE001 - moto answers some calls with a bare Python exception; that is its answer
        return Observed("ALLOW", type(error).__name__, f"moto raised {type(error).__name__}: {error}")
    return Observed("ALLOW", None, None)


def _observed_error(error: ClientError) -> Observed:
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    denied = code in _DENIALS or status == _FORBIDDEN
    return Observed("DENY" if denied else "ALLOW", code, error.response["Error"].get("Message", ""))


def _with_iam(prepared: _Prepared) -> Observed:
    """The same, with moto asking IAM policies of every call."""
    observe: Callable[[], Observed] = set_initial_no_auth_action_count(0)(lambda: _plainly(prepared))
    return observe()
