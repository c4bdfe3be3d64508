"""Keys of a scenario with their policies, aliases and grants (GR-2 to GR-5, GR-10, GR-14, GR-18, OP-57)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmssim.errors import InputError
from kmssim.evaluator.operations import GRANT_OPERATIONS, KEY_SPECS, KeyKind, key_kind
from kmssim.evaluator.policy import Policy, PolicyKind, default_key_policy
from kmssim.evaluator.request import parse_principal, partition_of
from kmssim.evaluator.world import Constraints, Grant, Key
from kmssim.scenario_file.models import ConstraintsDocument, GrantDocument, KeyDocument
from kmssim.scenario_file.places import Place
from kmssim.scenario_file.policies import read_policy

_MOST_PAIRS = 8


def read_key(label: str, document: KeyDocument, account: str, region: str, place: Place) -> Key:
    """Make a key of the account; `region` is that of a key which states none.

    Raises:
        InputError: a key or a grant that AWS would not make, a policy that it would refuse.

    """
    region = document.region or region
    kind = _read_kind(document, place)
    key = Key(
        id=_read_id(label, document, account, region, place),
        region=region,
        account=account,
        policy=_read_key_policy(document, account, region, place),
        partition=partition_of(region),
        spec=document.spec,
        usage=_usage(document),
        origin=document.origin,
        manager=document.manager,
        state=document.state,
        multi_region=document.multi_region,
        ram_policy=_read_ram_policy(document, place),
        aliases=tuple(document.aliases),
        tags=document.tags,
        label=label,
    )
    return replace(key, grants=tuple(_read_grants(document.grants, key, kind, place.at("grants"))))


def _usage(document: KeyDocument) -> str:
    """The stated usage, else the first that goes with the spec: `ENCRYPT_DECRYPT` for RSA, `SIGN_VERIFY` for curves."""
    return document.usage or next(usage for usage, specs in KEY_SPECS.items() if document.spec in specs)


def _read_kind(document: KeyDocument, place: Place) -> KeyKind:
    try:
        return key_kind(document.spec, _usage(document))
    except InputError as error:
        raise place.at("usage").refusal(error.what, error.hint) from None


def _read_id(label: str, document: KeyDocument, account: str, region: str, place: Place) -> str:
    related = document.multi_region is not None
    if document.id is None:
        import uuid  # noqa: PLC0415 - most scenarios state their ids

        made = uuid.uuid5(uuid.NAMESPACE_URL, f"arn:aws:kms:{region}:{account}:{label}")
        return f"mrk-{made.hex}" if related else str(made)
    if document.id.startswith("mrk-") != related:
        hint = "write mrk- and 32 hexadecimal digits" if related else "state `multi_region` as PRIMARY or REPLICA"
        raise place.at("id").refusal("an id begins with mrk- exactly when the key is a multi-Region key", hint)
    return document.id


def _read_key_policy(document: KeyDocument, account: str, region: str, place: Place) -> Policy:
    if document.policy is not None:
        return read_policy(document.policy, PolicyKind.KEY_POLICY, place.at("policy"))
    if document.manager == "AWS":
        hint = "AWS writes the policies of its managed keys, each service another one"
        raise place.refusal("an AWS managed key needs its `policy` stated", hint)
    return default_key_policy(account, partition_of(region), place.at("policy").path)


def _read_ram_policy(document: KeyDocument, place: Place) -> Policy | None:
    if document.ram_policy is None:
        return None
    return read_policy(document.ram_policy, PolicyKind.KEY_POLICY, place.at("ram_policy"))


def _read_grants(documents: list[GrantDocument], key: Key, kind: KeyKind, place: Place) -> Iterator[Grant]:
    ids: set[str] = set()
    for index, document in enumerate(documents):
        _check_grant(document, key, kind, place.at(index))
        grant = _read_grant(document, index, key)
        if grant.id in ids and document.grant_id is None:
            hint = "AWS has such grants, with ids of their own: state a `GrantId`"
            raise place.at(index, "Name").refusal(f"another grant of this key is named `{document.name}`", hint)
        if grant.id in ids:
            raise place.at(index, "GrantId").refusal(f"another grant of this key has the id `{grant.id}`")
        ids.add(grant.id)
        yield grant


def _read_grant(document: GrantDocument, index: int, key: Key) -> Grant:
    constraints = document.constraints
    return Grant(
        id=_grant_id(document, index, key),
        name=document.name,
        operations=tuple(document.operations),
        issuing_account=document.issuing_account or key.account,
        grantee=None if _is_service(document.grantee_principal) else document.grantee_principal,
        grantee_service=document.grantee_service_principal or _service(document.grantee_principal),
        retiring=document.retiring_principal,
        retiring_service=document.retiring_service_principal,
        constraints=Constraints(
            constraints.encryption_context_equals, constraints.encryption_context_subset, constraints.source_arn
        ),
        pending=document.pending,
    )


def _is_service(grantee: str | None) -> bool:
    """Whether GranteePrincipal holds a service, as ListGrants shows those of AWS's own making (GR-3)."""
    return _service(grantee) is not None


