"""The sandbox: moto in memory behind the gate, seeded with a world, closed against the network.

with Sandbox(world) as sandbox:
    kms = sandbox.client("kms", as_="arn:aws:sts::111122223333:assumed-role/workload/batch")
    kms.decrypt(CiphertextBlob=blob)          # a real boto3 call, authorized as KMS would
    print(sandbox.decisions[-1].word)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from botocore.config import Config
from moto import mock_aws

from kmssim.authority import find_authority
from kmssim.errors import InputError, SetupError
from kmssim.evaluator.assume import Assumption
from kmssim.evaluator.decision import Authority, Decision
from kmssim.evaluator.forward import secret_arn
from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal
from kmssim.evaluator.world import World
from kmssim.sandbox.collector import collector_held
from kmssim.sandbox.contract import import_services
from kmssim.sandbox.decision_log import DecisionLog
from kmssim.sandbox.enforce import Enforcement
from kmssim.sandbox.faults import Faults
from kmssim.sandbox.gate import GATED, Gate
from kmssim.sandbox.identity import Credentials, Identities
from kmssim.sandbox.isolation import guard
from kmssim.sandbox.memory import Memory
from kmssim.sandbox.model_loaders import moto_reads_once, session_of_clients
from kmssim.sandbox.outer_mock import empty, is_mocked, occupied, set_aside
from kmssim.sandbox.read import read_world
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.repairs import keys_as_aws_has_them, secrets_named_as
from kmssim.sandbox.role_trust import RoleTrust
from kmssim.sandbox.seed import Seeded, seed
from kmssim.sandbox.services import SERVICES
from kmssim.sandbox.sign_in import SignIn
from kmssim.sandbox.stored_grants import GrantNotes
from kmssim.sandbox.turns import TURN

import_services((*GATED, *SERVICES))  # here, with the other imports, and not while a test waits for its sandbox

_ONE_TRY = Config(retries={"total_max_attempts": 1}, parameter_validation=True)


class Sandbox:
    """A simulated KMS that holds one world. Open it with `with`; one at a time in a process."""

    def __init__(
        self,
        world: World,
        authority: Authority | None = None,
        log: DecisionLog | None = None,
        *,
        joins_outer_mock: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing starts before the `with`. `authority` rules on every call; None: `find_authority()`'s.

        What a `mock_aws` around the sandbox holds in the accounts of the world is set aside until the end, so that the
        world is as declared; with `joins_outer_mock` it takes part. Sessions expire by `clock`, in epoch seconds.

        Raises AuthorityError when that authority is not there.
        """
        self._declared = world
        self._reader = Reader()
        self._identities = Identities(clock)
        self._faults = Faults()
        self._enforcement = Enforcement(
            self._read,
            Memory(),
            authority or find_authority(),
            self._reader.client,
            DecisionLog() if log is None else log,
        )
        self._trust = RoleTrust(self._enforcement.world, self._enforcement.authority)
        self._mock = mock_aws()
        self._joins_outer_mock = joins_outer_mock
        self._is_inside = False
        self._open = ExitStack()
        self._gate = ExitStack()
        self._seeded: Seeded | None = None
        self._session: Any = None
        self._credentials: dict[str, Credentials] = {}

    def __enter__(self) -> Self:
        """Close the machine, start moto, raise the gate, seed the world.

        Raises:
            SetupError: moto is not what the gate knows, or another sandbox is open.

        """
        with TURN, collector_held(), ExitStack() as opened:
            opened.enter_context(guard())
            self._is_inside = is_mocked()
            opened.enter_context(self._mock)
            if self._is_inside and not self._joins_outer_mock:
                opened.enter_context(set_aside(self._declared.accounts))
            opened.enter_context(moto_reads_once())
            self._session = session_of_clients()
            self._raise_gate()
            opened.callback(self._gate.close)
            self._seed()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lower the gate and forget everything."""
        with TURN:
            self._open.close()

    def _raise_gate(self) -> None:
        self._gate.enter_context(keys_as_aws_has_them())
        self._gate.enter_context(secrets_named_as(secret_arn))
        gate = Gate(
            self._enforcement,
            services=(*GATED, *SERVICES),
            identities=self._identities,
            assume=self._trust.decide,
            reader=self._reader,
            faults=self._faults,
        )
        self._gate.enter_context(gate)

    def _seed(self) -> None:
        self._seeded = seed(self._declared, self._reader.client)
        self._enforcement.memory = self._seeded.memory
        self._enforcement.regions = list(self._seeded.regions)
        self._enforcement.accounts = list(self._seeded.accounts)
        self._enforcement.forget_world()

    def restore(self) -> None:
        """Make the runtime hold the declared world again, whatever was done to it."""
        with TURN:
            self._mock.stop()
            if is_mocked():
                empty(self._declared.accounts)
            self._mock.start()
            self._identities.clear()
            self._credentials.clear()
            self._seed()

    def replace_world(self, world: World) -> None:
        """Hold another world from now on, and forget this one. Credentials from before are nobody's any more.

        Raises InputError or SetupError when the runtime does not take it: then everything is as it was before; also
        SetupError inside a `mock_aws`, which may hold something in the accounts of the new world.
        """
        with TURN:
            self._rehearse(world)
            self._declared = world
            self.restore()

    def _rehearse(self, world: World) -> None:
        """Seed the world beside the one that is there, to find out whether it can be done."""
        if self._is_inside:
            raise SetupError("the world of a sandbox inside a `mock_aws` stays as it is; open another sandbox")
        management = world.organization.management_account if world.organization else None
        with set_aside(occupied() | {*world.accounts, management or ""}):
            seed(world, self._reader.client)

    @contextmanager
    def moto_alone(self) -> Iterator[None]:
        """Without gate and repairs: what moto answers by itself, over the same state."""
        self._gate.close()
        try:
            yield
        finally:
            self._raise_gate()
            self._enforcement.forget_world()  # nobody told of what changed meanwhile

    @contextmanager
    def slow_grants(self) -> Iterator[None]:
        """Until the end a new grant counts only where its token is passed, as for some seconds with AWS (GR-50).

        At the end all grants count, also those that the world declares as pending.
        """
        self.memory.notes(GrantNotes).slow = True
        try:
            yield
        finally:
            self.memory.notes(GrantNotes).settle()
            self._enforcement.forget_world()

    def _read(self) -> World:
        seeded = self._seeded
        assert seeded is not None  # noqa: S101 - the gate is asked only inside the `with`
        asked = self._enforcement
        return read_world(
            self._reader.client, seeded.memory, accounts=asked.accounts, regions=asked.regions, kept=asked.kept
        )

    @property
    def world(self) -> World:
        """The world as the runtime holds it now, read back through boto3."""
        return self._enforcement.world()

    @property
    def decisions(self) -> list[Decision]:
        """Every decision on a call, in the order of the calls: what a service asked of KMS stands before its own."""
        return self._enforcement.decisions

    @property
    def assumptions(self) -> Sequence[Assumption]:
        """The last answers to `sts:AssumeRole`, with the statements of the trust policy and of the caller's own."""
        return tuple(self._trust.answers)

    @property
    def faults(self) -> Faults:
        """What went wrong inside moto or inside kmssim while calls were served; a test may say `assert not`."""
        return self._faults

    @property
    def memory(self) -> Memory:
        """What moto forgets."""
        return self._enforcement.memory

    def reader(self, service: str, account: str, region: str) -> Any:  # noqa: ANN401 - a boto3 client
        """A client that is asked nothing, for looking behind the scenes."""
        return self._reader.client(service, account, region)

    def client(self, service: str, as_: str | Principal, region: str | None = None) -> Any:  # noqa: ANN401 - a boto3 client
        """A real boto3 client that holds the credentials of a principal, given as an ARN or with its session.

        Raises InputError when the world has no such principal.
        """
        return self.client_with(service, self.sign_in(_caller(as_)), region)

    def sign_in(self, principal: Principal) -> Credentials:
        """Credentials of a principal; the same ones for the same principal until the world is restored."""
        known = self._credentials.get(repr(principal))
        if known is None or self._identities.find(known.access_key, known.token) is None:
            assert self._seeded is not None  # noqa: S101 - a sandbox is used inside its `with`
            keys = {**self._seeded.credentials, **self._new_user_key(principal)}
            sign_in = SignIn(self.world, keys, self._identities, self.client_with, self._root_of)
            known = self._credentials[repr(principal)] = sign_in.as_principal(principal)
        return known

    def _root_of(self, service: str, account: str) -> Any:  # noqa: ANN401 - a boto3 client
        return self._reader.client(service, account, self._declared.region)

    def _new_user_key(self, principal: Principal) -> dict[tuple[str, str], tuple[str, str]]:
        """An access key for a user that was made after seeding: the first that we ask for."""
        account, name = principal.account, principal.name
        known = self.world.accounts.get(account)
        is_new = principal.kind is PrincipalKind.USER and known is not None and name in known.users
        if not is_new or (self._seeded and (account, name) in self._seeded.credentials):
            return {}
        made = self._reader.client("iam", account).create_access_key(UserName=name)["AccessKey"]
        return {(account, name): (made["AccessKeyId"], made["SecretAccessKey"])}

    @contextmanager
    def strangers_call_as(self, who: str | Principal) -> Iterator[None]:
        """Clients whose access key nobody knows call as this principal, in place of being refused.

        For clients from before the sandbox, made with dummy credentials. Raises InputError as `client` does.
        """
        credentials = self.sign_in(_caller(who))
        before = self._identities.stranger
        self._identities.stranger = self._identities.find(credentials.access_key, credentials.token)
        try:
            yield
        finally:
            self._identities.stranger = before

    def client_with(self, service: str, credentials: Credentials, region: str | None = None) -> Any:  # noqa: ANN401
        """A real boto3 client with these credentials."""
        return self._session.client(
            service,
            region_name=region or self._declared.region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=_ONE_TRY,
        )


def _caller(who: str | Principal) -> Principal:
    principal = parse_principal(who) if isinstance(who, str) else who
    if principal is None:
        raise InputError(f"`{who}` is not the ARN of somebody who can call", hint="a user, role, session or root")
    return principal
