"""Witnesses as scenarios: a world and the calls that show a finding, for `kmssim decide` to replay."""

from __future__ import annotations

from collections.abc import Sequence

from kmssim.audit.beside import world_with
from kmssim.audit.finding import Finding, Witness
from kmssim.audit.run import Report
from kmssim.errors import InputError
from kmssim.evaluator.world import Account
from kmssim.scenario import Expectation, ScenarioRequest
from kmssim.scenario_file.document import Document, write_scenario
from kmssim.scenario_file.places import near_names


def expected(witness: Witness) -> Expectation:
    """What the scenario expects of the call: the decision that the audit met."""
    decision = witness.decision
    return Expectation(
        decision=decision.word,
        layers=frozenset(layer.value for layer in decision.layers),
        error=decision.failure.code if decision.failure else None,
        has_error=True,
        uncertain=decision.uncertain,
    )


def requests_of(finding: Finding) -> tuple[ScenarioRequest, ...]:
    """The finding's witnesses as requests."""
    return tuple(
        ScenarioRequest(
            name=f"{finding.name} #{number}: {witness.says}",
            call=witness.call,
            expect=expected(witness),
            rules=finding.rules,
            why=finding.executive,
            path=f"requests[{number - 1}]",
        )
        for number, witness in enumerate(finding.witnesses, 1)
    )


def beside_all(findings: Sequence[Finding]) -> dict[str, Account]:
    """The accounts that the witnesses need; of one account the version with the most in it."""
    accounts: dict[str, Account] = {}
    for finding in findings:
        for witness in finding.witnesses:
            for name, account in witness.beside.items():
                known = accounts.get(name)
                if known is None or _size(account) > _size(known):
                    accounts[name] = account
    return accounts


def _size(account: Account) -> int:
    held = [one for holders in (account.users, account.roles) for one in holders.values()]
    return len(account.keys) + len(held) + sum(len(one.policies) for one in held)


def scenario_of_witnesses(reports: Sequence[Report], wanted: str) -> Document:
    """The scenario that shows one finding (by its whole name), or the first one of that id.

    Raises:
        InputError: there is no such finding, or none that a call could show.

    """
    found = [(report, finding) for report in reports for finding in _all(report)]
    named = [pair for pair in found if wanted in {pair[1].name, pair[1].id}]
    if not named:
        known = [name for _, finding in found for name in (finding.id, finding.name)]
        raise InputError(f"no finding `{wanted}`", hint=near_names(wanted, known))
    report, finding = named[0]
    world = world_with(report.subject.world, beside_all([finding]))
    return write_scenario(world, f"Witness: {finding.name}", finding.technical, requests_of(finding))


def _all(report: Report) -> tuple[Finding, ...]:
    return (*report.findings, *(one.finding for one in report.suppressed))
