"""How findings call people and actions."""

from __future__ import annotations

from collections.abc import Iterable

from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal


def sentence(text: str) -> str:
    """The text as a sentence begins, unless it begins with an action or a condition key."""
    return text if ":" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def called(subject: Principal | str, account: str = "") -> str:
    """Somebody as a sentence has it: `role batch`; with the account where that is another than `account`."""
    principal = parse_principal(subject) if isinstance(subject, str) else subject
    if principal is None:
        return str(subject)
    if principal.kind is PrincipalKind.SERVICE:
        return f"the service {principal.name}"
    if principal.kind is PrincipalKind.ROOT:
        return f"account {principal.account}"
    kinds = {
        PrincipalKind.USER: "user",
        PrincipalKind.ROLE_SESSION: "role",
        PrincipalKind.FEDERATED_USER: "federated user",
    }
    abroad = f" of account {principal.account}" if account and principal.account != account else ""
    return f"{kinds[principal.kind]} {principal.name}{abroad}"


def listed_actions(actions: Iterable[str], most: int = 4) -> str:
    """`kms:Decrypt, kms:Encrypt and 3 more`."""
    names = list(actions)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
