"""What `Identities` learns from IAM's answers: access keys made, switched off, deleted; users and roles that go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from botocore.exceptions import ClientError

from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal
from kmssim.sandbox.answers import Answer
from kmssim.sandbox.identity import Identities, Identity
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.wire import WireCall
from kmssim.sandbox.xml_answers import read_element


def learn_access_keys(wire: WireCall, account: str, answer: Answer, identities: Identities, reader: Reader) -> None:
    """Learn from moto's answer to an IAM call that was served from `account`."""
    learn = _LEARN.get(wire.operation)
    if learn is not None and answer.status < 300:  # noqa: PLR2004 - HTTP success
        learn(wire, account, answer, identities, reader)


def _created(wire: WireCall, account: str, answer: Answer, identities: Identities, reader: Reader) -> None:
    user = _user(wire, account, read_element(answer.body, "UserName"), reader)
    if user is not None:
        identities.register(read_element(answer.body, "AccessKeyId"), Identity(user))


def _user(wire: WireCall, account: str, name: str, reader: Reader) -> Principal | None:
    try:
        arn: str = reader.client("iam", account, wire.region).get_user(UserName=name)["User"]["Arn"]
    except ClientError:
        return None  # gone again before we looked: its key stands for nobody
    return parse_principal(arn)


def _updated(wire: WireCall, _account: str, _answer: Answer, identities: Identities, _reader: Reader) -> None:
    active = wire.parameters.get("Status") == "Active"
    identities.set_active(str(wire.parameters.get("AccessKeyId", "")), active=active)


def _deleted(wire: WireCall, _account: str, _answer: Answer, identities: Identities, _reader: Reader) -> None:
    identities.forget(str(wire.parameters.get("AccessKeyId", "")))


def _user_deleted(wire: WireCall, account: str, _answer: Answer, identities: Identities, _reader: Reader) -> None:
    """With the user go its sessions, and those of the federated users who act on its policies (DA-31)."""
    name = str(wire.parameters.get("UserName", ""))
    identities.change_user(account, name, lambda _user: None)
    identities.forget_sessions(
        lambda held: held.account == account and (held.session.federated_by or "").rpartition("/")[2] == name
    )


def _role_deleted(wire: WireCall, account: str, _answer: Answer, identities: Identities, _reader: Reader) -> None:
    gone = (PrincipalKind.ROLE_SESSION, account, str(wire.parameters.get("RoleName", "")))
    identities.forget_sessions(lambda held: (held.kind, held.account, held.name) == gone)


def _user_updated(wire: WireCall, account: str, _answer: Answer, identities: Identities, reader: Reader) -> None:
    old = str(wire.parameters.get("UserName", ""))
    new = _user(wire, account, str(wire.parameters.get("NewUserName", old)), reader)
    identities.change_user(account, old, lambda user: replace(new, session=user.session) if new else None)


_LEARN: dict[str, Callable[[WireCall, str, Answer, Identities, Reader], None]] = {
    "CreateAccessKey": _created,
    "UpdateAccessKey": _updated,
    "DeleteAccessKey": _deleted,
    "DeleteRole": _role_deleted,
    "DeleteUser": _user_deleted,
    "UpdateUser": _user_updated,
}
