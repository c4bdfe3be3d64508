"""The world that stands where no scenario is named: one account with an administrator, and nothing else."""

from __future__ import annotations

from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.world import Account, User, World

ACCOUNT = "123456789012"
"""moto's own default account, so that ARNs that a test has written down fit."""

ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/administrator"


def starting_world(region: str = "us-east-1") -> World:
    """An account with a user who may do everything; the rest is made with boto3."""
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "AdministratorAccess", "Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    policy = parse_policy(everything, PolicyKind.IDENTITY, "starting_world.administrator")
    user = User(ADMINISTRATOR, "administrator", policies=(policy,))
    return World({ACCOUNT: Account(ACCOUNT, users={"administrator": user})}, region)
