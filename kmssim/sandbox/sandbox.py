"""The sandbox: moto in memory behind the gate, seeded with a world, closed against the network.

with Sandbox(world) as sandbox:
    kms = sandbox.client("kms", as_="arn:aws:sts::111122223333:assumed-role/workload/batch")
    kms.decrypt(CiphertextBlob=blob)          # a real boto3 call, authorized as KMS would
    print(sandbox.decisions[-1].word)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from moto import mock_aws

from kmssim.authority import find_authority
from kmssim.errors import InputError
from kmssim.evaluator.decision import Authority, Decision
from kmssim.evaluator.request import Principal, parse_principal
from kmssim.evaluator.world import World
from kmssim.sandbox.enforce import Enforcement
from kmssim.sandbox.gate import Gate
from kmssim.sandbox.identity import Credentials, Identities
from kmssim.sandbox.isolation import guard
from kmssim.sandbox.memory import Memory
from kmssim.sandbox.read import read_world
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.repairs import keys_as_aws_has_them
from kmssim.sandbox.seed import Seeded, seed
from kmssim.sandbox.sign_in import SignIn

_ONE_TRY = Config(retries={"total_max_attempts": 1}, parameter_validation=True)


class Sandbox:
    """A simulated KMS that holds one world. Open it with `with`; one at a time in a process."""

    def __init__(self, world: World, authority: Authority | None = None) -> None:
        """Nothing starts before the `with`. `authority` rules on every call; None: `find_authority()`'s.

        Raises AuthorityError when that authority is not there.
        """
        self._declared = world
        self._reader = Reader()
        self._identities = Identities()
        self._enforcement = Enforcement(self._read, Memory(), authority or find_authority(), self._reader.client)
        self._mock = mock_aws()
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
        with ExitStack() as opened:
            opened.enter_context(guard())
            opened.enter_context(self._mock)
            self._session = boto3.Session(region_name=self._declared.region)
            self._raise_gate()
            opened.callback(self._gate.close)
            self._seed()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lower the gate and forget everything."""
        self._open.close()

    def _raise_gate(self) -> None:
        self._gate.enter_context(keys_as_aws_has_them())
        self._gate.enter_context(Gate(self._enforcement, identities=self._identities, reader=self._reader))

    def _seed(self) -> None:
        self._seeded = seed(self._declared, self._reader.client)
        self._enforcement.memory = self._seeded.memory
        self._enforcement.forget_world()

    def restore(self) -> None:
        """Make the runtime hold the declared world again, whatever was done to it."""
        self._mock.stop()
        self._mock.start()
        self._identities.clear()
        self._credentials.clear()
        self._seed()

    @contextmanager
    def moto_alone(self) -> Iterator[None]:
        """Without gate and repairs: what moto answers by itself, over the same state."""
        self._gate.close()
        try:
            yield
        finally:
            self._raise_gate()

    def _read(self) -> World:
        seeded = self._seeded
        assert seeded is not None  # noqa: S101 - the gate is asked only inside the `with`
        return read_world(self._reader.client, seeded.memory, accounts=seeded.accounts, regions=seeded.regions)

    @property
    def world(self) -> World:
        """The world as the runtime holds it now, read back through boto3."""
        return self._enforcement.world()

    @property
    def decisions(self) -> list[Decision]:
        """Every decision on a KMS call, in the order of the calls."""
        return self._enforcement.decisions

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
        principal = parse_principal(as_) if isinstance(as_, str) else as_
        if principal is None:
            raise InputError(f"`{as_}` is not the ARN of somebody who can call", hint="a user, role, session or root")
        return self.client_with(service, self.sign_in(principal), region)

    def sign_in(self, principal: Principal) -> Credentials:
        """Credentials of a principal; the same ones for the same principal until the world is restored."""
        known = self._credentials.get(repr(principal))
        if known is None:
            assert self._seeded is not None  # noqa: S101 - a sandbox is used inside its `with`
            sign_in = SignIn(self._declared, dict(self._seeded.credentials), self._identities, self.client_with)
            known = self._credentials[repr(principal)] = sign_in.as_principal(principal)
        return known

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
