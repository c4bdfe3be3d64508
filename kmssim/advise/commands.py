"""Where an edit goes, the document to paste there, and the AWS CLI command that would do it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping

from kmssim.advise.homes import ADVISED
from kmssim.advise.lens import get
from kmssim.advise.proposal import (
    Add,
    CallAgain,
    Change,
    Document,
    Edit,
    Give,
    Home,
    Proposal,
    Remove,
    Revoke,
    SetState,
)
from kmssim.evaluator.policy import Policy, PolicyKind
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Grant, Key, World
from kmssim.strict_json import join_path

_BYTES = {
    "Decrypt": "--ciphertext-blob fileb://ciphertext",
    "ReEncrypt": "--ciphertext-blob fileb://ciphertext",
    "Encrypt": "--plaintext fileb://plaintext",
    "Sign": "--message fileb://message",
    "Verify": "--message fileb://message --signature fileb://signature",
    "GenerateMac": "--message fileb://message",
    "VerifyMac": "--message fileb://message --mac fileb://mac",
    "DeriveSharedSecret": "--public-key fileb://public-key",
}
"""What a scenario leaves out of a call because it must be bytes."""

_ATTACHMENTS = {PolicyKind.SCP: "SERVICE_CONTROL_POLICY", PolicyKind.RCP: "RESOURCE_CONTROL_POLICY"}


def where(edit: Edit, world: World) -> str:
    """The JSON path in the scenario file that the edit is about; "" for the call itself."""
    match edit:
        case Add() | Change() | Remove():
            return edit.home.where
        case Give() | Revoke():
            return join_path(_path_of(edit.key, world), "grants")
        case SetState():
            return join_path(_path_of(edit.key, world), "state")
    return ""


def _path_of(arn: str, world: World) -> str:
    key = world.keys_by_arn[arn]
    return join_path("accounts", key.account, "keys", key.label or key.id)


def document(edit: Edit, call: Call) -> Document | None:
    """What is to be pasted: a statement, a grant as CreateGrant takes it, the call's parameters; None for nothing."""
    match edit:
        case Add():
            return edit.statement
        case Change():
            return edit.after
        case Give():
            return grant_document(edit.grant)
        case CallAgain():
            return {**call.parameters, **({"GrantTokens": list(call.grant_tokens)} if call.grant_tokens else {})}
    return None


def grant_document(grant: Grant) -> Document:
    """A grant in the words of CreateGrant."""
    found = {
        "GranteePrincipal": grant.grantee,
        "GranteeServicePrincipal": grant.grantee_service,
        "RetiringPrincipal": grant.retiring,
        "RetiringServicePrincipal": grant.retiring_service,
        "Operations": list(grant.operations),
        "Constraints": _constraints(grant),
        "Name": grant.name,
    }
    return {name: value for name, value in found.items() if value}


def _constraints(grant: Grant) -> Document:
    constraints = grant.constraints
    found = {
        "EncryptionContextEquals": constraints.encryption_context_equals,
        "EncryptionContextSubset": constraints.encryption_context_subset,
        "SourceArn": constraints.source_arn,
    }
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in found.items() if value}


def policy_after(edit: Edit, proposal: Proposal) -> Document | None:
    """The whole policy as the proposal leaves it, for commands that replace it."""
    if not isinstance(edit, Add | Change | Remove):
        return None
    policy = get(proposal.call if edit.home.in_call else proposal.world, edit.home.path)
    return policy.document if isinstance(policy, Policy) else None


def command(edit: Edit, proposal: Proposal) -> str:
    """The command of the AWS CLI; a policy document is read from the file that it names."""
    world = proposal.world
    match edit:
        case Add() | Change() | Remove():
            return _policy_command(edit, proposal)
        case Give():
            again = _kms("create-grant", world.keys_by_arn[edit.key], _options(grant_document(edit.grant)))
            old = edit.instead_of
            return again if old is None else f"{again} && {_revoke(edit.key, old, world)}"
        case Revoke():
            return _revoke(edit.key, edit.grant, world)
        case SetState():
            return _kms(_kebab(edit.operation), world.keys_by_arn[edit.key], "")
        case CallAgain():
            return _call_command(proposal.call)


