"""One policy document, on its way into the runtime and out of it."""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.errors import PolicyError, SetupError
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.sandbox.answers import Refusal


def refuse_policy(document: str, kind: PolicyKind, parameter: str) -> Refusal | None:
    """What AWS says to a document that it does not take, which moto would keep all the same; None: it is taken."""
    try:
        parse_policy(document, kind, parameter)
    except PolicyError as error:
        return Refusal(error.code or "MalformedPolicyDocument", str(error))
    return None


def read_policy(document: str | Mapping[str, object], kind: PolicyKind, source: str, holder: str = "") -> Policy:
    """Read a document that AWS would have checked on the way in, which moto mostly does not.

    Raises SetupError naming `holder` (by default `source`): nothing can be decided over a policy that AWS refuses.
    """
    try:
        return parse_policy(document, kind, source)
    except PolicyError as error:
        what = f"the runtime holds a policy of {holder or source} that AWS would refuse: {error}"
        raise SetupError(f"{what}; put a valid one in its place") from error
