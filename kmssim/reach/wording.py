"""The words of reach: what each hop is, how an access came about, and what closes a path, by reason code, in one place.

Rules and counter-controls of the hops are those of section 16 of the rule book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kmssim.access import STRANGER, caller_name
from kmssim.evaluator.assume import TRUST_POLICY
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.request import PrincipalKind, parse_arn
from kmssim.reach.changes import MADE
from kmssim.reach.paths import Access, Hop
from kmssim.wording import IN_A_SENTENCE, listed


@dataclass(frozen=True)
class HopWords:
    """`label` fits on an arrow, `sentence` takes `who`, `target`, `then` and the hop's details."""

    label: str
    sentence: str
    rules: tuple[str, ...]
    closed_by: str


HOPS: Mapping[str, HopWords] = {
    "assume_role": HopWords(
        "assumes the role",
        "{who} assumes {target}",
        ("PE-4", "DA-32"),
        "narrow the role's trust policy, or the identity policy that allows sts:AssumeRole on it",
    ),
    "assume_session": HopWords(
        "assumes the role as {session name}",
        "{who} assumes {target} under the session name {session name}, which a policy or grant trusts",
        ("PE-5", "PG-33", "DA-22"),
        "trust the role's ARN in place of a session's, or bind sts:RoleSessionName in the role's trust policy",
    ),
    "assume_tagged": HopWords(
        "assumes the role with tags",
        "{who} assumes {target} and tags the session as a policy asks for",
        ("PE-10", "CK-63"),
        "bind sts:TagSession and aws:RequestTag in the role's trust policy",
    ),
    "pass_role": HopWords(
        "passes the role to {service}",
        "{who} passes {target} to {service} and has it run code as the role",
        ("PE-6", "DA-21"),
        "name the roles and services for which iam:PassRole is allowed",
    ),
    "open_role": HopWords(
        "rewrites the trust policy",
        "{who} makes the trust policy of {target} trust itself",
        ("PE-4",),
        "allow iam:UpdateAssumeRolePolicy to nobody who may not use the role",
    ),
    "make_role_anew": HopWords(
        "makes the role anew",
        "{who} deletes {target} and makes another role of that name, which trusts itself",
        ("PE-8", "PG-42"),
        "name the role in Principal: a condition on aws:PrincipalArn means every role of that name",
    ),
    "take_credentials": HopWords(
        "makes credentials of the user",
        "{who} makes an access key or a password for {target}, and goes on as that user",
        ("DA-20",),
        "let users manage their own credentials only (iam:CreateAccessKey, iam:UpdateLoginProfile)",
    ),
    "edit_policy": HopWords(
        "edits its own IAM policy",
        "{who} writes an IAM policy for itself that allows everything",
        ("PE-7", "KP-2"),
        "do not hand use of the key over to IAM: name in the key policy who may use it, and bound iam:Put*Policy",
    ),
    "join_group": HopWords(
        "joins the group",
        "{who} makes itself a member of {target}",
        ("PE-7", "DA-36"),
        "allow iam:AddUserToGroup on the groups only that give no more than the user has",
    ),
    "drop_boundary": HopWords(
        "drops its boundary",
        "{who} removes its own permissions boundary",
        ("DA-30",),
        "deny iam:DeleteUserPermissionsBoundary and iam:DeleteRolePermissionsBoundary in the boundary itself",
    ),
    "tag_self": HopWords(
        "tags itself",
        "{who} tags itself as a policy asks for",
        ("PE-10", "CK-63"),
        "allow iam:TagUser and iam:TagRole to administrators of tags only",
    ),
    "arm": HopWords(
        "writes a policy for {whom}",
        "{who} writes an IAM policy for {target} that allows everything",
        ("PE-7", "KP-2"),
        "allow iam:Put*Policy, iam:Attach*Policy and iam:CreatePolicyVersion on nobody whom the caller can become",
    ),
    "add_to_group": HopWords(
        "puts {whom} into the group",
        "{who} makes {target} a member of the group {group}",
        ("PE-7", "DA-36"),
        "allow iam:AddUserToGroup on the groups only that give no more than their users have",
    ),
    "free_of_boundary": HopWords(
        "drops the boundary of {whom}",
        "{who} removes the permissions boundary of {target}",
        ("DA-30",),
        "allow iam:DeleteUserPermissionsBoundary and iam:DeleteRolePermissionsBoundary on nobody whom the caller can "
        "become",
    ),
    "tag_other": HopWords(
        "tags {whom}",
        "{who} tags {target} as a policy asks for",
        ("PE-10", "CK-63"),
        "allow iam:TagUser and iam:TagRole to administrators of tags only",
    ),
    "tag_key": HopWords(
        "tags the key",
        "{who} tags the key as a policy asks for",
        ("PE-9", "CK-42"),
        "limit aws:RequestTag and aws:TagKeys for kms:TagResource, or have tags administered by others",
    ),
    "untag_key": HopWords(
        "takes a tag away",
        "{who} takes the tag {tag} away from the key",
        ("PE-9", "CK-42"),
        "limit aws:TagKeys for kms:UntagResource",
    ),
    "name_key": HopWords(
        "gives the key an alias",
        "{who} gives the key the alias {alias}, which a policy asks for",
        ("PE-11", "CK-28", "CK-29"),
        "name the key's ARN in place of an alias in the condition, or have aliases administered by others",
    ),
    "move_primary": HopWords(
        "makes the replica the primary",
        "{who} moves the primary of the key to {Region}",
        ("PE-17", "TP-4"),
        "bind kms:PrimaryRegion",
    ),
    "grant": HopWords(
        "grants it to itself",
        "{who} makes a grant for {operations} to itself; it could name anybody the same way",
        ("PE-1", "GR-16"),
        "limit kms:CreateGrant by kms:GrantIsForAWSResource, kms:GranteePrincipal and kms:GrantOperations",
    ),
    "grant_by_wildcard": HopWords(
        "grants it to itself",
        "{who} makes a grant for {operations} to itself: an action with a wildcard, such as kms:Create*, covers "
        "kms:CreateGrant",
        ("PE-3", "PE-1", "PG-12"),
        "write out the actions of key administrators, without kms:CreateGrant and kms:PutKeyPolicy",
    ),
    "put_policy": HopWords(
        "puts a key policy of its own",
        "{who} puts a key policy that names itself",
        ("PE-2", "TP-7"),
        "allow kms:PutKeyPolicy to administrators only who are no users of the key, and watch it",
    ),
    "reencrypt": HopWords(
        "re-encrypts to another key",
        "{who} re-encrypts the ciphertext to {target}, where {then} decrypts it",
        ("PE-12", "TP-1", "XA-7"),
        "ask for kms:ReEncryptOnSameKey where kms:ReEncryptFrom is allowed, or for aws:ResourceAccount",
    ),
    "replicate": HopWords(
        "replicates the key",
        "{who} makes a replica in {Region} under a key policy that names itself, with the same key material",
        ("PE-16", "TP-3", "TP-15"),
        "bind kms:ReplicaRegion, and deny kms:CreateKey and kms:ReplicateKey in other Regions by an SCP",
    ),
    "import_material": HopWords(
        "imports material it knows",
        "{who} imports key material that it knows, and does without KMS what is done with it",
        ("PE-15", "CK-8"),
        "allow kms:ImportKeyMaterial during the key's creation only",
    ),
    "allow_oneself": HopWords(
        "allows itself in its own account",
        "{who} allows itself the operation in an account of its own, which nothing here can see",
        ("PE-20", "PG-36"),
        "add kms:CallerAccount or aws:PrincipalOrgID to the statement whose principal is *",
    ),
}
"""By `Hop.code`."""

