"""The hook that makes moto answer as KMS does: each call is decided over the world that is read back from the runtime.

Refused, the caller sees AWS's error and moto never sees the call. Authorized, moto serves it from the account that
owns the key, with the key's bare id, whatever form of id the caller used.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from botocore import xform_name

from kmssim.errors import AuthorityError
from kmssim.evaluator.decision import Authority, Decision
from kmssim.evaluator.keys import FoundKey, find_key
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.world import World
from kmssim.sandbox.answers import Answer, Refusal, Rewrite
from kmssim.sandbox.complete import SERVES, finish, serve
from kmssim.sandbox.kms_call import to_call
from kmssim.sandbox.memory import Clients, GrantNote, Memory
from kmssim.sandbox.seams import find_seam
from kmssim.sandbox.served import Served
from kmssim.sandbox.wire import WireCall

_KEY_PARAMETERS = ("KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId")
_READING = ("Get", "List", "Describe", "Simulate")
_DATA_KEYS = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair")
_SIGNATURES = ("Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate")
_USING = frozenset(
    {"Encrypt", "Decrypt", "ReEncrypt", *_DATA_KEYS, "GenerateDataKeyPairWithoutPlaintext", *_SIGNATURES}
    | {"GenerateRandom", "AssumeRole"}
)


def simulates(operation: str) -> bool:
    """Whether the runtime can do what an authorized call asks; moto lacks some operations of KMS altogether."""
    return operation in SERVES or hasattr(find_seam("moto.kms.responses", "KmsResponse"), xform_name(operation))


def changes_state(operation: str) -> bool:
    """Whether an operation may change what a decision depends on."""
    return operation not in _USING and not operation.startswith(_READING)


@dataclass
class Enforcement:
    """The gate's hooks. `read` reads the world; what it gives is kept until a call that may change it has passed."""

    read: Callable[[], World]
    memory: Memory
    authority: Authority
    clients: Clients
    decisions: list[Decision] = field(default_factory=list)
    _world: World | None = None
    _served: dict[int, Served] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def world(self) -> World:
        """The world as the runtime holds it now."""
        with self._lock:
            if self._world is None:
                self._world = self.read()
            return self._world

    def forget_world(self) -> None:
        """Something may have changed: read again at the next question."""
        with self._lock:
            self._world = None

    def before(self, service: str, wire: WireCall, principal: Principal) -> Refusal | Answer | Rewrite | None:
        """Decide a KMS call; other services are not ours to decide."""
        if service != "kms":
            return None
        world = self.world()
        call = to_call(wire, principal, grant_of=self._grant_of, key_arn=lambda key_id: _arn_of(world, wire, key_id))
        call = self._with_declared_grant(call)
        try:
            decision = decide(world, call, self.authority)
        except AuthorityError as error:
            # closed: who cannot be asked allows nothing; 400, since a client would only repeat what is a 500
            return Refusal("KMSInternalException", f"kmssim: {error}")
        self.decisions.append(decision)
        if decision.failure is not None:
            return Refusal(decision.failure.code, decision.failure.message, decision.failure.status)
        served = Served(world, call, wire, decision, self.memory, self.clients)
        beside = serve(served)
        if beside is not None:
            if changes_state(call.name):
                self.forget_world()
            return beside
        if not simulates(call.name):
            message = f"kmssim: the call is authorized, but the sandbox does not simulate {call.name}"
            return Refusal("UnsupportedOperationException", message)
        self._served[id(wire)] = served
        return _route(world, call, wire, decision)

    def after(self, service: str, wire: WireCall, principal: Principal, answer: Answer) -> Answer | None:
        """What the call changed is read at the next question; what moto will forget of it is noted."""
        served = self._served.pop(id(wire), None)
        if (service, wire.operation) == ("kms", "CreateGrant") and answer.status < 300:  # noqa: PLR2004 - HTTP success
            self._note_grant(wire, principal, json.loads(answer.body))
        if changes_state(wire.operation):
            self.forget_world()
        return finish(served, answer) if served else None

    def _note_grant(self, wire: WireCall, principal: Principal, made: dict[str, str]) -> None:
        """Who issued the grant may retire it (GR-60), and its token is known from now on (GR-50)."""
        grantee, retiring = (wire.parameters.get(f"{who}ServicePrincipal") for who in ("Grantee", "Retiring"))
        self.memory.grants[made["GrantId"]] = GrantNote(
            id=made["GrantId"],
            token=made["GrantToken"],
            issuing_account=principal.account or principal.source_account or "",
            grantee_service=str(grantee) if grantee else None,
            retiring_service=str(retiring) if retiring else None,
        )

    def _grant_of(self, token: str) -> str:
        """The declared id of the grant behind a token; an unknown token stands for itself and for no grant."""
        return next((note.id for note in self.memory.grants.values() if note.token == token), token)

    def _with_declared_grant(self, call: Call) -> Call:
        """The grant id that the runtime knows, as the world has it."""
        note = self.memory.grants.get(str(call.parameters.get("GrantId")))
        if note is None:
            return call
        return replace(call, parameters={**call.parameters, "GrantId": note.id})


def _arn_of(world: World, wire: WireCall, key_id: str) -> str | None:
    """The key behind a ciphertext; of related multi-Region keys, which share an id, the one of the call's Region."""
    made = [key for key in world.keys_by_arn.values() if key.id.startswith(key_id)]
    here = [key for key in made if key.region == wire.region]
    return (here or made)[0].arn if made else None


def _route(world: World, call: Call, wire: WireCall, decision: Decision) -> Rewrite | None:
    """Serve the call from the owner's account, with bare key ids: moto knows no others across accounts."""
    parameters = dict(wire.parameters)
    operation = OPERATIONS[call.name]
    for name in _KEY_PARAMETERS:
        reference = call.parameters.get(name)
        if isinstance(reference, str):
            found = find_key(world, call, reference, call.region, alias_allowed=operation.alias_allowed)
            if isinstance(found, FoundKey):
                parameters[name] = found.key.id
    if call.name in {"GetKeyPolicy", "PutKeyPolicy"}:
        parameters.setdefault("PolicyName", "default")  # CK-23; moto demands it
    owners = [world.keys_by_arn[trace.key].account for trace in decision.permissions if trace.key]
    return Rewrite(owners[0] if owners else None, parameters)
