"""Grants served as KMS does: made once for each name, listed with filters and pages, retired and revoked.

Who may do what, and whether a grant can be as it is asked for, was decided before. A new grant counts at once, with its
token or without: the sandbox has no delay (GR-50), but for grants that a world declares as pending, and for those made
while `Sandbox.slow_grants` is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kmssim.evaluator.grants import read_constraints
from kmssim.evaluator.keys import home_account
from kmssim.evaluator.world import Grant, Key
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.paging import Listing, answer_page
from kmssim.sandbox.served import Serve, Served
from kmssim.sandbox.stored_grants import GrantNote, GrantNotes, drop_grant, new_grant_id, store_grant, write_constraints

_FILTERS = {
    "GranteePrincipal": "grantee",
    "GranteeServicePrincipal": "grantee_service",
    "RetiringPrincipal": "retiring",
    "RetiringServicePrincipal": "retiring_service",
}


@dataclass
class _Sorted:
    """A key's grants by each principal that one can ask for, as long as they are the same."""

    grants: tuple[Grant, ...] = ()
    by_principal: dict[tuple[str, str], list[Grant]] = field(default_factory=dict)


@dataclass
class SortedGrants:
    """By key ARN: so that a page of the grants of one principal among 50,000 costs a page."""

    by_key: dict[str, _Sorted] = field(default_factory=dict)

    def of(self, key: Key, parameter: str, principal: str) -> list[Grant]:
        """The key's grants that have this principal there."""
        known = self.by_key.get(key.arn)
        if known is None or known.grants is not key.grants:
            known = self.by_key[key.arn] = _Sorted(key.grants, _sort(key.grants))
        return known.by_principal.get((parameter, principal), [])


def _sort(grants: Sequence[Grant]) -> dict[tuple[str, str], list[Grant]]:
    by_principal: dict[tuple[str, str], list[Grant]] = {}
    for grant in grants:
        for parameter, member in _FILTERS.items():
            principal = getattr(grant, member)
            if principal is not None:
                by_principal.setdefault((parameter, principal), []).append(grant)
    return by_principal


def _create(served: Served) -> Answer:
    """GR-7: the same name and the same parameters give the grant that is there, and one more token of it."""
    key, asked = served.key, _asked(served)
    named = key.grant_index.named(asked.name) if asked.name is not None else []
    grant = next((one for one in named if _wish(one) == _wish(asked)), None)
    if grant is None:
        grant = asked
        store_grant(grant, key, served.clients, served.memory)
    token = served.memory.notes(GrantNotes).new_token(grant.id)
    return answer_json({"GrantId": grant.id, "GrantToken": token})


def _asked(served: Served) -> Grant:
    given = served.call.parameters
    operations = given.get("Operations")
    return Grant(
        id=new_grant_id(),
        name=_text(given.get("Name")),
        operations=tuple(dict.fromkeys(str(one) for one in operations)) if isinstance(operations, list) else (),
        issuing_account=home_account(served.call),  # GR-41: who made it, not who owns the key
        grantee=_text(given.get("GranteePrincipal")),
        grantee_service=_text(given.get("GranteeServicePrincipal")),
        retiring=_text(given.get("RetiringPrincipal")),
        retiring_service=_text(given.get("RetiringServicePrincipal")),
        constraints=read_constraints(given.get("Constraints")),
        pending=served.memory.notes(GrantNotes).slow,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _wish(grant: Grant) -> Grant:
    """What the caller states of a grant; the order of the operations says nothing."""
    return replace(grant, id="", issuing_account="", pending=False, operations=tuple(sorted(grant.operations)))


def _retire(served: Served) -> Answer:
    """By token or by key and grant id; the decision has found the grant (GR-60)."""
    tokens = served.call.grant_tokens
    return _drop(served, tokens[0] if tokens else str(served.call.parameters["GrantId"]))


def _revoke(served: Served) -> Answer:
    return _drop(served, str(served.call.parameters["GrantId"]))


def _drop(served: Served, grant_id: str) -> Answer:
    drop_grant(grant_id, served.key, served.clients, served.memory)
    return answer_json({})


def _list(served: Served) -> Answer | Refusal:
    """The grants of a key; filters narrow each other down (GR-63)."""
    key, given = served.key, served.call.parameters
    found: Sequence[Grant] = key.grants
    if given.get("GrantId") is not None:
        one = key.grant_index.find(str(given["GrantId"]))
        found = (one,) if one else ()
    for parameter in ("GranteePrincipal", "GranteeServicePrincipal"):
        principal = given.get(parameter)
        if principal is None:
            continue
        if found is key.grants:
            found = served.memory.notes(SortedGrants).of(key, parameter, str(principal))
        else:
            found = [grant for grant in found if getattr(grant, _FILTERS[parameter]) == principal]
    notes = served.memory.notes(GrantNotes).by_grant

    def note_of(grant: Grant) -> GrantNote:
        return notes[key.arn, grant.id]

    def show(grant: Grant) -> Mapping[str, object]:
        return dict(_members(key, grant, note_of(grant)))

    return answer_page(served, Listing("Grants", found, lambda grant: note_of(grant).serial, show))


def _list_retirable(served: Served) -> Answer | Refusal:
    """The grants of this Region that this principal of the caller's account may retire, on whose keys ever (XA-9)."""
    given = served.call.parameters
    by_service = given.get("RetiringPrincipal") is None
    parameter = "RetiringServicePrincipal" if by_service else "RetiringPrincipal"
    # A service retires in the account for which it calls; on whose keys else is not described.
    home = home_account(served.call)
    keys = [
        key
        for account in served.world.accounts.values()
        for key in account.keys
        if key.region == served.call.region and (account.id == home or not by_service)
    ]
    sorted_grants, notes = served.memory.notes(SortedGrants), served.memory.notes(GrantNotes).by_grant
    found = [(key, grant) for key in keys for grant in sorted_grants.of(key, parameter, str(given.get(parameter)))]

    def serial(row: tuple[Key, Grant]) -> int:
        return notes[row[0].arn, row[1].id].serial

    def show(row: tuple[Key, Grant]) -> Mapping[str, object]:
        return dict(_members(*row, notes[row[0].arn, row[1].id]))

    return answer_page(served, Listing("Grants", sorted(found, key=serial), serial, show))


def _members(key: Key, grant: Grant, note: GrantNote) -> Iterator[tuple[str, object]]:
    yield "KeyId", key.arn
    yield "GrantId", grant.id
    yield "Name", grant.name or ""
    yield "CreationDate", note.created
    for parameter, member in _FILTERS.items():
        if getattr(grant, member) is not None:
            yield parameter, getattr(grant, member)
    yield "IssuingAccount", f"arn:{key.partition}:iam::{grant.issuing_account}:root"
    yield "Operations", list(grant.operations)
    constraints = write_constraints(grant.constraints)
    if constraints:
        yield "Constraints", constraints


SERVES: Mapping[str, Serve] = {
    "CreateGrant": _create,
    "RetireGrant": _retire,
    "RevokeGrant": _revoke,
    "ListGrants": _list,
    "ListRetirableGrants": _list_retirable,
}
