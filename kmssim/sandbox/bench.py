"""One call, observed in three runtimes over the same state: the sandbox, moto alone, and moto with its own IAM switch.

Each is a real boto3 call with the caller's own credentials. Where a call may have changed something the world is
restored before the next, since the requests of a scenario do not build on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.utils import parse_to_aware_datetime
from moto.core import set_initial_no_auth_action_count

from kmssim.errors import KmssimError
from kmssim.evaluator.decision import Authority
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.declared import Declared, write_declared
from kmssim.sandbox.enforce import changes_state
from kmssim.sandbox.material import Materials
from kmssim.sandbox.observed import Observed
from kmssim.sandbox.parameters import Maker
from kmssim.sandbox.sandbox import Sandbox
from kmssim.sandbox.scenario_bytes import Bytes, MotoBytes, SandboxBytes
from kmssim.sandbox.stored_grants import GrantNotes
from kmssim.sandbox.wrapping import ImportTokens

_DENIALS = frozenset({"AccessDeniedException", "AccessDenied"})
_FORBIDDEN = 403
_A_DAY = 24 * 60 * 60
_OUR_LIMIT = "kmssim: "  # how a refusal begins that is ours and no answer of KMS


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
        self._is_changed = False

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
        return Observations(
            sandbox=self._observe(call, _plainly),
            moto=self._alone(call, _plainly),
            moto_iam=self._alone(call, _with_iam),
        )

    def observe_sandbox(self, call: Call) -> Observed:
        """Make the call in the sandbox alone: all that a lab needs, in a third of the time."""
        return self._observe(call, _plainly)

    def _alone(self, call: Call, run: _Run) -> Observed:
        self._restore()
        prepared = self._prepare(call, MotoBytes(lambda account, region: self._sandbox.reader("kms", account, region)))
        if isinstance(prepared, Observed):
            return prepared
        with self._sandbox.moto_alone():
            observed = run(prepared)
        self._note_change(call, observed)
        return observed

    def _observe(self, call: Call, run: _Run) -> Observed:
        self._restore()
        memory = self._sandbox.memory
        clock = memory.notes(Clock)
        clock.held = _moment_of(call)
        runtime = SandboxBytes(memory.notes(Materials), memory.notes(ImportTokens), clock)
        prepared = self._prepare(call, runtime)
        if isinstance(prepared, Observed):
            return prepared
        observed = run(prepared)
        self._note_change(call, observed)
        if observed.error == "UnsupportedOperationException" and (observed.message or "").startswith(_OUR_LIMIT):
            return Observed(None, None, observed.message)
        return observed

    def _note_change(self, call: Call, observed: Observed) -> None:
        """A refused call has changed nothing: whoever refuses it does so before anything is written."""
        writes_to_a_service = call.service != "kms" and not call.name.startswith("Get")
        if observed.decision != "DENY" and (writes_to_a_service or changes_state(call.name)):
            self._is_changed = True

    def _restore(self) -> None:
        if self._is_changed:
            self._sandbox.restore()
            self._is_changed = False

    def _make_object(self, call: Call) -> None:
        """A world declares buckets and no objects: the one that is to be read is put there, by its bucket's default."""
        bucket = self._world.buckets.get(str(call.parameters.get("Bucket")))
        if bucket is not None and call.operation == "s3:GetObject":
            s3 = self._sandbox.reader("s3", bucket.account, bucket.region)
            s3.put_object(Bucket=bucket.name, Key=call.parameters["Key"], Body=b"kmssim")

    def _prepare(self, call: Call, runtime: Bytes) -> _Prepared | Observed:
        """The caller's client and the complete parameters; or why no client can make the call."""
        grants = self._sandbox.memory.notes(GrantNotes)
        maker = Maker(
            self._world,
            runtime,
            lambda grant: grants.token_of(grant) or grant,
        )
        try:
            client = self._sandbox.client(call.service, call.principal, call.region)
            _declare(client, call)
            self._make_object(call)
            return _Prepared(client, call.name, maker.complete(call))
        except (ClientError, BotoCoreError, KmssimError) as error:
            return _not_made(error)


def _moment_of(call: Call) -> float | None:
    """A scenario's expiration date lies ahead when the call is made, whatever the machine's clock shows."""
    stated = call.parameters.get("ValidTo")
    return None if stated is None else parse_to_aware_datetime(stated).timestamp() - _A_DAY


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

    client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}", add)


def _plainly(prepared: _Prepared) -> Observed:
    """Make the call and reduce what the client sees."""
    try:
        getattr(prepared.client, xform_name(prepared.operation))(**prepared.parameters)
    except ClientError as error:
        return _observed_error(error)
    except BotoCoreError as error:
        return _not_made(error)
    except NotImplementedError:
        return Observed("ALLOW", "NotImplemented", f"moto has no {prepared.operation}")
    except Exception as error:  # noqa: BLE001 - moto answers some calls with a bare Python exception; that is its answer
        return Observed("ALLOW", type(error).__name__, f"moto raised {type(error).__name__}: {error}")
    return Observed("ALLOW", None, None)


def _not_made(error: Exception) -> Observed:
    """Why there is nothing to compare: in one line, whatever botocore writes."""
    why = error.kwargs["report"] if isinstance(error, ParamValidationError) else error
    return Observed(None, None, "no client can make this call: " + "; ".join(str(why).splitlines()))


def _observed_error(error: ClientError) -> Observed:
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    denied = code in _DENIALS or status == _FORBIDDEN
    return Observed("DENY" if denied else "ALLOW", code, error.response["Error"].get("Message", ""))


def _with_iam(prepared: _Prepared) -> Observed:
    """The same, with moto asking IAM policies of every call."""
    observe: Callable[[], Observed] = set_initial_no_auth_action_count(0)(lambda: _plainly(prepared))
    return observe()
