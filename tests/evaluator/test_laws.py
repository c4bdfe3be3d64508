"""The laws of the combining rule, each on every input that there is.

Most laws speak of the part without explicit denies; the one on denies walks the whole domain, half a million inputs.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmssim.evaluator.combine import combine
from kmssim.evaluator.decision import Layer, Source
from kmssim.evaluator.domain import ABSENT, ALLOW, DENY, SILENT, all_facts, facts_without_denies
from kmssim.explain import _cured

GUARDRAILS = (Layer.RCP, Layer.SCP, Layer.VPC_ENDPOINT)


@pytest.fixture(scope="module")
def deny_free():
    return [(facts, combine(facts)) for facts in facts_without_denies()]


def with_verdict(facts, layer, verdict):
    return replace(facts, verdicts={**facts.verdicts, layer: verdict})


def test_the_domain_holds_no_input_twice_and_no_deny_in_the_part_without(deny_free):
    seen = {(*facts.verdicts.values(), *_rest(facts)) for facts, _ in deny_free}
    assert len(seen) == len(deny_free) > 50_000
    assert not any(DENY in facts.verdicts.values() for facts, _ in deny_free)


def _rest(facts):
    return facts.source, facts.same_account, facts.direct, facts.delegated, facts.granted, facts.granted_to_account


def test_nothing_is_allowed_without_a_source(deny_free):
    for facts, ruling in deny_free:
        if ruling.allowed:
            assert {
                Source.KEY: facts.direct is not None or facts.delegated or facts.granted is not None,
                Source.GRANT: facts.granted is not None,
                Source.IDENTITY: facts.verdicts[Layer.IDENTITY] is ALLOW,
            }[facts.source], facts


def test_a_guardrail_never_grants(deny_free):
    """Opening or removing guardrails changes an answer only where they were closed, and never gives one."""
    for facts, ruling in deny_free:
        assert not ruling.allowed or not ruling.layers & {*GUARDRAILS, Layer.BOUNDARY, Layer.SESSION}, facts
        for layer in (Layer.RCP, Layer.SCP, Layer.VPC_ENDPOINT, Layer.BOUNDARY, Layer.SESSION):
            if facts.verdicts[layer] is ALLOW:
                assert combine(with_verdict(facts, layer, ABSENT)) == ruling, facts


def test_a_guardrail_that_is_silent_closes_every_way(deny_free):
    for facts, ruling in deny_free:
        for layer in (Layer.SCP, Layer.VPC_ENDPOINT):
            if facts.verdicts[layer] is SILENT:
                assert not ruling.allowed, facts
                assert layer in ruling.layers, facts


def test_across_accounts_both_sides_must_allow_or_a_grant_does(deny_free):
    for facts, ruling in deny_free:
        if ruling.allowed and not facts.same_account and facts.source is Source.KEY and facts.granted is None:
            assert facts.verdicts[Layer.KEY_POLICY] is ALLOW, facts
            assert facts.verdicts[Layer.IDENTITY] is ALLOW, facts
            assert ruling.layers == {Layer.KEY_POLICY, Layer.IDENTITY}, facts


def test_what_allows_are_layers_that_say_allow(deny_free):
    for facts, ruling in deny_free:
        if ruling.allowed:
            assert ruling.layers, facts
            assert all(facts.verdicts[layer] is ALLOW for layer in ruling.layers), facts


def test_what_is_blamed_does_not_allow(deny_free):
    for facts, ruling in deny_free:
        if not ruling.allowed and facts.granted is None and not (facts.direct or facts.delegated):
            assert all(facts.verdicts[layer] is not ALLOW or layer is Layer.GRANT for layer in ruling.layers), facts


def test_every_implicit_denial_blames_somebody(deny_free):
    assert all(ruling.layers for _, ruling in deny_free)


def test_curing_all_that_is_blamed_opens_the_call_or_another_way_stays_shut(deny_free):
    """What is blamed is enough: where a way exists, an allow from every blamed layer lets the call through."""
    for facts, ruling in deny_free:
        has_way = facts.direct is not None or facts.delegated or facts.granted is not None
        if not ruling.allowed and has_way and facts.source is Source.KEY:
            assert combine(_cured(facts, ruling.layers)).allowed, facts


def ways(facts):
    """How many ways to the key there are, open or not."""
    if facts.source is Source.IDENTITY:
        return 1
    of_policy = (facts.direct is not None) + facts.delegated if facts.same_account else 1
    if facts.source is Source.GRANT or (
        not facts.same_account and facts.granted is not None and facts.direct is None and not facts.delegated
    ):
        of_policy = 0
    return of_policy + (facts.granted is not None)


def test_of_a_single_way_each_blamed_layer_alone_would_still_block(deny_free):
    """What is blamed is needed: with one way only, leaving any one blamed layer as it is leaves the call denied."""
    for facts, ruling in deny_free:
        if ruling.allowed or ways(facts) != 1:
            continue
        for layer in ruling.layers:
            assert not combine(_cured(facts, ruling.layers - {layer})).allowed, (facts, layer)


def test_a_further_allow_never_closes_a_call(deny_free):
    """Monotone: a silent layer that comes to allow never turns an allow into a denial."""
    for facts, ruling in deny_free:
        if ruling.allowed:
            for layer, verdict in facts.verdicts.items():
                if verdict is SILENT and layer not in {Layer.KEY_POLICY, Layer.GRANT}:
                    assert combine(with_verdict(facts, layer, ALLOW)).allowed, (facts, layer)


def test_looser_limits_never_close_a_call(deny_free):
    order = ["nothing", "session", "boundary_and_session"]
    for facts, ruling in deny_free:
        for name in ("direct", "granted"):
            limits = getattr(facts, name)
            if ruling.allowed and limits is not None:
                looser = [found for found in type(limits) if order.index(found.value) < order.index(limits.value)]
                assert all(combine(replace(facts, **{name: found})).allowed for found in looser), facts


def test_an_explicit_deny_beats_every_allow_and_the_denying_layers_alone_are_blamed():
    """So adding a deny never allows, and removing one never denies: with a deny left the answer stays a denial."""
    for facts in all_facts():
        denying = {layer for layer, verdict in facts.verdicts.items() if verdict is DENY}
        ruling = combine(facts)
        assert ruling.explicit is bool(denying), facts
        if denying:
            assert not ruling.allowed, facts
            assert ruling.layers == denying, facts
