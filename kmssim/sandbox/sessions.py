"""STS: who may become whom, and what a session carries that moto forgets.

Each operation is checked before moto runs it, and who may assume a role is decided by its trust policy and the caller's
own (`kmssim.evaluator.assume`). What passes returns a function that turns moto's answer into AWS's, and remembers the
new credentials: moto answers constant ones for federated and plain sessions.

The other operations of STS are allowed to whoever may make them at all, as are a client's calls to IAM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from kmssim.errors import AuthorityError, PolicyError
from kmssim.evaluator.assume import Assumption
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.request import Arn, Call, Principal, PrincipalKind, Session, parse_arn, parse_principal
from kmssim.sandbox.answers import Answer, Refusal, internal_failure
from kmssim.sandbox.durations import HOUR, expiration, read_duration
from kmssim.sandbox.identity import Identities, Identity, invent_credentials
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.session_parameters import find_misfits
from kmssim.sandbox.stored_identities import StoredRole, find_managed_policy, find_role, user_id_of
from kmssim.sandbox.wire import WireCall
from kmssim.sandbox.xml_answers import read_element, with_element, with_elements, without_element

Finish = Callable[[Answer], Answer]
Assume = Callable[[Call, frozenset[str]], Assumption]
"""`(call, the caller's transitive session tags)` → whether the caller may assume the role."""

UNSIGNED_OPERATIONS = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
"""STS takes these without credentials."""

_RESERVED_TAGS = "aws:"


@dataclass(frozen=True)
class Asked:
    """One call of STS, and what is needed to judge it.

    `assume` None: nobody decides who may assume a role. `lasting`: what is handed out does not expire; so are the
    sessions that the sandbox makes for itself.
    """

    wire: WireCall
    caller: Identity
    identities: Identities
    reader: Reader
    assume: Assume | None = None
    lasting: bool = False

    def text(self, name: str) -> str:
        """A parameter, "" when it was not sent."""
        value = self.wire.parameters.get(name, "")
        return value if isinstance(value, str) else ""

    def records(self, name: str) -> list[Mapping[str, object]]:
        """A parameter that is a list of structures."""
        value = self.wire.parameters.get(name)
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class _RefusedError(Exception):
    """Ends the reading of a call; never leaves this module."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message, status)


def begin_session(asked: Asked) -> Refusal | Finish | None:
    """Check a call of STS. None: nothing to check and nothing to learn."""
    begin = _BEGIN.get(asked.wire.operation)
    if begin is None:
        return None
    misfits = find_misfits(asked.wire.operation, asked.wire.parameters)
    if misfits:
        return Refusal("ValidationError", misfits)
    try:
        return begin(asked)
    except _RefusedError as refused:
        return refused.refusal
    except AuthorityError as error:  # closed: who cannot be asked allows nothing
        return internal_failure("sts", f"kmssim: {error}", 400)


def refuse_unsigned(operation: str) -> Refusal:
    """Sessions from identity providers: no provider is trusted here, so nobody's token is good."""
    return Refusal("AccessDenied", f"Not authorized to perform sts:{operation}", 403)


def _identify(asked: Asked) -> Finish:
    caller = asked.caller.principal
    shown = {"Arn": caller.arn, "Account": caller.account, "UserId": user_id_of(caller, asked.reader)}
    return lambda answer: with_elements(answer, shown)


def _assume_role(asked: Asked) -> Finish:
    name = asked.text("RoleSessionName")
    role = _role(asked)
    seconds = _duration(asked)
    tags, transitive = _tags(asked)
    stored = _assumable(asked, role)
    if seconds > max(HOUR, stored.longest) and not asked.lasting:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise _RefusedError("ValidationError", message)
    session = Session(
        policies=_policies(asked, role.account),
        tags=tags,
        mfa=bool(asked.text("SerialNumber") and asked.text("TokenCode")),
        source_identity=asked.caller.principal.session.source_identity or asked.text("SourceIdentity") or None,
    )
    shown = role._replace(service="sts", resource=f"assumed-role/{role.resource.rpartition('/')[2]}/{name}")
    principal = _principal(shown, session)

    def finish(answer: Answer) -> Answer:
        expires = _end(asked, seconds)
        token = read_element(answer.body, "SessionToken")
        identity = Identity(principal, token, transitive=transitive, expires=expires)
        asked.identities.register(read_element(answer.body, "AccessKeyId"), identity)
        return _with_what_was_passed(with_elements(answer, _shown_end(expires)), session)

    return finish


def _with_what_was_passed(answer: Answer, session: Session) -> Answer:
    """The source identity, which moto leaves out, and no size of policies where there are none."""
    if not (session.policies or session.tags):
        answer = without_element(answer, "PackedPolicySize")
    if not session.source_identity:
        return answer
    return with_element(answer, "AssumeRoleResult", "SourceIdentity", session.source_identity)


def _role(asked: Asked) -> Arn:
    text = asked.text("RoleArn")
    arn = parse_arn(text)
    if arn is None or arn.service != "iam" or not arn.account or not arn.resource.startswith("role/"):
        raise _RefusedError("ValidationError", f"{text} is invalid")
    return arn


def _assumable(asked: Asked, arn: Arn) -> StoredRole:
    """The role, which is there and which the caller may assume; who may not is not told whether it is there."""
    answer = asked.assume(_call(asked), asked.caller.transitive) if asked.assume else None
    failure = answer.failure if answer else None
    if failure is not None:
        raise _RefusedError(failure.code, failure.message, failure.status)
    found = find_role(arn, asked.reader)
    if found is None:
        caller = asked.caller.principal.arn
        message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise _RefusedError("AccessDenied", message, 403)
    return found


