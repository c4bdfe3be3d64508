"""Deciding with and without evidence is one rule: the same answers, on every case and on varied calls."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from building import WORKER, WORKER_SESSION, allow, call, deny, key, world

from kmssim.evaluator import pdp, views
from kmssim.evaluator.alike import policies_of
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.layers import LAYER_OF
from kmssim.evaluator.match import applies, mismatch
from kmssim.evaluator.pdp import Authorizer, decide
from kmssim.evaluator.questions import OpenQuestions
from kmssim.scenario import load_scenario

TESTS = Path(__file__).parent.parent
SCENARIOS = {
    path.stem: load_scenario(path)
    for path in sorted((TESTS / "cases").rglob("*.json"))
    if not path.name.startswith("refused-policies")
}


def answer(decision):
    return (
        decision.allowed,
        decision.explicit,
        decision.layers,
        decision.failure,
        decision.uncertain,
        [(found.action, found.resource, found.facts, found.ruling) for found in decision.permissions],
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_decision_and_its_evidence_come_to_the_same_facts(name):
    """Decisions are taken by views, evidence is gathered statement by statement; neither may differ from the other."""
    scenario = SCENARIOS[name]
    authorizer = Authorizer(scenario.world)
    for request in scenario.requests:
        decision = authorizer.decide(request.call)
        assert decision == decide(scenario.world, request.call)
        for found in decision.permissions:
            asked = found.gather.args[0]
            traced = authorizer.trace(asked)
            assert (traced.facts, traced.ruling) == (found.facts, found.ruling), request.name
            assert traced.evidence == found.evidence


def test_each_kind_of_policy_is_looked_at_by_its_layer_and_by_no_other():
    """So a trace that differs in a statement of one kind differs in one layer."""
    by_kind = {}
    for scenario in SCENARIOS.values():
        for found in (one for request in scenario.requests for one in decide(scenario.world, request.call).permissions):
            kinds = {policy.source: policy.kind for policy in policies_of(found.gather.args[0])}
            for layer in found.layers:
                for statement in layer.statements:
                    by_kind.setdefault(kinds[statement.policy], set()).add(layer.layer)
    assert by_kind == {kind: {layer} for kind, layer in LAYER_OF.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_request_is_ruled_alike_bare_and_traced(name):
    scenario = SCENARIOS[name]
    authorizer = Authorizer(scenario.world)
    asked = [
        one
        for request in scenario.requests
        if request.call.service == "kms"
        for one in authorizer.requests(request.call)
    ]
    assert asked
    for one in asked:
        assert authorizer.rule(one) == authorizer.trace(one).ruling
        assert authorizer.trace(one).evidence == authorizer.trace(one).evidence


def test_evidence_is_gathered_when_it_is_looked_at_and_once(monkeypatch):
    gathered = []
    real = pdp._evidence
    monkeypatch.setattr(pdp, "_evidence", lambda *given: gathered.append(given) or real(*given))
    decision = Authorizer(world(key(allow("kms:*", to=WORKER)))).decide(call())
    assert not gathered
    assert decision.permissions[0].layer(Layer.KEY_POLICY).statements
    assert decision.permissions[0].context["kms:keyspec"] == "SYMMETRIC_DEFAULT"
    assert len(gathered) == 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_view_leaves_out_or_takes_for_sure_is_what_matching_finds(name):
    scenario = SCENARIOS[name]
    for request in scenario.requests:
        for one in Authorizer(scenario.world).requests(request.call) if request.call.service == "kms" else ():
            key_policies = [one.leg.key.policy] if one.leg.key else []
            for policy in [*one.caller.policies, *key_policies]:
                view = views.view_of(policy, one.caller, one.request.action, one.request.resource)
                found = [s for s in policy.statements if mismatch(s, one.request, policy.kind, OpenQuestions()) is None]
                asked = [
                    s
                    for s in (*view.open_denies, *view.open_allows)
                    if applies(s, one.request, policy.kind, OpenQuestions())
                ]
                sure = [s for s in found if s not in asked]
                assert {s.path for s in asked} <= {s.path for s in found}
                assert view.denies == any(s.effect.value == "Deny" for s in sure)
                assert view.allows == any(s.effect.value == "Allow" for s in sure)


def test_a_call_about_nothing_makes_no_request():
    assert Authorizer(world()).requests(call(parameters={"KeyId": "1234abcd-12ab-34cd-56ef-0000000000ff"})) == ()


def test_a_policy_forgets_its_views_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(views, "_MOST_KEPT", 3)
    busy = world(key(allow("kms:*", to=WORKER)), mine=(deny("kms:Encrypt"),))
    authorizer = Authorizer(busy)
    names = ["Decrypt", "Encrypt", "DescribeKey", "ListGrants", "GetKeyPolicy"]
    answers = [authorizer.decide(call(f"kms:{name}")).word for name in names * 2]
    assert answers == ["ALLOW", "DENY", "ALLOW", "ALLOW", "ALLOW"] * 2
    policy = busy.keys_by_arn[next(iter(busy.keys_by_arn))].policy
    assert len(policy.views) <= 3


def test_a_world_that_has_decided_travels_between_processes():
    for scenario in SCENARIOS.values():
        for request in scenario.requests[:3]:
            decide(scenario.world, request.call)
        there = pickle.loads(pickle.dumps(scenario.world))  # noqa: S301 - written a moment ago
        assert there == scenario.world
        for request in scenario.requests[:3]:
            assert answer(decide(there, request.call)) == answer(decide(scenario.world, request.call))


def test_layers_of_a_decision_say_their_verdicts_and_reasons():
    decision = Authorizer(world(key(allow("kms:*", to=WORKER)))).decide(call())
    found = decision.permissions[0]
    assert [layer.layer for layer in found.layers] == list(Layer)
    assert all(layer.reason for layer in found.layers)
    assert replace(decision, permissions=()).word == "ALLOW"


def test_a_world_forgets_its_callers_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(pdp, "_CALLERS_KEPT", 2)
    authorizer = Authorizer(world(key(allow("kms:*", to=WORKER))))
    sessions = [f"{WORKER_SESSION.rpartition('/')[0]}/{number}" for number in range(5)]
    assert [authorizer.decide(call(principal=session)).word for session in sessions * 2] == ["ALLOW"] * 10
    assert len(authorizer._callers) <= 2
