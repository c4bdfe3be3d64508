"""The words of advice: what each kind of change is, and why there is none. All sentences are in this file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from kmssim.advise.edits import as_list
from kmssim.advise.homes import name_of
from kmssim.advise.lens import Gone, Path
from kmssim.advise.proposal import (
    Add,
    CallAgain,
    Change,
    Document,
    Edit,
    Give,
    Kind,
    NoFix,
    Proposal,
    Remove,
    Revoke,
    SetState,
    SideEffect,
)
from kmssim.advise.statements import context_of
from kmssim.evaluator.grant_index import WITH_CONTEXT
from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Grant, World
from kmssim.wording import listed

POLICIES: Mapping[PolicyKind, str] = {
    PolicyKind.KEY_POLICY: "the key policy of {owner}",
    PolicyKind.IDENTITY: "an IAM policy of {owner}",
    PolicyKind.BOUNDARY: "the permissions boundary of {owner}",
    PolicyKind.SESSION: "the session policy",
    PolicyKind.SCP: "a service control policy at {owner}",
    PolicyKind.RCP: "a resource control policy at {owner}",
    PolicyKind.VPC_ENDPOINT: "the policy of {owner}",
    PolicyKind.BUCKET: "the policy of {owner}",
    PolicyKind.SECRET: "the policy of {owner}",
}

WHAT: Mapping[Kind, str] = {
    Kind.CORRECTED_CALL: "make the call {how}",
    Kind.KEY_STATE: "{operation} on {key}",
    Kind.GRANT: "grant {operations} on {key} to {principal}{constraints}",
    Kind.REVOKED_GRANT: "revoke the grant {grant} on {key}",
    Kind.CONDITION: "change a condition in {policy}: {what}",
    Kind.KEY_POLICY: "allow {actions} to {principal} in {policy}{conditions}",
    Kind.DELEGATION: "hand {actions} over to IAM in {policy}{conditions}; IAM policies of the account then decide",
    Kind.IDENTITY: "allow {actions} on {resource} in {policy}{conditions}",
    Kind.GROUP: "allow {actions} on {resource} in {policy}{conditions}; this means all its members",
    Kind.RESOURCE_POLICY: "allow {actions} to {principal} in {policy}",
    Kind.SESSION: "allow {actions} on {resource} in {policy}{conditions}",
    Kind.BOUNDARY: "allow {actions} on {resource} in {policy}{conditions}",
    Kind.VPC_ENDPOINT: "allow {actions} on {resource} in {policy}{conditions}",
    Kind.SCP: "{effect} {actions} in {policy}{conditions}",
    Kind.RCP: "{effect} {actions} in {policy}{conditions}",
    Kind.EXPLICIT_DENY: "deny {actions} in {policy}{conditions}",
    Kind.NARROWED_ALLOW: "narrow a statement in {policy}: {what}",
    Kind.REMOVED_ALLOW: "remove the statement that allows {actions} from {policy}",
    Kind.NARROWED_DENY: "narrow a Deny in {policy}: {what}",
    Kind.REMOVED_DENY: "remove the Deny of {actions} from {policy}",
}

REPLACED_GRANT = "put in place of the grant {grant} on {key} one that {principal} may retire"

NO_FIX: Mapping[NoFix, str] = {
    NoFix.ALREADY: "nothing is to be done: the answer is already the wanted one",
    NoFix.NOT_ACROSS_ACCOUNTS: "there is no fix: this operation does not work on keys of another account, whatever "
    "policies say; call as a principal of the key's own account",
    NoFix.INVALID_PARAMETER: "there is no fix by permissions: AWS refuses a parameter of the call before it looks at "
    "any policy",
    NoFix.NOTHING_THERE: "there is no fix: what the call is about is not there, and nothing comes near it",
    NoFix.AWS_MANAGED_KEY: "there is no fix: the key is an AWS managed key, whose policy nobody can edit; use a "
    "customer managed key",
    NoFix.FAILS_OTHERWISE: "there is no fix by permissions: the call is authorized and fails for another reason",
    NoFix.ADMINISTRATOR_ONLY: "nothing that the account itself can do is enough; organization policies bind its root "
    "user as well, and only the organization's administrator can change them",
    NoFix.FIXED_PERMISSIONS: "there is no fix here: what decides can be changed by none of the policies in this world",
    NoFix.NONE_FOUND: "no change was found that the decision authority confirms",
}

NOTES: Mapping[str, str] = {
    "deny": "Somebody wrote this Deny on purpose: ask who did before it is changed.",
    "administrator": "Only the organization's administrator can make this change.",
    "opens": "This opens more than was asked.",
    "closes": "This closes more than was asked.",
    "any_context": "The call names no encryption context, so this holds for every one.",
    "ciphertext": "This helps if the ciphertext was made with this encryption context, which is not stated.",
    "fails": "Authorized then, and still the call ends with {failure}.",
    "uncertain": "The answer then rests on open questions: {questions}.",
    "elsewhere": "The policy may also decide on other keys, which are not looked at here.",
}


def what(edit: Edit, world: World) -> str:
    """One edit in plain words."""
    return _WORDS[type(edit)](edit, world)


def title(proposal: Proposal) -> str:
    """All edits of a proposal in one sentence, without a final stop."""
    text = "; and ".join(what(edit, proposal.world) for edit in proposal.edits)
    return text[0].upper() + text[1:]


def notes(proposal: Proposal, wish: str) -> list[str]:
    """What a reader is told before the change is made."""
    found = ["deny"] if proposal.touches_deny else []
    found += ["administrator"] if proposal.needs_administrator else []
    if proposal.opens_more:
        found.append("closes" if wish == "deny" else "opens")
    if wish == "allow" and any(isinstance(edit, Add | Give) for edit in proposal.edits) and _for_any_context(proposal):
        found.append("any_context")
    if any(isinstance(edit, CallAgain) and _supposes_ciphertext(edit, proposal) for edit in proposal.edits):
        found.append("ciphertext")
    said = [NOTES[name] for name in found]
    if proposal.after.allowed and proposal.after.failure:
        said.append(NOTES["fails"].format(failure=proposal.after.failure.code))
    doubts = sorted(set(proposal.after.uncertain) - set(proposal.before.uncertain))
    if doubts:
        said.append(NOTES["uncertain"].format(questions=listed(doubts)))
    if proposal.reaches_elsewhere:
        said.append(NOTES["elsewhere"])
    return said


def _supposes_ciphertext(edit: CallAgain, proposal: Proposal) -> bool:
    """Whether a call claims another encryption context for a ciphertext of which nobody said how it was made."""
    claims = {path[-1] for path, _ in edit.members} & {"EncryptionContext", "SourceEncryptionContext"}
    return bool(claims) and proposal.call.name in {"Decrypt", "ReEncrypt"} and proposal.call.ciphertext is None


def _for_any_context(proposal: Proposal) -> bool:
    """Whether the call could carry an encryption context and does not."""
    for trace in proposal.after.permissions:
        key = proposal.world.keys_by_arn.get(trace.key or "")
        carries = trace.action.removeprefix("kms:") in WITH_CONTEXT and key is not None and key.symmetric_encryption
        if carries and not context_of(proposal.world, proposal.call, trace):
            return True
    return False


def side_effects(effects: tuple[SideEffect, ...]) -> list[str]:
    """The changed answers, a line for each principal and direction."""
    grouped: dict[tuple[str, bool], dict[str, None]] = {}
    for effect in effects:
        context = effect.encryption_context
        said = f" ({', '.join(f'{name}={value}' for name, value in context)})" if context else ""
        grouped.setdefault((effect.principal, effect.allowed), {})[f"{effect.action.removeprefix('kms:')}{said}"] = None
    return [
        f"{principal} {'gains' if allowed else 'loses'} {_few(list(actions))}"
        for (principal, allowed), actions in grouped.items()
    ]


_MOST_ACTIONS = 6


def _few(actions: list[str]) -> str:
    more = len(actions) - _MOST_ACTIONS
    return listed(actions) if more <= 0 else f"{', '.join(actions[:_MOST_ACTIONS])} and {more} more"


def _of_statement(edit: Add | Change | Remove, world: World) -> str:
    del world
    statement = edit.statement if isinstance(edit, Add) else edit.before
    words = {
        "policy": POLICIES[edit.home.kind].format(owner=edit.home.owner),
        "effect": str(statement.get("Effect", "Allow")).lower(),
        "actions": listed(as_list(statement.get("Action", statement.get("NotAction", "*")))),
        "principal": _principal(statement),
        "resource": _short(str(statement.get("Resource", "*"))),
        "conditions": _conditions(statement),
        "what": edit.what if isinstance(edit, Change) else "",
    }
    if isinstance(edit, Change) and edit.kind in {Kind.SCP, Kind.RCP}:
        return WHAT[Kind.CONDITION].format(**words)
    return WHAT[edit.kind].format(**words)


def _principal(statement: Document) -> str:
    element = statement.get("Principal")
    if not isinstance(element, Mapping):
        return "anybody"
    return listed([_short(text) for texts in element.values() for text in as_list(texts)])


def _short(text: str) -> str:
    """The end of an ARN, which tells people enough; the document has the whole of it."""
    arn = parse_arn(text)
    if arn is None or arn.resource == "root":
        return f"account {arn.account}" if arn else text
    return arn.resource


def _conditions(statement: Document) -> str:
    block = statement.get("Condition")
    if not isinstance(block, Mapping):
        return ""
    lines = [
        f"{key.removeprefix('kms:')} is {'absent' if operator == 'Null' else listed(as_list(values))}"
        for operator, line in block.items()
        for key, values in line.items()
    ]
    return f", where {listed(lines)}"


def _of_grant(edit: Give | Revoke, world: World) -> str:
    grant, key = edit.grant, _key(edit.key, world)
    words = {
        "key": key,
        "operations": listed(list(grant.operations)),
        "principal": _short(grant.holder),
        "constraints": _constraints(grant),
        "grant": grant.name or grant.id[:8],
    }
    if isinstance(edit, Give) and edit.instead_of is not None:
        old = edit.instead_of
        return REPLACED_GRANT.format(
            **words | {"principal": _short(grant.retirer or ""), "grant": old.name or old.id[:8]}
        )
    return WHAT[edit.kind].format(**words)


def _constraints(grant: Grant) -> str:
    constraints = grant.constraints
    pairs = constraints.encryption_context_equals or constraints.encryption_context_subset or {}
    said = [f"the encryption context {', '.join(f'{k}={v}' for k, v in sorted(pairs.items()))}"] if pairs else []
    said += [f"the source {constraints.source_arn}"] if constraints.source_arn else []
    return f", for {listed(said)} only" if said else ""


def _key(arn: str, world: World) -> str:
    key = world.keys_by_arn.get(arn)
    return name_of(key) if key else arn


def _of_state(edit: SetState, world: World) -> str:
    return WHAT[edit.kind].format(operation=edit.operation, key=_key(edit.key, world))


def _of_call(edit: CallAgain, world: World) -> str:
    del world
    said = [text for path, value in edit.members if (text := _member(path, value))]
    return WHAT[edit.kind].format(how=listed(said) or "again")


def _member(path: Path, value: object) -> str:
    """One member of the call, in words; "" for what is not worth telling."""
    if path[0] == "parameters":
        return f"without {path[1]}" if value is Gone.GONE else f"with {path[1]} {_text(value)}"
    told = _MEMBERS.get(path)
    return told(value) if told else ""


def _text(value: object) -> str:
    return _pairs(value) if isinstance(value, Mapping) else value if isinstance(value, str) else json.dumps(value)


def _pairs(pairs: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(pairs.items())) or "{}"


_MEMBERS: Mapping[Path, Callable[[Any], str]] = {
    ("region",): "in the Region {}".format,
    ("grant_tokens",): lambda tokens: "with the grant's token" if tokens else "without grant tokens",
    ("via",): "through the service {}".format,
    ("network", "source_ip"): "from {}".format,
    ("network", "vpc_endpoint"): "through the VPC endpoint {}".format,
    ("network", "secure_transport"): lambda _: "over TLS",
    ("principal", "session", "tags"): lambda tags: f"in a session with the tags {_pairs(tags)}",
    ("principal", "session", "mfa"): lambda _: "with credentials from a sign-in with MFA",
    ("principal", "session", "source_identity"): "in a session with the source identity {}".format,
}

_WORDS: Mapping[type, Callable[..., str]] = {
    Add: _of_statement,
    Change: _of_statement,
    Remove: _of_statement,
    Give: _of_grant,
    Revoke: _of_grant,
    SetState: _of_state,
    CallAgain: _of_call,
}
