"""A file that holds a bare key policy: audited as the policy of a stand-in key.

Of such a file nobody knows who is there. So every user and role of the key's account that the policy names counts as
declared, with no IAM policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.principals import PrincipalForm
from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Account, Key, Role, User, World
from kmssim.scenario_file.places import Place
from kmssim.scenario_file.policies import placed

_ACCOUNT = re.compile("[0-9]{12}")
_STAND_IN = "1234abcd-12ab-34cd-56ef-1234567890ab"
_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


def world_of_policy(content: Mapping[str, object] | str, file: str, account: str | None) -> World:
    """A world with one key that has the policy, in the account; None: the one that the policy names as its own.

    Raises:
        PolicyError: AWS would refuse the policy.
        InputError: which account the key is of cannot be told.

    """
    try:
        policy = parse_policy(content, PolicyKind.KEY_POLICY)
    except PolicyError as error:
        raise placed(error, Place(file)) from None
    owner = account or _owner(policy, file)
    if not _ACCOUNT.fullmatch(owner):
        raise InputError(f"`{owner}` is no account id", file=file, hint="--account takes 12 digits")
    partition = next((text.split(":")[1] for text in _arns(policy)), "aws")
    region = _REGIONS.get(partition, "us-east-1")
    key = Key(_STAND_IN, region, owner, policy, partition, label="key")
    users, roles = _declared(policy, owner)
    return World({owner: Account(owner, users=users, roles=roles, keys=(key,))}, region)


def _owner(policy: Policy, file: str) -> str:
    """The only account whose root the policy names, else the only one whose principals it names."""
    entries = [entry for one in policy.statements if one.principal for entry in one.principal.entries]
    roots = {entry.text for entry in entries if entry.form is PrincipalForm.ACCOUNT}
    named = roots | {arn.account for arn in map(parse_arn, (entry.text for entry in entries)) if arn}
    for accounts in (roots, named):
        if len(accounts) == 1:
            return next(iter(accounts))
    what = "no account is named" if not named else f"{len(named)} accounts are named"
    raise InputError(
        f"{what} in this key policy", path="Statement", file=file, hint="say whose key it is: --account ID"
    )


def _arns(policy: Policy) -> Iterator[str]:
    """Every ARN that the policy names as a principal, or by a condition on one."""
    for statement in policy.statements:
        for entry in statement.principal.entries if statement.principal else ():
            if entry.written.startswith("arn:"):
                yield entry.written
        for condition in statement.conditions:
            if condition.key == "aws:principalarn":
                yield from (text for text in condition.values if text.startswith("arn:") and not set("*?$") & set(text))


def _declared(policy: Policy, account: str) -> tuple[dict[str, User], dict[str, Role]]:
    users: dict[str, User] = {}
    roles: dict[str, Role] = {}
    for text in _arns(policy):
        arn = parse_arn(text)
        if arn is None or arn.account != account:
            continue
        kind, _, rest = arn.resource.partition("/")
        name = rest.rpartition("/")[2]
        if kind == "user":
            users.setdefault(name, User(text, name))
        elif kind == "role":
            roles[name] = Role(text, name)
        elif kind == "assumed-role":
            name = rest.partition("/")[0]
            roles.setdefault(name, Role(f"arn:{arn.partition}:iam::{account}:role/{name}", name))
    return users, roles
