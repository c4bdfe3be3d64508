"""Which other accounts a key could let in. Nobody else needs to be asked: across accounts the key's side must allow.

Of a grant these are the grantee, and who may retire it: the retiring principal and the issuing account (GR-60).

This looks at names alone, and errs on the side of asking: whoever is let in here is still decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.principals import PrincipalEntry, PrincipalForm
from kmssim.evaluator.statements import Effect, Policy, Statement
from kmssim.evaluator.world import Key

_BY_ARN = {PrincipalForm.USER, PrincipalForm.ROLE, PrincipalForm.ROLE_SESSION, PrincipalForm.FEDERATED_USER}
_ACCOUNT_KEYS = {"kms:calleraccount", "aws:principalaccount"}


def accounts_let_in(keys: Iterable[Key]) -> frozenset[str] | None:
    """The accounts that policies and grants of these keys name; None: one of them may let in any account (XA-1)."""
    found: set[str] = set()
    for key in keys:
        for policy in filter(None, (key.policy, key.ram_policy)):
            named = _named_by(policy)
            if named is None:
                return None
            found |= named
        for grant in key.grants:
            for name in (grant.holder, grant.retirer or "", grant.issuing_account):
                found.update(_account_of(name))
    return frozenset(found)


def _named_by(policy: Policy) -> set[str] | None:
    found: set[str] = set()
    for statement in policy.statements:
        if statement.effect is not Effect.ALLOW or statement.principal is None:
            continue
        bound = _bound_to(statement)
        if bound is not None:
            found |= bound
            continue
        entries = statement.principal.entries
        if statement.principal.negated or any(entry.form is PrincipalForm.ANYONE for entry in entries):
            return None
        found |= {account for entry in entries for account in _of_entry(entry)}
    return found


def _of_entry(entry: PrincipalEntry) -> Iterator[str]:
    """Services call for themselves, providers cannot use a key, and unique ids are of nobody that is there (PG-40)."""
    if entry.form is PrincipalForm.ACCOUNT:
        yield entry.text
    elif entry.form in _BY_ARN:
        yield from _account_of(entry.text)


def _account_of(name: str) -> Iterator[str]:
    if name.startswith("arn:"):
        yield name.split(":")[4]
    elif name.isdecimal():
        yield name


def _bound_to(statement: Statement) -> set[str] | None:
    """The accounts that a condition leaves of everybody: as in the default policies of AWS managed keys (MK-1)."""
    for condition in statement.conditions:
        if condition.key in _ACCOUNT_KEYS and _is_plain_equality(condition):
            return set(condition.values)
    return None


def _is_plain_equality(condition: Condition) -> bool:
    return (
        condition.operator.name == "StringEquals"
        and not condition.if_exists
        and not condition.qualifier
        and not condition.variables
    )