RISKS: Mapping[str, str] = {
    "kms:CreateAlias": "PE-11",
    "kms:CreateGrant": "PE-1",
    "kms:DeleteImportedKeyMaterial": "PE-14",
    "kms:DisableKey": "PE-14",
    "kms:ImportKeyMaterial": "PE-15",
    "kms:PutKeyPolicy": "PE-2",
    "kms:ReEncryptFrom": "PE-12",
    "kms:ReplicateKey": "PE-16",
    "kms:RetireGrant": "PE-19",
    "kms:RevokeGrant": "PE-19",
    "kms:ScheduleKeyDeletion": "PE-14",
    "kms:TagResource": "PE-9",
    "kms:UntagResource": "PE-9",
    "kms:UpdateAlias": "PE-11",
    "kms:UpdatePrimaryRegion": "PE-17",
}
"""What an operation is dangerous for by itself."""

FOREIGN_KEYS = (
    "Its IAM policies also allow kms:Encrypt on keys of accounts that nothing here names (PE-13): whoever owns such a "
    "key can have data encrypted under it."
)

_MOST_LISTED = 3
_PATHS = {
    "direct": "by the key policy, which names it",
    "delegation": "by IAM, to which the key policy hands the account over",
    "across": "by the key policy, and by IAM of its own account",
    "iam": "by IAM",
}


