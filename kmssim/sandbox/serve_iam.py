"""What moto's IAM lacks or takes too easily: the boundaries of users, and policies that AWS would refuse.

Who may make a call to IAM is not decided: whoever has credentials may. But what a client writes there must be something
that decisions can be taken over, so documents are read as IAM reads them before moto keeps them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from kmssim.evaluator.policy import PolicyKind
from kmssim.sandbox.answers import Answer, Refusal
from kmssim.sandbox.memory import Clients, Memory
from kmssim.sandbox.read_policy import refuse_policy
from kmssim.sandbox.wire import WireCall
from kmssim.sandbox.xml_answers import read_element

_NOT_FOUND, _CONFLICT = 404, 409
_SUCCESS = 300
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


@dataclass(frozen=True, eq=False, repr=False)
class IamCall:
    """A call to IAM of one account. `clients` are the sandbox's own."""

    wire: WireCall
    account: str
    memory: Memory
    clients: Clients

    @property
    def iam(self) -> Any:  # noqa: ANN401 (a boto3 client)
        """IAM of the account, in the caller's partition."""
        return self.clients("iam", self.account, self.wire.region)

    def text(self, name: str) -> str:
        """A parameter, "" when it was not sent."""
        value = self.wire.parameters.get(name, "")
        return value if isinstance(value, str) else ""


def before_iam(call: IamCall) -> Refusal | Answer | None:
    """Refuse a call, or answer it in moto's place; None: moto serves it."""
    refused = _check_document(call) or _check_boundary(call) or _check_deletion(call)
    if refused is not None:
        return refused
    found = _SERVES.get(call.wire.operation)
    return found(call) if found else None


def after_iam(call: IamCall, answer: Answer) -> Answer | None:
    """Note what moto will forget of a call that it served, and complete what it answered; None: as it is."""
    found = _FINISHES.get(call.wire.operation)
    return found(call, answer) if found and answer.status < _SUCCESS else None


_DOCUMENTS: Mapping[str, tuple[str, PolicyKind]] = {
    "CreatePolicy": ("PolicyDocument", PolicyKind.IDENTITY),
    "CreatePolicyVersion": ("PolicyDocument", PolicyKind.IDENTITY),
    "CreateRole": ("AssumeRolePolicyDocument", PolicyKind.TRUST),
    "PutGroupPolicy": ("PolicyDocument", PolicyKind.IDENTITY),
    "PutRolePolicy": ("PolicyDocument", PolicyKind.IDENTITY),
    "PutUserPolicy": ("PolicyDocument", PolicyKind.IDENTITY),
    "UpdateAssumeRolePolicy": ("PolicyDocument", PolicyKind.TRUST),
}


def _check_document(call: IamCall) -> Refusal | None:
    name, kind = _DOCUMENTS.get(call.wire.operation, ("", PolicyKind.IDENTITY))
    text = call.text(name)
    return refuse_policy(text, kind, name) if text else None  # moto says what is missing


def _check_boundary(call: IamCall) -> Refusal | None:
    """A boundary is a managed policy that is there."""
    arn = call.text("PermissionsBoundary")
    if not arn:
        return None
    try:
        call.iam.get_policy(PolicyArn=arn)
    except (ClientError, ParamValidationError):
        return Refusal("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", _NOT_FOUND)
    return None


def _check_deletion(call: IamCall) -> Refusal | None:
    """A managed policy that somebody has, or whose boundary it is, stays; moto would let it go."""
    if call.wire.operation != "DeletePolicy":
        return None
    policy = call.text("PolicyArn")
    bound = {arn for (account, _), arn in call.memory.user_boundaries.items() if account == call.account}
    for page in call.iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"]):
        bound |= {role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") for role in page["RoleDetailList"]}
    if policy not in bound and not _is_attached(call, policy):
        return None
    return Refusal("DeleteConflict", "Cannot delete a policy attached to entities.", _CONFLICT)


def _is_attached(call: IamCall, arn: str) -> bool:
    try:
        return bool(call.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"])
    except (ClientError, ParamValidationError):
        return False  # moto says that there is none


def _put_boundary(call: IamCall) -> Refusal | Answer:
    return _missing_user(call) or _bind(call, call.text("PermissionsBoundary"))


def _delete_boundary(call: IamCall) -> Refusal | Answer:
    return _missing_user(call) or _bind(call, "")


def _missing_user(call: IamCall) -> Refusal | None:
    name = call.text("UserName")
    try:
        call.iam.get_user(UserName=name)
    except (ClientError, ParamValidationError):
        return Refusal("NoSuchEntity", f"The user with name {name} cannot be found.", _NOT_FOUND)
    return None


def _bind(call: IamCall, boundary: str) -> Answer:
    """What moto has no operation for: the boundary of a user, put or taken away."""
    key = (call.account, call.text("UserName"))
    if boundary:
        call.memory.user_boundaries[key] = boundary
    else:
        call.memory.user_boundaries.pop(key, None)
    name, identifier = f"{call.wire.operation}Response", uuid.uuid4()
    told = f"<ResponseMetadata><RequestId>{identifier}</RequestId></ResponseMetadata>"
    body = f'<{name} xmlns="{_NAMESPACE}">{told}</{name}>'
    return Answer(body.encode(), headers={"Content-Type": "text/xml", "x-amzn-RequestId": str(identifier)})


def _created(call: IamCall, answer: Answer) -> Answer | None:
    boundary = call.text("PermissionsBoundary")
    if boundary:
        call.memory.user_boundaries[call.account, call.text("UserName")] = boundary
    return _show_boundary(call, answer)


def _show_boundary(call: IamCall, answer: Answer) -> Answer | None:
    """The user as IAM shows it, with its boundary."""
    arn = call.memory.user_boundaries.get((call.account, read_element(answer.body, "UserName")))
    if arn is None:
        return None
    shown = (
        "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
        f"<PermissionsBoundaryArn>{arn}</PermissionsBoundaryArn></PermissionsBoundary></User>"
    )
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    return replace(answer, body=re.sub(rb"</User>", shown.encode(), answer.body, count=1), headers=headers)


def _deleted(call: IamCall, _answer: Answer) -> None:
    call.memory.user_boundaries.pop((call.account, call.text("UserName")), None)


def _renamed(call: IamCall, _answer: Answer) -> None:
    old, new = call.text("UserName"), call.text("NewUserName")
    boundary = call.memory.user_boundaries.pop((call.account, old), None)
    if boundary is not None:
        call.memory.user_boundaries[call.account, new or old] = boundary


_SERVES: Mapping[str, Callable[[IamCall], Refusal | Answer]] = {
    "DeleteUserPermissionsBoundary": _delete_boundary,
    "PutUserPermissionsBoundary": _put_boundary,
}
_FINISHES: Mapping[str, Callable[[IamCall, Answer], Answer | None]] = {
    "CreateUser": _created,
    "DeleteUser": _deleted,
    "GetUser": _show_boundary,
    "UpdateUser": _renamed,
}
