"""Which missing Allow Secrets Manager names across accounts: the secret's policy's, or the caller's own (XA-12)."""

from __future__ import annotations

from kmssim.evaluator.asked import Asked
from kmssim.evaluator.match import trace_statement
from kmssim.evaluator.policy import Effect
from kmssim.evaluator.trust import DELEGATION, trust_role


def is_blamed(asked: Asked) -> bool:
    """Whether a caller of another account is told of the secret's policy, by which it is not allowed itself.

    A policy that allows the caller's account alone is told of, too.
    """
    policy = asked.leg.resource_policy
    if asked.same_account:
        return False
    return policy is None or not any(
        statement.effect is Effect.ALLOW
        and trust_role(statement, asked.caller)[0] != DELEGATION
        and trace_statement(policy, statement, asked.request, asked.questions).applies
        for statement in policy.statements
    )
