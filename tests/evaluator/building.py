"""Worlds, policies and calls for tests, in as few words as a test needs.

One key in ACCOUNT; a role `worker` and a user `ana` there; a role `guest` in OTHER. A test names only what it is about.
"""

from __future__ import annotations

from dataclasses import replace

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.request import Call, Principal, Session, parse_principal
from kmssim.evaluator.world import Account, Constraints, Grant, Key, Organization, Role, Unit, User, World

ACCOUNT, OTHER = "111122223333", "444455556666"
REGION = "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
WORKER = f"arn:aws:iam::{ACCOUNT}:role/worker"
WORKER_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"
ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"
GUEST = f"arn:aws:iam::{OTHER}:role/guest"
GUEST_SESSION = f"arn:aws:sts::{OTHER}:assumed-role/guest/session"


def statement(effect, action="kms:*", *, to=None, on="*", when=None, **more):
    body = {"Effect": effect, "Action": action, "Resource": on, **more}
    if to is not None:
        body["Principal"] = to if to == "*" or isinstance(to, dict) else {"AWS": to}
    if when is not None:
        body["Condition"] = when
    return body


def allow(action="kms:*", **parts):
    return statement("Allow", action, **parts)


def deny(action="kms:*", **parts):
    return statement("Deny", action, **parts)


def document(*statements, version="2012-10-17"):
    return {"Version": version, "Statement": list(statements)}


def policy(kind, *statements, version="2012-10-17") -> Policy:
    return parse_policy(document(*statements, version=version), PolicyKind(kind), kind)


NOBODY = (allow("kms:DescribeKey", to=f"arn:aws:iam::{ACCOUNT}:user/nobody"),)
DELEGATION = (allow(to=ROOT),)


def key(*statements, **parts) -> Key:
    made = {"id": KEY_ID, "region": REGION, "account": ACCOUNT} | parts
    return Key(policy=policy("key_policy", *(statements or NOBODY)), **made)


def grant(*operations, to=WORKER, name="a-grant", **parts) -> Grant:
    made = {"id": f"id-of-{name}", "name": name, "issuing_account": ACCOUNT} | parts
    if isinstance(made.get("constraints"), dict):
        made["constraints"] = Constraints(**made["constraints"])
    return Grant(operations=operations, grantee=to, **made)


def world(*keys, mine=(), theirs=(), boundary=None, organization=None, **accounts) -> World:
    """`mine` are the identity statements of `worker` and `ana`, `theirs` those of `guest`; `boundary` binds all three."""
    limits = policy("boundary", *boundary) if boundary is not None else None
    unit = "root" if organization else None
    here = Account(
        ACCOUNT,
        unit,
        users={"ana": User(ANA, "ana", _identity(mine), boundary=limits)},
        roles={"worker": Role(WORKER, "worker", policies=_identity(mine), boundary=limits)},
        keys=keys or (key(),),
    )
    there = Account(OTHER, roles={"guest": Role(GUEST, "guest", policies=_identity(theirs), boundary=limits)})
    return World({ACCOUNT: here, OTHER: there}, REGION, organization, **accounts)


def _identity(statements):
    return (policy("identity", *statements),) if statements else ()


EVERYTHING = (allow("*"),)


def organization(*, scps=EVERYTHING, rcps=()) -> Organization:
    root_rcps = (policy("rcp", *rcps),) if rcps else ()
    return Organization("o-example", "999900001111", {"root": Unit("root", None, (policy("scp", *scps),), root_rcps)})


def caller(arn=WORKER_SESSION, *, session=None, **passed) -> Principal:
    policies = (policy("session", *session),) if session is not None else ()
    found = parse_principal(arn, Session(policies=policies, **passed))
    assert found is not None, arn
    return found


def call(operation="kms:Decrypt", principal=WORKER_SESSION, *, session=None, **parts) -> Call:
    by = principal if isinstance(principal, Principal) else caller(principal, session=session)
    parameters = parts.pop("parameters", {"KeyId": KEY_ARN})
    return Call(by, operation, parts.pop("region", REGION), parameters, **parts)


def decided(a_world, a_call=None, **parts) -> Decision:
    return decide(a_world, a_call or call(**parts))


def words(decision):
    """Decision, deciding layers in AWS's order, error code."""
    layers = tuple(sorted(layer.value for layer in decision.layers))
    return decision.word, layers, decision.failure.code if decision.failure else None


def with_account(a_world, account, **changes):
    return replace(a_world, accounts={**a_world.accounts, account: replace(a_world.accounts[account], **changes)})
