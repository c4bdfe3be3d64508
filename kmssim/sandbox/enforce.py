"""The hook that makes moto answer as KMS does: each call is decided over the world that is read back from the runtime.

Refused, the caller sees AWS's error and moto never sees the call. Authorized, moto serves it from the account that
owns the key, with the key's bare id, whatever form of id the caller used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from botocore import xform_name

from kmssim.errors import AuthorityError
from kmssim.evaluator.decision import Authority, Decision, Failure
from kmssim.evaluator.forward import forward
from kmssim.evaluator.keys import FoundKey, find_key, home_account
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.request import Call, Principal
from kmssim.evaluator.world import World
from kmssim.sandbox.answers import Answer, Refusal, Rewrite, internal_failure
from kmssim.sandbox.complete import SERVES, finish, rehearse, serve
from kmssim.sandbox.front import Finish, Front, Passed
from kmssim.sandbox.imported import expire
from kmssim.sandbox.kept_parts import KeptParts
from kmssim.sandbox.kms_call import to_call
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.seams import find_seam
from kmssim.sandbox.serve_iam import IamCall, after_iam, before_iam
from kmssim.sandbox.serve_organizations import before_organizations
from kmssim.sandbox.served import Served
from kmssim.sandbox.service_models import regions_of
from kmssim.sandbox.services import SERVICES
from kmssim.sandbox.services import serve as serve_service
from kmssim.sandbox.stored_grants import GrantNotes
from kmssim.sandbox.turns import TURN
from kmssim.sandbox.wire import WireCall
from kmssim.sandbox.wire_bytes import find_misfit

_NOT_REPEATED = 400  # a client would only repeat what is a 500
_FIRST_STEP = "EM-34"
_KEY_PARAMETERS = ("KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId")
_READING = ("Get", "List", "Describe", "Simulate")
_DATA_KEYS = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair")
_SIGNATURES = ("Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate")
_OBJECTS = ("PutObject", "CopyObject", "HeadObject", "SelectObjectContent", "DeleteObject", "DeleteObjects")
_UPLOADS = ("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload")
_USING = frozenset(
    {"Encrypt", "Decrypt", "ReEncrypt", *_DATA_KEYS, "GenerateDataKeyPairWithoutPlaintext", *_SIGNATURES}
    | {"GenerateRandom", "AssumeRole", *_OBJECTS, *_UPLOADS, "PutSecretValue", "BatchGetSecretValue"}
)

_LISTS = {
    **dict.fromkeys(("CreateKey", "ReplicateKey"), ("keys",)),
    **dict.fromkeys(("CreateAlias", "UpdateAlias", "DeleteAlias"), ("aliases",)),
}
"""The operations that change which keys or aliases an account has."""


def simulates(operation: str) -> bool:
    """Whether the runtime can do what an authorized call asks; moto lacks some operations of KMS altogether."""
    return operation in SERVES or hasattr(find_seam("moto.kms.responses", "KmsResponse"), xform_name(operation))


def changes_state(operation: str) -> bool:
    """Whether an operation may change what a decision depends on."""
    return operation not in _USING and not operation.startswith(_READING)


@dataclass
class Enforcement:
    """The gate's hooks. `read` reads the world; what it gives is kept until a call that may change it has passed.

    `regions` are those to read: the world's own, and each in which somebody has called KMS, or a service in front of
    it, since; `accounts` those of the world, and each in which somebody has changed something since.
    """

    read: Callable[[], World]
    memory: Memory
    authority: Authority
    clients: Clients
    decisions: list[Decision] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    kept: KeptParts = field(default_factory=KeptParts)
    _world: World | None = None
    _authorizer: Authorizer | None = None
    _served: dict[int, Served] = field(default_factory=dict)
    _finishes: dict[int, Finish] = field(default_factory=dict)

    def world(self) -> World:
        """The world as the runtime holds it now. Imported key material expires by itself."""
        with TURN:
            if self._world is not None and expire(self.memory, self._world):
                self.forget_world()
            if self._world is None:
                self._world = self.read()
            return self._world

    def forget_world(self) -> None:
        """Anything may have changed: read all of it again at the next question."""
        with TURN:
            self.kept.forget_all()
            self._world = None

    def _forget_changed(self, service: str, account: str, served: Served | None = None) -> None:
        """What a call from `account` may have changed: of KMS the keys that it is about, and what lists them."""
        if account and account not in self.accounts:
            self.accounts.append(account)
            self.forget_world()
        elif service == "kms" and served is not None:
            owners = {key.account for key in served.keys} | {home_account(served.call)}
            with TURN:
                self.kept.forget_keys({key.id for key in served.keys})
                self.kept.forget_lists(_LISTS.get(served.call.name, ()), owners)
                self._world = None
        elif service == "iam":
            with TURN:
                self.kept.forget("iam")
                self._world = None
        else:
            self.forget_world()

    def _look_at(self, region: str) -> None:
        """Read this Region as well from now on: a key may be made there, or be there already."""
        if region not in self.regions and region in regions_of("kms"):
            self.regions.append(region)
            with TURN:
                self._world = None

    def before(self, service: str, wire: WireCall, principal: Principal) -> Refusal | Answer | Rewrite | None:
        """Decide a KMS call, or one to a service in front of KMS. Who may call another is not (see `serve_iam`)."""
        if service in SERVICES:
            return self._before_service(wire, principal)
        if service == "iam":
            return self._before_iam(wire, principal)
        if service == "organizations":
            return before_organizations(wire, self.clients(service, principal.account, wire.region))
        if service != "kms":
            return None
        for region in (wire.region, wire.parameters.get("ReplicaRegion")):
            self._look_at(str(region))
        if wire.region not in self.regions:
            text = f"Credential should be scoped to a valid region; kmssim knows no {wire.region}."
            return Refusal("InvalidSignatureException", text)
        world = self.world()
        call = to_call(wire, principal, grant_of=self._grant_of)
        try:
            decision = self._decide(world, call)
        except AuthorityError as error:
            # closed: who cannot be asked allows nothing
            return internal_failure("kms", f"kmssim: {error}", _NOT_REPEATED)
        decision = _unless_misfit(decision, find_misfit(wire))
        served = Served(world, call, wire, decision, self.memory, self.clients)
        beside = _answer_beside(served)
        self.decisions.append(_as_it_ended(decision, beside))
        if beside is not None:
            if decision.failure is None and changes_state(call.name):
                self._forget_changed(service, principal.account, served)
            return beside
        rewrite = _route(world, call, wire, decision)
        self._served[id(wire)] = served  # last: what fails before would leave it here for ever
        return rewrite

    def after(self, service: str, wire: WireCall, principal: Principal, answer: Answer) -> Answer | None:
        """What the call changed is read at the next question."""
        served, complete = self._served.pop(id(wire), None), self._finishes.pop(id(wire), None)
        if changes_state(wire.operation):
            self._forget_changed(service, principal.account, served)
        if service == "iam":
            return after_iam(IamCall(wire, principal.account, self.memory, self.clients), answer)
        if complete is not None and answer.status < 300:  # noqa: PLR2004 - HTTP success
            return complete(answer)
        return finish(served, answer) if served else None

    def _before_iam(self, wire: WireCall, principal: Principal) -> Refusal | Answer | None:
        answer = before_iam(IamCall(wire, principal.account, self.memory, self.clients))
        if isinstance(answer, Answer):
            self._forget_changed("iam", principal.account)
        return answer

    def _before_service(self, wire: WireCall, principal: Principal) -> Refusal | Answer | Rewrite | None:
        """Decide the service's own permission and the KMS calls that it makes for the caller (SV-1, DS-80)."""
        self._look_at(wire.region)
        front = Front(
            wire=wire,
            principal=principal,
            memory=self.memory,
            clients=self.clients,
            decide=self._decide_forwarded,
            preview=lambda call: self._decide(self.world(), call),
            read=self.world,
            forget_world=self.forget_world,
        )
        try:
            outcome = serve_service(front)
        except AuthorityError as error:
            return internal_failure(wire.service, f"kmssim: {error}", _NOT_REPEATED)
        if not isinstance(outcome, Passed):
            return outcome
        if outcome.finish is not None:
            self._finishes[id(wire)] = outcome.finish
        return outcome.rewrite

    def _decide_forwarded(self, call: Call) -> Decision:
        """Decide a service's call; what is logged are the KMS calls that were made for it, and then the call itself."""
        world = self.world()
        decision = self._decide(world, call)
        if decision.permissions and decision.permissions[0].ruling.allowed:
            for kms_call in forward(world, call).kms_calls:
                made = self._decide(world, kms_call)
                self.decisions.append(made)
                if made.failure is not None:
                    break
        self.decisions.append(decision)
        return decision

    def _decide(self, world: World, call: Call) -> Decision:
        """Decide by what is known of the world already: who its callers are, and what they may do."""
        if self._authorizer is None or self._authorizer.world is not world:
            self._authorizer = Authorizer(world, self.authority)
        return self._authorizer.decide(call)

    def _grant_of(self, token: str) -> str:
        """The id of the grant behind a token; what is no token stands for itself, and for no grant (GR-51)."""
        found = self.memory.notes(GrantNotes).grant_of(token)
        return f"{token[:-1]}?" if found is None else found