def _service(grantee: str | None) -> str | None:
    return grantee if grantee and re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com", grantee) else None


def _grant_id(document: GrantDocument, index: int, key: Key) -> str:
    """The stated id, else 64 hexadecimal digits, the same each time: from the grant's name, or position and content."""
    if document.grant_id is not None:
        return document.grant_id
    content = json.dumps(document.model_dump(exclude={"grant_id"}), sort_keys=True)
    named = document.name or f"{index}\n{content}"
    import hashlib  # noqa: PLC0415 - most scenarios have no grants

    return hashlib.sha256(f"{key.arn}\n{named}".encode()).hexdigest()


def _check_grant(document: GrantDocument, key: Key, kind: KeyKind, place: Place) -> None:
    if (document.grantee_principal is None) == (document.grantee_service_principal is None):
        raise place.refusal("a grant has one of GranteePrincipal and GranteeServicePrincipal", "rule GR-2")
    if document.retiring_principal is not None and document.retiring_service_principal is not None:
        raise place.refusal("RetiringPrincipal and RetiringServicePrincipal exclude each other", "rule GR-2")
    for field, arn in (
        ("GranteePrincipal", document.grantee_principal),
        ("RetiringPrincipal", document.retiring_principal),
    ):
        if arn is not None and parse_principal(arn) is None and not (field == "GranteePrincipal" and _is_service(arn)):
            hint = "write the ARN of an account root, user, role, federated user or role session; rule GR-3"
            raise place.at(field).refusal(f"`{arn}` is no principal of a grant", hint)
    retired_by = document.retiring_principal or document.retiring_service_principal
    if document.grantee_service_principal and not (retired_by and document.constraints.source_arn):
        hint = "rule GR-2"
        raise place.refusal("a service as grantee needs a SourceArn constraint and a retiring principal", hint)
    _check_operations(document, kind, place.at("Operations"))
    _check_constraints(document.constraints, key, place.at("Constraints"))


def _check_operations(document: GrantDocument, kind: KeyKind, place: Place) -> None:
    for index, operation in enumerate(document.operations):
        if operation not in GRANT_OPERATIONS[kind]:
            known = sorted(GRANT_OPERATIONS[kind])
            hint = f"a grant on this kind of key may list {', '.join(known)}; rule GR-5"
            raise place.at(index).refusal(f"`{operation}` cannot be granted on this key", hint)
    if set(document.operations) == {"CreateGrant"}:
        raise place.refusal("a grant must not contain only the CreateGrant operation", "rule GR-18")


def _check_constraints(document: ConstraintsDocument, key: Key, place: Place) -> None:
    given: Mapping[str, Mapping[str, str] | None] = {
        "EncryptionContextEquals": document.encryption_context_equals,
        "EncryptionContextSubset": document.encryption_context_subset,
    }
    stated = {name: pairs for name, pairs in given.items() if pairs is not None}
    if len(stated) > 1:
        raise place.refusal("EncryptionContextEquals and EncryptionContextSubset exclude each other", "rule GR-10")
    for name, pairs in stated.items():
        if not key.symmetric_encryption:
            raise place.at(name).refusal("only grants on symmetric encryption keys take one", "rule GR-14")
        if len(pairs) > _MOST_PAIRS:
            raise place.at(name).refusal(f"at most {_MOST_PAIRS} pairs, found {len(pairs)}", "rule GR-4")