def told(hop: Hop, who: str | None = None) -> str:
    """A hop as a sentence without a final stop; `who` stands for the one who takes it."""
    words = HOPS[hop.code].sentence.format_map({
        "who": who or caller_name(hop.principal),
        "target": resource(hop.target),
        "then": caller_name(hop.then),
        **{name: _counted(name, value) for name, value in hop.details},
    })  # fmt: skip
    extras = [f"{name} {value}" for name, value in hop.details if _is_extra(name)]
    return f"{words} ({', '.join(extras)})" if extras else words


def _counted(name: str, value: str) -> str:
    """A detail as a sentence has it: many operations are counted."""
    many = value.count(",") + 1
    return f"{many} operations" if name == "operations" and many > _MOST_LISTED else value


def _is_extra(name: str) -> bool:
    return name in {"external id", "source identity", "MFA", "also by"} or name.startswith(
        ("tag ", "EncryptionContext")
    )


def label(hop: Hop) -> str:
    """A hop in few words, for an arrow."""
    return HOPS[hop.code].label.format_map(dict(hop.details))


def resource(text: str) -> str:
    """A resource by account and name; the key of an account that nothing names stands for any such key."""
    arn = parse_arn(text)
    if arn is not None and arn.account == STRANGER:
        return "a key of any account"
    if arn is None:
        return text
    return f"{arn.account}:{arn.resource}" if arn.service == "iam" else arn.resource


def how(access: Access) -> str:
    """What an access is allowed by, and under which circumstances: what follows "allowed"."""
    root = access.question.principal.kind is PrincipalKind.ROOT
    ways = [
        f"by the grant {listed([_grant(name) for name in access.grants])}"
        if path == "grant"
        else "by the key policy, which names its account"
        if path == "direct" and root
        else _PATHS[path]
        for path in access.paths
    ]
    return ", ".join(["; also ".join(ways), *circumstances(access)])


def _grant(name: str) -> str:
    return "that was made on the way" if name == MADE else name


def circumstances(access: Access) -> list[str]:
    """What the call must state or come through; nothing for a plain one."""
    question = access.question
    found: list[str] = []
    if question.encryption_context:
        pairs = ", ".join(f"{name}={value}" for name, value in question.encryption_context)
        found.append(f"with the encryption context {pairs}")
    if question.via:
        found.append(f"through {question.via}")
    if question.alias:
        found.append(f"by {question.alias}")
    if question.grant and question.action != "kms:RetireGrant":
        found.append("with the grant's token")
    if access.uncertain:
        found.append(f"as far as {', '.join(access.uncertain)} is read that way")
    return found


def layers(words: Iterable[str]) -> str:
    """The layers that allowed something, by their words."""
    named = {TRUST_POLICY: "the trust policy", "identity": "IAM"}
    return listed([named.get(word) or IN_A_SENTENCE[Layer(word)] for word in words])
