"""Proposals made in an open sandbox by real API calls: the answer becomes the one that was proven."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from kmssim.advise import Kind, Proposal, advise, apply
from kmssim.errors import InputError
from kmssim.evaluator.decision import Decision
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.world import World
from kmssim.sandbox.sandbox import Sandbox
from kmssim.scenario import ScenarioRequest, load_scenario

ROOT = Path(__file__).resolve().parents[2]
LAB = load_scenario(ROOT / "labs/01_key_policy_must_trust/scenario.json")
REQUEST = LAB.request("the workload decrypts an order")
KEY = next(iter(LAB.world.keys_by_arn.values()))


def proposed(world: World, request: ScenarioRequest, kind: Kind, wish: str = "allow") -> Proposal:
    found = advise(world, request.call, wish=wish, limit=12).proposals
    return next(one for one in found if one.kind is kind)


def asked_again(sandbox: Sandbox) -> Decision:
    return decide(sandbox.world, REQUEST.call)


@pytest.mark.parametrize("kind", [Kind.GRANT, Kind.KEY_POLICY, Kind.DELEGATION])
def test_a_denied_call_is_allowed_after_its_proposal_is_applied(kind: Kind):
    world = with_admin_of_grants(LAB.world)
    with Sandbox(world) as sandbox:
        assert not asked_again(sandbox).allowed
        apply(proposed(world, REQUEST, kind), sandbox)
        assert asked_again(sandbox).allowed
        kms = sandbox.client("kms", as_=REQUEST.call.principal)
        with pytest.raises(ClientError) as caught:
            kms.decrypt(KeyId=KEY.arn, CiphertextBlob=b"nobody made this")
        assert caught.value.response["Error"]["Code"] == "InvalidCiphertextException"


def test_what_opened_a_call_closes_it_again():
    world = with_admin_of_grants(LAB.world)
    with Sandbox(world) as sandbox:
        apply(proposed(world, REQUEST, Kind.GRANT), sandbox)
        apply(proposed(sandbox.world, REQUEST, Kind.REVOKED_GRANT, wish="deny"), sandbox)
        assert not asked_again(sandbox).allowed


def test_an_identity_statement_becomes_an_inline_policy_of_the_role():
    world = with_admin_of_grants(LAB.world)
    admin = LAB.request("the key administrator decrypts an order")
    proposal = proposed(world, admin, Kind.DELEGATION)
    assert {edit.kind for edit in proposal.edits} == {Kind.DELEGATION, Kind.IDENTITY}
    with Sandbox(world) as sandbox:
        apply(proposal, sandbox)
        assert decide(sandbox.world, admin.call).allowed


def test_nothing_is_written_where_nobody_may():
    with Sandbox(LAB.world) as sandbox:  # its key policy lets nobody create grants
        before = sandbox.world
        with pytest.raises(InputError, match="nobody in this world may kms:CreateGrant"):
            apply(proposed(LAB.world, REQUEST, Kind.GRANT), sandbox)
        assert sandbox.world == before


def test_a_service_control_policy_is_left_to_the_administrator():
    scenario = load_scenario(ROOT / "tests/cases/organization-scp.json")
    proposal = proposed(scenario.world, scenario.request("a Deny on the unit"), Kind.NARROWED_DENY)
    with Sandbox(scenario.world) as sandbox, pytest.raises(InputError, match="no API that the sandbox serves"):
        apply(proposal, sandbox)


def with_admin_of_grants(world: World) -> World:
    """The world in which the key administrator may also create and revoke grants."""
    (account,) = world.accounts.values()
    (key,) = account.keys
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account.id}:role/key-admin"},
        "Action": ["kms:CreateGrant", "kms:RevokeGrant"],
        "Resource": "*",
    }
    document = {**key.policy.document, "Statement": [*key.policy.document["Statement"], statement]}
    policy = parse_policy(document, key.policy.kind, key.policy.source)
    changed = replace(account, keys=(replace(key, policy=policy),))
    return replace(world, accounts={account.id: changed})