def _call(asked: Asked) -> Call:
    """The call as the evaluator has it."""
    wire, declared = asked.wire, asked.wire.declared
    operation = f"sts:{wire.operation}"
    return Call(
        asked.caller.principal,
        operation,
        wire.region,
        wire.parameters,
        via=declared.via,
        network=declared.network,
        context=declared.context,
    )


def _get_federation_token(asked: Asked) -> Finish:
    caller, name = _long_term(asked), asked.text("Name")
    tags, _ = _tags(asked)
    session = Session(policies=_policies(asked, caller.account), tags=tags, federated_by=caller.arn)
    partition = caller.arn.split(":")[1]
    shown = Arn(partition, "sts", "", caller.account, f"federated-user/{name}")
    finish = _with_new_credentials(asked, _principal(shown, session))
    nothing_packed = {} if session.policies or tags else {"PackedPolicySize": "0"}  # moto says 6 to everybody
    return lambda answer: with_elements(finish(answer), nothing_packed)


def _get_session_token(asked: Asked) -> Finish:
    caller = _long_term(asked)
    given = [bool(asked.text(name)) for name in ("SerialNumber", "TokenCode")]
    if any(given) and not all(given):
        message = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        raise _RefusedError("AccessDenied", message, 403)
    return _with_new_credentials(asked, replace(caller, session=Session(mfa=all(given), temporary=not any(given))))


def _with_new_credentials(asked: Asked, principal: Principal) -> Finish:
    seconds = _duration(asked)
    if asked.caller.principal.kind is PrincipalKind.ROOT:
        seconds = min(seconds, HOUR)

    def finish(answer: Answer) -> Answer:
        made = invent_credentials(temporary=True)
        expires = _end(asked, seconds)
        asked.identities.register(made.access_key, Identity(principal, made.token, expires=expires))
        shown = {"AccessKeyId": made.access_key, "SecretAccessKey": made.secret, "SessionToken": made.token or ""}
        return with_elements(answer, {**shown, **_shown_end(expires)})

    return finish


def _duration(asked: Asked) -> int:
    try:
        return read_duration(asked.wire.operation, asked.text("DurationSeconds"))
    except ValueError as error:
        raise _RefusedError("ValidationError", str(error)) from None


def _end(asked: Asked, seconds: int) -> float | None:
    return None if asked.lasting else asked.identities.clock() + seconds


def _shown_end(expires: float | None) -> dict[str, str]:
    return {} if expires is None else {"Expiration": expiration(expires)}


def _long_term(asked: Asked) -> Principal:
    """The caller, who must be a user or root user with long-term credentials."""
    principal = asked.caller.principal
    if asked.caller.token is not None or principal.kind not in {PrincipalKind.USER, PrincipalKind.ROOT}:
        raise _RefusedError("AccessDenied", f"Cannot call {asked.wire.operation} with session credentials", 403)
    return principal


def _principal(arn: Arn, session: Session) -> Principal:
    principal = parse_principal(str(arn), session)
    if principal is None:
        raise _RefusedError("ValidationError", f"{arn} is invalid")
    return principal


def _policies(asked: Asked, account: str) -> tuple[Policy, ...]:
    """The session policies: the one in the call, and the managed policies of `account` that it names."""
    text = asked.text("Policy")
    arns = [str(record.get("arn", "")) for record in asked.records("PolicyArns")]
    managed = tuple(_managed_policy(arn, account, asked.reader) for arn in arns)
    if not text:
        return managed
    try:
        return (parse_policy(text, PolicyKind.SESSION, "Policy"), *managed)
    except PolicyError as error:
        raise _RefusedError(error.code or "MalformedPolicyDocument", str(error)) from error


def _managed_policy(arn: str, account: str, reader: Reader) -> Policy:
    parts = parse_arn(arn)
    known = parts is not None and parts.service == "iam" and parts.account in {account, "aws"}
    document = find_managed_policy(account, arn, reader) if known else None
    if document is None:
        raise _RefusedError("ValidationError", f"Policy {arn} does not exist or is not attachable.")
    try:
        # Managed policies may be longer than a session policy in the call; what they do is the same.
        return replace(parse_policy(document, PolicyKind.IDENTITY, arn), kind=PolicyKind.SESSION)
    except PolicyError as error:
        raise _RefusedError("MalformedPolicyDocument", str(error)) from error


def _tags(asked: Asked) -> tuple[dict[str, str], frozenset[str]]:
    """The session's tags and which of them are transitive: those passed, and the caller's transitive ones (DA-32)."""
    sent = asked.records("Tags")
    passed = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in sent}
    if len(_folded(passed)) < len(sent):
        message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise _RefusedError("InvalidParameterValue", message)
    if any(key.startswith(_RESERVED_TAGS) for key in _folded(passed)):
        raise _RefusedError("InvalidParameterValue", "Tag keys that begin with aws: are reserved.")
    inherited = {
        key: value for key, value in asked.caller.principal.session.tags.items() if key in asked.caller.transitive
    }
    if _folded(passed) & _folded(inherited):
        message = (
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session."
        )
        raise _RefusedError("InvalidParameterValue", message)
    named = asked.wire.parameters.get("TransitiveTagKeys")
    transitive = frozenset(str(key) for key in named) if isinstance(named, list) else frozenset()
    if not transitive <= passed.keys():
        raise _RefusedError(
            "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
        )
    return {**inherited, **passed}, transitive | inherited.keys()


def _folded(keys: Iterable[str]) -> set[str]:
    return {key.lower() for key in keys}


_BEGIN: Mapping[str, Callable[[Asked], Finish]] = {
    "AssumeRole": _assume_role,
    "GetCallerIdentity": _identify,
    "GetFederationToken": _get_federation_token,
    "GetSessionToken": _get_session_token,
}
