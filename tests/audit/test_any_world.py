"""An audit of any world ends, and each of its findings is shown by its witnesses."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from worlds import worlds

from kmssim.audit.beside import world_with
from kmssim.audit.run import Subject, audit_subject
from kmssim.evaluator.pdp import decide


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_every_finding_about_any_world_has_witnesses_that_decide_replays(world):
    findings = audit_subject(Subject("any", world)).findings
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.witnesses, finding.name
        for witness in finding.witnesses:
            assert decide(world_with(world, witness.beside), witness.call) == witness.decision