def _unless_misfit(decision: Decision, misfit: Failure | None) -> Decision:
    """What AWS refuses before it looks at anything comes first, also where only the bytes show it (CH-1)."""
    if misfit is None or (decision.failure and decision.failure.rule == _FIRST_STEP):
        return decision
    if decision.allowed:
        return replace(decision, failure=misfit)
    return Decision(decision.call, allowed=False, explicit=False, layers=frozenset(), failure=misfit, permissions=())


def _answer_beside(served: Served) -> Answer | Refusal | None:
    """What is answered without moto; None: moto serves the call."""
    failure = served.decision.failure
    if failure is not None:
        return rehearse(served) or Refusal(failure.code, failure.message, failure.status)
    beside = serve(served)
    if beside is None and not simulates(served.call.name):
        message = f"kmssim: the call is authorized, but the sandbox does not simulate {served.call.name}"
        return Refusal("UnsupportedOperationException", message)
    return beside


def _as_it_ended(decision: Decision, beside: Answer | Refusal | None) -> Decision:
    """The decision with the error that the caller sees, where serving the call met one that nobody could foresee."""
    if not isinstance(beside, Refusal) or (decision.failure and decision.failure.code == beside.code):
        return decision
    return replace(decision, failure=Failure(beside.code, beside.message, "CH-6", beside.status))


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
