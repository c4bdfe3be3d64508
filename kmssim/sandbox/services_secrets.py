"""Secrets Manager in front of KMS: a secret's value needs the secret's permission and then the key's (DS-10 to DS-12).

moto stores secrets without asking KMS, in the account of the caller; here a secret of another account is served from
there. Values stay out of the decisions.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.forward import secret_arn
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Secret
from kmssim.sandbox.answers import Refusal, Rewrite, answer_json, unsupported_operation
from kmssim.sandbox.front import Front, Outcome, Passed, refusal_of
from kmssim.sandbox.read_policy import refuse_policy

_DEFAULT_KEY = "alias/aws/secretsmanager"
_VALUES = ("SecretString", "SecretBinary")
_UNSHOWN = "(not shown)"
_SHOWN = ("ARN", "Name", "VersionId", "VersionStages", "SecretString")
_ONE_OF_TWO = "Either 'SecretIdList' or 'Filters' must be provided, but not both."
_SUFFIX = 7  # what AWS adds to a name in an ARN: a hyphen and six characters


def _find(front: Front, named: str) -> Secret | None:
    """The secret of that name in the caller's account, or of that ARN, whole or without what AWS added to the name.

    Names are of one Region: that of the call.
    """
    arn = parse_arn(named)
    owner = front.read().accounts.get(arn.account if arn else front.principal.account)
    for secret in owner.secrets.values() if owner else ():
        whole = secret_arn(secret)
        if secret.region == front.wire.region and named in ({whole, whole[:-_SUFFIX]} if arn else {secret.name}):
            return secret
    return None


def _named(front: Front, named: str) -> tuple[str, str | None]:
    """How the runtime finds the secret: its ARN, and its account; as named where there is none."""
    secret = _find(front, named)
    return (secret_arn(secret), secret.account) if secret else (named, None)


def _held_version(front: Front, arn: str, account: str | None, wanted: Mapping[str, object]) -> dict[str, object]:
    """The version that the call means, by its id or its stage; an empty one where it is not there: no KMS call then."""
    if account is None:
        return {"VersionId": ""}
    try:
        about = front.clients("secretsmanager", account, front.wire.region).describe_secret(SecretId=arn)
    except ClientError:
        return {"VersionId": ""}
    versions = about.get("VersionIdsToStages", {})
    if "DeletedDate" in about:
        return {"VersionId": ""}
    if wanted.get("VersionId"):
        return {"VersionId": wanted["VersionId"] if wanted["VersionId"] in versions else ""}
    stage = str(wanted.get("VersionStage") or "AWSCURRENT")
    return {"VersionId": next((version for version, stages in versions.items() if stage in stages), "")}


def _authorize_read(front: Front, named: str, wanted: Mapping[str, object]) -> Decision:
    arn, account = _named(front, named)
    return front.ask("GetSecretValue", {"SecretId": arn, **_held_version(front, arn, account, wanted)})


def _read(front: Front) -> Outcome:
    named = front.text("SecretId") or ""
    decision = _authorize_read(front, named, front.wire.parameters)
    return refusal_of(decision) or Passed(_served_at_home(front, named, front.wire.parameters))


def _served_at_home(front: Front, named: str, parameters: Mapping[str, object]) -> Rewrite:
    """A secret is served from its own account: moto knows it nowhere else."""
    arn, account = _named(front, named)
    return Rewrite(account, {**parameters, "SecretId": arn})


def _write(front: Front) -> Outcome:
    """PutSecretValue and UpdateSecret: the new value is encrypted, and where the key changes the old one again."""
    named = front.text("SecretId") or ""
    arn, account = _named(front, named)
    sent = _with_token(front.wire.parameters)
    held = _held_version(front, arn, account, {})
    if account and not held["VersionId"]:
        held = {}  # a secret without a value yet
    decision = front.ask(front.wire.operation, {"SecretId": arn, **held, **_shown(front, {"SecretId": arn}, sent)})
    return refusal_of(decision) or Passed(_served_at_home(front, named, sent))


def _create(front: Front) -> Outcome:
    if front.wire.parameters.get("AddReplicaRegions"):
        return _replicate(front)
    sent = _with_token(front.wire.parameters)
    name = {"Name": front.text("Name") or ""}
    decision = front.ask("CreateSecret", {**name, **_shown(front, name, sent)})
    return refusal_of(decision) or Passed(Rewrite(parameters=sent))


def _put_policy(front: Front) -> Outcome:
    """Who may put it is not decided, but decisions must be possible over what is put."""
    text = front.text("ResourcePolicy")
    return (refuse_policy(text, PolicyKind.SECRET, "ResourcePolicy") if text else None) or Passed()


def _replicate(front: Front) -> Outcome:
    """A replica has a key of its own, of which moto asks nothing."""
    return unsupported_operation(front.wire.service, "kmssim: the sandbox does not simulate replicas of secrets")


def _with_token(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """The id of the new version, so that KMS hears the same one as moto."""
    return {**parameters, "ClientRequestToken": parameters.get("ClientRequestToken") or str(uuid.uuid4())}


def _shown(front: Front, named: Mapping[str, object], sent: Mapping[str, object]) -> dict[str, object]:
    """What a decision needs of a write: the new version, the key that is named, and whether there is a value."""
    shown: dict[str, object] = {name: _UNSHOWN for name in _VALUES if sent.get(name)}
    shown["ClientRequestToken"] = sent["ClientRequestToken"]
    key = front.text("KmsKeyId")
    if key == _DEFAULT_KEY and front.wire.operation != "PutSecretValue":
        key = front.managed_key(front.principal.account, front.wire.region, front.wire.operation, named)
    return {**shown, "KmsKeyId": key} if key else shown


def _read_batch(front: Front) -> Outcome:
    """Each secret on its own (DS-11): what may not be read, or is not there, stands among the errors."""
    refused = refusal_of(front.ask("BatchGetSecretValue", {}))
    if refused:
        return refused
    listed = _listed(front)
    if isinstance(listed, Refusal):
        return listed
    names, following = listed
    answers = [(name, _value(front, name)) for name in names]
    errors = [
        {"SecretId": name, "ErrorCode": answer.code, "Message": answer.message}
        for name, answer in answers
        if isinstance(answer, Refusal)
    ]
    values = [answer for _, answer in answers if not isinstance(answer, Refusal)]
    more = {"NextToken": following} if following else {}
    return answer_json({"SecretValues": values, "Errors": errors, **more})


def _listed(front: Front) -> Refusal | tuple[Iterable[str], str | None]:
    """The secrets that the call asks for, and where the list goes on."""
    sent = front.wire.parameters
    names, filters = sent.get("SecretIdList"), sent.get("Filters")
    if bool(names) == bool(filters):
        return Refusal("InvalidParameterException", _ONE_OF_TWO)
    if isinstance(names, list):
        return [str(name) for name in names], None
    manager = front.clients("secretsmanager", front.principal.account, front.wire.region)
    page = {name: sent[name] for name in ("MaxResults", "NextToken") if name in sent}
    try:
        found = manager.list_secrets(Filters=filters, **page)
    except ClientError as error:
        return _refusal(error)
    return [secret["ARN"] for secret in found["SecretList"]], found.get("NextToken")


def _value(front: Front, named: str) -> Refusal | dict[str, Any]:
    refused = refusal_of(_authorize_read(front, named, {}))
    if refused:
        return refused
    arn, account = _named(front, named)
    manager = front.clients("secretsmanager", account or front.principal.account, front.wire.region)
    try:
        found = manager.get_secret_value(SecretId=arn)
    except ClientError as error:
        return _refusal(error)
    value = {name: found[name] for name in _SHOWN if name in found}
    value["CreatedDate"] = found["CreatedDate"].timestamp()
    if "SecretBinary" in found:
        value["SecretBinary"] = base64.b64encode(found["SecretBinary"]).decode()
    return value


def _refusal(error: ClientError) -> Refusal:
    told = error.response["Error"]
    return Refusal(told["Code"], told.get("Message", ""))


SERVES: Mapping[str, Callable[[Front], Outcome]] = {
    "GetSecretValue": _read,
    "BatchGetSecretValue": _read_batch,
    "CreateSecret": _create,
    "PutSecretValue": _write,
    "UpdateSecret": _write,
    "PutResourcePolicy": _put_policy,
    "ReplicateSecretToRegions": _replicate,
}
"""The operations that read or write values of secrets, or what decisions rest on; all others pass undecided."""