def _kms(verb: str, key: Key, options: str) -> str:
    return f"aws kms {verb} --region {key.region} --key-id {key.arn} {options}".strip()


def _revoke(arn: str, grant: Grant, world: World) -> str:
    return _kms("revoke-grant", world.keys_by_arn[arn], f"--grant-id {grant.id}")


def _policy_command(edit: Add | Change | Remove, proposal: Proposal) -> str:
    home = edit.home
    owner = home.owner.rpartition(" ")[2]
    match home.kind:
        case PolicyKind.KEY_POLICY:
            key = get(proposal.world, home.path[:-1])
            return _kms("put-key-policy", key, "--policy-name default --policy file://key-policy.json")
        case PolicyKind.IDENTITY:
            return _iam_command(home, is_empty=_is_empty(edit, proposal))
        case PolicyKind.BOUNDARY:
            return (
                "aws iam create-policy-version --policy-arn ARN-OF-THE-BOUNDARY "
                "--policy-document file://boundary.json --set-as-default"
            )
        case PolicyKind.SESSION:
            principal = proposal.call.principal
            return (
                f"aws sts assume-role --role-arn arn:aws:iam::{principal.account}:role/{principal.name} "
                f"--role-session-name {principal.session_name or 'session'} --policy file://session-policy.json"
            )
        case PolicyKind.SCP | PolicyKind.RCP:
            return _guardrail_command(edit, owner, is_empty=_is_empty(edit, proposal))
        case PolicyKind.VPC_ENDPOINT:
            return (
                f"aws ec2 modify-vpc-endpoint --vpc-endpoint-id {owner} --policy-document file://endpoint-policy.json"
            )
        case PolicyKind.BUCKET:
            return f"aws s3api put-bucket-policy --bucket {owner} --policy file://bucket-policy.json"
    return f"aws secretsmanager put-resource-policy --secret-id {owner} --resource-policy file://secret-policy.json"


def _is_empty(edit: Edit, proposal: Proposal) -> bool:
    """Whether no statement is left in the policy."""
    document = policy_after(edit, proposal)
    return document is not None and not document.get("Statement")


def _iam_command(home: Home, *, is_empty: bool) -> str:
    kind, name = str(home.path[2]).removesuffix("s"), shlex.quote(home.name or ADVISED)
    of = f"--{kind}-name {shlex.quote(str(home.path[3]))} --policy-name {name}"
    if is_empty:
        return f"aws iam delete-{kind}-policy {of}"
    return f"aws iam put-{kind}-policy {of} --policy-document file://iam-policy.json"


def _guardrail_command(edit: Add | Change | Remove, target: str, *, is_empty: bool) -> str:
    if is_empty:
        return f"aws organizations detach-policy --policy-id ID-OF-THE-POLICY --target-id {target}"
    if not isinstance(edit, Add):
        return "aws organizations update-policy --policy-id ID-OF-THE-POLICY --content file://policy.json"
    return (
        f"aws organizations create-policy --type {_ATTACHMENTS[edit.home.kind]} --name {ADVISED} --description advice "
        f"--content file://policy.json && aws organizations attach-policy --policy-id ID-OF-THE-POLICY "
        f"--target-id {target}"
    )


def _call_command(call: Call) -> str:
    bytes_of = _BYTES.get(call.name, "") if call.service == "kms" else ""
    tokens = f" --grant-tokens {' '.join(call.grant_tokens)}" if call.grant_tokens else ""
    start = f"aws {call.service} {_kebab(call.name)} --region {call.region}"
    return " ".join(f"{start} {bytes_of} {_options(call.parameters)}{tokens}".split(" ")).replace("  ", " ").strip()


def _options(parameters: Mapping[str, object]) -> str:
    return " ".join(f"--{_kebab(name)} {_value(value)}" for name, value in parameters.items())


def _value(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(shlex.quote(str(one)) for one in value)
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
