"""All checks, and the audit of a world: its findings in order, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kmssim.audit import conditions, dead, escalation, exposure, grants, lock_out, security_hub
from kmssim.audit.finding import Finding
from kmssim.audit.scene import Scene
from kmssim.progress import Advance

CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    exposure.find_public_access,
    exposure.find_foreign_principals,
    exposure.find_foreign_organizations,
    exposure.find_confused_deputies,
    exposure.find_session_principals,
    escalation.find_unlimited_grants,
    escalation.find_administrators,
    escalation.find_reencrypt_escapes,
    escalation.find_tag_and_alias_escalations,
    lock_out.find_lock_outs,
    lock_out.find_principals_who_are_gone,
    dead.find_incomplete_statements,
    dead.find_wrong_resources,
    dead.find_unknown_actions,
    dead.find_denied_exceptions,
    dead.find_actions_that_stay_at_home,
    dead.find_statements_nobody_meets,
    conditions.find_unknown_keys,
    conditions.find_keys_never_carried,
    conditions.find_absent_keys_that_pass,
    conditions.find_variables_in_old_versions,
    conditions.find_plain_operators_on_lists,
    grants.find_grants,
    security_hub.find_keys_for_everybody,
    security_hub.find_keys_that_go,
)
"""Each is a function of a world alone."""


def _unwatched(steps: int = 1) -> None:
    """Nobody is watching."""


def audit(scene: Scene, advance: Advance = _unwatched) -> tuple[Finding, ...]:
    """Every finding about the world, the worst first; `advance` is called after each check."""
    found: dict[str, Finding] = {}
    for check in CHECKS:
        for finding in check(scene):
            found.setdefault(finding.name, finding)
        advance()
    return tuple(sorted(found.values(), key=_order))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return -finding.severity.rank, finding.id, finding.where.path, finding.subject
