"""What moto's Organizations takes too easily: guardrails that AWS would refuse.

Who may make a call to Organizations is not decided: whoever has credentials may. It passes the gate so that what it
changes counts at the next question, and so that decisions can be taken over what is written there.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from kmssim.evaluator.policy import PolicyKind
from kmssim.sandbox.answers import Refusal
from kmssim.sandbox.read_policy import refuse_policy
from kmssim.sandbox.seed_organization import POLICY_TYPES
from kmssim.sandbox.wire import WireCall

_KINDS = {name: kind for kind, name in POLICY_TYPES.items()}


def before_organizations(wire: WireCall, organizations: Any) -> Refusal | None:  # noqa: ANN401 (a boto3 client)
    """Refuse a call; None: moto serves it. `organizations` is the sandbox's own, in the caller's account."""
    content = wire.parameters.get("Content")
    if wire.operation not in {"CreatePolicy", "UpdatePolicy"} or not isinstance(content, str):
        return None
    kind = _kind(wire, organizations)
    return refuse_policy(content, kind, "Content") if kind else None


def _kind(wire: WireCall, organizations: Any) -> PolicyKind | None:  # noqa: ANN401 (a boto3 client)
    """SCP or RCP; None: another one, or none that is there, of which moto says so."""
    if wire.operation == "CreatePolicy":
        return _KINDS.get(str(wire.parameters.get("Type")))
    try:
        summary = organizations.describe_policy(PolicyId=wire.parameters.get("PolicyId"))["Policy"]["PolicySummary"]
    except (ClientError, ParamValidationError):
        return None
    return _KINDS.get(summary["Type"])
